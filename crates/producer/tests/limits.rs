//! Limits of size, memory and time: clear errors in bounded time.

mod world;

use std::time::Duration;

use klamm_producer::{Error, Outcome, Record};
use klamm_testbroker::{ApiKey, ErrorCode, Fault, TestBroker};
use tokio::time::Instant;
use world::{World, add_partitions, eventually, soon};

#[tokio::test]
async fn a_record_over_the_request_size_is_refused_and_the_others_are_unharmed() {
    let world = World::with_orders(1).await;
    let producer = world.builder().max_request_size(1000).build().unwrap();
    let large = vec![0; 1000];
    let mut deliveries = Vec::new();
    for _ in 0..3 {
        deliveries.push(
            producer
                .send(Record::to("orders").value("v"))
                .await
                .unwrap(),
        );
        let refused = producer
            .send(Record::to("orders").value(&large))
            .await
            .unwrap_err();
        assert!(
            matches!(refused, Error::RecordTooLarge { limit: 1000, .. }),
            "{refused}"
        );
        assert_eq!(refused.outcome(), Outcome::NotWritten);
    }
    for delivery in deliveries {
        soon("the delivery", delivery).await.unwrap();
    }
    let refused = producer
        .try_send(Record::to("orders").value(&large))
        .unwrap_err();
    assert!(
        refused.to_string().contains("max.request.size"),
        "{refused}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_partition_that_the_topic_lacks_is_refused_by_name_after_max_block() {
    let world = World::with_orders(2).await;
    let max_block = Duration::from_millis(100);
    let producer = world.builder().max_block(max_block).build().unwrap();
    let before = world.broker.requests(ApiKey::METADATA);
    let started = Instant::now();
    let refused = soon("send", producer.send(Record::to("orders").partition(2)));
    let refused = refused.await.unwrap_err();
    assert!(started.elapsed() >= max_block);
    assert!(
        matches!(refused, Error::InvalidPartition { partition: 2, .. }),
        "{refused}"
    );
    assert!(refused.to_string().contains("orders"), "{refused}");
    let asked = world.broker.requests(ApiKey::METADATA) - before;
    assert!((1..40).contains(&asked), "asked {asked} times");
    // What never can be is refused at once, as is everything by `try_send`.
    let negative = producer.send(Record::to("orders").partition(-1)).await;
    assert!(matches!(
        negative,
        Err(Error::InvalidPartition { partition: -1, .. })
    ));
    let tried = producer.try_send(Record::to("orders").partition(7));
    assert!(matches!(
        tried,
        Err(Error::InvalidPartition { partition: 7, .. })
    ));
}

#[tokio::test]
async fn a_partition_that_is_added_while_a_send_waits_for_it_gets_the_record() {
    let world = World::with_orders(2).await;
    let producer = world.producer();
    let warm_up = soon("send", producer.send(Record::to("orders"))).await;
    soon("warming up", warm_up.unwrap()).await.unwrap();
    let send = producer.send(Record::to("orders").partition(3).value("late"));
    let asked = world.broker.requests(ApiKey::METADATA);
    let add = async {
        eventually("asking for the partition", || {
            world.broker.requests(ApiKey::METADATA) > asked
        })
        .await;
        add_partitions(&world.cluster, "orders", 4).await;
    };
    let (accepted, ()) = tokio::join!(soon("send", send), add);
    soon("the delivery", accepted.unwrap()).await.unwrap();
    assert_eq!(world.log("orders", 3)[0].text(), "late");
}

/// Fills `buffer.memory`, which nothing leaves; gives how many records had room.
async fn fill(producer: &klamm_producer::Producer, value: &[u8]) -> usize {
    let first = Record::to("orders").value(value);
    drop(soon("the first", producer.send(first)).await.unwrap());
    for sent in 1..100_000 {
        match producer.try_send(Record::to("orders").value(value)) {
            Ok(_) => {}
            Err(Error::BufferFull { waited, .. }) => {
                assert_eq!(waited, Duration::ZERO);
                return sent;
            }
            Err(other) => panic!("{other}"),
        }
    }
    panic!("the buffer never fills");
}

#[tokio::test(start_paused = true)]
async fn a_full_buffer_refuses_try_send_and_makes_send_wait_no_longer_than_max_block() {
    let world = World::with_orders(1).await;
    let max_block = Duration::from_millis(200);
    let builder = world.builder().buffer_memory(20_000).max_block(max_block);
    let producer = builder.batch_size(2000).build().unwrap();
    world.inject_produce(Fault::Error(ErrorCode::NOT_ENOUGH_REPLICAS).times(10_000));
    let value = [7; 500];
    let had_room = fill(&producer, &value).await;
    assert!(
        (20..=40).contains(&had_room),
        "{had_room} records of 500 bytes in 20000"
    );

    let started = Instant::now();
    let refused = producer
        .send(Record::to("orders").value(&value))
        .await
        .unwrap_err();
    let waited = started.elapsed();
    assert!(
        matches!(refused, Error::BufferFull { limit: 20_000, .. }),
        "{refused}"
    );
    assert!(
        waited >= max_block && waited < max_block + Duration::from_secs(2),
        "{waited:?}"
    );
}

#[tokio::test]
async fn a_waiting_send_goes_on_when_there_is_room_and_memory_is_never_lost() {
    let world = World::with_orders(1).await;
    let builder = world.builder().buffer_memory(20_000).batch_size(2000);
    let producer = builder.build().unwrap();
    let value = [7; 500];
    let mut had_room = Vec::new();
    for _ in 0..5 {
        world.inject_produce(Fault::Error(ErrorCode::NOT_ENOUGH_REPLICAS).times(10_000));
        had_room.push(fill(&producer, &value).await);
        let waiting = {
            let producer = producer.clone();
            tokio::spawn(async move { producer.send(Record::to("orders").value(&[8; 500])).await })
        };
        // A second one that is given up must not keep what it is granted.
        let dropped = producer.send(Record::to("orders").value(&[9; 500]));
        assert!(
            tokio::time::timeout(Duration::from_millis(20), dropped)
                .await
                .is_err()
        );
        assert!(!waiting.is_finished());
        world.broker.clear_faults();
        let sent = soon("the waiting send", waiting).await.unwrap().unwrap();
        soon("its delivery", sent).await.unwrap();
        soon("flush", producer.flush()).await;
    }
    let smallest = had_room.iter().min();
    assert!(smallest >= Some(&20), "{had_room:?}");
    let log = world.log("orders", 0);
    assert_eq!(log.len(), had_room.iter().sum::<usize>() + 5);
    assert!(
        log.iter()
            .all(|stored| stored.value.as_deref() != Some(&[9; 500]))
    );
}

#[tokio::test(start_paused = true)]
async fn an_unknown_topic_is_a_clear_error_within_max_block() {
    let world = World::start(TestBroker::builder().auto_create_topics(false)).await;
    let max_block = Duration::from_millis(300);
    let producer = world.builder().max_block(max_block).build().unwrap();
    let started = Instant::now();
    let error = producer
        .send(Record::to("no-such-topic"))
        .await
        .unwrap_err();
    let waited = started.elapsed();
    assert!(waited < max_block + Duration::from_secs(2), "{waited:?}");
    assert_eq!(
        error.code(),
        Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
        "{error}"
    );
    assert!(error.is_timeout() && error.is_retriable());
    assert!(error.to_string().contains("no-such-topic"), "{error}");
    let unharmed = Record::to("orders");
    world::create_topic(&world.cluster, "orders", 1).await;
    let sent = soon("send", producer.send(unharmed)).await.unwrap();
    soon("the delivery", sent).await.unwrap();
}

#[tokio::test]
async fn a_name_that_no_topic_can_have_is_an_error_at_once() {
    let world = World::with_orders(1).await;
    let started = Instant::now();
    let error = world
        .producer()
        .send(Record::to("no such topic!"))
        .await
        .unwrap_err();
    assert!(started.elapsed() < Duration::from_secs(5));
    assert_eq!(
        error.code(),
        Some(ErrorCode::INVALID_TOPIC_EXCEPTION),
        "{error}"
    );
}

#[tokio::test]
async fn a_missing_topic_is_created_by_sending_if_the_brokers_allow_it() {
    let world = World::start(TestBroker::builder().default_partitions(3)).await;
    let producer = world.producer();
    let sent = soon("send", producer.send(Record::to("created")))
        .await
        .unwrap();
    soon("the delivery", sent).await.unwrap();
    assert_eq!(
        world
            .cluster
            .snapshot()
            .topic("created")
            .unwrap()
            .partitions
            .len(),
        3
    );
}

#[tokio::test]
async fn overload_stays_within_buffer_memory_and_lets_other_partitions_go_on() {
    const MEMORY: usize = 128 << 10;
    let builder = TestBroker::builder().nodes(2);
    let world = World::start(builder.topic("orders", 1).topic("bills", 1)).await;
    for (topic, node) in [("orders", 1), ("bills", 2)] {
        world.broker.move_leader(topic, 0, node).unwrap();
    }
    let builder = world.builder().batch_size(4 << 10).buffer_memory(MEMORY);
    let producer = builder.build().unwrap();
    for topic in ["orders", "bills"] {
        let warm_up = soon("send", producer.send(Record::to(topic))).await;
        soon("warming up", warm_up.unwrap()).await.unwrap();
    }
    let slow = Fault::Delay(Duration::from_millis(10)).on("orders", 0);
    world.inject_produce(slow.times(10_000));
    let value = [b'v'; 500];
    let (mut accepted, mut most) = (0, 0);
    for _ in 0..30 {
        // As many as it takes, far more than the broker does.
        let refused = loop {
            match producer.try_send(Record::to("orders").value(&value)) {
                Ok(_) => accepted += 1,
                Err(error) => break error,
            }
        };
        assert!(refused.to_string().contains("buffer.memory"), "{refused}");
        assert!(refused.is_retriable() && refused.to_string().contains("orders"));
        most = most.max(producer.stats().memory_used);
        let other = soon("room", producer.send(Record::to("bills"))).await;
        soon("the other topic", other.unwrap()).await.unwrap();
    }
    assert!(most <= MEMORY, "{most} bytes in use");
    assert!(accepted > MEMORY / value.len(), "{accepted} accepted");
    world.broker.clear_faults();
    soon("flush", producer.flush()).await;
    assert_eq!(world.log("orders", 0).len(), accepted + 1);
    assert_eq!(world.log("bills", 0).len(), 31);
}
