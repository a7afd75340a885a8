//! The offsets that partitions have: first, last, by time.

use std::collections::HashMap;

use klamm_codec::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use klamm_codec::messages::{BrokerId, ListOffsetsRequest, ListOffsetsResponse};
use klamm_net::TopicPartition;

use crate::admin::Admin;
use crate::awaitable::awaitable;
use crate::driver::{Answers, Batch, Call, Target, drive};
use crate::error::Error;
use crate::results::Results;
use crate::wire::{by_topic, topic_name};

/// The first version of `ListOffsets` whose brokers may wait for remote storage (KIP-1075).
const TIMEOUT_VERSION: i16 = 10;

/// Which offset of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OffsetSpec {
    /// The first that is there.
    Earliest,
    /// The one after the last record that consumers may read.
    Latest,
    /// The first record of this time or later, in milliseconds since 1970.
    Timestamp(i64),
    /// The record with the greatest timestamp (KIP-734, Kafka 3.0).
    MaxTimestamp,
    /// The first on the broker's own disks (KIP-405, Kafka 3.4).
    EarliestLocal,
    /// The last in remote storage (KIP-1005, Kafka 3.9).
    LatestTiered,
}

impl OffsetSpec {
    const fn timestamp(self) -> i64 {
        match self {
            Self::Latest => -1,
            Self::Earliest => -2,
            Self::MaxTimestamp => -3,
            Self::EarliestLocal => -4,
            Self::LatestTiered => -5,
            Self::Timestamp(timestamp) => timestamp,
        }
    }

    /// The first version of `ListOffsets` that knows it, and of Kafka.
    const fn needs(self) -> (i16, &'static str) {
        match self {
            Self::Latest | Self::Earliest | Self::Timestamp(_) => (0, ""),
            Self::MaxTimestamp => (7, "3.0 (KIP-734)"),
            Self::EarliestLocal => (8, "3.4 (KIP-405)"),
            Self::LatestTiered => (9, "3.9 (KIP-1005)"),
        }
    }
}

/// Whether records of open transactions count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IsolationLevel {
    /// All records count.
    #[default]
    ReadUncommitted,
    /// The end is before the first record of an open transaction.
    ReadCommitted,
}

/// An offset that a partition has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListedOffset {
    /// The offset; `None` if there is no such record.
    pub offset: Option<i64>,
    /// Timestamp of the record there, in milliseconds since 1970, if it was asked for by time.
    pub timestamp: Option<i64>,
    /// Epoch of the leader that wrote it, if known.
    pub leader_epoch: Option<i32>,
}

/// The listing of offsets; happens when awaited. Made by [`Admin::list_offsets`].
#[derive(Clone, Debug)]
#[must_use = "nothing is asked until it is awaited"]
pub struct ListOffsets {
    admin: Admin,
    partitions: Vec<TopicPartition>,
    call: List,
}

impl Admin {
    /// Offsets of partitions, as their leaders tell; one partition has one question (the last, if it
    /// is there twice).
    ///
    /// # Errors
    /// [`Error::Net`] if nothing is known about any of the partitions; what befalls one is in its
    /// result.
    ///
    /// # Examples
    /// ```
    /// # async fn end(admin: klamm_admin::Admin) -> Result<(), klamm_admin::Error> {
    /// use klamm_admin::{OffsetSpec, TopicPartition};
    ///
    /// let orders = TopicPartition::new("orders", 0);
    /// let listed = admin.list_offsets([(orders, OffsetSpec::Latest)]).await?.all()?;
    /// println!("the end is at {:?}", listed[0].offset);
    /// # Ok(())
    /// # }
    /// ```
    pub fn list_offsets(
        &self,
        partitions: impl IntoIterator<Item = (TopicPartition, OffsetSpec)>,
    ) -> ListOffsets {
        let asked: Vec<_> = partitions.into_iter().collect();
        ListOffsets {
            admin: self.clone(),
            partitions: asked
                .iter()
                .map(|(partition, _)| partition.clone())
                .collect(),
            call: List {
                specs: asked.into_iter().collect(),
                isolation: IsolationLevel::default(),
            },
        }
    }
}

impl ListOffsets {
    /// Whether records of open transactions count. Default: they do.
    pub fn isolation(mut self, isolation: IsolationLevel) -> Self {
        self.call.isolation = isolation;
        self
    }

    async fn run(self) -> Result<Results<TopicPartition, ListedOffset>, Error> {
        drive(&self.admin, self.call, self.partitions).await
    }
}

awaitable!(ListOffsets => Results<TopicPartition, ListedOffset>);

#[derive(Clone, Debug)]
struct List {
    specs: HashMap<TopicPartition, OffsetSpec>,
    isolation: IsolationLevel,
}

impl Call for List {
    const NOUN: &'static str = "partition";
    type Key = TopicPartition;
    type Value = ListedOffset;
    type Request = ListOffsetsRequest;

    fn target(&self, partition: &TopicPartition) -> Target {
        Target::Leader(partition.clone())
    }

    fn request(&self, batch: &Batch<TopicPartition>) -> Result<ListOffsetsRequest, Error> {
        let specs = batch.keys.iter().map(|key| (key, self.specs[key]));
        for (_, spec) in specs.clone() {
            let (version, since) = spec.needs();
            batch.needs(version, format!("{spec:?} offsets"), since)?;
        }
        let partition = |(index, spec): (i32, OffsetSpec)| {
            ListOffsetsPartition::default()
                .with_partition_index(index)
                .with_timestamp(spec.timestamp())
        };
        let topics = by_topic(specs).into_iter().map(|(topic, partitions)| {
            ListOffsetsTopic::default()
                .with_name(topic_name(topic))
                .with_partitions(partitions.into_iter().map(partition).collect())
        });
        let request = ListOffsetsRequest::default()
            .with_replica_id(BrokerId(-1))
            .with_topics(topics.collect());
        let request = if batch.version >= 2 {
            request.with_isolation_level(i8::from(self.isolation == IsolationLevel::ReadCommitted))
        } else {
            request
        };
        Ok(if batch.version >= TIMEOUT_VERSION {
            request.with_timeout_ms(batch.timeout_ms)
        } else {
            request
        })
    }

    fn read(
        &self,
        _: &Batch<TopicPartition>,
        response: ListOffsetsResponse,
        answers: &mut Answers<TopicPartition, ListedOffset>,
    ) {
        answers.throttled(response.throttle_time_ms);
        for topic in response.topics {
            for partition in topic.partitions {
                let key = TopicPartition::new(topic.name.as_str(), partition.partition_index);
                answers.answer(key, partition.error_code, None, || ListedOffset {
                    offset: (partition.offset >= 0).then_some(partition.offset),
                    timestamp: (partition.timestamp >= 0).then_some(partition.timestamp),
                    leader_epoch: (partition.leader_epoch >= 0).then_some(partition.leader_epoch),
                });
            }
        }
    }
}
