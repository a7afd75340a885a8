//! Offsets at the coordinator (committed) and at the leaders (ends of the log).

mod commit;
mod committed;
mod coordinated;
mod epoch;
mod list;
mod times;

use std::collections::BTreeMap;

pub use klamm_net::OffsetAndMetadata;
use klamm_net::TopicPartition;

use crate::fetch::Position;

pub(crate) use commit::commit;
pub(crate) use committed::committed;
pub(crate) use epoch::ends_of_epochs;
pub(crate) use list::{ListAt, Listed, list_offsets};
pub use times::OffsetAndTimestamp;
pub(crate) use times::offsets_at;

impl From<Position> for OffsetAndMetadata {
    fn from(position: Position) -> Self {
        let mut offset = Self::new(position.offset);
        offset.leader_epoch = (position.leader_epoch >= 0).then_some(position.leader_epoch);
        offset
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
