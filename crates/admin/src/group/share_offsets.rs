//! Where share groups start to read (KIP-932).

use std::collections::HashMap;

use klamm_codec::messages::alter_share_group_offsets_request::{
    AlterShareGroupOffsetsRequestPartition, AlterShareGroupOffsetsRequestTopic,
};
use klamm_codec::messages::delete_share_group_offsets_request::DeleteShareGroupOffsetsRequestTopic;
use klamm_codec::messages::describe_share_group_offsets_request::DescribeShareGroupOffsetsRequestGroup;
use klamm_codec::messages::{
    AlterShareGroupOffsetsRequest, AlterShareGroupOffsetsResponse, DeleteShareGroupOffsetsRequest,
    DeleteShareGroupOffsetsResponse, DescribeShareGroupOffsetsRequest,
    DescribeShareGroupOffsetsResponse,
};
use klamm_codec::{ApiKey, ErrorCode};
use klamm_net::TopicPartition;

use crate::admin::Admin;
use crate::driver::{Answers, Batch, Call, Target, drive};
use crate::error::Error;
use crate::results::Results;
use crate::wire::{by_topic, group_id, topic_name};

/// Where a share group starts to read a partition; everything before is done with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShareOffset {
    /// The first offset that is not done with.
    pub start_offset: i64,
    /// Leader epoch of it, if known.
    pub leader_epoch: Option<i32>,
}

/// Where a share group starts, by partition; `None` where it has not begun.
pub type ShareGroupOffsets = Results<TopicPartition, Option<ShareOffset>>;

impl Admin {
    /// Where share groups start to read (KIP-932, Kafka 4.1).
    ///
    /// # Errors
    /// [`Error::Net`] if nothing is known about any of the groups; what befalls one group is in its
    /// result.
    pub async fn list_share_group_offsets<S: Into<String>>(
        &self,
        groups: impl IntoIterator<Item = S>,
    ) -> Result<Results<String, ShareGroupOffsets>, Error> {
        drive(self, List, groups.into_iter().map(Into::into)).await
    }

    /// Sets where a share group starts to read; it must have no members.
    ///
    /// # Errors
    /// [`Error::Net`] if nothing is known about any of the partitions; what befalls one is in its
    /// result: `NON_EMPTY_GROUP`.
    pub async fn alter_share_group_offsets(
        &self,
        group: &str,
        offsets: impl IntoIterator<Item = (TopicPartition, i64)>,
    ) -> Result<Results<TopicPartition, ()>, Error> {
        let call = Alter {
            group: group.to_owned(),
            offsets: offsets.into_iter().collect(),
        };
        let mut partitions: Vec<_> = call.offsets.keys().cloned().collect();
        partitions.sort();
        drive(self, call, partitions).await
    }

    /// Forgets where a share group starts to read topics; it must have no members.
    ///
    /// # Errors
    /// [`Error::Net`] if nothing is known about any of the topics; what befalls one is in its
    /// result: `NON_EMPTY_GROUP`.
    pub async fn delete_share_group_offsets<S: Into<String>>(
        &self,
        group: &str,
        topics: impl IntoIterator<Item = S>,
    ) -> Result<Results<String, ()>, Error> {
        drive(
            self,
            Delete(group.to_owned()),
            topics.into_iter().map(Into::into),
        )
        .await
    }
}

struct List;

impl Call for List {
    const NOUN: &'static str = "group";
    type Key = String;
    type Value = ShareGroupOffsets;
    type Request = DescribeShareGroupOffsetsRequest;

    fn target(&self, group: &String) -> Target {
        Target::Group(group.clone())
    }

    fn request(&self, batch: &Batch<String>) -> Result<DescribeShareGroupOffsetsRequest, Error> {
        let group = |group: &String| {
            DescribeShareGroupOffsetsRequestGroup::default()
                .with_group_id(group_id(group))
                .with_topics(None)
        };
        let groups = batch.keys.iter().map(group).collect();
        Ok(DescribeShareGroupOffsetsRequest::default().with_groups(groups))
    }

    fn read(
        &self,
        _: &Batch<String>,
        response: DescribeShareGroupOffsetsResponse,
        answers: &mut Answers<String, ShareGroupOffsets>,
    ) {
        answers.throttled(response.throttle_time_ms);
        for group in response.groups {
            let id = group.group_id.to_string();
            let offsets = group.topics.iter().flat_map(|topic| {
                topic.partitions.iter().map(|partition| {
                    let index = partition.partition_index;
                    let key = TopicPartition::new(topic.topic_name.as_str(), index);
                    let started = partition.start_offset >= 0;
                    let epoch = partition.leader_epoch;
                    let offset = match ErrorCode(partition.error_code).check() {
                        Ok(()) => Ok(started.then_some(ShareOffset {
                            start_offset: partition.start_offset,
                            leader_epoch: (epoch >= 0).then_some(epoch),
                        })),
                        Err(code) => {
                            let what = format!("partition {key} of group {}", group.group_id.0);
                            Err(Error::refused(
                                ApiKey::DESCRIBE_SHARE_GROUP_OFFSETS,
                                what,
                                code,
                            ))
                        }
                    };
                    (key, offset)
                })
            });
            let message = group.error_message.clone();
            answers.answer(id, group.error_code, message, || Results::of(offsets));
        }
    }
}

struct Alter {
    group: String,
    offsets: HashMap<TopicPartition, i64>,
}

impl Call for Alter {
    const NOUN: &'static str = "partition";
    type Key = TopicPartition;
    type Value = ();
    type Request = AlterShareGroupOffsetsRequest;

    fn target(&self, _: &TopicPartition) -> Target {
        Target::Group(self.group.clone())
    }

    fn request(
        &self,
        batch: &Batch<TopicPartition>,
    ) -> Result<AlterShareGroupOffsetsRequest, Error> {
        let offsets = batch.keys.iter().map(|key| (key, self.offsets[key]));
        let partition = |(index, offset)| {
            AlterShareGroupOffsetsRequestPartition::default()
                .with_partition_index(index)
                .with_start_offset(offset)
        };
        let topics = by_topic(offsets).into_iter().map(|(topic, partitions)| {
            AlterShareGroupOffsetsRequestTopic::default()
                .with_topic_name(topic_name(topic))
                .with_partitions(partitions.into_iter().map(partition).collect())
        });
        Ok(AlterShareGroupOffsetsRequest::default()
            .with_group_id(group_id(&self.group))
            .with_topics(topics.collect()))
    }

    fn read(
        &self,
        batch: &Batch<TopicPartition>,
        response: AlterShareGroupOffsetsResponse,
        answers: &mut Answers<TopicPartition, ()>,
    ) {
        answers.throttled(response.throttle_time_ms);
        let message = response.error_message.as_ref();
        if !answers.all_accepted(batch, response.error_code, message) {
            return;
        }
        for topic in response.responses {
            for partition in topic.partitions {
                let index = partition.partition_index;
                let key = TopicPartition::new(topic.topic_name.as_str(), index);
                let (code, message) = (partition.error_code, partition.error_message);
                answers.answer(key, code, message, || ());
            }
        }
    }
}

/// With the group.
struct Delete(String);

impl Call for Delete {
    const NOUN: &'static str = "topic";
    type Key = String;
    type Value = ();
    type Request = DeleteShareGroupOffsetsRequest;

    fn target(&self, _: &String) -> Target {
        Target::Group(self.0.clone())
    }

    fn request(&self, batch: &Batch<String>) -> Result<DeleteShareGroupOffsetsRequest, Error> {
        let topic = |topic: &String| {
            DeleteShareGroupOffsetsRequestTopic::default().with_topic_name(topic_name(topic))
        };
        Ok(DeleteShareGroupOffsetsRequest::default()
            .with_group_id(group_id(&self.0))
            .with_topics(batch.keys.iter().map(topic).collect()))
    }

    fn read(
        &self,
        batch: &Batch<String>,
        response: DeleteShareGroupOffsetsResponse,
        answers: &mut Answers<String, ()>,
    ) {
        answers.throttled(response.throttle_time_ms);
        let message = response.error_message.as_ref();
        if !answers.all_accepted(batch, response.error_code, message) {
            return;
        }
        for topic in response.responses {
            let name = topic.topic_name.to_string();
            answers.answer(name, topic.error_code, topic.error_message, || ());
        }
    }
}
