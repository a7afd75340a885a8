//! `klamm groups list`.

use clap::Args;
use klamm::Admin;
use klamm::admin::{Gathered, GroupState, GroupType};

use crate::failure::Failure;
use crate::output::{Output, failures, missing, row};

#[derive(Args, Debug, Default)]
pub(crate) struct ListArgs {
    /// Only groups in this state, such as Stable or Empty; repeatable
    #[arg(long, value_name = "STATE", value_parser = state)]
    state: Vec<GroupState>,
    /// Only groups of this type: classic, consumer, share or streams; repeatable
    #[arg(long = "type", value_name = "TYPE", value_parser = group_type)]
    types: Vec<GroupType>,
}

fn state(text: &str) -> Result<GroupState, String> {
    use GroupState as S;
    let known = [
        S::Stable,
        S::PreparingRebalance,
        S::CompletingRebalance,
        S::Assigning,
        S::Reconciling,
        S::Empty,
        S::Dead,
        S::NotReady,
    ];
    named(text, &known, GroupState::as_str)
}

fn group_type(text: &str) -> Result<GroupType, String> {
    use GroupType as T;
    let known = [T::Classic, T::Consumer, T::Share, T::Streams];
    named(text, &known, GroupType::as_str)
}

fn named<T: Clone, const N: usize>(
    text: &str,
    known: &[T; N],
    name: fn(&T) -> &str,
) -> Result<T, String> {
    let found = known.iter().find(|it| name(it).eq_ignore_ascii_case(text));
    found.cloned().ok_or_else(|| {
        let names: Vec<_> = known.iter().map(name).collect();
        format!("one of {}", names.join(", "))
    })
}

pub(super) async fn run(admin: &Admin, args: ListArgs, out: &Output) -> Result<(), Failure> {
    let list = admin.list_groups().states(args.state).types(args.types);
    let Gathered {
        mut found,
        failures: failed,
        ..
    } = list.await?;
    found.sort_by(|one, other| one.group_id.cmp(&other.group_id));
    let rows = found.into_iter().map(|group| {
        row!(
            group: group.group_id,
            type: group.group_type.map(|it| it.to_string().to_lowercase()),
            state: group.state.map(|it| it.to_string()),
            protocol_type: group.protocol_type,
        )
    });
    out.rows(rows.collect(), "there are no groups")?;
    failures(missing(&failed).collect())
}
