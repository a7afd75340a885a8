//! Asking a leader where offsets are in its logs: at the ends, or at a time.

use std::time::SystemTime;

use klamm_codec::ErrorCode;
use klamm_codec::api::Request;
use klamm_codec::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use klamm_codec::messages::{
    BrokerId, ListOffsetsRequest, ListOffsetsResponse, StrBytes, TopicName,
};
use klamm_net::{Cluster, Error, Lane, NodeId, TopicPartition};
use tokio::time::Instant;

use super::by_topic;
use crate::config::IsolationLevel;
use crate::fetch::ResetTo;

/// The isolation level is sent from this version on: the end is that of what may be read.
const ISOLATION_LEVEL_SINCE: i16 = 2;
/// Leader epochs are sent from this version on (KIP-320).
const LEADER_EPOCH_SINCE: i16 = 4;
/// The broker is told how long the client waits from this version on (KIP-1075).
const TIMEOUT_SINCE: i16 = 10;

/// What is asked about one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ListAt {
    pub(crate) to: ResetTo,
    /// Of the leader that is asked, or -1.
    pub(crate) leader_epoch: i32,
}

/// What the leader says about one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) code: ErrorCode,
    /// The offset, or -1 if there is no such record.
    pub(crate) offset: i64,
    /// Of the record there, or -1.
    pub(crate) timestamp: i64,
    /// Of the record there, or -1.
    pub(crate) leader_epoch: i32,
}

/// What `node`, the leader of the partitions, says, once: who asks decides about asking again.
///
/// # Cancel safety
/// Nothing is lost when the future is dropped.
pub(crate) async fn list_offsets(
    cluster: &Cluster,
    node: NodeId,
    isolation_level: IsolationLevel,
    mut asked: Vec<(TopicPartition, ListAt)>,
) -> Result<Vec<(TopicPartition, Listed)>, Error> {
    let timeout = cluster.config().request_timeout;
    let deadline = Instant::now() + timeout;
    let connection = cluster.connection(node, Lane::Control, deadline).await?;
    let version = connection.version(ListOffsetsRequest::API)?;
    let timeout_ms = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
    asked.sort_unstable_by(|left, right| left.0.cmp(&right.0));
    let request = request(&asked, isolation_level, timeout_ms, version);
    let response = connection.request(&request, version, timeout).await?;
    Ok(listed(&response))
}

/// The request of `version` about `asked`, which is sorted.
fn request(
    asked: &[(TopicPartition, ListAt)],
    isolation_level: IsolationLevel,
    timeout_ms: i32,
    version: i16,
) -> ListOffsetsRequest {
    let now = SystemTime::now();
    let asked = asked.iter().map(|(partition, at)| (partition, *at));
    let topics = by_topic(asked).into_iter().map(|(topic, partitions)| {
        let partitions = partitions.into_iter().map(|(index, at)| {
            let partition = ListOffsetsPartition::default()
                .with_partition_index(index)
                .with_timestamp(at.to.timestamp(now));
            if version >= LEADER_EPOCH_SINCE {
                partition.with_current_leader_epoch(at.leader_epoch)
            } else {
                partition
            }
        });
        ListOffsetsTopic::default()
            .with_name(TopicName(StrBytes::from_string(topic.to_owned())))
            .with_partitions(partitions.collect())
    });
    let mut request = ListOffsetsRequest::default()
        .with_replica_id(BrokerId(-1))
        .with_topics(topics.collect());
    if version >= ISOLATION_LEVEL_SINCE {
        request = request.with_isolation_level(isolation_level.on_wire());
    }
    if version >= TIMEOUT_SINCE {
        request = request.with_timeout_ms(timeout_ms);
    }
    request
}

fn listed(response: &ListOffsetsResponse) -> Vec<(TopicPartition, Listed)> {
    let topics = response.topics.iter().flat_map(|topic| {
        let partitions = topic.partitions.iter();
        partitions.map(move |partition| (topic.name.as_str(), partition))
    });
    topics
        .map(|(topic, partition)| {
            let listed = Listed {
                code: ErrorCode(partition.error_code),
                offset: partition.offset,
                timestamp: partition.timestamp,
                leader_epoch: partition.leader_epoch,
            };
            (
                TopicPartition::new(topic, partition.partition_index),
                listed,
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use klamm_codec::ApiKey;
    use klamm_codec::messages::encode_request;

    use super::*;

    #[test]
    fn a_request_encodes_in_every_version() {
        let at = |to, leader_epoch| ListAt { to, leader_epoch };
        let asked = [
            (TopicPartition::new("a", 0), at(ResetTo::Latest, -1)),
            (TopicPartition::new("t", 1), at(ResetTo::Earliest, 4)),
            (TopicPartition::new("t", 2), at(ResetTo::Timestamp(77), 4)),
        ];
        let versions = ApiKey::LIST_OFFSETS.versions().unwrap();
        for version in versions.min..=versions.max {
            let request = request(&asked, IsolationLevel::ReadCommitted, 1000, version);
            encode_request(&request, version, 1, "c").unwrap();
        }
    }
}
