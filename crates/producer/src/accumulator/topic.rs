//! The queues of a topic and of all topics, and the choice of the partition.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arc_swap::ArcSwap;
use klamm_codec::murmur2::partition_for_key;
use klamm_net::TopicId;

use super::queue::PartitionQueue;
use crate::error::Error;
use crate::record::Record;

/// The queues of one topic; replaced by a new value when partitions are added.
#[derive(Debug)]
pub(crate) struct TopicQueues {
    pub(crate) name: Arc<str>,
    pub(crate) id: TopicId,
    /// By partition index; never empty.
    pub(crate) partitions: Vec<Arc<PartitionQueue>>,
    /// Where records without key go for now.
    sticky: AtomicUsize,
}

impl TopicQueues {
    pub(crate) fn new(name: Arc<str>, id: TopicId, partitions: Vec<Arc<PartitionQueue>>) -> Self {
        // Producers that start together should not all begin with the same partition.
        let start = RandomState::new().hash_one(&name) as usize % partitions.len();
        Self {
            name,
            id,
            partitions,
            sticky: AtomicUsize::new(start),
        }
    }

    /// The queue for `record`, and whether the sticky partitioner chose it.
    #[inline]
    pub(crate) fn choose(
        &self,
        record: &Record<'_>,
    ) -> Result<(&Arc<PartitionQueue>, bool), Error> {
        if let Some(partition) = record.partition {
            let index = usize::try_from(partition).unwrap_or(usize::MAX);
            let queue = self.partitions.get(index);
            let invalid = || Error::InvalidPartition {
                topic: self.name.to_string(),
                partition,
                partition_count: self.partitions.len(),
            };
            return Ok((queue.ok_or_else(invalid)?, false));
        }
        if let Some(key) = record.key {
            let index = partition_for_key(key, self.partitions.len() as u32);
            return Ok((&self.partitions[index as usize], false));
        }
        let index = self.sticky.load(Ordering::Relaxed) % self.partitions.len();
        Ok((&self.partitions[index], true))
    }

    /// Records without key go to the next partition from now on, if they still go to `from`.
    pub(crate) fn leave(&self, from: &PartitionQueue) {
        let from = from.partition.partition as usize;
        let next = (from + 1) % self.partitions.len();
        let relaxed = Ordering::Relaxed;
        // Another task may have moved on already.
        let _ = self.sticky.compare_exchange(from, next, relaxed, relaxed);
    }
}

/// The topics that have been produced to; read without a lock.
#[derive(Debug, Default)]
pub(crate) struct Topics {
    by_name: ArcSwap<ByName>,
}

type ByName = HashMap<Arc<str>, Arc<TopicQueues>, foldhash::fast::RandomState>;

impl Topics {
    /// Hands the queues of `name` to `act`, without counting references.
    #[inline]
    pub(crate) fn with<T>(&self, name: &str, act: impl FnOnce(&TopicQueues) -> T) -> Option<T> {
        self.by_name.load().get(name).map(|queues| act(queues))
    }

    pub(crate) fn get(&self, name: &str) -> Option<Arc<TopicQueues>> {
        self.by_name.load().get(name).cloned()
    }

    pub(crate) fn all(&self) -> Vec<Arc<TopicQueues>> {
        self.by_name.load().values().cloned().collect()
    }

    /// Adds or replaces the queues of a topic. The caller makes sure that there is one writer.
    pub(crate) fn insert(&self, queues: Arc<TopicQueues>) {
        let mut by_name = ByName::clone(&self.by_name.load());
        by_name.insert(Arc::clone(&queues.name), queues);
        self.by_name.store(Arc::new(by_name));
    }
}

#[cfg(test)]
mod tests {
    use klamm_net::TopicPartition;

    use super::super::Fill;
    use super::*;

    fn topic(partitions: usize) -> TopicQueues {
        let name: Arc<str> = Arc::from("orders");
        let queue = |index| {
            let partition = TopicPartition::new(Arc::clone(&name), index as i32);
            let fill = Arc::new(Fill::new(1, 1));
            let queue = PartitionQueue::new(partition, TopicId::default(), index, fill);
            Arc::new(queue)
        };
        let queues = (0..partitions).map(queue).collect();
        TopicQueues::new(Arc::clone(&name), TopicId::default(), queues)
    }

    #[test]
    fn a_partition_that_the_topic_lacks_is_refused() {
        let topic = topic(3);
        for partition in [-1, 3] {
            let error = topic
                .choose(&Record::to("orders").partition(partition))
                .unwrap_err();
            assert!(matches!(
                error,
                Error::InvalidPartition {
                    partition_count: 3,
                    ..
                }
            ));
        }
        let (queue, sticky) = topic
            .choose(&Record::to("orders").partition(2).key("k"))
            .unwrap();
        assert_eq!((queue.slot, sticky), (2, false));
    }

    #[test]
    fn an_empty_key_is_hashed_and_a_missing_one_is_not() {
        let topic = topic(12);
        let (queue, sticky) = topic.choose(&Record::to("orders").key("")).unwrap();
        assert_eq!((queue.slot, sticky), (9, false));
        assert!(topic.choose(&Record::to("orders")).unwrap().1);
    }

    #[test]
    fn the_sticky_partitioner_visits_every_partition_in_turn() {
        let topic = topic(4);
        let mut visited = std::collections::BTreeSet::new();
        for _ in 0..4 {
            let (queue, _) = topic.choose(&Record::to("orders")).unwrap();
            visited.insert(queue.slot);
            let queue = Arc::clone(queue);
            topic.leave(&queue);
            topic.leave(&queue);
        }
        assert_eq!(visited.len(), 4);
    }
}
