//! Topics, against the test broker.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use klamm_admin::{Admin, ApiKey, Error, ErrorCode, NewTopic};
use klamm_net::{BoxedStream, ClientConfig, Cluster, Connecting, Connector, HostPort};
use klamm_testbroker::{Fault, TestBroker};
use tokio::time::Instant;

/// Connects to the broker in memory: nothing is ever on its way where simulated time can't wait for it.
#[derive(Debug)]
struct InMemory(Arc<TestBroker>);

impl Connector for InMemory {
    fn connect<'a>(&'a self, address: &'a HostPort, _timeout: Duration) -> Connecting<'a> {
        let bootstrap = self.0.bootstrap();
        let node = bootstrap
            .split(',')
            .zip(1..)
            .find(|(node, _)| *node == address.to_string());
        let stream = node.map(|(_, node)| self.0.connect(node).map_err(io::Error::other));
        Box::pin(async move {
            let stream = stream.ok_or(io::ErrorKind::ConnectionRefused)??;
            Ok(Box::new(stream) as BoxedStream)
        })
    }
}

async fn broker() -> TestBroker {
    TestBroker::builder()
        .topic("orders", 3)
        .default_partitions(2)
        .start()
        .await
        .unwrap()
}

async fn admin(broker: &TestBroker) -> Admin {
    let config = ClientConfig::new(&broker.bootstrap()).unwrap();
    Admin::new(Cluster::connect(config).await.unwrap())
}

/// Whose time can be simulated.
async fn admin_in_memory(broker: &Arc<TestBroker>) -> Admin {
    let mut config = ClientConfig::new(&broker.bootstrap()).unwrap();
    config.connector = Arc::new(InMemory(Arc::clone(broker)));
    Admin::new(Cluster::connect(config).await.unwrap())
}

async fn names(admin: &Admin) -> Vec<String> {
    let topics = admin.list_topics().await.unwrap();
    topics.into_iter().map(|topic| topic.name).collect()
}

#[tokio::test]
async fn a_topic_is_created_listed_described_and_deleted() {
    let broker = broker().await;
    let admin = admin(&broker).await;
    let audit = NewTopic::new("audit")
        .partitions(6)
        .replication_factor(1)
        .config("retention.ms", "86400000");
    let created = admin.create_topics([audit]).await.unwrap().all().unwrap();
    assert_eq!(created[0].partitions, Some(6));
    assert_eq!(created[0].replication_factor, Some(1));

    let listed = admin.list_topics().await.unwrap();
    let listed: Vec<_> = listed
        .iter()
        .map(|topic| (topic.name.as_str(), topic.partitions, topic.is_internal))
        .collect();
    assert_eq!(listed, [("audit", 6, false), ("orders", 3, false)]);

    let described = admin.describe_topics(["audit"]).await.unwrap();
    let described = described.all().unwrap().remove(0);
    assert_eq!(
        (described.name.as_str(), described.id),
        ("audit", created[0].id)
    );
    assert!(!described.id.is_zero());
    assert_eq!(described.partitions.len(), 6);
    for (index, partition) in (0..).zip(&described.partitions) {
        assert_eq!(partition.index, index);
        let leader = partition.leader.unwrap();
        assert_eq!(partition.replicas, [leader]);
        assert_eq!(partition.in_sync_replicas, [leader]);
        assert!(partition.offline_replicas.is_empty());
    }

    admin.delete_topics(["audit"]).await.unwrap().all().unwrap();
    assert_eq!(names(&admin).await, ["orders"]);
}

#[tokio::test]
async fn what_is_not_set_is_the_brokers_choice() {
    let broker = broker().await;
    let admin = admin(&broker).await;
    let created = admin.create_topics([NewTopic::new("audit")]).await.unwrap();
    assert_eq!(created.all().unwrap()[0].partitions, Some(2));
}

#[tokio::test]
async fn one_failure_hides_no_success() {
    let broker = broker().await;
    let admin = admin(&broker).await;
    let topics = ["audit", "orders", "bad name"].map(|name| NewTopic::new(name).partitions(1));
    let results = admin.create_topics(topics).await.unwrap();
    let outcomes: Vec<_> = results
        .iter()
        .map(|(name, result)| {
            let code = result.as_ref().err().and_then(Error::code);
            (name.as_str(), code)
        })
        .collect();
    let exists = Some(ErrorCode::TOPIC_ALREADY_EXISTS);
    let invalid = Some(ErrorCode::INVALID_TOPIC_EXCEPTION);
    assert_eq!(
        outcomes,
        [("audit", None), ("orders", exists), ("bad name", invalid)]
    );
    let error = results.all().unwrap_err().to_string();
    assert!(
        error.starts_with("CreateTopics failed for topic orders: TOPIC_ALREADY_EXISTS (36)"),
        "{error}"
    );

    let results = admin.delete_topics(["nowhere", "audit"]).await.unwrap();
    let missing = results.get("nowhere").unwrap().as_ref().unwrap_err();
    assert_eq!(missing.code(), Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
    assert!(results.get("audit").unwrap().is_ok());
    assert_eq!(names(&admin).await, ["orders"]);
}

#[tokio::test]
async fn validating_creates_nothing() {
    let broker = broker().await;
    let admin = admin(&broker).await;
    let topics = [NewTopic::new("audit"), NewTopic::new("orders")];
    let results = admin
        .create_topics(topics)
        .validate_only(true)
        .await
        .unwrap();
    assert!(results.get("audit").unwrap().is_ok());
    assert!(results.get("orders").unwrap().is_err());
    assert_eq!(names(&admin).await, ["orders"]);
}

#[tokio::test]
async fn asking_about_a_topic_does_not_create_it() {
    let broker = broker().await;
    let admin = admin(&broker).await;
    let described = admin.describe_topics(["nowhere", "orders"]).await.unwrap();
    let missing = described.get("nowhere").unwrap().as_ref().unwrap_err();
    assert_eq!(missing.code(), Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
    assert_eq!(
        described
            .get("orders")
            .unwrap()
            .as_ref()
            .unwrap()
            .partitions
            .len(),
        3
    );
    assert_eq!(names(&admin).await, ["orders"]);
}

#[tokio::test]
async fn a_controller_that_throttles_or_has_moved_is_asked_again() {
    let broker = broker().await;
    let admin = admin(&broker).await;
    for code in [
        ErrorCode::THROTTLING_QUOTA_EXCEEDED,
        ErrorCode::NOT_CONTROLLER,
    ] {
        let before = broker.requests(ApiKey::CREATE_TOPICS);
        broker
            .inject(ApiKey::CREATE_TOPICS, Fault::Error(code))
            .unwrap();
        let topic = NewTopic::new(format!("audit-{}", code.0));
        admin.create_topics([topic]).await.unwrap().all().unwrap();
        assert_eq!(broker.requests(ApiKey::CREATE_TOPICS), before + 2, "{code}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_quota_that_never_ends_is_reported_when_time_is_over() {
    let broker = Arc::new(broker().await);
    let timeout = Duration::from_millis(700);
    let admin = admin_in_memory(&broker).await.timeout(timeout);
    let throttled = Fault::Error(ErrorCode::THROTTLING_QUOTA_EXCEEDED).times(1000);
    broker.inject(ApiKey::CREATE_TOPICS, throttled).unwrap();
    let started = Instant::now();
    let results = admin.create_topics([NewTopic::new("audit")]).await.unwrap();
    let error = results.all().unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::THROTTLING_QUOTA_EXCEEDED));
    assert!(error.is_retriable());
    // The clock ticks in milliseconds.
    assert!(started.elapsed() <= timeout + Duration::from_millis(2));
    assert!(broker.requests(ApiKey::CREATE_TOPICS) >= 3);
}

#[tokio::test]
async fn a_refusal_after_a_lost_answer_says_that_the_call_may_have_done_it() {
    let broker = broker().await;
    let admin = admin(&broker).await;
    broker
        .inject(ApiKey::CREATE_TOPICS, Fault::DropAfter)
        .unwrap();
    let results = admin.create_topics([NewTopic::new("audit")]).await.unwrap();
    let error = results.all().unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::TOPIC_ALREADY_EXISTS));
    assert!(error.may_have_been_processed());
    assert!(
        error.to_string().contains("may have been carried out"),
        "{error}"
    );
    assert_eq!(names(&admin).await, ["audit", "orders"]);

    let results = admin.create_topics([NewTopic::new("audit")]).await.unwrap();
    assert!(!results.all().unwrap_err().may_have_been_processed());
}

#[tokio::test(start_paused = true)]
async fn a_call_that_nobody_answers_ends_by_its_timeout() {
    let broker = Arc::new(broker().await);
    let timeout = Duration::from_millis(300);
    let admin = admin_in_memory(&broker).await.timeout(timeout);
    let stuck = Fault::Delay(Duration::from_secs(30)).times(10);
    broker.inject(ApiKey::DELETE_TOPICS, stuck).unwrap();
    let started = Instant::now();
    let error = admin.delete_topics(["orders"]).await.unwrap_err();
    assert!(error.is_timeout(), "{error}");
    assert!(error.may_have_been_processed());
    // The clock ticks in milliseconds.
    assert!(started.elapsed() <= timeout + Duration::from_millis(2));
}

#[tokio::test]
async fn a_cluster_is_described_with_its_brokers() {
    let broker = TestBroker::builder().nodes(3).start().await.unwrap();
    let admin = admin(&broker).await;
    let cluster = admin.describe_cluster().await.unwrap();
    assert!(cluster.cluster_id.is_some());
    assert!(cluster.controller.is_some());
    let addresses: Vec<_> = cluster
        .brokers
        .iter()
        .map(|it| it.address.to_string())
        .collect();
    assert_eq!(addresses.join(","), broker.bootstrap());
}
