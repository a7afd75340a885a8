//! The queue of one partition: an open batch that records are written into, and closed ones.
//!
//! Shared by the application's tasks, which append under the lock, and the sender, which takes
//! batches. The application tells the sender only what it cannot know: that a queue is no longer
//! empty, and that a batch is full.
//!
//! Invariants
//! - the memory of a batch is reserved before it is written to
//! - a queue stands in the sender's inbox at most once, from the signal to [`PartitionQueue::visit`]

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use klamm_codec::batch::{BATCH_HEADER_BYTES, BatchBuilder};
use klamm_net::{TopicId, TopicPartition};
use tokio::time::Instant;

use super::fill::Fill;
use crate::clock::Clock;
use crate::delivery::{Completer, Receipt};
use crate::hooks::Hooks;
use crate::memory::{Memory, Reservation};
use crate::partitioner::Availability;
use crate::record::Record;
use crate::unfinished::Unfinished;

/// Size of the first buffer of a partition that has not shown to be busy.
const FIRST_BUFFER_BYTES: usize = 1 << 10;

/// The queue of one partition.
#[derive(Debug)]
pub(crate) struct PartitionQueue {
    pub(crate) partition: TopicPartition,
    pub(crate) topic_id: TopicId,
    /// Place in the sender's list of partitions.
    pub(crate) slot: usize,
    /// How large its batches get.
    pub(crate) fill: Arc<Fill>,
    /// Batches that have not been sent.
    backlog: AtomicU32,
    /// An [`Availability`], set by the sender.
    availability: AtomicU8,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    open: Option<Batch>,
    closed: VecDeque<Batch>,
    signalled: bool,
    /// No record is taken any more.
    ended: bool,
    /// No record is taken until the topic's metadata is known anew.
    asleep: bool,
    /// The last batch was full: the next one starts with a buffer of full size.
    busy: bool,
    /// Nobody should wait for `linger.ms`: a flush, or somebody who waits for memory.
    hurry: bool,
    /// Bytes of records without key since the sticky partitioner came here.
    sticky_bytes: usize,
}

/// A batch that has not been sent.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) builder: BatchBuilder,
    pub(crate) completer: Completer,
    pub(crate) reservation: Reservation,
    pub(crate) created: Instant,
}

/// What became of a record. With `signal` the sender has to be told about the queue.
#[derive(Debug)]
pub(crate) enum Append<Held> {
    /// It is in a batch.
    Appended { held: Held, signal: bool },
    /// The sticky partitioner should go on to another partition.
    Switch { signal: bool },
    /// So many bytes of `buffer.memory` are wanted first.
    NoMemory { wanted: usize, signal: bool },
    /// The queue takes no more records, or none for now.
    Ended,
}

/// What appending needs to know besides the record.
pub(crate) struct AppendContext<'a> {
    pub(crate) memory: &'a Arc<Memory>,
    pub(crate) clock: &'a Clock,
    pub(crate) unfinished: &'a Arc<Unfinished>,
    pub(crate) hooks: &'a Arc<Hooks>,
    pub(crate) batch_bytes_max: usize,
    /// Most bytes of the record.
    pub(crate) record_bytes_max: usize,
    /// No partition was asked for, and there is no key.
    pub(crate) sticky: bool,
}

/// How the sender finds a queue.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct QueueView {
    /// When its oldest batch was started.
    pub(crate) oldest: Option<Instant>,
    /// Whether that batch should leave without lingering.
    pub(crate) is_due: bool,
    /// Whether it takes no more records.
    pub(crate) is_full: bool,
    /// Its bytes.
    pub(crate) bytes: usize,
}

impl PartitionQueue {
    pub(crate) fn new(
        partition: TopicPartition,
        topic_id: TopicId,
        slot: usize,
        fill: Arc<Fill>,
    ) -> Self {
        Self {
            partition,
            topic_id,
            slot,
            fill,
            backlog: AtomicU32::new(0),
            availability: AtomicU8::new(Availability::default() as u8),
            state: Mutex::default(),
        }
    }

    /// Batches that have not been sent; a moment old.
    pub(crate) fn backlog(&self) -> u32 {
        self.backlog.load(Ordering::Relaxed)
    }

    pub(crate) fn availability(&self) -> Availability {
        Availability::from_u8(self.availability.load(Ordering::Relaxed))
    }

    pub(crate) fn set_availability(&self, availability: Availability) {
        self.availability
            .store(availability as u8, Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes `record` into the open batch, or a new one. `granted` is memory that the caller has
    /// waited for.
    pub(crate) fn append<R: Receipt>(
        &self,
        record: &Record<'_>,
        granted: &mut Option<Reservation>,
        context: &AppendContext<'_>,
        receipt: &mut R,
    ) -> Append<R::Held> {
        let mut state = self.lock();
        if state.ended || state.asleep {
            return Append::Ended;
        }
        let fill_bytes = self.fill.bytes();
        let mut signal = state.close_full(fill_bytes, context) && state.signal();
        if context.sticky && state.open.is_none() && state.sticky_bytes >= context.batch_bytes_max {
            state.sticky_bytes = 0;
            return Append::Switch { signal };
        }
        if state.open.is_none() {
            match self.open_batch(&state, granted, context) {
                Ok(open) => {
                    state.open = Some(open);
                    self.backlog.fetch_add(1, Ordering::Relaxed);
                }
                Err(wanted) => return Append::NoMemory { wanted, signal },
            }
            signal |= state.signal();
        }
        let Some(open) = &mut state.open else {
            return Append::Ended;
        };
        if let Err(wanted) = open.make_room(fill_bytes, granted, context) {
            return Append::NoMemory { wanted, signal };
        }
        let builder = &mut open.builder;
        let timestamp = record.timestamp.unwrap_or_else(|| context.clock.millis());
        let before = builder.batch_bytes();
        let index = builder.append(timestamp, record.key, record.value, record.headers);
        let written = builder.batch_bytes() - before;
        let held = open.completer.receipt(index, record.tag, receipt);
        if context.sticky {
            state.sticky_bytes += written;
        }
        Append::Appended { held, signal }
    }

    /// A new batch: in a used buffer of full size for a busy partition, else in a small one, so that
    /// memory follows what is written.
    fn open_batch(
        &self,
        state: &State,
        granted: &mut Option<Reservation>,
        context: &AppendContext<'_>,
    ) -> Result<Batch, usize> {
        let full = context.batch_bytes_max.min(self.fill.bytes());
        let needed = BATCH_HEADER_BYTES + context.record_bytes_max;
        let mut reservation = Reservation::none(context.memory);
        let bytes = if state.busy && needed <= full {
            full
        } else {
            needed.max(FIRST_BUFFER_BYTES.min(full))
        };
        let used = reservation.take(bytes, granted)?;
        let buffer = used.unwrap_or_else(|| Vec::with_capacity(bytes));
        reservation.shrink_to(buffer.capacity(), None);
        context.clock.tick();
        Ok(Batch {
            builder: BatchBuilder::new(buffer),
            completer: Completer::new(self.partition.clone(), context.unfinished, context.hooks),
            reservation,
            created: Instant::now(),
        })
    }

    /// How the queue stands; from now on it will be signalled again.
    pub(crate) fn visit(&self) -> QueueView {
        let mut state = self.lock();
        state.signalled = false;
        let is_full = !state.closed.is_empty();
        let oldest = state.closed.front().or(state.open.as_ref());
        QueueView {
            oldest: oldest.map(|oldest| oldest.created),
            is_due: is_full || state.hurry,
            is_full,
            bytes: oldest.map_or(0, |oldest| oldest.builder.batch_bytes()),
        }
    }

    /// The oldest batch, closed for it if it was open. Until [`PartitionQueue::batch_left`] is called for
    /// it, it counts as waiting.
    pub(crate) fn take_batch(&self) -> Option<Batch> {
        let mut state = self.lock();
        if state.closed.is_empty() {
            // It was not full when it left.
            state.busy = false;
            state.hurry = false;
            state.close_open();
        }
        state.closed.pop_front()
    }

    /// A batch that was taken is sent or given up.
    pub(crate) fn batch_left(&self) {
        self.backlog.fetch_sub(1, Ordering::Relaxed);
    }

    /// Lets what is queued leave without lingering. Says whether the sender has to be told.
    pub(crate) fn hurry(&self) -> bool {
        let mut state = self.lock();
        if state.open.is_none() && state.closed.is_empty() {
            return false;
        }
        state.hurry = true;
        state.signal()
    }

    /// Takes no more records until [`wake`](Self::wake); says whether it does, which it does not with something in it.
    pub(super) fn fall_asleep(&self) -> bool {
        let mut state = self.lock();
        state.asleep = state.open.is_none() && state.closed.is_empty();
        state.asleep
    }

    pub(super) fn wake(&self) {
        self.lock().asleep = false;
    }

    pub(super) fn is_asleep(&self) -> bool {
        self.lock().asleep
    }

    /// Takes no more records; gives back the batches that are left.
    pub(crate) fn end(&self) -> VecDeque<Batch> {
        let mut state = self.lock();
        state.ended = true;
        state.close_open();
        std::mem::take(&mut state.closed)
    }
}

impl State {
    fn close_open(&mut self) {
        self.closed.extend(self.open.take());
    }

    /// Closes the open batch if the record has no room in it; says whether it did.
    fn close_full(&mut self, fill_bytes: usize, context: &AppendContext<'_>) -> bool {
        let record_bytes_max = context.record_bytes_max;
        let has_room = |open: &Batch| open.builder.has_room_for(record_bytes_max, fill_bytes);
        if self.open.as_ref().is_none_or(has_room) {
            return false;
        }
        self.close_open();
        self.busy = true;
        true
    }

    /// Whether the sender has to be told; it is then taken to be told.
    fn signal(&mut self) -> bool {
        !std::mem::replace(&mut self.signalled, true)
    }
}

impl Batch {
    /// Doubles the buffer when the record would not fit, within the size of a batch.
    fn make_room(
        &mut self,
        fill_bytes: usize,
        granted: &mut Option<Reservation>,
        context: &AppendContext<'_>,
    ) -> Result<(), usize> {
        let capacity = self.builder.capacity();
        let needed = self.builder.batch_bytes() + context.record_bytes_max;
        if needed <= capacity {
            return Ok(());
        }
        let target = needed.max((2 * capacity).min(fill_bytes));
        self.reservation.take(target - capacity, granted)?;
        self.builder.grow_to(target);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::{Delivery, Single};

    const BATCH_BYTES: usize = 4096;

    struct World {
        queue: PartitionQueue,
        memory: Arc<Memory>,
        clock: Clock,
        unfinished: Arc<Unfinished>,
    }

    impl World {
        fn new(memory: usize) -> Self {
            let partition = TopicPartition::new("orders", 0);
            Self {
                queue: PartitionQueue::new(
                    partition,
                    TopicId::default(),
                    0,
                    Arc::new(Fill::new(BATCH_BYTES, BATCH_BYTES)),
                ),
                memory: Memory::new(memory, BATCH_BYTES),
                clock: Clock::default(),
                unfinished: Arc::default(),
            }
        }

        fn append(&self, bytes: usize, sticky: bool) -> Append<Delivery> {
            let value = vec![1; bytes];
            let record = Record::to("orders").value(&value);
            let context = AppendContext {
                memory: &self.memory,
                clock: &self.clock,
                unfinished: &self.unfinished,
                hooks: &Arc::default(),
                batch_bytes_max: BATCH_BYTES,
                record_bytes_max: record.bytes_max(),
                sticky,
            };
            self.queue.append(&record, &mut None, &context, &mut Single)
        }
    }

    fn signal(append: &Append<Delivery>) -> bool {
        match append {
            Append::Appended { signal, .. } => *signal,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn the_sender_is_told_once_when_a_queue_fills_and_again_after_its_visit() {
        let world = World::new(1 << 20);
        assert!(signal(&world.append(100, false)));
        assert!(!signal(&world.append(100, false)));
        let view = world.queue.visit();
        assert!(view.oldest.is_some() && !view.is_due);
        assert!(!signal(&world.append(100, false)));
        // The batch is full now.
        assert!(signal(&world.append(BATCH_BYTES - 200, false)));
        assert!(world.queue.visit().is_due);
    }

    #[tokio::test]
    async fn a_batch_never_passes_its_limit_but_for_a_single_large_record() {
        let world = World::new(1 << 20);
        for _ in 0..200 {
            let _ = world.append(100, false);
        }
        let _ = world.append(3 * BATCH_BYTES, false);
        let mut records = 0;
        while let Some(batch) = world.queue.take_batch() {
            let single = batch.builder.record_count() == 1;
            assert!(single || batch.builder.batch_bytes() <= BATCH_BYTES);
            assert!(batch.reservation.bytes() >= batch.builder.capacity());
            records += batch.builder.record_count();
        }
        assert_eq!(records, 201);
    }

    #[tokio::test]
    async fn memory_follows_what_is_written_and_comes_back() {
        let world = World::new(3000);
        let _ = world.append(100, false);
        assert!(
            world.memory.try_reserve(1900).is_some(),
            "a small first buffer"
        );
        let refused = world.append(2950, false);
        assert!(matches!(refused, Append::NoMemory { .. }), "{refused:?}");
        drop(world.queue.take_batch());
        world.queue.visit();
        assert!(signal(&world.append(2800, false)));
    }

    #[tokio::test]
    async fn the_sticky_partition_is_left_at_the_end_of_a_batch_worth_of_bytes() {
        let world = World::new(1 << 20);
        let mut taken = 0;
        // Lingering sends small batches; they count together.
        while let Append::Appended { .. } = world.append(500, true) {
            drop(world.queue.take_batch());
            taken += 500;
        }
        assert!(
            (BATCH_BYTES - 500..BATCH_BYTES + 500).contains(&taken),
            "{taken}"
        );
        assert!(matches!(world.append(500, true), Append::Appended { .. }));
    }

    #[tokio::test]
    async fn an_ended_queue_takes_nothing_and_gives_back_what_it_had() {
        let world = World::new(1 << 20);
        let _ = world.append(1, false);
        assert_eq!(world.queue.end().len(), 1);
        assert!(matches!(world.append(1, false), Append::Ended));
    }
}
