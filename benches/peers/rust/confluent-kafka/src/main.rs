//! confluent-kafka, Confluent's own client in Rust. Every acknowledgement is checked by a callback.

use std::collections::HashMap;
use std::error::Error;
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use confluent_kafka::common::TopicPartition;
use confluent_kafka::common::serialization::{ByteArraySerializer, BytesDeserializer};
use confluent_kafka::consumer::{Consumer, ConsumerConfig, KafkaConsumer};
use confluent_kafka::producer::{
    Callback, KafkaProducer, Producer, ProducerConfig, ProducerRecord, callback,
};
use peer::{Consume, Job, Meter, Produce, fail, payloads};

type Failed = Box<dyn Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failed> {
    match Job::from_args() {
        Job::Produce(job) => produce(&job).await,
        Job::Consume(job) => consume(&job).await,
        Job::Latency(_) | Job::EndToEnd(_) => fail("latency is not measured with this client"),
    }
}

fn properties(all: &[(&str, &str)]) -> HashMap<String, String> {
    all.iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

async fn produce(job: &Produce) -> Result<(), Failed> {
    let config = ProducerConfig::new(&properties(&[
        ("bootstrap.servers", &job.bootstrap),
        ("acks", "all"),
        ("enable.idempotence", "true"),
        ("linger.ms", &job.linger_ms),
        ("batch.size", &job.batch_size),
        ("compression.type", &job.compression),
        ("buffer.memory", "67108864"),
    ]))
    .map_err(|error| error.to_string())?;
    let producer = KafkaProducer::<Vec<u8>, Vec<u8>>::new(
        config,
        ByteArraySerializer::new(),
        ByteArraySerializer::new(),
    )
    .map_err(|error| error.to_string())?;
    let producer = Arc::new(producer);
    let values = Arc::new(payloads(job.size));
    let first = ProducerRecord::<&[u8], &[u8]>::new(job.topic.clone(), Some(&values[0][..]));
    producer
        .send(first, None)
        .await
        .map_err(|error| error.to_string())?
        .get()
        .await
        .map_err(|error| error.to_string())?;

    let delivered = Arc::new(AtomicU64::new(0));
    let start = Meter::now();
    let tasks: Vec<_> = job
        .shares()
        .map(|share| {
            let (producer, values, delivered) = (
                Arc::clone(&producer),
                Arc::clone(&values),
                Arc::clone(&delivered),
            );
            let topic = job.topic.clone();
            tokio::spawn(async move {
                for index in 0..share as usize {
                    let value = &values[index % values.len()][..];
                    let delivered = Arc::clone(&delivered);
                    let count: Box<dyn Callback> = Box::new(callback::new(move |_, error| {
                        if error.is_none() {
                            delivered.fetch_add(1, Ordering::Relaxed);
                        }
                    }));
                    let record = ProducerRecord::<&[u8], &[u8]>::new(topic.clone(), Some(value));
                    if let Err(error) = producer.send(record, Some(count)).await {
                        fail(&format!("send: {error}"));
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await?;
    }
    producer.flush().await.map_err(|error| error.to_string())?;
    let done = delivered.load(Ordering::Relaxed);
    if done != job.records {
        fail(&format!(
            "{done} of {} records were acknowledged",
            job.records
        ));
    }
    start.report("confluent-kafka", "produce", done, "");
    Ok(())
}

async fn consume(job: &Consume) -> Result<(), Failed> {
    let config = ConsumerConfig::new(&properties(&[
        ("bootstrap.servers", &job.bootstrap),
        ("group.id", "unused"),
        // The only one it has, though it is assigned its partitions.
        ("group.protocol", "consumer"),
        ("auto.offset.reset", "earliest"),
        ("enable.auto.commit", "false"),
        ("max.poll.records", "10000"),
    ]))
    .map_err(|error| error.to_string())?;
    let mut consumer = KafkaConsumer::<Bytes, Bytes>::new(
        config,
        BytesDeserializer::new(),
        BytesDeserializer::new(),
    )
    .map_err(|error| error.to_string())?;
    let assignment: Vec<_> = (0..job.partitions)
        .map(|partition| TopicPartition::new(job.topic.as_str(), partition))
        .collect();
    consumer
        .assign(assignment.clone())
        .await
        .map_err(|error| error.to_string())?;
    consumer
        .seek_to_beginning(&assignment)
        .await
        .map_err(|error| error.to_string())?;
    let (mut records, mut bytes, mut start) = (0, 0, None);
    let mut last = Instant::now();
    while records < job.records {
        let polled = consumer
            .poll(Duration::from_millis(500))
            .await
            .map_err(|error| error.to_string())?;
        if polled.is_empty() {
            if last.elapsed() > Duration::from_secs(30) {
                fail(&format!("only {records} records"));
            }
            continue;
        }
        start.get_or_insert_with(Meter::now);
        for record in &polled {
            bytes += black_box(record.value()).map_or(0, |value| value.len());
            records += 1;
        }
        last = Instant::now();
    }
    black_box(bytes);
    start
        .expect("records came")
        .report("confluent-kafka", "consume", records, "");
    Ok(())
}
