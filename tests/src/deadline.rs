//! Waiting on a condition with an end.

use std::thread;
use std::time::{Duration, Instant};

/// How often a condition is looked at. Conditions are files, sockets and processes of others: nothing would wake us.
const POLL: Duration = Duration::from_millis(10);

/// Looks at `condition` until it gives a value or `patience` is over; `None` means it is over.
pub(crate) fn wait_for<T>(
    patience: Duration,
    mut condition: impl FnMut() -> Option<T>,
) -> Option<T> {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(value) = condition() {
            return Some(value);
        }
        if Instant::now() >= deadline {
            return None;
        }
        thread::sleep(POLL);
    }
}
