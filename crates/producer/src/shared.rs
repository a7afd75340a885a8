//! What the handles of a producer and its sender share.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use klamm_codec::ErrorCode;
use klamm_net::{Cluster, ClusterSnapshot, Topic};
use tokio::time::{Instant, sleep_until};

use crate::accumulator::{Append, AppendContext, NoPartition, TopicQueues, Topics};
use crate::clock::Clock;
use crate::config::Settings;
use crate::delivery::{Delivery, Receipt, Single};
use crate::error::Error;
use crate::hooks::{Hooks, RecordBuf};
use crate::inbox::Inbox;
use crate::memory::{Memory, Reservation};
use crate::record::Record;
use crate::stats::{Counters, ProducerStats};
use crate::transaction::Coordination;
use crate::unfinished::Unfinished;

/// What the handles and the sender share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) cluster: Cluster,
    pub(crate) settings: Settings,
    pub(crate) memory: Arc<Memory>,
    pub(crate) clock: Clock,
    pub(crate) inbox: Inbox,
    pub(crate) counters: Arc<Counters>,
    hooks: Arc<Hooks>,
    topics: Topics,
    /// Held while a topic is added or changed.
    changing_topics: Mutex<()>,
    pub(crate) unfinished: Arc<Unfinished>,
    pub(crate) ended: OnceLock<Error>,
    /// None for a producer without transactions.
    pub(crate) transaction: Option<Arc<Coordination>>,
}

/// Why a record was not appended.
pub(crate) enum Refused {
    /// The topic has no queues yet, or no longer.
    NoTopic,
    NoMemory(usize),
    /// The topic has no such partition, as far as is known.
    NoPartition(Box<Error>),
    /// In a box, so that what `try_append` returns is small.
    Failed(Box<Error>),
}

impl Refused {
    #[cold]
    fn no_partition(queues: &TopicQueues, partition: i32) -> Self {
        if queues.is_asleep() {
            // It may have more partitions by now, or be another topic.
            return Self::NoTopic;
        }
        Self::NoPartition(Box::new(Error::InvalidPartition {
            topic: queues.name.to_string(),
            partition,
            partition_count: queues.partitions.len(),
        }))
    }
}

impl From<Error> for Refused {
    #[cold]
    fn from(error: Error) -> Self {
        Self::Failed(Box::new(error))
    }
}

impl Shared {
    pub(crate) fn new(
        cluster: Cluster,
        settings: Settings,
        hooks: Hooks,
        transaction: Option<Arc<Coordination>>,
    ) -> Arc<Self> {
        Arc::new(Self {
            cluster,
            memory: Memory::new(settings.config.buffer_memory, settings.batch_bytes_max),
            settings,
            clock: Clock::default(),
            inbox: Inbox::default(),
            counters: Arc::default(),
            hooks: Arc::new(hooks),
            topics: Topics::default(),
            changing_topics: Mutex::default(),
            unfinished: Arc::default(),
            ended: OnceLock::new(),
            transaction,
        })
    }

    /// Writes `record` into its batch, if nothing has to be waited for.
    pub(crate) fn try_append<R: Receipt>(
        &self,
        record: &Record<'_>,
        granted: &mut Option<Reservation>,
        receipt: &mut R,
    ) -> Result<R::Held, Refused> {
        if let Some(ended) = self.ended.get() {
            return Err(ended.clone().into());
        }
        let record_bytes_max = record.bytes_max();
        if record_bytes_max > self.settings.record_bytes_max {
            return Err(self.too_large(record, record_bytes_max));
        }
        let Some(queues) = self.topics.get(record.topic) else {
            return Err(Refused::NoTopic);
        };
        loop {
            let (queue, sticky) = match queues.choose(record, &self.settings.config) {
                Ok(chosen) => chosen,
                Err(NoPartition(partition)) => {
                    return Err(Refused::no_partition(queues, partition));
                }
            };
            let context = AppendContext {
                memory: &self.memory,
                clock: &self.clock,
                unfinished: &self.unfinished,
                hooks: &self.hooks,
                batch_bytes_max: self.settings.batch_bytes_max,
                record_bytes_max,
                sticky,
            };
            let (result, signal) = match queue.append(record, granted, &context, receipt) {
                Append::Appended { held, signal } => (Some(Ok(held)), signal),
                Append::NoMemory { wanted, signal } => {
                    (Some(Err(Refused::NoMemory(wanted))), signal)
                }
                Append::Switch { signal } => (None, signal),
                Append::Ended => (Some(Err(Refused::NoTopic)), false),
            };
            if signal {
                self.inbox.signal(queue);
            }
            match result {
                Some(result) => return result,
                None => queues.leave(queue, self.settings.config.sticky_order()),
            }
        }
    }

    /// As [`try_append`](Self::try_append). A topic that is not known, or no longer, is asked for, so that a later attempt
    /// finds it.
    pub(crate) fn append_or_ask(&self, record: &Record<'_>) -> Result<Delivery, Refused> {
        match self.try_append(record, &mut None, &mut Single) {
            Err(Refused::NoTopic) => {}
            appended => return appended,
        }
        self.cluster.add_topics([record.topic], true);
        let snapshot = self.cluster.snapshot();
        let topic = snapshot.topic(record.topic).ok_or(Refused::NoTopic)?;
        self.use_topic(topic);
        self.try_append(record, &mut None, &mut Single)
    }

    #[cold]
    fn too_large(&self, record: &Record<'_>, bytes: usize) -> Refused {
        let error = Error::RecordTooLarge {
            topic: record.topic.to_owned(),
            bytes,
            limit: self.settings.record_bytes_max,
        };
        error.into()
    }

    pub(crate) fn has_interceptors(&self) -> bool {
        !self.hooks.interceptors.is_empty()
    }

    /// What the interceptors make of a record.
    pub(crate) fn intercept(&self, record: &Record<'_>) -> RecordBuf {
        self.hooks.intercept(record)
    }

    pub(crate) fn stats(&self) -> ProducerStats {
        let (memory_used, memory_waiters) = self.memory.used();
        ProducerStats {
            batches_unfinished: self.unfinished.len(),
            memory_used,
            memory_limit: self.memory.limit(),
            memory_waiters,
            ..self.counters.lock().clone()
        }
    }

    fn changing_topics(&self) -> MutexGuard<'_, ()> {
        self.changing_topics
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds the queues of a topic, or brings them up to date.
    pub(crate) fn update_topic(&self, topic: &Topic) {
        let _changing = self.changing_topics();
        let known = self.topics.get(&topic.name);
        let current = known.is_some_and(|known| {
            known.id == topic.id && known.partitions.len() >= topic.partitions.len()
        });
        if !current && !topic.partitions.is_empty() {
            let queues = self
                .inbox
                .register(topic, known.map(Arc::as_ref), &self.settings);
            self.topics.insert(Arc::new(queues));
        }
    }

    /// As [`update_topic`](Self::update_topic), for a topic that is to be sent to: it may have been retired.
    pub(crate) fn use_topic(&self, topic: &Topic) {
        {
            let _changing = self.changing_topics();
            let known = self.topics.get(&topic.name);
            // The queues of a topic that has been created anew sleep for good.
            if let Some(known) = known.filter(|known| known.id == topic.id && known.is_asleep()) {
                self.cluster.add_topics([&*topic.name], true);
                known.wake();
            }
        }
        self.update_topic(topic);
    }

    /// Takes the topic out of use, until somebody sends to it; false if there are records for it.
    pub(crate) fn retire_topic(&self, queues: &TopicQueues) -> bool {
        let _changing = self.changing_topics();
        let is_asleep = queues.fall_asleep();
        if is_asleep {
            self.cluster.remove_topics([&*queues.name]);
        }
        is_asleep
    }

    /// The topics that are in use.
    pub(crate) fn topics_in_use(&self) -> impl Iterator<Item = &Arc<TopicQueues>> {
        self.topics.all().filter(|queues| !queues.is_asleep())
    }

    /// Brings the queues of all topics in use up to date.
    pub(crate) fn update_topics(&self, snapshot: &ClusterSnapshot) {
        for queues in self.topics_in_use() {
            if let Some(topic) = snapshot.topic(&queues.name) {
                self.update_topic(topic);
            }
        }
    }

    /// Asks for newer metadata of a topic, after a pause that grows with `asked`, how often that was done
    /// before; false if `deadline` passes first.
    pub(crate) async fn look_for_partitions(
        &self,
        topic: &str,
        asked: u32,
        deadline: Instant,
    ) -> bool {
        if asked > 0 {
            let pause = self.cluster.config().retry_backoff.jittered(asked - 1);
            sleep_until(deadline.min(Instant::now() + pause)).await;
        }
        let Ok(snapshot) = self.cluster.refresh(deadline).await else {
            return false;
        };
        if let Some(topic) = snapshot.topic(topic) {
            self.update_topic(topic);
        }
        true
    }

    /// Lets everything that is queued leave without lingering.
    pub(crate) fn hurry(&self) {
        for queues in self.topics.all() {
            for queue in &queues.partitions {
                if queue.hurry() {
                    self.inbox.signal(queue);
                }
            }
        }
    }

    /// The producer cannot go on.
    pub(crate) fn fail(&self, code: ErrorCode) {
        if let Some(transaction) = &self.transaction {
            transaction.change(|manager| manager.fail(Error::Fatal(code)));
        }
        self.end(Error::Fatal(code));
    }

    /// Takes no more records and gives up those that were not sent.
    pub(crate) fn end(&self, error: Error) {
        let _ = self.ended.set(error);
        for queues in self.topics.all() {
            for queue in &queues.partitions {
                drop(queue.end());
            }
        }
    }
}
