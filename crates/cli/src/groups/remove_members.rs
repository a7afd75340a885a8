//! `klamm groups remove-members`.

use clap::{ArgGroup, Args};
use klamm::Admin;
use klamm::admin::MemberToRemove;

use crate::args::Consent;
use crate::confirm::confirm;
use crate::failure::{Failure, note};
use crate::output::{Output, Report, counted};

#[derive(Args, Debug)]
#[command(group = ArgGroup::new("who").required(true).multiple(true).args(["members", "instances", "all"]))]
pub(crate) struct RemoveMembersArgs {
    /// Id of the group
    group: String,
    /// A member by its id; repeatable
    #[arg(long = "member", value_name = "ID")]
    members: Vec<String>,
    /// A static member by its group.instance.id; repeatable
    #[arg(long = "instance", value_name = "ID")]
    instances: Vec<String>,
    /// All members
    #[arg(long, conflicts_with_all = ["members", "instances"])]
    all: bool,
    /// What the brokers' logs say about it
    #[arg(long, default_value = "removed by an operator with klamm")]
    reason: String,
    #[command(flatten)]
    consent: Consent,
}

pub(super) async fn run(
    admin: &Admin,
    args: RemoveMembersArgs,
    out: &Output,
) -> Result<(), Failure> {
    let who = if args.all {
        "all members".to_owned()
    } else {
        let count = args.members.len() + args.instances.len();
        counted(count as u64, "member")
    };
    confirm(
        args.consent,
        &format!("remove {who} from group {}", args.group),
    )
    .await?;
    let results = if args.all {
        admin.remove_all_members(&args.group, &args.reason).await?
    } else {
        let members = args.members.into_iter().map(MemberToRemove::MemberId);
        let instances = args.instances.into_iter().map(MemberToRemove::InstanceId);
        let all = members.chain(instances);
        admin.remove_members(&args.group, all, &args.reason).await?
    };
    if results.is_empty() {
        note(format_args!("group {} has no members", args.group));
    }
    let mut report = Report::new(out);
    report.results("member", results, |member, ()| format!("removed {member}"))?;
    report.finish()
}
