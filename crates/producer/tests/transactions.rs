//! Transactions on the test broker, with and without KIP-890.

mod world;

use std::time::Duration;

use klamm_net::{GroupMetadata, OffsetAndMetadata, TopicPartition};
use klamm_producer::{
    Cause, CommitError, Error, Outcome, ProducerBuilder, Record, Transaction, TransactionalProducer,
};
use klamm_testbroker::{ApiKey, ErrorCode, Fault, TestBroker};
use world::{World, eventually, soon};

/// Levels of `transaction.version`.
const LEVELS: [i16; 2] = [1, 2];

async fn start(level: i16) -> World {
    let builder = TestBroker::builder().topic("orders", 3).nodes(2);
    World::start(builder.transaction_version(level)).await
}

fn builder(world: &World) -> ProducerBuilder {
    world.builder().transactional_id("t")
}

async fn producer(world: &World) -> TransactionalProducer {
    let built = soon("building", builder(world).build_transactional()).await;
    built.unwrap()
}

async fn begin(producer: &TransactionalProducer) -> Transaction {
    soon("begin", producer.begin()).await.unwrap()
}

async fn send(transaction: &Transaction, values: &[&str]) {
    for (index, value) in values.iter().enumerate() {
        let record = Record::to("orders")
            .partition(index as i32 % 3)
            .value(value);
        let delivery = soon("send", transaction.send(record)).await;
        drop(delivery.unwrap());
    }
}

async fn commit(transaction: Transaction) {
    soon("commit", transaction.commit()).await.unwrap();
}

/// What a reader of committed records sees, sorted.
fn visible(world: &World) -> Vec<String> {
    let mut visible = world::visible(&world.broker, "orders");
    visible.sort();
    visible
}

#[tokio::test]
async fn what_is_committed_is_visible_and_what_is_aborted_is_not() {
    for level in LEVELS {
        let world = start(level).await;
        let producer = producer(&world).await;
        let first = begin(&producer).await;
        send(&first, &["a", "b", "c"]).await;
        commit(first).await;
        let second = begin(&producer).await;
        send(&second, &["x", "y"]).await;
        soon("abort", second.abort()).await.unwrap();
        let third = begin(&producer).await;
        send(&third, &["d", "e"]).await;
        commit(third).await;
        assert_eq!(visible(&world), ["a", "b", "c", "d", "e"], "level {level}");
        let adds = world.broker.requests(ApiKey::ADD_PARTITIONS_TO_TXN);
        assert_eq!(adds > 0, level < 2, "{adds}");
        // Unlike before KIP-890, where nothing went wrong.
        let (_, epoch, is_open) = world.broker.transaction("t").unwrap();
        assert_eq!(epoch > 0, level >= 2, "{epoch}");
        assert!(!is_open);
        let closed = producer.close(Duration::from_secs(10));
        soon("close", closed).await.unwrap();
    }
}

#[tokio::test]
async fn a_transaction_of_nothing_costs_no_request() {
    for level in LEVELS {
        let world = start(level).await;
        let producer = producer(&world).await;
        for _ in 0..3 {
            commit(begin(&producer).await).await;
            soon("abort", begin(&producer).await.abort()).await.unwrap();
        }
        assert_eq!(world.broker.requests(ApiKey::END_TXN), 0);
        assert_eq!(world.broker.requests(ApiKey::INIT_PRODUCER_ID), 1);
    }
}

#[tokio::test]
async fn a_second_producer_aborts_what_is_open_and_ends_the_first() {
    for level in LEVELS {
        let world = start(level).await;
        let first = producer(&world).await;
        let open = begin(&first).await;
        send(&open, &["x"]).await;
        open.flush().await;
        let second = producer(&world).await;
        let error = soon("commit", open.commit()).await.unwrap_err();
        assert!(matches!(error, CommitError::Fatal { .. }), "{error}");
        assert_eq!(error.outcome(), Outcome::NotWritten);
        let error = Error::from(error);
        assert!(error.is_fenced() && error.is_fatal(), "{error}");
        let error = soon("begin", first.begin()).await.unwrap_err();
        assert!(error.is_fenced(), "{error}");
        let transaction = begin(&second).await;
        send(&transaction, &["a"]).await;
        commit(transaction).await;
        assert_eq!(visible(&world), ["a"], "level {level}");
    }
}

#[tokio::test]
async fn a_producer_that_is_fenced_learns_it_from_its_records_too() {
    for level in LEVELS {
        let world = start(level).await;
        let first = producer(&world).await;
        let open = begin(&first).await;
        let _second = producer(&world).await;
        let record = Record::to("orders").partition(0).value("x");
        // Before KIP-890 the coordinator says it before the record is sent.
        let delivery = soon("send", open.send(record)).await.unwrap();
        let error = soon("a delivery", delivery).await.unwrap_err();
        assert_eq!(error.outcome(), Outcome::NotWritten, "{error}");
        let error = match soon("commit", open.commit()).await.unwrap_err() {
            CommitError::Abortable { transaction, error } => {
                assert_eq!(error.code(), Some(ErrorCode::INVALID_PRODUCER_EPOCH));
                soon("abort", transaction.abort()).await.unwrap_err()
            }
            error => error.into(),
        };
        assert!(error.is_fenced(), "level {level}: {error}");
        assert_eq!(visible(&world), [""; 0]);
    }
}

#[tokio::test]
async fn a_record_that_is_refused_makes_the_transaction_abortable_and_the_next_one_is_whole() {
    for level in LEVELS {
        let world = start(level).await;
        let producer = producer(&world).await;
        let before = world.broker.transaction("t").unwrap();
        world.inject_produce(Fault::Error(ErrorCode::INVALID_RECORD).on("orders", 1));
        let failing = begin(&producer).await;
        send(&failing, &["x", "y", "z"]).await;
        let error = soon("commit", failing.commit()).await.unwrap_err();
        let CommitError::Abortable { error, transaction } = error else {
            panic!("{error}");
        };
        assert!(error.is_abortable() && !error.is_fatal(), "{error}");
        assert_eq!(error.code(), Some(ErrorCode::INVALID_RECORD));
        let refused = transaction.send(Record::to("orders").value("w")).await;
        assert!(refused.unwrap_err().is_abortable());
        soon("abort", transaction.abort()).await.unwrap();
        let next = begin(&producer).await;
        send(&next, &["a", "b", "c"]).await;
        commit(next).await;
        assert_eq!(visible(&world), ["a", "b", "c"], "level {level}");
        assert!(world.broker.transaction("t").unwrap().1 > before.1);
    }
}

#[tokio::test]
async fn a_record_out_of_retries_makes_the_transaction_abortable_and_the_next_one_is_whole() {
    for level in LEVELS {
        let world = start(level).await;
        let builder = builder(&world).retries(1);
        let producer = soon("building", builder.build_transactional()).await;
        let producer = producer.unwrap();
        let refusal = Fault::Error(ErrorCode::NOT_ENOUGH_REPLICAS);
        world.inject_produce(refusal.on("orders", 1).times(2));
        let failing = begin(&producer).await;
        send(&failing, &["x", "y", "z"]).await;
        let error = soon("commit", failing.commit()).await.unwrap_err();
        let CommitError::Abortable { error, transaction } = error else {
            panic!("{error}");
        };
        assert_eq!(error.code(), Some(ErrorCode::NOT_ENOUGH_REPLICAS));
        soon("abort", transaction.abort()).await.unwrap();
        let next = begin(&producer).await;
        send(&next, &["a", "b", "c"]).await;
        commit(next).await;
        assert_eq!(visible(&world), ["a", "b", "c"], "level {level}");
    }
}

#[tokio::test]
async fn an_abort_fails_what_was_not_sent_and_says_so() {
    for level in LEVELS {
        let world = start(level).await;
        let linger = builder(&world).linger(Duration::from_secs(20));
        let producer = soon("building", linger.build_transactional()).await;
        let producer = producer.unwrap();
        let transaction = begin(&producer).await;
        let record = Record::to("orders").partition(0).value("x");
        let delivery = soon("send", transaction.send(record)).await.unwrap();
        soon("abort", transaction.abort()).await.unwrap();
        let error = soon("a delivery", delivery).await.unwrap_err();
        let aborted = matches!(
            error,
            Error::Delivery {
                cause: Cause::TransactionAborted,
                outcome: Outcome::NotWritten,
                ..
            }
        );
        assert!(aborted, "{error}");
        assert_eq!(world.broker.requests(ApiKey::PRODUCE), 0);
        let next = begin(&producer).await;
        send(&next, &["a"]).await;
        commit(next).await;
        assert_eq!(visible(&world), ["a"]);
    }
}

#[tokio::test]
async fn a_transaction_that_is_dropped_is_aborted_before_the_next_begins() {
    for level in LEVELS {
        let world = start(level).await;
        let producer = producer(&world).await;
        let dropped = begin(&producer).await;
        send(&dropped, &["x", "y", "z"]).await;
        dropped.flush().await;
        let error = soon("begin", producer.begin()).await.unwrap_err();
        assert!(
            matches!(error, Error::InvalidTransactionState { .. }),
            "{error}"
        );
        drop(dropped);
        let next = begin(&producer).await;
        send(&next, &["a"]).await;
        commit(next).await;
        assert_eq!(visible(&world), ["a"], "level {level}");
    }
}

#[tokio::test]
async fn an_end_whose_answer_is_lost_is_repeated_and_its_epoch_not_used_again() {
    for level in LEVELS {
        for lost in [
            Fault::DropBefore,
            Fault::DropAfter,
            Fault::ErrorAfter(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS),
        ] {
            let world = start(level).await;
            let producer = producer(&world).await;
            let before = world.broker.transaction("t").unwrap();
            world.inject(ApiKey::END_TXN, lost);
            let first = begin(&producer).await;
            send(&first, &["a", "b"]).await;
            commit(first).await;
            let second = begin(&producer).await;
            let told = matches!(lost, Fault::ErrorAfter(_)) && level < 2;
            let after = world.broker.transaction("t").unwrap();
            assert_eq!(after.1 > before.1, !told, "level {level}, {lost:?}");
            send(&second, &["c"]).await;
            commit(second).await;
            assert_eq!(visible(&world), ["a", "b", "c"]);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_late_end_does_not_hit_the_next_transaction() {
    for level in LEVELS {
        let world = start(level).await;
        let builder = builder(&world).request_timeout(Duration::from_millis(200));
        let producer = soon("building", builder.build_transactional()).await;
        let producer = producer.unwrap();
        let first = begin(&producer).await;
        send(&first, &["a"]).await;
        // The client gives this one up and asks again; the broker carries it out long after.
        let delay = Duration::from_millis(800);
        world.inject(ApiKey::END_TXN, Fault::Delay(delay));
        commit(first).await;
        let second = begin(&producer).await;
        send(&second, &["b"]).await;
        second.flush().await;
        let carried_out = tokio::time::Instant::now() + 2 * delay;
        tokio::time::sleep_until(carried_out).await;
        assert_eq!(visible(&world), ["a"], "level {level}: committed too early");
        soon("abort", second.abort()).await.unwrap();
        assert_eq!(visible(&world), ["a"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_takes_too_long_can_only_be_waited_for() {
    for level in LEVELS {
        let world = start(level).await;
        let builder = builder(&world).max_block(Duration::from_millis(300));
        let producer = soon("building", builder.build_transactional()).await;
        let producer = producer.unwrap();
        let transaction = begin(&producer).await;
        send(&transaction, &["a"]).await;
        transaction.flush().await;
        let busy = Fault::Error(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS);
        world.inject(ApiKey::END_TXN, busy.times(10_000));
        let error = soon("commit", transaction.commit()).await.unwrap_err();
        assert_eq!(error.outcome(), Outcome::Unknown);
        let CommitError::Unknown { error, commit } = error else {
            panic!("{error}");
        };
        assert!(error.is_timeout(), "{error}");
        assert_eq!(error.code(), Some(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS));
        let error = soon("begin", producer.begin()).await.unwrap_err();
        assert!(error.is_timeout(), "{error}");
        world.broker.clear_faults();
        soon("retry", commit.retry()).await.unwrap();
        assert_eq!(visible(&world), ["a"], "level {level}");
        commit_one(&producer, "b").await;
        assert_eq!(visible(&world), ["a", "b"]);
    }
}

async fn commit_one(producer: &TransactionalProducer, value: &str) {
    let transaction = begin(producer).await;
    send(&transaction, &[value]).await;
    commit(transaction).await;
}

#[tokio::test]
async fn a_commit_that_is_not_waited_for_goes_on_and_the_next_begin_waits() {
    for level in LEVELS {
        let world = start(level).await;
        let producer = producer(&world).await;
        let transaction = begin(&producer).await;
        send(&transaction, &["a"]).await;
        let busy = Fault::Error(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS);
        world.inject(ApiKey::END_TXN, busy.times(3));
        let polled = tokio::time::timeout(Duration::ZERO, transaction.commit()).await;
        assert!(polled.is_err());
        commit_one(&producer, "b").await;
        assert_eq!(visible(&world), ["a", "b"], "level {level}");
    }
}

#[tokio::test]
async fn offsets_share_the_fate_of_the_transaction() {
    for level in LEVELS {
        let world = start(level).await;
        let producer = producer(&world).await;
        let group = GroupMetadata::of_group("g");
        let offset = |offset: i64| [(TopicPartition::new("orders", 0), offset)];
        let aborted = begin(&producer).await;
        let sent = aborted.send_offsets(offset(7), &group);
        soon("offsets", sent).await.unwrap();
        soon("abort", aborted.abort()).await.unwrap();
        assert_eq!(world.broker.committed("g", "orders", 0), None);
        let committed = begin(&producer).await;
        send(&committed, &["a"]).await;
        let metadata = OffsetAndMetadata::new(9).metadata("mine");
        let sent = committed.send_offsets([(TopicPartition::new("orders", 0), metadata)], &group);
        soon("offsets", sent).await.unwrap();
        assert_eq!(world.broker.committed("g", "orders", 0), None);
        commit(committed).await;
        assert_eq!(world.broker.committed("g", "orders", 0), Some(9));
        let adds = world.broker.requests(ApiKey::ADD_OFFSETS_TO_TXN);
        assert_eq!(adds > 0, level < 2, "{adds}");
        // A member that the group does not have.
        let stranger = GroupMetadata::of_group("g").member("nobody", 4);
        let failing = begin(&producer).await;
        let sent = failing.send_offsets(offset(11), &stranger);
        let error = soon("offsets", sent).await.unwrap_err();
        assert!(error.is_abortable(), "{error}");
        soon("abort", failing.abort()).await.unwrap();
        commit_one(&producer, "b").await;
        assert_eq!(world.broker.committed("g", "orders", 0), Some(9));
        assert_eq!(visible(&world), ["a", "b"], "level {level}");
    }
}

#[tokio::test]
async fn a_transaction_that_is_open_for_too_long_ends_its_producer() {
    for level in LEVELS {
        let world = start(level).await;
        let builder = builder(&world).transaction_timeout(Duration::from_millis(100));
        let producer = soon("building", builder.build_transactional()).await;
        let producer = producer.unwrap();
        let transaction = begin(&producer).await;
        send(&transaction, &["x"]).await;
        transaction.flush().await;
        let is_over = || !world.broker.transaction("t").unwrap().2;
        eventually("the coordinator's abort", is_over).await;
        let error = soon("commit", transaction.commit()).await.unwrap_err();
        assert_eq!(error.outcome(), Outcome::NotWritten);
        // With KIP-890 the coordinator says that it is aborted already.
        let expected = match level {
            2 => ErrorCode::INVALID_TXN_STATE,
            _ => ErrorCode::PRODUCER_FENCED,
        };
        assert_eq!(error.error().code(), Some(expected), "{error}");
        assert!(error.error().is_fatal(), "{error}");
        assert_eq!(visible(&world), [""; 0], "level {level}");
    }
}

#[tokio::test]
async fn lost_batches_and_moving_leaders_leave_transactions_whole() {
    for level in LEVELS {
        let world = start(level).await;
        let producer = producer(&world).await;
        let mut expected = Vec::new();
        for round in 0..30 {
            let faults = [Fault::DropAfter, Fault::DropBefore];
            world.inject_produce(faults[round % 2]);
            let node = round as i32 % 2 + 1;
            let transaction = begin(&producer).await;
            let values: Vec<_> = (0..6).map(|at| format!("{round:02}-{at}")).collect();
            let borrowed: Vec<&str> = values.iter().map(String::as_str).collect();
            send(&transaction, &borrowed[..3]).await;
            world
                .broker
                .move_leader("orders", round as i32 % 3, node)
                .unwrap();
            send(&transaction, &borrowed[3..]).await;
            if round % 3 == 0 {
                soon("abort", transaction.abort()).await.unwrap();
            } else {
                commit(transaction).await;
                expected.extend(values);
            }
        }
        expected.sort();
        assert_eq!(visible(&world), expected, "level {level}");
    }
}

#[tokio::test]
async fn a_producer_has_transactions_if_and_only_if_it_has_an_id() {
    let world = start(2).await;
    let error = builder(&world).build().unwrap_err();
    assert!(error.to_string().contains("build_transactional"), "{error}");
    let error = world.builder().build_transactional().await.unwrap_err();
    assert!(error.to_string().contains("transactional.id"), "{error}");
}
