//! What the handles of a producer and its sender share.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use klamm_codec::ErrorCode;
use klamm_net::{Cluster, ClusterSnapshot, Topic};

use crate::accumulator::{Append, AppendContext, Topics};
use crate::clock::Clock;
use crate::config::Settings;
use crate::delivery::Delivery;
use crate::error::Error;
use crate::hooks::{Hooks, RecordBuf};
use crate::inbox::Inbox;
use crate::memory::{Memory, Reservation};
use crate::record::Record;
use crate::stats::{Counters, ProducerStats};
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
}

/// Why a record was not appended.
pub(crate) enum Refused {
    /// The topic has no queues yet, or no longer.
    NoTopic,
    NoMemory(usize),
    Failed(Error),
}

impl Shared {
    pub(crate) fn new(cluster: Cluster, settings: Settings, hooks: Hooks) -> Arc<Self> {
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
        })
    }

    /// Writes `record` into its batch, if nothing has to be waited for.
    pub(crate) fn try_append(
        &self,
        record: &Record<'_>,
        granted: &mut Option<Reservation>,
    ) -> Result<Delivery, Refused> {
        if let Some(ended) = self.ended.get() {
            return Err(Refused::Failed(ended.clone()));
        }
        let record_bytes_max = record.bytes_max();
        if record_bytes_max > self.settings.record_bytes_max {
            return Err(Refused::Failed(Error::RecordTooLarge {
                topic: record.topic.to_owned(),
                bytes: record_bytes_max,
                limit: self.settings.record_bytes_max,
            }));
        }
        let appended = self.topics.with(record.topic, |queues| {
            loop {
                let (queue, sticky) = queues
                    .choose(record, &self.settings.config)
                    .map_err(Refused::Failed)?;
                let context = AppendContext {
                    memory: &self.memory,
                    clock: &self.clock,
                    unfinished: &self.unfinished,
                    hooks: &self.hooks,
                    batch_bytes_max: self.settings.batch_bytes_max,
                    record_bytes_max,
                    sticky,
                };
                let (result, signal) = match queue.append(record, granted, &context) {
                    Append::Appended { delivery, signal } => (Some(Ok(delivery)), signal),
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
        });
        appended.unwrap_or(Err(Refused::NoTopic))
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

    /// Adds the queues of a topic, or brings them up to date.
    pub(crate) fn update_topic(&self, topic: &Topic) {
        let _changing = self
            .changing_topics
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let known = self.topics.get(&topic.name);
        let current = known.as_ref().is_some_and(|known| {
            known.id == topic.id && known.partitions.len() >= topic.partitions.len()
        });
        if !current && !topic.partitions.is_empty() {
            let queues = self.inbox.register(topic, known.as_deref(), &self.settings);
            self.topics.insert(Arc::new(queues));
        }
    }

    /// Brings the queues of all topics up to date.
    pub(crate) fn update_topics(&self, snapshot: &ClusterSnapshot) {
        for queues in self.topics.all() {
            if let Some(topic) = snapshot.topic(&queues.name) {
                self.update_topic(topic);
            }
        }
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
