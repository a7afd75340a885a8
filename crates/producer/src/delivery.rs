//! What becomes of a record: one cell a batch, shared by all its records.
//!
//! Invariant: a batch is completed exactly once; the guard that the queues hold completes it on
//! drop, so no delivery waits for ever.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};

use klamm_net::TopicPartition;

use crate::error::{Cause, Error, Outcome};
use crate::unfinished::Unfinished;

/// Where an acknowledged record stands.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecordMetadata {
    /// Topic.
    pub topic: Arc<str>,
    /// Partition.
    pub partition: i32,
    /// Offset. `None` with `acks=0`, or when the broker recognised a retry of a batch it had
    /// written but no longer remembers where.
    pub offset: Option<i64>,
}

/// The result of a batch: its base offset, if known.
type BatchResult = Result<Option<i64>, (Cause, Outcome)>;

/// The cell that all deliveries of a batch read.
#[derive(Debug)]
struct Completion {
    partition: TopicPartition,
    result: OnceLock<BatchResult>,
    waiting: Mutex<Vec<Waker>>,
}

/// The right to complete a batch; held with its bytes.
#[derive(Debug)]
pub(crate) struct Completer {
    completion: Arc<Completion>,
    unfinished: Arc<Unfinished>,
    id: u64,
    /// What dropping it means.
    outcome: Outcome,
}

impl Completer {
    pub(crate) fn new(partition: TopicPartition, unfinished: &Arc<Unfinished>) -> Self {
        let completion = Completion {
            partition,
            result: OnceLock::new(),
            waiting: Mutex::default(),
        };
        Self {
            completion: Arc::new(completion),
            id: unfinished.add(),
            unfinished: Arc::clone(unfinished),
            outcome: Outcome::NotWritten,
        }
    }

    /// The delivery of the record with `index`.
    #[inline]
    pub(crate) fn delivery(&self, index: u32) -> Delivery {
        Delivery {
            completion: Arc::clone(&self.completion),
            index,
        }
    }

    /// From now on the batch may be in the log.
    pub(crate) const fn may_be_written(&mut self) {
        self.outcome = Outcome::Unknown;
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.completion.result.get().is_some()
    }

    /// Completes the batch, unless it is complete already.
    pub(crate) fn complete(&self, result: BatchResult) {
        if self.completion.result.set(result).is_err() {
            return;
        }
        let waiting = &self.completion.waiting;
        let waiting = std::mem::take(&mut *waiting.lock().unwrap_or_else(PoisonError::into_inner));
        for waker in waiting {
            waker.wake();
        }
        self.unfinished.remove(self.id);
    }
}

impl Drop for Completer {
    fn drop(&mut self) {
        if !self.is_complete() {
            self.complete(Err((Cause::Closed, self.outcome)));
        }
    }
}

/// The acknowledgement of one record, to be awaited or dropped.
///
/// # Cancel safety
/// Dropping it, or a future that awaits it, has no effect on the record.
#[derive(Debug)]
#[must_use = "a dropped delivery tells nobody about a failure"]
pub struct Delivery {
    completion: Arc<Completion>,
    index: u32,
}

impl Delivery {
    /// The partition that the record goes to.
    #[must_use]
    pub fn partition(&self) -> &TopicPartition {
        &self.completion.partition
    }

    /// The result, if it is known by now.
    #[must_use]
    pub fn result(&self) -> Option<Result<RecordMetadata, Error>> {
        let partition = &self.completion.partition;
        let result = self.completion.result.get()?.as_ref();
        Some(match result {
            Ok(base_offset) => Ok(RecordMetadata {
                topic: Arc::clone(&partition.topic),
                partition: partition.partition,
                offset: base_offset.map(|base| base + i64::from(self.index)),
            }),
            Err((cause, outcome)) => Err(Error::Delivery {
                partition: partition.clone(),
                outcome: *outcome,
                cause: cause.clone(),
            }),
        })
    }
}

impl Future for Delivery {
    type Output = Result<RecordMetadata, Error>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(result) = self.result() {
            return Poll::Ready(result);
        }
        let mut waiting = {
            let waiting = &self.completion.waiting;
            waiting.lock().unwrap_or_else(PoisonError::into_inner)
        };
        // Completed between the look above and taking the lock?
        if let Some(result) = self.result() {
            return Poll::Ready(result);
        }
        let waker = context.waker();
        if !waiting.iter().any(|waiting| waiting.will_wake(waker)) {
            waiting.push(waker.clone());
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn completer() -> Completer {
        Completer::new(TopicPartition::new("orders", 2), &Arc::default())
    }

    #[tokio::test]
    async fn every_record_of_a_batch_gets_its_own_offset() {
        let completer = completer();
        let deliveries = [completer.delivery(0), completer.delivery(7)];
        completer.complete(Ok(Some(100)));
        let [first, eighth] = deliveries;
        assert_eq!(first.await.unwrap().offset, Some(100));
        let eighth = eighth.await.unwrap();
        assert_eq!((eighth.partition, eighth.offset), (2, Some(107)));
    }

    #[tokio::test]
    async fn a_waiting_delivery_is_woken() {
        let completer = completer();
        let waiting = tokio::spawn(completer.delivery(0));
        tokio::task::yield_now().await;
        completer.complete(Ok(None));
        assert_eq!(waiting.await.unwrap().unwrap().offset, None);
    }

    #[tokio::test]
    async fn dropping_the_batch_completes_it_and_says_whether_it_may_be_written() {
        let mut written = completer();
        written.may_be_written();
        let delivery = written.delivery(0);
        drop(written);
        assert_eq!(delivery.await.unwrap_err().outcome(), Outcome::Unknown);
        let queued = completer();
        let delivery = queued.delivery(0);
        drop(queued);
        let error = delivery.await.unwrap_err();
        assert_eq!(error.outcome(), Outcome::NotWritten);
        assert!(error.to_string().contains("orders-2"), "{error}");
    }

    #[test]
    fn the_first_result_stands() {
        let completer = completer();
        let delivery = completer.delivery(0);
        completer.complete(Ok(Some(1)));
        completer.complete(Err((Cause::Closed, Outcome::Unknown)));
        assert_eq!(delivery.result().unwrap().unwrap().offset, Some(1));
    }
}
