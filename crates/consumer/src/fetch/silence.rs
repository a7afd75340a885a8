//! A broker that does not answer a fetch: nothing is refused and no connection is lost while it sleeps, and others may
//! lead its partitions by then.

use std::time::Duration;

use klamm_net::{Backoff, Pauses};
use tokio::time::Instant;

/// Beyond `fetch.max.wait.ms`, which an answer may take.
const PATIENCE: Duration = Duration::from_secs(3);

/// Of one fetch.
#[derive(Debug)]
pub(super) struct Silence {
    /// When newer metadata is wanted because of it.
    pub(super) look_at: Instant,
    pauses: Option<Pauses>,
}

impl Silence {
    pub(super) fn start(now: Instant, fetch_max_wait: Duration) -> Self {
        Self {
            look_at: now + fetch_max_wait + PATIENCE,
            pauses: None,
        }
    }

    /// Whether newer metadata is wanted `now`, and not again before a pause.
    pub(super) fn looks(&mut self, now: Instant, backoff: Backoff) -> bool {
        if now < self.look_at {
            return false;
        }
        let pauses = self.pauses.get_or_insert_with(|| Pauses::new(backoff, now));
        self.look_at = now + pauses.take(now);
        true
    }
}
