//! How many bytes of records the batches of a topic take.
//!
//! `batch.size` is meant for batches as they are sent, compressed; how well a topic compresses is
//! learned from its batches, as Java does. A broker that finds a batch too large
//! (`max.message.bytes`) makes the next ones smaller: at most half the size that it refused, which is
//! more than half of what it takes. When it has taken many of those, larger ones are tried again: the
//! limit may have been raised, and if not, that costs one split.
//!
//! Read by everybody who appends; written by the sender alone.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

#[derive(Debug)]
pub(crate) struct Fill {
    bytes: AtomicUsize,
    bytes_max: usize,
    /// Size that a batch should have when it is sent, if brokers take it.
    target_max: usize,
    estimate: Mutex<Estimate>,
}

#[derive(Debug)]
struct Estimate {
    /// Size that a batch should have when it is sent.
    target: usize,
    /// Batches of about that size that were taken since it was last changed.
    taken: u32,
    /// Compressed size by uncompressed size.
    ratio: f64,
}

/// A little more than the estimate, so that few batches are larger than they should be.
const MARGIN: f64 = 1.05;
/// The estimate follows a better ratio slowly, ...
const FALL_MAX: f64 = 0.005;
/// ... and a worse one in a step of at least this.
const RISE_MIN: f64 = 0.05;
/// After so many batches larger ones are tried again.
const TAKEN_BEFORE_GROWTH: u32 = 1000;

impl Fill {
    /// For batches of `target` bytes as they are sent, and `bytes_max` before they are compressed.
    pub(crate) const fn new(target: usize, bytes_max: usize) -> Self {
        Self {
            bytes: AtomicUsize::new(target),
            bytes_max,
            target_max: target,
            estimate: Mutex::new(Estimate {
                target,
                taken: 0,
                ratio: 1.0,
            }),
        }
    }

    /// Bytes at which a batch is full.
    #[inline]
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// A batch of `written` bytes was compressed to `compressed`.
    pub(crate) fn compressed(&self, written: usize, compressed: usize) {
        self.update(|estimate| {
            let observed = compressed as f64 / written.max(1) as f64;
            estimate.ratio = if observed > estimate.ratio {
                observed.max((estimate.ratio + RISE_MIN).min(1.0))
            } else {
                observed.max(estimate.ratio - FALL_MAX)
            };
        });
    }

    /// The broker found a batch of `bytes` too large.
    pub(crate) fn refused(&self, bytes: usize) {
        self.update(|estimate| {
            estimate.target = estimate.target.min(bytes / 2);
            estimate.taken = 0;
        });
    }

    /// The broker took a batch of `bytes`.
    pub(crate) fn taken(&self, bytes: usize) {
        self.update(|estimate| {
            if estimate.target == self.target_max || bytes <= estimate.target / 2 {
                return;
            }
            estimate.taken += 1;
            if estimate.taken == TAKEN_BEFORE_GROWTH {
                estimate.taken = 0;
                estimate.target = (2 * estimate.target).min(self.target_max);
            }
        });
    }

    fn update(&self, change: impl FnOnce(&mut Estimate)) {
        let mut estimate = self.estimate.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut estimate);
        let target = estimate.target as f64;
        let bytes = target / (estimate.ratio * MARGIN).min(1.0);
        let bytes = (bytes as usize).min(self.bytes_max);
        self.bytes.store(bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_that_compress_well_take_more_records_by_and_by() {
        let fill = Fill::new(1000, 8000);
        fill.compressed(1000, 250);
        assert!((1000..1010).contains(&fill.bytes()), "{}", fill.bytes());
        for _ in 0..1000 {
            fill.compressed(1000, 250);
        }
        let expected = (1000.0 / (0.25 * MARGIN)) as usize;
        assert_eq!(fill.bytes(), expected);
        for _ in 0..1000 {
            fill.compressed(1000, 10);
        }
        assert_eq!(fill.bytes(), 8000, "bounded");
    }

    #[test]
    fn a_batch_that_compresses_badly_counts_at_once() {
        let fill = Fill::new(1000, 8000);
        for _ in 0..1000 {
            fill.compressed(1000, 250);
        }
        fill.compressed(1000, 1010);
        assert_eq!(fill.bytes(), 1000);
    }

    #[test]
    fn a_refused_size_halves_the_next_ones_and_a_smaller_refusal_again() {
        let fill = Fill::new(1000, 1000);
        fill.refused(900);
        assert_eq!(fill.bytes(), 450);
        fill.refused(600);
        assert_eq!(fill.bytes(), 300);
        fill.refused(5000);
        assert_eq!(fill.bytes(), 300);
    }

    #[test]
    fn larger_batches_are_tried_again_when_many_were_taken_and_not_before() {
        let fill = Fill::new(1000, 1000);
        fill.refused(600);
        let take = |batches, bytes| (0..batches).for_each(|_| fill.taken(bytes));
        take(TAKEN_BEFORE_GROWTH - 1, 290);
        take(TAKEN_BEFORE_GROWTH, 150);
        assert_eq!(fill.bytes(), 300, "small ones tell nothing");
        take(1, 290);
        assert_eq!(fill.bytes(), 600);
        fill.refused(600);
        assert_eq!(fill.bytes(), 300, "the limit is still there");
        take(3 * TAKEN_BEFORE_GROWTH, 1000);
        assert_eq!(fill.bytes(), 1000, "what was configured, and no more");
    }
}
