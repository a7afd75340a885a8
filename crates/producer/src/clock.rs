//! The time that records get when they bring none.
//!
//! Reading the system clock costs as much as encoding a record, so it is read once a batch and by
//! the sender while batches are open, at least every [`TICK`]; appending reads an atomic.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How old the time may be that a record gets.
pub(crate) const TICK: Duration = Duration::from_millis(10);

#[derive(Debug, Default)]
pub(crate) struct Clock {
    millis: AtomicI64,
}

impl Clock {
    /// Milliseconds since the Unix epoch when the clock was last read.
    #[inline]
    pub(crate) fn millis(&self) -> i64 {
        self.millis.load(Ordering::Relaxed)
    }

    /// Reads the system clock.
    pub(crate) fn tick(&self) -> i64 {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let millis = since.as_millis() as i64;
        self.millis.store(millis, Ordering::Relaxed);
        millis
    }
}
