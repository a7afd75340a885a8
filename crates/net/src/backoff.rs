//! Exponential backoff with jitter (KIP-580).

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use tokio::time::Instant;

use crate::metadata::FAILOVER;

/// Pauses between attempts: `initial * 2^attempt`, times a random factor from 0.8 to 1.2, at most
/// `max`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// Pause after the first failure.
    pub initial: Duration,
    /// Longest pause.
    pub max: Duration,
}

impl Backoff {
    /// The pause after failure number `attempt`, counted from 0, for a `random` number in 0..1.
    #[must_use]
    pub fn delay(self, attempt: u32, random: f64) -> Duration {
        let doubled = self.initial.saturating_mul(1 << attempt.min(20));
        doubled
            .min(self.max)
            .mul_f64(0.8 + 0.4 * random)
            .min(self.max)
    }

    /// [`Backoff::delay`] with a random number from the operating system's seed.
    #[must_use]
    pub fn jittered(self, attempt: u32) -> Duration {
        self.delay(attempt, random_fraction())
    }
}

/// The pauses of one task that is tried again and again. They grow only when brokers have had the time to choose another
/// leader or coordinator; before, they would be added to the outage.
#[derive(Clone, Copy, Debug)]
pub struct Pauses {
    backoff: Backoff,
    started: Instant,
    grown: u32,
}

impl Pauses {
    /// Those of a task that begins `now`.
    #[must_use]
    pub const fn new(backoff: Backoff, now: Instant) -> Self {
        Self {
            backoff,
            started: now,
            grown: 0,
        }
    }

    /// The pause after an attempt that failed `now`.
    pub fn take(&mut self, now: Instant) -> Duration {
        if now >= self.started + FAILOVER {
            self.grown += 1;
        }
        self.backoff.jittered(self.grown)
    }
}

/// A number in 0..1 for jitter, which only has to differ between clients: the seed of a hash map does.
pub(crate) fn random_fraction() -> f64 {
    let random = RandomState::new().hash_one(0) >> 11;
    random as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_only_when_a_failover_has_had_its_time() {
        let backoff = Backoff {
            initial: Duration::from_millis(100),
            max: Duration::from_secs(1),
        };
        let mut now = Instant::now();
        let mut pauses = Pauses::new(backoff, now);
        for _ in 0..50 {
            let pause = pauses.take(now);
            assert!((80..=120).contains(&pause.as_millis()), "{pause:?}");
        }
        now += FAILOVER;
        let pause = pauses.take(now);
        assert!((160..=240).contains(&pause.as_millis()), "{pause:?}");
        assert!((320..=480).contains(&pauses.take(now).as_millis()));
    }

    #[test]
    fn the_pause_doubles_with_jitter_up_to_the_maximum() {
        let backoff = Backoff {
            initial: Duration::from_millis(100),
            max: Duration::from_secs(1),
        };
        assert_eq!(backoff.delay(0, 0.5), Duration::from_millis(100));
        assert_eq!(backoff.delay(0, 0.0), Duration::from_millis(80));
        assert_eq!(backoff.delay(2, 0.5), Duration::from_millis(400));
        assert_eq!(backoff.delay(3, 1.0), Duration::from_millis(960));
        assert_eq!(backoff.delay(40, 1.0), Duration::from_secs(1));
        let jittered = backoff.jittered(1);
        assert!((160..=240).contains(&jittered.as_millis()), "{jittered:?}");
    }
}
