//! What a test broker is to be like, and its start.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::BrokerId;
use tokio::net::TcpListener;

use crate::broker::{TestBroker, TestBrokerError};
use crate::cluster::{Cluster, Node, Options};
use crate::server;
use crate::shared::Shared;
use crate::topic::TopicConfig;

const NODES_MAX: usize = 1000;

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
