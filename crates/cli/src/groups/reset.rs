//! `klamm groups reset`.

use std::collections::{BTreeMap, HashMap};

use clap::{ArgGroup, Args};
use klamm::{Admin, TopicPartition};

use super::progress;
use crate::failure::{Failure, explain, note};
use crate::output::{Output, counted, row};
use crate::partitions::{self, Partitions};
use crate::place::{self, Place};

#[derive(Args, Debug)]
#[command(group = ArgGroup::new("which").required(true).args(["topics", "all_topics"]))]
#[command(after_help = "\
Examples:
  klamm groups reset billing --topic orders --to @-2h              what would be read again
  klamm groups reset billing --topic orders --to @-2h --execute
  klamm groups reset billing --topic orders:0 --shift-by 1 --execute   go past one record")]
#[command(group = ArgGroup::new("where").required(true).args(["to", "shift_by"]))]
pub(crate) struct ResetArgs {
    /// Id of the group, which must have no members; one that is not there is created
    group: String,
    /// A topic, or some of its partitions; repeatable
    #[arg(long = "topic", value_name = "TOPIC[:0,2,4-6]")]
    topics: Vec<Partitions>,
    /// All topics that the group has offsets of
    #[arg(long)]
    all_topics: bool,
    /// Where to go on: beginning, end, an offset, -N for the last N, or @TIME with milliseconds since 1970,
    /// 2026-11-26T10:00:00Z, or -2h30m for a time ago
    #[arg(long, value_name = "WHERE", allow_hyphen_values = true)]
    to: Option<Place>,
    /// Go so many offsets forwards, or with a minus backwards
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    shift_by: Option<i64>,
    /// Do it; without, it is only shown what would happen
    #[arg(long)]
    execute: bool,
    /// Only show what would happen, as is the default
    #[arg(long, conflicts_with = "execute")]
    dry_run: bool,
}

pub(super) async fn run(admin: &Admin, args: ResetArgs, out: &Output) -> Result<(), Failure> {
    let committed = committed(admin, &args.group).await?;
    let partitions = if args.all_topics {
        committed.keys().cloned().collect()
    } else {
        partitions::resolve(admin, &args.topics).await?
    };
    if partitions.is_empty() {
        return Err(Failure::Failed(format!(
            "group {} has no offsets: name the topics with --topic",
            args.group
        )));
    }
    let plan = plan(admin, &args, &partitions, &committed).await?;
    let mut failed = HashMap::new();
    if args.execute {
        let offsets = plan
            .iter()
            .map(|(partition, offset)| (partition.clone(), *offset));
        for (partition, result) in admin.alter_group_offsets(&args.group, offsets).await? {
            if let Err(error) = result {
                failed.insert(partition, explain(&error));
            }
        }
    }
    let rows = plan.iter().map(|(partition, offset)| {
        let before = committed.get(partition).copied();
        let mut row = row!(
            group: args.group.as_str(),
            topic: &*partition.topic,
            partition: partition.partition,
            committed: before,
            new_offset: *offset,
            change: before.map(|before| offset - before),
        );
        if args.execute {
            row.push(("done", (!failed.contains_key(partition)).into()));
        }
        row
    });
    out.rows(rows.collect(), "nothing to reset")?;
    if !args.execute {
        warn_of_members(admin, &args.group).await;
        note("nothing was changed: this is what --execute would do");
    }
    // Members are the same obstacle for each partition.
    let count = failed.len();
    let Some(first) = failed.into_values().min() else {
        return Ok(());
    };
    Err(Failure::Failed(format!(
        "{count} of {} were not reset, the first because: {first}",
        counted(plan.len() as u64, "offset")
    )))
}

async fn committed(admin: &Admin, group: &str) -> Result<BTreeMap<TopicPartition, i64>, Failure> {
    let mut committed = BTreeMap::new();
    for offsets in admin.list_group_offsets([group]).await?.all()? {
        for (partition, offset) in offsets {
            if let Some(offset) = offset? {
                committed.insert(partition, offset.offset);
            }
        }
    }
    Ok(committed)
}

/// Where each partition goes on, within what is there.
async fn plan(
    admin: &Admin,
    args: &ResetArgs,
    partitions: &[TopicPartition],
    committed: &BTreeMap<TopicPartition, i64>,
) -> Result<BTreeMap<TopicPartition, i64>, Failure> {
    if let Some(to) = args.to {
        let offsets = place::offsets(admin, to, partitions).await?;
        return Ok(offsets.into_iter().collect());
    }
    let by = args.shift_by.unwrap_or(0);
    let bounds = place::bounds(admin, partitions).await?;
    let mut plan = BTreeMap::new();
    for (partition, bounds) in bounds {
        let Some(before) = committed.get(&partition) else {
            return Err(Failure::Failed(format!(
                "group {} has no offset of {partition} to shift: use --to",
                args.group
            )));
        };
        let end = bounds.end.max(bounds.begin);
        plan.insert(
            partition,
            before.saturating_add(by).clamp(bounds.begin, end),
        );
    }
    Ok(plan)
}

/// A group with members can't be reset, which is better known before.
async fn warn_of_members(admin: &Admin, group: &str) {
    let Ok(found) = progress::of(admin, &[group.to_owned()]).await else {
        return;
    };
    let members = found.groups.iter().map(|it| it.group.members.len());
    let members: usize = members.sum();
    if members > 0 {
        note(format_args!(
            "warning: group {group} has {} now, and can only be reset without",
            counted(members as u64, "member")
        ));
    }
}
