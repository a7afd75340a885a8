//! The test broker as its users see it.

use std::sync::Arc;

use bytes::Bytes;
use kafka_protocol::messages::BrokerId;
use klamm_codec::ApiKey;
use tokio::io::DuplexStream;

use crate::api::Peer;
use crate::builder::TestBrokerBuilder;
use crate::cluster::Node;
use crate::connection;
use crate::fault::PlannedFault;
use crate::shared::Shared;

/// Bytes in flight in each direction of an in-memory connection.
const MEMORY_CONNECTION_BYTES: usize = 64 * 1024;

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
    pub(crate) shared: Arc<Shared>,
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
        let described = cluster.transactions.describe(transactional_id)?;
        let is_open = described.open_since.is_some();
        Some((described.producer.id, described.producer.epoch, is_open))
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
