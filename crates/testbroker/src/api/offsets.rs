//! `OffsetCommit` and `OffsetFetch`.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::offset_commit_response::{
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use kafka_protocol::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions,
    OffsetFetchResponseTopic, OffsetFetchResponseTopics,
};
use kafka_protocol::messages::{
    OffsetCommitRequest, OffsetCommitResponse, OffsetFetchRequest, OffsetFetchResponse, TopicName,
};
use tokio::time::Instant;

use super::membership::{caller, check_coordinator};
use super::{Call, Reply, Serve, code, text, topic_name};
use crate::cluster::Cluster;
use crate::coordinator::{CommittedOffset, Offsets};

/// Kafka's default of `offset.metadata.max.bytes`.
const METADATA_BYTES_MAX: usize = 4096;

impl Serve for OffsetCommitRequest {
    async fn serve(self, call: &Call<'_>) -> Reply<OffsetCommitResponse> {
        let mut cluster = call.shared.cluster();
        let caller = caller(
            &self.member_id,
            self.group_instance_id.as_ref(),
            self.generation_id_or_member_epoch,
        );
        let check = |topic: &OffsetCommitRequestTopic| {
            let check = |partition: &OffsetCommitRequestPartition| {
                let metadata = partition
                    .committed_metadata
                    .as_ref()
                    .map_or(0, |metadata| metadata.len());
                cluster.partition(&topic.name, partition.partition_index)?;
                if metadata <= METADATA_BYTES_MAX {
                    Ok(())
                } else {
                    Err(ResponseError::OffsetMetadataTooLarge)
                }
            };
            topic.partitions.iter().map(check).collect()
        };
        let checks: Vec<Vec<_>> = self.topics.iter().map(check).collect();
        let is_coordinator = check_coordinator(&cluster, call, &self.group_id);
        let offsets = is_coordinator.and_then(|()| {
            cluster
                .coordinator
                .commit(Instant::now(), &self.group_id, &caller)
        });
        let offsets = match offsets {
            Ok(offsets) => offsets,
            Err(error) => return Reply::Answer(self.refuse(call, error.code())),
        };
        let mut response = OffsetCommitResponse::default();
        for (topic, checks) in self.topics.into_iter().zip(checks) {
            let mut answer = OffsetCommitResponseTopic::default().with_name(topic.name.clone());
            for (partition, check) in topic.partitions.into_iter().zip(checks) {
                let index = partition.partition_index;
                answer.partitions.push(committed(index, code(check)));
                if check.is_ok() {
                    let committed = CommittedOffset {
                        offset: partition.committed_offset,
                        leader_epoch: partition.committed_leader_epoch,
                        metadata: partition
                            .committed_metadata
                            .map(|metadata| metadata.to_string())
                            .unwrap_or_default(),
                    };
                    offsets.insert((topic.name.to_string(), index), committed);
                }
            }
            response.topics.push(answer);
        }
        Reply::Answer(response)
    }

    fn refuse(&self, _: &Call<'_>, code: i16) -> OffsetCommitResponse {
        let topics = self.topics.iter().map(|topic| {
            let partitions = topic
                .partitions
                .iter()
                .map(|partition| committed(partition.partition_index, code));
            OffsetCommitResponseTopic::default()
                .with_name(topic.name.clone())
                .with_partitions(partitions.collect())
        });
        OffsetCommitResponse::default().with_topics(topics.collect())
    }
}

fn committed(index: i32, code: i16) -> OffsetCommitResponsePartition {
    OffsetCommitResponsePartition::default()
        .with_partition_index(index)
        .with_error_code(code)
}

impl Serve for OffsetFetchRequest {
    async fn serve(self, call: &Call<'_>) -> Reply<OffsetFetchResponse> {
        let cluster = call.shared.cluster();
        let stable = self.require_stable;
        if call.version >= 8 {
            let groups = self.groups.iter().map(|group| {
                let wanted = group.topics.as_ref().map(|topics| {
                    topics
                        .iter()
                        .map(|topic| (&topic.name, topic.partition_indexes.as_slice()))
                        .collect::<Vec<_>>()
                });
                let answer =
                    OffsetFetchResponseGroup::default().with_group_id(group.group_id.clone());
                let reader = group.member_id.as_deref().unwrap_or_default();
                let checked =
                    cluster
                        .coordinator
                        .check_reader(&group.group_id, reader, group.member_epoch);
                let fetched = checked.and_then(|()| {
                    fetch(&cluster, call, &group.group_id, wanted.as_deref(), stable)
                });
                match fetched {
                    Ok(topics) => answer.with_topics(topics),
                    Err(error) => answer.with_error_code(error.code()),
                }
            });
            return Reply::Answer(OffsetFetchResponse::default().with_groups(groups.collect()));
        }
        let wanted = self.topics.as_ref().map(|topics| {
            topics
                .iter()
                .map(|topic| (&topic.name, topic.partition_indexes.as_slice()))
                .collect::<Vec<_>>()
        });
        match fetch(&cluster, call, &self.group_id, wanted.as_deref(), stable) {
            Ok(topics) => {
                let topics = topics
                    .into_iter()
                    .map(|topic| single_group(topic, call.version))
                    .collect();
                Reply::Answer(OffsetFetchResponse::default().with_topics(topics))
            }
            Err(error) => {
                drop(cluster);
                Reply::Answer(self.refuse(call, error.code()))
            }
        }
    }

    fn refuse(&self, call: &Call<'_>, code: i16) -> OffsetFetchResponse {
        if call.version >= 8 {
            let groups = self.groups.iter().map(|group| {
                OffsetFetchResponseGroup::default()
                    .with_group_id(group.group_id.clone())
                    .with_error_code(code)
            });
            return OffsetFetchResponse::default().with_groups(groups.collect());
        }
        if call.version >= 2 {
            return OffsetFetchResponse::default().with_error_code(code);
        }
        // Version 1 can say errors only of partitions.
        let topics = self.topics.iter().flatten().map(|topic| {
            let partitions = topic.partition_indexes.iter().map(|index| {
                let partition =
                    OffsetFetchResponsePartition::default().with_partition_index(*index);
                partition
                    .with_committed_offset(-1)
                    .with_metadata(Some(text("")))
                    .with_error_code(code)
            });
            OffsetFetchResponseTopic::default()
                .with_name(topic.name.clone())
                .with_partitions(partitions.collect())
        });
        OffsetFetchResponse::default().with_topics(topics.collect())
    }
}

/// What a group committed, for `wanted` partitions or all; a partition without commit has offset
/// -1. With `stable` a partition whose offset an open transaction may change has an error (KIP-447).
fn fetch(
    cluster: &Cluster,
    call: &Call<'_>,
    group_id: &str,
    wanted: Option<&[(&TopicName, &[i32])]>,
    stable: bool,
) -> Result<Vec<OffsetFetchResponseTopics>, ResponseError> {
    check_coordinator(cluster, call, group_id)?;
    let nothing = Offsets::new();
    let offsets = cluster.coordinator.offsets(group_id).unwrap_or(&nothing);
    let is_unstable = |topic: &str, partition| {
        let coordinator = &cluster.coordinator;
        stable && coordinator.is_unstable(group_id, topic, partition)
    };
    let mut topics: Vec<OffsetFetchResponseTopics> = Vec::new();
    if let Some(wanted) = wanted {
        for (name, indexes) in wanted {
            let partition = |index: &i32| {
                if is_unstable(name, *index) {
                    unstable(*index)
                } else {
                    fetched(*index, offsets.get(&(name.to_string(), *index)))
                }
            };
            let answer = OffsetFetchResponseTopics::default().with_name((*name).clone());
            topics.push(answer.with_partitions(indexes.iter().map(partition).collect()));
        }
        return Ok(topics);
    }
    for ((name, index), offset) in offsets {
        if topics
            .last()
            .is_none_or(|topic| topic.name.as_str() != name)
        {
            topics.push(OffsetFetchResponseTopics::default().with_name(topic_name(name)));
        }
        if let Some(topic) = topics.last_mut() {
            topic.partitions.push(if is_unstable(name, *index) {
                unstable(*index)
            } else {
                fetched(*index, Some(offset))
            });
        }
    }
    Ok(topics)
}

fn unstable(index: i32) -> OffsetFetchResponsePartitions {
    fetched(index, None).with_error_code(ResponseError::UnstableOffsetCommit.code())
}

fn fetched(index: i32, offset: Option<&CommittedOffset>) -> OffsetFetchResponsePartitions {
    let partition = OffsetFetchResponsePartitions::default().with_partition_index(index);
    match offset {
        Some(committed) => partition
            .with_committed_offset(committed.offset)
            .with_committed_leader_epoch(committed.leader_epoch)
            .with_metadata(Some(text(&committed.metadata))),
        None => partition
            .with_committed_offset(-1)
            .with_committed_leader_epoch(-1)
            .with_metadata(Some(text(""))),
    }
}

/// The same in the shape of the versions before 8.
fn single_group(topic: OffsetFetchResponseTopics, version: i16) -> OffsetFetchResponseTopic {
    let partitions = topic.partitions.into_iter().map(|partition| {
        let answer = OffsetFetchResponsePartition::default()
            .with_partition_index(partition.partition_index)
            .with_committed_offset(partition.committed_offset)
            .with_metadata(partition.metadata);
        if version >= 5 {
            answer.with_committed_leader_epoch(partition.committed_leader_epoch)
        } else {
            answer
        }
    });
    OffsetFetchResponseTopic::default()
        .with_name(topic.name)
        .with_partitions(partitions.collect())
}
