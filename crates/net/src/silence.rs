//! A broker that does not answer: nothing is refused and no connection is lost while it sleeps, and others may lead its
//! partitions by then. Only newer metadata tells.

use std::time::Duration;

use tokio::time::Instant;

use crate::backoff::{Backoff, Pauses};

/// How long an answer may take without a doubt, beyond what the broker was asked to wait.
const PATIENCE: Duration = Duration::from_secs(3);

/// How long a broker has been silent about a request, and when to look for who has taken over.
///
/// From the third second on as often as when a leader is gone, so that the outage is not much longer than the brokers'
/// own: see [`Pauses`].
#[derive(Clone, Copy, Debug)]
pub struct Silence {
    look_at: Instant,
    pauses: Option<Pauses>,
}

impl Silence {
    /// Of a request that is on its way `now`, and which the broker may keep waiting for `max_wait`.
    #[must_use]
    pub fn start(now: Instant, max_wait: Duration) -> Self {
        Self {
            look_at: now + max_wait + PATIENCE,
            pauses: None,
        }
    }

    /// When newer metadata will be wanted because of it.
    #[must_use]
    pub const fn look_at(&self) -> Instant {
        self.look_at
    }

    /// Whether newer metadata is wanted `now`, and then not again before a pause.
    pub fn looks(&mut self, now: Instant, backoff: Backoff) -> bool {
        if now < self.look_at {
            return false;
        }
        let pauses = self.pauses.get_or_insert_with(|| Pauses::new(backoff, now));
        self.look_at = now + pauses.take(now);
        true
    }
}
