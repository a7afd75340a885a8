//! The directories in which brokers keep replicas (KIP-113).

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use klamm_codec::messages::alter_replica_log_dirs_request::{
    AlterReplicaLogDir, AlterReplicaLogDirTopic,
};
use klamm_codec::messages::describe_log_dirs_request::DescribableLogDirTopic;
use klamm_codec::messages::{
    AlterReplicaLogDirsRequest, AlterReplicaLogDirsResponse, DescribeLogDirsRequest,
    DescribeLogDirsResponse,
};
use klamm_codec::{ApiKey, ErrorCode};
use klamm_net::{NodeId, TopicPartition};

use crate::admin::Admin;
use crate::driver::{Answers, Batch, Call, Target, drive};
use crate::error::Error;
use crate::results::Results;
use crate::wire::{indexes_by_topic, text};

/// A directory of a broker.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogDir {
    /// Size of its volume, in bytes; `None` before Kafka 3.3.
    pub total_bytes: Option<u64>,
    /// Room that is left on its volume, in bytes; `None` before Kafka 3.3.
    pub usable_bytes: Option<u64>,
    /// Replicas in it.
    pub replicas: BTreeMap<TopicPartition, ReplicaLog>,
}

/// A replica in a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReplicaLog {
    /// Size of its segments, in bytes.
    pub bytes: u64,
    /// How many records it is behind: the high watermark, or the replica whose place it takes.
    pub offset_lag: i64,
    /// Whether it is on its way here, to take the place of the one in another directory.
    pub is_future: bool,
}

/// Directories of a broker by path; one that is broken has a failure.
pub type LogDirs = Results<String, LogDir>;

/// A replica: a partition on one of its brokers.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Replica {
    /// The partition.
    pub partition: TopicPartition,
    /// The broker.
    pub node: NodeId,
}

impl fmt::Display for Replica {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on broker {}", self.partition, self.node)
    }
}

impl Admin {
    /// The directories of brokers and the replicas in them.
    ///
    /// # Errors
    /// [`Error::Net`] if nothing is known about any of the brokers; what befalls one is in its
    /// result: `CLUSTER_AUTHORIZATION_FAILED`, a broker that is not there.
    pub async fn describe_log_dirs(
        &self,
        nodes: impl IntoIterator<Item = NodeId>,
    ) -> Result<Results<NodeId, LogDirs>, Error> {
        drive(self, Describe(None), nodes).await
    }

    /// As [`Admin::describe_log_dirs`] with these partitions' replicas alone.
    ///
    /// # Errors
    /// As there.
    pub async fn describe_log_dirs_with(
        &self,
        nodes: impl IntoIterator<Item = NodeId>,
        partitions: impl IntoIterator<Item = TopicPartition>,
    ) -> Result<Results<NodeId, LogDirs>, Error> {
        let partitions = partitions.into_iter().collect();
        drive(self, Describe(Some(partitions)), nodes).await
    }

    /// Begins to move replicas to other directories of their brokers.
    ///
    /// # Errors
    /// [`Error::Invalid`] if a replica is there twice, [`Error::Net`] if nothing is known about any
    /// of them; what befalls one is in its result: `LOG_DIR_NOT_FOUND`, `REPLICA_NOT_AVAILABLE`.
    pub async fn alter_replica_log_dirs<S: Into<String>>(
        &self,
        moves: impl IntoIterator<Item = (Replica, S)>,
    ) -> Result<Results<Replica, ()>, Error> {
        let moves: Vec<_> = moves
            .into_iter()
            .map(|(it, path)| (it, path.into()))
            .collect();
        let replicas: Vec<_> = moves.iter().map(|(it, _)| it.clone()).collect();
        let call = Alter(moves.into_iter().collect());
        if call.0.len() < replicas.len() {
            return Err(Error::invalid("replicas to move", "one is there twice"));
        }
        drive(self, call, replicas).await
    }
}

/// With the partitions to tell of.
struct Describe(Option<Vec<TopicPartition>>);

impl Call for Describe {
    const NOUN: &'static str = "broker";
    type Key = NodeId;
    type Value = LogDirs;
    type Request = DescribeLogDirsRequest;

    fn target(&self, node: &NodeId) -> Target {
        Target::Node(*node)
    }

    fn request(&self, _: &Batch<NodeId>) -> Result<DescribeLogDirsRequest, Error> {
        let topic = |(topic, indexes)| {
            DescribableLogDirTopic::default()
                .with_topic(topic)
                .with_partitions(indexes)
        };
        let partitions = self.0.as_ref();
        let topics = partitions.map(|some| indexes_by_topic(some).map(topic).collect());
        Ok(DescribeLogDirsRequest::default().with_topics(topics))
    }

    fn read(
        &self,
        batch: &Batch<NodeId>,
        response: DescribeLogDirsResponse,
        answers: &mut Answers<NodeId, LogDirs>,
    ) {
        answers.throttled(response.throttle_time_ms);
        let node = batch.keys[0];
        // Before version 3 an answer without directories meant that it may not be told.
        let unauthorized = batch.version < 3 && response.results.is_empty();
        let code = if unauthorized {
            ErrorCode::CLUSTER_AUTHORIZATION_FAILED.0
        } else {
            response.error_code
        };
        let directories = response.results.into_iter().map(|dir| {
            let path = dir.log_dir.to_string();
            if let Err(code) = ErrorCode(dir.error_code).check() {
                let what = format!("directory {path} of broker {node}");
                let error = Error::refused(ApiKey::DESCRIBE_LOG_DIRS, what, code);
                return (path, Err(error));
            }
            let replicas = dir.topics.iter().flat_map(|topic| {
                topic.partitions.iter().map(|replica| {
                    let key = TopicPartition::new(topic.name.as_str(), replica.partition_index);
                    let log = ReplicaLog {
                        bytes: u64::try_from(replica.partition_size).unwrap_or(0),
                        offset_lag: replica.offset_lag,
                        is_future: replica.is_future_key,
                    };
                    (key, log)
                })
            });
            let dir = LogDir {
                total_bytes: u64::try_from(dir.total_bytes).ok(),
                usable_bytes: u64::try_from(dir.usable_bytes).ok(),
                replicas: replicas.collect(),
            };
            (path, Ok(dir))
        });
        answers.answer(node, code, None, || Results::of(directories));
    }
}

struct Alter(HashMap<Replica, String>);

impl Call for Alter {
    const NOUN: &'static str = "replica";
    type Key = Replica;
    type Value = ();
    type Request = AlterReplicaLogDirsRequest;

    fn target(&self, replica: &Replica) -> Target {
        Target::Node(replica.node)
    }

    fn request(&self, batch: &Batch<Replica>) -> Result<AlterReplicaLogDirsRequest, Error> {
        let mut by_path: BTreeMap<&str, Vec<&TopicPartition>> = BTreeMap::new();
        for replica in &batch.keys {
            let path = by_path.entry(&self.0[replica]).or_default();
            path.push(&replica.partition);
        }
        let dirs = by_path.into_iter().map(|(path, partitions)| {
            let topics = indexes_by_topic(partitions).map(|(name, indexes)| {
                AlterReplicaLogDirTopic::default()
                    .with_name(name)
                    .with_partitions(indexes)
            });
            AlterReplicaLogDir::default()
                .with_path(text(path))
                .with_topics(topics.collect())
        });
        Ok(AlterReplicaLogDirsRequest::default().with_dirs(dirs.collect()))
    }

    fn read(
        &self,
        batch: &Batch<Replica>,
        response: AlterReplicaLogDirsResponse,
        answers: &mut Answers<Replica, ()>,
    ) {
        answers.throttled(response.throttle_time_ms);
        let node = batch.keys[0].node;
        for topic in response.results {
            for partition in topic.partitions {
                let index = partition.partition_index;
                let partition_of = TopicPartition::new(topic.topic_name.as_str(), index);
                let replica = Replica {
                    partition: partition_of,
                    node,
                };
                answers.answer(replica, partition.error_code, None, || ());
            }
        }
    }
}
