//! `klamm perf end-to-end`: from each send to the poll that hands the record out, in one process and so by one clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use klamm::config::Role;
use klamm::{Consumer, OffsetReset, Record};

use super::args::PerfLatencyArgs;
use super::consume::{IDLE, missing};
use super::latency::percentiles;
use super::pace::paced;
use super::payload::payloads;
use super::usage::Usage;
use super::{print_result, warm_up};
use crate::args::ClusterArgs;
use crate::failure::{Failure, note};
use crate::output::Output;
use crate::session::Session;

/// Each value begins with the time of its sending, in nanoseconds after the start.
const TIME_BYTES: usize = size_of::<u64>();
/// How soon an interruption is noticed.
const TICK: Duration = Duration::from_millis(100);

pub(super) async fn run(
    cluster: ClusterArgs,
    args: PerfLatencyArgs,
    out: &Output,
) -> Result<(), Failure> {
    if args.record_size < TIME_BYTES {
        return Err(Failure::Usage(format!(
            "--record-size has to be {TIME_BYTES} at least: a value begins with the time of its sending"
        )));
    }
    let mut properties = vec![("linger.ms".to_owned(), "0".to_owned())];
    properties.extend(args.producer.properties());
    let session = Session::open(cluster, Role::Producer, properties).await?;
    let producer = session.producer()?.build()?;
    let mut values = payloads(args.record_size);
    // The topic is there now.
    warm_up(&producer, &args.topic, &values[0]).await?;
    let mut consumer = at_the_end(&session, &args.topic).await?;
    // The consumer's connections, sessions and long polls too.
    warm_up(&producer, &args.topic, &values[0]).await?;
    if consumer.poll_timeout(IDLE).await?.is_empty() {
        return Err(missing(0, 1));
    }

    let asked = args.records();
    let wanted = Arc::new(AtomicU64::new(asked));
    let start = Usage::now();
    let reader = tokio::spawn(read(consumer, Arc::clone(&wanted), start.at));
    let (deliveries, mut failure) = paced(&args, start.at, async |index, _| {
        let count = values.len();
        let value = &mut values[index as usize % count];
        let sent_at = start.at.elapsed().as_nanos() as u64;
        value[..TIME_BYTES].copy_from_slice(&sent_at.to_be_bytes());
        producer.send(Record::to(&args.topic).value(&*value)).await
    })
    .await;
    let mut sent = deliveries.len() as u64;
    for delivery in deliveries {
        if let Err(error) = delivery.await {
            sent -= 1;
            failure.get_or_insert(error);
        }
    }
    wanted.store(sent, Ordering::Relaxed);
    let read = reader.await;
    let taken = read.map_err(|error| Failure::Failed(error.to_string()))??;
    let done = taken.len() as u64;
    let usage = Usage::now().since(start, done);
    let [p50, p99, p999, max] = percentiles(taken.into_iter());
    let line = format!(
        "klamm end-to-end records={done} rate={} p50_us={p50} p99_us={p99} p99.9_us={p999} max_us={max} {} {}",
        args.rate,
        usage.throughput(),
        usage.cost()
    );
    print_result(out, &line, done, asked)?;
    if let Some(error) = failure {
        return Err(error.into());
    }
    if done < sent {
        return Err(missing(done, sent));
    }
    if sent < asked {
        note(format_args!("interrupted after {sent} of {asked} records"));
        return Err(Failure::Interrupted);
    }
    Ok(())
}

/// A consumer of all partitions, whose positions are known.
async fn at_the_end(session: &Session, topic: &str) -> Result<Consumer, Failure> {
    let partitions = session.partitions(topic).await?;
    let builder = session.client.consumer().allow_auto_create_topics(false);
    let mut consumer = builder.offset_reset(OffsetReset::Latest).build().await?;
    consumer.assign(partitions.iter().cloned())?;
    for partition in &partitions {
        consumer.position(partition).await?;
    }
    Ok(consumer)
}

/// What `wanted` records took, in nanoseconds; fewer if no more come.
async fn read(
    mut consumer: Consumer,
    wanted: Arc<AtomicU64>,
    start: Instant,
) -> Result<Vec<u64>, Failure> {
    let mut taken: Vec<u64> = Vec::new();
    let mut came = Instant::now();
    while (taken.len() as u64) < wanted.load(Ordering::Relaxed) && came.elapsed() < IDLE {
        let records = consumer.poll_timeout(TICK).await?;
        let now = start.elapsed().as_nanos() as u64;
        for record in &records {
            let sent_at = record.value.and_then(|value| value.first_chunk());
            let sent_at = sent_at.map_or(now, |bytes| u64::from_be_bytes(*bytes));
            taken.push(now.saturating_sub(sent_at));
        }
        if !records.is_empty() {
            came = Instant::now();
        }
    }
    Ok(taken)
}
