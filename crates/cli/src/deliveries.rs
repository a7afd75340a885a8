//! Outcomes of records sent, kept at the price of one delivery a batch.
//!
//! The records of a batch share their fate, and their deliveries share one cell: while the
//! partition of a delivery is the very same one as that of the delivery before, only a number
//! grows. No failure is missed, whatever the number of records.

use std::collections::VecDeque;

use klamm::producer::Error;
use klamm::{Delivery, TopicPartition};

use crate::failure::Failure;

/// Deliveries that are not settled, at least one of each batch.
#[derive(Debug, Default)]
pub(crate) struct Deliveries {
    waiting: VecDeque<Batch>,
    outcome: Outcome,
}

/// Records of one batch.
#[derive(Debug)]
struct Batch {
    delivery: Delivery,
    records: u64,
}

/// What became of all records.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) acknowledged: u64,
    pub(crate) failed: u64,
    first_error: Option<Error>,
}

impl Deliveries {
    pub(crate) fn add(&mut self, delivery: Delivery) {
        if let Some(last) = self.waiting.back_mut()
            && is_same_batch(&last.delivery, &delivery)
        {
            last.records += 1;
            return;
        }
        self.take_settled();
        self.waiting.push_back(Batch {
            delivery,
            records: 1,
        });
    }

    /// Waits for what is not settled yet.
    pub(crate) async fn settle(&mut self) -> Outcome {
        while let Some(batch) = self.waiting.pop_front() {
            let result = batch.delivery.await;
            self.outcome.count(batch.records, result.err());
        }
        self.outcome.clone()
    }

    fn take_settled(&mut self) {
        while let Some(result) = self
            .waiting
            .front()
            .and_then(|batch| batch.delivery.result())
        {
            let records = self.waiting.pop_front().map_or(0, |batch| batch.records);
            self.outcome.count(records, result.err());
        }
    }
}

impl Outcome {
    fn count(&mut self, records: u64, error: Option<Error>) {
        match error {
            None => self.acknowledged += records,
            Some(error) => {
                self.failed += records;
                self.first_error.get_or_insert(error);
            }
        }
    }

    pub(crate) fn merge(&mut self, other: Self) {
        self.acknowledged += other.acknowledged;
        self.failed += other.failed;
        self.first_error = self.first_error.take().or(other.first_error);
    }

    /// # Errors
    /// If a record failed.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        let Some(error) = &self.first_error else {
            return Ok(());
        };
        let (failed, all) = (self.failed, self.failed + self.acknowledged);
        Err(Failure::Failed(format!(
            "{failed} of {all} records failed, the first because: {error}"
        )))
    }
}

/// Whether two deliveries are certainly of one batch.
fn is_same_batch(one: &Delivery, other: &Delivery) -> bool {
    std::ptr::eq::<TopicPartition>(one.partition(), other.partition())
}
