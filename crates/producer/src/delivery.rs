//! What becomes of a record: one cell a batch, shared by all its records.
//!
//! Invariants
//! - a batch is completed exactly once; the guard that the queues hold completes it on drop, so no
//!   delivery waits for ever
//! - a batch that is split passes its deliveries on to its parts; whoever waits for the batch waits
//!   for all of them

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};

use klamm_net::TopicPartition;

use crate::error::{Cause, Error, Outcome};
use crate::hooks::{DeliveryReport, Hooks};
use crate::unfinished::{Unfinished, UnfinishedBatch};

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
    /// When the broker appended the record, in milliseconds since the Unix epoch, if its topic
    /// takes that instead of the record's own timestamp (`message.timestamp.type=LogAppendTime`).
    pub log_append_time: Option<i64>,
}

/// Where an acknowledged batch stands.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Written {
    pub(crate) base_offset: Option<i64>,
    pub(crate) log_append_time: Option<i64>,
}

/// Why a batch failed.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) cause: Cause,
    pub(crate) outcome: Outcome,
    /// The records that the broker found fault with, by their index, and what it said (KIP-467);
    /// empty if the fault is not in single records.
    pub(crate) refused_records: Vec<(u32, Option<Arc<str>>)>,
}

impl Failure {
    pub(crate) const fn new(cause: Cause, outcome: Outcome) -> Self {
        Self {
            cause,
            outcome,
            refused_records: Vec::new(),
        }
    }

    /// Why the record with `index` failed: a batch is written whole or not at all, so one bad record
    /// takes the others with it.
    fn cause_of(&self, index: u32) -> Cause {
        let Cause::Broker { code, .. } = self.cause else {
            return self.cause.clone();
        };
        let mut refused = self.refused_records.iter();
        match refused.find(|(refused, _)| *refused == index) {
            Some((_, message)) => Cause::Broker {
                code,
                message: message.clone(),
            },
            None if self.refused_records.is_empty() => self.cause.clone(),
            None => Cause::OtherRecord(code),
        }
    }
}

#[derive(Debug)]
enum BatchResult {
    Written(Written),
    Failed(Failure),
    /// The parts, each with the index of its first record.
    Split(Vec<(u32, Arc<Completion>)>),
}

/// The cell that all deliveries of a batch read.
#[derive(Debug)]
pub struct Completion {
    partition: TopicPartition,
    result: OnceLock<BatchResult>,
    waiting: Mutex<Vec<Waker>>,
}

impl Completion {
    fn new(partition: TopicPartition) -> Arc<Self> {
        Arc::new(Self {
            partition,
            result: OnceLock::new(),
            waiting: Mutex::default(),
        })
    }

    /// Whether all its records are in the log.
    pub(crate) fn is_written(&self) -> bool {
        matches!(self.result.get(), Some(BatchResult::Written(_)))
    }

    /// Sets the result and wakes who waits for it; says whether it was the first.
    fn set(&self, result: BatchResult) -> bool {
        if self.result.set(result).is_err() {
            return false;
        }
        let waiting = &self.waiting;
        let waiting = std::mem::take(&mut *waiting.lock().unwrap_or_else(PoisonError::into_inner));
        for waker in waiting {
            waker.wake();
        }
        true
    }
}

/// The right to complete a batch; held with its bytes.
#[derive(Debug)]
pub(crate) struct Completer {
    completion: Arc<Completion>,
    /// Until the result is there.
    unfinished: Option<Arc<UnfinishedBatch>>,
    /// What dropping it means.
    outcome: Outcome,
    /// Set if somebody wants to be told of every record.
    reports: Option<Reports>,
}

#[derive(Debug)]
struct Reports {
    hooks: Arc<Hooks>,
    /// Of each record.
    tags: Vec<u64>,
}

impl Completer {
    pub(crate) fn new(
        partition: TopicPartition,
        unfinished: &Arc<Unfinished>,
        hooks: &Arc<Hooks>,
    ) -> Self {
        let reports = hooks.want_reports().then(|| Reports {
            hooks: Arc::clone(hooks),
            tags: Vec::new(),
        });
        Self {
            reports,
            completion: Completion::new(partition),
            unfinished: Some(Unfinished::add(unfinished)),
            outcome: Outcome::NotWritten,
        }
    }

    /// What its sender holds of the next record, which has `index`.
    #[inline]
    pub(crate) fn receipt<R: Receipt>(&mut self, index: u32, tag: u64, receipt: &mut R) -> R::Held {
        if let Some(reports) = &mut self.reports {
            reports.tags.push(tag);
        }
        receipt.hold(&self.completion, index)
    }

    /// From now on the batch may be in the log.
    pub(crate) const fn may_be_written(&mut self) {
        self.outcome = Outcome::Unknown;
    }

    /// The batch is in the log, unless it was given up before.
    pub(crate) fn written(&mut self, written: Written) {
        self.complete(BatchResult::Written(written));
    }

    /// The batch is given up, unless it is complete already.
    pub(crate) fn fail(&mut self, cause: Cause, outcome: Outcome) {
        self.fail_with(Failure::new(cause, outcome));
    }

    pub(crate) fn fail_with(&mut self, failure: Failure) {
        self.complete(BatchResult::Failed(failure));
    }

    fn complete(&mut self, result: BatchResult) {
        let failed = match &result {
            BatchResult::Failed(failure) => Some(Error::Delivery {
                partition: self.completion.partition.clone(),
                outcome: failure.outcome,
                cause: failure.cause.clone(),
            }),
            BatchResult::Written(_) | BatchResult::Split(_) => None,
        };
        let is_first = self.completion.set(result);
        if is_first && let Some(reports) = self.reports.take() {
            reports.tell(&self.completion);
        }
        if let Some(unfinished) = self.unfinished.take()
            && let Some(error) = failed.filter(|_| is_first)
        {
            unfinished.failed(error);
        }
    }

    /// Passes the deliveries on to parts, of which each begins with the record of one of `starts`;
    /// the first with record 0.
    pub(crate) fn split(mut self, starts: &[u32]) -> Vec<Self> {
        let mut reports = self.reports.take();
        let part = |start: &u32| Self {
            completion: Completion::new(self.completion.partition.clone()),
            unfinished: self.unfinished.clone(),
            outcome: Outcome::NotWritten,
            reports: reports.as_mut().map(|reports| Reports {
                hooks: Arc::clone(&reports.hooks),
                tags: reports.tags.split_off(*start as usize),
            }),
        };
        // From the last on, so that each takes its own tags.
        let mut parts: Vec<_> = starts.iter().rev().map(part).collect();
        parts.reverse();
        let cells = parts.iter().map(|part| Arc::clone(&part.completion));
        let split = starts.iter().copied().zip(cells).collect();
        self.complete(BatchResult::Split(split));
        parts
    }
}

impl Reports {
    fn tell(self, completion: &Arc<Completion>) {
        for (index, tag) in (0..).zip(self.tags) {
            if let Some(result) = result(completion, index) {
                self.hooks.report(&DeliveryReport {
                    partition: &completion.partition,
                    tag,
                    result: &result,
                });
            }
        }
    }
}

impl Drop for Completer {
    fn drop(&mut self) {
        if self.unfinished.is_some() {
            self.fail(Cause::Closed, self.outcome);
        }
    }
}

/// How the sender of a record holds on to its acknowledgement.
pub trait Receipt: Send {
    /// What it is given.
    type Held: Send;

    /// Takes note of the record with `index` in its batch.
    #[doc(hidden)]
    fn hold(&mut self, completion: &Arc<Completion>, index: u32) -> Self::Held;
}

/// A delivery for each record.
#[derive(Debug)]
pub struct Single;

impl Receipt for Single {
    type Held = Delivery;

    #[inline]
    fn hold(&mut self, completion: &Arc<Completion>, index: u32) -> Delivery {
        Delivery::new(completion, index)
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
    #[inline]
    pub(crate) fn new(completion: &Arc<Completion>, index: u32) -> Self {
        Self {
            completion: Arc::clone(completion),
            index,
        }
    }

    pub(crate) fn into_parts(self) -> (Arc<Completion>, u32) {
        (self.completion, self.index)
    }

    /// The partition that the record goes to.
    #[must_use]
    pub fn partition(&self) -> &TopicPartition {
        &self.completion.partition
    }

    /// The result, if it is known by now.
    #[must_use]
    pub fn result(&self) -> Option<Result<RecordMetadata, Error>> {
        result(&self.completion, self.index)
    }
}

/// The cell of a record and its index there, however often its batch was split.
fn find(completion: &Arc<Completion>, index: u32) -> (&Arc<Completion>, u32) {
    let mut at = (completion, index);
    while let Some(BatchResult::Split(parts)) = at.0.result.get() {
        let part = parts.iter().rfind(|(first, _)| *first <= at.1);
        let Some((first, part)) = part else {
            break;
        };
        at = (part, at.1 - first);
    }
    at
}

fn result(completion: &Arc<Completion>, index: u32) -> Option<Result<RecordMetadata, Error>> {
    let (completion, index) = find(completion, index);
    let partition = &completion.partition;
    match completion.result.get()? {
        BatchResult::Written(written) => Some(Ok(RecordMetadata {
            topic: Arc::clone(&partition.topic),
            partition: partition.partition,
            offset: written.base_offset.map(|base| base + i64::from(index)),
            log_append_time: written.log_append_time,
        })),
        BatchResult::Failed(failure) => Some(Err(Error::Delivery {
            partition: partition.clone(),
            outcome: failure.outcome,
            cause: failure.cause_of(index),
        })),
        BatchResult::Split(_) => None,
    }
}

impl Future for Delivery {
    type Output = Result<RecordMetadata, Error>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let (completion, index) = find(&self.completion, self.index);
            let mut waiting = {
                let waiting = &completion.waiting;
                waiting.lock().unwrap_or_else(PoisonError::into_inner)
            };
            // Whoever completes the batch takes the lock after setting the result.
            if completion.result.get().is_some() {
                drop(waiting);
                match result(completion, index) {
                    Some(result) => return Poll::Ready(result),
                    None => continue,
                }
            }
            let waker = context.waker();
            if !waiting.iter().any(|waiting| waiting.will_wake(waker)) {
                waiting.push(waker.clone());
            }
            return Poll::Pending;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn completer() -> Completer {
        Completer::new(
            TopicPartition::new("orders", 2),
            &Arc::default(),
            &Arc::default(),
        )
    }

    fn at(base_offset: i64) -> Written {
        Written {
            base_offset: Some(base_offset),
            log_append_time: None,
        }
    }

    #[tokio::test]
    async fn every_record_of_a_batch_gets_its_own_offset() {
        let mut completer = completer();
        let deliveries = [
            completer.receipt(0, 0, &mut Single),
            completer.receipt(7, 0, &mut Single),
        ];
        completer.written(at(100));
        let [first, eighth] = deliveries;
        assert_eq!(first.await.unwrap().offset, Some(100));
        let eighth = eighth.await.unwrap();
        assert_eq!((eighth.partition, eighth.offset), (2, Some(107)));
    }

    #[tokio::test]
    async fn a_waiting_delivery_is_woken() {
        let mut completer = completer();
        let waiting = tokio::spawn(completer.receipt(0, 0, &mut Single));
        tokio::task::yield_now().await;
        completer.written(Written::default());
        assert_eq!(waiting.await.unwrap().unwrap().offset, None);
    }

    #[tokio::test]
    async fn dropping_the_batch_completes_it_and_says_whether_it_may_be_written() {
        let mut written = completer();
        written.may_be_written();
        let delivery = written.receipt(0, 0, &mut Single);
        drop(written);
        assert_eq!(delivery.await.unwrap_err().outcome(), Outcome::Unknown);
        let mut queued = completer();
        let delivery = queued.receipt(0, 0, &mut Single);
        drop(queued);
        let error = delivery.await.unwrap_err();
        assert_eq!(error.outcome(), Outcome::NotWritten);
        assert!(error.to_string().contains("orders-2"), "{error}");
    }

    #[test]
    fn the_first_result_stands() {
        let mut completer = completer();
        let delivery = completer.receipt(0, 0, &mut Single);
        completer.written(at(1));
        completer.fail(Cause::Closed, Outcome::Unknown);
        assert_eq!(delivery.result().unwrap().unwrap().offset, Some(1));
    }

    #[tokio::test]
    async fn a_split_batch_passes_its_deliveries_on_however_often() {
        let mut whole = completer();
        let deliveries = [0, 3, 4, 9].map(|index| whole.receipt(index, 0, &mut Single));
        let [waiting, fourth, fifth, tenth] = deliveries;
        let waiting = tokio::spawn(waiting);
        tokio::task::yield_now().await;
        let mut parts = whole.split(&[0, 4]);
        let mut second = parts.pop().unwrap();
        let halves = parts.pop().unwrap().split(&[0, 2]);
        assert!(fourth.result().is_none() && fifth.result().is_none());
        for (mut half, offset) in halves.into_iter().zip([10, 20]) {
            half.written(at(offset));
        }
        second.fail(Cause::Closed, Outcome::NotWritten);
        assert_eq!(waiting.await.unwrap().unwrap().offset, Some(10));
        assert_eq!(fourth.await.unwrap().offset, Some(21));
        assert!(fifth.await.is_err() && tenth.await.is_err());
    }

    #[tokio::test]
    async fn a_flush_waits_for_every_part_of_a_split_batch() {
        let unfinished = Arc::default();
        let partition = TopicPartition::new("orders", 2);
        let whole = Completer::new(partition, &unfinished, &Arc::default());
        let flush = tokio::spawn({
            let unfinished = Arc::clone(&unfinished);
            async move { unfinished.finished().await }
        });
        tokio::task::yield_now().await;
        let mut parts = whole.split(&[0, 1]);
        let mut last = parts.pop().unwrap();
        drop(parts);
        tokio::task::yield_now().await;
        assert!(!flush.is_finished());
        last.written(at(0));
        flush.await.unwrap();
    }

    #[test]
    fn a_bad_record_is_told_apart_from_those_that_fail_with_it() {
        let mut completer = completer();
        let deliveries = [0, 1].map(|index| completer.receipt(index, 0, &mut Single));
        let code = klamm_codec::ErrorCode::INVALID_RECORD;
        let cause = Cause::Broker {
            code,
            message: None,
        };
        completer.fail_with(Failure {
            refused_records: vec![(1, Some("no key".into()))],
            ..Failure::new(cause, Outcome::NotWritten)
        });
        let [good, bad] = deliveries.map(|delivery| delivery.result().unwrap().unwrap_err());
        assert!(bad.to_string().contains("no key"), "{bad}");
        assert!(!bad.is_retriable());
        assert!(good.to_string().contains("another record"), "{good}");
        assert!(good.is_retriable());
        assert_eq!((good.code(), bad.code()), (Some(code), Some(code)));
    }
}
