//! Partitions one by one, as this crate has them, and by topic, as they are on the wire.

use std::sync::Arc;

use klamm_net::TopicPartition;

use super::protocol::TopicPartitions;

/// Partitions by topic, both sorted.
pub(crate) fn grouped(partitions: impl IntoIterator<Item = TopicPartition>) -> TopicPartitions {
    let mut partitions: Vec<_> = partitions.into_iter().collect();
    partitions.sort_unstable();
    let mut topics = TopicPartitions::new();
    for TopicPartition { topic, partition } in partitions {
        match topics.last_mut() {
            Some((name, indexes)) if *name == topic => indexes.push(partition),
            _ => topics.push((topic, vec![partition])),
        }
    }
    topics
}

/// One partition after the other.
pub(crate) fn flattened(topics: TopicPartitions) -> Vec<TopicPartition> {
    let of_topic = |(topic, partitions): (Arc<str>, Vec<i32>)| {
        let name = move |partition| TopicPartition::new(Arc::clone(&topic), partition);
        partitions.into_iter().map(name)
    };
    topics.into_iter().flat_map(of_topic).collect()
}
