//! The offsets that groups have committed.

use std::collections::HashMap;

use klamm_codec::ApiKey;
use klamm_codec::ErrorCode;
use klamm_codec::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use klamm_codec::messages::offset_delete_request::{
    OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};
use klamm_codec::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use klamm_codec::messages::{
    OffsetCommitRequest, OffsetCommitResponse, OffsetDeleteRequest, OffsetDeleteResponse,
    OffsetFetchRequest, OffsetFetchResponse, StrBytes,
};
use klamm_net::TopicPartition;

use crate::admin::Admin;
use crate::awaitable::awaitable;
use crate::driver::{Answers, Batch, Call, Target, drive};
use crate::error::Error;
use crate::results::Results;
use crate::wire::{by_topic, group_id, indexes_by_topic, text, topic_name};

/// The first version of `OffsetFetch` that waits for open transactions (KIP-447).
const STABLE_VERSION: i16 = 7;
/// The first version of `OffsetFetch` that asks for many groups (KIP-709).
const GROUPS_VERSION: i16 = 8;
/// The first version of `OffsetCommit` with leader epochs (KIP-320).
const LEADER_EPOCH_VERSION: i16 = 6;

/// How far a group has read a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommittedOffset {
    /// The next offset to read.
    pub offset: i64,
    /// The leader epoch of the record before it, if the group has said it.
    pub leader_epoch: Option<i32>,
    /// Whatever the group has written beside it.
    pub metadata: String,
}

impl From<i64> for CommittedOffset {
    /// With neither leader epoch nor metadata.
    fn from(offset: i64) -> Self {
        Self {
            offset,
            leader_epoch: None,
            metadata: String::new(),
        }
    }
}

/// The offsets of a group by partition; `None` where it has committed none.
pub type GroupOffsets = Results<TopicPartition, Option<CommittedOffset>>;

/// The listing of groups' offsets; happens when awaited. Made by [`Admin::list_group_offsets`].
#[derive(Clone, Debug)]
#[must_use = "nothing is asked until it is awaited"]
pub struct ListGroupOffsets {
    admin: Admin,
    groups: Vec<String>,
    call: List,
}

impl Admin {
    /// The offsets that groups have committed, of all partitions unless
    /// [`partitions`](ListGroupOffsets::partitions) says otherwise; many groups cost one request a
    /// coordinator (KIP-709).
    ///
    /// A group that is not there has no offsets.
    ///
    /// # Errors
    /// [`Error::Net`] if nothing is known about any of the groups; what befalls one group, or one of
    /// its partitions, is in its result.
    ///
    /// # Examples
    /// ```
    /// # async fn show(admin: klamm_admin::Admin) -> Result<(), klamm_admin::Error> {
    /// for (group, offsets) in admin.list_group_offsets(["billing", "audit"]).await? {
    ///     for (partition, committed) in offsets? {
    ///         println!("{group} {partition} {:?}", committed?.map(|committed| committed.offset));
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn list_group_offsets<S: Into<String>>(
        &self,
        groups: impl IntoIterator<Item = S>,
    ) -> ListGroupOffsets {
        ListGroupOffsets {
            admin: self.clone(),
            groups: groups.into_iter().map(Into::into).collect(),
            call: List::default(),
        }
    }

    /// Sets the offsets of a group, which must have no members. A group that is not there is created
    /// by it.
    ///
    /// # Errors
    /// [`Error::Net`] if nothing is known about any of the partitions; what befalls one is in its
    /// result: `UNKNOWN_MEMBER_ID` if the group has members.
    ///
    /// # Examples
    /// ```
    /// # async fn rewind(admin: klamm_admin::Admin) -> Result<(), klamm_admin::Error> {
    /// use klamm_admin::TopicPartition;
    ///
    /// let start = (TopicPartition::new("orders", 0), 0);
    /// admin.alter_group_offsets("billing", [start]).await?.all()?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn alter_group_offsets<O: Into<CommittedOffset>>(
        &self,
        group: &str,
        offsets: impl IntoIterator<Item = (TopicPartition, O)>,
    ) -> Result<Results<TopicPartition, ()>, Error> {
        let offsets = offsets.into_iter().map(|(it, offset)| (it, offset.into()));
        let call = Alter {
            group: group.to_owned(),
            offsets: offsets.collect(),
        };
        let mut partitions: Vec<_> = call.offsets.keys().cloned().collect();
        partitions.sort();
        drive(self, call, partitions).await
    }

    /// Deletes the offsets of partitions from a group, none of whose members may read their topics.
    ///
    /// # Errors
    /// [`Error::Net`] if nothing is known about any of the partitions; what befalls one is in its
    /// result: `GROUP_SUBSCRIBED_TO_TOPIC`, `GROUP_ID_NOT_FOUND`.
    pub async fn delete_group_offsets(
        &self,
        group: &str,
        partitions: impl IntoIterator<Item = TopicPartition>,
    ) -> Result<Results<TopicPartition, ()>, Error> {
        drive(self, Delete(group.to_owned()), partitions).await
    }
}

impl ListGroupOffsets {
    /// Only these partitions; those without an offset are in the results then. Default: all that
    /// have one.
    pub fn partitions(mut self, partitions: impl IntoIterator<Item = TopicPartition>) -> Self {
        self.call.partitions = Some(partitions.into_iter().collect());
        self
    }

    /// Waits until no transaction is open that may still commit offsets (KIP-447, Kafka 2.5).
    /// Default: `false`.
    pub fn require_stable(mut self, require_stable: bool) -> Self {
        self.call.require_stable = require_stable;
        self
    }

    async fn run(self) -> Result<Results<String, GroupOffsets>, Error> {
        drive(&self.admin, self.call, self.groups).await
    }
}

awaitable!(ListGroupOffsets => Results<String, GroupOffsets>);

#[derive(Clone, Debug, Default)]
struct List {
    partitions: Option<Vec<TopicPartition>>,
    require_stable: bool,
}

impl List {
    /// For one group, before version 8.
    fn single(&self, group: &str) -> OffsetFetchRequest {
        let topic = |(name, indexes)| {
            OffsetFetchRequestTopic::default()
                .with_name(name)
                .with_partition_indexes(indexes)
        };
        let partitions = self.partitions.as_ref();
        OffsetFetchRequest::default()
            .with_group_id(group_id(group))
            .with_topics(partitions.map(|all| indexes_by_topic(all).map(topic).collect()))
    }

    fn group(&self, group: &str) -> OffsetFetchRequestGroup {
        let topic = |(name, indexes)| {
            OffsetFetchRequestTopics::default()
                .with_name(name)
                .with_partition_indexes(indexes)
        };
        let partitions = self.partitions.as_ref();
        OffsetFetchRequestGroup::default()
            .with_group_id(group_id(group))
            .with_topics(partitions.map(|all| indexes_by_topic(all).map(topic).collect()))
    }
}

/// The partitions of an answer, whose two shapes have structs of their own with the same fields.
macro_rules! fetched {
    ($topics:expr) => {
        $topics.iter().flat_map(|topic| {
            let partitions = topic.partitions.iter();
            partitions.map(|it| Fetched {
                topic: &topic.name,
                index: it.partition_index,
                offset: it.committed_offset,
                leader_epoch: it.committed_leader_epoch,
                metadata: it.metadata.as_ref(),
                code: it.error_code,
            })
        })
    };
}

impl Call for List {
    const NOUN: &'static str = "group";
    type Key = String;
    type Value = GroupOffsets;
    type Request = OffsetFetchRequest;

    fn target(&self, group: &String) -> Target {
        Target::Group(group.clone())
    }

    fn batch_max(&self, version: i16) -> usize {
        if version >= GROUPS_VERSION {
            usize::MAX
        } else {
            1
        }
    }

    fn request(&self, batch: &Batch<String>) -> Result<OffsetFetchRequest, Error> {
        if self.require_stable {
            batch.needs(
                STABLE_VERSION,
                "waiting for stable offsets",
                "2.5 (KIP-447)",
            )?;
        }
        let request = if batch.version >= GROUPS_VERSION {
            let groups = batch.keys.iter().map(|group| self.group(group));
            OffsetFetchRequest::default().with_groups(groups.collect())
        } else {
            self.single(&batch.keys[0])
        };
        Ok(request.with_require_stable(self.require_stable))
    }

    fn read(
        &self,
        batch: &Batch<String>,
        response: OffsetFetchResponse,
        answers: &mut Answers<String, GroupOffsets>,
    ) {
        answers.throttled(response.throttle_time_ms);
        if batch.version < GROUPS_VERSION {
            let partitions = fetched!(response.topics);
            answer(
                answers,
                batch.keys[0].clone(),
                response.error_code,
                partitions,
            );
        }
        for group in &response.groups {
            let partitions = fetched!(group.topics);
            answer(
                answers,
                group.group_id.to_string(),
                group.error_code,
                partitions,
            );
        }
    }
}

/// What an answer of either shape says about a partition.
struct Fetched<'a> {
    topic: &'a str,
    index: i32,
    offset: i64,
    leader_epoch: i32,
    metadata: Option<&'a StrBytes>,
    code: i16,
}

fn answer<'a>(
    answers: &mut Answers<String, GroupOffsets>,
    group: String,
    code: i16,
    partitions: impl Iterator<Item = Fetched<'a>>,
) {
    let mut results = Vec::new();
    for fetched in partitions {
        let partition = TopicPartition::new(fetched.topic, fetched.index);
        let code = ErrorCode(fetched.code);
        if code == ErrorCode::UNSTABLE_OFFSET_COMMIT {
            // A transaction is open: the group is asked about again.
            answers.refused(group, code.0, None);
            return;
        }
        let committed = match code.check() {
            Ok(()) => Ok((fetched.offset >= 0).then(|| CommittedOffset {
                offset: fetched.offset,
                leader_epoch: (fetched.leader_epoch >= 0).then_some(fetched.leader_epoch),
                metadata: fetched
                    .metadata
                    .map_or_else(String::new, ToString::to_string),
            })),
            Err(code) => {
                let what = format!("partition {partition} of group {group}");
                Err(Error::refused(ApiKey::OFFSET_FETCH, what, code))
            }
        };
        results.push((partition, committed));
    }
    answers.answer(group, code, None, || {
        results.sort_by(|(one, _), (other, _)| one.cmp(other));
        Results::of(results)
    });
}

struct Alter {
    group: String,
    offsets: HashMap<TopicPartition, CommittedOffset>,
}

impl Call for Alter {
    const NOUN: &'static str = "partition";
    type Key = TopicPartition;
    type Value = ();
    type Request = OffsetCommitRequest;

    fn target(&self, _: &TopicPartition) -> Target {
        Target::Group(self.group.clone())
    }

    fn request(&self, batch: &Batch<TopicPartition>) -> Result<OffsetCommitRequest, Error> {
        let offsets = batch.keys.iter().map(|key| (key, &self.offsets[key]));
        let partition = |(index, committed): (i32, &CommittedOffset)| {
            let partition = OffsetCommitRequestPartition::default()
                .with_partition_index(index)
                .with_committed_offset(committed.offset)
                .with_committed_metadata(Some(text(&committed.metadata)));
            match committed.leader_epoch {
                Some(epoch) if batch.version >= LEADER_EPOCH_VERSION => {
                    partition.with_committed_leader_epoch(epoch)
                }
                _ => partition,
            }
        };
        let topics = by_topic(offsets).into_iter().map(|(topic, partitions)| {
            OffsetCommitRequestTopic::default()
                .with_name(topic_name(topic))
                .with_partitions(partitions.into_iter().map(partition).collect())
        });
        // From outside of the group: no generation, no member.
        Ok(OffsetCommitRequest::default()
            .with_group_id(group_id(&self.group))
            .with_generation_id_or_member_epoch(-1)
            .with_topics(topics.collect()))
    }

    fn read(
        &self,
        _: &Batch<TopicPartition>,
        response: OffsetCommitResponse,
        answers: &mut Answers<TopicPartition, ()>,
    ) {
        answers.throttled(response.throttle_time_ms);
        for topic in response.topics {
            for partition in topic.partitions {
                let key = TopicPartition::new(topic.name.as_str(), partition.partition_index);
                let has_members = ErrorCode(partition.error_code) == ErrorCode::UNKNOWN_MEMBER_ID;
                let message = has_members
                    .then(|| StrBytes::from_static_str("the group has members: stop them first"));
                answers.answer(key, partition.error_code, message, || ());
            }
        }
    }
}

/// With the group.
struct Delete(String);

impl Call for Delete {
    const NOUN: &'static str = "partition";
    type Key = TopicPartition;
    type Value = ();
    type Request = OffsetDeleteRequest;

    fn target(&self, _: &TopicPartition) -> Target {
        Target::Group(self.0.clone())
    }

    fn request(&self, batch: &Batch<TopicPartition>) -> Result<OffsetDeleteRequest, Error> {
        let partition = |index| OffsetDeleteRequestPartition::default().with_partition_index(index);
        let topics = indexes_by_topic(&batch.keys).map(|(name, indexes)| {
            OffsetDeleteRequestTopic::default()
                .with_name(name)
                .with_partitions(indexes.into_iter().map(partition).collect())
        });
        Ok(OffsetDeleteRequest::default()
            .with_group_id(group_id(&self.0))
            .with_topics(topics.collect()))
    }

    fn read(
        &self,
        batch: &Batch<TopicPartition>,
        response: OffsetDeleteResponse,
        answers: &mut Answers<TopicPartition, ()>,
    ) {
        answers.throttled(response.throttle_time_ms);
        if !answers.all_accepted(batch, response.error_code, None) {
            return;
        }
        for topic in response.topics {
            for partition in topic.partitions {
                let key = TopicPartition::new(topic.name.as_str(), partition.partition_index);
                answers.answer(key, partition.error_code, None, || ());
            }
        }
    }
}
