//! rdkafka (librdkafka): `BaseProducer`, or `FutureProducer` with `API=future`; `BaseConsumer`.

use std::collections::VecDeque;
use std::env;
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use peer::{Consume, Job, Latency, Meter, Produce, fail, payloads, report_latencies};
use rdkafka::client::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::producer::{
    BaseProducer, BaseRecord, DeliveryFuture, DeliveryResult, FutureProducer, FutureRecord,
    Producer, ProducerContext, ThreadedProducer,
};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

/// Unfinished deliveries that `API=future` holds at most.
const WINDOW: usize = 100_000;

fn main() {
    match Job::from_args() {
        Job::Produce(job) if env::var("API").as_deref() == Ok("future") => produce_future(&job),
        Job::Produce(job) => produce(&job),
        Job::Consume(job) => consume(&job),
        Job::Latency(job) => latency(&job),
        Job::EndToEnd(job) => end_to_end(&job),
    }
}

/// Counts deliveries.
#[derive(Clone, Default)]
struct Count {
    delivered: Arc<AtomicU64>,
}

impl ClientContext for Count {}

impl ProducerContext for Count {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((error, _)) = result {
            fail(&format!("delivery: {error}"));
        }
        self.delivered.fetch_add(1, Ordering::Relaxed);
    }
}

impl Count {
    fn get(&self) -> u64 {
        self.delivered.load(Ordering::Relaxed)
    }
}

fn producer_config(
    bootstrap: &str,
    linger_ms: &str,
    batch_size: &str,
    compression: &str,
) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", bootstrap)
        .set("acks", "all")
        .set("enable.idempotence", "true")
        .set("linger.ms", linger_ms)
        .set("batch.size", batch_size)
        // Its bound by count would otherwise end a batch of small records first.
        .set("batch.num.messages", "1000000")
        .set("compression.type", compression)
        .set("queue.buffering.max.messages", "1000000")
        .set("queue.buffering.max.kbytes", "65536")
        .set("socket.nagle.disable", "true");
    config
}

fn must_be_full(error: &KafkaError) {
    if !matches!(
        error,
        KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull)
    ) {
        fail(&format!("send: {error}"));
    }
}

/// The sending thread of `tasks` = 1 serves the callbacks itself, which costs least.
fn produce(job: &Produce) {
    let values = payloads(job.size);
    let count = Count::default();
    let config = producer_config(
        &job.bootstrap,
        &job.linger_ms,
        &job.batch_size,
        &job.compression,
    );
    let producer: BaseProducer<Count> =
        config.create_with_context(count.clone()).expect("producer");
    let send = |value: &[u8]| {
        let mut record = BaseRecord::<(), [u8]>::to(&job.topic).payload(value);
        while let Err((error, back)) = producer.send(record) {
            must_be_full(&error);
            record = back;
            producer.poll(Duration::from_millis(1));
        }
    };
    send(&values[0]);
    while count.get() < 1 {
        producer.poll(Duration::from_millis(1));
    }
    let start = Meter::now();
    thread::scope(|scope| {
        for share in job.shares() {
            let (values, send, producer) = (&values, &send, &producer);
            scope.spawn(move || {
                for index in 0..share as usize {
                    send(&values[index % values.len()]);
                    if index % 4096 == 0 {
                        producer.poll(Duration::ZERO);
                    }
                }
            });
        }
    });
    producer.flush(Duration::ZERO).ok(); // no more lingering
    while count.get() <= job.records {
        producer.poll(Duration::from_millis(5));
    }
    start.report("rdkafka", "produce", job.records, "");
}

fn produce_future(job: &Produce) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("runtime");
    let config = producer_config(
        &job.bootstrap,
        &job.linger_ms,
        &job.batch_size,
        &job.compression,
    );
    let producer: FutureProducer = config.create().expect("producer");
    let values = payloads(job.size);
    runtime.block_on(async {
        let first = FutureRecord::<(), [u8]>::to(&job.topic).payload(&values[0][..]);
        settle(
            producer
                .send_result(first)
                .map_err(|(error, _)| error)
                .expect("send"),
        )
        .await;
        let start = Meter::now();
        let mut waiting = VecDeque::with_capacity(WINDOW);
        for index in 0..job.records as usize {
            if waiting.len() == WINDOW {
                settle(waiting.pop_front().expect("it is full")).await;
            }
            let mut record =
                FutureRecord::<(), [u8]>::to(&job.topic).payload(&values[index % values.len()][..]);
            let delivery = loop {
                match producer.send_result(record) {
                    Ok(delivery) => break delivery,
                    Err((error, back)) => {
                        must_be_full(&error);
                        record = back;
                        tokio::time::sleep(Duration::from_millis(1)).await;
                    }
                }
            };
            waiting.push_back(delivery);
        }
        for delivery in waiting {
            settle(delivery).await;
        }
        start.report("rdkafka-future", "produce", job.records, "");
    });
}

async fn settle(delivery: DeliveryFuture) {
    match delivery.await {
        Ok(Ok(_)) => {}
        Ok(Err((error, _))) => fail(&format!("delivery: {error}")),
        Err(_) => fail("the producer is gone"),
    }
}

fn consumer(bootstrap: &str, topic: &str, partitions: i32) -> BaseConsumer {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", bootstrap)
        .set("group.id", "unused")
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("check.crcs", "true")
        .set("fetch.max.bytes", "52428800")
        .set("queued.min.messages", "1000000")
        .set("queued.max.messages.kbytes", "262144")
        // A full queue stops fetching for a whole second otherwise.
        .set("fetch.queue.backoff.ms", "2")
        .set("socket.nagle.disable", "true");
    let consumer: BaseConsumer = config.create().expect("consumer");
    let mut assignment = TopicPartitionList::new();
    for partition in 0..partitions {
        assignment
            .add_partition_offset(topic, partition, Offset::Beginning)
            .expect("assignment");
    }
    consumer.assign(&assignment).expect("assign");
    consumer
}

fn consume(job: &Consume) {
    let consumer = consumer(&job.bootstrap, &job.topic, job.partitions);
    let (mut records, mut bytes, mut start) = (0, 0, None);
    let mut last = Instant::now();
    while records < job.records {
        match consumer.poll(Duration::from_millis(500)) {
            Some(Ok(message)) => {
                start.get_or_insert_with(Meter::now);
                bytes += black_box(message.payload().unwrap_or_default()).len();
                records += 1;
                if records % 4096 == 0 {
                    last = Instant::now();
                }
            }
            Some(Err(error)) => fail(&format!("poll: {error}")),
            None if last.elapsed() > Duration::from_secs(30) => {
                fail(&format!("only {records} records"))
            }
            None => {}
        }
    }
    black_box(bytes);
    start
        .expect("records came")
        .report("rdkafka", "consume", records, "");
}

/// Sends the time that each record took.
struct Timed {
    took: mpsc::Sender<Duration>,
}

impl ClientContext for Timed {}

impl ProducerContext for Timed {
    type DeliveryOpaque = Box<Instant>;

    fn delivery(&self, result: &DeliveryResult<'_>, sent: Box<Instant>) {
        if let Err((error, _)) = result {
            fail(&format!("delivery: {error}"));
        }
        self.took.send(sent.elapsed()).ok();
    }
}

fn latency(job: &Latency) {
    let (sender, receiver) = mpsc::channel();
    let config = producer_config(&job.bootstrap, "0", "1000000", "none");
    let producer: ThreadedProducer<Timed> = config
        .create_with_context(Timed { took: sender })
        .expect("producer");
    let values = payloads(job.size);
    let send = |value: &[u8]| {
        let record =
            BaseRecord::<(), [u8], _>::with_opaque_to(&job.topic, Box::new(Instant::now()))
                .payload(value);
        producer
            .send(record)
            .map_err(|(error, _)| error)
            .expect("send");
    };
    send(&values[0]);
    receiver.recv().expect("the first delivery");
    let start = Meter::now();
    let records = job.rate * job.seconds;
    for index in 0..records {
        let due = Duration::from_nanos(index * 1_000_000_000 / job.rate);
        thread::sleep(due.saturating_sub(start.elapsed()));
        send(&values[index as usize % values.len()]);
    }
    let took = receiver.iter().take(records as usize).collect();
    report_latencies(start, "rdkafka", "latency", took);
}

/// A value begins with the time of its sending, in nanoseconds after the start.
fn end_to_end(job: &Latency) {
    let producer: ThreadedProducer<Count> = producer_config(&job.bootstrap, "0", "1000000", "none")
        .create_with_context(Count::default())
        .expect("producer");
    let mut values = payloads(job.size);
    let send = |value: &[u8]| {
        producer
            .send(BaseRecord::<(), [u8]>::to(&job.topic).payload(value))
            .map_err(|(error, _)| error)
            .expect("send");
    };
    send(&values[0]);
    producer
        .flush(Duration::from_secs(15))
        .expect("the first delivery");
    let metadata = producer
        .client()
        .fetch_metadata(Some(&job.topic), Duration::from_secs(15))
        .expect("metadata");
    let consumer = consumer(
        &job.bootstrap,
        &job.topic,
        metadata.topics()[0].partitions().len() as i32,
    );
    // One more that does not count, to be sure that all is read up to here.
    send(&values[0]);
    let next = |read: &mut dyn FnMut(&[u8])| match consumer.poll(Duration::from_secs(15)) {
        Some(Ok(message)) => read(message.payload().unwrap_or_default()),
        Some(Err(error)) => fail(&format!("poll: {error}")),
        None => fail("no records"),
    };
    for _ in 0..2 {
        next(&mut |_| ());
    }
    let start = Meter::now();
    let records = job.rate * job.seconds;
    let took = thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut took = Vec::with_capacity(records as usize);
            while took.len() < records as usize {
                next(&mut |value| {
                    let sent = u64::from_be_bytes(value[..8].try_into().expect("a time"));
                    took.push(start.elapsed() - Duration::from_nanos(sent));
                });
            }
            took
        });
        for index in 0..records {
            let due = Duration::from_nanos(index * 1_000_000_000 / job.rate);
            thread::sleep(due.saturating_sub(start.elapsed()));
            let at = index as usize % values.len();
            let sent = start.elapsed().as_nanos() as u64;
            values[at][..8].copy_from_slice(&sent.to_be_bytes());
            send(&values[at]);
        }
        reader.join().expect("the reader")
    });
    report_latencies(start, "rdkafka", "end-to-end", took);
}
