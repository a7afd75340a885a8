//! What a partition knows of its idempotent and transactional producers (KIP-98, KIP-360).
//!
//! Owns: the epoch and the last batches of each producer id, where its open transaction began, and
//! which transactions were aborted. Does not: store records.
//!
//! Invariants
//! - a producer with an open transaction is not forgotten
//! - at most [`BATCHES_KEPT`] batches per producer, all of its current epoch, in sequence
//! - at most [`PRODUCERS_MAX`] producers; the one that wrote longest ago is forgotten first

use std::collections::{HashMap, VecDeque};

use klamm_codec::batch::BatchHeader;

use crate::batch::COORDINATOR_EPOCH;
use crate::transaction::Producer;

/// As many batches as a producer may have in flight.
const BATCHES_KEPT: usize = 5;
/// Producers remembered per partition.
const PRODUCERS_MAX: usize = 1000;

#[derive(Debug, Default)]
pub(crate) struct ProducerStates {
    producers: HashMap<i64, ProducerState>,
    /// Counts accepted batches, to tell who wrote longest ago.
    writes: u64,
    /// In the order of their markers.
    aborted: Vec<Aborted>,
}

/// A transaction that was aborted, from its first record to its marker.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Aborted {
    pub(crate) producer_id: i64,
    pub(crate) first_offset: i64,
    pub(crate) last_offset: i64,
}

/// What is known of a producer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Known {
    pub(crate) producer: Producer,
    pub(crate) last_sequence: Option<i32>,
    /// Of its last batch, in milliseconds since 1970.
    pub(crate) last_timestamp: Option<i64>,
    /// Of the coordinator that ended its last transaction.
    pub(crate) coordinator_epoch: Option<i32>,
    /// The offset at which its open transaction began.
    pub(crate) open_since: Option<i64>,
}

#[derive(Debug)]
struct ProducerState {
    epoch: i16,
    batches: VecDeque<Batch>,
    last_write: u64,
    /// Where its open transaction began.
    open: Option<i64>,
    /// Whether a marker was written for it.
    had_transaction: bool,
}

#[derive(Clone, Copy, Debug)]
struct Batch {
    first_sequence: i32,
    last_sequence: i32,
    base_offset: i64,
    timestamp: i64,
}

/// What is asked of the first batch of a producer that is not known.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Newcomer {
    /// Nothing: what was known of it may have been lost to retention (KIP-360).
    AnySequence,
    /// That it begins at 0 (KIP-890).
    Zero,
    /// The same, with an error of its own; and whoever has no records in the log is not known, as before KIP-360.
    ZeroOfUnknown,
}

/// What to do with a producer's batch.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Verdict {
    /// The next in line: append it.
    Next,
    /// Written before, at this offset with this largest timestamp: acknowledge it again.
    Duplicate {
        base_offset: i64,
        timestamp: i64,
    },
    OutOfOrder,
    /// It does not begin at 0, though nothing is known of its producer.
    Unknown,
    OldEpoch,
    /// Outside of a transaction, though the producer has one open.
    NotTransactional,
}

impl ProducerStates {
    /// Judges a batch with a producer id; changes nothing.
    pub(crate) fn judge(&self, header: &BatchHeader, newcomer: Newcomer) -> Verdict {
        let Some(producer) = self.producers.get(&header.producer_id) else {
            return match newcomer {
                _ if header.base_sequence == 0 => Verdict::Next,
                Newcomer::AnySequence => Verdict::Next,
                Newcomer::Zero => Verdict::OutOfOrder,
                Newcomer::ZeroOfUnknown => Verdict::Unknown,
            };
        };
        if header.producer_epoch < producer.epoch {
            return Verdict::OldEpoch;
        }
        if header.producer_epoch > producer.epoch {
            return if header.base_sequence == 0 {
                Verdict::Next
            } else {
                Verdict::OutOfOrder
            };
        }
        let (first_sequence, last_sequence) = (header.base_sequence, last_sequence(header));
        let same = |batch: &&Batch| {
            batch.first_sequence == first_sequence && batch.last_sequence == last_sequence
        };
        if let Some(batch) = producer.batches.iter().find(same) {
            return Verdict::Duplicate {
                base_offset: batch.base_offset,
                timestamp: batch.timestamp,
            };
        }
        match producer.batches.back() {
            Some(last) if first_sequence != sequence_after(last.last_sequence, 1) => {
                Verdict::OutOfOrder
            }
            // A marker was the first that was heard of this epoch.
            None if first_sequence != 0 => Verdict::OutOfOrder,
            _ if producer.open.is_some() && !header.attributes.is_transactional() => {
                Verdict::NotTransactional
            }
            _ => Verdict::Next,
        }
    }

    /// Notes a batch that was judged [`Verdict::Next`] and appended at `base_offset`.
    pub(crate) fn appended(
        &mut self,
        header: &BatchHeader,
        base_offset: i64,
        append_time: Option<i64>,
    ) {
        self.writes += 1;
        let producer = self
            .producers
            .entry(header.producer_id)
            .or_insert_with(|| ProducerState::new(header.producer_epoch));
        if producer.epoch != header.producer_epoch {
            producer.epoch = header.producer_epoch;
            producer.batches.clear();
        }
        if producer.batches.len() == BATCHES_KEPT {
            producer.batches.pop_front();
        }
        producer.batches.push_back(Batch {
            first_sequence: header.base_sequence,
            last_sequence: last_sequence(header),
            base_offset,
            timestamp: append_time.unwrap_or(header.max_timestamp),
        });
        producer.last_write = self.writes;
        if header.attributes.is_transactional() {
            producer.open.get_or_insert(base_offset);
        }
        if self.producers.len() > PRODUCERS_MAX {
            let oldest = self
                .producers
                .iter()
                .filter(|(_, producer)| producer.open.is_none())
                .min_by_key(|(_, producer)| producer.last_write);
            if let Some(id) = oldest.map(|(id, _)| *id) {
                self.producers.remove(&id);
            }
        }
    }

    /// Notes a marker at `offset`: the producer's transaction is over. Says whether the marker is to
    /// be written; one of an older epoch is not.
    pub(crate) fn end_transaction(&mut self, marker: Producer, commit: bool, offset: i64) -> bool {
        let producer = self
            .producers
            .entry(marker.id)
            .or_insert_with(|| ProducerState::new(marker.epoch));
        if marker.epoch < producer.epoch {
            return false;
        }
        if marker.epoch > producer.epoch {
            producer.epoch = marker.epoch;
            producer.batches.clear();
        }
        producer.had_transaction = true;
        if let Some(first_offset) = producer.open.take()
            && !commit
        {
            self.aborted.push(Aborted {
                producer_id: marker.id,
                first_offset,
                last_offset: offset,
            });
        }
        true
    }

    /// Whether the producer has an open transaction here.
    pub(crate) fn has_open(&self, producer: Producer) -> bool {
        let state = self.producers.get(&producer.id);
        state.is_some_and(|state| state.epoch == producer.epoch && state.open.is_some())
    }

    /// All producers, by id.
    pub(crate) fn known(&self) -> impl Iterator<Item = Known> {
        let mut known: Vec<_> = self
            .producers
            .iter()
            .map(|(id, it)| it.known(*id))
            .collect();
        known.sort_unstable_by_key(|it| it.producer.id);
        known.into_iter()
    }

    /// Where the oldest open transaction began.
    pub(crate) fn first_open(&self) -> Option<i64> {
        let open = self.producers.values().filter_map(|state| state.open);
        open.min()
    }

    /// The aborted transactions that have records from `from` on and before `to`.
    pub(crate) fn aborted_between(&self, from: i64, to: i64) -> impl Iterator<Item = &Aborted> {
        let within =
            move |aborted: &&Aborted| aborted.last_offset >= from && aborted.first_offset < to;
        self.aborted.iter().filter(within)
    }

    /// Forgets aborted transactions of which nothing is left.
    pub(crate) fn forget_before(&mut self, start: i64) {
        self.aborted.retain(|aborted| aborted.last_offset >= start);
    }

    /// Forgets producers of which nothing is left, as brokers did before KIP-360.
    pub(crate) fn forget_producers_before(&mut self, start: i64) {
        self.producers.retain(|_, producer| {
            let last = producer.batches.back();
            producer.open.is_some() || last.is_some_and(|last| last.base_offset >= start)
        });
    }
}

impl ProducerState {
    fn known(&self, id: i64) -> Known {
        let last = self.batches.back();
        Known {
            producer: Producer {
                id,
                epoch: self.epoch,
            },
            last_sequence: last.map(|batch| batch.last_sequence),
            last_timestamp: last.map(|batch| batch.timestamp),
            coordinator_epoch: self.had_transaction.then_some(COORDINATOR_EPOCH),
            open_since: self.open,
        }
    }

    fn new(epoch: i16) -> Self {
        Self {
            epoch,
            batches: VecDeque::with_capacity(BATCHES_KEPT),
            last_write: 0,
            open: None,
            had_transaction: false,
        }
    }
}

fn last_sequence(header: &BatchHeader) -> i32 {
    sequence_after(header.base_sequence, header.last_offset_delta)
}

/// Sequences run from 0 to `i32::MAX` and then start again at 0.
fn sequence_after(sequence: i32, steps: i32) -> i32 {
    let after = i64::from(sequence) + i64::from(steps);
    (after % (i64::from(i32::MAX) + 1)) as i32
}

#[cfg(test)]
mod tests;
