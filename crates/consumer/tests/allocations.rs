//! Consuming costs no allocation per record, counted over more than 100,000 of them.

mod bench;

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use bench::{Bench, until};
use klamm_consumer::{ConsumerBuilder, OffsetReset, TopicPartition};

const RECORDS: usize = 120_000;
const BATCH: usize = 1000;

// One thread: what is counted is what this test does.
#[tokio::test]
async fn polling_and_iterating_allocate_nothing_per_record() {
    let bench = Bench::with_partitions(1).await;
    for first in (0..RECORDS).step_by(BATCH) {
        bench.produce(0, first, BATCH).await;
    }
    // Without a group: it would join only while somebody polls.
    let builder = ConsumerBuilder::new(bench.cluster.clone());
    let builder = builder.offset_reset(OffsetReset::Earliest);
    let mut consumer = builder.build().await.unwrap();
    consumer.assign([TopicPartition::new("t", 0)]).unwrap();
    until("everything was fetched ahead", || {
        let stats = consumer.stats();
        let fetched = stats.partitions.first().and_then(|it| it.high_watermark);
        fetched == Some(RECORDS as i64) && stats.buffered_bytes > RECORDS * 10
    })
    .await;
    let (mut records, mut polls) = (0, 0);
    let (mut polling, mut iterating) = (0, 0);
    let mut bytes = 0;
    while records < RECORDS {
        // A poll gives way from time to time; let it.
        tokio::task::yield_now().await;
        let mut polled = None;
        let counted = allocation_counter::measure(|| {
            let mut poll = pin!(consumer.poll());
            let mut context = Context::from_waker(Waker::noop());
            if let Poll::Ready(records) = poll.as_mut().poll(&mut context) {
                polled = Some(records.unwrap());
            }
        });
        let Some(polled) = polled else { continue };
        polling += counted.count_total;
        polls += 1;
        let counted = allocation_counter::measure(|| {
            for record in &polled {
                bytes += record.value.map_or(0, <[u8]>::len);
                bytes += record.key.map_or(0, <[u8]>::len);
            }
        });
        iterating += counted.count_total;
        records += polled.len();
    }
    println!(
        "{records} records, {polls} polls: {polling} allocations in polls, {iterating} in iterating"
    );
    assert!(bytes > RECORDS * 3);
    assert_eq!(iterating, 0);
    // The lists of partitions and batches, once a poll.
    assert!(polling <= 6 * polls, "{polling} in {polls} polls");
}
