//! Consumer groups, end to end against a broker in the process.

mod bench;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bench::{Bench, MILLISECOND, SECOND, expected, read, until, values};
use klamm_consumer::{Consumer, Error, OffsetAndMetadata, OffsetReset, TopicPartition};
use klamm_testbroker::{ApiKey, ErrorCode, Fault, TestBroker};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

/// A consumer that polls in a task of its own.
struct Running {
    seen: Arc<Mutex<Seen>>,
    task: JoinHandle<Consumer>,
}

#[derive(Default)]
struct Seen {
    values: Vec<String>,
    assignment: BTreeSet<i32>,
    stop: bool,
}

impl Running {
    fn start(mut consumer: Consumer) -> Self {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let shared = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            loop {
                let records = consumer.poll_timeout(10 * MILLISECOND).await.unwrap();
                let mut seen = shared.lock().unwrap();
                seen.values.extend(values(&records));
                let assignment = consumer.assignment();
                seen.assignment = assignment.iter().map(|at| at.partition).collect();
                if seen.stop {
                    return consumer;
                }
            }
        });
        Self { seen, task }
    }

    fn owned(&self) -> BTreeSet<i32> {
        self.seen.lock().unwrap().assignment.clone()
    }

    fn values(&self) -> Vec<String> {
        self.seen.lock().unwrap().values.clone()
    }

    async fn stop(self) -> Consumer {
        self.seen.lock().unwrap().stop = true;
        self.task.await.unwrap()
    }
}

fn all(partitions: i32) -> BTreeSet<i32> {
    (0..partitions).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_share_the_partitions_and_take_over_from_those_that_leave() {
    let bench = Bench::with_partitions(4).await;
    let start = || async {
        let builder = bench
            .consumer()
            .topics(["t"])
            .heartbeat_interval(50 * MILLISECOND);
        Running::start(builder.build().await.unwrap())
    };
    let first = start().await;
    until("the first member owns all", || first.owned() == all(4)).await;
    let second = start().await;
    until("both own two", || {
        first.owned().len() == 2 && second.owned().len() == 2
    })
    .await;
    assert!(first.owned().is_disjoint(&second.owned()));
    for index in 0..4 {
        bench.produce(index, 0, 10).await;
    }
    until("all records", || {
        first.values().len() + second.values().len() == 40
    })
    .await;
    first.stop().await.close(5 * SECOND).await.unwrap();
    until("the second member owns all", || second.owned() == all(4)).await;
    for index in 0..4 {
        bench.produce(index, 10, 10).await;
    }
    // What the first one consumed it has committed when it closed: nothing comes twice.
    until("the rest", || {
        let values = second.values();
        (0..4).all(|index| values.contains(&format!("{index}-19")))
    })
    .await;
    let mut values = second.values();
    values.sort();
    let count = values.len();
    values.dedup();
    assert_eq!(count, values.len(), "records came twice");
    assert_eq!(count, 60);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rebalance_waits_until_the_application_polls() {
    let bench = Bench::with_partitions(2).await;
    for index in 0..2 {
        bench.produce(index, 0, 10).await;
    }
    let builder = bench
        .consumer()
        .topics(["t"])
        .max_poll_records(5)
        .heartbeat_interval(20 * MILLISECOND);
    let mut first = builder.build().await.unwrap();
    let handled = first.poll().await.unwrap();
    assert_eq!(handled.len(), 5);
    let second = Running::start(bench.subscriber().await);
    let heartbeats = bench.broker.requests(ApiKey::HEARTBEAT);
    // The first one is told about the rebalance and goes on as if nothing was.
    until("heartbeats during the rebalance", || {
        bench.broker.requests(ApiKey::HEARTBEAT) > heartbeats + 5
    })
    .await;
    assert_eq!(first.assignment().len(), 2);
    assert!(second.owned().is_empty());
    first.commit().await.unwrap();
    let first = Running::start(first);
    until("both own one", || {
        first.owned().len() == 1 && second.owned().len() == 1
    })
    .await;
    until("all records", || {
        first.values().len() + second.values().len() == 15
    })
    .await;
    drop(handled);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_handed_out_after_the_commit_of_a_rebalance() {
    let bench = Bench::with_partitions(2).await;
    for index in 0..2 {
        bench.produce(index, 0, 500).await;
    }
    let builder = || {
        let builder = bench.consumer().topics(["t"]);
        builder
            .heartbeat_interval(10 * MILLISECOND)
            .max_poll_records(5)
    };
    let mut first = builder().build().await.unwrap();
    let mut seen = read(&mut first, 5).await;
    // Everything else waits in the buffer while the commit is under way.
    let slow = Fault::Delay(300 * MILLISECOND);
    bench.broker.inject(ApiKey::OFFSET_COMMIT, slow).unwrap();
    let second = Running::start(builder().build().await.unwrap());
    while first.assignment().len() == 2 {
        let records = first.poll_timeout(5 * MILLISECOND).await.unwrap();
        seen.extend(values(&records));
        tokio::time::sleep(5 * MILLISECOND).await;
    }
    let first = Running::start(first);
    until("the end of both partitions", || {
        let seen: BTreeSet<_> = [seen.clone(), first.values(), second.values()]
            .concat()
            .into_iter()
            .collect();
        seen.len() == 1000
    })
    .await;
    let all = seen.len() + first.values().len() + second.values().len();
    assert_eq!(all, 1000, "records came twice");
}

#[tokio::test]
async fn a_successor_resumes_at_what_was_committed() {
    let bench = Bench::with_partitions(1).await;
    bench.produce(0, 0, 20).await;
    let builder = || {
        bench
            .consumer()
            .topics(["t"])
            .auto_commit(false)
            .max_poll_records(5)
    };
    let mut first = builder().build().await.unwrap();
    assert_eq!(read(&mut first, 5).await, expected(0, 0..5));
    first.commit().await.unwrap();
    assert_eq!(bench.committed(0).await, Some(5));
    read(&mut first, 5).await;
    first.close(5 * SECOND).await.unwrap();
    assert_eq!(bench.broker.requests(ApiKey::OFFSET_COMMIT), 1);

    let mut second = builder().build().await.unwrap();
    assert_eq!(read(&mut second, 15).await, expected(0, 5..20));
    let partition = TopicPartition::new("t", 0);
    let offset = OffsetAndMetadata::new(12).metadata("twelve");
    second
        .commit_offsets([(partition.clone(), offset)])
        .await
        .unwrap();
    let committed = second.committed([partition]).await.unwrap();
    let committed = committed[0].1.as_ref().unwrap();
    assert_eq!(
        (committed.offset, committed.metadata.as_str()),
        (12, "twelve")
    );
    second.close(5 * SECOND).await.unwrap();
    let mut third = builder().build().await.unwrap();
    assert_eq!(read(&mut third, 8).await, expected(0, 12..20));
}

#[tokio::test]
async fn background_commits_include_only_what_earlier_polls_handed_over() {
    let bench = Bench::with_partitions(1).await;
    bench.produce(0, 0, 20).await;
    let builder = bench
        .consumer()
        .topics(["t"])
        .max_poll_records(10)
        .auto_commit_interval(10 * MILLISECOND);
    let mut consumer = builder.build().await.unwrap();
    assert_eq!(read(&mut consumer, 10).await.len(), 10);
    let commits = bench.broker.requests(ApiKey::OFFSET_COMMIT);
    until("some commits", || {
        bench.broker.requests(ApiKey::OFFSET_COMMIT) > commits + 3
    })
    .await;
    assert_eq!(bench.committed(0).await, Some(0));
    assert_eq!(read(&mut consumer, 10).await.len(), 10);
    let commits = bench.broker.requests(ApiKey::OFFSET_COMMIT);
    until("some commits", || {
        bench.broker.requests(ApiKey::OFFSET_COMMIT) > commits + 3
    })
    .await;
    assert_eq!(bench.committed(0).await, Some(10));
    consumer.close(5 * SECOND).await.unwrap();
    assert_eq!(bench.committed(0).await, Some(20));
}

#[tokio::test(start_paused = true)]
async fn heartbeats_keep_a_member_alive_that_works_for_long() {
    let bench = Bench::with_partitions(1).await;
    bench.produce(0, 0, 10).await;
    let builder = bench
        .consumer()
        .topics(["t"])
        .session_timeout(10 * SECOND)
        .max_poll_records(5);
    let mut consumer = builder.build().await.unwrap();
    assert_eq!(read(&mut consumer, 5).await.len(), 5);
    let before = bench.broker.requests(ApiKey::HEARTBEAT);
    tokio::time::sleep(120 * SECOND).await;
    let heartbeats = bench.broker.requests(ApiKey::HEARTBEAT) - before;
    // One every 3 s, and some sooner after the join.
    assert!((44..=49).contains(&heartbeats), "{heartbeats} heartbeats");
    consumer.commit().await.unwrap();
    assert_eq!(read(&mut consumer, 5).await, expected(0, 5..10));
    assert_eq!(bench.broker.requests(ApiKey::JOIN_GROUP), 2);
}

#[tokio::test(start_paused = true)]
async fn an_application_that_stops_polling_leaves_and_comes_back_with_its_next_poll() {
    let bench = Bench::with_partitions(1).await;
    bench.produce(0, 0, 10).await;
    let builder = bench
        .consumer()
        .topics(["t"])
        .auto_commit(false)
        .max_poll_interval(30 * SECOND)
        .max_poll_records(5);
    let mut consumer = builder.build().await.unwrap();
    assert_eq!(read(&mut consumer, 5).await.len(), 5);
    tokio::time::sleep(40 * SECOND).await;
    assert_eq!(bench.broker.requests(ApiKey::LEAVE_GROUP), 1);
    let error = consumer.commit().await.unwrap_err();
    assert!(matches!(error, Error::CommitFailed { .. }), "{error}");
    // Nothing was committed, so it begins again.
    assert_eq!(read(&mut consumer, 10).await, expected(0, 0..10));
}

#[tokio::test]
async fn a_member_the_coordinator_forgot_joins_again_and_hands_out_nothing_stale() {
    let bench = Bench::with_partitions(1).await;
    bench.produce(0, 0, 10).await;
    let builder = bench
        .consumer()
        .topics(["t"])
        .auto_commit(false)
        .max_poll_records(5)
        .heartbeat_interval(20 * MILLISECOND);
    let mut consumer = builder.build().await.unwrap();
    assert_eq!(read(&mut consumer, 5).await, expected(0, 0..5));
    let joins = bench.broker.requests(ApiKey::JOIN_GROUP);
    let illegal = Fault::Error(ErrorCode::ILLEGAL_GENERATION);
    bench.broker.inject(ApiKey::HEARTBEAT, illegal).unwrap();
    // A commit is refused as soon as the member knows.
    let start = [(TopicPartition::new("t", 0), 0)];
    let deadline = Instant::now() + 20 * SECOND;
    while consumer.commit_offsets(start.clone()).await.is_ok() {
        assert!(Instant::now() < deadline, "the member never knew");
    }
    assert_eq!(bench.broker.requests(ApiKey::JOIN_GROUP), joins);
    // The buffered rest of the old assignment is gone.
    assert_eq!(read(&mut consumer, 10).await, expected(0, 0..10));
    assert!(bench.broker.requests(ApiKey::JOIN_GROUP) > joins);
}

#[tokio::test]
async fn a_commit_of_a_lost_generation_has_an_error_of_its_own() {
    let bench = Bench::with_partitions(1).await;
    bench.produce(0, 0, 10).await;
    let mut consumer = bench
        .consumer()
        .topics(["t"])
        .auto_commit(false)
        .build()
        .await
        .unwrap();
    read(&mut consumer, 10).await;
    let illegal = Fault::Error(ErrorCode::ILLEGAL_GENERATION);
    bench.broker.inject(ApiKey::OFFSET_COMMIT, illegal).unwrap();
    let error = consumer.commit().await.unwrap_err();
    let Error::CommitFailed { code, .. } = error else {
        panic!("{error}")
    };
    assert_eq!(code, ErrorCode::ILLEGAL_GENERATION);
    assert_eq!(read(&mut consumer, 10).await, expected(0, 0..10));
    consumer.commit().await.unwrap();
}

#[tokio::test]
async fn a_refused_member_is_told_why() {
    let bench = Bench::with_partitions(1).await;
    bench.produce(0, 0, 1).await;
    let refused = Fault::Error(ErrorCode::GROUP_AUTHORIZATION_FAILED);
    bench.broker.inject(ApiKey::JOIN_GROUP, refused).unwrap();
    let mut consumer = bench.subscriber().await;
    let error = timeout(10 * SECOND, consumer.poll())
        .await
        .unwrap()
        .unwrap_err();
    assert_eq!(
        error.code(),
        Some(ErrorCode::GROUP_AUTHORIZATION_FAILED),
        "{error}"
    );
    assert!(!error.is_fatal());
    assert_eq!(read(&mut consumer, 1).await, expected(0, 0..1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_that_stays_does_not_keep_the_group_waiting() {
    let bench = Bench::with_partitions(2).await;
    bench.produce(0, 0, 3).await;
    let builder = bench
        .consumer()
        .topics(["t"])
        .offset_reset(OffsetReset::None)
        .heartbeat_interval(20 * MILLISECOND);
    let mut stubborn = builder.build().await.unwrap();
    let error = timeout(10 * SECOND, stubborn.poll()).await.unwrap();
    assert!(matches!(error, Err(Error::NoOffset { .. })), "{error:?}");
    let other = Running::start(bench.subscriber().await);
    let deadline = Instant::now() + 20 * SECOND;
    while other.owned().len() != 1 {
        assert!(Instant::now() < deadline, "the group still waits");
        let polled = stubborn.poll_timeout(10 * MILLISECOND).await;
        assert!(polled.is_err() || polled.unwrap().is_empty());
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn close_ends_in_time_whatever_the_broker_does() {
    let bench = Bench::with_partitions(1).await;
    let mut consumer = bench.subscriber().await;
    assert!(
        consumer
            .poll_timeout(300 * MILLISECOND)
            .await
            .unwrap()
            .is_empty()
    );
    let slow = Fault::Delay(60 * SECOND);
    bench.broker.inject(ApiKey::LEAVE_GROUP, slow).unwrap();
    let started = Instant::now();
    let error = consumer.close(200 * MILLISECOND).await.unwrap_err();
    assert!(matches!(error, Error::Timeout { .. }), "{error}");
    assert!(started.elapsed() < 2 * SECOND);
    let unpolled = bench.subscriber().await;
    unpolled.close(5 * SECOND).await.unwrap();
}

#[tokio::test]
async fn partitions_assigned_by_hand_are_committed_without_a_membership() {
    let bench = Bench::with_partitions(2).await;
    bench.produce(1, 0, 10).await;
    let builder = || bench.consumer().max_poll_records(4);
    let mut consumer = builder().build().await.unwrap();
    consumer.assign([TopicPartition::new("t", 1)]).unwrap();
    assert_eq!(read(&mut consumer, 4).await, expected(1, 0..4));
    consumer.commit().await.unwrap();
    assert_eq!(bench.committed(1).await, Some(4));
    let error = consumer.subscribe(["t"]).unwrap_err();
    assert!(matches!(error, Error::Misuse { .. }), "{error}");
    consumer.close(5 * SECOND).await.unwrap();
    assert_eq!(bench.broker.requests(ApiKey::JOIN_GROUP), 0);
    let mut consumer = builder().build().await.unwrap();
    consumer.assign([TopicPartition::new("t", 1)]).unwrap();
    assert_eq!(read(&mut consumer, 6).await, expected(1, 4..10));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_sees_partitions_that_are_added_to_its_topics() {
    let bench = Bench::start(TestBroker::builder().topic("u", 1)).await;
    let builder = bench
        .consumer()
        .topics(["t", "u"])
        .max_poll_interval(Duration::from_secs(10));
    let consumer = Running::start(builder.build().await.unwrap());
    // The topic `t` is created when the group's leader asks for its metadata.
    until("both topics are assigned", || {
        consumer.seen.lock().unwrap().assignment == all(1)
    })
    .await;
    bench.produce(0, 0, 3).await;
    until("its records", || consumer.values().len() == 3).await;
}
