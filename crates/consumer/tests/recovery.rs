//! What a consumer makes of brokers' troubles, end to end against a broker in the process: nothing is
//! skipped, nothing is handed out twice, and few requests are spent on it.

mod bench;

use bench::{Bench, MILLISECOND, SECOND, expected, read, until};
use klamm_consumer::{
    Consumer, ConsumerBuilder, Error, GroupProtocol, OffsetReset, TopicPartition,
};
use klamm_testbroker::{ApiKey, ErrorCode, Fault, TestBroker};
use tokio::time::{Instant, timeout};

fn partition(index: i32) -> TopicPartition {
    TopicPartition::new("t", index)
}

/// Two nodes with one partition of `t` on both.
async fn two_nodes() -> Bench {
    Bench::start(TestBroker::builder().nodes(2).topic("t", 1)).await
}

/// Without a group: what is counted is what fetching asks for.
async fn reader(bench: &Bench, reset: OffsetReset) -> Consumer {
    let builder = ConsumerBuilder::new(bench.cluster.clone()).offset_reset(reset);
    let mut consumer = builder.build().await.unwrap();
    consumer.assign([partition(0)]).unwrap();
    consumer
}

fn move_leader(bench: &Bench) {
    let (leader, _) = bench.broker.leader("t", 0).unwrap();
    bench.broker.move_leader("t", 0, 3 - leader).unwrap();
}

#[tokio::test]
async fn sessions_are_kept_begun_anew_when_lost_and_closed_at_the_end() {
    let bench = Bench::with_partitions(3).await;
    let mut consumer = bench.subscriber().await;
    for round in 0..5 {
        for index in 0..3 {
            bench.produce(index, round * 2, 2).await;
        }
        read(&mut consumer, 6).await;
        assert_eq!(bench.broker.fetch_sessions(), 1);
        bench.broker.forget_fetch_sessions();
    }
    for code in [
        ErrorCode::INVALID_FETCH_SESSION_EPOCH,
        ErrorCode::FETCH_SESSION_TOPIC_ID_ERROR,
        ErrorCode::FETCH_SESSION_ID_NOT_FOUND,
    ] {
        bench
            .broker
            .inject(ApiKey::FETCH, Fault::Error(code))
            .unwrap();
    }
    bench.produce(0, 10, 3).await;
    assert_eq!(read(&mut consumer, 3).await, expected(0, 10..13));
    consumer.close(5 * SECOND).await.unwrap();
    assert_eq!(bench.broker.fetch_sessions(), 0);
}

#[tokio::test]
async fn repeated_errors_and_lost_answers_skip_and_double_nothing() {
    let bench = two_nodes().await;
    let mut consumer = reader(&bench, OffsetReset::Earliest).await;
    let troubles = [
        Fault::Error(ErrorCode::NOT_LEADER_OR_FOLLOWER),
        Fault::Error(ErrorCode::UNKNOWN_TOPIC_ID),
        Fault::DropBefore,
        Fault::DropAfter,
        Fault::Error(ErrorCode::KAFKA_STORAGE_ERROR),
    ];
    let mut first = 0;
    for trouble in troubles {
        for times in [1, 4] {
            let before = bench.broker.requests(ApiKey::FETCH);
            bench
                .broker
                .inject(ApiKey::FETCH, trouble.times(times))
                .unwrap();
            bench.produce(0, first, 3).await;
            assert_eq!(read(&mut consumer, 3).await, expected(0, first..first + 3));
            first += 3;
            // One for each trouble, and those that were under way or idle.
            let spent = bench.broker.requests(ApiKey::FETCH) - before;
            assert!(spent <= times as u64 + 6, "{trouble:?}: {spent} fetches");
        }
    }
}

#[tokio::test]
async fn leaders_that_move_all_the_time_are_followed() {
    let bench = two_nodes().await;
    let mut consumer = reader(&bench, OffsetReset::Earliest).await;
    for round in 0..20 {
        bench.produce(0, round * 3, 3).await;
        move_leader(&bench);
        if round % 3 == 0 {
            move_leader(&bench);
            move_leader(&bench);
        }
        let expected = expected(0, round * 3..round * 3 + 3);
        assert_eq!(read(&mut consumer, 3).await, expected);
    }
    // Each move is one refusal, or two; and the positions were validated.
    let fetches = bench.broker.requests(ApiKey::FETCH);
    let validations = bench.broker.requests(ApiKey::OFFSET_FOR_LEADER_EPOCH);
    println!("{fetches} fetches, {validations} validations");
    assert!(fetches <= 200, "{fetches} fetches");
    assert!(
        (10..=60).contains(&validations),
        "{validations} validations"
    );
}

#[tokio::test]
async fn a_truncated_log_is_read_on_from_where_it_ends() {
    let bench = two_nodes().await;
    let mut consumer = reader(&bench, OffsetReset::Earliest).await;
    for first in [0, 10, 20] {
        bench.produce(0, first, 10).await;
    }
    assert_eq!(read(&mut consumer, 30).await, expected(0, 0..30));
    let (leader, _) = bench.broker.leader("t", 0).unwrap();
    bench.broker.elect_unclean("t", 0, 3 - leader, 10).unwrap();
    bench.produce(0, 100, 5).await;
    assert_eq!(read(&mut consumer, 5).await, expected(0, 100..105));
    assert_eq!(consumer.position(&partition(0)).await.unwrap(), 15);
}

#[tokio::test]
async fn without_a_policy_a_truncated_log_is_an_error() {
    let bench = two_nodes().await;
    let mut consumer = reader(&bench, OffsetReset::None).await;
    consumer.seek(&partition(0), 0).unwrap();
    for first in [0, 10, 20] {
        bench.produce(0, first, 10).await;
    }
    read(&mut consumer, 30).await;
    let (leader, _) = bench.broker.leader("t", 0).unwrap();
    bench.broker.elect_unclean("t", 0, 3 - leader, 10).unwrap();
    for _ in 0..2 {
        let error = timeout(10 * SECOND, consumer.poll())
            .await
            .unwrap()
            .unwrap_err();
        assert!(
            matches!(
                error,
                Error::LogTruncation {
                    offset: 30,
                    end_offset: Some(10),
                    ..
                }
            ),
            "{error}"
        );
    }
    consumer.seek(&partition(0), 5).unwrap();
    assert_eq!(read(&mut consumer, 5).await, expected(0, 5..10));
}

#[tokio::test]
async fn expired_offsets_are_reset_when_what_was_fetched_before_them_is_consumed() {
    let builder = TestBroker::builder()
        .topic("t", 1)
        .max_partition_bytes(4000);
    let bench = Bench::start(builder).await;
    bench.produce(0, 0, 10).await;
    let mut consumer = reader(&bench, OffsetReset::Earliest).await;
    assert_eq!(read(&mut consumer, 10).await, expected(0, 0..10));
    consumer.pause([&partition(0)]).unwrap();
    for first in (10..2000).step_by(10) {
        bench.produce(0, first, 10).await;
    }
    let first = consumer.beginning_offsets([partition(0)]).await.unwrap()[0].1 as usize;
    assert!(first > 20);
    consumer.resume([&partition(0)]).unwrap();
    assert_eq!(
        read(&mut consumer, 2000 - first).await,
        expected(0, first..2000)
    );
}

#[tokio::test]
async fn trouble_holds_up_reading_for_little_longer_than_it_lasts() {
    let bench = two_nodes().await;
    let mut consumer = reader(&bench, OffsetReset::Earliest).await;
    bench.produce(0, 0, 3).await;
    read(&mut consumer, 3).await;
    let refused = Fault::Error(ErrorCode::NOT_LEADER_OR_FOLLOWER).times(10_000);
    bench.broker.inject(ApiKey::FETCH, refused).unwrap();
    let before = bench.broker.requests(ApiKey::FETCH);
    // The fetch that waited for records before the trouble is over then.
    until("the first refusal", || {
        bench.broker.requests(ApiKey::FETCH) > before
    })
    .await;
    bench.produce(0, 3, 3).await;
    let outage = 3 * SECOND;
    assert!(consumer.poll_timeout(outage).await.unwrap().is_empty());
    let spent = bench.broker.requests(ApiKey::FETCH) - before;
    bench.broker.clear_faults();
    let started = Instant::now();
    assert_eq!(read(&mut consumer, 3).await, expected(0, 3..6));
    println!(
        "{spent} fetches in {outage:?} of trouble, {:?} after it",
        started.elapsed()
    );
    // Five to ten a second.
    assert!(spent <= 40, "{spent} fetches in {outage:?}");
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_sleeps_is_left_within_200_ms_of_another_taking_over() {
    // When another leader takes over, and how many requests may be spent on finding it.
    for (asleep, metadata_max) in [(3700, 5), (6000, 40), (13_000, 130)] {
        let bench = two_nodes().await;
        bench.broker.move_leader("t", 0, 1).unwrap();
        let mut consumer = reader(&bench, OffsetReset::Earliest).await;
        bench.produce(0, 0, 3).await;
        read(&mut consumer, 3).await;
        let sleeps = Fault::Delay(3600 * SECOND);
        bench.broker.inject(ApiKey::FETCH, sleeps).unwrap();
        // The fetch that was idle is answered, and the next one is not.
        bench.produce(0, 3, 3).await;
        assert_eq!(read(&mut consumer, 3).await, expected(0, 3..6));
        let before = bench.broker.requests(ApiKey::METADATA);
        let slept = consumer.poll_timeout(asleep * MILLISECOND).await;
        assert!(slept.unwrap().is_empty());
        move_leader(&bench);
        let moved = Instant::now();
        bench.produce(0, 6, 3).await;
        assert_eq!(read(&mut consumer, 3).await, expected(0, 6..9));
        let (took, asked) = (
            moved.elapsed(),
            bench.broker.requests(ApiKey::METADATA) - before,
        );
        println!("after {asleep} ms: {took:?}, {asked} metadata requests");
        assert!(took <= 200 * MILLISECOND, "{asleep}: {took:?}");
        assert!(asked <= metadata_max, "{asleep}: {asked} metadata requests");
    }
}

#[tokio::test]
async fn coordinators_that_move_all_the_time_cost_no_membership_and_no_commit() {
    for protocol in [GroupProtocol::Classic, GroupProtocol::Consumer] {
        let broker = TestBroker::builder().nodes(2).topic("t", 1);
        let bench = Bench::start(broker.consumer_heartbeat_interval(20 * MILLISECOND)).await;
        let builder = bench.consumer().topics(["t"]).auto_commit(false);
        let builder = match protocol {
            GroupProtocol::Consumer => builder.group_protocol(protocol),
            _ => builder.heartbeat_interval(20 * MILLISECOND),
        };
        let mut consumer = builder.build().await.unwrap();
        bench.produce(0, 0, 3).await;
        read(&mut consumer, 3).await;
        let counted = [
            ApiKey::JOIN_GROUP,
            ApiKey::FIND_COORDINATOR,
            ApiKey::OFFSET_COMMIT,
            ApiKey::OFFSET_FETCH,
        ];
        let counts = || counted.map(|api| bench.broker.requests(api));
        let before = counts();
        for round in 1..=20 {
            let finds = bench.broker.requests(ApiKey::FIND_COORDINATOR);
            bench.broker.move_coordinators();
            if round % 2 == 0 {
                // Found out by a heartbeat; in the other rounds the commit is mostly the first.
                until("a heartbeat looks for the coordinator", || {
                    bench.broker.requests(ApiKey::FIND_COORDINATOR) > finds
                })
                .await;
            }
            bench.produce(0, round * 3, 3).await;
            let expected = expected(0, round * 3..round * 3 + 3);
            assert_eq!(read(&mut consumer, 3).await, expected);
            consumer.commit().await.unwrap();
            assert_eq!(
                bench.broker.committed("g", "t", 0),
                Some(round as i64 * 3 + 3)
            );
        }
        let spent: Vec<_> = counts().iter().zip(before).map(|it| it.0 - it.1).collect();
        println!("{protocol:?}, 20 moves: join, find, commit, offset fetch: {spent:?}");
        assert_eq!(spent[0], 0, "nobody joined again");
        assert_eq!(spent[3], 0, "no partition was given up and taken over");
        // Each move is found out once by a commit or by a heartbeat; none is a reason to ask in a loop.
        assert!(spent[1] <= 60 && spent[2] <= 60, "{spent:?}");
    }
}

#[tokio::test]
async fn trouble_with_the_coordinator_is_outlived() {
    let bench = Bench::with_partitions(1).await;
    bench.produce(0, 0, 10).await;
    let inject = |api, fault: Fault| bench.broker.inject(api, fault).unwrap();
    inject(
        ApiKey::FIND_COORDINATOR,
        Fault::Error(ErrorCode::COORDINATOR_NOT_AVAILABLE),
    );
    inject(ApiKey::JOIN_GROUP, Fault::DropBefore);
    inject(
        ApiKey::JOIN_GROUP,
        Fault::Error(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS),
    );
    inject(ApiKey::JOIN_GROUP, Fault::Error(ErrorCode::NOT_COORDINATOR));
    inject(ApiKey::SYNC_GROUP, Fault::DropAfter);
    inject(
        ApiKey::SYNC_GROUP,
        Fault::Error(ErrorCode::REBALANCE_IN_PROGRESS),
    );
    inject(
        ApiKey::OFFSET_FETCH,
        Fault::Error(ErrorCode::UNSTABLE_OFFSET_COMMIT),
    );
    inject(ApiKey::OFFSET_FETCH, Fault::DropBefore);
    // A member's epoch has changed meanwhile, or its heartbeats will tell.
    inject(
        ApiKey::OFFSET_FETCH,
        Fault::Error(ErrorCode::STALE_MEMBER_EPOCH),
    );
    inject(
        ApiKey::OFFSET_FETCH,
        Fault::Error(ErrorCode::UNKNOWN_MEMBER_ID),
    );
    let builder = bench
        .consumer()
        .topics(["t"])
        .heartbeat_interval(20 * MILLISECOND);
    let mut consumer = builder.build().await.unwrap();
    assert_eq!(read(&mut consumer, 10).await, expected(0, 0..10));

    inject(ApiKey::OFFSET_COMMIT, Fault::DropAfter);
    inject(
        ApiKey::OFFSET_COMMIT,
        Fault::Error(ErrorCode::NOT_COORDINATOR),
    );
    inject(
        ApiKey::OFFSET_COMMIT,
        Fault::Error(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS),
    );
    consumer.commit().await.unwrap();
    assert_eq!(bench.committed(0).await, Some(10));

    let heartbeats = bench.broker.requests(ApiKey::HEARTBEAT);
    inject(ApiKey::HEARTBEAT, Fault::DropBefore);
    inject(ApiKey::HEARTBEAT, Fault::Error(ErrorCode::NOT_COORDINATOR));
    until("heartbeats go on", || {
        bench.broker.requests(ApiKey::HEARTBEAT) > heartbeats + 5
    })
    .await;
    bench.produce(0, 10, 5).await;
    assert_eq!(read(&mut consumer, 5).await, expected(0, 10..15));
    consumer.commit().await.unwrap();
}
