//! `buffer.memory`: the bytes that all batches of a producer may hold, and who waits for some.
//!
//! Reserved are the capacities of the batches' buffers, from the first record to the response or
//! the death of the connection. Used buffers are kept for the next batches; they count as free and
//! are given back to the allocator when a reservation needs their room. A reservation of their size takes
//! one along, and brings it back at its end: also where all memory is in use and somebody waits for it, a
//! batch is written into memory that was just read.
//!
//! Invariants
//! - `reserved + kept <= limit`, but for a single record larger than what is free when nothing else
//!   is reserved, and for the headers of the parts of a batch that was split
//! - the oldest waiter is served first; while someone waits, nobody overtakes

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::oneshot;

#[derive(Debug)]
pub(crate) struct Memory {
    limit: usize,
    /// Capacity of the buffers that are kept: those of full batches.
    kept_buffer_bytes: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    reserved: usize,
    kept: Vec<Vec<u8>>,
    waiting: VecDeque<Waiter>,
}

#[derive(Debug)]
struct Waiter {
    bytes: usize,
    granted: oneshot::Sender<Reservation>,
}

/// Bytes taken out of `buffer.memory`; given back on drop.
#[derive(Debug)]
pub(crate) struct Reservation {
    memory: Arc<Memory>,
    bytes: usize,
    /// A used buffer that nobody has taken yet.
    buffer: Option<Vec<u8>>,
}

impl Memory {
    pub(crate) fn new(limit: usize, kept_buffer_bytes: usize) -> Arc<Self> {
        Arc::new(Self {
            limit,
            kept_buffer_bytes,
            state: Mutex::default(),
        })
    }

    pub(crate) const fn limit(&self) -> usize {
        self.limit
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes `bytes` unless they are not free or somebody waits already.
    pub(crate) fn try_reserve(self: &Arc<Self>, bytes: usize) -> Option<Reservation> {
        let mut state = self.lock();
        if !state.waiting.is_empty() {
            return None;
        }
        state.take(bytes, self)
    }

    /// Takes `bytes` whether they are free or not: for what has been accepted already and only takes
    /// another form.
    pub(crate) fn reserve_beyond_limit(self: &Arc<Self>, bytes: usize) -> Reservation {
        self.lock().reserved += bytes;
        Reservation::new(self, bytes, None)
    }

    /// Waits in line for `bytes`.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the line; what was granted meanwhile is given back.
    pub(crate) async fn reserve(self: &Arc<Self>, bytes: usize) -> Reservation {
        loop {
            let (granted, receiver) = oneshot::channel();
            let waiter = Waiter { bytes, granted };
            let served = {
                let mut state = self.lock();
                state.waiting.push_back(waiter);
                state.serve(self)
            };
            deliver(served);
            if let Ok(reservation) = receiver.await {
                return reservation;
            }
        }
    }

    /// Whether somebody waits: batches should leave without lingering.
    pub(crate) fn is_short(&self) -> bool {
        !self.lock().waiting.is_empty()
    }

    /// Bytes that are reserved, and how many wait for some.
    pub(crate) fn used(&self) -> (usize, usize) {
        let state = self.lock();
        (state.reserved, state.waiting.len())
    }

    /// Keeps `buffer`, if it has the size of a full batch's and there is room, and lets go of `bytes`.
    fn give_back(self: &Arc<Self>, bytes: usize, buffer: Option<Vec<u8>>) {
        if bytes == 0 && buffer.is_none() {
            return;
        }
        let served = {
            let mut state = self.lock();
            state.reserved -= bytes;
            if let Some(mut buffer) = buffer
                && buffer.capacity() == self.kept_buffer_bytes
                && state.reserved + (state.kept.len() + 1) * self.kept_buffer_bytes <= self.limit
            {
                buffer.clear();
                state.kept.push(buffer);
            }
            state.serve(self)
        };
        deliver(served);
    }
}

/// Hands out reservations without the lock, since a waiter that is gone drops its own.
fn deliver(served: Vec<(oneshot::Sender<Reservation>, Reservation)>) {
    for (granted, reservation) in served {
        let _ = granted.send(reservation);
    }
}

impl State {
    fn take(&mut self, bytes: usize, memory: &Arc<Memory>) -> Option<Reservation> {
        if self.reserved > 0 && self.reserved + bytes > memory.limit {
            return None;
        }
        self.reserved += bytes;
        let is_full = bytes == memory.kept_buffer_bytes;
        let buffer = is_full.then(|| self.kept.pop()).flatten();
        let room = memory.limit.saturating_sub(self.reserved) / memory.kept_buffer_bytes.max(1);
        self.kept.truncate(room);
        Some(Reservation::new(memory, bytes, buffer))
    }

    /// Serves waiters from the front as far as memory goes.
    fn serve(&mut self, memory: &Arc<Memory>) -> Vec<(oneshot::Sender<Reservation>, Reservation)> {
        let mut served = Vec::new();
        while let Some(waiter) = self.waiting.pop_front() {
            if waiter.granted.is_closed() {
                continue;
            }
            let Some(reservation) = self.take(waiter.bytes, memory) else {
                self.waiting.push_front(waiter);
                break;
            };
            served.push((waiter.granted, reservation));
        }
        served
    }
}

impl Reservation {
    fn new(memory: &Arc<Memory>, bytes: usize, buffer: Option<Vec<u8>>) -> Self {
        Self {
            memory: Arc::clone(memory),
            bytes,
            buffer,
        }
    }

    /// A reservation of nothing, to grow.
    pub(crate) fn none(memory: &Arc<Memory>) -> Self {
        Self::new(memory, 0, None)
    }

    #[cfg(test)]
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes `bytes` more, from `granted` if that is enough, else from free memory; all of them, or
    /// none and says how many are wanted. Brings a used buffer of `bytes`, empty, if one is kept.
    pub(crate) fn take(
        &mut self,
        bytes: usize,
        granted: &mut Option<Self>,
    ) -> Result<Option<Vec<u8>>, usize> {
        let reserved = granted.take().filter(|granted| granted.bytes >= bytes);
        let reserved = reserved.or_else(|| self.memory.try_reserve(bytes));
        let mut reserved = reserved.ok_or(bytes)?;
        self.bytes += std::mem::take(&mut reserved.bytes);
        Ok(reserved.buffer.take())
    }

    /// Gives back what is more than `bytes`, with the buffer that is no longer used.
    pub(crate) fn shrink_to(&mut self, bytes: usize, buffer: Option<Vec<u8>>) {
        let rest = self.bytes.saturating_sub(bytes);
        self.bytes -= rest;
        self.memory.give_back(rest, buffer);
    }

    /// Gives it back with the memory of a batch that is done, unless somebody else still holds that.
    pub(crate) fn end(mut self, batch: Bytes) {
        self.buffer = batch.try_into_mut().ok().map(|mut batch| {
            batch.clear();
            Vec::from(batch)
        });
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.memory.give_back(self.bytes, self.buffer.take());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dropped_is_free_again() {
        let memory = Memory::new(100, 64);
        let first = memory.try_reserve(60).unwrap();
        assert!(memory.try_reserve(60).is_none());
        drop(first);
        assert!(memory.try_reserve(60).is_some());
    }

    #[test]
    fn a_single_request_over_the_limit_is_granted_when_nothing_else_is_reserved() {
        let memory = Memory::new(100, 64);
        let large = memory.try_reserve(500).unwrap();
        assert!(memory.try_reserve(1).is_none());
        drop(large);
    }

    #[tokio::test]
    async fn the_oldest_waiter_is_served_first_and_nobody_overtakes() {
        let memory = Memory::new(100, 64);
        let mut held = memory.try_reserve(100).unwrap();
        let waiter = |bytes| {
            let memory = Arc::clone(&memory);
            tokio::spawn(async move { memory.reserve(bytes).await.bytes() })
        };
        let (large, small) = (waiter(80), waiter(10));
        tokio::task::yield_now().await;
        held.shrink_to(50, None);
        tokio::task::yield_now().await;
        assert!(!large.is_finished() && !small.is_finished());
        assert!(memory.try_reserve(1).is_none());
        drop(held);
        assert_eq!((large.await.unwrap(), small.await.unwrap()), (80, 10));
        assert!(memory.try_reserve(100).is_some());
    }

    #[tokio::test]
    async fn a_waiter_that_leaves_lets_the_next_one_go() {
        let memory = Memory::new(100, 64);
        let held = memory.try_reserve(50).unwrap();
        let gone = Arc::clone(&memory);
        let gone = tokio::spawn(async move { gone.reserve(90).await });
        tokio::task::yield_now().await;
        gone.abort();
        assert!(gone.await.is_err());
        let next = memory.reserve(40).await;
        assert_eq!(next.bytes(), 40);
        drop((held, next));
        assert!(memory.try_reserve(100).is_some());
    }

    fn used_buffer(memory: &Arc<Memory>, bytes: usize) -> Option<Vec<u8>> {
        let mut reservation = Reservation::none(memory);
        reservation.take(bytes, &mut None).unwrap()
    }

    #[test]
    fn kept_buffers_make_room_for_reservations() {
        let memory = Memory::new(100, 64);
        let reservation = memory.try_reserve(64).unwrap();
        reservation.end(Bytes::from(vec![1; 64]));
        drop(memory.try_reserve(100).unwrap());
        assert!(used_buffer(&memory, 64).is_none());
    }

    #[test]
    fn bytes_that_somebody_holds_are_not_kept() {
        let memory = Memory::new(1000, 64);
        let batch = Bytes::from(vec![1; 64]);
        let held = batch.clone();
        memory.try_reserve(64).unwrap().end(batch);
        assert!(used_buffer(&memory, 64).is_none());
        memory.try_reserve(64).unwrap().end(held);
        assert!(used_buffer(&memory, 64).is_some());
    }

    #[tokio::test]
    async fn who_waits_for_all_memory_to_come_back_gets_the_used_buffer_along() {
        let memory = Memory::new(128, 64);
        let (first, _second) = (memory.try_reserve(64), memory.try_reserve(64));
        let waiter = Arc::clone(&memory);
        let waiter = tokio::spawn(async move { Some(waiter.reserve(64).await) });
        tokio::task::yield_now().await;
        let batch = Bytes::from(vec![1; 64]);
        let address = batch.as_ptr();
        first.unwrap().end(batch);
        let mut granted = waiter.await.unwrap();
        let used = Reservation::none(&memory).take(64, &mut granted);
        let used = used.unwrap().unwrap();
        assert_eq!((used.as_ptr(), used.len()), (address, 0));
    }

    #[test]
    fn a_used_buffer_that_came_along_is_kept_if_nobody_takes_it() {
        let memory = Memory::new(100, 64);
        memory
            .try_reserve(64)
            .unwrap()
            .end(Bytes::from(vec![1; 64]));
        drop(memory.try_reserve(64));
        assert!(used_buffer(&memory, 64).is_some());
    }
}
