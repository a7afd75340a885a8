//! The offsets that a group has committed.

use std::collections::HashMap;

use klamm_codec::ErrorCode;
use klamm_codec::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use klamm_codec::messages::{
    GroupId, OffsetFetchRequest, OffsetFetchResponse, StrBytes, TopicName,
};
use klamm_net::{Cluster, Error, TopicPartition};
use tokio::time::Instant;

use super::{OffsetAndMetadata, by_topic, coordinated};
use crate::group::action::Generation;

/// Groups are asked for in a list from this version on (KIP-709).
const BATCHED_SINCE: i16 = 8;
/// Offsets of open transactions are waited for from this version on (KIP-447). A coordinator that has just taken over also
/// waits then until it is sure of the last commits; without it answers that there are none.
const REQUIRE_STABLE_SINCE: i16 = 7;
/// Members say who they are from this version on (KIP-848).
const MEMBER_SINCE: i16 = 9;

/// What `group` has committed for `partitions`, which are sorted. `member` tells for each attempt as which
/// member to ask; its epoch may change meanwhile.
///
/// # Cancel safety
/// Nothing is lost when the future is dropped.
pub(crate) async fn committed(
    cluster: &Cluster,
    group: &str,
    member: impl Fn() -> Option<Generation>,
    partitions: &[TopicPartition],
    deadline: Instant,
) -> Result<Vec<(TopicPartition, Option<OffsetAndMetadata>)>, Error> {
    let build = |version| request(group, member().as_ref(), partitions, version);
    let check = |response: &OffsetFetchResponse| check(response);
    let response = coordinated::call(cluster, group, deadline, build, check).await?;
    let found: HashMap<(&str, i32), Entry<'_>> = entries(&response)
        .into_iter()
        .map(|entry| ((entry.topic, entry.partition), entry))
        .collect();
    let committed = |partition: &TopicPartition| {
        let found = found.get(&(&*partition.topic, partition.partition));
        (partition.clone(), found.and_then(Entry::offset))
    };
    Ok(partitions.iter().map(committed).collect())
}

fn request(
    group: &str,
    member: Option<&Generation>,
    partitions: &[TopicPartition],
    version: i16,
) -> OffsetFetchRequest {
    let text = |text: &str| StrBytes::from_string(text.to_owned());
    let topics = by_topic(partitions.iter().map(|partition| (partition, ())));
    let indexes = |partitions: &[(i32, ())]| partitions.iter().map(|(index, ())| *index).collect();
    let mut request = OffsetFetchRequest::default();
    if version >= REQUIRE_STABLE_SINCE {
        request = request.with_require_stable(true);
    }
    if version >= BATCHED_SINCE {
        let topics = topics.iter().map(|(topic, partitions)| {
            OffsetFetchRequestTopics::default()
                .with_name(TopicName(text(topic)))
                .with_partition_indexes(indexes(partitions))
        });
        let mut group = OffsetFetchRequestGroup::default()
            .with_group_id(GroupId(text(group)))
            .with_topics(Some(topics.collect()));
        if let Some(member) = member.filter(|_| version >= MEMBER_SINCE) {
            group = group
                .with_member_id(Some(text(&member.member_id)))
                .with_member_epoch(member.id);
        }
        return request.with_groups(vec![group]);
    }
    let topics = topics.iter().map(|(topic, partitions)| {
        OffsetFetchRequestTopic::default()
            .with_name(TopicName(text(topic)))
            .with_partition_indexes(indexes(partitions))
    });
    request
        .with_group_id(GroupId(text(group)))
        .with_topics(Some(topics.collect()))
}

/// One partition of a response of any version.
struct Entry<'a> {
    topic: &'a str,
    partition: i32,
    offset: i64,
    leader_epoch: i32,
    metadata: Option<&'a str>,
    code: ErrorCode,
}

impl Entry<'_> {
    fn offset(&self) -> Option<OffsetAndMetadata> {
        if self.offset < 0 {
            return None;
        }
        let metadata = self.metadata.unwrap_or_default();
        let mut offset = OffsetAndMetadata::new(self.offset).metadata(metadata);
        offset.leader_epoch = (self.leader_epoch >= 0).then_some(self.leader_epoch);
        Some(offset)
    }
}

fn entries(response: &OffsetFetchResponse) -> Vec<Entry<'_>> {
    let old = response.topics.iter().flat_map(|topic| {
        topic.partitions.iter().map(|partition| Entry {
            topic: &topic.name,
            partition: partition.partition_index,
            offset: partition.committed_offset,
            leader_epoch: partition.committed_leader_epoch,
            metadata: partition.metadata.as_ref().map(StrBytes::as_str),
            code: ErrorCode(partition.error_code),
        })
    });
    let topics = response.groups.iter().flat_map(|group| &group.topics);
    let batched = topics.flat_map(|topic| {
        topic.partitions.iter().map(|partition| Entry {
            topic: &topic.name,
            partition: partition.partition_index,
            offset: partition.committed_offset,
            leader_epoch: partition.committed_leader_epoch,
            metadata: partition.metadata.as_ref().map(StrBytes::as_str),
            code: ErrorCode(partition.error_code),
        })
    });
    old.chain(batched).collect()
}

fn check(response: &OffsetFetchResponse) -> Result<(), ErrorCode> {
    let groups = response.groups.iter().map(|group| group.error_code);
    let whole = std::iter::once(response.error_code).chain(groups);
    let single = entries(response).into_iter().map(|entry| entry.code);
    coordinated::worst(whole.map(ErrorCode).chain(single))
}

#[cfg(test)]
mod tests {
    use klamm_codec::ApiKey;
    use klamm_codec::messages::encode_request;
    use klamm_codec::messages::offset_fetch_response::{
        OffsetFetchResponseGroup, OffsetFetchResponsePartitions, OffsetFetchResponseTopics,
    };

    use super::*;

    #[test]
    fn a_request_encodes_in_every_version() {
        let partitions = [TopicPartition::new("t", 0), TopicPartition::new("t", 1)];
        let versions = ApiKey::OFFSET_FETCH.versions().unwrap();
        for version in versions.min..=versions.max {
            let member = Generation {
                id: 7,
                member_id: "m".into(),
            };
            let request = request("g", Some(&member), &partitions, version);
            encode_request(&request, version, 1, "c").unwrap();
            if version >= MEMBER_SINCE {
                let group = &request.groups[0];
                assert_eq!(group.member_id.as_deref(), Some("m"));
                assert_eq!(group.member_epoch, 7);
            }
        }
    }

    #[test]
    fn an_unstable_partition_is_asked_for_again_unless_another_is_refused() {
        let partition =
            |code: ErrorCode| OffsetFetchResponsePartitions::default().with_error_code(code.0);
        let response = |codes: &[ErrorCode]| {
            let partitions = codes.iter().copied().map(partition).collect();
            let topic = OffsetFetchResponseTopics::default().with_partitions(partitions);
            let group = OffsetFetchResponseGroup::default().with_topics(vec![topic]);
            OffsetFetchResponse::default().with_groups(vec![group])
        };
        let unstable = ErrorCode::UNSTABLE_OFFSET_COMMIT;
        let refused = ErrorCode::TOPIC_AUTHORIZATION_FAILED;
        assert_eq!(check(&response(&[ErrorCode::NONE])), Ok(()));
        assert_eq!(
            check(&response(&[ErrorCode::NONE, unstable])),
            Err(unstable)
        );
        assert_eq!(check(&response(&[unstable, refused])), Err(refused));
    }
}
