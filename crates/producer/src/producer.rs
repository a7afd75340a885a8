//! The producer that applications hold.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use klamm_net::Cluster;
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout, timeout_at};

use crate::config::Settings;
use crate::deliveries::Deliveries;
use crate::delivery::{Delivery, Receipt, Single};
use crate::error::Error;
use crate::hooks::Hooks;
use crate::record::Record;
use crate::sender::Sender;
use crate::shared::{Refused, Shared};
use crate::stats::ProducerStats;
use crate::transaction::Coordination;

/// Sends records to Kafka; cheap to clone, to be used from any number of tasks.
///
/// - Memory: at most `buffer.memory` for records that are not acknowledged.
/// - A slow partition does not hold up others, until it has taken all of that memory.
/// - Dropping a future of [`send`](Self::send) before it is ready means that the record was not
///   accepted; an accepted record is not affected by dropping its [`Delivery`].
/// - Dropping the last clone gives up what is not acknowledged; [`close`](Self::close) first.
#[derive(Clone)]
pub struct Producer {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    sender: AbortHandle,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.shared.end(Error::Closed);
        self.sender.abort();
    }
}

impl Producer {
    pub(crate) fn start(
        cluster: &Cluster,
        settings: Settings,
        hooks: Hooks,
        transaction: Option<Arc<Coordination>>,
    ) -> Self {
        let shared = Shared::new(cluster.with_own_lanes(), settings, hooks, transaction);
        let sender = tokio::spawn(Sender::new(Arc::clone(&shared)).run());
        Self {
            inner: Arc::new(Inner {
                shared,
                sender: sender.abort_handle(),
            }),
        }
    }

    /// Accepts a record: it is copied into the batch of its partition. Waits at most `max.block.ms`
    /// for the topic's metadata, also if the record names a partition that the topic does not have (yet),
    /// and for room in `buffer.memory`, longest waiter first; else it does not wait at all. The [`Delivery`] tells when
    /// the record is acknowledged.
    ///
    /// # Errors
    /// The record was not accepted: [`Error::Net`] (no such topic, no broker), [`Error::BufferFull`],
    /// [`Error::RecordTooLarge`], [`Error::InvalidPartition`], [`Error::Fatal`], [`Error::Closed`].
    ///
    /// # Cancel safety
    /// A future that is dropped before it is ready has not accepted the record.
    #[inline]
    pub fn send<'a>(&'a self, record: Record<'a>) -> SendRecord<'a> {
        self.send_for(record, Single)
    }

    /// As [`send`](Self::send), for those who send much and want to know what became of all of it: the
    /// acknowledgement goes into `deliveries`, which costs less than a [`Delivery`] for each record.
    ///
    /// # Errors
    /// As of [`send`](Self::send): the record was not accepted, and is not in `deliveries`.
    ///
    /// # Cancel safety
    /// As of [`send`](Self::send).
    #[inline]
    pub fn send_into<'a>(
        &'a self,
        record: Record<'a>,
        deliveries: &'a mut Deliveries,
    ) -> SendRecord<'a, &'a mut Deliveries> {
        self.send_for(record, deliveries)
    }

    #[inline]
    fn send_for<'a, R: Receipt>(&'a self, record: Record<'a>, receipt: R) -> SendRecord<'a, R> {
        SendRecord {
            producer: self,
            record,
            receipt: Some(receipt),
            waiting: None,
        }
    }

    /// Sends records one after the other, as [`send`](Self::send) does; each has a result of its
    /// own, in the same order. A failure does not keep the next ones back.
    ///
    /// # Cancel safety
    /// A future that is dropped before it is ready has accepted some of the records, in their order,
    /// and not the others; flush to know that they are written.
    pub async fn send_all<'a>(
        &self,
        records: impl IntoIterator<Item = Record<'a>>,
    ) -> Vec<Result<Delivery, Error>> {
        let records = records.into_iter();
        let mut results = Vec::with_capacity(records.size_hint().0);
        for record in records {
            results.push(self.send(record).await);
        }
        results
    }

    /// Sends a record that has to wait for something, or that interceptors are to see.
    async fn send_waiting<R: Receipt>(
        &self,
        record: Record<'_>,
        receipt: R,
    ) -> Result<R::Held, Error> {
        if !self.inner.shared.has_interceptors() {
            return self.send_as_it_is(record, receipt).await;
        }
        let record = self.inner.shared.intercept(&record);
        let headers = record.borrowed_headers();
        self.send_as_it_is(record.as_record(&headers), receipt)
            .await
    }

    async fn send_as_it_is<R: Receipt>(
        &self,
        record: Record<'_>,
        mut receipt: R,
    ) -> Result<R::Held, Error> {
        let shared = &self.inner.shared;
        let started = Instant::now();
        let deadline = started + shared.settings.config.max_block;
        let mut granted = None;
        let mut asked = 0;
        loop {
            match shared.try_append(&record, &mut granted, &mut receipt) {
                Ok(held) => return Ok(held),
                Err(Refused::Failed(error)) => return Err(*error),
                Err(Refused::NoPartition(error)) => {
                    // It may have been added just now, as Java assumes; a rule that names it is wrong.
                    let may_come = record.partition.is_some_and(|partition| partition >= 0);
                    if !may_come
                        || !shared
                            .look_for_partitions(record.topic, asked, deadline)
                            .await
                    {
                        return Err(*error);
                    }
                    asked += 1;
                }
                Err(Refused::NoTopic) => {
                    let topic = shared.cluster.topic(record.topic, true, deadline).await?;
                    shared.use_topic(&topic);
                    // A topic that has just been created anew ends its old queues by and by.
                    tokio::task::yield_now().await;
                }
                Err(Refused::NoMemory(wanted)) => {
                    if !shared.memory.is_short() {
                        shared.hurry();
                    }
                    let reserved = timeout_at(deadline, shared.memory.reserve(wanted)).await;
                    granted = Some(reserved.map_err(|_| Error::BufferFull {
                        topic: record.topic.to_owned(),
                        limit: shared.memory.limit(),
                        waited: started.elapsed(),
                    })?);
                }
            }
        }
    }

    /// As [`send`](Self::send), but never waits. The record stays with the caller if it fails.
    ///
    /// # Errors
    /// As for [`send`](Self::send), and [`Error::TopicNotReady`] for a topic whose metadata is not there: nothing has
    /// been sent to it yet, or not for `metadata.max.idle.ms`. It is then asked for.
    pub fn try_send(&self, record: Record<'_>) -> Result<Delivery, Error> {
        let shared = &self.inner.shared;
        let appended = if shared.has_interceptors() {
            let record = shared.intercept(&record);
            let headers = record.borrowed_headers();
            shared.append_or_ask(&record.as_record(&headers))
        } else {
            shared.append_or_ask(&record)
        };
        appended.map_err(|refused| {
            let topic = record.topic.to_owned();
            match refused {
                Refused::Failed(error) | Refused::NoPartition(error) => *error,
                Refused::NoTopic => Error::TopicNotReady { topic },
                Refused::NoMemory(_) => {
                    shared.hurry();
                    Error::BufferFull {
                        topic,
                        limit: shared.memory.limit(),
                        waited: Duration::ZERO,
                    }
                }
            }
        })
    }

    /// Sends everything that was accepted before this call without lingering, and waits until each
    /// of these records is acknowledged or given up. Ends at the latest with `delivery.timeout.ms`;
    /// what became of a record its [`Delivery`] tells.
    ///
    /// # Cancel safety
    /// Dropping the future has no effect on the records.
    pub async fn flush(&self) {
        let shared = &self.inner.shared;
        shared.hurry();
        shared.unfinished.finished().await;
    }

    /// What this producer has done so far, and how it stands. Cheap enough to be asked every second.
    #[must_use]
    pub fn stats(&self) -> ProducerStats {
        self.inner.shared.stats()
    }

    /// Takes no more records, flushes, and ends the producer for all its clones.
    ///
    /// # Errors
    /// [`Error::Unfinished`] if `timeout` passes first: the deliveries of what is left then fail.
    ///
    /// # Cancel safety
    /// A future that is dropped leaves a producer that takes no more records but goes on sending.
    pub async fn close(&self, timeout_after: Duration) -> Result<(), Error> {
        let shared = &self.inner.shared;
        let _ = shared.ended.set(Error::Closed);
        let flushed = timeout(timeout_after, self.flush()).await;
        let unfinished = shared.unfinished.len();
        shared.end(Error::Closed);
        self.inner.sender.abort();
        flushed.map_err(|_| Error::Unfinished {
            what: "close",
            timeout: timeout_after,
            unfinished,
        })
    }

    /// `max.block.ms`.
    pub(crate) fn max_block(&self) -> Duration {
        self.inner.shared.settings.config.max_block
    }

    /// Lets what is queued leave without lingering.
    pub(crate) fn hurry(&self) {
        self.inner.shared.hurry();
    }

    /// Lets the sender look at the transaction.
    pub(crate) fn wake(&self) {
        self.inner.shared.inbox.wake();
    }

    /// What to tell who has waited for `max.block.ms`.
    pub(crate) fn transaction_timed_out(
        &self,
        coordination: &Coordination,
        operation: &'static str,
    ) -> Error {
        let config = &self.inner.shared.settings.config;
        let transactional_id = config.transactional_id.as_deref().unwrap_or_default();
        Error::TransactionTimeout {
            operation,
            transactional_id: transactional_id.into(),
            timeout: config.max_block,
            last: coordination.lock().last_failure().map(Box::new),
        }
    }
}

/// The future of [`Producer::send`] and [`Producer::send_into`].
///
/// Written by hand, so that a record that has to wait for nothing is appended from where the caller
/// has put it, without being copied into an `async fn` first.
#[must_use = "a record is not sent before this is awaited"]
pub struct SendRecord<'a, R: Receipt = Single> {
    producer: &'a Producer,
    record: Record<'a>,
    /// Until the record has to wait.
    receipt: Option<R>,
    waiting: Option<Pin<Box<Waiting<'a, R::Held>>>>,
}

type Waiting<'a, Held> = dyn Future<Output = Result<Held, Error>> + Send + 'a;

impl<'a, R: Receipt + Unpin + 'a> Future for SendRecord<'a, R> {
    type Output = Result<R::Held, Error>;

    #[inline]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let shared = &this.producer.inner.shared;
        if let Some(receipt) = &mut this.receipt
            && !shared.has_interceptors()
            && let Ok(held) = shared.try_append(&this.record, &mut None, receipt)
        {
            return Poll::Ready(Ok(held));
        }
        this.poll_waiting(context)
    }
}

impl<'a, R: Receipt + 'a> SendRecord<'a, R> {
    #[cold]
    #[inline(never)]
    fn poll_waiting(&mut self, context: &mut Context<'_>) -> Poll<Result<R::Held, Error>> {
        let (producer, record) = (self.producer, self.record);
        if let Some(receipt) = self.receipt.take() {
            self.waiting = Some(Box::pin(producer.send_waiting(record, receipt)));
        }
        match &mut self.waiting {
            Some(waiting) => waiting.as_mut().poll(context),
            None => Poll::Pending,
        }
    }
}

/// As what it was built; its queues would fill pages.
impl fmt::Debug for Producer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Producer")
            .field("config", &self.inner.shared.settings.config)
            .finish_non_exhaustive()
    }
}

impl<R: Receipt> fmt::Debug for SendRecord<'_, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendRecord")
            .field("record", &self.record)
            .field("is_waiting", &self.waiting.is_some())
            .finish_non_exhaustive()
    }
}
