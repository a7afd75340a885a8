//! The test broker as its users see it.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::BrokerId;
use klamm_codec::ApiKey;
use tokio::io::DuplexStream;
use tokio::net::TcpListener;

use crate::api::Peer;
use crate::cluster::{Cluster, Node, Options};
use crate::fault::PlannedFault;
use crate::shared::Shared;
use crate::topic::TopicConfig;
use crate::{connection, server};

/// Bytes in flight in each direction of an in-memory connection.
const MEMORY_CONNECTION_BYTES: usize = 64 * 1024;
const NODES_MAX: usize = 1000;

/// What a test broker cannot do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TestBrokerError {
    /// A listener could not be opened.
    #[error("cannot listen on 127.0.0.1:{port}: {source}")]
    Listen {
        /// The port that was asked for; 0 is any.
        port: u16,
        /// The operating system's answer.
        source: std::io::Error,
    },
    /// The number of nodes cannot be.
    #[error("cannot start {nodes} nodes: use 1 to 1000, whose ports end below 65536")]
    Nodes {
        /// What was asked for.
        nodes: usize,
    },
    /// A topic could not be created.
    #[error("cannot create topic {topic} with {partitions} partitions: {reason}")]
    Topic {
        /// Its name.
        topic: String,
        /// How many partitions were asked for.
        partitions: i32,
        /// Kafka's words for it.
        reason: String,
    },
    /// There is no such node.
    #[error("there is no node {node}: nodes are numbered from 1 up to the number of nodes")]
    UnknownNode {
        /// What was asked for.
        node: i32,
    },
    /// There is no such partition.
    #[error("there is no partition {partition} of topic {topic}")]
    UnknownPartition {
        /// The topic's name.
        topic: String,
        /// The partition's index.
        partition: i32,
    },
    /// Too many faults are waiting for requests to hit.
    #[error("{max} faults are waiting already: clear them, or inject them as they are used")]
    TooManyFaults {
        /// How many may wait.
        max: usize,
    },
}

/// A Kafka cluster in this process.
///
/// It ends with [`TestBroker::shutdown`] or when dropped: listeners and connections close, and all
/// data is gone.
///
/// # Examples
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// use klamm_testbroker::{ApiKey, Fault, TestBroker};
///
/// let broker = TestBroker::builder().topic("orders", 6).start().await?;
/// println!("clients connect to {}", broker.bootstrap());
///
/// // The next Produce request is carried out, but the client does not learn of it.
/// broker.inject(ApiKey::PRODUCE, Fault::DropAfter)?;
/// # assert_eq!(broker.requests(ApiKey::PRODUCE), 0);
/// broker.shutdown().await;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct TestBroker {
    shared: Arc<Shared>,
}

impl TestBroker {
    /// Starts describing a broker.
    pub fn builder() -> TestBrokerBuilder {
        TestBrokerBuilder::default()
    }

    /// The addresses of all nodes, as for `bootstrap.servers`.
    pub fn bootstrap(&self) -> String {
        let cluster = self.shared.cluster();
        let address = |node: &Node| format!("{}:{}", node.host, node.port);
        cluster
            .nodes
            .iter()
            .map(address)
            .collect::<Vec<_>>()
            .join(",")
    }

    /// Connects to a node in memory. The addresses that the broker tells its clients are those of
    /// TCP all the same.
    ///
    /// # Errors
    /// There is no such node.
    pub fn connect(&self, node: i32) -> Result<DuplexStream, TestBrokerError> {
        let node = self.node(node)?;
        let (client, broker) = tokio::io::duplex(MEMORY_CONNECTION_BYTES);
        let peer = Peer {
            node,
            host: "/127.0.0.1".to_owned(),
        };
        self.shared
            .spawn(connection::serve(broker, Arc::clone(&self.shared), peer));
        Ok(client)
    }

    /// Makes `node` the leader of a partition, in a new leader epoch.
    ///
    /// # Errors
    /// There is no such partition or node.
    pub fn move_leader(
        &self,
        topic: &str,
        partition: i32,
        node: i32,
    ) -> Result<(), TestBrokerError> {
        let node = self.node(node)?;
        let mut cluster = self.shared.cluster();
        let (found, ..) = cluster
            .partition_mut(topic, partition)
            .map_err(|_| unknown_partition(topic, partition))?;
        found.move_leader(node);
        drop(cluster);
        self.shared.changed.notify_waiters();
        Ok(())
    }

    /// Elects a leader that lacks the records from `offset` on, in a new leader epoch, as
    /// `unclean.leader.election.enable` allows: they are lost, and the rest of their batch with them.
    ///
    /// # Errors
    /// There is no such partition or node.
    pub fn elect_unclean(
        &self,
        topic: &str,
        partition: i32,
        node: i32,
        offset: i64,
    ) -> Result<(), TestBrokerError> {
        let node = self.node(node)?;
        let mut cluster = self.shared.cluster();
        let (found, ..) = cluster
            .partition_mut(topic, partition)
            .map_err(|_| unknown_partition(topic, partition))?;
        found.log.truncate(offset);
        found.move_leader(node);
        drop(cluster);
        self.shared.changed.notify_waiters();
        Ok(())
    }

    /// Leaves `node` out of the metadata, as a controller does with one that has not been heard of for its session's time.
    /// What it led and coordinated stays with it until it is moved.
    ///
    /// # Errors
    /// There is no such node.
    pub fn fence(&self, node: i32) -> Result<(), TestBrokerError> {
        let id = self.node(node)?;
        let mut cluster = self.shared.cluster();
        for node in cluster.nodes.iter_mut().filter(|node| node.id == id) {
            node.is_fenced = true;
        }
        Ok(())
    }

    /// How many fetch sessions the nodes keep (KIP-227).
    pub fn fetch_sessions(&self) -> usize {
        self.shared.cluster().fetch_sessions.len()
    }

    /// Has the nodes forget all fetch sessions, as they do when they restart.
    pub fn forget_fetch_sessions(&self) {
        self.shared.cluster().fetch_sessions.clear();
    }

    /// Queues a fault for the next request of `api`, or as many as
    /// [`Fault::times`](crate::Fault::times) says. Faults of one API are used in the order of their
    /// injection, at most one per request.
    ///
    /// # Errors
    /// 10,000 faults are waiting already.
    pub fn inject(
        &self,
        api: ApiKey,
        fault: impl Into<PlannedFault>,
    ) -> Result<(), TestBrokerError> {
        self.shared.cluster().faults.push(api, fault.into())
    }

    /// Forgets all faults that hit nothing yet.
    pub fn clear_faults(&self) {
        self.shared.cluster().faults.clear();
    }

    /// How many requests of `api` came so far, those that met a fault included.
    pub fn requests(&self, api: ApiKey) -> u64 {
        self.shared.cluster().requests(api)
    }

    /// The batches that a partition holds, oldest first, as they were stored; none if there is no
    /// such partition.
    pub fn log(&self, topic: &str, partition: i32) -> Vec<Bytes> {
        let cluster = self.shared.cluster();
        cluster
            .partition(topic, partition)
            .map(|found| found.log.batches().cloned().collect())
            .unwrap_or_default()
    }

    /// The node that leads a partition, and in which epoch.
    pub fn leader(&self, topic: &str, partition: i32) -> Option<(i32, i32)> {
        let cluster = self.shared.cluster();
        cluster
            .partition(topic, partition)
            .ok()
            .map(|found| (found.leader.0, found.leader_epoch))
    }

    /// The producer id and epoch of a transactional id, and whether it has an open transaction; none
    /// if nobody has asked for it.
    pub fn transaction(&self, transactional_id: &str) -> Option<(i64, i16, bool)> {
        let cluster = self.shared.cluster();
        let (producer, is_open) = cluster.transactions.describe(transactional_id)?;
        Some((producer.id, producer.epoch, is_open))
    }

    /// The offset that a group has committed for a partition, if it has.
    pub fn committed(&self, group: &str, topic: &str, partition: i32) -> Option<i64> {
        let cluster = self.shared.cluster();
        let offsets = cluster.coordinator.offsets(group)?;
        offsets
            .get(&(topic.to_owned(), partition))
            .map(|committed| committed.offset)
    }

    /// Makes the next node the coordinator of all groups and transactional ids; what they know moves along.
    pub fn move_coordinators(&self) {
        self.shared.cluster().move_coordinators();
        self.shared.changed.notify_waiters();
    }

    /// The node that coordinates a group or transactional id.
    pub fn coordinator(&self, key: &str) -> i32 {
        self.shared.cluster().coordinator_of(key).id.0
    }

    /// Closes all connections and listeners, and returns when they are closed.
    ///
    /// # Cancel safety
    /// Once polled, everything ends also if the future is dropped.
    pub async fn shutdown(self) {
        if let Some(mut tasks) = self.shared.close() {
            tasks.shutdown().await;
        }
    }

    fn node(&self, node: i32) -> Result<BrokerId, TestBrokerError> {
        let known = self
            .shared
            .cluster()
            .node(BrokerId(node))
            .map(|node| node.id);
        known.ok_or(TestBrokerError::UnknownNode { node })
    }
}

impl Drop for TestBroker {
    fn drop(&mut self) {
        self.shared.close();
    }
}

fn unknown_partition(topic: &str, partition: i32) -> TestBrokerError {
    TestBrokerError::UnknownPartition {
        topic: topic.to_owned(),
        partition,
    }
}

/// Describes a [`TestBroker`]; made by [`TestBroker::builder`].
#[derive(Clone, Debug)]
#[must_use]
pub struct TestBrokerBuilder {
    port: u16,
    nodes: usize,
    topics: Vec<NewTopic>,
    seed: Option<u64>,
    options: Options,
}

#[derive(Clone, Debug)]
struct NewTopic {
    name: String,
    partitions: i32,
    configs: Vec<(String, String)>,
}

impl Default for TestBrokerBuilder {
    fn default() -> Self {
        let options = Options {
            partitions_default: 1,
            auto_create_topics: true,
            partition_bytes_max: 64 * 1024 * 1024,
            transaction_version: 2,
            before_kip_360: false,
            session_timeout_min: Duration::from_secs(6),
            consumer_session_timeout: Duration::from_secs(45),
            consumer_heartbeat_interval: Duration::from_secs(5),
        };
        Self {
            port: 0,
            nodes: 1,
            topics: Vec::new(),
            seed: None,
            options,
        }
    }
}

impl TestBrokerBuilder {
    /// Creates a topic at the start, on all nodes, its leaders spread over them.
    pub fn topic(self, name: impl Into<String>, partitions: i32) -> Self {
        self.topic_with(name, partitions, Vec::<(String, String)>::new())
    }

    /// Creates a topic with a configuration. `message.timestamp.type` and `max.message.bytes` are
    /// acted upon; other names that Kafka knows are accepted.
    pub fn topic_with<Name: Into<String>, Value: Into<String>>(
        mut self,
        name: impl Into<String>,
        partitions: i32,
        configs: impl IntoIterator<Item = (Name, Value)>,
    ) -> Self {
        let configs = configs
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        self.topics.push(NewTopic {
            name: name.into(),
            partitions,
            configs,
        });
        self
    }

    /// The port of the first node on 127.0.0.1; the others take the following ones. Default: 0, any
    /// free port for each.
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// How many nodes, numbered from 1. Default: 1. They share all data, so any can lead any
    /// partition.
    pub fn nodes(mut self, nodes: usize) -> Self {
        self.nodes = nodes;
        self
    }

    /// Partitions of topics created without a number (`num.partitions`). Default: 1.
    pub fn default_partitions(mut self, partitions: i32) -> Self {
        self.options.partitions_default = partitions;
        self
    }

    /// Whether a Metadata request that allows it creates topics (`auto.create.topics.enable`).
    /// Default: true, as with Kafka.
    pub fn auto_create_topics(mut self, create: bool) -> Self {
        self.options.auto_create_topics = create;
        self
    }

    /// Bytes of batches that a partition keeps; beyond, its oldest are dropped and its log starts
    /// later. Default: 64 MiB. The newest batch is kept whatever its size.
    pub fn max_partition_bytes(mut self, bytes: usize) -> Self {
        self.options.partition_bytes_max = bytes;
        self
    }

    /// Level of the feature `transaction.version`, 0 to 2; from 2 on clients use the transactions of
    /// KIP-890. Default: 2, as with Kafka 4.3.
    pub fn transaction_version(mut self, level: i16) -> Self {
        self.options.transaction_version = level;
        self
    }

    /// Treats producers as Apache Kafka did before 2.5: whoever has no records left in a partition is
    /// not known there and must begin at 0, else `UNKNOWN_PRODUCER_ID`; no epoch is bumped at its
    /// producer's request (KIP-360); and there are no transactions of KIP-890.
    pub fn before_kip_360(mut self) -> Self {
        self.options.before_kip_360 = true;
        self.options.transaction_version = 0;
        self
    }

    /// The shortest session timeout of a group member (`group.min.session.timeout.ms`). Default: 6
    /// s, as with Kafka.
    pub fn min_session_timeout(mut self, timeout: Duration) -> Self {
        self.options.session_timeout_min = timeout;
        self
    }

    /// A member of the consumer protocol that is silent for this long is dead
    /// (`group.consumer.session.timeout.ms`). Default: 45 s, as with Kafka.
    pub fn consumer_session_timeout(mut self, timeout: Duration) -> Self {
        self.options.consumer_session_timeout = timeout;
        self
    }

    /// Pause between the heartbeats of such a member, in whole milliseconds
    /// (`group.consumer.heartbeat.interval.ms`). Default: 5 s, as with Kafka.
    pub fn consumer_heartbeat_interval(mut self, interval: Duration) -> Self {
        self.options.consumer_heartbeat_interval = interval;
        self
    }

    /// Makes cluster, topic and member ids the same in every run, for simulation. Default: a new
    /// seed each time.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Opens the listeners, on loopback only, and starts serving.
    ///
    /// # Errors
    /// A port is taken, or a topic or the number of nodes is impossible.
    ///
    /// # Panics
    /// Outside of a tokio runtime with I/O and time enabled.
    ///
    /// # Cancel safety
    /// Nothing remains if the future is dropped.
    pub async fn start(self) -> Result<TestBroker, TestBrokerError> {
        let mut listeners = Vec::new();
        let mut nodes = Vec::new();
        let too_many = TestBrokerError::Nodes { nodes: self.nodes };
        if !(1..=NODES_MAX).contains(&self.nodes)
            || usize::from(self.port) + self.nodes > usize::from(u16::MAX)
        {
            return Err(too_many);
        }
        for index in 0..self.nodes as u16 {
            let port = if self.port == 0 { 0 } else { self.port + index };
            let listen = |source| TestBrokerError::Listen { port, source };
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
                .await
                .map_err(listen)?;
            let address = listener.local_addr().map_err(listen)?;
            let id = BrokerId(i32::from(index) + 1);
            nodes.push(Node {
                id,
                host: address.ip().to_string(),
                port: address.port(),
                is_fenced: false,
            });
            listeners.push((listener, id));
        }
        let seed = self
            .seed
            .unwrap_or_else(|| RandomState::new().hash_one(nodes[0].port));
        let mut cluster = Cluster::new(nodes, self.options, seed);
        for topic in self.topics {
            create(&mut cluster, &topic).map_err(|error| TestBrokerError::Topic {
                topic: topic.name,
                partitions: topic.partitions,
                reason: error.to_string(),
            })?;
        }
        let shared = Arc::new(Shared::new(cluster));
        for (listener, node) in listeners {
            shared.spawn(server::listen(listener, Arc::clone(&shared), node));
        }
        let timers = Arc::clone(&shared);
        shared.spawn(async move { timers.run_timers().await });
        Ok(TestBroker { shared })
    }
}

fn create(cluster: &mut Cluster, topic: &NewTopic) -> Result<(), ResponseError> {
    let mut config = TopicConfig::default();
    for (name, value) in &topic.configs {
        config.set(name, value)?;
    }
    cluster
        .create_topic(&topic.name, topic.partitions, None, config)
        .map(|_| ())
}
