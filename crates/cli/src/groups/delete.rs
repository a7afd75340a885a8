//! `klamm groups delete`.

use clap::Args;
use klamm::Admin;

use crate::args::Consent;
use crate::confirm::{confirm, some_of};
use crate::failure::Failure;
use crate::output::{Output, Report};

#[derive(Args, Debug)]
pub(crate) struct DeleteArgs {
    /// Ids of the groups, which must have no members
    #[arg(required = true, value_name = "GROUP")]
    groups: Vec<String>,
    #[command(flatten)]
    consent: Consent,
}

pub(super) async fn run(admin: &Admin, args: DeleteArgs, out: &Output) -> Result<(), Failure> {
    let groups = some_of(&args.groups);
    confirm(
        args.consent,
        &format!("delete groups {groups} with their offsets"),
    )
    .await?;
    let results = admin.delete_groups(args.groups).await?;
    let mut report = Report::new(out);
    report.results("group", results, |group, ()| format!("deleted {group}"))?;
    report.finish()
}
