//! `klamm perf produce`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use indicatif::ProgressBar;
use klamm::config::Role;
use klamm::{Deliveries, Producer, Record, Settled};
use tokio::task::JoinSet;

use super::args::PerfProduceArgs;
use super::payload::payloads;
use super::usage::Usage;
use super::{print_result, warm_up};
use crate::args::ClusterArgs;
use crate::failure::{Failure, note};
use crate::interrupt::interrupted;
use crate::output::Output;
use crate::produce::check_settled;
use crate::progress;
use crate::session::Session;

/// After so many records it is looked whether to go on.
const STEP: u64 = 1024;

pub(super) async fn run(
    cluster: ClusterArgs,
    args: PerfProduceArgs,
    out: &Output,
) -> Result<(), Failure> {
    let session = Session::open(cluster, Role::Producer, args.producer.properties()).await?;
    let producer = session.producer()?.build()?;
    let values = Arc::new(payloads(args.record_size));
    warm_up(&producer, &args.topic, &values[0]).await?;

    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    let watcher = tokio::spawn(async move {
        interrupted().await;
        flag.store(true, Ordering::Relaxed);
    });

    let bar = progress::bar(Some(args.records), "records");
    let start = Usage::now();
    let mut senders = JoinSet::new();
    for task in 0..args.tasks {
        let records = args.records / args.tasks + u64::from(task < args.records % args.tasks);
        senders.spawn(send(Sender {
            producer: producer.clone(),
            topic: args.topic.clone(),
            values: Arc::clone(&values),
            records,
            stop: Arc::clone(&stop),
            bar: bar.clone(),
        }));
    }
    let mut outcome = Settled::default();
    let mut failure = None;
    while let Some(sent) = senders.join_next().await {
        match sent {
            Ok((part, ended)) => {
                outcome.merge(part);
                failure = failure.or(ended.err());
            }
            Err(error) => failure = failure.or(Some(Failure::Failed(error.to_string()))),
        }
    }
    let spent = Usage::now().since(start, outcome.acknowledged);
    watcher.abort();
    bar.finish_and_clear();

    let line = format!(
        "klamm produce records={} {} {}",
        outcome.acknowledged,
        spent.throughput(),
        spent.cost()
    );
    print_result(out, &line, outcome.acknowledged, args.records)?;
    check_settled(&outcome)?;
    if let Some(failure) = failure {
        return Err(failure);
    }
    if stop.load(Ordering::Relaxed) {
        let (done, wanted) = (outcome.acknowledged, args.records);
        note(format_args!("interrupted after {done} of {wanted} records"));
        return Err(Failure::Interrupted);
    }
    Ok(())
}

/// One task's share of the work.
struct Sender {
    producer: Producer,
    topic: String,
    values: Arc<Vec<Vec<u8>>>,
    records: u64,
    stop: Arc<AtomicBool>,
    bar: ProgressBar,
}

/// Sends records and waits for all their acknowledgements, also if sending ends early.
async fn send(sender: Sender) -> (Settled, Result<(), Failure>) {
    let mut deliveries = Deliveries::default();
    let mut sent = Ok(());
    for (index, value) in (0..sender.records).zip(sender.values.iter().cycle()) {
        if index.is_multiple_of(STEP) {
            if sender.stop.load(Ordering::Relaxed) {
                break;
            }
            sender.bar.inc(STEP);
        }
        let record = Record::to(&sender.topic).value(value);
        if let Err(error) = sender.producer.send_into(record, &mut deliveries).await {
            sent = Err(error.into());
            break;
        }
    }
    sender.producer.flush().await;
    (deliveries.settle().await, sent)
}
