//! What a record becomes, and what its delivery tells.

mod world;

use std::time::Duration;

use klamm_producer::{Acks, Compression, Error, Header, Record};
use klamm_testbroker::{ApiKey, ErrorCode, Fault, TestBroker};
use world::{Ledger, World, eventually, soon};

#[tokio::test]
async fn a_delivery_tells_topic_partition_and_offset() {
    let world = World::with_orders(3).await;
    let producer = world.producer();
    for offset in 0..3 {
        for partition in 0..3 {
            let record = Record::to("orders").partition(partition).value("v");
            let delivery = producer.send(record).await.unwrap();
            assert_eq!(
                delivery.partition().to_string(),
                format!("orders-{partition}")
            );
            let written = soon("the delivery", delivery).await.unwrap();
            assert_eq!(&*written.topic, "orders");
            assert_eq!(
                (written.partition, written.offset),
                (partition, Some(offset))
            );
        }
    }
}

#[tokio::test]
async fn the_records_of_a_batch_get_consecutive_offsets_in_the_order_of_their_sending() {
    let world = World::with_orders(1).await;
    let builder = world.builder().batch_size(1 << 20);
    let producer = builder.linger(Duration::from_secs(60)).build().unwrap();
    let mut ledger = Ledger::new("orders");
    for _ in 0..1000 {
        ledger.send(&producer, 0).await;
    }
    soon("flush", producer.flush()).await;
    assert_eq!(world.broker.log("orders", 0).len(), 1, "not one batch");
    let results = ledger.settle().await;
    let offsets: Vec<_> = results
        .iter()
        .map(|result| result.as_ref().unwrap().offset)
        .collect();
    assert_eq!(offsets, (0..1000).map(Some).collect::<Vec<_>>());
    results.check(&world.broker).unwrap();
}

#[tokio::test]
async fn every_byte_arrives_with_every_codec() {
    let world = World::with_orders(1).await;
    let codecs = [
        Compression::None,
        Compression::Gzip,
        Compression::Snappy,
        Compression::Lz4,
        Compression::Zstd,
    ];
    let bytes = [0xff, 0, 0xfe, b'\n'];
    let headers = [
        Header::new("trace", "one"),
        Header::new("trace", ""),
        Header {
            key: b"",
            value: None,
        },
        Header {
            key: &bytes,
            value: Some(&bytes),
        },
    ];
    let lengthy = "long ".repeat(3000);
    for (index, codec) in codecs.into_iter().enumerate() {
        let builder = world
            .builder()
            .batch_size(1 << 20)
            .linger(Duration::from_secs(60));
        let producer = builder.compression(codec).build().unwrap();
        let record = |timestamp| Record::to("orders").timestamp(timestamp);
        let records = [
            record(1_700_000_000_123),
            record(0).key("").value(""),
            record(5).key(&bytes).value(&bytes).headers(&headers),
            record(1_700_000_000_122).key("k").value(&lengthy),
        ];
        for record in records {
            drop(producer.send(record).await.unwrap());
        }
        soon("close", producer.close(Duration::from_secs(20)))
            .await
            .unwrap();

        let log = world.log("orders", 0);
        let log = &log[index * 4..];
        assert_eq!(log.len(), 4, "{codec}");
        assert!(
            log.iter()
                .all(|stored| stored.header.attributes.compression_id() == codec.id())
        );
        let keys: Vec<_> = log.iter().map(|stored| stored.key.as_deref()).collect();
        assert_eq!(
            keys,
            [None, Some(&b""[..]), Some(&bytes), Some(b"k")],
            "{codec}"
        );
        let values: Vec<_> = log.iter().map(|stored| stored.value.as_deref()).collect();
        assert_eq!(
            values,
            [None, Some(&b""[..]), Some(&bytes), Some(lengthy.as_bytes())],
            "{codec}"
        );
        let timestamps: Vec<_> = log.iter().map(|stored| stored.timestamp).collect();
        assert_eq!(
            timestamps,
            [1_700_000_000_123, 0, 5, 1_700_000_000_122],
            "{codec}"
        );
        let stored: Vec<_> = log[2]
            .headers
            .iter()
            .map(|(key, value)| (key.as_slice(), value.as_deref()))
            .collect();
        let sent: Vec<_> = headers
            .iter()
            .map(|header| (header.key, header.value))
            .collect();
        assert_eq!(stored, sent, "{codec}");
    }
}

#[tokio::test]
async fn without_acks_a_delivery_has_no_offset_and_the_record_is_written() {
    let world = World::with_orders(1).await;
    let producer = world.builder().acks(Acks::None).build().unwrap();
    let mut ledger = Ledger::new("orders");
    for _ in 0..100 {
        ledger.send(&producer, 0).await;
    }
    let results = ledger.settle().await;
    assert!(
        results
            .iter()
            .all(|result| result.as_ref().is_ok_and(|told| told.offset.is_none()))
    );
    eventually("all records are in the log", || {
        world.log("orders", 0).len() == 100
    })
    .await;
    results.check(&world.broker).unwrap();
    assert_eq!(world.broker.requests(ApiKey::INIT_PRODUCER_ID), 0);
}

#[tokio::test]
async fn the_leaders_ack_alone_needs_no_producer_id_and_still_tells_the_offset() {
    let world = World::with_orders(1).await;
    // Without idempotence only one request in flight keeps the order.
    let builder = world.builder().acks(Acks::Leader).max_in_flight(1);
    let producer = builder.build().unwrap();
    world.inject_produce(Fault::Error(ErrorCode::NOT_LEADER_OR_FOLLOWER).times(2));
    let mut ledger = Ledger::new("orders");
    for _ in 0..100 {
        ledger.send(&producer, 0).await;
    }
    let results = ledger.settle().await;
    assert_eq!(results.acknowledged(), 100);
    results.check(&world.broker).unwrap();
    assert!(
        world
            .log("orders", 0)
            .iter()
            .all(|stored| stored.header.producer_id == -1)
    );
    assert_eq!(world.broker.requests(ApiKey::INIT_PRODUCER_ID), 0);
}

#[tokio::test]
async fn a_send_that_is_dropped_while_it_waits_has_accepted_nothing() {
    let world = World::start(TestBroker::builder().auto_create_topics(false)).await;
    let producer = world.producer();
    let waits = producer.send(Record::to("orders").value("dropped"));
    let waited = tokio::time::timeout(Duration::from_millis(50), waits).await;
    assert!(waited.is_err(), "there is no topic to send to");

    world::create_topic(&world.cluster, "orders", 1).await;
    let accepted = soon("send", producer.send(Record::to("orders").value("kept"))).await;
    soon("the delivery", accepted.unwrap()).await.unwrap();
    soon("flush", producer.flush()).await;
    let values: Vec<_> = world
        .log("orders", 0)
        .iter()
        .map(world::Stored::text)
        .collect();
    assert_eq!(values, ["kept"]);
}

#[tokio::test]
async fn try_send_before_the_metadata_is_there_says_so_and_accepts_nothing() {
    let world = World::with_orders(1).await;
    let producer = world.producer();
    let refused = producer
        .try_send(Record::to("orders").value("early"))
        .unwrap_err();
    assert!(
        matches!(&refused, Error::TopicNotReady { topic } if topic == "orders"),
        "{refused}"
    );
    assert!(refused.is_retriable());
    let sent = soon("send", producer.send(Record::to("orders").value("first")))
        .await
        .unwrap();
    let tried = producer
        .try_send(Record::to("orders").value("second"))
        .unwrap();
    assert_eq!(soon("the first", sent).await.unwrap().offset, Some(0));
    assert_eq!(soon("the second", tried).await.unwrap().offset, Some(1));
}

#[tokio::test]
async fn flush_waits_for_everything_before_it_whatever_lingers() {
    let world = World::with_orders(3).await;
    let producer = world.builder().linger(Duration::from_secs(3600)).build();
    // A batch that lingers for an hour needs a delivery timeout that allows for it: the default does.
    let producer = producer.unwrap();
    world.inject_produce(Fault::DropAfter);
    world.inject_produce(Fault::Delay(Duration::from_millis(30)));
    world.inject_produce(Fault::Error(ErrorCode::NOT_ENOUGH_REPLICAS));
    let mut deliveries = Vec::new();
    for index in 0..90 {
        let record = Record::to("orders").partition(index % 3).value("v");
        deliveries.push(producer.send(record).await.unwrap());
    }
    soon("flush", producer.flush()).await;
    for delivery in deliveries {
        let result = delivery.result().expect("flush has waited for it");
        result.unwrap();
    }
    soon("an empty flush", producer.flush()).await;
}

#[tokio::test]
async fn close_writes_what_was_accepted_and_takes_nothing_more() {
    let world = World::with_orders(2).await;
    let producer = world
        .builder()
        .linger(Duration::from_secs(60))
        .build()
        .unwrap();
    let mut ledger = Ledger::new("orders");
    for index in 0..50 {
        ledger.send(&producer, index % 2).await;
    }
    let clone = producer.clone();
    soon("close", producer.close(Duration::from_secs(20)))
        .await
        .unwrap();
    let results = ledger.settle().await;
    assert_eq!(results.acknowledged(), 50);
    results.check(&world.broker).unwrap();
    let refused = clone
        .send(Record::to("orders").value("late"))
        .await
        .unwrap_err();
    assert!(matches!(refused, Error::Closed), "{refused}");
}

#[tokio::test]
async fn close_ends_in_time_and_every_delivery_with_it() {
    let world = World::with_orders(1).await;
    let producer = world.producer();
    world.inject_produce(Fault::DropAfter.times(10_000));
    let mut ledger = Ledger::new("orders");
    for _ in 0..50 {
        ledger.send(&producer, 0).await;
    }
    let timeout = Duration::from_millis(100);
    let error = soon("close", producer.close(timeout)).await.unwrap_err();
    assert!(
        matches!(
            error,
            Error::Unfinished {
                unfinished: 1..,
                ..
            }
        ),
        "{error}"
    );
    let results = ledger.settle().await;
    assert_eq!(results.acknowledged(), 0);
    results.check(&world.broker).unwrap();
}

#[tokio::test]
async fn dropping_the_producer_ends_every_delivery() {
    let world = World::with_orders(1).await;
    let producer = world.producer();
    world.inject_produce(Fault::Delay(Duration::from_secs(60)));
    let mut ledger = Ledger::new("orders");
    for _ in 0..50 {
        ledger.send(&producer, 0).await;
    }
    eventually("the first request", || {
        world.broker.requests(ApiKey::PRODUCE) > 0
    })
    .await;
    drop(producer);
    let results = ledger.settle().await;
    assert_eq!(results.acknowledged(), 0);
    results.check(&world.broker).unwrap();
}
