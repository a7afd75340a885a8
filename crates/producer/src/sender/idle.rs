//! Which topics nothing has been sent to for `metadata.max.idle.ms`.
//!
//! Sans-I/O. Invariant: from a signal on there is a time to look at the topic, until it is retired.

use std::time::Duration;

use tokio::time::Instant;

use crate::accumulator::TopicQueues;

#[derive(Debug)]
pub(super) struct IdleTopics {
    max_idle: Duration,
    /// When each slot was last signalled, or registered.
    used: Vec<Instant>,
    next_look: Option<Instant>,
}

impl IdleTopics {
    pub(super) fn new(max_idle: Duration) -> Self {
        Self {
            // Far enough away, and still a point in time.
            max_idle: max_idle.min(Duration::from_secs(365 * 86_400)),
            used: Vec::new(),
            next_look: None,
        }
    }

    /// There is one more slot.
    pub(super) fn registered(&mut self, now: Instant) {
        self.used.push(now);
        self.next_look.get_or_insert(now + self.max_idle);
    }

    /// Something was put into the queue of `slot`.
    pub(super) fn signalled(&mut self, slot: usize, now: Instant) {
        self.used[slot] = now;
        self.next_look.get_or_insert(now + self.max_idle);
    }

    /// When to look for idle topics.
    pub(super) fn next_look(&self) -> Option<Instant> {
        self.next_look
    }

    /// Lets `retire` take those of `topics` out of use that are idle; those for which it gives false are looked at
    /// again.
    pub(super) fn look<'a, T: AsRef<TopicQueues> + 'a>(
        &mut self,
        topics: impl Iterator<Item = &'a T>,
        now: Instant,
        mut retire: impl FnMut(&TopicQueues) -> bool,
    ) {
        if self.next_look.is_none_or(|at| now < at) {
            return;
        }
        self.next_look = None;
        for topic in topics {
            let topic = topic.as_ref();
            let used = topic.partitions.iter().map(|queue| self.used[queue.slot]);
            let idle_at = used.max().unwrap_or(now) + self.max_idle;
            if now < idle_at || !retire(topic) {
                let again = idle_at.max(now + self.max_idle / 2);
                self.next_look = Some(self.next_look.map_or(again, |at| at.min(again)));
            }
        }
    }
}
