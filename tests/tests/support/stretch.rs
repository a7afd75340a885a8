//! When something came last, and how long it stayed away.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::within;

/// The times between what comes again and again.
pub(crate) struct Stretch {
    pub(crate) last: Instant,
    pub(crate) longest: Duration,
}

impl Stretch {
    pub(crate) fn start() -> Self {
        Self {
            last: Instant::now(),
            longest: Duration::ZERO,
        }
    }

    pub(crate) fn came(&mut self) {
        self.longest = self.longest.max(self.last.elapsed());
        self.last = Instant::now();
    }
}

/// Waits until it has come so many times after this call.
pub(crate) async fn comes(what: &str, times: usize, stretch: &Mutex<Stretch>) {
    let mut since = Instant::now();
    let wait = async {
        for _ in 0..times {
            while stretch.lock().unwrap().last <= since {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            since = stretch.lock().unwrap().last;
        }
    };
    within(60, what, wait).await;
}
