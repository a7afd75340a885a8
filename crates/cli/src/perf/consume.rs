//! `klamm perf consume`.

use std::hint::black_box;
use std::time::Duration;

use indicatif::ProgressBar;
use klamm::Consumer;
use klamm::config::Role;
use tokio::time::Instant;

use super::args::PerfConsumeArgs;
use super::print_result;
use super::usage::Usage;
use crate::args::ClusterArgs;
use crate::failure::{Failure, note};
use crate::interrupt::interrupted;
use crate::output::Output;
use crate::progress;
use crate::session::Session;

/// After so long without a record there are not as many as were asked for.
pub(super) const IDLE: Duration = Duration::from_secs(15);
/// Limit for leaving the group.
const CLOSE: Duration = Duration::from_secs(10);

pub(super) async fn run(
    cluster: ClusterArgs,
    args: PerfConsumeArgs,
    out: Output,
) -> Result<(), Failure> {
    let session = Session::open(cluster, Role::Consumer, args.properties()).await?;
    let partitions = session.partitions(&args.topic).await?;
    let builder = session.consumer()?.allow_auto_create_topics(false);
    let mut consumer = if session.group().is_some() {
        builder.topics([&args.topic]).build().await?
    } else {
        let mut consumer = builder.build().await?;
        consumer.assign(partitions)?;
        consumer
    };
    let bar = progress::bar(Some(args.records), "records");
    let mut reading = Reading::default();
    let ended = tokio::select! {
        ended = reading.read(&mut consumer, args.records, &bar) => Some(ended),
        () = interrupted() => None,
    };
    bar.finish_and_clear();
    let Reading {
        records,
        start,
        last,
        ..
    } = reading;
    let end = last.unwrap_or_else(Usage::now);
    let spent = end.since(start.unwrap_or(end), records);
    let line = format!(
        "klamm consume records={records} {} {}",
        spent.throughput(),
        spent.cost()
    );
    print_result(&out, &line, records, args.records)?;
    consumer.close(CLOSE).await?;
    match ended {
        Some(ended) => ended,
        None => {
            let wanted = args.records;
            note(format_args!(
                "interrupted after {records} of {wanted} records"
            ));
            Err(Failure::Interrupted)
        }
    }
}

/// What was read so far.
#[derive(Default)]
struct Reading {
    records: u64,
    bytes: usize,
    /// When the first records were there.
    start: Option<Usage>,
    /// When there were no more records, for now.
    last: Option<Usage>,
}

impl Reading {
    async fn read(
        &mut self,
        consumer: &mut Consumer,
        wanted: u64,
        bar: &ProgressBar,
    ) -> Result<(), Failure> {
        let mut idle_since = Instant::now();
        while self.records < wanted {
            let records = consumer.poll_timeout(Duration::from_millis(500)).await?;
            if records.is_empty() {
                self.last.get_or_insert_with(Usage::now);
                if idle_since.elapsed() >= IDLE {
                    return Err(missing(self.records, wanted));
                }
                continue;
            }
            self.start.get_or_insert_with(Usage::now);
            for record in &records {
                self.bytes += black_box(record.value).map_or(0, <[u8]>::len);
            }
            self.records += records.len() as u64;
            bar.set_position(self.records);
            self.last = None;
            idle_since = Instant::now();
        }
        Ok(())
    }
}

/// No record came for [`IDLE`].
pub(super) fn missing(came: u64, wanted: u64) -> Failure {
    Failure::Failed(format!(
        "no record came for {} s: only {came} of {wanted} records are there",
        IDLE.as_secs()
    ))
}
