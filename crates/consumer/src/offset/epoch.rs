//! Asking leaders where leader epochs end in their logs (KIP-320).

use klamm_codec::ErrorCode;
use klamm_codec::api::Request;
use klamm_codec::messages::offset_for_leader_epoch_request::{
    OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use klamm_codec::messages::{
    BrokerId, OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse, StrBytes, TopicName,
};
use klamm_net::{Cluster, Error, Lane, TopicPartition};
use tokio::time::Instant;

use super::by_topic;
use crate::fetch::{EpochEnd, PlannedLookup, Position, ValidationPlan};

/// Consumers may ask from this version on; before, it was for those who administer the cluster.
const CONSUMERS_SINCE: i16 = 3;

/// What the leader in `plan` says, once; none if it does not answer consumers.
///
/// # Cancel safety
/// Nothing is lost when the future is dropped.
pub(crate) async fn ends_of_epochs(
    cluster: &Cluster,
    plan: &ValidationPlan,
) -> Result<Option<Vec<(TopicPartition, EpochEnd)>>, Error> {
    let timeout = cluster.config().request_timeout;
    let deadline = Instant::now() + timeout;
    let connection = cluster
        .connection(plan.node, Lane::Control, deadline)
        .await?;
    let version = match connection.version(OffsetForLeaderEpochRequest::API) {
        Ok(version) if version >= CONSUMERS_SINCE => version,
        Ok(_) | Err(Error::UnsupportedVersion { .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    let request = request(&plan.partitions);
    let response = connection.request(&request, version, timeout).await?;
    Ok(Some(found(&response)))
}

fn request(asked: &[(PlannedLookup, Position)]) -> OffsetForLeaderEpochRequest {
    let mut asked: Vec<_> = asked.iter().collect();
    asked.sort_unstable_by(|left, right| left.0.partition.cmp(&right.0.partition));
    let asked = asked.into_iter().map(|(lookup, position)| {
        (
            &lookup.partition,
            (lookup.leader_epoch, position.leader_epoch),
        )
    });
    let topics = by_topic(asked).into_iter().map(|(topic, partitions)| {
        let partitions = partitions.into_iter().map(|(index, (current, epoch))| {
            OffsetForLeaderPartition::default()
                .with_partition(index)
                .with_current_leader_epoch(current)
                .with_leader_epoch(epoch)
        });
        OffsetForLeaderTopic::default()
            .with_topic(TopicName(StrBytes::from_string(topic.to_owned())))
            .with_partitions(partitions.collect())
    });
    OffsetForLeaderEpochRequest::default()
        .with_replica_id(BrokerId(-1))
        .with_topics(topics.collect())
}

fn found(response: &OffsetForLeaderEpochResponse) -> Vec<(TopicPartition, EpochEnd)> {
    let topics = response.topics.iter().flat_map(|topic| {
        let partitions = topic.partitions.iter();
        partitions.map(move |partition| (topic.topic.as_str(), partition))
    });
    topics
        .map(|(topic, partition)| {
            let is_known = partition.end_offset >= 0 && partition.leader_epoch >= 0;
            let end = is_known.then_some(Position {
                offset: partition.end_offset,
                leader_epoch: partition.leader_epoch,
            });
            let end = match ErrorCode(partition.error_code) {
                ErrorCode::NONE => EpochEnd::Known(end),
                code => EpochEnd::Refused(code),
            };
            (TopicPartition::new(topic, partition.partition), end)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use klamm_codec::ApiKey;
    use klamm_codec::messages::encode_request;

    use super::*;

    #[test]
    fn a_request_encodes_in_every_version_that_is_used() {
        let lookup = crate::fetch::testing::lookup("t", 3);
        let position = Position {
            offset: 5,
            leader_epoch: 2,
        };
        let request = request(&[(lookup, position)]);
        let versions = ApiKey::OFFSET_FOR_LEADER_EPOCH.versions().unwrap();
        for version in CONSUMERS_SINCE..=versions.max {
            encode_request(&request, version, 1, "c").unwrap();
        }
    }
}
