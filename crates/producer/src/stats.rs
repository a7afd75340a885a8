//! What a producer has done so far, counted once a batch or an answer, never once a record.

mod histogram;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use klamm_codec::ErrorCode;

pub use histogram::LatencyHistogram;

/// A picture of a producer: counts since it was built, and how it stands now.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ProducerStats {
    /// Records that are acknowledged (with `acks=0`: written to a connection).
    pub records_acknowledged: u64,
    /// Records that were given up.
    pub records_failed: u64,
    /// Batches that are acknowledged.
    pub batches_acknowledged: u64,
    /// Their bytes as they were sent, with headers.
    pub bytes_acknowledged: u64,
    /// Bytes of batches before compression.
    pub bytes_uncompressed: u64,
    /// Bytes of the same batches after it.
    pub bytes_compressed: u64,
    /// Produce requests.
    pub requests: u64,
    /// Batches that have to be sent again after an error or a lost answer.
    pub retries: u64,
    /// Batches that were cut in two because the broker found them too large.
    pub splits: u64,
    /// Answers for a batch with an error, by Kafka's code.
    pub errors: BTreeMap<i16, u64>,
    /// Requests that were not answered: time-outs, lost connections.
    pub requests_lost: u64,
    /// How long brokers asked to wait because of quotas (KIP-219).
    pub throttled: Duration,
    /// From the first record of a batch to its acknowledgement.
    pub latency: LatencyHistogram,
    /// Batches without result: being filled, waiting, or in flight.
    pub batches_unfinished: usize,
    /// Bytes in use of `buffer.memory`.
    pub memory_used: usize,
    /// `buffer.memory`.
    pub memory_limit: usize,
    /// Calls of `send` that wait for memory.
    pub memory_waiters: usize,
}

impl ProducerStats {
    /// Compressed size by uncompressed size; `None` while nothing was compressed.
    #[must_use]
    pub fn compression_ratio(&self) -> Option<f64> {
        (self.bytes_uncompressed > 0)
            .then(|| self.bytes_compressed as f64 / self.bytes_uncompressed as f64)
    }
}

/// Where the sender counts.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    stats: Mutex<ProducerStats>,
}

impl Counters {
    pub(crate) fn lock(&self) -> MutexGuard<'_, ProducerStats> {
        self.stats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn acknowledged(&self, records: u64, bytes: usize, latency: Duration) {
        let mut stats = self.lock();
        stats.records_acknowledged += records;
        stats.batches_acknowledged += 1;
        stats.bytes_acknowledged += bytes as u64;
        stats.latency.record(latency);
    }

    pub(crate) fn compressed(&self, written: usize, compressed: usize) {
        let mut stats = self.lock();
        stats.bytes_uncompressed += written as u64;
        stats.bytes_compressed += compressed as u64;
    }

    pub(crate) fn error(&self, code: ErrorCode) {
        *self.lock().errors.entry(code.0).or_default() += 1;
    }
}
