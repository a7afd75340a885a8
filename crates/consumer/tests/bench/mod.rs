//! A broker in the process, a way to fill it, and patience with a limit.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::io;
use std::sync::Arc;
use std::time::Duration;

use klamm_codec::api::Request;
use klamm_codec::batch::{BatchBuilder, ProducerIdentity};
use klamm_codec::compress::Compressor;
use klamm_codec::messages::produce_request::{PartitionProduceData, TopicProduceData};
use klamm_codec::messages::{ProduceRequest, StrBytes, TopicName};
use klamm_consumer::{Consumer, ConsumerBuilder, OffsetReset, Records, TopicPartition};
use klamm_net::{BoxedStream, ClientConfig, Cluster, Connecting, Connector, HostPort, Lane};
use klamm_testbroker::{TestBroker, TestBrokerBuilder};
use tokio::time::{Instant, timeout};

pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const MILLISECOND: Duration = Duration::from_millis(1);

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

/// The newest version of Produce that names topics.
const PRODUCE_BY_NAME: i16 = 12;

pub(crate) struct Bench {
    pub(crate) broker: Arc<TestBroker>,
    pub(crate) cluster: Cluster,
}

impl Bench {
    pub(crate) async fn start(builder: TestBrokerBuilder) -> Self {
        let broker = Arc::new(builder.start().await.unwrap());
        let mut config = ClientConfig::new(&broker.bootstrap()).unwrap();
        config.connector = Arc::new(InMemory(Arc::clone(&broker)));
        "test".clone_into(&mut config.client_id);
        let cluster = Cluster::connect(config).await.unwrap();
        Self { broker, cluster }
    }

    /// One broker with topic `t`, where rebalances are noticed quickly.
    pub(crate) async fn with_partitions(partitions: i32) -> Self {
        let builder = TestBroker::builder().topic("t", partitions);
        Self::start(builder.consumer_heartbeat_interval(20 * MILLISECOND)).await
    }

    /// A consumer of group `g` that starts at the beginning.
    pub(crate) fn consumer(&self) -> ConsumerBuilder {
        ConsumerBuilder::new(self.cluster.clone())
            .group("g")
            .offset_reset(OffsetReset::Earliest)
    }

    pub(crate) async fn subscriber(&self) -> Consumer {
        self.consumer().topics(["t"]).build().await.unwrap()
    }

    /// Writes one batch of `count` records to `t`; values are `<partition>-<number from first>`.
    pub(crate) async fn produce(&self, partition: i32, first: usize, count: usize) {
        self.produce_with(partition, first, count, None).await;
    }

    pub(crate) async fn produce_with(
        &self,
        partition: i32,
        first: usize,
        count: usize,
        compressor: Option<&mut Compressor>,
    ) {
        let mut builder = BatchBuilder::new(Vec::new());
        for number in first..first + count {
            let value = format!("{partition}-{number}");
            builder.append(1_700_000_000_000, None, Some(value.as_bytes()), &[]);
        }
        let batch = builder.seal(ProducerIdentity::NONE, false, compressor);
        let partition_data = PartitionProduceData::default()
            .with_index(partition)
            .with_records(Some(batch.unwrap().bytes));
        let topic = TopicProduceData::default()
            .with_name(TopicName(StrBytes::from_static_str("t")))
            .with_partition_data(vec![partition_data]);
        let request = ProduceRequest::default()
            .with_acks(-1)
            .with_timeout_ms(10_000)
            .with_topic_data(vec![topic]);
        let deadline = Instant::now() + 10 * SECOND;
        let topic = self.cluster.topic("t", false, deadline).await.unwrap();
        let (leader, _) = self.broker.leader("t", partition).unwrap();
        assert!(topic.partition(partition).is_some());
        let node = klamm_net::NodeId(leader);
        let connection = self.cluster.connection(node, Lane::Produce, deadline).await;
        let connection = connection.unwrap();
        let version = connection.version(ProduceRequest::API).unwrap();
        let version = version.min(PRODUCE_BY_NAME);
        let response = connection.request(&request, version, 10 * SECOND).await;
        let response = response.unwrap();
        assert_eq!(response.responses[0].partition_responses[0].error_code, 0);
    }

    /// What the group has committed for a partition of `t`.
    pub(crate) async fn committed(&self, partition: i32) -> Option<i64> {
        let consumer = self.consumer().build().await.unwrap();
        let partition = TopicPartition::new("t", partition);
        let committed = consumer.committed([partition]).await.unwrap();
        committed[0].1.as_ref().map(|committed| committed.offset)
    }
}

pub(crate) fn values(records: &Records) -> Vec<String> {
    records
        .iter()
        .map(|record| String::from_utf8(record.value.unwrap().to_vec()).unwrap())
        .collect()
}

pub(crate) fn expected(partition: i32, numbers: std::ops::Range<usize>) -> Vec<String> {
    numbers
        .map(|number| format!("{partition}-{number}"))
        .collect()
}

/// Polls until there are `count` records.
pub(crate) async fn read(consumer: &mut Consumer, count: usize) -> Vec<String> {
    let mut read = Vec::new();
    let all = async {
        while read.len() < count {
            read.extend(values(&consumer.poll().await.unwrap()));
        }
    };
    let in_time = timeout(20 * SECOND, all).await;
    assert!(
        in_time.is_ok(),
        "{} of {count} records: {read:?}",
        read.len()
    );
    read
}

/// Waits until `condition` holds.
pub(crate) async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + 20 * SECOND;
    while !condition() {
        assert!(Instant::now() < deadline, "{what} did not happen");
        tokio::time::sleep(MILLISECOND).await;
    }
}
