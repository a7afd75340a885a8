//! What a consumer has done so far and how it stands, counted once a response or a poll, never once
//! a record.

use klamm_net::{NodeId, TopicPartition};

use super::Consumer;

/// A picture of a consumer: counts since it was built, and how it stands now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConsumerStats {
    /// Records that were handed out.
    pub records_consumed: u64,
    /// Bytes of record batches that were fetched, as they were sent.
    pub bytes_fetched: u64,
    /// Fetches that were answered.
    pub fetches: u64,
    /// Fetches that were not, and errors about single partitions. Leaders that move cause some.
    pub fetch_failures: u64,
    /// Bytes that were fetched and not handed out yet.
    pub buffered_bytes: usize,
    /// The most that may be (`prefetch_bytes`); see [`Consumer`] for what comes on top.
    pub buffered_bytes_max: usize,
    /// The assigned partitions, sorted.
    pub partitions: Vec<PartitionStats>,
}

/// How one partition of a [`ConsumerStats`] stands. Nobody was asked: what the log looks like is what
/// the last response said.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PartitionStats {
    /// Topic and partition.
    pub partition: TopicPartition,
    /// The next offset to be handed out; none while it is being looked up.
    pub position: Option<i64>,
    /// Offsets between the position and the last record that may be read.
    pub lag: Option<i64>,
    /// The first offset of the log.
    pub log_start_offset: Option<i64>,
    /// The first offset of an open transaction, or the high watermark.
    pub last_stable_offset: Option<i64>,
    /// The first offset that not all in-sync replicas have.
    pub high_watermark: Option<i64>,
    /// Whether the application has paused it.
    pub is_paused: bool,
    /// The broker that it is read from: the leader, or a near replica (KIP-392); none while it is not
    /// read.
    pub read_from: Option<NodeId>,
}

impl Consumer {
    /// How this consumer stands.
    pub fn stats(&mut self) -> ConsumerStats {
        self.flush();
        let mut stats = self.shared.lock().fetch.stats();
        stats.records_consumed = self.records;
        stats
    }
}
