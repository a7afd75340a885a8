//! Limits of size, memory and time, and clusters that are not there: clear errors in bounded time,
//! and no hot loops.

mod world;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use klamm_net::{ClientConfig, Cluster};
use klamm_producer::{Cause, Error, Outcome, ProducerBuilder, Record};
use klamm_testbroker::{ApiKey, ErrorCode, Fault, TestBroker};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use world::{World, add_partitions, client_config, eventually, soon};

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

#[tokio::test]
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

#[tokio::test]
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

#[tokio::test]
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

/// A client with Java's pauses, which are what keeps it from being a hot loop.
async fn client_with_default_pauses(broker: &TestBroker) -> Cluster {
    let config = ClientConfig::new(&broker.bootstrap()).unwrap();
    soon("connecting", Cluster::connect(config)).await.unwrap()
}

#[tokio::test]
async fn waiting_for_an_unknown_topic_is_no_hot_loop() {
    let broker = TestBroker::builder()
        .auto_create_topics(false)
        .start()
        .await
        .unwrap();
    let cluster = client_with_default_pauses(&broker).await;
    let builder = ProducerBuilder::new(cluster).max_block(Duration::from_secs(1));
    let producer = builder.build().unwrap();
    let before = broker.requests(ApiKey::METADATA);
    let waiting = (0..10).map(|_| {
        let producer = producer.clone();
        tokio::spawn(async move { producer.send(Record::to("unknown")).await.unwrap_err() })
    });
    for waiting in waiting.collect::<Vec<_>>() {
        soon("max.block.ms", waiting).await.unwrap();
    }
    let asked = broker.requests(ApiKey::METADATA) - before;
    assert!(
        (2..=25).contains(&asked),
        "{asked} metadata requests in a second"
    );
}

#[tokio::test]
async fn a_batch_that_keeps_failing_is_no_hot_loop() {
    for fault in [
        Fault::DropBefore,
        Fault::Error(ErrorCode::NOT_LEADER_OR_FOLLOWER),
        Fault::Error(ErrorCode::NOT_ENOUGH_REPLICAS),
        Fault::Error(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER),
    ] {
        let broker = TestBroker::builder()
            .topic("orders", 1)
            .start()
            .await
            .unwrap();
        let cluster = client_with_default_pauses(&broker).await;
        let producer = ProducerBuilder::new(cluster)
            .linger(Duration::ZERO)
            .build()
            .unwrap();
        broker.inject(ApiKey::PRODUCE, fault.times(10_000)).unwrap();
        let sent = soon("send", producer.send(Record::to("orders")))
            .await
            .unwrap();
        let (metadata, started) = (broker.requests(ApiKey::METADATA), Instant::now());
        // 100, 200, 400 ms between them.
        eventually("the fourth attempt", || {
            broker.requests(ApiKey::PRODUCE) >= 4
        })
        .await;
        assert!(
            started.elapsed() > Duration::from_millis(300),
            "{fault:?}: {:?}",
            started.elapsed()
        );
        let asked = broker.requests(ApiKey::METADATA) - metadata;
        assert!(
            asked <= 15,
            "{fault:?}: {asked} metadata requests for 4 attempts"
        );
        broker.clear_faults();
        soon("the delivery", sent).await.unwrap();
    }
}

/// Accepts on `address` and does `act` with each connection; counts them.
fn serve<F>(
    listener: TcpListener,
    act: impl Fn(TcpStream) -> F + Send + 'static,
) -> Arc<AtomicUsize>
where
    F: Future<Output = ()> + Send + 'static,
{
    let accepted = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&accepted);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(act(stream));
        }
    });
    accepted
}

#[tokio::test]
async fn a_broker_that_is_away_is_no_hot_loop_and_is_used_again_when_it_is_back() {
    let broker = TestBroker::builder()
        .topic("orders", 1)
        .start()
        .await
        .unwrap();
    let address: SocketAddr = broker.bootstrap().parse().unwrap();
    let cluster = client_with_default_pauses(&broker).await;
    let producer = ProducerBuilder::new(cluster)
        .linger(Duration::ZERO)
        .build()
        .unwrap();
    let sent = soon("send", producer.send(Record::to("orders").value("before")))
        .await
        .unwrap();
    soon("the delivery", sent).await.unwrap();
    broker.shutdown().await;

    let closes = TcpListener::bind(address).await.unwrap();
    let (stop, mut stopped) = tokio::sync::mpsc::channel::<()>(1);
    let accepted = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&accepted);
    let away = tokio::spawn(async move {
        loop {
            tokio::select! {
                accepted = closes.accept() => {
                    drop(accepted);
                    count.fetch_add(1, Ordering::Relaxed);
                }
                _ = stopped.recv() => return,
            }
        }
    });
    let waiting = producer
        .send(Record::to("orders").value("meanwhile"))
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let attempts = accepted.load(Ordering::Relaxed);
    // 50 ms doubling to a second, for metadata and for producing.
    assert!(
        (2..=30).contains(&attempts),
        "{attempts} connections in a second"
    );
    drop(stop);
    away.await.unwrap();
    assert!(waiting.result().is_none());

    let back = TestBroker::builder()
        .port(address.port())
        .topic("orders", 1);
    let back = back.start().await.unwrap();
    // It is another cluster with another topic of that name: the record was meant for the old one.
    let error = soon("the delivery", waiting).await.unwrap_err();
    // Whether it may have been written depends on when the old connection was found to be dead.
    let is_recreated = matches!(
        &error,
        Error::Delivery {
            cause: Cause::TopicRecreated,
            ..
        }
    );
    assert!(is_recreated, "{error}");
    let sent = soon("send", producer.send(Record::to("orders").value("after")))
        .await
        .unwrap();
    soon("the delivery", sent).await.unwrap();
    assert_eq!(world::read_log(&back, "orders", 0).len(), 1);
}

/// Connects to what cannot be a broker: an error within `limit` whose text has all of `words`.
async fn cannot_connect(config: ClientConfig, limit: Duration, words: &[&str]) {
    let started = Instant::now();
    let error = soon("connecting", Cluster::connect(config)).await.err();
    let text = error.expect("there is no broker").to_string();
    assert!(
        started.elapsed() < limit,
        "{text} after {:?}",
        started.elapsed()
    );
    for word in words {
        assert!(text.contains(word), "{word:?} is not in {text:?}");
    }
}

#[tokio::test]
async fn an_address_where_nobody_listens_is_a_clear_error_at_once() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = free.local_addr().unwrap().to_string();
    drop(free);
    let limit = Duration::from_secs(3);
    cannot_connect(client_config(&address), limit, &[&address, "refused"]).await;
}

#[tokio::test]
async fn a_name_that_has_no_address_is_a_clear_error() {
    let config = client_config("no-such-host.invalid:9092");
    cannot_connect(
        config,
        Duration::from_secs(20),
        &["no-such-host.invalid:9092"],
    )
    .await;
}

#[tokio::test]
async fn a_port_that_is_not_kafka_is_a_clear_error() {
    let http = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = http.local_addr().unwrap().to_string();
    serve(http, |mut stream| async move {
        let _ = stream.read(&mut [0; 1024]).await;
        let _ = stream
            .write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
            .await;
    });
    let limit = Duration::from_secs(3);
    cannot_connect(client_config(&address), limit, &[&address, "Kafka"]).await;
}

#[tokio::test]
async fn a_port_that_closes_is_a_clear_error() {
    let closes = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = closes.local_addr().unwrap().to_string();
    serve(closes, |stream| async move { drop(stream) });
    let limit = Duration::from_secs(3);
    cannot_connect(client_config(&address), limit, &[&address]).await;
}

#[tokio::test]
async fn a_port_that_says_nothing_is_a_clear_error_after_the_setup_timeout() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap().to_string();
    serve(silent, |stream| async move {
        std::future::pending::<()>().await;
        drop(stream);
    });
    let mut config = client_config(&address);
    config.connection_setup_timeout = Duration::from_millis(200);
    let words = [address.as_str(), "socket.connection.setup.timeout.ms"];
    cannot_connect(config, Duration::from_secs(3), &words).await;
}

#[tokio::test]
async fn one_address_that_answers_is_enough() {
    let broker = TestBroker::builder()
        .topic("orders", 1)
        .start()
        .await
        .unwrap();
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let bootstrap = format!("{},{}", silent.local_addr().unwrap(), broker.bootstrap());
    let mut config = client_config(&bootstrap);
    config.connection_setup_timeout = Duration::from_millis(200);
    let cluster = soon("connecting", Cluster::connect(config)).await.unwrap();
    let producer = ProducerBuilder::new(cluster).build().unwrap();
    let sent = soon("send", producer.send(Record::to("orders")))
        .await
        .unwrap();
    soon("the delivery", sent).await.unwrap();
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
