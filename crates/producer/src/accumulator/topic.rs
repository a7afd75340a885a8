//! The queues of a topic, and the choice of the partition.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use klamm_net::TopicId;

use super::queue::PartitionQueue;
use crate::config::ProducerConfig;
use crate::partitioner::Availability;
use crate::partitioner::sticky::{self, Order};
use crate::record::Record;

/// The queues of one topic; replaced by a new value when partitions are added.
#[derive(Debug)]
pub(crate) struct TopicQueues {
    pub(crate) name: Arc<str>,
    pub(crate) id: TopicId,
    /// By partition index; never empty.
    pub(crate) partitions: Vec<Arc<PartitionQueue>>,
    /// Index of the partition where records without key go for now.
    sticky: AtomicUsize,
    /// Whose turn it is, where each record goes to the next partition.
    turn: AtomicUsize,
    random: AtomicU64,
}

/// The topic has no such partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoPartition(pub(crate) i32);

impl TopicQueues {
    pub(crate) fn new(name: Arc<str>, id: TopicId, partitions: Vec<Arc<PartitionQueue>>) -> Self {
        // Producers that start together should not all begin with the same partition.
        let random = RandomState::new().hash_one(&name);
        let start = random as usize % partitions.len();
        Self {
            name,
            id,
            partitions,
            sticky: AtomicUsize::new(start),
            turn: AtomicUsize::new(start),
            random: AtomicU64::new(random),
        }
    }

    pub(crate) fn partition(&self, index: i32) -> Option<&Arc<PartitionQueue>> {
        self.partitions.get(usize::try_from(index).ok()?)
    }

    /// Takes no more records until [`wake`](Self::wake), unless there are some; says whether it does.
    pub(crate) fn fall_asleep(&self) -> bool {
        let is_asleep = self.partitions.iter().all(|queue| queue.fall_asleep());
        if !is_asleep {
            self.wake();
        }
        is_asleep
    }

    pub(crate) fn wake(&self) {
        for queue in &self.partitions {
            queue.wake();
        }
    }

    pub(crate) fn is_asleep(&self) -> bool {
        self.partitions[0].is_asleep()
    }

    /// The queue for `record`, and whether the sticky partitioner chose it.
    #[inline]
    pub(crate) fn choose(
        &self,
        record: &Record<'_>,
        config: &ProducerConfig,
    ) -> Result<(&Arc<PartitionQueue>, bool), NoPartition> {
        let picked = record.partition.or_else(|| {
            let ignore_keys = config.partitioner_ignore_keys;
            config.partitioning.pick(record, ignore_keys, self)
        });
        let Some(partition) = picked else {
            let index = self.sticky.load(Ordering::Relaxed);
            return Ok((&self.partitions[index], true));
        };
        let queue = self.partition(partition);
        Ok((queue.ok_or(NoPartition(partition))?, false))
    }

    /// The next partition with a leader, or the next one if none has any.
    pub(crate) fn next_in_turn(&self) -> i32 {
        let count = self.partitions.len();
        let next = || self.turn.fetch_add(1, Ordering::Relaxed) % count;
        let first = next();
        let has_leader =
            |index: usize| self.partitions[index].availability() > Availability::NoLeader;
        let mut index = first;
        for _ in 1..count {
            if has_leader(index) {
                return index as i32;
            }
            index = next();
        }
        if has_leader(index) {
            return index as i32;
        }
        first as i32
    }

    /// Records without key go to another partition from now on, if they still go to `from`.
    pub(crate) fn leave(&self, from: &PartitionQueue, order: Order) {
        let from = from.partition.partition as usize;
        // SplitMix64 without its first step: any number will do.
        let mut random = self
            .random
            .fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        random = (random ^ (random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        random ^= random >> 27;
        let look = |index: usize| {
            let queue = &self.partitions[index];
            (queue.availability(), queue.backlog())
        };
        let next = sticky::next(order, from, self.partitions.len(), random, look);
        let relaxed = Ordering::Relaxed;
        // Another task may have moved on already.
        let _ = self.sticky.compare_exchange(from, next, relaxed, relaxed);
    }
}

#[cfg(test)]
mod tests {
    use klamm_net::TopicPartition;

    use super::super::Fill;
    use super::*;
    use crate::partitioner::{Partitioner, Partitioning, TopicPartitions};

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

    fn choose(topic: &TopicQueues, record: Record<'_>, partitioning: Partitioning) -> Option<i32> {
        let config = ProducerConfig {
            partitioning,
            ..ProducerConfig::default()
        };
        let (queue, sticky) = topic.choose(&record, &config).unwrap();
        (!sticky).then_some(queue.partition.partition)
    }

    #[test]
    fn a_partition_that_the_topic_lacks_is_refused() {
        let topic = topic(3);
        let config = ProducerConfig::default();
        for partition in [-1, 3] {
            let record = Record::to("orders").partition(partition);
            let refused = topic.choose(&record, &config).unwrap_err();
            assert_eq!(refused, NoPartition(partition));
        }
        for partitioning in [Partitioning::Default, Partitioning::RoundRobin] {
            let record = Record::to("orders").partition(2).key("k");
            assert_eq!(choose(&topic, record, partitioning), Some(2));
        }
    }

    #[test]
    fn each_rule_has_its_word_on_keys_empty_keys_and_none() {
        use Partitioning::{Crc32, Crc32Random, Default, Fnv1a, Fnv1aRandom, LeastBackup, Murmur2};
        let topic = topic(12);
        let keyed = Record::to("orders").key("abc");
        let crc = Some((0x3524_41c2_u32 % 12) as i32);
        let fnv = Some((klamm_codec::key_hash::fnv1a(b"abc") % 12) as i32);
        let fnv_empty = Some((0x7ee3_623b_u32 % 12) as i32);
        for (partitioning, expected) in [
            (Default, [Some(3), Some(9), None]),
            (LeastBackup, [None, None, None]),
            (Murmur2, [Some(3), Some(9), Some(9)]),
            (Crc32, [crc, Some(0), Some(0)]),
            (Crc32Random, [crc, None, None]),
            (Fnv1a, [fnv, fnv_empty, fnv_empty]),
            (Fnv1aRandom, [fnv, fnv_empty, None]),
        ] {
            let records = [keyed, Record::to("orders").key(""), Record::to("orders")];
            let chosen = records.map(|record| choose(&topic, record, partitioning.clone()));
            assert_eq!(chosen, expected, "{partitioning:?}");
        }
    }

    #[test]
    fn keys_can_be_ignored() {
        let config = ProducerConfig {
            partitioner_ignore_keys: true,
            ..ProducerConfig::default()
        };
        let record = Record::to("orders").key("abc");
        assert!(topic(12).choose(&record, &config).unwrap().1);
    }

    #[test]
    fn round_robin_goes_over_the_partitions_that_have_leaders() {
        let topic = topic(4);
        topic.partitions[2].set_availability(Availability::NoLeader);
        let next = || choose(&topic, Record::to("orders"), Partitioning::RoundRobin).unwrap();
        let chosen: Vec<_> = (0..300).map(|_| next()).collect();
        assert!(!chosen.contains(&2));
        for pair in chosen.windows(2) {
            let expected = if pair[0] == 1 { 3 } else { (pair[0] + 1) % 4 };
            assert_eq!(pair[1], expected, "{chosen:?}");
        }
        for queue in &topic.partitions {
            queue.set_availability(Availability::NoLeader);
        }
        let leaderless: std::collections::BTreeSet<_> = (0..40).map(|_| next()).collect();
        assert!(!leaderless.is_empty());
    }

    #[test]
    fn the_sticky_partitioner_visits_every_partition_in_turn_and_skips_those_without_leader() {
        let topic = topic(4);
        topic.partitions[1].set_availability(Availability::NoLeader);
        let config = ProducerConfig::default();
        let mut visited = std::collections::BTreeSet::new();
        for _ in 0..5 {
            let (queue, _) = topic.choose(&Record::to("orders"), &config).unwrap();
            visited.insert(queue.slot);
            let queue = Arc::clone(queue);
            topic.leave(&queue, Order::Adaptive);
            topic.leave(&queue, Order::Adaptive);
        }
        visited.remove(&1); // where it may have begun
        assert_eq!(visited.into_iter().collect::<Vec<_>>(), [0, 2, 3]);
    }

    #[test]
    fn a_rule_of_ones_own_sees_the_topic_and_may_leave_the_choice_to_klamm() {
        #[derive(Debug)]
        struct Last;
        impl Partitioner for Last {
            fn partition(&self, record: &Record<'_>, topic: &TopicPartitions<'_>) -> Option<i32> {
                assert_eq!((topic.topic(), topic.queued_batches(0)), ("orders", 0));
                assert!(topic.has_leader(0) && !topic.has_leader(77));
                record.key.map(|_| topic.count() as i32 - 1)
            }
        }
        let topic = topic(5);
        let rule = || Partitioning::Custom(Arc::new(Last));
        assert_eq!(
            choose(&topic, Record::to("orders").key("k"), rule()),
            Some(4)
        );
        assert_eq!(choose(&topic, Record::to("orders"), rule()), None);
    }
}
