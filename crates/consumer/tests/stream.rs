//! Messages one by one, statistics and interceptors, end to end against a broker in the process.

mod bench;

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;

use bench::{Bench, SECOND, expected, read};
use futures_core::Stream;
use klamm_consumer::{
    Error, Interceptor, Message, MessageStream, OffsetAndMetadata, Records, TopicPartition,
};
use tokio::time::timeout;

fn partition(index: i32) -> TopicPartition {
    TopicPartition::new("t", index)
}

async fn next(stream: &mut MessageStream<'_>) -> Result<Message, Error> {
    let next = poll_fn(|context| Pin::new(&mut *stream).poll_next(context));
    timeout(10 * SECOND, next).await.unwrap().unwrap()
}

async fn take(stream: &mut MessageStream<'_>, count: usize) -> Vec<String> {
    let mut values = Vec::new();
    while values.len() < count {
        let message = next(stream).await.unwrap();
        values.push(String::from_utf8(message.value.unwrap().to_vec()).unwrap());
    }
    values
}

#[tokio::test]
async fn a_stream_hands_out_every_message_once_and_in_order() {
    let bench = Bench::with_partitions(1).await;
    for first in (0..1000).step_by(100) {
        bench.produce(0, first, 100).await;
    }
    let builder = bench.consumer().topics(["t"]).max_poll_records(30);
    let mut consumer = builder.build().await.unwrap();
    let mut stream = consumer.stream();
    assert_eq!(take(&mut stream, 1000).await, expected(0, 0..1000));
    bench.produce(0, 1000, 3).await;
    let message = next(&mut stream).await.unwrap();
    let place = (&*message.topic, message.partition, message.offset);
    assert_eq!(place, ("t", 0, 1000));
    assert_eq!(message.leader_epoch, Some(0));
    assert_eq!(take(&mut stream, 2).await, expected(0, 1001..1003));
}

#[tokio::test]
async fn what_a_dropped_stream_did_not_hand_out_comes_next() {
    let bench = Bench::with_partitions(1).await;
    bench.produce(0, 0, 50).await;
    bench.produce(0, 50, 50).await;
    let mut consumer = bench.subscriber().await;
    let mut done = 0;
    for count in [7, 1, 41, 3, 20] {
        let end = done + count;
        assert_eq!(
            take(&mut consumer.stream(), count).await,
            expected(0, done..end)
        );
        done = end;
        // Handed out is consumed, and nothing more.
        assert_eq!(consumer.position(&partition(0)).await.unwrap(), done as i64);
    }
    drop(consumer.stream());
    assert_eq!(read(&mut consumer, 28).await, expected(0, 72..100));
    // One that waits may be dropped, too.
    let mut stream = consumer.stream();
    let waits = poll_fn(|context| Poll::Ready(Pin::new(&mut stream).poll_next(context))).await;
    assert!(waits.is_pending());
    drop(stream);
    bench.produce(0, 100, 2).await;
    assert_eq!(read(&mut consumer, 2).await, expected(0, 100..102));
}

#[tokio::test]
async fn between_two_messages_the_consumer_commits_seeks_and_pauses() {
    let bench = Bench::with_partitions(1).await;
    bench.produce(0, 0, 50).await;
    let mut consumer = bench.subscriber().await;
    let mut stream = consumer.stream();
    take(&mut stream, 5).await;
    stream.consumer().commit().await.unwrap();
    assert_eq!(bench.committed(0).await, Some(5));
    assert_eq!(take(&mut stream, 1).await, expected(0, 5..6));
    stream.consumer().seek(&partition(0), 40).unwrap();
    assert_eq!(take(&mut stream, 2).await, expected(0, 40..42));
    stream.consumer().pause([&partition(0)]).unwrap();
    let waits = poll_fn(|context| Poll::Ready(Pin::new(&mut stream).poll_next(context))).await;
    assert!(waits.is_pending());
    stream.consumer().resume([&partition(0)]).unwrap();
    assert_eq!(take(&mut stream, 8).await, expected(0, 42..50));
}

#[tokio::test]
async fn an_error_is_an_item_and_the_stream_goes_on() {
    let bench = Bench::with_partitions(1).await;
    bench.produce(0, 0, 5).await;
    let mut consumer = bench
        .consumer()
        .topics(["t", "no/such topic"])
        .build()
        .await
        .unwrap();
    let mut stream = consumer.stream();
    let (mut messages, mut errors) = (0, 0);
    while messages < 5 {
        match next(&mut stream).await {
            Ok(_) => messages += 1,
            Err(_) => errors += 1,
        }
    }
    assert_eq!(errors, 1);
}

#[tokio::test]
async fn statistics_tell_what_was_done_and_how_partitions_stand() {
    let bench = Bench::with_partitions(2).await;
    bench.produce(0, 0, 30).await;
    let builder = bench.consumer().topics(["t"]).max_poll_records(10);
    let mut consumer = builder.build().await.unwrap();
    read(&mut consumer, 10).await;
    let stats = consumer.stats();
    assert_eq!(stats.records_consumed, 10);
    assert!(stats.fetches >= 1 && stats.bytes_fetched > 300, "{stats:?}");
    assert!(stats.buffered_bytes > 0 && stats.buffered_bytes < stats.buffered_bytes_max);
    let full = &stats.partitions[0];
    assert_eq!(full.partition, partition(0));
    assert_eq!((full.position, full.lag), (Some(10), Some(20)));
    assert_eq!(
        (full.log_start_offset, full.high_watermark),
        (Some(0), Some(30))
    );
    assert_eq!((full.is_paused, full.read_from.is_some()), (false, true));
    take(&mut consumer.stream(), 20).await;
    assert_eq!(consumer.stats().records_consumed, 30);
    // The next poll finds that nothing is left.
    assert!(consumer.poll_timeout(SECOND / 10).await.unwrap().is_empty());
    assert_eq!(consumer.stats().buffered_bytes, 0);
}

#[derive(Clone, Debug, Default)]
struct Seen(Arc<Mutex<(usize, Vec<i64>)>>);

impl Interceptor for Seen {
    fn on_consume(&self, records: &Records) {
        self.0.lock().unwrap().0 += records.len();
    }

    fn on_commit(&self, offsets: &BTreeMap<TopicPartition, OffsetAndMetadata>) {
        let offsets = offsets.values().map(|offset| offset.offset);
        self.0.lock().unwrap().1.extend(offsets);
    }
}

#[tokio::test]
async fn interceptors_see_what_is_handed_out_and_what_is_committed() {
    let bench = Bench::with_partitions(1).await;
    bench.produce(0, 0, 30).await;
    let seen = Seen::default();
    let builder = bench.consumer().topics(["t"]).interceptor(seen.clone());
    let mut consumer = builder.build().await.unwrap();
    read(&mut consumer, 30).await;
    consumer.commit().await.unwrap();
    assert_eq!(*seen.0.lock().unwrap(), (30, vec![30]));
}
