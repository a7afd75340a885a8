//! The facade against the test broker.

use std::time::{Duration, Instant};

use klamm::net::{BoxedStream, Connecting, Connector, HostPort};
use klamm::{Admin, Client, Error, ErrorCode, NewTopic, OffsetReset, Record};
use klamm_testbroker::{ApiKey, Fault, TestBroker};

const CLOSE: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_topic_can_be_produced_to_as_soon_as_it_is_created() -> Result<(), Error> {
    let broker = TestBroker::builder().nodes(3).auto_create_topics(false);
    let broker = broker.start().await.unwrap();
    let client = Client::connect(&broker.bootstrap()).await?;
    let producer = client.producer().build()?;
    for number in 0..5 {
        let topic = format!("orders-{number}");
        let created = client
            .admin()
            .create_topics([NewTopic::new(&topic)])
            .await?;
        created.all()?;
        let delivery = producer.send(Record::to(&topic).value("first")).await?;
        assert_eq!(delivery.await?.offset, Some(0));
    }
    producer.close(CLOSE).await?;
    Ok(())
}

#[tokio::test]
async fn an_admin_has_the_patience_that_its_properties_name() -> Result<(), Error> {
    let broker = TestBroker::builder().start().await.unwrap();
    let client = Client::connect(&broker.bootstrap()).await?;
    let create = async |admin: Admin, name: &str| {
        let moved = Fault::Error(ErrorCode::NOT_CONTROLLER);
        broker.inject(ApiKey::CREATE_TOPICS, moved).unwrap();
        admin.create_topics([NewTopic::new(name)]).await?.all()
    };
    let impatient = client.admin_from_properties([("retries", "0")])?;
    let refused = create(impatient, "orders").await.unwrap_err();
    assert_eq!(refused.code(), Some(ErrorCode::NOT_CONTROLLER));
    create(client.admin(), "orders").await?;

    // Nobody answers, for as long as anybody waits.
    let silence = Fault::Delay(Duration::from_secs(3600));
    broker.inject(ApiKey::METADATA, silence.times(100)).unwrap();
    let hasty = client.admin_from_properties([("default.api.timeout.ms", "300")])?;
    let started = Instant::now();
    let late = hasty.list_topics().await.unwrap_err();
    assert!(late.to_string().contains("in time"), "{late}");
    // The default is a minute.
    assert!(started.elapsed() < Duration::from_secs(30), "{late}");
    let odd = client.admin_from_properties([("default.api.timout.ms", "300")]);
    let odd = odd.unwrap_err().to_string();
    assert!(odd.contains("default.api.timeout.ms"), "{odd}");
    Ok(())
}

/// Streams to a test broker that no socket carries.
#[derive(Debug)]
struct InMemory(TestBroker);

impl Connector for InMemory {
    fn connect<'a>(&'a self, _address: &'a HostPort, _timeout: Duration) -> Connecting<'a> {
        let stream = self.0.connect(1).map_err(std::io::Error::other);
        Box::pin(async move { Ok(Box::new(stream?) as BoxedStream) })
    }
}

#[tokio::test]
async fn the_byte_streams_can_come_from_the_application() -> Result<(), Error> {
    let broker = TestBroker::builder().topic("orders", 1);
    let connector = InMemory(broker.start().await.unwrap());
    // Nothing listens there.
    let client = Client::builder("127.0.0.1:1").connector(connector);
    let client = client.connect().await?;
    let producer = client.producer().build()?;
    let delivery = producer.send(Record::to("orders").value("1")).await?;
    assert_eq!(delivery.await?.offset, Some(0));
    producer.close(CLOSE).await?;
    Ok(())
}

#[tokio::test]
async fn one_set_of_properties_serves_all_roles() -> Result<(), Error> {
    let broker = TestBroker::builder().topic("orders", 1);
    let broker = broker.start().await.unwrap();
    let bootstrap = broker.bootstrap();
    let properties = [
        ("bootstrap.servers", bootstrap.as_str()),
        ("acks", "1"),
        ("group.id", "billing"),
        ("auto.offset.reset", "earliest"),
    ];
    let client = Client::from_properties(properties).await?;
    let producer = client.producer_from_properties(properties)?.build()?;
    producer
        .send(Record::to("orders").value("1"))
        .await?
        .await?;
    let consumer = client.consumer_from_properties(properties)?;
    let mut consumer = consumer.topics(["orders"]).build().await?;
    assert_eq!(consumer.poll().await?.len(), 1);
    consumer.commit().await?;
    consumer.close(CLOSE).await?;
    Ok(())
}

#[tokio::test]
async fn properties_are_checked_before_anything_is_connected() {
    let error = Client::from_properties([("bootstrap.server", "nowhere:1")]).await;
    let error = error.unwrap_err();
    assert!(matches!(error, Error::Config(_)), "{error}");
    assert!(error.to_string().contains("bootstrap.servers"), "{error}");
    assert!(!error.is_retriable() && !error.is_fatal() && !error.is_timeout());
}

#[tokio::test]
async fn a_property_is_refused_by_the_role_that_reads_it() -> Result<(), Error> {
    let broker = TestBroker::builder().start().await.unwrap();
    let client = Client::connect(&broker.bootstrap()).await?;
    let properties = [("acks", "7"), ("auto.offset.reset", "never")];
    for error in [
        client.producer_from_properties(properties).unwrap_err(),
        client.consumer_from_properties(properties).unwrap_err(),
    ] {
        assert!(matches!(error, Error::Config(_)), "{error}");
    }
    Ok(())
}

#[tokio::test]
async fn an_address_where_nobody_listens_is_an_error_soon() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let started = Instant::now();
    let error = Client::connect(&address).await.unwrap_err();
    assert!(matches!(error, Error::Net(_)), "{error}");
    assert!(error.to_string().contains(&address), "{error}");
    assert!(error.is_retriable());
    assert!(started.elapsed() < Duration::from_secs(10));

    let error = Client::connect("not an address").await.unwrap_err();
    assert!(!error.is_retriable(), "{error}");
}

#[tokio::test]
async fn the_errors_of_all_roles_answer_the_same_questions() -> Result<(), Error> {
    let broker = TestBroker::builder().topic("orders", 1);
    let broker = broker.start().await.unwrap();
    let client = Client::connect(&broker.bootstrap()).await?;

    let created = client
        .admin()
        .create_topics([NewTopic::new("orders")])
        .await?;
    let admin = Error::from(created.all().unwrap_err());
    assert_eq!(admin.code(), Some(ErrorCode::TOPIC_ALREADY_EXISTS));

    let producer = client.producer().build()?;
    producer.close(CLOSE).await?;
    let closed = producer.try_send(Record::to("orders").value("late"));
    let closed = Error::from(closed.unwrap_err());
    assert!(closed.is_fatal() && !closed.is_retriable(), "{closed}");

    let consumer = client.consumer().offset_reset(OffsetReset::Earliest);
    let mut consumer = consumer.build().await?;
    let misuse = Error::from(consumer.subscribe(["orders"]).unwrap_err());
    assert!(!misuse.is_retriable() && !misuse.is_timeout(), "{misuse}");
    assert_eq!(misuse.code(), None);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_and_calls_may_move_to_other_threads() -> Result<(), Error> {
    let broker = TestBroker::builder().topic("orders", 1);
    let broker = broker.start().await.unwrap();
    let client = Client::connect(&broker.bootstrap()).await?;
    let clone = client.clone();
    let produced = tokio::spawn(async move {
        let producer = clone.producer().build()?;
        let delivery = producer.send(Record::to("orders").value("1")).await?;
        delivery.await?;
        clone
            .admin()
            .create_topics([NewTopic::new("audit")])
            .await?
            .all()?;
        clone.admin().delete_topics(["audit"]).await?.all()?;
        producer.close(CLOSE).await?;
        Ok::<_, Error>(())
    });
    let consumed = tokio::spawn(async move {
        let consumer = client.consumer().group("billing").topics(["orders"]);
        let consumer = consumer.offset_reset(OffsetReset::Earliest);
        let mut consumer = consumer.build().await?;
        let polled = consumer.poll().await?.len();
        consumer.close(CLOSE).await?;
        Ok::<_, Error>(polled)
    });
    produced.await.unwrap()?;
    assert_eq!(consumed.await.unwrap()?, 1);
    Ok(())
}
