//! Committing offsets.

use klamm_codec::ErrorCode;
use klamm_codec::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use klamm_codec::messages::{
    GroupId, OffsetCommitRequest, OffsetCommitResponse, StrBytes, TopicName,
};
use klamm_net::{Cluster, Error};
use tokio::time::Instant;

use super::{Offsets, by_topic, coordinated};
use crate::group::action::Generation;

/// Commits `offsets` as a member of `generation` (none: as no member).
///
/// # Cancel safety
/// A request on its way may still be processed.
pub(crate) async fn commit(
    cluster: &Cluster,
    group: &str,
    instance_id: Option<&str>,
    generation: &Generation,
    offsets: &Offsets,
    deadline: Instant,
) -> Result<(), Error> {
    let build = |version| request(group, instance_id, generation, offsets, version);
    coordinated::call(cluster, group, deadline, build, check).await?;
    Ok(())
}

fn request(
    group: &str,
    instance_id: Option<&str>,
    generation: &Generation,
    offsets: &Offsets,
    version: i16,
) -> OffsetCommitRequest {
    let text = |text: &str| StrBytes::from_string(text.to_owned());
    let topics = by_topic(offsets.iter())
        .into_iter()
        .map(|(topic, partitions)| {
            let partitions = partitions.into_iter().map(|(index, offset)| {
                let partition = OffsetCommitRequestPartition::default()
                    .with_partition_index(index)
                    .with_committed_offset(offset.offset)
                    .with_committed_metadata(Some(text(&offset.metadata)));
                if version >= 6 {
                    partition.with_committed_leader_epoch(offset.leader_epoch.unwrap_or(-1))
                } else {
                    partition
                }
            });
            OffsetCommitRequestTopic::default()
                .with_name(TopicName(text(topic)))
                .with_partitions(partitions.collect())
        });
    let request = OffsetCommitRequest::default()
        .with_group_id(GroupId(text(group)))
        .with_generation_id_or_member_epoch(generation.id)
        .with_member_id(text(&generation.member_id))
        .with_topics(topics.collect());
    if version >= 7 {
        request.with_group_instance_id(instance_id.map(text))
    } else {
        request
    }
}

fn check(response: &OffsetCommitResponse) -> Result<(), ErrorCode> {
    let partitions = response.topics.iter().flat_map(|topic| &topic.partitions);
    coordinated::worst(partitions.map(|partition| ErrorCode(partition.error_code)))
}

#[cfg(test)]
mod tests {
    use klamm_codec::ApiKey;
    use klamm_codec::messages::encode_request;
    use klamm_net::TopicPartition;

    use super::*;
    use crate::offset::OffsetAndMetadata;

    #[test]
    fn a_commit_encodes_in_every_version() {
        let mut offset = OffsetAndMetadata::new(5).metadata("mine");
        offset.leader_epoch = Some(3);
        let offsets = Offsets::from([(TopicPartition::new("t", 1), offset)]);
        let versions = ApiKey::OFFSET_COMMIT.versions().unwrap();
        for version in versions.min..=versions.max {
            let request = request("g", Some("i"), &Generation::none(), &offsets, version);
            encode_request(&request, version, 1, "c").unwrap();
        }
    }
}
