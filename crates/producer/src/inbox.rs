//! What the application tells the sender: that queues have something, and that there are new ones.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use klamm_net::{Topic, TopicPartition};
use tokio::sync::Notify;

use crate::accumulator::{Fill, PartitionQueue, TopicQueues};
use crate::config::Settings;

#[derive(Debug, Default)]
pub(crate) struct Inbox {
    state: Mutex<Mail>,
    arrived: Notify,
    next_slot: Mutex<usize>,
}

/// What has arrived since the sender last looked.
#[derive(Debug, Default)]
pub(crate) struct Mail {
    /// New queues, in the order of their slots.
    pub(crate) registered: Vec<Arc<PartitionQueue>>,
    /// Slots of queues that have something to send.
    pub(crate) signalled: Vec<usize>,
}

impl Inbox {
    fn lock(&self) -> MutexGuard<'_, Mail> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the sender to look at `queue`.
    pub(crate) fn signal(&self, queue: &PartitionQueue) {
        self.lock().signalled.push(queue.slot);
        self.arrived.notify_one();
    }

    /// The queues of `topic`: those of `known`, if it is the same topic, and new ones.
    pub(crate) fn register(
        &self,
        topic: &Topic,
        known: Option<&TopicQueues>,
        settings: &Settings,
    ) -> TopicQueues {
        // One at a time, so that slots arrive in their order.
        let mut next_slot = self
            .next_slot
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let known = known.filter(|known| known.id == topic.id);
        let mut queues = known.map_or_else(Vec::new, |known| known.partitions.clone());
        let fill = queues.first().map_or_else(
            || Arc::new(Fill::new(settings.batch_bytes_max, settings.fill_bytes_max)),
            |queue: &Arc<PartitionQueue>| Arc::clone(&queue.fill),
        );
        let mut mail = self.lock();
        for index in queues.len()..topic.partitions.len() {
            let partition = TopicPartition::new(Arc::clone(&topic.name), index as i32);
            let fill = Arc::clone(&fill);
            let queue = Arc::new(PartitionQueue::new(partition, topic.id, *next_slot, fill));
            *next_slot += 1;
            mail.registered.push(Arc::clone(&queue));
            queues.push(queue);
        }
        TopicQueues::new(Arc::clone(&topic.name), topic.id, queues)
    }

    /// Lets the sender look around.
    pub(crate) fn wake(&self) {
        self.arrived.notify_one();
    }

    /// Waits until there may be mail.
    pub(crate) async fn arrived(&self) {
        self.arrived.notified().await;
    }

    /// Takes the mail; `into` lends its memory.
    pub(crate) fn take(&self, into: &mut Mail) {
        into.registered.clear();
        into.signalled.clear();
        std::mem::swap(&mut *self.lock(), into);
    }
}
