//! Memory that is used again, for what comes in: frames and decompressed batches.
//!
//! Owns: buffers that nobody holds; they come back when the last of the [`Bytes`] made of them is dropped.
//! (Java's class of this name hands buffers back by hand.)
//!
//! Does not: wait, or limit what is in use.
//!
//! Invariants
//! - at most the bytes given to [`BufferSupplier::new`] lie idle
//! - a buffer in use is nobody else's
//! - dropping the supplier frees what lies idle, and later what comes back

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use bytes::Bytes;

/// Sizes asked for are rounded up by an eighth at most, so that a buffer serves others like it.
const ROUNDING: usize = 8;
/// A buffer is not used for less than its size by this: who keeps a little must not keep much memory.
const TOO_LARGE: usize = 4;

/// Supplies buffers, used ones if there are; see the module. Clones share them.
#[derive(Clone)]
pub struct BufferSupplier {
    idle: Arc<Idle>,
}

struct Idle {
    bytes_max: usize,
    buffers: Mutex<Vec<Vec<u8>>>,
}

impl BufferSupplier {
    /// Keeps at most `bytes_max` bytes that nobody uses.
    #[must_use]
    pub fn new(bytes_max: usize) -> Self {
        let buffers = Mutex::default();
        Self {
            idle: Arc::new(Idle { bytes_max, buffers }),
        }
    }

    /// A buffer with room for `size` bytes: the smallest used one that has, and is not far larger, or a new one. It
    /// holds what it was last used for, up to its length; a new one is empty.
    #[must_use]
    pub fn get(&self, size: usize) -> Vec<u8> {
        let mut buffers = self.idle.lock();
        let sizes = size..=size.saturating_mul(TOO_LARGE);
        let fitting = buffers.iter().enumerate();
        let fitting = fitting.filter(|(_, buffer)| sizes.contains(&buffer.capacity()));
        // Of equal ones the last: it is the likeliest to be in the caches.
        if let Some((index, _)) = fitting.rev().min_by_key(|(_, buffer)| buffer.capacity()) {
            return buffers.remove(index);
        }
        drop(buffers);
        let step = size.next_power_of_two() / ROUNDING;
        Vec::with_capacity(size.next_multiple_of(step.max(1)))
    }

    /// The first `length` bytes of `buffer`, which comes back when they are dropped, with all clones and slices.
    ///
    /// Of a `length` beyond the buffer's, all of it.
    #[must_use]
    pub fn freeze(&self, buffer: Vec<u8>, length: usize) -> Bytes {
        Bytes::from_owner(InUse {
            length: length.min(buffer.len()),
            buffer,
            home: Arc::downgrade(&self.idle),
        })
    }

    /// Gives up a buffer that did not come to anything.
    pub fn put_back(&self, buffer: Vec<u8>) {
        self.idle.put(buffer);
    }

    /// Frees what lies idle.
    pub fn clear(&self) {
        self.idle.lock().clear();
    }

    /// Bytes that lie idle.
    #[must_use]
    pub fn idle_bytes(&self) -> usize {
        capacity(&self.idle.lock())
    }
}

impl fmt::Debug for BufferSupplier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BufferSupplier")
            .field("idle_bytes", &self.idle_bytes())
            .finish_non_exhaustive()
    }
}

impl Idle {
    /// Nothing can panic while it is held.
    fn lock(&self) -> MutexGuard<'_, Vec<Vec<u8>>> {
        self.buffers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, buffer: Vec<u8>) {
        let mut buffers = self.lock();
        buffers.push(buffer);
        // What nobody has asked for the longest goes first.
        let mut idle = capacity(&buffers);
        let surplus = buffers.iter().take_while(|oldest| {
            let is_surplus = idle > self.bytes_max;
            idle -= if is_surplus { oldest.capacity() } else { 0 };
            is_surplus
        });
        let surplus = surplus.count();
        buffers.drain(..surplus);
    }
}

fn capacity(buffers: &[Vec<u8>]) -> usize {
    buffers.iter().map(Vec::capacity).sum()
}

/// What [`Bytes`] hold.
struct InUse {
    buffer: Vec<u8>,
    length: usize,
    home: Weak<Idle>,
}

impl AsRef<[u8]> for InUse {
    fn as_ref(&self) -> &[u8] {
        &self.buffer[..self.length]
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        if let Some(home) = self.home.upgrade() {
            home.put(std::mem::take(&mut self.buffer));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(supplier: &BufferSupplier, size: usize, byte: u8) -> Bytes {
        let mut buffer = supplier.get(size);
        buffer.clear();
        buffer.resize(size, byte);
        supplier.freeze(buffer, size)
    }

    #[test]
    fn memory_is_used_again_once_the_last_slice_of_it_is_dropped_and_not_before() {
        let supplier = BufferSupplier::new(1 << 20);
        let first = filled(&supplier, 1000, 1);
        let address = first.as_ptr();
        let slice = first.slice(10..20);
        drop(first);
        let second = filled(&supplier, 1000, 2);
        assert_ne!(second.as_ptr(), address);
        assert_eq!(slice, [1; 10][..]);
        drop(slice);
        assert_eq!(filled(&supplier, 990, 3).as_ptr(), address);
    }

    #[test]
    fn the_smallest_buffer_that_has_room_is_taken_unless_it_is_far_larger() {
        let supplier = BufferSupplier::new(1 << 20);
        let all = [6000, 1024, 2048].map(|size| filled(&supplier, size, 0));
        let addresses = all.each_ref().map(|bytes| bytes.as_ptr());
        drop(all);
        let taken = [1500, 1400, 100, 7000].map(|size| supplier.get(size));
        assert_eq!(taken[0].as_ptr(), addresses[2]);
        assert!(taken[1..].iter().all(Vec::is_empty));
    }

    #[test]
    fn no_more_than_the_limit_lies_idle() {
        let supplier = BufferSupplier::new(3 << 20);
        let all = [0; 5].map(|byte| filled(&supplier, 1 << 20, byte));
        drop(all);
        assert_eq!(supplier.idle_bytes(), 3 << 20);
        drop(filled(&supplier, 4 << 20, 0));
        assert_eq!(supplier.idle_bytes(), 0);
        drop(filled(&supplier, 1 << 20, 0));
        supplier.clear();
        assert_eq!(supplier.idle_bytes(), 0);
    }

    #[test]
    fn what_is_in_use_outlives_the_supplier() {
        let supplier = BufferSupplier::new(1 << 20);
        let bytes = filled(&supplier, 100, 7);
        drop(supplier);
        assert_eq!(bytes, [7; 100][..]);
    }
}
