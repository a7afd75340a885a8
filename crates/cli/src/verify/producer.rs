//! `klamm verify producer`: Kafka's `VerifiableProducer`.
//!
//! Values are the numbers from 0; each send ends as a line `producer_send_success` or
//! `producer_send_error`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use klamm::config::Role;
use klamm::producer::{DeliveryReport, Error};
use klamm::{Producer, Record};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::json::{Event, now_ms};
use super::read_properties;
use crate::args::{ClusterArgs, VerifyProducerArgs};
use crate::failure::{Failure, note};
use crate::interrupt::interrupted;
use crate::session::Session;

/// Limit for writing what was accepted when the program ends; `delivery.timeout.ms` is less.
const CLOSE: Duration = Duration::from_secs(180);

/// What key and value the record with a number has.
#[derive(Clone)]
struct Numbering {
    topic: String,
    value_prefix: Option<i32>,
    repeating_keys: Option<u64>,
}

impl Numbering {
    fn value(&self, number: u64) -> String {
        match self.value_prefix {
            Some(prefix) => format!("{prefix}.{number}"),
            None => number.to_string(),
        }
    }

    fn key(&self, number: u64) -> Option<String> {
        let keys = self.repeating_keys?;
        Some((number % keys).to_string())
    }

    fn failed(&self, number: u64, error: &Error) -> Event {
        Event::new("producer_send_error")
            .text("key", self.key(number).as_deref())
            .text("value", Some(&self.value(number)))
            .text("topic", Some(&self.topic))
            .text("exception", Some("class klamm::producer::Error"))
            .text("message", Some(&error.to_string()))
    }

    fn told(&self, report: &DeliveryReport<'_>) -> Event {
        match report.result {
            Err(error) => self.failed(report.tag, error),
            Ok(metadata) => Event::new("producer_send_success")
                .text("key", self.key(report.tag).as_deref())
                .text("value", Some(&self.value(report.tag)))
                .number("offset", metadata.offset.unwrap_or(-1))
                .text("topic", Some(&metadata.topic))
                .number("partition", metadata.partition),
        }
    }
}

pub(super) async fn run(cluster: ClusterArgs, args: VerifyProducerArgs) -> Result<(), Failure> {
    // As the Java program: retries are for the caller to ask for.
    let mut properties = vec![
        ("acks".to_owned(), args.acks.to_string()),
        ("retries".to_owned(), "0".to_owned()),
    ];
    if let Some(path) = &args.command_config {
        properties.extend(read_properties(path)?);
    }
    let session = Session::open(cluster, Role::Producer, properties).await?;
    let numbering = Numbering {
        topic: args.topic.clone(),
        value_prefix: args.value_prefix,
        repeating_keys: args.repeating_keys,
    };
    // The callback must not wait for who reads standard output: a thread does.
    let (events, mut queued) = mpsc::unbounded_channel::<Event>();
    let printing = tokio::task::spawn_blocking(move || {
        while let Some(event) = queued.blocking_recv() {
            event.print();
        }
    });
    let acked = Arc::new(AtomicU64::new(0));
    let told = {
        let (numbering, acked, events) = (numbering.clone(), Arc::clone(&acked), events.clone());
        move |report: &DeliveryReport<'_>| {
            acked.fetch_add(u64::from(report.result.is_ok()), Ordering::Relaxed);
            let _ = events.send(numbering.told(report));
        }
    };
    let producer = session.producer()?.on_delivery(told).build()?;
    let start = Instant::now();
    let _ = events.send(Event::new("startup_complete"));
    let sent = AtomicU64::new(0);
    tokio::select! {
        () = send_numbers(&producer, &args, &numbering, &events, &sent) => {}
        () = interrupted() => {}
    }
    if let Err(error) = producer.close(CLOSE).await {
        note(error);
    }
    // With it goes the callback, and its end of the channel.
    drop(producer);
    let _ = events.send(Event::new("shutdown_complete"));
    let acked = acked.load(Ordering::Relaxed);
    let rate = acked as f64 / start.elapsed().as_secs_f64();
    let summary = Event::new("tool_data")
        .number("sent", sent.load(Ordering::Relaxed))
        .number("acked", acked)
        .number("target_throughput", args.throughput)
        .number("avg_throughput", rate);
    let _ = events.send(summary);
    drop(events);
    let _ = printing.await;
    Ok(())
}

async fn send_numbers(
    producer: &Producer,
    args: &VerifyProducerArgs,
    numbering: &Numbering,
    events: &mpsc::UnboundedSender<Event>,
    sent: &AtomicU64,
) {
    let (start, start_ms) = (Instant::now(), now_ms());
    let mut create_time = (args.message_create_time >= 0).then_some(args.message_create_time);
    let count = u64::try_from(args.max_messages).unwrap_or(u64::MAX);
    for number in 0..count {
        let (key, value) = (numbering.key(number), numbering.value(number));
        let mut record = Record::to(&args.topic).value(&value).tag(number);
        if let Some(key) = &key {
            record = record.key(key);
        }
        if let Some(time) = &mut create_time {
            record = record.timestamp(*time);
            *time += now_ms() - start_ms;
        }
        sent.fetch_add(1, Ordering::Relaxed);
        // Its outcome comes to the callback.
        if let Err(error) = producer.send(record).await.map(drop) {
            let _ = events.send(numbering.failed(number, &error));
        }
        match u64::try_from(args.throughput) {
            Err(_) => {}
            Ok(0) => std::future::pending().await,
            Ok(rate) => {
                let due = Duration::from_secs_f64((number + 1) as f64 / rate as f64);
                sleep_until(start + due).await;
            }
        }
    }
}
