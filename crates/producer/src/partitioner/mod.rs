//! Which partition a record goes to.
//!
//! A record that names its partition goes there. Else [`Partitioning`] decides: by a hash of the key,
//! so that records with the same key keep their order, or, for records without key, by what makes
//! large batches and even load.
//!
//! [`sticky`] thinks about where records without key go next; the queues carry it out.

pub(crate) mod sticky;

use std::fmt;
use std::sync::Arc;

use klamm_codec::key_hash::{crc32, fnv1a};
use klamm_codec::murmur2::partition_for_key;

use crate::accumulator::TopicQueues;
use crate::record::Record;

/// Picks the partitions of records by a rule of one's own.
///
/// It is called for every record that names no partition, within `send`: it must be quick.
///
/// ```
/// use klamm_producer::{Partitioner, Record, TopicPartitions};
///
/// /// Orders of the house go to partition 0, all others where they like.
/// #[derive(Debug)]
/// struct HouseFirst;
///
/// impl Partitioner for HouseFirst {
///     fn partition(&self, record: &Record<'_>, _: &TopicPartitions<'_>) -> Option<i32> {
///         (record.key == Some(b"house")).then_some(0)
///     }
/// }
/// ```
pub trait Partitioner: fmt::Debug + Send + Sync {
    /// The partition of `record`; `None` lets klamm choose as for records without key. A partition
    /// that the topic does not have makes `send` fail.
    fn partition(&self, record: &Record<'_>, topic: &TopicPartitions<'_>) -> Option<i32>;
}

/// The partitions of a topic, as a [`Partitioner`] sees them.
#[derive(Debug)]
pub struct TopicPartitions<'a> {
    queues: &'a TopicQueues,
}

impl<'a> TopicPartitions<'a> {
    pub(crate) const fn new(queues: &'a TopicQueues) -> Self {
        Self { queues }
    }

    /// The topic.
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.queues.name
    }

    /// How many partitions it has; at least one.
    #[must_use]
    pub fn count(&self) -> usize {
        self.queues.partitions.len()
    }

    /// Whether `partition` has a leader, as far as is known.
    #[must_use]
    pub fn has_leader(&self, partition: i32) -> bool {
        self.queues
            .partition(partition)
            .is_some_and(|queue| queue.availability() > Availability::NoLeader)
    }

    /// Batches of `partition` that have not been sent yet.
    #[must_use]
    pub fn queued_batches(&self, partition: i32) -> usize {
        let queue = self.queues.partition(partition);
        queue.map_or(0, |queue| queue.backlog() as usize)
    }
}

/// How records that name no partition are spread (`partitioner.class`; librdkafka: `partitioner`).
///
/// Changing it moves keys to other partitions, and so does coming from a client with another rule:
/// Java hashes keys as [`Default`](Self::Default), librdkafka as [`Crc32Random`](Self::Crc32Random).
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum Partitioning {
    /// As Java's client: murmur2 of the key; without key a partition gets `batch.size` bytes, then
    /// another one, less often those whose brokers are slow (KIP-794). In librdkafka:
    /// `murmur2_random`.
    #[default]
    Default,
    /// Each record to the next partition with a leader, whatever its key (`round_robin`). Batches
    /// stay small.
    RoundRobin,
    /// To the partition with the fewest batches waiting, for `batch.size` bytes, whatever the key
    /// (`least_backup`).
    LeastBackup,
    /// murmur2 of the key; a missing key counts as an empty one (`murmur2`).
    Murmur2,
    /// CRC-32 of the key; a missing key counts as an empty one (`crc32`; librdkafka: `consistent`).
    Crc32,
    /// CRC-32 of the key; without or with an empty one as [`Default`](Self::Default)
    /// (`crc32_random`; librdkafka: `consistent_random`, its default).
    Crc32Random,
    /// FNV-1a of the key; a missing key counts as an empty one (`fnv1a`).
    Fnv1a,
    /// FNV-1a of the key; without one as [`Default`](Self::Default) (`fnv1a_random`; Sarama's
    /// default).
    Fnv1aRandom,
    /// By a rule of one's own.
    Custom(Arc<dyn Partitioner>),
}

impl Partitioning {
    /// By its name in `partitioner.class`.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "default" => Self::Default,
            "round_robin" => Self::RoundRobin,
            "least_backup" => Self::LeastBackup,
            "murmur2" => Self::Murmur2,
            "crc32" => Self::Crc32,
            "crc32_random" => Self::Crc32Random,
            "fnv1a" => Self::Fnv1a,
            "fnv1a_random" => Self::Fnv1aRandom,
            _ => return None,
        })
    }

    /// The partition of `record`, if its key or a rule of the application's own decides about it.
    #[inline]
    pub(crate) fn pick(
        &self,
        record: &Record<'_>,
        ignore_keys: bool,
        queues: &TopicQueues,
    ) -> Option<i32> {
        let count = queues.partitions.len() as u32;
        let modulo = |hash: u32| (hash % count).cast_signed();
        let key = record.key.filter(|_| !ignore_keys);
        match self {
            Self::Default => key.map(|key| partition_for_key(key, count)),
            Self::RoundRobin => Some(queues.next_in_turn()),
            Self::LeastBackup => None,
            Self::Murmur2 => Some(partition_for_key(key.unwrap_or_default(), count)),
            Self::Crc32 => Some(modulo(crc32(key.unwrap_or_default()))),
            Self::Crc32Random => {
                let key = key.filter(|key| !key.is_empty());
                key.map(|key| modulo(crc32(key)))
            }
            Self::Fnv1a => Some(modulo(fnv1a(key.unwrap_or_default()))),
            Self::Fnv1aRandom => key.map(|key| modulo(fnv1a(key))),
            Self::Custom(partitioner) => {
                partitioner.partition(record, &TopicPartitions::new(queues))
            }
        }
    }
}

/// Whether a partition can be sent to, from worst to best.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Availability {
    /// No leader is known.
    NoLeader,
    /// Its broker takes nothing for `partitioner.availability.timeout.ms`.
    Stuck,
    #[default]
    Usable,
    /// And its leader is in the own rack, if that counts.
    Near,
}

impl Availability {
    pub(crate) const fn from_u8(value: u8) -> Self {
        match value {
            0 => Self::NoLeader,
            1 => Self::Stuck,
            2 => Self::Usable,
            _ => Self::Near,
        }
    }
}
