//! Offsets at the coordinator (committed) and at the leaders (ends of the log).

mod commit;
mod committed;
mod coordinated;
mod epoch;
mod list;
mod times;

use std::collections::BTreeMap;

use klamm_net::TopicPartition;

use crate::fetch::Position;

pub(crate) use commit::commit;
pub(crate) use committed::committed;
pub(crate) use epoch::ends_of_epochs;
pub(crate) use list::{ListAt, Listed, list_offsets};
pub use times::OffsetAndTimestamp;
pub(crate) use times::offsets_at;

/// An offset to commit, or that was committed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct OffsetAndMetadata {
    /// The next offset to read: that of the last record handled, plus one.
    pub offset: i64,
    /// Leader epoch of the last record handled, if known: lets brokers notice a truncated log
    /// (KIP-320).
    pub leader_epoch: Option<i32>,
    /// Any text of the application's.
    pub metadata: String,
}

impl OffsetAndMetadata {
    /// The offset alone.
    #[must_use]
    pub const fn new(offset: i64) -> Self {
        Self {
            offset,
            leader_epoch: None,
            metadata: String::new(),
        }
    }

    /// With the leader epoch of the last record handled (KIP-320).
    #[must_use]
    pub const fn leader_epoch(mut self, leader_epoch: i32) -> Self {
        self.leader_epoch = Some(leader_epoch);
        self
    }

    /// With any text of the application's.
    #[must_use]
    pub fn metadata(mut self, metadata: impl Into<String>) -> Self {
        self.metadata = metadata.into();
        self
    }
}

impl From<Position> for OffsetAndMetadata {
    fn from(position: Position) -> Self {
        Self {
            leader_epoch: (position.leader_epoch >= 0).then_some(position.leader_epoch),
            ..Self::new(position.offset)
        }
    }
}

impl From<i64> for OffsetAndMetadata {
    fn from(offset: i64) -> Self {
        Self::new(offset)
    }
}

/// Offsets by partition, sorted.
pub(crate) type Offsets = BTreeMap<TopicPartition, OffsetAndMetadata>;

/// The partitions of `sorted` by topic.
fn by_topic<'a, T>(
    sorted: impl Iterator<Item = (&'a TopicPartition, T)>,
) -> Vec<(&'a str, Vec<(i32, T)>)> {
    let mut topics: Vec<(&str, Vec<(i32, T)>)> = Vec::new();
    for (partition, value) in sorted {
        let entry = (partition.partition, value);
        match topics.last_mut() {
            Some((topic, partitions)) if **topic == *partition.topic => partitions.push(entry),
            _ => topics.push((&partition.topic, vec![entry])),
        }
    }
    topics
}
