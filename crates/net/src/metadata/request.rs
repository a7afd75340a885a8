//! Metadata requests and their answers.

use std::sync::Arc;

use klamm_codec::ErrorCode;
use klamm_codec::messages::metadata_request::MetadataRequestTopic;
use klamm_codec::messages::metadata_response::{MetadataResponsePartition, MetadataResponseTopic};
use klamm_codec::messages::{MetadataRequest, MetadataResponse, StrBytes, TopicName};

use super::snapshot::{Answer, Broker, Partition, Topic};
use crate::node::{NodeId, TopicId};

/// Asks for `topics` by name; for none of them, brokers only.
pub(crate) fn request(topics: &[Arc<str>], auto_create: bool, version: i16) -> MetadataRequest {
    let topic = |name: &Arc<str>| {
        let name = TopicName(StrBytes::from_string(name.to_string()));
        MetadataRequestTopic::default().with_name(Some(name))
    };
    let request = MetadataRequest::default().with_topics(Some(topics.iter().map(topic).collect()));
    // Up to version 3 brokers create what they are asked for if they are configured to.
    if version >= 4 {
        request.with_allow_auto_topic_creation(auto_create)
    } else {
        request
    }
}

/// What `response` says, or why the broker says nothing.
pub(crate) fn answer(response: MetadataResponse) -> Result<Answer, ErrorCode> {
    ErrorCode(response.error_code).check()?;
    let mut brokers: Vec<_> = response
        .brokers
        .iter()
        .filter_map(|it| Broker::told(it.node_id.0, &it.host, it.port, it.rack.as_deref()))
        .collect();
    brokers.sort_by_key(|broker| broker.node);
    Ok(Answer {
        cluster_id: response.cluster_id.map(|id| id.to_string()),
        controller: node(response.controller_id.0),
        brokers,
        topics: response.topics.into_iter().filter_map(topic).collect(),
    })
}

fn node(id: i32) -> Option<NodeId> {
    (id >= 0).then_some(NodeId(id))
}

fn topic(topic: MetadataResponseTopic) -> Option<Topic> {
    let mut partitions: Vec<_> = topic.partitions.into_iter().map(partition).collect();
    partitions.sort_by_key(|partition| partition.index);
    // Positions are used as indices; Kafka's partitions have no gaps.
    let gapless = partitions
        .iter()
        .zip(0..)
        .all(|(partition, index)| partition.index == index);
    Some(Topic {
        name: Arc::from(topic.name?.0.as_str()),
        id: TopicId(topic.topic_id.into_bytes()),
        error: ErrorCode(topic.error_code),
        is_internal: topic.is_internal,
        partitions: if gapless { partitions } else { Vec::new() },
    })
}

fn partition(partition: MetadataResponsePartition) -> Partition {
    let nodes =
        |ids: Vec<klamm_codec::messages::BrokerId>| ids.iter().map(|id| NodeId(id.0)).collect();
    Partition {
        index: partition.partition_index,
        leader: node(partition.leader_id.0),
        leader_epoch: partition.leader_epoch,
        replicas: nodes(partition.replica_nodes),
        in_sync_replicas: nodes(partition.isr_nodes),
        error: ErrorCode(partition.error_code),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broker_that_refuses_to_tell_has_told_nothing() {
        let refused = MetadataResponse::default().with_error_code(129);
        assert_eq!(answer(refused).err(), Some(ErrorCode::REBOOTSTRAP_REQUIRED));
        assert!(answer(MetadataResponse::default()).is_ok());
    }
}
