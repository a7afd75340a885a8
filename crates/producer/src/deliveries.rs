//! The acknowledgements of many records, kept at the price of one a batch.
//!
//! The records of a batch share their fate and its cell, so what is kept of them are ranges of
//! indices: one, unless others write into the same batch. No failure is missed, whatever the number of
//! records.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use crate::delivery::{Completion, Delivery, Receipt};
use crate::error::Error;

/// Batches are looked through for settled ones when there are so many, and then when there are twice as many
/// as were left.
const SWEPT_AT_LEAST: usize = 64;

/// The acknowledgements of many records, for those who want to know what became of them all.
///
/// Cheaper than as many [`Delivery`]s: [`Producer::send_into`](crate::Producer::send_into) touches nothing that
/// is shared besides the batch, and a batch whose outcome is known is forgotten but for its numbers.
///
/// ```no_run
/// # use klamm_producer::{Deliveries, Producer, Record};
/// # async fn example(producer: Producer) -> Result<(), klamm_producer::Error> {
/// let mut deliveries = Deliveries::default();
/// for number in 0..1_000_000_u32 {
///     let value = number.to_be_bytes();
///     producer.send_into(Record::to("orders").value(&value), &mut deliveries).await?;
/// }
/// producer.flush().await;
/// let settled = deliveries.settle().await;
/// if let Some(error) = settled.first_error {
///     eprintln!("{} records failed, the first because: {error}", settled.failed);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Default)]
pub struct Deliveries {
    /// Those that have no result yet, in the order of their first records; and some that have.
    batches: Vec<Batch>,
    /// Place of each by the address of its cell.
    places: HashMap<usize, usize, foldhash::fast::RandomState>,
    /// Place of the one that the last record is in.
    last: usize,
    /// How many batches there may be before the next look for settled ones.
    sweep_at: usize,
    settled: Settled,
}

/// What became of records.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Settled {
    /// Those that the brokers have acknowledged.
    pub acknowledged: u64,
    /// Those that were given up.
    pub failed: u64,
    /// Why the first of those was; whether it may have been written all the same, its
    /// [`outcome`](Error::outcome) tells.
    pub first_error: Option<Error>,
}

/// Records of one batch.
#[derive(Debug)]
struct Batch {
    completion: Arc<Completion>,
    /// Indices of the newest records.
    last: Range<u32>,
    /// Those of older ones, where others wrote in between.
    earlier: Vec<Range<u32>>,
}

impl Deliveries {
    /// Adds a record that was sent by itself.
    pub fn add(&mut self, delivery: Delivery) {
        let (completion, index) = delivery.into_parts();
        self.push(&completion, index);
    }

    /// Waits until each record is acknowledged or given up; tells of those for which this has not been told
    /// before. Ends at the latest with `delivery.timeout.ms`; after a flush at once.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn settle(&mut self) -> Settled {
        while let Some(waiting) = self.sweep() {
            let _ = waiting.await;
        }
        std::mem::take(&mut self.settled)
    }

    #[inline]
    fn push(&mut self, completion: &Arc<Completion>, index: u32) {
        if let Some(last) = self.batches.get_mut(self.last)
            && Arc::ptr_eq(&last.completion, completion)
        {
            last.push(index);
            return;
        }
        self.change_batch(completion, index);
    }

    #[inline(never)]
    fn change_batch(&mut self, completion: &Arc<Completion>, index: u32) {
        let address = Arc::as_ptr(completion).addr();
        if let Some(place) = self.places.get(&address) {
            self.last = *place;
            self.batches[self.last].push(index);
            return;
        }
        if self.batches.len() >= self.sweep_at {
            let _ = self.sweep();
            self.sweep_at = SWEPT_AT_LEAST.max(2 * self.batches.len());
        }
        self.last = self.batches.len();
        self.places.insert(address, self.last);
        self.batches.push(Batch {
            completion: Arc::clone(completion),
            last: index..index + 1,
            earlier: Vec::new(),
        });
    }

    /// Counts and forgets the batches whose outcome is known; gives a record of the others.
    fn sweep(&mut self) -> Option<Delivery> {
        let mut waiting = None;
        self.places.clear();
        let mut left = Vec::with_capacity(self.batches.len());
        for batch in self.batches.drain(..) {
            match batch.outcome() {
                Ok(settled) => self.settled.merge(settled),
                Err(delivery) => {
                    waiting.get_or_insert(delivery);
                    let address = Arc::as_ptr(&batch.completion).addr();
                    self.places.insert(address, left.len());
                    left.push(batch);
                }
            }
        }
        self.batches = left;
        self.last = self.batches.len();
        waiting
    }
}

impl Receipt for &mut Deliveries {
    type Held = ();

    #[inline]
    fn hold(&mut self, completion: &Arc<Completion>, index: u32) {
        self.push(completion, index);
    }
}

impl Batch {
    #[inline]
    fn push(&mut self, index: u32) {
        if self.last.end == index {
            self.last.end += 1;
            return;
        }
        let earlier = std::mem::replace(&mut self.last, index..index + 1);
        self.earlier.push(earlier);
    }

    fn ranges(&self) -> impl Iterator<Item = &Range<u32>> {
        self.earlier.iter().chain([&self.last])
    }

    /// What became of the records, or one that is not known of.
    fn outcome(&self) -> Result<Settled, Delivery> {
        let mut settled = Settled::default();
        if self.completion.is_written() {
            let counts = self
                .ranges()
                .map(|range| u64::from(range.end - range.start));
            settled.acknowledged = counts.sum();
            return Ok(settled);
        }
        for index in self.ranges().cloned().flatten() {
            let delivery = Delivery::new(&self.completion, index);
            match delivery.result() {
                Some(Ok(_)) => settled.acknowledged += 1,
                Some(Err(error)) => settled.fail(error),
                None => return Err(delivery),
            }
        }
        Ok(settled)
    }
}

impl Settled {
    fn fail(&mut self, error: Error) {
        self.failed += 1;
        self.first_error.get_or_insert(error);
    }

    /// Adds those of another count.
    pub fn merge(&mut self, other: Self) {
        self.acknowledged += other.acknowledged;
        self.failed += other.failed;
        self.first_error = self.first_error.take().or(other.first_error);
    }
}

#[cfg(test)]
mod tests {
    use klamm_net::TopicPartition;

    use super::*;
    use crate::delivery::{Completer, Written};
    use crate::error::{Cause, Outcome};

    fn completer(partition: i32) -> Completer {
        let partition = TopicPartition::new("orders", partition);
        Completer::new(partition, &Arc::default(), &Arc::default())
    }

    fn numbers(settled: &Settled) -> (u64, u64) {
        (settled.acknowledged, settled.failed)
    }

    #[tokio::test]
    async fn every_record_counts_once_however_batches_and_writers_take_turns() {
        let mut deliveries = Deliveries::default();
        let mut others = Deliveries::default();
        let mut batches = [0, 1, 2].map(completer);
        for index in 0..30 {
            for batch in &mut batches {
                let whose = if index % 3 == 0 {
                    &mut others
                } else {
                    &mut deliveries
                };
                batch.receipt(index, 0, &mut &mut *whose);
            }
        }
        assert_eq!(deliveries.batches.len(), 3);
        let [mut written, mut failed, mut split] = batches;
        written.written(Written::default());
        failed.fail(Cause::Closed, Outcome::NotWritten);
        // Two of three parts fail: records 10 to 29.
        let mut parts = split_at(&mut split, &[0, 10, 20]);
        parts[0].written(Written::default());
        drop(parts);
        assert_eq!(numbers(&deliveries.settle().await), (20 + 6, 20 + 14));
        let others = others.settle().await;
        assert_eq!(numbers(&others), (10 + 4, 10 + 6));
        assert_eq!(others.first_error.unwrap().outcome(), Outcome::NotWritten);
        assert_eq!(numbers(&deliveries.settle().await), (0, 0), "told before");
    }

    fn split_at(whole: &mut Completer, starts: &[u32]) -> Vec<Completer> {
        std::mem::replace(whole, completer(9)).split(starts)
    }

    #[tokio::test]
    async fn what_is_not_known_is_waited_for_and_dropping_the_wait_loses_nothing() {
        let mut deliveries = Deliveries::default();
        let (mut first, mut second) = (completer(0), completer(1));
        first.receipt(0, 0, &mut &mut deliveries);
        second.receipt(0, 0, &mut &mut deliveries);
        let single = second.receipt(1, 0, &mut crate::delivery::Single);
        deliveries.add(single);
        second.written(Written::default());
        {
            let mut settling = std::pin::pin!(deliveries.settle());
            let polled = poll_once(settling.as_mut()).await;
            assert!(polled.is_pending());
        }
        first.written(Written::default());
        assert_eq!(numbers(&deliveries.settle().await), (3, 0));
    }

    async fn poll_once<F: Future>(mut future: std::pin::Pin<&mut F>) -> std::task::Poll<F::Output> {
        std::future::poll_fn(|context| std::task::Poll::Ready(future.as_mut().poll(context))).await
    }

    #[tokio::test]
    async fn batches_that_are_done_are_forgotten() {
        let mut deliveries = Deliveries::default();
        for _ in 0..10_000 {
            let mut batch = completer(0);
            batch.receipt(0, 0, &mut &mut deliveries);
            batch.written(Written::default());
        }
        assert!(deliveries.batches.len() <= SWEPT_AT_LEAST);
        assert_eq!(numbers(&deliveries.settle().await), (10_000, 0));
    }
}
