//! Batches that the broker finds too large: they are cut until they fit, under the sequences of the
//! whole.

mod world;

use std::time::Duration;

use klamm_producer::{Acks, Compression, Outcome, ProducerBuilder, Record};
use klamm_testbroker::{ApiKey, ErrorCode, Fault, TestBroker};
use world::{Ledger, Results, World, soon, visible};

const LIMIT: u64 = 500;

/// A broker whose topic takes batches of at most [`LIMIT`] bytes.
async fn strict() -> World {
    let limit = LIMIT.to_string();
    let config = [("max.message.bytes", limit.as_str())];
    World::start(TestBroker::builder().topic_with("orders", 1, config)).await
}

/// Batches larger than that.
fn generous(world: &World) -> ProducerBuilder {
    let builder = world.builder().batch_size(8000);
    builder.linger(Duration::from_millis(2))
}

async fn send(builder: ProducerBuilder, records: usize) -> Results {
    let producer = builder.build().unwrap();
    let mut ledger = Ledger::new("orders");
    for _ in 0..records {
        ledger.send(&producer, 0).await;
    }
    soon("flush", producer.flush()).await;
    let results = ledger.settle().await;
    // Flushed means settled, also what was split.
    assert_eq!(results.iter().count(), records);
    results
}

#[tokio::test]
async fn a_batch_over_the_brokers_limit_is_cut_until_it_fits_and_keeps_its_sequences() {
    for codec in [Compression::None, Compression::Lz4] {
        let world = strict().await;
        let results = send(generous(&world).compression(codec), 3000).await;
        assert_eq!(results.acknowledged(), 3000, "{codec}");
        results.check(&world.broker).unwrap();
        for stored in world.log("orders", 0) {
            let header = &stored.header;
            assert_eq!(header.producer_epoch, 0, "{codec}");
            assert_eq!(
                i64::from(header.base_sequence),
                header.base_offset,
                "{codec}"
            );
        }
    }
}

#[tokio::test]
async fn the_batches_after_a_refused_one_are_smaller() {
    let world = strict().await;
    let producer = generous(&world).build().unwrap();
    let mut ledger = Ledger::new("orders");
    let requests = async |ledger: &mut Ledger| {
        let before = world.broker.requests(ApiKey::PRODUCE);
        for _ in 0..200 {
            ledger.send(&producer, 0).await;
        }
        soon("flush", producer.flush()).await;
        world.broker.requests(ApiKey::PRODUCE) - before
    };
    requests(&mut ledger).await;
    let learned = requests(&mut ledger).await;
    let results = ledger.settle().await;
    assert_eq!(results.acknowledged(), 400);
    // 200 records of about 13 bytes, in batches between half the limit and all of it.
    assert!(learned <= 200 * 13 / (LIMIT - 61) * 3, "{learned} requests");
}

#[tokio::test]
async fn cutting_ends_when_single_records_are_refused() {
    let world = World::with_orders(1).await;
    let refusals = Fault::Error(ErrorCode::MESSAGE_TOO_LARGE).times(10_000);
    world.inject_produce(refusals);
    let results = send(generous(&world), 100).await;
    assert_eq!(results.with_outcome(Outcome::NotWritten), 100);
    for result in results.iter() {
        let code = result.as_ref().unwrap_err().code();
        assert_eq!(code, Some(ErrorCode::MESSAGE_TOO_LARGE));
    }
    results.check(&world.broker).unwrap();
}

#[tokio::test]
async fn parts_keep_their_order_without_idempotence_too() {
    let world = strict().await;
    for _ in 0..6 {
        world.inject_produce(Fault::Error(ErrorCode::MESSAGE_TOO_LARGE));
        world.inject_produce(Fault::Error(ErrorCode::NOT_ENOUGH_REPLICAS));
    }
    let builder = generous(&world).acks(Acks::Leader).max_in_flight(1);
    let results = send(builder, 500).await;
    assert_eq!(results.acknowledged(), 500);
    results.check(&world.broker).unwrap();
}

#[tokio::test]
async fn a_transaction_whose_batches_are_cut_is_whole() {
    for level in [1, 2] {
        let limit = LIMIT.to_string();
        let config = [("max.message.bytes", limit.as_str())];
        let broker = TestBroker::builder().topic_with("orders", 1, config);
        let world = World::start(broker.transaction_version(level)).await;
        let builder = generous(&world).transactional_id("t");
        let producer = soon("building", builder.build_transactional()).await;
        let producer = producer.unwrap();
        let transaction = soon("begin", producer.begin()).await.unwrap();
        let values: Vec<String> = (0..1000).map(|at| format!("{at:04}")).collect();
        for value in &values {
            let delivery = transaction.send(Record::to("orders").value(value)).await;
            drop(delivery.unwrap());
        }
        soon("commit", transaction.commit()).await.unwrap();
        assert_eq!(visible(&world.broker, "orders"), values, "level {level}");
        assert!(producer.stats().splits > 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_part_that_expires_is_told_apart_from_one_that_is_written() {
    let world = World::with_orders(1).await;
    let builder = world.builder().batch_size(4000);
    let builder = builder.linger(Duration::from_millis(20));
    let builder = builder.request_timeout(Duration::from_millis(100));
    let timeout = Duration::from_millis(400);
    let producer = builder.delivery_timeout(timeout).build().unwrap();
    world.inject_produce(Fault::Error(ErrorCode::MESSAGE_TOO_LARGE));
    // The first part is written, the second never.
    world.inject_produce(Fault::Delay(Duration::ZERO));
    world.inject_produce(Fault::Error(ErrorCode::NOT_ENOUGH_REPLICAS).times(10_000));
    let mut ledger = Ledger::new("orders");
    for _ in 0..10 {
        ledger.send(&producer, 0).await;
    }
    let results = ledger.settle().await;
    assert_eq!(results.acknowledged(), 5);
    assert_eq!(results.with_outcome(Outcome::NotWritten), 5);
    results.check(&world.broker).unwrap();
    world.broker.clear_faults();
    let next = producer.send(Record::to("orders").value("000099")).await;
    soon("the next one", next.unwrap()).await.unwrap();
}
