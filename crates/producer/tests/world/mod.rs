//! A test broker, a producer, and the books on every record that was sent.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use klamm_codec::batch::{BatchHeader, Batches};
use klamm_codec::compress::Decompressor;
use klamm_codec::messages::create_partitions_request::CreatePartitionsTopic;
use klamm_codec::messages::create_topics_request::CreatableTopic;
use klamm_codec::messages::delete_topics_request::DeleteTopicState;
use klamm_codec::messages::{
    CreatePartitionsRequest, CreatePartitionsResponse, CreateTopicsRequest, CreateTopicsResponse,
    DeleteTopicsRequest, DeleteTopicsResponse, StrBytes, TopicName,
};
use klamm_net::{
    Backoff, BoxedStream, ClientConfig, Cluster, Connecting, Connector, HostPort, Route, Verdict,
};
use klamm_producer::{Delivery, Error, Outcome, Producer, ProducerBuilder, Record, RecordMetadata};
use klamm_testbroker::{ApiKey, ErrorCode, PlannedFault, TestBroker, TestBrokerBuilder};
use tokio::time::Instant;

/// Long enough for a busy machine, short enough for a person.
const PATIENCE: Duration = Duration::from_secs(30);

/// Fails the test when `future` takes too long.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    let patient = tokio::time::timeout(PATIENCE, future).await;
    patient.unwrap_or_else(|_| panic!("{what} took longer than {PATIENCE:?}"))
}

/// Waits for a condition that nothing tells about.
pub(crate) async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let wait = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    soon(what, wait).await;
}

/// Java's settings but for pauses short enough for tests.
pub(crate) fn client_config(bootstrap: &str) -> ClientConfig {
    let mut config = ClientConfig::new(bootstrap).unwrap();
    config.retry_backoff = Backoff {
        initial: Duration::from_millis(5),
        max: Duration::from_millis(20),
    };
    config.reconnect_backoff = Backoff {
        initial: Duration::from_millis(2),
        max: Duration::from_millis(10),
    };
    config
}

/// Connects to the broker in memory: nothing is ever on its way where simulated time can't wait for it.
#[derive(Debug)]
pub(crate) struct InMemory(pub(crate) Arc<TestBroker>);

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

/// A broker and a client of it.
pub(crate) struct World {
    pub(crate) broker: Arc<TestBroker>,
    pub(crate) cluster: Cluster,
}

impl World {
    pub(crate) async fn start(builder: TestBrokerBuilder) -> Self {
        let broker = Arc::new(builder.start().await.unwrap());
        let mut config = client_config(&broker.bootstrap());
        config.connector = Arc::new(InMemory(Arc::clone(&broker)));
        let cluster = soon("connecting", Cluster::connect(config)).await.unwrap();
        Self { broker, cluster }
    }

    /// With a topic `orders` of so many partitions.
    pub(crate) async fn with_orders(partitions: i32) -> Self {
        Self::start(TestBroker::builder().topic("orders", partitions)).await
    }

    /// A producer to be that sends at once, in batches of a few records.
    pub(crate) fn builder(&self) -> ProducerBuilder {
        ProducerBuilder::new(self.cluster.clone())
            .linger(Duration::ZERO)
            .batch_size(200)
    }

    pub(crate) fn producer(&self) -> Producer {
        self.builder().build().unwrap()
    }

    pub(crate) fn inject(&self, api: ApiKey, fault: impl Into<PlannedFault>) {
        self.broker.inject(api, fault).unwrap();
    }

    pub(crate) fn inject_produce(&self, fault: impl Into<PlannedFault>) {
        self.inject(ApiKey::PRODUCE, fault);
    }

    pub(crate) fn log(&self, topic: &str, partition: i32) -> Vec<Stored> {
        read_log(&self.broker, topic, partition)
    }
}

/// A record as the broker stored it.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) offset: i64,
    pub(crate) timestamp: i64,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    /// Of its batch.
    pub(crate) header: BatchHeader,
}

impl Stored {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.value.clone().expect("a value")).expect("UTF-8")
    }
}

/// What a partition holds, decoded, every checksum verified.
pub(crate) fn read_log(broker: &TestBroker, topic: &str, partition: i32) -> Vec<Stored> {
    let mut log = Vec::new();
    let mut decompressor = Decompressor::default();
    for bytes in broker.log(topic, partition) {
        for batch in Batches::new(bytes) {
            let batch = batch.unwrap();
            batch.verify_crc().unwrap();
            let header = batch.header().clone();
            let batch = batch.into_records(&mut decompressor, 16 << 20).unwrap();
            for record in batch.records() {
                let record = record.unwrap();
                let owned = |bytes: &[u8]| bytes.to_vec();
                log.push(Stored {
                    offset: record.offset,
                    timestamp: record.timestamp,
                    key: record.key.map(owned),
                    value: record.value.map(owned),
                    headers: record
                        .headers
                        .iter()
                        .map(|header| (header.key.to_vec(), header.value.map(owned)))
                        .collect(),
                    header: header.clone(),
                });
            }
        }
    }
    log
}

/// What a reader of committed records sees, partition by partition, as the markers in the logs tell.
pub(crate) fn visible(broker: &TestBroker, topic: &str) -> Vec<String> {
    let mut visible = Vec::new();
    for partition in 0.. {
        if broker.leader(topic, partition).is_none() {
            break;
        }
        let mut open: Vec<(i64, String)> = Vec::new();
        for stored in read_log(broker, topic, partition) {
            let producer = stored.header.producer_id;
            if stored.header.attributes.is_control() {
                let is_mine = |(of, _): &mut (i64, String)| *of == producer;
                let mine = open.extract_if(.., is_mine).map(|(_, value)| value);
                let is_commit = stored.key.unwrap()[3] == 1;
                visible.extend(mine.filter(|_| is_commit));
            } else if stored.header.attributes.is_transactional() {
                open.push((producer, stored.text()));
            } else {
                visible.push(stored.text());
            }
        }
    }
    visible
}

/// The books on the records of one topic, each with a value of its own.
pub(crate) struct Ledger {
    topic: String,
    sent: Vec<(i32, Delivery)>,
}

/// What became of the records of a [`Ledger`], by the order of their sending in each partition.
pub(crate) struct Results {
    topic: String,
    results: Vec<(i32, Result<RecordMetadata, Error>)>,
}

impl Ledger {
    pub(crate) fn new(topic: &str) -> Self {
        Self {
            topic: topic.to_owned(),
            sent: Vec::new(),
        }
    }

    /// Sends the next record, which must be accepted. Its value is its place in the ledger.
    pub(crate) async fn send(&mut self, producer: &Producer, partition: i32) {
        let value = format!("{:06}", self.sent.len());
        let record = Record::to(&self.topic).partition(partition).value(&value);
        let sent = soon("send", producer.send(record)).await;
        self.sent.push((partition, sent.unwrap()));
    }

    /// Waits for all deliveries.
    pub(crate) async fn settle(self) -> Results {
        let mut results = Vec::new();
        for (partition, delivery) in self.sent {
            results.push((partition, soon("a delivery", delivery).await));
        }
        Results {
            topic: self.topic,
            results,
        }
    }
}

impl Results {
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Result<RecordMetadata, Error>> {
        self.results.iter().map(|(_, result)| result)
    }

    pub(crate) fn acknowledged(&self) -> usize {
        self.iter().filter(|result| result.is_ok()).count()
    }

    pub(crate) fn with_outcome(&self, outcome: Outcome) -> usize {
        let failed = |result: &&Result<_, Error>| {
            result
                .as_ref()
                .is_err_and(|error| error.outcome() == outcome)
        };
        self.iter().filter(failed).count()
    }

    /// The promise of the idempotent producer, held against the broker's logs: what is acknowledged
    /// is there once, at the offset that was told; what is reported as not written is not there; and
    /// all is in the order in which it was sent.
    pub(crate) fn check(&self, broker: &TestBroker) -> Result<(), String> {
        let mut places: HashMap<usize, Vec<(i32, i64)>> = HashMap::new();
        let partitions = self.results.iter().map(|(partition, _)| *partition).max();
        for partition in 0..=partitions.unwrap_or(-1) {
            let mut before = None;
            for stored in read_log(broker, &self.topic, partition) {
                let index: usize = stored.text().parse().unwrap();
                if before.is_some_and(|before| before >= index) {
                    return Err(format!(
                        "{}-{partition} has {index} at offset {}, after {before:?}",
                        self.topic, stored.offset
                    ));
                }
                before = Some(index);
                places
                    .entry(index)
                    .or_default()
                    .push((partition, stored.offset));
            }
        }
        for (index, (partition, result)) in self.results.iter().enumerate() {
            let found = places.remove(&index).unwrap_or_default();
            let fair = match result {
                Ok(metadata) => {
                    let told = metadata
                        .offset
                        .unwrap_or(found.first().map_or(-1, |at| at.1));
                    metadata.partition == *partition && found == [(*partition, told)]
                }
                Err(error) if error.outcome() == Outcome::NotWritten => found.is_empty(),
                Err(_) => found.len() <= 1,
            };
            if !fair {
                return Err(format!(
                    "record {index} for {}-{partition} is at {found:?}, but was told: {result:?}",
                    self.topic
                ));
            }
        }
        Ok(())
    }
}

/// Creates a topic, as an admin would.
pub(crate) async fn create_topic(cluster: &Cluster, name: &str, partitions: i32) {
    let topic = CreatableTopic::default()
        .with_name(topic_name(name))
        .with_num_partitions(partitions)
        .with_replication_factor(-1);
    let request = |_| {
        CreateTopicsRequest::default()
            .with_timeout_ms(5000)
            .with_topics(vec![topic.clone()])
    };
    let check = |response: &CreateTopicsResponse| {
        Verdict::of(
            ErrorCode(response.topics[0].error_code),
            "a topic of a test",
        )
    };
    let deadline = Instant::now() + PATIENCE;
    let created = cluster.call(&Route::Controller, deadline, request, check);
    created.await.unwrap();
}

/// Gives a topic `count` partitions, as an admin would.
pub(crate) async fn add_partitions(cluster: &Cluster, name: &str, count: i32) {
    let topic = CreatePartitionsTopic::default()
        .with_name(topic_name(name))
        .with_count(count)
        .with_assignments(None);
    let request = |_| {
        CreatePartitionsRequest::default()
            .with_timeout_ms(5000)
            .with_topics(vec![topic.clone()])
    };
    let check = |response: &CreatePartitionsResponse| {
        Verdict::of(
            ErrorCode(response.results[0].error_code),
            "partitions of a test",
        )
    };
    let deadline = Instant::now() + PATIENCE;
    let added = cluster.call(&Route::Controller, deadline, request, check);
    added.await.unwrap();
}

/// Deletes a topic, as an admin would.
pub(crate) async fn delete_topic(cluster: &Cluster, name: &str) {
    let topic = DeleteTopicState::default().with_name(Some(topic_name(name)));
    let request = |version: i16| {
        let request = DeleteTopicsRequest::default().with_timeout_ms(5000);
        if version >= 6 {
            request.with_topics(vec![topic.clone()])
        } else {
            request.with_topic_names(vec![topic_name(name)])
        }
    };
    let check = |response: &DeleteTopicsResponse| {
        Verdict::of(
            ErrorCode(response.responses[0].error_code),
            "a topic of a test",
        )
    };
    let deadline = Instant::now() + PATIENCE;
    let deleted = cluster.call(&Route::Controller, deadline, request, check);
    deleted.await.unwrap();
}

fn topic_name(name: &str) -> TopicName {
    TopicName(StrBytes::from_string(name.to_owned()))
}
