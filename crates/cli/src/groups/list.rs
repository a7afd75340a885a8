//! `klamm groups list`.

use clap::Args;
use klamm::Admin;
use klamm::admin::{GroupState, GroupType};

use crate::failure::Failure;
use crate::output::{Output, failures, missing, row};

#[derive(Args, Debug, Default)]
pub(crate) struct ListArgs {
    /// Only groups in this state, such as Stable or Empty; repeatable
    #[arg(long, value_name = "STATE")]
    state: Vec<GroupState>,
    /// Only groups of this type: classic, consumer, share or streams; repeatable
    #[arg(long = "type", value_name = "TYPE")]
    types: Vec<GroupType>,
}

pub(super) async fn run(admin: &Admin, args: ListArgs, out: &Output) -> Result<(), Failure> {
    let list = admin.list_groups().states(args.state).types(args.types);
    let listed = list.await?;
    let rows = listed.found.into_iter().map(|group| {
        row!(
            group: group.group_id,
            type: group.group_type.map(|it| it.to_string().to_lowercase()),
            state: group.state.map(|it| it.to_string()),
            protocol_type: group.protocol_type,
        )
    });
    out.rows(rows.collect(), "there are no groups")?;
    failures(missing(&listed.failures).collect())
}
