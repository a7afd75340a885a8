//! Asking a leader for the ends of its logs.

use klamm_codec::ErrorCode;
use klamm_codec::api::Request;
use klamm_codec::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use klamm_codec::messages::{
    BrokerId, ListOffsetsRequest, ListOffsetsResponse, StrBytes, TopicName,
};
use klamm_net::{Cluster, Error, Lane, TopicPartition};
use tokio::time::Instant;

use super::by_topic;
use crate::fetch::{Found, Position, ResetPlan};

/// Leader epochs are sent from this version on (KIP-320).
const LEADER_EPOCH_SINCE: i16 = 4;
/// The broker is told how long the client waits from this version on (KIP-1075).
const TIMEOUT_SINCE: i16 = 10;

/// What the leader named in `plan` says, once: who asks decides about asking again.
///
/// # Cancel safety
/// Nothing is lost when the future is dropped.
pub(crate) async fn list_offsets(
    cluster: &Cluster,
    plan: &ResetPlan,
) -> Result<Vec<(TopicPartition, Found)>, Error> {
    let timeout = cluster.config().request_timeout;
    let deadline = Instant::now() + timeout;
    let connection = cluster
        .connection(plan.node, Lane::Control, deadline)
        .await?;
    let version = connection.version(ListOffsetsRequest::API)?;
    let timeout_ms = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
    let request = request(plan, timeout_ms, version);
    let response = connection.request(&request, version, timeout).await?;
    Ok(found(&response))
}

fn request(plan: &ResetPlan, timeout_ms: i32, version: i16) -> ListOffsetsRequest {
    let mut asked: Vec<_> = plan.partitions.iter().collect();
    asked.sort_unstable_by(|left, right| left.0.partition.cmp(&right.0.partition));
    let asked = asked
        .into_iter()
        .map(|(lookup, to, epoch)| (&lookup.partition, (to.timestamp(), *epoch)));
    let topics = by_topic(asked).into_iter().map(|(topic, partitions)| {
        let partitions = partitions.into_iter().map(|(index, (timestamp, epoch))| {
            let partition = ListOffsetsPartition::default()
                .with_partition_index(index)
                .with_timestamp(timestamp);
            if version >= LEADER_EPOCH_SINCE {
                partition.with_current_leader_epoch(epoch)
            } else {
                partition
            }
        });
        ListOffsetsTopic::default()
            .with_name(TopicName(StrBytes::from_string(topic.to_owned())))
            .with_partitions(partitions.collect())
    });
    let request = ListOffsetsRequest::default()
        .with_replica_id(BrokerId(-1))
        .with_topics(topics.collect());
    if version >= TIMEOUT_SINCE {
        request.with_timeout_ms(timeout_ms)
    } else {
        request
    }
}

fn found(response: &ListOffsetsResponse) -> Vec<(TopicPartition, Found)> {
    let topics = response.topics.iter().flat_map(|topic| {
        let partitions = topic.partitions.iter();
        partitions.map(move |partition| (topic.name.as_str(), partition))
    });
    topics
        .map(|(topic, partition)| {
            let found = match ErrorCode(partition.error_code) {
                ErrorCode::NONE if partition.offset >= 0 => Found::Position(Position {
                    offset: partition.offset,
                    leader_epoch: partition.leader_epoch,
                }),
                ErrorCode::NONE | ErrorCode::UNSUPPORTED_FOR_MESSAGE_FORMAT => Found::Nothing,
                code => Found::Refused(code),
            };
            (TopicPartition::new(topic, partition.partition_index), found)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use klamm_codec::ApiKey;
    use klamm_codec::messages::encode_request;
    use klamm_net::NodeId;

    use super::*;
    use crate::fetch::ResetTo;
    use crate::fetch::testing::lookup;

    #[test]
    fn a_request_encodes_in_every_version() {
        let plan = ResetPlan {
            node: NodeId(1),
            partitions: vec![
                (lookup("t", 1), ResetTo::Earliest, 4),
                (lookup("a", 0), ResetTo::Latest, -1),
            ],
        };
        let versions = ApiKey::LIST_OFFSETS.versions().unwrap();
        for version in versions.min..=versions.max {
            encode_request(&request(&plan, 1000, version), version, 1, "c").unwrap();
        }
    }
}
