//! Latencies in buckets whose width grows with them.
//!
//! Four buckets between a power of two and the next: a quantile is at most a quarter too high. They
//! reach from one microsecond to more than an hour; what lies beyond is in the last.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Bits of the position between two powers of two.
const SUB_BITS: u32 = 2;
const BUCKETS: usize = 128;

/// Counts latencies; never locks.
pub(super) struct Recorder {
    buckets: [AtomicU64; BUCKETS],
    sum_micros: AtomicU64,
    max_micros: AtomicU64,
}

impl Recorder {
    pub(super) const fn new() -> Self {
        Self {
            buckets: [const { AtomicU64::new(0) }; BUCKETS],
            sum_micros: AtomicU64::new(0),
            max_micros: AtomicU64::new(0),
        }
    }

    pub(super) fn record(&self, latency: Duration) {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        self.buckets[bucket(micros)].fetch_add(1, Ordering::Relaxed);
        self.sum_micros.fetch_add(micros, Ordering::Relaxed);
        self.max_micros.fetch_max(micros, Ordering::Relaxed);
    }

    pub(super) fn snapshot(&self) -> LatencyHistogram {
        let counts = self.buckets.iter();
        LatencyHistogram {
            counts: counts.map(|count| count.load(Ordering::Relaxed)).collect(),
            sum: Duration::from_micros(self.sum_micros.load(Ordering::Relaxed)),
            max: Duration::from_micros(self.max_micros.load(Ordering::Relaxed)),
        }
    }
}

fn bucket(micros: u64) -> usize {
    let value = micros.max(1);
    let power = value.ilog2();
    let within = if power >= SUB_BITS {
        (value >> (power - SUB_BITS)) & ((1 << SUB_BITS) - 1)
    } else {
        (value << (SUB_BITS - power)) & ((1 << SUB_BITS) - 1)
    };
    (((power << SUB_BITS) as usize) + within as usize).min(BUCKETS - 1)
}

/// The highest number of microseconds in a bucket.
fn upper_bound(bucket: usize) -> u64 {
    let (power, within) = (
        (bucket >> SUB_BITS) as u32,
        (bucket & ((1 << SUB_BITS) - 1)) as u64,
    );
    let next = ((1_u64 << SUB_BITS) + within + 1) << power;
    next.div_ceil(1 << SUB_BITS).saturating_sub(1).max(1)
}

/// How long responses took, as counts in buckets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LatencyHistogram {
    counts: Vec<u64>,
    sum: Duration,
    max: Duration,
}

impl LatencyHistogram {
    /// Number of latencies.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Their mean; zero if there are none.
    #[must_use]
    pub fn mean(&self) -> Duration {
        let count = u32::try_from(self.count()).unwrap_or(u32::MAX);
        self.sum.checked_div(count).unwrap_or_default()
    }

    /// The longest, to the microsecond.
    #[must_use]
    pub fn max(&self) -> Duration {
        self.max
    }

    /// The latency that a `share` of them (0 to 1) did not exceed, at most a quarter too high.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Duration {
        let wanted = (self.count() as f64 * share.clamp(0.0, 1.0))
            .ceil()
            .max(1.0) as u64;
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return Duration::from_micros(upper_bound(bucket)).min(self.max);
            }
        }
        Duration::ZERO
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_latency_falls_into_a_bucket_that_holds_it() {
        let mut last = 0;
        for micros in (0..5000).chain([1 << 20, (1 << 31) - 1]) {
            let at = bucket(micros);
            assert!(at >= last || micros == 0, "{micros}");
            last = at;
            assert!(upper_bound(at) >= micros, "{micros} in {at}");
            assert!(
                upper_bound(at) <= micros.max(1) * 5 / 4 + 1,
                "{micros} in {at}"
            );
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn quantiles_mean_and_maximum_are_those_of_what_was_recorded() {
        let recorder = Recorder::new();
        assert_eq!(recorder.snapshot().quantile(0.5), Duration::ZERO);
        assert_eq!(recorder.snapshot().mean(), Duration::ZERO);
        for micros in 1..=1000 {
            recorder.record(Duration::from_micros(micros));
        }
        let latencies = recorder.snapshot();
        assert_eq!(latencies.count(), 1000);
        assert_eq!(latencies.max(), Duration::from_millis(1));
        assert_eq!(latencies.mean(), Duration::from_nanos(500_500));
        for (share, exact) in [(0.5, 500), (0.99, 990), (1.0, 1000)] {
            let quantile = latencies.quantile(share).as_micros();
            assert!((exact..=exact * 5 / 4).contains(&quantile), "{quantile}");
        }
    }
}
