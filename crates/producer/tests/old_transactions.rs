//! Transactions on brokers before 2.5, which forget producers and bump no epochs for them (KIP-360).

mod world;

use std::time::Duration;

use klamm_net::{GroupMetadata, OffsetAndMetadata, TopicPartition};
use klamm_producer::{CommitError, Outcome, Producer, Record, Transaction, TransactionalProducer};
use klamm_testbroker::{ApiKey, ErrorCode, Fault, TestBroker};
use world::{World, soon, visible};

/// With partitions that keep little.
async fn start() -> World {
    let builder = TestBroker::builder().topic("orders", 1);
    World::start(builder.max_partition_bytes(3000).before_kip_360()).await
}

async fn producer(world: &World) -> TransactionalProducer {
    let builder = world.builder().transactional_id("t");
    let built = soon("building", builder.build_transactional()).await;
    built.unwrap()
}

async fn begin(producer: &TransactionalProducer) -> Transaction {
    soon("begin", producer.begin()).await.unwrap()
}

/// Some records, in more than one batch.
async fn send(transaction: &Transaction, prefix: &str) -> Vec<String> {
    let values: Vec<String> = (0..20).map(|at| format!("{prefix}{at:02}")).collect();
    for value in &values {
        let delivery = transaction.send(Record::to("orders").value(value)).await;
        drop(delivery.unwrap());
    }
    values
}

async fn commit(transaction: Transaction) {
    soon("commit", transaction.commit()).await.unwrap();
}

/// Others write until nothing of what was there is left.
async fn wait_for_retention(world: &World, others: &Producer) {
    let end = world.log("orders", 0).last().unwrap().offset;
    while world.log("orders", 0)[0].offset <= end {
        let value = "o".repeat(150);
        let delivery = soon("send", others.send(Record::to("orders").value(&value))).await;
        soon("a delivery", delivery.unwrap()).await.unwrap();
    }
}

fn committed(world: &World) -> Vec<String> {
    let mut visible = visible(&world.broker, "orders");
    visible.retain(|value| !value.starts_with('o'));
    visible
}

#[tokio::test]
async fn a_producer_that_retention_has_removed_begins_at_0_and_its_transaction_goes_on() {
    let world = start().await;
    let producer = producer(&world).await;
    let others = world.producer();
    for round in ["a", "b", "c"] {
        let transaction = begin(&producer).await;
        let sent = send(&transaction, round).await;
        commit(transaction).await;
        assert_eq!(committed(&world), sent);
        let log = world.log("orders", 0);
        let mut own = log
            .iter()
            .filter(|stored| stored.header.attributes.is_transactional());
        let first = &own.next().unwrap().header;
        assert_eq!(
            (first.producer_epoch, first.base_sequence),
            (0, 0),
            "round {round}"
        );
        wait_for_retention(&world, &others).await;
        assert_eq!(committed(&world), [""; 0]);
    }
    // One for each producer.
    assert_eq!(world.broker.requests(ApiKey::INIT_PRODUCER_ID), 2);
}

#[tokio::test]
async fn an_unknown_producer_whose_records_are_still_there_leaves_nothing_but_the_abort() {
    for level in [1, 2] {
        let builder = TestBroker::builder().topic("orders", 1);
        let world = World::start(builder.transaction_version(level)).await;
        let producer = producer(&world).await;
        let transaction = begin(&producer).await;
        let first = transaction.send(Record::to("orders").value("first")).await;
        soon("a delivery", first.unwrap()).await.unwrap();
        // Answered for the partition, with its log start offset.
        let unknown = Fault::Error(ErrorCode::UNKNOWN_PRODUCER_ID);
        world.inject_produce(unknown.on("orders", 0));
        let hit = transaction.send(Record::to("orders").value("hit")).await;
        let error = soon("a delivery", hit.unwrap()).await.unwrap_err();
        assert_eq!(error.outcome(), Outcome::NotWritten, "{error}");
        let failed = soon("commit", transaction.commit()).await.unwrap_err();
        let CommitError::Abortable { transaction, error } = failed else {
            panic!("{failed}");
        };
        assert_eq!(error.code(), Some(ErrorCode::UNKNOWN_PRODUCER_ID));
        soon("abort", transaction.abort()).await.unwrap();
        let next = begin(&producer).await;
        let sent = send(&next, "n").await;
        commit(next).await;
        assert_eq!(committed(&world), sent);
    }
}

#[tokio::test]
async fn after_an_abort_the_next_transaction_takes_the_sequences_that_were_not_used() {
    let world = start().await;
    let producer = producer(&world).await;
    let mut expected = Vec::new();
    for round in ["a", "b", "c"] {
        let failing = begin(&producer).await;
        world.inject_produce(Fault::Error(ErrorCode::INVALID_RECORD));
        send(&failing, "x").await;
        let failed = soon("commit", failing.commit()).await.unwrap_err();
        let CommitError::Abortable { transaction, .. } = failed else {
            panic!("{failed}");
        };
        soon("abort", transaction.abort()).await.unwrap();
        let next = begin(&producer).await;
        expected.extend(send(&next, round).await);
        commit(next).await;
    }
    assert_eq!(committed(&world), expected);
    assert_eq!(world.broker.requests(ApiKey::INIT_PRODUCER_ID), 1);
}

#[tokio::test]
async fn after_a_lost_answer_of_any_coordinator_the_next_transaction_is_in_an_epoch_of_its_own() {
    let world = start().await;
    let producer = producer(&world).await;
    let mut expected = Vec::new();
    let lost = [
        ApiKey::ADD_PARTITIONS_TO_TXN,
        ApiKey::ADD_OFFSETS_TO_TXN,
        ApiKey::TXN_OFFSET_COMMIT,
        ApiKey::END_TXN,
    ];
    for (epoch, api) in (0..).zip(lost) {
        world.inject(api, Fault::DropAfter);
        let transaction = begin(&producer).await;
        expected.extend(send(&transaction, &format!("{epoch}-")).await);
        let group = GroupMetadata::of_group("g");
        let offset = (
            TopicPartition::new("orders", 0),
            OffsetAndMetadata::new(epoch),
        );
        let offsets = soon("offsets", transaction.send_offsets([offset], &group));
        offsets.await.unwrap();
        commit(transaction).await;
        assert_eq!(committed(&world), expected, "{api:?}");
        let log = world.log("orders", 0);
        let mut batches = log.iter().rev();
        let newest = batches.find(|stored| !stored.header.attributes.is_control());
        let newest = newest.unwrap().header.producer_epoch;
        assert_eq!(i64::from(newest), epoch, "{api:?}");
    }
    let closed = producer.close(Duration::from_secs(10));
    soon("close", closed).await.unwrap();
}

#[tokio::test]
async fn an_epoch_that_another_had_in_between_is_not_used() {
    let world = start().await;
    let producer = producer(&world).await;
    let transaction = begin(&producer).await;
    let sent = send(&transaction, "a").await;
    world.inject(ApiKey::END_TXN, Fault::DropAfter);
    // The next epoch is asked for twice, as if by another.
    world.inject(ApiKey::INIT_PRODUCER_ID, Fault::DropAfter);
    commit(transaction).await;
    assert_eq!(committed(&world), sent);
    let error = soon("begin", producer.begin()).await.unwrap_err();
    assert!(error.is_fenced(), "{error}");
}
