//! Brokers that fail, lie low or change, and the promise that holds all the same: what is
//! acknowledged is written once and in order, what is reported as not written is not there.

mod world;

use std::sync::Arc;
use std::time::Duration;

use klamm_net::{ClientConfig, Cluster};
use klamm_producer::{Cause, Compression, Error, Outcome, Producer, ProducerBuilder, Record};
use klamm_testbroker::{ApiKey, ErrorCode, Fault, TestBroker};
use tokio::time::Instant;
use world::{InMemory, Ledger, World, eventually, soon};

/// A delivery timeout that passes within a test. Requests time out before.
fn impatient(world: &World) -> Producer {
    let builder = world.builder().request_timeout(Duration::from_millis(150));
    let builder = builder.delivery_timeout(Duration::from_millis(200));
    builder.build().unwrap()
}

/// Sends 60 records to three partitions, several batches of each in flight at a time.
async fn send_sixty(producer: &Producer) -> Ledger {
    let mut ledger = Ledger::new("orders");
    for index in 0..60 {
        ledger.send(producer, index % 3).await;
        if index % 9 == 0 {
            tokio::task::yield_now().await;
        }
    }
    ledger
}

/// Every record is acknowledged in spite of `faults`, of which each kind is injected three times
/// all over the partitions.
async fn all_is_acknowledged_in_spite_of(faults: &[Fault]) {
    let world = World::with_orders(3).await;
    let producer = world.producer();
    for (fault, partition) in faults.iter().cycle().zip((0..3).cycle()).take(9) {
        world.inject_produce(fault.on("orders", partition));
    }
    let ledger = send_sixty(&producer).await;
    let results = ledger.settle().await;
    assert_eq!(results.acknowledged(), 60, "{faults:?}");
    results.check(&world.broker).unwrap();
}

#[tokio::test]
async fn a_lost_answer_does_not_double_a_record() {
    all_is_acknowledged_in_spite_of(&[Fault::DropAfter]).await;
}

#[tokio::test]
async fn a_lost_request_does_not_lose_a_record() {
    all_is_acknowledged_in_spite_of(&[Fault::DropBefore]).await;
}

#[tokio::test]
async fn a_refusal_that_passes_is_tried_again_in_order() {
    for code in [
        ErrorCode::NOT_LEADER_OR_FOLLOWER,
        ErrorCode::NOT_ENOUGH_REPLICAS,
        ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER,
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        ErrorCode::CORRUPT_MESSAGE,
    ] {
        all_is_acknowledged_in_spite_of(&[Fault::Error(code)]).await;
    }
}

#[tokio::test]
async fn a_batch_that_was_written_but_answered_as_failed_is_not_written_again() {
    for code in [
        ErrorCode::REQUEST_TIMED_OUT,
        ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND,
        ErrorCode::NOT_LEADER_OR_FOLLOWER,
        ErrorCode::KAFKA_STORAGE_ERROR,
    ] {
        all_is_acknowledged_in_spite_of(&[Fault::ErrorAfter(code)]).await;
    }
}

#[tokio::test]
async fn failures_of_every_kind_at_once_lose_double_and_reorder_nothing() {
    all_is_acknowledged_in_spite_of(&[
        Fault::DropAfter,
        Fault::Error(ErrorCode::NOT_LEADER_OR_FOLLOWER),
        Fault::ErrorAfter(ErrorCode::REQUEST_TIMED_OUT),
        Fault::DropBefore,
        Fault::Error(ErrorCode::NOT_ENOUGH_REPLICAS),
        Fault::Delay(Duration::from_millis(5)),
    ])
    .await;
}

/// The oldest batch is tried until the delivery timeout; then `fault` is gone, and what comes later
/// must be written, not taken for the batch that was given up.
async fn a_batch_that_is_given_up_is_followed_by_a_new_epoch(fault: Fault, is_written: bool) {
    let world = World::with_orders(1).await;
    let producer = impatient(&world);
    world.inject_produce(fault.times(10_000));
    let mut ledger = Ledger::new("orders");
    ledger.send(&producer, 0).await;
    let is_given_up = || world.broker.requests(ApiKey::PRODUCE) > 0;
    eventually("the batch is on its way", is_given_up).await;
    soon("flush", producer.flush()).await;
    world.broker.clear_faults();
    for _ in 0..20 {
        ledger.send(&producer, 0).await;
    }
    let results = ledger.settle().await;
    results.check(&world.broker).unwrap();
    let first = results.iter().next().unwrap().as_ref().unwrap_err();
    assert_eq!(first.outcome(), Outcome::Unknown, "{first}");
    assert!(first.is_timeout(), "{first}");
    assert_eq!(results.acknowledged(), 20, "{fault:?}");

    let log = world.log("orders", 0);
    let epochs: Vec<_> = log
        .iter()
        .map(|stored| stored.header.producer_epoch)
        .collect();
    assert_eq!(log.len(), 20 + usize::from(is_written));
    assert!(
        epochs[usize::from(is_written)..]
            .iter()
            .all(|epoch| *epoch > 0),
        "{epochs:?}"
    );
    assert!(!is_written || epochs[0] == 0, "{epochs:?}");
}

#[tokio::test(start_paused = true)]
async fn what_follows_a_written_batch_that_was_given_up_is_written() {
    for fault in [
        Fault::DropAfter,
        Fault::ErrorAfter(ErrorCode::REQUEST_TIMED_OUT),
        Fault::ErrorAfter(ErrorCode::NOT_LEADER_OR_FOLLOWER),
    ] {
        a_batch_that_is_given_up_is_followed_by_a_new_epoch(fault, true).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_follows_a_lost_batch_that_was_given_up_is_written() {
    a_batch_that_is_given_up_is_followed_by_a_new_epoch(Fault::DropBefore, false).await;
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_was_only_ever_refused_is_reported_as_not_written() {
    let world = World::with_orders(1).await;
    let producer = impatient(&world);
    world.inject_produce(Fault::Error(ErrorCode::NOT_ENOUGH_REPLICAS).times(10_000));
    let results = {
        let mut ledger = Ledger::new("orders");
        for _ in 0..20 {
            ledger.send(&producer, 0).await;
        }
        ledger.settle().await
    };
    assert_eq!(results.with_outcome(Outcome::NotWritten), 20);
    results.check(&world.broker).unwrap();
    let error = results.iter().next().unwrap().as_ref().unwrap_err();
    assert_eq!(
        error.code(),
        Some(ErrorCode::NOT_ENOUGH_REPLICAS),
        "{error}"
    );
    assert!(error.to_string().contains("orders-0"), "{error}");

    world.broker.clear_faults();
    let sent = producer
        .send(Record::to("orders").value("000099"))
        .await
        .unwrap();
    assert_eq!(soon("the next one", sent).await.unwrap().offset, Some(0));
}

#[tokio::test]
async fn retries_bound_the_attempts() {
    let world = World::with_orders(1).await;
    let producer = world.builder().retries(2).build().unwrap();
    world.inject_produce(Fault::Error(ErrorCode::NOT_ENOUGH_REPLICAS).times(3));
    let sent = producer
        .send(Record::to("orders").value("v"))
        .await
        .unwrap();
    let error = soon("the delivery", sent).await.unwrap_err();
    let is_out_of_retries = matches!(
        &error,
        Error::Delivery {
            cause: Cause::Retries(_),
            ..
        }
    );
    assert!(is_out_of_retries, "{error}");
    assert_eq!(error.outcome(), Outcome::NotWritten);
    assert_eq!(world.broker.requests(ApiKey::PRODUCE), 3);
    let sent = producer
        .send(Record::to("orders").value("v"))
        .await
        .unwrap();
    assert_eq!(soon("the next one", sent).await.unwrap().offset, Some(0));
}

#[tokio::test]
async fn a_batch_that_the_broker_finds_too_large_fails_alone() {
    let limit = [("max.message.bytes", "1000")];
    let builder = TestBroker::builder().topic_with("orders", 2, limit);
    let world = World::start(builder).await;
    let producer = world.builder().batch_size(100).build().unwrap();
    let large = vec![b'x'; 2000];
    let mut small = Vec::new();
    let mut refused = Vec::new();
    for index in 0..40 {
        let record = Record::to("orders").partition(index % 2);
        if index % 10 == 4 {
            refused.push(producer.send(record.value(&large)).await.unwrap());
        } else {
            small.push(producer.send(record.value("small")).await.unwrap());
        }
    }
    for delivery in refused {
        let error = soon("the large one", delivery).await.unwrap_err();
        assert_eq!(error.code(), Some(ErrorCode::MESSAGE_TOO_LARGE), "{error}");
        assert_eq!(error.outcome(), Outcome::NotWritten);
        assert!(!error.is_retriable() && !error.is_fatal());
    }
    for delivery in small {
        soon("a small one", delivery).await.unwrap();
    }
    let stored = [0, 1].map(|partition| world.log("orders", partition));
    assert_eq!(stored[0].len() + stored[1].len(), 36);
    assert!(
        stored
            .iter()
            .flatten()
            .all(|stored| stored.text() == "small")
    );
}

#[tokio::test]
async fn records_follow_the_leader_from_node_to_node() {
    let builder = TestBroker::builder().nodes(3).topic("orders", 3);
    let world = World::start(builder).await;
    let producer = world.producer();
    let mut ledger = Ledger::new("orders");
    for index in 0..300 {
        ledger.send(&producer, index % 3).await;
        if index % 10 == 0 {
            let partition = (index / 10) % 3;
            let (leader, _) = world.broker.leader("orders", partition).unwrap();
            world
                .broker
                .move_leader("orders", partition, leader % 3 + 1)
                .unwrap();
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
    let results = ledger.settle().await;
    assert_eq!(results.acknowledged(), 300);
    results.check(&world.broker).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_new_leader_is_found_without_waiting_for_long_however_often_it_moves() {
    let builder = TestBroker::builder().nodes(2).topic("orders", 1);
    let broker = Arc::new(builder.start().await.unwrap());
    // With the pauses that users have.
    let mut config = ClientConfig::new(&broker.bootstrap()).unwrap();
    config.connector = Arc::new(InMemory(Arc::clone(&broker)));
    let cluster = soon("connecting", Cluster::connect(config)).await.unwrap();
    let producer = ProducerBuilder::new(cluster)
        .linger(Duration::ZERO)
        .build()
        .unwrap();
    let mut slowest = Duration::ZERO;
    for round in 0..6 {
        broker.move_leader("orders", 0, 1 + round % 2).unwrap();
        let started = Instant::now();
        let sent = soon("send", producer.send(Record::to("orders")))
            .await
            .unwrap();
        soon("the delivery", sent).await.unwrap();
        slowest = slowest.max(started.elapsed());
    }
    assert!(slowest < Duration::from_millis(500), "{slowest:?}");
}

#[tokio::test]
async fn a_leader_that_sleeps_is_left_as_soon_as_another_has_taken_over() {
    let builder = TestBroker::builder().nodes(2).topic("orders", 1);
    let world = World::start(builder).await;
    world.broker.move_leader("orders", 0, 1).unwrap();
    // Longer than anybody waits here, as the request's own time-out is.
    let minute = Duration::from_secs(60);
    let builder = world.builder().request_timeout(minute);
    let producer = builder.build().unwrap();
    let mut ledger = Ledger::new("orders");
    ledger.send(&producer, 0).await;
    soon("flush", producer.flush()).await;
    world.inject_produce(Fault::Delay(minute));
    for _ in 0..20 {
        ledger.send(&producer, 0).await;
    }
    let asked = || world.broker.requests(ApiKey::PRODUCE) > 1;
    eventually("the leader has the request", asked).await;
    world.broker.move_leader("orders", 0, 2).unwrap();
    let results = ledger.settle().await;
    assert_eq!(results.acknowledged(), 21);
    results.check(&world.broker).unwrap();
}

#[tokio::test]
async fn a_topic_that_is_created_anew_gets_nothing_that_was_meant_for_the_old_one() {
    let builder = TestBroker::builder().nodes(2).topic("orders", 2);
    let world = World::start(builder).await;
    let lead_both = |node| {
        for partition in 0..2 {
            let moved = world.broker.move_leader("orders", partition, node);
            moved.unwrap();
        }
    };
    lead_both(1);
    // Longer than anybody waits here, as the request's own time-out is.
    let minute = Duration::from_secs(60);
    let builder = world.builder().request_timeout(minute).max_in_flight(1);
    let producer = builder.build().unwrap();
    let mut before = Ledger::new("orders");
    before.send(&producer, 0).await;
    assert_eq!(before.settle().await.acknowledged(), 1);

    let asked = world.broker.requests(ApiKey::PRODUCE);
    world.inject_produce(Fault::Delay(minute));
    let mut old = Vec::new();
    for index in 0..20 {
        let record = Record::to("orders").partition(index % 2).value("old");
        old.push(producer.send(record).await.unwrap());
        // The first is in flight, and the others wait behind it.
        let is_in_flight = || world.broker.requests(ApiKey::PRODUCE) > asked;
        eventually("the first is on its way", is_in_flight).await;
    }
    world::delete_topic(&world.cluster, "orders").await;
    world::create_topic(&world.cluster, "orders", 2).await;
    // Where nothing is in the way.
    lead_both(2);
    let deadline = Instant::now() + minute;
    let refreshed = soon("the new topic", world.cluster.refresh(deadline)).await;
    refreshed.unwrap();
    for (index, delivery) in old.into_iter().enumerate() {
        let error = soon("an old one", delivery).await.unwrap_err();
        let recreated = matches!(
            &error,
            Error::Delivery {
                cause: Cause::TopicRecreated,
                ..
            }
        );
        assert!(recreated, "{error}");
        // What is in flight may be in the log of the old one.
        let outcome = match index {
            0 => Outcome::Unknown,
            _ => Outcome::NotWritten,
        };
        assert_eq!(error.outcome(), outcome, "{index}: {error}");
    }
    let mut after = Ledger::new("orders");
    for index in 0..20 {
        after.send(&producer, index % 2).await;
    }
    let results = after.settle().await;
    assert_eq!(results.acknowledged(), 20);
    results.check(&world.broker).unwrap();
}

#[tokio::test]
async fn a_topic_that_the_brokers_forget_for_a_moment_keeps_its_sequences() {
    let world = World::with_orders(1).await;
    let producer = world.producer();
    let mut ledger = Ledger::new("orders");
    for round in 0..5 {
        let forgotten = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
        world.inject(ApiKey::METADATA, Fault::Error(forgotten).times(2));
        let refused = [ErrorCode::NOT_LEADER_OR_FOLLOWER, forgotten][round % 2];
        world.inject_produce(Fault::Error(refused));
        for _ in 0..20 {
            ledger.send(&producer, 0).await;
        }
        soon("flush", producer.flush()).await;
    }
    let results = ledger.settle().await;
    assert_eq!(results.acknowledged(), 100);
    results.check(&world.broker).unwrap();
    let log = world.log("orders", 0);
    let is_one_line = |stored: &world::Stored| {
        let header = &stored.header;
        header.producer_epoch == 0 && i64::from(header.base_sequence) == header.base_offset
    };
    assert!(log.iter().all(is_one_line), "{log:?}");
}

#[tokio::test]
async fn a_partition_in_trouble_does_not_hold_up_the_others() {
    let world = World::with_orders(2).await;
    let producer = world.producer();
    let trouble = Fault::Error(ErrorCode::NOT_ENOUGH_REPLICAS).times(10_000);
    world.inject_produce(trouble.on("orders", 0));
    let stuck = Record::to("orders").partition(0).value("stuck");
    let stuck = producer.send(stuck).await.unwrap();
    for _ in 0..20 {
        let record = Record::to("orders").partition(1).value("v");
        let sent = producer.send(record).await.unwrap();
        soon("the other partition", sent).await.unwrap();
    }
    assert!(stuck.result().is_none());
    world.broker.clear_faults();
    soon("the partition in trouble", stuck).await.unwrap();
}

#[tokio::test]
async fn a_producer_without_permission_fails_for_good_and_says_why() {
    let world = World::with_orders(1).await;
    let producer = world.producer();
    world.inject_produce(Fault::Error(ErrorCode::CLUSTER_AUTHORIZATION_FAILED));
    let sent = producer
        .send(Record::to("orders").value("v"))
        .await
        .unwrap();
    let error = soon("the delivery", sent).await.unwrap_err();
    assert_eq!(
        error.code(),
        Some(ErrorCode::CLUSTER_AUTHORIZATION_FAILED),
        "{error}"
    );
    assert!(error.is_fatal());
    let ended = async {
        loop {
            if let Err(error) = producer.send(Record::to("orders").value("v")).await {
                return error;
            }
        }
    };
    let refused = soon("the end of the producer", ended).await;
    assert!(refused.is_fatal(), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn large_compressed_batches_keep_their_order_in_spite_of_faults() {
    // Not both at once: no broker says of what it has written that it is too large.
    let too_large = Fault::Error(ErrorCode::MESSAGE_TOO_LARGE);
    for (codec, fault) in [
        (Compression::Lz4, Fault::DropAfter),
        (Compression::Gzip, too_large),
    ] {
        let world = World::with_orders(3).await;
        let builder = world.builder().batch_size(16 << 10).compression(codec);
        let producer = builder.linger(Duration::from_millis(2)).build().unwrap();
        let mut ledger = Ledger::new("orders");
        for index in 0..12_000 {
            if index % 1500 == 700 {
                world.inject_produce(fault);
                world.inject_produce(Fault::Error(ErrorCode::NOT_ENOUGH_REPLICAS));
            }
            ledger.send(&producer, index % 3).await;
        }
        soon("flush", producer.flush()).await;
        let results = ledger.settle().await;
        assert_eq!(results.acknowledged(), 12_000, "{codec}");
        results.check(&world.broker).unwrap();
        assert_eq!(producer.stats().records_acknowledged, 12_000);
    }
}
