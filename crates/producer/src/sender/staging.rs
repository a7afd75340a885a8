//! Batches that are compressed next to the sender: the line of a partition, from its queue to its
//! first sending.
//!
//! Invariants
//! - what is staged is older than what is queued, and is sent in its order, whatever is sealed first
//! - a staged batch has no sequence and has never been sent

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use tokio::time::Instant;

use super::seal::{SealJob, Sealed};
use super::state::SenderState;
use crate::accumulator::{Batch, QueueView};
use crate::delivery::Completer;
use crate::error::{Cause, Outcome};
use crate::memory::Reservation;

/// The line of one partition.
#[derive(Debug, Default)]
pub(super) struct Staging {
    batches: VecDeque<Staged>,
    next_number: u64,
}

/// A batch without its records while they are away to be sealed.
#[derive(Debug)]
pub(super) struct Staged {
    number: u64,
    pub(super) completer: Completer,
    pub(super) created: Instant,
    pub(super) record_count: i32,
    sealed: Option<(Bytes, Reservation)>,
}

impl Staging {
    pub(super) fn front(&self) -> Option<&Staged> {
        self.batches.front()
    }

    /// The oldest batch, if it can be sent.
    pub(super) fn pop_sealed(&mut self) -> Option<(Staged, Bytes, Reservation)> {
        let (bytes, reservation) = self.batches.front_mut()?.sealed.take()?;
        let staged = self.batches.pop_front()?;
        Some((staged, bytes, reservation))
    }

    /// The oldest batch, to be given up.
    pub(super) fn give_up(&mut self) -> Option<Staged> {
        self.batches.pop_front()
    }

    /// Puts a batch at the end of the line; gives its number.
    fn push(&mut self, completer: Completer, created: Instant, record_count: i32) -> u64 {
        let number = self.next_number;
        self.next_number += 1;
        self.batches.push_back(Staged {
            number,
            completer,
            created,
            record_count,
            sealed: None,
        });
        number
    }

    /// The place of a batch, if it has not been given up.
    fn position(&self, number: u64) -> Option<usize> {
        let mut numbers = self.batches.iter();
        numbers.position(|staged| staged.number == number)
    }
}

impl Staged {
    pub(super) const fn is_sealed(&self) -> bool {
        self.sealed.is_some()
    }

    pub(super) fn records(&self) -> u64 {
        u64::from(self.record_count.unsigned_abs())
    }

    /// Completes it as a batch that was never sent.
    pub(super) fn fail(mut self, cause: Cause) {
        self.completer.fail(cause, Outcome::NotWritten);
    }
}

impl SenderState {
    /// Stages what is heavy and has nothing more to wait for; shows how the queue is left.
    pub(super) fn stage(&mut self, slot: usize, mut view: QueueView, now: Instant) -> QueueView {
        while self.is_to_be_staged(slot, view, now)
            && let Some(batch) = self.slots[slot].queue.take_batch()
        {
            let Batch {
                builder,
                completer,
                reservation,
                created,
            } = batch;
            let state = &mut self.slots[slot];
            let number = state
                .staged
                .push(completer, created, builder.record_count());
            self.seal_jobs.push(SealJob {
                slot,
                number,
                builder,
                reservation,
                sealer: Arc::clone(&self.sealer),
            });
            view = self.slots[slot].queue.visit();
        }
        view
    }

    /// A full batch is; one that is only due may grow as long as it could not be sent anyway.
    fn is_to_be_staged(&self, slot: usize, view: QueueView, now: Instant) -> bool {
        let Some(oldest) = view.oldest.filter(|_| self.sealer.is_heavy(view.bytes)) else {
            return false;
        };
        let state = &self.slots[slot];
        let is_due = view.is_due || oldest + self.settings.config.linger <= now;
        let could_be_sent = || {
            state.leader.is_some()
                && state.staged.front().is_none()
                && !state.sequences.has_resend()
                && state.sequences.may_send()
                && state.sequences.in_flight() < self.settings.config.max_in_flight
        };
        view.is_full || is_due && could_be_sent()
    }

    /// What is to be sealed next to the sender, since the last time this was asked; each
    /// [`SealJob::run`] ends in a call of [`SenderState::sealed`].
    pub(super) fn take_seal_jobs(&mut self) -> Vec<SealJob> {
        std::mem::take(&mut self.seal_jobs)
    }

    /// A batch comes back; to nowhere, if it has been given up.
    pub(super) fn sealed(&mut self, sealed: Sealed, now: Instant) {
        let slot = sealed.slot;
        let state = &mut self.slots[slot];
        let Some(position) = state.staged.position(sealed.number) else {
            return;
        };
        match sealed.result {
            Ok((bytes, reservation)) => {
                let compressed = bytes.len();
                state.staged.batches[position].sealed = Some((bytes, reservation));
                self.compressed(slot, sealed.written, compressed);
            }
            Err(error) => {
                if let Some(staged) = state.staged.batches.remove(position) {
                    state.queue.batch_left();
                    self.counters.lock().records_failed += staged.records();
                    staged.fail(Cause::Compression(error.to_string()));
                }
            }
        }
        self.visit(slot, now);
    }

    /// Learns from a batch of `written` bytes that became `compressed`.
    pub(super) fn compressed(&self, slot: usize, written: usize, compressed: usize) {
        self.slots[slot].queue.fill.compressed(written, compressed);
        self.counters.compressed(written, compressed);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use klamm_codec::ErrorCode;
    use klamm_codec::batch::Batches;
    use klamm_codec::compress::{Compression, Decompressor};

    use super::super::one_partition::{NODE, OnePartition};
    use super::*;
    use crate::config::ProducerConfig;
    use crate::delivery::Delivery;
    use crate::error::Error;
    use crate::idempotence::ProducerKey;

    const RECORD_BYTES: usize = 20 << 10;

    struct World {
        it: OnePartition,
        appended: u8,
    }

    impl World {
        fn new() -> Self {
            let mut it = OnePartition::new(ProducerConfig {
                compression: Compression::Lz4,
                batch_size: 2 * RECORD_BYTES,
                linger: Duration::from_secs(3),
                ..ProducerConfig::default()
            });
            let key = ProducerKey { id: 7, epoch: 0 };
            it.state.producer_id(key, Instant::now());
            Self { it, appended: 0 }
        }

        /// Each second record makes a batch full; the record tells its number by its bytes.
        fn append(&mut self) -> Delivery {
            let value = vec![self.appended; RECORD_BYTES];
            self.appended += 1;
            self.it.append(&value)
        }

        /// The batches of the next request: sequence of each, and what its first record says.
        fn sent(&mut self) -> Option<Vec<(i32, u8)>> {
            let request = self.it.state.next_request(NODE, Instant::now())?;
            let batches = request.batches.iter().map(|sent| {
                let batch = Batches::new(sent.bytes.clone()).next().unwrap().unwrap();
                batch.verify_crc().unwrap();
                let header = batch.header().clone();
                assert_eq!((header.producer_id, header.producer_epoch), (7, 0));
                let records = batch
                    .into_records(&mut Decompressor::default(), 1 << 20)
                    .unwrap();
                let first = records.records().next().unwrap().unwrap();
                (header.base_sequence, first.value.unwrap()[0])
            });
            Some(batches.collect())
        }
    }

    fn not_written(delivery: &Delivery) -> bool {
        matches!(
            delivery.result(),
            Some(Err(Error::Delivery {
                outcome: Outcome::NotWritten,
                ..
            }))
        )
    }

    #[tokio::test(start_paused = true)]
    async fn whatever_is_sealed_first_the_line_is_sent_in_its_order() {
        let mut world = World::new();
        for _ in 0..3 {
            drop(world.append());
        }
        let mut jobs = world.it.state.take_seal_jobs();
        assert_eq!(jobs.len(), 2, "the full ones");
        assert_eq!(world.it.queue.backlog(), 3);
        let (second, first) = (jobs.pop().unwrap(), jobs.pop().unwrap());
        world.it.state.sealed(second.run(), Instant::now());
        assert_eq!(world.sent(), None);
        world.it.state.sealed(first.run(), Instant::now());
        assert_eq!(world.sent(), Some(vec![(0, 0)]));
        assert_eq!(world.sent(), None, "the first goes alone");
        assert_eq!(world.it.queue.backlog(), 2);
        // The open one is due when it has lingered, and then staged behind the second.
        tokio::time::advance(Duration::from_secs(4)).await;
        world.it.state.tick(Instant::now());
        assert!(world.it.state.take_seal_jobs().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_batch_that_is_due_and_not_full_is_compressed_elsewhere_too() {
        let mut world = World::new();
        drop(world.append());
        assert!(world.it.state.take_seal_jobs().is_empty());
        tokio::time::advance(Duration::from_secs(4)).await;
        world.it.state.tick(Instant::now());
        let job = world.it.state.take_seal_jobs().pop().unwrap();
        assert_eq!(world.sent(), None);
        world.it.state.sealed(job.run(), Instant::now());
        assert_eq!(world.sent(), Some(vec![(0, 0)]));
    }

    #[tokio::test(start_paused = true)]
    async fn a_staged_batch_that_is_late_was_not_written_and_leaves_no_gap_and_no_memory() {
        let mut world = World::new();
        let [late, _open] = [(); 2].map(|()| world.append());
        let job = world.it.state.take_seal_jobs().pop().unwrap();
        tokio::time::advance(Duration::from_secs(121)).await;
        world.it.state.tick(Instant::now());
        assert!(not_written(&late));
        // What was in the queue as long is given up as well.
        let on_its_way = world.append();
        world.it.state.sealed(job.run(), Instant::now());
        drop(world.append());
        let job = world.it.state.take_seal_jobs().pop().unwrap();
        world.it.state.sealed(job.run(), Instant::now());
        assert_eq!(world.sent(), Some(vec![(0, 2)]));
        assert!(on_its_way.result().is_none());
        assert_eq!(world.it.state.counters.lock().records_failed, 2);
        world.it.state.fail_for_good(ErrorCode::PRODUCER_FENCED);
        drop(world.it.state);
        assert_eq!(world.it.memory.used().0, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_of_the_producer_ends_what_is_staged() {
        for fatal in [true, false] {
            let mut world = World::new();
            let [first, second, _open] = [(); 3].map(|()| world.append());
            let mut jobs = world.it.state.take_seal_jobs();
            world
                .it
                .state
                .sealed(jobs.pop().unwrap().run(), Instant::now());
            if fatal {
                world.it.state.fail_for_good(ErrorCode::PRODUCER_FENCED);
                world
                    .it
                    .state
                    .sealed(jobs.pop().unwrap().run(), Instant::now());
            } else {
                drop(world.it.state);
            }
            assert!(not_written(&first) && not_written(&second), "{fatal}");
        }
    }
}
