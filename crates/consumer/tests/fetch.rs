//! Reading partitions, end to end against a broker in the process.

mod bench;

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use bench::{Bench, MILLISECOND, SECOND, expected, read, until, values};
use klamm_codec::compress::{Compression, Compressor};
use klamm_consumer::{ConsumerBuilder, Error, GroupProtocol, OffsetReset, TopicPartition};
use klamm_testbroker::{ApiKey, ErrorCode, Fault, TestBroker};
use tokio::time::{Instant, timeout};

fn partition(index: i32) -> TopicPartition {
    TopicPartition::new("t", index)
}

#[tokio::test]
async fn every_record_arrives_once_and_in_order() {
    let bench = Bench::with_partitions(1).await;
    for first in (0..2000).step_by(100) {
        bench.produce(0, first, 100).await;
    }
    let mut consumer = bench.subscriber().await;
    assert_eq!(read(&mut consumer, 2000).await, expected(0, 0..2000));
    bench.produce(0, 2000, 5).await;
    let records = consumer.poll().await.unwrap();
    assert_eq!(values(&records), expected(0, 2000..2005));
    let record = records.iter().next().unwrap();
    assert_eq!(
        (record.topic, record.partition, record.offset),
        ("t", 0, 2000)
    );
    assert_eq!(record.timestamp, 1_700_000_000_000);
}

#[tokio::test]
async fn a_poll_hands_over_at_most_max_poll_records() {
    let bench = Bench::with_partitions(2).await;
    bench.produce(0, 0, 25).await;
    bench.produce(1, 0, 25).await;
    let builder = bench.consumer().topics(["t"]).max_poll_records(10);
    let mut consumer = builder.build().await.unwrap();
    let mut total = 0;
    while total < 50 {
        let records = timeout(10 * SECOND, consumer.poll())
            .await
            .unwrap()
            .unwrap();
        assert!((1..=10).contains(&records.len()));
        total += records.len();
    }
    assert_eq!(total, 50);
}

#[tokio::test]
async fn a_small_budget_slows_reading_and_never_stops_it() {
    let bench = Bench::with_partitions(2).await;
    for first in (0..2000).step_by(100) {
        bench.produce(0, first, 100).await;
        bench.produce(1, first, 100).await;
    }
    let builder = bench
        .consumer()
        .topics(["t"])
        .prefetch_bytes(5000)
        .partition_fetch_max_bytes(3000);
    let mut consumer = builder.build().await.unwrap();
    let read = read(&mut consumer, 4000).await;
    let first = read.iter().filter(|value| value.starts_with("0-"));
    assert!(first.eq(&expected(0, 0..2000)));
}

#[tokio::test]
async fn a_batch_larger_than_all_limits_comes_whole() {
    let bench = Bench::with_partitions(2).await;
    for index in 0..2 {
        bench.produce(index, 0, 1000).await;
        bench.produce(index, 1000, 3).await;
    }
    let builder = bench
        .consumer()
        .topics(["t"])
        .fetch_max_bytes(1)
        .partition_fetch_max_bytes(1)
        .prefetch_bytes(1);
    let mut consumer = builder.build().await.unwrap();
    let read = read(&mut consumer, 2 * 1003).await;
    for index in 0..2 {
        let start = format!("{index}-");
        let of_partition = read.iter().filter(|value| value.starts_with(&start));
        let of_partition: Vec<_> = of_partition.cloned().collect();
        assert_eq!(of_partition, expected(index, 0..1003));
    }
}

#[tokio::test(start_paused = true)]
async fn a_fetch_is_answered_when_there_are_enough_bytes_or_its_time_is_over() {
    let bench = Bench::with_partitions(1).await;
    let builder = ConsumerBuilder::new(bench.cluster.clone())
        .fetch_min_bytes(5_000)
        .fetch_max_wait(10 * SECOND)
        .offset_reset(OffsetReset::Earliest);
    let mut consumer = builder.build().await.unwrap();
    consumer.assign([partition(0)]).unwrap();
    assert_eq!(consumer.position(&partition(0)).await.unwrap(), 0);
    bench.produce(0, 0, 3).await;
    let started = Instant::now();
    assert_eq!(read(&mut consumer, 3).await, expected(0, 0..3));
    let waited = started.elapsed();
    assert!((5 * SECOND..15 * SECOND).contains(&waited), "{waited:?}");
    let started = Instant::now();
    bench.produce(0, 3, 1000).await;
    read(&mut consumer, 1000).await;
    assert!(started.elapsed() < SECOND, "{:?}", started.elapsed());
}

#[tokio::test]
async fn all_codecs_are_read() {
    let bench = Bench::with_partitions(1).await;
    let mut first = 0;
    for codec in Compression::ALL {
        let mut compressor = Compressor::new(codec, None).unwrap();
        bench
            .produce_with(0, first, 50, Some(&mut compressor))
            .await;
        first += 50;
    }
    let mut consumer = bench.subscriber().await;
    assert_eq!(read(&mut consumer, first).await, expected(0, 0..first));
}

#[tokio::test]
async fn without_a_group_partitions_are_read_by_the_reset_policy() {
    let bench = Bench::with_partitions(1).await;
    bench.produce(0, 0, 3).await;
    let start = |reset| {
        ConsumerBuilder::new(bench.cluster.clone())
            .offset_reset(reset)
            .build()
    };

    let mut earliest = start(OffsetReset::Earliest).await.unwrap();
    earliest.assign([partition(0)]).unwrap();
    assert_eq!(read(&mut earliest, 3).await, expected(0, 0..3));

    let mut latest = start(OffsetReset::Latest).await.unwrap();
    latest.assign([partition(0)]).unwrap();
    assert_eq!(latest.position(&partition(0)).await.unwrap(), 3);
    bench.produce(0, 3, 2).await;
    assert_eq!(read(&mut latest, 2).await, expected(0, 3..5));

    let mut none = start(OffsetReset::None).await.unwrap();
    none.assign([partition(0)]).unwrap();
    for _ in 0..2 {
        let error = none.poll().await.unwrap_err();
        assert!(matches!(error, Error::NoOffset { .. }), "{error}");
    }
    none.seek(&partition(0), 4).unwrap();
    assert_eq!(read(&mut none, 1).await, expected(0, 4..5));
    none.seek(&partition(0), 1000).unwrap();
    let error = none.poll().await.unwrap_err();
    assert!(
        matches!(error, Error::OffsetOutOfRange { offset: 1000, .. }),
        "{error}"
    );
}

#[tokio::test]
async fn an_offset_out_of_range_is_reset_by_policy() {
    let bench = Bench::with_partitions(1).await;
    bench.produce(0, 0, 3).await;
    let mut consumer = bench.subscriber().await;
    read(&mut consumer, 3).await;
    consumer.seek(&partition(0), 77).unwrap();
    assert_eq!(read(&mut consumer, 3).await, expected(0, 0..3));
}

#[tokio::test]
async fn a_seek_takes_effect_with_the_next_poll_whatever_was_fetched_before() {
    let bench = Bench::with_partitions(1).await;
    for first in (0..1000).step_by(10) {
        bench.produce(0, first, 10).await;
    }
    let builder = bench.consumer().topics(["t"]).max_poll_records(7);
    let mut consumer = builder.build().await.unwrap();
    read(&mut consumer, 1).await;
    for target in [500, 3, 999, 0, 42] {
        consumer.seek(&partition(0), target as i64).unwrap();
        assert_eq!(
            consumer.position(&partition(0)).await.unwrap(),
            target as i64
        );
        let records = consumer.poll().await.unwrap();
        let end = (target + records.len()).min(1000);
        assert_eq!(values(&records), expected(0, target..end));
    }
    consumer.seek_to_beginning(&partition(0)).unwrap();
    assert_eq!(values(&consumer.poll().await.unwrap())[0], "0-0");
    consumer.seek_to_end(&partition(0)).unwrap();
    assert_eq!(consumer.position(&partition(0)).await.unwrap(), 1000);
    let error = consumer.seek(&partition(5), 0).unwrap_err();
    assert!(matches!(error, Error::NotAssigned { .. }), "{error}");
}

#[tokio::test]
async fn a_poll_dropped_anywhere_loses_and_doubles_nothing() {
    let bench = Bench::with_partitions(2).await;
    let mut consumer = bench
        .consumer()
        .topics(["t"])
        .max_poll_records(3)
        .build()
        .await
        .unwrap();
    let produce = async {
        for first in (0..300).step_by(3) {
            bench.produce(0, first, 3).await;
            bench.produce(1, first, 3).await;
        }
    };
    let consume = async {
        let mut read = Vec::new();
        let mut dropped = 0;
        let deadline = Instant::now() + 20 * SECOND;
        for round in 0_u32.. {
            if read.len() == 600 {
                break;
            }
            assert!(Instant::now() < deadline, "{} records", read.len());
            // From a poll that is dropped where it waits first to one that is woken a few times.
            let polled = {
                let mut poll = pin!(consumer.poll());
                let mut polled = Poll::Pending;
                for _ in 0..=round % 4 {
                    polled = poll_fn(|context| Poll::Ready(poll.as_mut().poll(context))).await;
                    if polled.is_ready() {
                        break;
                    }
                    tokio::task::yield_now().await;
                }
                polled
            };
            match polled {
                Poll::Ready(records) => read.extend(values(&records.unwrap())),
                Poll::Pending => dropped += 1,
            }
        }
        assert!(dropped > 10, "only {dropped} polls were dropped");
        read
    };
    let (read, ()) = tokio::join!(consume, produce);
    for index in 0..2 {
        let prefix = format!("{index}-");
        let of_partition = read.iter().filter(|value| value.starts_with(&prefix));
        assert!(of_partition.eq(&expected(index, 0..300)));
    }
}

#[tokio::test]
async fn a_record_kept_outlives_the_consumer() {
    let bench = Bench::with_partitions(1).await;
    bench.produce(0, 0, 2).await;
    let mut consumer = bench.subscriber().await;
    let message = consumer
        .poll()
        .await
        .unwrap()
        .iter()
        .nth(1)
        .unwrap()
        .to_owned();
    consumer.close(5 * SECOND).await.unwrap();
    assert_eq!(message.value.as_deref(), Some(&b"0-1"[..]));
    assert_eq!((&*message.topic, message.offset), ("t", 1));
}

#[tokio::test]
async fn errors_of_a_partition_that_pass_are_not_seen_and_cause_no_hot_loop() {
    let bench = Bench::with_partitions(1).await;
    bench.produce(0, 0, 3).await;
    for code in [
        ErrorCode::NOT_LEADER_OR_FOLLOWER,
        ErrorCode::FENCED_LEADER_EPOCH,
        ErrorCode::UNKNOWN_LEADER_EPOCH,
        ErrorCode::UNKNOWN_TOPIC_ID,
        ErrorCode::OFFSET_NOT_AVAILABLE,
    ] {
        bench
            .broker
            .inject(ApiKey::FETCH, Fault::Error(code).on("t", 0))
            .unwrap();
    }
    bench
        .broker
        .inject(ApiKey::FETCH, Fault::DropBefore)
        .unwrap();
    bench
        .broker
        .inject(ApiKey::FETCH, Fault::DropAfter)
        .unwrap();
    let mut consumer = bench.subscriber().await;
    assert_eq!(read(&mut consumer, 3).await, expected(0, 0..3));
    let fetches = bench.broker.requests(ApiKey::FETCH);
    assert!((8..=12).contains(&fetches), "{fetches} fetches");
}

#[tokio::test]
async fn a_refused_partition_is_an_error_of_poll_and_others_go_on() {
    let bench = Bench::with_partitions(2).await;
    bench.produce(1, 0, 3).await;
    let refused = Fault::Error(ErrorCode::TOPIC_AUTHORIZATION_FAILED);
    bench
        .broker
        .inject(ApiKey::FETCH, refused.on("t", 0).times(1))
        .unwrap();
    let mut consumer = bench.subscriber().await;
    let mut read = Vec::new();
    let mut errors = Vec::new();
    while read.len() < 3 || errors.is_empty() {
        match timeout(10 * SECOND, consumer.poll()).await.unwrap() {
            Ok(records) => read.extend(values(&records)),
            Err(error) => errors.push(error.code()),
        }
    }
    assert_eq!(read, expected(1, 0..3));
    assert_eq!(errors, [Some(ErrorCode::TOPIC_AUTHORIZATION_FAILED)]);
}

#[tokio::test]
async fn a_slow_broker_holds_up_no_other() {
    let bench = Bench::start(TestBroker::builder().nodes(2).topic("t", 2)).await;
    let leaders = [0, 1].map(|index| bench.broker.leader("t", index).unwrap().0);
    assert_ne!(leaders[0], leaders[1]);
    bench.produce(0, 0, 3).await;
    let slow = Fault::Delay(30 * SECOND).on("t", 1).times(1000);
    bench.broker.inject(ApiKey::FETCH, slow).unwrap();
    let mut consumer = bench.subscriber().await;
    let started = Instant::now();
    assert_eq!(read(&mut consumer, 3).await, expected(0, 0..3));
    bench.produce(0, 3, 3).await;
    assert_eq!(read(&mut consumer, 3).await, expected(0, 3..6));
    assert!(started.elapsed() < 5 * SECOND);
}

#[tokio::test]
async fn reading_goes_on_at_the_new_leader() {
    let bench = Bench::start(TestBroker::builder().nodes(2).topic("t", 1)).await;
    let mut consumer = bench.subscriber().await;
    for round in 0..4 {
        bench.produce(0, round * 3, 3).await;
        assert_eq!(
            read(&mut consumer, 3).await,
            expected(0, round * 3..round * 3 + 3)
        );
        let (leader, _) = bench.broker.leader("t", 0).unwrap();
        bench.broker.move_leader("t", 0, 3 - leader).unwrap();
    }
}

#[tokio::test]
async fn an_idle_consumer_asks_for_little() {
    let bench = Bench::with_partitions(3).await;
    let mut consumer = bench.subscriber().await;
    assert!(consumer.poll_timeout(SECOND).await.unwrap().is_empty());
    until("the first fetch", || {
        bench.broker.requests(ApiKey::FETCH) > 0
    })
    .await;
    tokio::time::pause();
    let apis = [
        ApiKey::FETCH,
        ApiKey::METADATA,
        ApiKey::HEARTBEAT,
        ApiKey::JOIN_GROUP,
        ApiKey::OFFSET_COMMIT,
        ApiKey::OFFSET_FETCH,
        ApiKey::LIST_OFFSETS,
        ApiKey::FIND_COORDINATOR,
    ];
    let counts = || apis.map(|api| bench.broker.requests(api));
    let before = counts();
    assert!(consumer.poll_timeout(30 * SECOND).await.unwrap().is_empty());
    let spent: Vec<_> = counts()
        .iter()
        .zip(before)
        .map(|(after, before)| after - before)
        .collect();
    println!("fetch, metadata, heartbeat, join, commit, committed, list, find: {spent:?}");
    // 500 ms a fetch, 3 s a heartbeat (a few sooner, after the join), 5 s a commit.
    assert!((50..=62).contains(&spent[0]), "{spent:?}");
    assert!((11..=14).contains(&spent[2]), "{spent:?}");
    assert!((5..=7).contains(&spent[4]), "{spent:?}");
    assert!(
        spent[1] <= 1 && spent[3] + spent[5] + spent[6] + spent[7] == 0,
        "{spent:?}"
    );
}

#[tokio::test]
async fn a_topic_that_is_missing_is_waited_for_without_a_hot_loop() {
    let bench = Bench::start(TestBroker::builder().auto_create_topics(false)).await;
    let mut consumer = bench.subscriber().await;
    let metadata = bench.broker.requests(ApiKey::METADATA);
    assert!(consumer.poll_timeout(2 * SECOND).await.unwrap().is_empty());
    let asked = bench.broker.requests(ApiKey::METADATA) - metadata;
    assert!(asked <= 15, "{asked} metadata requests in 2 s");
    let joined = bench.broker.requests(ApiKey::JOIN_GROUP);
    assert!(joined <= 3, "{joined} joins");
}

#[tokio::test(start_paused = true)]
async fn a_topic_that_is_no_longer_wanted_is_not_asked_for() {
    for protocol in [GroupProtocol::Classic, GroupProtocol::Consumer] {
        let builder = TestBroker::builder().auto_create_topics(false);
        let bench = Bench::start(builder.topic("t", 1)).await;
        bench.produce(0, 0, 3).await;
        let builder = bench.consumer().group_protocol(protocol);
        let mut consumer = builder.topics(["t", "missing"]).build().await.unwrap();
        assert_eq!(read(&mut consumer, 3).await, expected(0, 0..3));
        let metadata = || bench.broker.requests(ApiKey::METADATA);
        let before = metadata();
        assert!(consumer.poll_timeout(30 * SECOND).await.unwrap().is_empty());
        let asked = metadata() - before;
        assert!(asked >= 20, "{asked} for the missing topic");
        consumer.subscribe(["t"]).unwrap();
        // A heartbeat, and what is under way.
        assert!(consumer.poll_timeout(10 * SECOND).await.unwrap().is_empty());
        let before = metadata();
        assert!(consumer.poll_timeout(60 * SECOND).await.unwrap().is_empty());
        assert_eq!(metadata(), before, "{protocol:?}");
    }
    let builder = TestBroker::builder().auto_create_topics(false);
    let bench = Bench::start(builder.topic("t", 1)).await;
    let mut consumer = bench.consumer().build().await.unwrap();
    let at = |topic| TopicPartition::new(topic, 0);
    consumer.assign([at("t"), at("missing")]).unwrap();
    assert!(consumer.poll_timeout(10 * SECOND).await.unwrap().is_empty());
    consumer.assign([at("t")]).unwrap();
    assert!(consumer.poll_timeout(5 * SECOND).await.unwrap().is_empty());
    let before = bench.broker.requests(ApiKey::METADATA);
    assert!(consumer.poll_timeout(60 * SECOND).await.unwrap().is_empty());
    assert_eq!(bench.broker.requests(ApiKey::METADATA), before);
}

#[tokio::test]
async fn a_topic_that_can_never_be_read_is_an_error_once() {
    let bench = Bench::with_partitions(1).await;
    bench.produce(0, 0, 3).await;
    let builder = bench.consumer().topics(["t", "no/such topic"]);
    let mut consumer = builder.build().await.unwrap();
    let mut errors = Vec::new();
    let mut read = Vec::new();
    while read.len() < 3 {
        match timeout(10 * SECOND, consumer.poll()).await.unwrap() {
            Ok(records) => read.extend(values(&records)),
            Err(error) => errors.push(error.to_string()),
        }
    }
    let [error] = &errors[..] else {
        panic!("{errors:?}")
    };
    assert!(error.contains("no/such topic"), "{error}");
}

#[tokio::test]
async fn a_dropped_consumer_asks_for_nothing_more() {
    let bench = Bench::with_partitions(1).await;
    bench.produce(0, 0, 1).await;
    let mut consumer = bench.subscriber().await;
    read(&mut consumer, 1).await;
    let handle = tokio::runtime::Handle::current();
    let tasks = handle.metrics().num_alive_tasks();
    drop(consumer);
    until("the tasks' end", || {
        handle.metrics().num_alive_tasks() + 2 <= tasks
    })
    .await;
    let fetches = bench.broker.requests(ApiKey::FETCH);
    tokio::time::sleep(700 * MILLISECOND).await;
    assert!(bench.broker.requests(ApiKey::FETCH) <= fetches + 1);
}
