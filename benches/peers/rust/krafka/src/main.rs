//! krafka: every delivery handle is awaited; consumes without a group, 10,000 records a poll at most.

use std::collections::VecDeque;
use std::error::Error;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use krafka::consumer::AutoOffsetReset;
use krafka::producer::{Acks, DeliveryHandle};
use krafka::{Compression, Kafka, Record};
use peer::{Consume, Job, Meter, Produce, fail, payloads};

type Failed = Box<dyn Error + Send + Sync>;

/// Unfinished deliveries that a task holds at most.
const WINDOW: usize = 100_000;

#[tokio::main]
async fn main() -> Result<(), Failed> {
    match Job::from_args() {
        Job::Produce(job) => produce(&job).await,
        Job::Consume(job) => consume(&job).await,
        Job::Latency(_) | Job::EndToEnd(_) => fail("latency is not measured with this client"),
    }
}

async fn produce(job: &Produce) -> Result<(), Failed> {
    let compression = match job.compression.as_str() {
        "none" => Compression::None,
        "gzip" => Compression::Gzip,
        "snappy" => Compression::Snappy,
        "lz4" => Compression::Lz4,
        "zstd" => Compression::Zstd,
        other => fail(&format!("compression {other}?")),
    };
    let kafka = Kafka::builder(&job.bootstrap)
        .client_id("bench")
        .connect()
        .await?;
    let producer = kafka
        .producer()
        .acks(Acks::All)
        .idempotent(true)
        .linger(Duration::from_millis(job.linger_ms.parse()?))
        .batch_size(job.batch_size.parse()?)
        .compression(compression)
        .buffer_memory(64 << 20)
        .build()
        .await?;
    let producer = Arc::new(producer);
    let values: Arc<Vec<Bytes>> =
        Arc::new(payloads(job.size).into_iter().map(Bytes::from).collect());
    let _first = producer
        .send(Record::new(&*job.topic, values[0].clone()))
        .await?;

    let start = Meter::now();
    let tasks: Vec<_> = job
        .shares()
        .map(|share| {
            let (producer, values, topic) = (
                Arc::clone(&producer),
                Arc::clone(&values),
                job.topic.clone(),
            );
            tokio::spawn(async move {
                let mut waiting: VecDeque<DeliveryHandle> = VecDeque::with_capacity(WINDOW);
                for index in 0..share as usize {
                    if waiting.len() == WINDOW {
                        settle(waiting.pop_front().expect("it is full")).await;
                    }
                    match producer
                        .enqueue(Record::new(&*topic, values[index % values.len()].clone()))
                        .await
                    {
                        Ok(delivery) => waiting.push_back(delivery),
                        Err(error) => fail(&format!("enqueue: {error}")),
                    }
                }
                for delivery in waiting {
                    settle(delivery).await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await?;
    }
    start.report("krafka", "produce", job.records, "");
    Ok(())
}

async fn settle(delivery: DeliveryHandle) {
    if let Err(error) = delivery.await {
        fail(&format!("delivery: {error}"));
    }
}

async fn consume(job: &Consume) -> Result<(), Failed> {
    let kafka = Kafka::builder(&job.bootstrap)
        .client_id("bench")
        .connect()
        .await?;
    let consumer = kafka
        .consumer_without_group()
        .auto_offset_reset(AutoOffsetReset::Earliest)
        .enable_auto_commit(false)
        .max_poll_records(10_000)
        .build()
        .await?;
    consumer.subscribe([job.topic.as_str()]).await?;
    let (mut records, mut bytes, mut start) = (0, 0, None);
    let mut last = Instant::now();
    while records < job.records {
        let polled = consumer.poll(Duration::from_millis(500)).await?;
        if polled.is_empty() {
            if last.elapsed() > Duration::from_secs(30) {
                fail(&format!("only {records} records"));
            }
            continue;
        }
        start.get_or_insert_with(Meter::now);
        for record in &polled {
            bytes += black_box(&record.value)
                .as_ref()
                .map_or(0, |value| value.len());
            records += 1;
        }
        last = Instant::now();
    }
    black_box(bytes);
    start
        .expect("records came")
        .report("krafka", "consume", records, "");
    Ok(())
}
