//! Positions, commits and pauses, end to end against a broker in the process.

mod bench;

use bench::{Bench, SECOND, expected, read, values};
use klamm_consumer::{ConsumerBuilder, Error, OffsetAndMetadata, OffsetReset, TopicPartition};
use tokio::time::timeout;

fn partition(index: i32) -> TopicPartition {
    TopicPartition::new("t", index)
}

#[tokio::test]
async fn a_paused_partition_keeps_what_was_fetched_and_others_go_on() {
    let bench = Bench::with_partitions(2).await;
    bench.produce(0, 0, 30).await;
    bench.produce(1, 0, 30).await;
    let builder = bench.consumer().topics(["t"]).max_poll_records(10);
    let mut consumer = builder.build().await.unwrap();
    let first = consumer.poll().await.unwrap();
    let paused = first.partitions().next().unwrap().partition().clone();
    let (paused_index, other) = (paused.partition, 1 - paused.partition);
    consumer.pause([&paused]).unwrap();
    assert_eq!(consumer.paused().first(), Some(&paused));
    assert_eq!(read(&mut consumer, 30).await, expected(other, 0..30));
    bench.produce(paused_index, 30, 5).await;
    bench.produce(other, 30, 5).await;
    assert_eq!(read(&mut consumer, 5).await, expected(other, 30..35));
    assert!(consumer.poll_timeout(SECOND / 5).await.unwrap().is_empty());
    assert_eq!(consumer.position(&paused).await.unwrap(), 10);
    consumer.resume([&paused]).unwrap();
    assert_eq!(
        read(&mut consumer, 25).await,
        expected(paused_index, 10..35)
    );
    let error = consumer.pause([&partition(9)]).unwrap_err();
    assert!(matches!(error, Error::NotAssigned { .. }), "{error}");
}

#[tokio::test]
async fn a_seek_in_a_paused_partition_counts_after_the_pause() {
    let bench = Bench::with_partitions(1).await;
    bench.produce(0, 0, 30).await;
    let builder = bench.consumer().topics(["t"]).max_poll_records(5);
    let mut consumer = builder.build().await.unwrap();
    read(&mut consumer, 5).await;
    consumer.pause([&partition(0)]).unwrap();
    consumer.seek(&partition(0), 20).unwrap();
    assert!(consumer.poll_timeout(SECOND / 5).await.unwrap().is_empty());
    consumer.resume([&partition(0)]).unwrap();
    assert_eq!(read(&mut consumer, 10).await, expected(0, 20..30));
}

#[tokio::test]
async fn offsets_are_found_at_the_ends_and_by_time() {
    let bench = Bench::with_partitions(2).await;
    bench.produce(0, 0, 4).await;
    let consumer = ConsumerBuilder::new(bench.cluster.clone())
        .build()
        .await
        .unwrap();
    let both = [partition(0), partition(1)];
    let first = consumer.beginning_offsets(both.clone()).await.unwrap();
    assert_eq!(first, [(partition(0), 0), (partition(1), 0)]);
    let end = consumer.end_offsets(both).await.unwrap();
    assert_eq!(end, [(partition(0), 4), (partition(1), 0)]);
    // All records have this time.
    let time = 1_700_000_000_000;
    let times = [(partition(0), time - 1), (partition(1), time)];
    let found = consumer.offsets_for_times(times).await.unwrap();
    let found: Vec<_> = found
        .iter()
        .map(|(_, at)| at.map(|at| (at.offset, at.timestamp)))
        .collect();
    assert_eq!(found, [Some((0, time)), None]);
    let later = [(partition(0), time + 1)];
    assert_eq!(consumer.offsets_for_times(later).await.unwrap()[0].1, None);
}

#[tokio::test]
async fn seeks_by_time_and_by_distance_lead_where_they_say() {
    let bench = Bench::with_partitions(1).await;
    bench.produce(0, 0, 10).await;
    let mut consumer = bench.subscriber().await;
    read(&mut consumer, 10).await;
    assert_eq!(consumer.seek_relative(&partition(0), -3).await.unwrap(), 7);
    assert_eq!(read(&mut consumer, 3).await, expected(0, 7..10));
    assert_eq!(consumer.seek_relative(&partition(0), -99).await.unwrap(), 0);
    let time = 1_700_000_000_000;
    consumer.seek_to_timestamp(&partition(0), time).unwrap();
    assert_eq!(read(&mut consumer, 10).await, expected(0, 0..10));
    consumer.seek_to_timestamp(&partition(0), time + 1).unwrap();
    assert_eq!(consumer.position(&partition(0)).await.unwrap(), 10);
}

#[tokio::test]
async fn a_reset_by_duration_starts_at_what_is_young_enough() {
    let bench = Bench::with_partitions(1).await;
    bench.produce(0, 0, 5).await;
    let start = async |age| {
        let mut consumer = ConsumerBuilder::new(bench.cluster.clone())
            .offset_reset(OffsetReset::ByDuration(age))
            .build()
            .await
            .unwrap();
        consumer.assign([partition(0)]).unwrap();
        consumer.position(&partition(0)).await.unwrap()
    };
    // The records are of November 2023.
    assert_eq!(start(SECOND * 3600 * 24 * 365 * 40).await, 0);
    assert_eq!(start(SECOND).await, 5);
}

#[tokio::test]
async fn the_lag_follows_the_position_without_asking() {
    let bench = Bench::with_partitions(1).await;
    bench.produce(0, 0, 30).await;
    let builder = bench.consumer().topics(["t"]).max_poll_records(10);
    let mut consumer = builder.build().await.unwrap();
    for left in [20, 10, 0] {
        read(&mut consumer, 10).await;
        assert_eq!(consumer.lag(&partition(0)).unwrap(), Some(left));
    }
}

#[tokio::test]
async fn stored_offsets_are_committed_and_nothing_else() {
    let bench = Bench::with_partitions(2).await;
    bench.produce(0, 0, 10).await;
    bench.produce(1, 0, 10).await;
    let builder = bench.consumer().topics(["t"]).auto_offset_store(false);
    let mut consumer = builder.build().await.unwrap();
    read(&mut consumer, 20).await;
    consumer.commit().await.unwrap();
    assert_eq!(bench.committed(0).await, None);
    consumer.store_offset(&partition(0), 4).unwrap();
    consumer.commit().await.unwrap();
    assert_eq!(bench.committed(0).await, Some(4));
    assert_eq!(bench.committed(1).await, None);
    consumer.store_offset(&partition(1), 6).unwrap();
    consumer.close(5 * SECOND).await.unwrap();
    assert_eq!(bench.committed(1).await, Some(6));

    let mut consumer = bench.subscriber().await;
    let error = consumer.store_offset(&partition(0), 1).unwrap_err();
    assert!(matches!(error, Error::Misuse { .. }), "{error}");
}

#[tokio::test]
async fn a_commit_takes_any_offsets_and_their_text_and_may_be_awaited_later() {
    let bench = Bench::with_partitions(1).await;
    bench.produce(0, 0, 10).await;
    let mut consumer = bench.subscriber().await;
    read(&mut consumer, 10).await;
    let offset = OffsetAndMetadata::new(3).leader_epoch(0).metadata("mine");
    let pending = consumer
        .commit_offsets_async([(partition(0), offset.clone())])
        .unwrap();
    timeout(5 * SECOND, pending).await.unwrap().unwrap();
    let committed = consumer.committed([partition(0)]).await.unwrap();
    assert_eq!(committed[0].1, Some(offset));
    // Dropped, it goes on; the one after it ends after it.
    drop(consumer.commit_async().unwrap());
    consumer.commit_offsets([(partition(0), 7)]).await.unwrap();
    assert_eq!(bench.committed(0).await, Some(7));
    assert_eq!(
        values(&consumer.poll_timeout(SECOND / 10).await.unwrap()).len(),
        0
    );
}
