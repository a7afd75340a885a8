//! The topics that have been produced to, found by name for every record.
//!
//! Looking up takes neither a lock nor a locked instruction: entries are only ever added. A topic that
//! gets partitions or is created anew gets a newer version; the older ones stay as long as the
//! producer, as do their places in the sender's list.

use std::hash::BuildHasher;
use std::sync::{Arc, OnceLock};

use super::topic::TopicQueues;

/// Enough for chains to be short with some thousand topics, at 16 bytes each.
const BUCKETS: usize = 512;

#[derive(Debug)]
pub(crate) struct Topics {
    /// The topic that was added first. Most producers have no other, and find it without a hash.
    first: Link<Entry>,
    hasher: foldhash::fast::RandomState,
    buckets: Box<[Link<Entry>]>,
}

/// Set once, and then never changed.
type Link<T> = OnceLock<Box<T>>;

#[derive(Debug)]
struct Entry {
    oldest: Version,
    /// The next topic in the same bucket.
    next: Link<Entry>,
}

#[derive(Debug)]
struct Version {
    queues: Arc<TopicQueues>,
    newer: Link<Version>,
}

impl Default for Topics {
    fn default() -> Self {
        Self {
            first: Link::default(),
            hasher: foldhash::fast::RandomState::default(),
            buckets: (0..BUCKETS).map(|_| Link::default()).collect(),
        }
    }
}

impl Topics {
    /// The queues of the topic `name`.
    #[inline]
    pub(crate) fn get(&self, name: &str) -> Option<&Arc<TopicQueues>> {
        Some(&self.entry(name)?.newest().queues)
    }

    #[inline]
    fn entry(&self, name: &str) -> Option<&Entry> {
        match self.first.get() {
            Some(first) if first.is(name) => Some(first),
            _ => self.chain(name).find(|entry| entry.is(name)),
        }
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<TopicQueues>> {
        let chains = std::iter::once(&self.first).chain(&self.buckets);
        let entries = chains.flat_map(successors);
        entries.map(|entry| &entry.newest().queues)
    }

    /// Adds or replaces the queues of a topic. The caller makes sure that there is one writer.
    pub(crate) fn insert(&self, queues: Arc<TopicQueues>) {
        let name = Arc::clone(&queues.name);
        let version = Version {
            queues,
            newer: Link::default(),
        };
        if let Some(entry) = self.entry(&name) {
            let _ = entry.newest().newer.set(Box::new(version));
            return;
        }
        let entry = Entry {
            oldest: version,
            next: Link::default(),
        };
        let end = if self.first.get().is_none() {
            &self.first
        } else {
            let last = self.chain(&name).last();
            last.map_or_else(|| self.bucket(&name), |last| &last.next)
        };
        let _ = end.set(Box::new(entry));
    }

    #[inline]
    fn bucket(&self, name: &str) -> &Link<Entry> {
        // The hasher's lower bits are as good as any.
        &self.buckets[self.hasher.hash_one(name) as usize % BUCKETS]
    }

    #[inline]
    fn chain(&self, name: &str) -> impl Iterator<Item = &Entry> {
        successors(self.bucket(name))
    }
}

#[inline]
fn successors(first: &Link<Entry>) -> impl Iterator<Item = &Entry> {
    let first = first.get().map(Box::as_ref);
    std::iter::successors(first, |entry| entry.next.get().map(Box::as_ref))
}

impl Entry {
    #[inline]
    fn is(&self, name: &str) -> bool {
        *self.oldest.queues.name == *name
    }

    #[inline]
    fn newest(&self) -> &Version {
        let mut version = &self.oldest;
        while let Some(newer) = version.newer.get() {
            version = newer;
        }
        version
    }
}

#[cfg(test)]
mod tests {
    use klamm_net::{TopicId, TopicPartition};

    use super::super::{Fill, PartitionQueue};
    use super::*;

    fn topic(name: &str, partitions: usize) -> Arc<TopicQueues> {
        let name: Arc<str> = Arc::from(name);
        let queue = |index| {
            let partition = TopicPartition::new(Arc::clone(&name), index as i32);
            let fill = Arc::new(Fill::new(1, 1));
            let queue = PartitionQueue::new(partition, TopicId::default(), index, fill);
            Arc::new(queue)
        };
        let queues = (0..partitions).map(queue).collect();
        Arc::new(TopicQueues::new(
            Arc::clone(&name),
            TopicId::default(),
            queues,
        ))
    }

    #[test]
    fn every_topic_is_found_also_when_buckets_are_shared_and_the_newest_version_counts() {
        let topics = Topics::default();
        let name = |index: usize| format!("topic-{index}");
        let count = 3 * BUCKETS;
        for index in 0..count {
            assert!(topics.get(&name(index)).is_none());
            topics.insert(topic(&name(index), 1));
        }
        for partitions in [4, 9] {
            topics.insert(topic(&name(7), partitions));
        }
        for index in 0..count {
            let found = topics.get(&name(index)).unwrap();
            assert_eq!(*found.name, *name(index));
            let partitions = if index == 7 { 9 } else { 1 };
            assert_eq!(found.partitions.len(), partitions);
        }
        assert_eq!(topics.all().count(), count);
    }
}
