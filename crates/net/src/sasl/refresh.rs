//! When a token is replaced by the next, by the rules of Java's refreshing login (KIP-255).

use std::time::{Duration, SystemTime};

/// When a token with an end is replaced (`sasl.login.refresh.*`).
///
/// # Examples
/// ```
/// use klamm_net::TokenRefresh;
///
/// let early = TokenRefresh { window_factor: 0.5, ..TokenRefresh::default() };
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TokenRefresh {
    /// Share of a token's life after which the next is fetched (`sasl.login.refresh.window.factor`, 0.8).
    pub window_factor: f64,
    /// Random share that is added, so that clients do not fetch all at once (`sasl.login.refresh.window.jitter`, 0.05).
    pub window_jitter: f64,
    /// Shortest time between two tokens (`sasl.login.refresh.min.period.seconds`, 60 s).
    pub min_period: Duration,
    /// Time before the end that is kept free (`sasl.login.refresh.buffer.seconds`, 300 s).
    pub buffer: Duration,
}

impl Default for TokenRefresh {
    fn default() -> Self {
        Self {
            window_factor: 0.8,
            window_jitter: 0.05,
            min_period: Duration::from_secs(60),
            buffer: Duration::from_secs(300),
        }
    }
}

impl TokenRefresh {
    /// When to replace a token that was fetched at `fetched` and ends at `expires`, for a `random` number in 0..1.
    ///
    /// Minimum and buffer count only if the token lives longer than both together.
    pub(super) fn at(self, fetched: SystemTime, expires: SystemTime, random: f64) -> SystemTime {
        let life = expires.duration_since(fetched).unwrap_or_default();
        let share = (self.window_factor + self.window_jitter * random).clamp(0.0, 1.0);
        let mut age = life.mul_f64(share);
        if life >= self.min_period.saturating_add(self.buffer) {
            age = age
                .min(life.saturating_sub(self.buffer))
                .max(self.min_period);
        }
        fetched + age
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn age(life: u64, refresh: TokenRefresh, random: f64) -> Duration {
        let fetched = SystemTime::UNIX_EPOCH;
        let at = refresh.at(fetched, fetched + Duration::from_secs(life), random);
        at.duration_since(fetched).unwrap()
    }

    #[test]
    fn a_token_is_replaced_at_a_share_of_its_life_within_the_limits() {
        let java = TokenRefresh::default();
        assert_eq!(age(3600, java, 0.0), Duration::from_secs(2880));
        assert_eq!(age(3600, java, 1.0), Duration::from_secs(3060));
        // The buffer ends it earlier, the minimum keeps it longer.
        assert_eq!(age(1000, java, 0.0), Duration::from_secs(700));
        let short = TokenRefresh {
            min_period: Duration::from_secs(900),
            ..java
        };
        assert_eq!(age(1200, short, 0.0), Duration::from_secs(900));
        // Too short a life for either.
        assert_eq!(age(100, java, 0.0), Duration::from_secs(80));
        assert_eq!(age(0, java, 0.5), Duration::ZERO);
    }
}
