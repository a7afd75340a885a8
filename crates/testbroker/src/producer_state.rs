//! What a partition knows of its idempotent producers (KIP-98, KIP-360).
//!
//! Owns: the epoch and the last batches of each producer id. Does not: store records.
//!
//! Invariants
//! - at most [`BATCHES_KEPT`] batches per producer, all of its current epoch, in sequence
//! - at most [`PRODUCERS_MAX`] producers; the one that wrote longest ago is forgotten first

use std::collections::{HashMap, VecDeque};

use klamm_codec::batch::BatchHeader;

/// As many batches as a producer may have in flight.
const BATCHES_KEPT: usize = 5;
/// Producers remembered per partition.
const PRODUCERS_MAX: usize = 1000;

#[derive(Debug, Default)]
pub(crate) struct ProducerStates {
    producers: HashMap<i64, ProducerState>,
    /// Counts accepted batches, to tell who wrote longest ago.
    writes: u64,
}

#[derive(Debug)]
struct ProducerState {
    epoch: i16,
    batches: VecDeque<Batch>,
    last_write: u64,
}

#[derive(Clone, Copy, Debug)]
struct Batch {
    first_sequence: i32,
    last_sequence: i32,
    base_offset: i64,
    timestamp: i64,
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
    OldEpoch,
}

impl ProducerStates {
    /// Judges a batch with a producer id; changes nothing.
    pub(crate) fn judge(&self, header: &BatchHeader) -> Verdict {
        // A broker accepts any sequence of a producer it knows nothing of: its state may have been
        // lost to retention.
        let Some(producer) = self.producers.get(&header.producer_id) else {
            return Verdict::Next;
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
            .or_insert_with(|| ProducerState {
                epoch: header.producer_epoch,
                batches: VecDeque::with_capacity(BATCHES_KEPT),
                last_write: 0,
            });
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
        if self.producers.len() > PRODUCERS_MAX {
            let oldest = self
                .producers
                .iter()
                .min_by_key(|(_, producer)| producer.last_write);
            if let Some(id) = oldest.map(|(id, _)| *id) {
                self.producers.remove(&id);
            }
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
