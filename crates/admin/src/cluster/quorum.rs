//! The quorum of controllers (`KRaft`).

use klamm_codec::messages::describe_quorum_request::{PartitionData, TopicData};
use klamm_codec::messages::describe_quorum_response::ReplicaState;
use klamm_codec::messages::{DescribeQuorumRequest, DescribeQuorumResponse};
use klamm_net::{HostPort, NodeId};

use super::directory::DirectoryId;
use crate::admin::Admin;
use crate::driver::{Answers, Batch, Call, Target, drive_one};
use crate::error::Error;
use crate::wire::{Whole, node, topic_name};

/// The topic whose log the controllers share.
const METADATA_TOPIC: &str = "__cluster_metadata";

/// The controllers, and who follows them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Quorum {
    /// The active controller, if there is one.
    pub leader: Option<NodeId>,
    /// Its epoch.
    pub leader_epoch: i32,
    /// The offset up to which the metadata is agreed on.
    pub high_watermark: i64,
    /// The controllers that vote.
    pub voters: Vec<QuorumReplica>,
    /// Those who follow: brokers, controllers that do not vote.
    pub observers: Vec<QuorumReplica>,
    /// Where controllers listen (Kafka 3.9).
    pub listeners: Vec<QuorumListener>,
}

/// Somebody who has the metadata log.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct QuorumReplica {
    /// Its id.
    pub node: NodeId,
    /// Id of its log directory; zero before Kafka 3.9 or if it has none.
    pub directory: DirectoryId,
    /// The end of its log, as the leader knows; `None` if it does not.
    pub log_end_offset: Option<i64>,
    /// When it fetched last, in milliseconds since 1970, by the leader's clock.
    pub last_fetch_timestamp: Option<i64>,
    /// When it had everything last, likewise.
    pub last_caught_up_timestamp: Option<i64>,
}

/// Where a controller listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuorumListener {
    /// The controller.
    pub node: NodeId,
    /// Name of the listener.
    pub name: String,
    /// Address.
    pub address: HostPort,
}

impl Admin {
    /// The quorum of controllers and how far each of them is (KIP-595, Kafka 3.3).
    ///
    /// # Errors
    /// [`Error::Refused`] without permission, [`Error::Net`].
    pub async fn describe_quorum(&self) -> Result<Quorum, Error> {
        drive_one(self, Describe, Whole("the quorum")).await
    }
}

struct Describe;

impl Call for Describe {
    const FOR_CONTROLLERS: bool = true;
    type Key = Whole;
    type Value = Quorum;
    type Request = DescribeQuorumRequest;

    fn target(&self, _: &Whole) -> Target {
        Target::Any
    }

    fn request(&self, _: &Batch<Whole>) -> Result<DescribeQuorumRequest, Error> {
        let partition = PartitionData::default().with_partition_index(0);
        let topic = TopicData::default()
            .with_topic_name(topic_name(METADATA_TOPIC))
            .with_partitions(vec![partition]);
        Ok(DescribeQuorumRequest::default().with_topics(vec![topic]))
    }

    fn read(
        &self,
        batch: &Batch<Whole>,
        response: DescribeQuorumResponse,
        answers: &mut Answers<Whole, Quorum>,
    ) {
        let message = response.error_message.as_ref();
        if !answers.all_accepted(batch, response.error_code, message) {
            return;
        }
        let listeners = response.nodes.into_iter().flat_map(|node| {
            let node_id = NodeId(node.node_id.0);
            let listeners = node.listeners.into_iter();
            listeners.map(move |listener| QuorumListener {
                node: node_id,
                name: listener.name.to_string(),
                address: HostPort {
                    host: listener.host.to_string(),
                    port: listener.port,
                },
            })
        });
        let mut partitions = response.topics.into_iter().flat_map(|it| it.partitions);
        let Some(partition) = partitions.next() else {
            return;
        };
        let replicas = |states: &[ReplicaState]| states.iter().map(replica).collect();
        let quorum = || Quorum {
            leader: node(partition.leader_id.0),
            leader_epoch: partition.leader_epoch,
            high_watermark: partition.high_watermark,
            voters: replicas(&partition.current_voters),
            observers: replicas(&partition.observers),
            listeners: listeners.collect(),
        };
        let key = batch.keys[0].clone();
        answers.answer(key, partition.error_code, partition.error_message, quorum);
    }
}

fn replica(state: &ReplicaState) -> QuorumReplica {
    let known = |number: i64| (number >= 0).then_some(number);
    QuorumReplica {
        node: NodeId(state.replica_id.0),
        directory: DirectoryId::of(state.replica_directory_id),
        log_end_offset: known(state.log_end_offset),
        last_fetch_timestamp: known(state.last_fetch_timestamp),
        last_caught_up_timestamp: known(state.last_caught_up_timestamp),
    }
}
