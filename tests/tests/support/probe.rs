//! How long a partition, or a group's coordinator, was away by the brokers' own doing: somebody who does not have to
//! find the node, but asks every one all the time, had no record or commit acknowledged.

use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use klamm::NodeId;
use klamm::net::{Backoff, ClientConfig, Cluster, Lane};
use klamm_codec::batch::{BatchBuilder, ProducerIdentity};
use klamm_codec::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use klamm_codec::messages::produce_request::{PartitionProduceData, TopicProduceData};
use klamm_codec::messages::{GroupId, OffsetCommitRequest, ProduceRequest, StrBytes, TopicName};
use klamm_tests::Kafka;
use tokio::task::JoinSet;

use super::stretch::{Stretch, comes};

/// The newest version that names topics.
const VERSION: i16 = 12;
const COMMIT_VERSION: i16 = 9;
const PAUSE: Duration = Duration::from_millis(5);

/// Asks until it is dropped.
pub(crate) struct Probe {
    acknowledgements: Arc<Mutex<Stretch>>,
    _nodes: JoinSet<()>,
}

impl Probe {
    /// Writes to partition 0 of a topic.
    pub(crate) async fn start(kafka: &Kafka, topic: &str) -> Self {
        let request = Arc::new(request(topic));
        Self::asking(kafka, move |cluster, node| {
            let request = Arc::clone(&request);
            async move { write(&cluster, node, &request).await }
        })
        .await
    }

    /// Commits an offset of partition 0 of a topic, as no member of a group of its own.
    pub(crate) async fn committing(kafka: &Kafka, topic: &str) -> Self {
        let request = Arc::new(commit_request(topic));
        Self::asking(kafka, move |cluster, node| {
            let request = Arc::clone(&request);
            async move { commit(&cluster, node, &request).await }
        })
        .await
    }

    async fn asking<F>(
        kafka: &Kafka,
        ask: impl Fn(Cluster, NodeId) -> F + Clone + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = bool> + Send,
    {
        let mut config = ClientConfig::new(&kafka.bootstrap()).unwrap();
        config.reconnect_backoff = Backoff {
            initial: PAUSE,
            max: PAUSE,
        };
        let cluster = super::within(30, "connecting", Cluster::connect(config)).await;
        let cluster = cluster.unwrap();
        let acknowledgements = Arc::new(Mutex::new(Stretch::start()));
        let mut nodes = JoinSet::new();
        for node in kafka.nodes() {
            let (cluster, seen) = (cluster.clone(), Arc::clone(&acknowledgements));
            let (node, ask) = (NodeId(node.id()), ask.clone());
            nodes.spawn(async move {
                loop {
                    if ask(cluster.clone(), node).await {
                        seen.lock().unwrap().came();
                    }
                    tokio::time::sleep(PAUSE).await;
                }
            });
        }
        let probe = Self {
            acknowledgements,
            _nodes: nodes,
        };
        // Connected and warm.
        comes("the probe", 1, &probe.acknowledgements).await;
        *probe.acknowledgements.lock().unwrap() = Stretch::start();
        probe
    }

    /// The longest time without an acknowledgement.
    pub(crate) async fn end(self) -> Duration {
        comes("the probe", 1, &self.acknowledgements).await;
        self.acknowledgements.lock().unwrap().longest
    }
}

/// One record without a producer id, to be on all replicas in sync.
fn request(topic: &str) -> ProduceRequest {
    let mut batch = BatchBuilder::new(Vec::new());
    batch.append(1, None, Some(b"probe"), &[]);
    let batch = batch.seal(ProducerIdentity::NONE, false, None).unwrap();
    let data = PartitionProduceData::default().with_records(Some(batch.bytes));
    let topic = TopicProduceData::default()
        .with_name(TopicName(StrBytes::from_string(topic.to_owned())))
        .with_partition_data(vec![data]);
    ProduceRequest::default()
        .with_transactional_id(None)
        .with_acks(-1)
        .with_timeout_ms(10_000)
        .with_topic_data(vec![topic])
}

/// A commit of no member.
fn commit_request(topic: &str) -> OffsetCommitRequest {
    let partition = OffsetCommitRequestPartition::default().with_committed_offset(1);
    let topic = OffsetCommitRequestTopic::default()
        .with_name(TopicName(StrBytes::from_string(topic.to_owned())))
        .with_partitions(vec![partition]);
    OffsetCommitRequest::default()
        .with_group_id(GroupId(StrBytes::from_static_str("probe")))
        .with_generation_id_or_member_epoch(-1)
        .with_topics(vec![topic])
}

async fn commit(cluster: &Cluster, node: NodeId, request: &OffsetCommitRequest) -> bool {
    let limit = Duration::from_secs(10);
    let deadline = tokio::time::Instant::now() + limit;
    let Ok(connection) = cluster.connection(node, Lane::Group, deadline).await else {
        return false;
    };
    let answer = connection.request(request, COMMIT_VERSION, limit).await;
    answer.is_ok_and(|answer| answer.topics[0].partitions[0].error_code == 0)
}

async fn write(cluster: &Cluster, node: NodeId, request: &ProduceRequest) -> bool {
    let limit = Duration::from_secs(10);
    let deadline = tokio::time::Instant::now() + limit;
    let Ok(connection) = cluster.connection(node, Lane::Produce, deadline).await else {
        return false;
    };
    let answer = connection.request(request, VERSION, limit).await;
    answer.is_ok_and(|answer| answer.responses[0].partition_responses[0].error_code == 0)
}
