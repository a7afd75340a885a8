//! `klamm records`.

use clap::{Args, Subcommand};
use klamm::Admin;

use crate::args::{ClusterArgs, Consent};
use crate::confirm::confirm;
use crate::failure::Failure;
use crate::output::{Output, Report, counted, row};
use crate::partitions::{self, Partitions};
use crate::place::{self, Place};
use crate::{progress, session};

#[derive(Debug, Subcommand)]
pub(crate) enum RecordsCommand {
    /// Delete the oldest records of partitions
    Delete(DeleteArgs),
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  klamm records delete orders --before @-7d      what is older than a week
  klamm records delete orders:0 --before 1200    up to an offset of one partition")]
pub(crate) struct DeleteArgs {
    /// Topics, or some of their partitions
    #[arg(required = true, value_name = "TOPIC[:0,2,4-6]")]
    partitions: Vec<Partitions>,
    /// Delete what is before: end, an offset, -N for all but the last N, or @TIME with milliseconds since 1970,
    /// 2026-11-26T10:00:00Z, or -2h30m for a time ago
    #[arg(long, value_name = "WHERE", allow_hyphen_values = true)]
    before: Place,
    #[command(flatten)]
    consent: Consent,
}

pub(crate) async fn run(
    cluster: ClusterArgs,
    command: RecordsCommand,
    out: &Output,
) -> Result<(), Failure> {
    let RecordsCommand::Delete(args) = command;
    let admin = session::admin(cluster).await?;
    delete(&admin, args, out).await
}

async fn delete(admin: &Admin, args: DeleteArgs, out: &Output) -> Result<(), Failure> {
    let partitions = partitions::resolve(admin, &args.partitions).await?;
    let befores = place::offsets(admin, args.before, &partitions).await?;
    let bounds = place::bounds(admin, &partitions).await?;
    let count = |(partition, before): (&_, &i64)| {
        let begin = bounds.get(partition).map_or(*before, |bounds| bounds.begin);
        (before - begin).max(0)
    };
    let offsets: i64 = befores.iter().map(count).sum();
    let what = format!(
        "delete the records at {} in {}",
        counted(offsets.unsigned_abs(), "offset"),
        counted(partitions.len() as u64, "partition")
    );
    confirm(args.consent, &what).await?;
    let mut asked: Vec<_> = befores.into_iter().collect();
    asked.sort();
    let under_way = progress::spinner(what);
    let deleted = admin.delete_records(asked).await;
    drop(under_way);
    let mut report = Report::new(out);
    for (partition, result) in deleted? {
        let mut row = row!(topic: &*partition.topic, partition: partition.partition);
        match result {
            Ok(first) => {
                row.push(("first_offset", first.into()));
                report.done(row, &format!("{partition} now begins at {first}"))?;
            }
            Err(error) => report.failed(row, &error),
        }
    }
    report.finish()
}
