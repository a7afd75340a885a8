//! Latencies, in buckets that grow with them: an error of at most an eighth.

use std::time::Duration;

/// Buckets for each doubling.
const PER_DOUBLING: u32 = 8;
/// Up to 2^40 microseconds, 12 days.
const DOUBLINGS: u32 = 40;

/// How many took how long.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LatencyHistogram {
    /// By bucket; empty before the first.
    buckets: Vec<u64>,
    count: u64,
    sum: Duration,
    max: Duration,
}

impl LatencyHistogram {
    pub(crate) fn record(&mut self, latency: Duration) {
        if self.buckets.is_empty() {
            self.buckets = vec![0; (DOUBLINGS * PER_DOUBLING) as usize];
        }
        let last = self.buckets.len() - 1;
        self.buckets[bucket(latency).min(last)] += 1;
        self.count += 1;
        self.sum = self.sum.saturating_add(latency);
        self.max = self.max.max(latency);
    }

    /// How many there are.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// The mean; zero if there are none.
    #[must_use]
    pub fn mean(&self) -> Duration {
        let nanos = self.sum.as_nanos() / u128::from(self.count.max(1));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// The longest.
    #[must_use]
    pub const fn max(&self) -> Duration {
        self.max
    }

    /// What the share `quantile` of them took at most, such as 0.99; up to an eighth too much.
    #[must_use]
    pub fn quantile(&self, quantile: f64) -> Duration {
        let wanted = (self.count as f64 * quantile.clamp(0.0, 1.0)).ceil() as u64;
        let mut seen = 0;
        for (bucket, count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen >= wanted && seen > 0 {
                return upper_bound(bucket).min(self.max);
            }
        }
        self.max
    }
}

fn bucket(latency: Duration) -> usize {
    let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
    if micros < u64::from(PER_DOUBLING) {
        return micros as usize;
    }
    let doubling = micros.ilog2() - PER_DOUBLING.ilog2();
    let step = micros >> doubling;
    (u64::from(doubling * PER_DOUBLING) + step) as usize
}

fn upper_bound(bucket: usize) -> Duration {
    let bucket = bucket as u64;
    let per_doubling = u64::from(PER_DOUBLING);
    if bucket < 2 * per_doubling {
        return Duration::from_micros(bucket);
    }
    let doubling = bucket / per_doubling - 1;
    let step = bucket % per_doubling + per_doubling;
    Duration::from_micros(((step + 1) << doubling) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_latency_is_within_an_eighth_of_its_bucket() {
        let latencies =
            (0..40).flat_map(|shift| [1_u64 << shift, (1 << shift) + 1, (3 << shift) / 2]);
        let mut before = 0;
        let mut sorted: Vec<_> = latencies.collect();
        sorted.sort_unstable();
        for micros in sorted {
            let found = bucket(Duration::from_micros(micros));
            assert!(found >= before, "{micros}");
            before = found;
            let bound = upper_bound(found).as_micros() as u64;
            assert!(
                bound >= micros && bound <= micros + micros / 8 + 1,
                "{micros}: {bound}"
            );
        }
    }

    #[test]
    fn quantiles_are_read_from_the_buckets() {
        let mut histogram = LatencyHistogram::default();
        assert_eq!(histogram.quantile(0.5), Duration::ZERO);
        for millis in 1..=100 {
            histogram.record(Duration::from_millis(millis));
        }
        let within = |quantile, millis: u64| {
            let found = histogram.quantile(quantile).as_micros() as u64;
            assert!(
                (millis * 1000..=millis * 1125 + 1).contains(&found),
                "{found}"
            );
        };
        within(0.5, 50);
        within(0.99, 99);
        assert_eq!(histogram.quantile(1.0), Duration::from_millis(100));
        assert_eq!(histogram.mean(), Duration::from_micros(50_500));
        assert_eq!(histogram.count(), 100);
        histogram.record(Duration::MAX);
        assert_eq!(histogram.max(), Duration::MAX);
    }
}
