//! What each error code of a produce response does to its batch, to the next one, to the epoch and
//! to the metadata: Java's table, code by code.

mod world;

use klamm_producer::{Acks, CommitError, Outcome, Record, TransactionalProducer};
use klamm_testbroker::{ApiKey, ErrorCode, Fault, TestBroker, TestBrokerBuilder};
use world::{World, eventually, soon, visible};

/// What becomes of a batch that is answered with an error once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    /// It is sent again as it was, and written.
    Retried,
    /// It is sent again in the next epoch, and written.
    RetriedInNewEpoch,
    /// It counts as written, at an unknown offset.
    Written,
    /// It fails and is certainly not written. The next one is written; in a new epoch if there are any.
    Failed,
    /// As that, but it may be written.
    FailedUnknown,
    /// It fails and the producer with it.
    Fatal,
}

use Then::{Failed, FailedUnknown, Fatal, Retried, RetriedInNewEpoch, Written};

/// Code, without idempotence, with it, whether metadata is asked for. A code that a producer without
/// idempotence cannot get is told as one that it can.
const TABLE: [(i16, Then, Then, bool); 42] = [
    (2, Retried, Retried, false),
    (3, Retried, Retried, true),
    (5, Retried, Retried, true),
    (6, Retried, Retried, true),
    (7, Retried, Retried, false),
    (9, Retried, Retried, true),
    (10, Failed, Failed, false), // one record; batches of more are split, see split.rs
    (13, Retried, Retried, true),
    (14, Retried, Retried, false),
    (15, Retried, Retried, false),
    (16, Retried, Retried, false),
    (17, Failed, Failed, false),
    (18, Failed, Failed, false),
    (19, Retried, Retried, false),
    (20, Retried, Retried, false),
    (21, Failed, Failed, false),
    (29, Failed, Failed, false),
    (31, Failed, Fatal, false),
    (32, Failed, Failed, false),
    (35, Failed, Fatal, false),
    (43, Failed, Failed, false),
    (45, Failed, RetriedInNewEpoch, false),
    (46, Written, Written, false),
    (47, Failed, Failed, false),
    (48, Failed, Failed, false),
    (49, Failed, Fatal, false),
    (51, Retried, Retried, false),
    (53, Failed, Fatal, false),
    (56, Retried, Retried, true),
    (59, Failed, RetriedInNewEpoch, false),
    (72, Retried, Retried, true),
    (74, Retried, Retried, true),
    (76, Failed, Failed, false),
    (87, Failed, Failed, false),
    (89, Retried, Retried, false),
    (90, Failed, Fatal, false),
    (100, Retried, Retried, true),
    (103, Retried, Retried, true),
    (120, Failed, Failed, false),
    (-1, FailedUnknown, FailedUnknown, false),
    (44, Failed, Failed, false), // final, and of no meaning to a producer
    (999, FailedUnknown, FailedUnknown, false), // newer than klamm
];

/// The epochs of the records in the log, by their values.
fn log(world: &World) -> Vec<(String, i16)> {
    let stored = world.log("orders", 0).into_iter();
    let entry = |stored: world::Stored| (stored.text(), stored.header.producer_epoch);
    stored.map(entry).collect()
}

async fn check(code: i16, idempotent: bool, then: Then, asks_metadata: bool) {
    let what = format!("{} with idempotence {idempotent}", ErrorCode(code));
    let world = World::with_orders(1).await;
    let acks = if idempotent { Acks::All } else { Acks::Leader };
    let producer = world.builder().acks(acks).build().unwrap();
    let send = async |value: &'static str| {
        let delivery = producer.send(Record::to("orders").value(value)).await?;
        soon("a delivery", delivery).await
    };
    send("first").await.unwrap();
    let metadata_before = world.broker.requests(ApiKey::METADATA);
    world.inject_produce(Fault::Error(ErrorCode(code)));
    let hit = send("hit").await;
    let next = send("next").await;

    let epoch = if idempotent { 0 } else { -1 };
    let bumped = if idempotent { 1 } else { -1 };
    let entry = |value: &str, epoch| (value.to_owned(), epoch);
    let first = entry("first", epoch);
    let expected = match then {
        Retried => vec![first, entry("hit", epoch), entry("next", epoch)],
        RetriedInNewEpoch => vec![first, entry("hit", bumped), entry("next", bumped)],
        // The broker of this test has not written what it says it has.
        Written if idempotent => vec![first, entry("next", bumped)],
        Written => vec![first, entry("next", epoch)],
        Failed | FailedUnknown => vec![first, entry("next", bumped)],
        Fatal => vec![first],
    };
    assert_eq!(log(&world), expected, "{what}");
    match then {
        Retried | RetriedInNewEpoch => assert_eq!(hit.unwrap().offset, Some(1), "{what}"),
        Written => assert_eq!(hit.unwrap().offset, None, "{what}"),
        Failed | FailedUnknown | Fatal => {
            let error = hit.unwrap_err();
            assert_eq!(error.code(), Some(ErrorCode(code)), "{what}: {error}");
            let expected = match then {
                FailedUnknown => Outcome::Unknown,
                _ => Outcome::NotWritten,
            };
            assert_eq!(error.outcome(), expected, "{what}: {error}");
            assert_eq!(error.is_fatal(), then == Fatal, "{what}: {error}");
        }
    }
    match then {
        Fatal => assert!(next.unwrap_err().is_fatal(), "{what}"),
        _ => assert!(next.is_ok(), "{what}: {next:?}"),
    }
    let asked = || world.broker.requests(ApiKey::METADATA) - metadata_before;
    if asks_metadata {
        eventually(&what, || asked() > 0).await;
        assert!(asked() <= 3, "{what}: {} metadata requests", asked());
    } else {
        assert_eq!(asked(), 0, "{what}: metadata requests");
    }
    let errors = producer.stats().errors;
    assert_eq!(errors.get(&code), Some(&1), "{what}: {errors:?}");
}

#[tokio::test]
async fn every_error_code_is_handled_as_in_the_table_with_idempotence() {
    for (code, _, then, asks_metadata) in TABLE {
        check(code, true, then, asks_metadata).await;
    }
}

#[tokio::test]
async fn every_error_code_is_handled_as_in_the_table_without_idempotence() {
    for (code, then, _, asks_metadata) in TABLE {
        check(code, false, then, asks_metadata).await;
    }
}

/// What becomes of a batch of a transaction; one that fails leaves nothing but the abort.
fn in_transaction(code: i16, with_idempotence: Then) -> Then {
    match code {
        // No other epoch before the transaction has ended.
        45 => Failed,
        // Without a log start offset; see old_transactions.rs for the rest.
        59 => Retried,
        _ => with_idempotence,
    }
}

async fn commit_one(producer: &TransactionalProducer, value: &str) {
    let next = soon("begin", producer.begin()).await.unwrap();
    drop(next.send(Record::to("orders").value(value)).await.unwrap());
    soon("commit", next.commit()).await.unwrap();
}

async fn check_in_transaction(broker: TestBrokerBuilder, code: i16, then: Then) {
    let what = format!("{} with {broker:?}", ErrorCode(code));
    let world = World::start(broker.topic("orders", 1)).await;
    let builder = world.builder().transactional_id("t");
    let producer = soon("building", builder.build_transactional()).await;
    let producer = producer.unwrap();
    let transaction = soon("begin", producer.begin()).await.unwrap();
    let send = async |value: &'static str| {
        let delivery = transaction.send(Record::to("orders").value(value)).await?;
        soon("a delivery", delivery).await
    };
    send("first").await.unwrap();
    world.inject_produce(Fault::Error(ErrorCode(code)));
    let hit = send("hit").await;
    let committed = soon("commit", transaction.commit()).await;
    match then {
        Retried | Written => {
            assert!(hit.is_ok() && committed.is_ok(), "{what}: {hit:?}");
            // The broker of this test has not written what it says it has.
            let expected = if then == Retried {
                &["first", "hit"][..]
            } else {
                &["first"]
            };
            assert_eq!(visible(&world.broker, "orders"), expected, "{what}");
        }
        Failed | FailedUnknown => {
            let (error, failed) = (hit.unwrap_err(), committed.unwrap_err());
            assert_eq!(error.code(), Some(ErrorCode(code)), "{what}: {error}");
            let expected = if then == Failed {
                Outcome::NotWritten
            } else {
                Outcome::Unknown
            };
            assert_eq!(error.outcome(), expected, "{what}: {error}");
            let CommitError::Abortable { error, transaction } = failed else {
                panic!("{what}: {failed}");
            };
            assert_eq!(error.code(), Some(ErrorCode(code)), "{what}: {error}");
            soon("abort", transaction.abort()).await.unwrap();
            assert_eq!(visible(&world.broker, "orders"), [""; 0], "{what}");
            commit_one(&producer, "next").await;
            assert_eq!(visible(&world.broker, "orders"), ["next"], "{what}");
        }
        Fatal => {
            assert!(hit.unwrap_err().is_fatal(), "{what}");
            let failed = committed.unwrap_err();
            assert!(
                matches!(failed, CommitError::Fatal { .. }),
                "{what}: {failed}"
            );
        }
        RetriedInNewEpoch => unreachable!("{what}"),
    }
}

#[tokio::test]
async fn every_error_code_is_handled_as_in_the_table_in_transactions() {
    for (code, _, then, _) in TABLE {
        let then = in_transaction(code, then);
        for level in [1, 2] {
            let broker = TestBroker::builder().transaction_version(level);
            check_in_transaction(broker, code, then).await;
        }
        let broker = TestBroker::builder().before_kip_360();
        check_in_transaction(broker, code, then).await;
    }
}
