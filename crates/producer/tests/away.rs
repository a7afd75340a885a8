//! Brokers that are away, keep refusing, or are none: clear errors in bounded time, and no hot loops.

mod world;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use klamm_net::{ClientConfig, Cluster};
use klamm_producer::{Cause, Error, ProducerBuilder, Record};
use klamm_testbroker::{ApiKey, ErrorCode, Fault, TestBroker};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use world::{client_config, eventually, soon};

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
