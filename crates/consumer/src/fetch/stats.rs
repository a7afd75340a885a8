//! The fetch side of a consumer's statistics.

use super::state::FetchState;
use crate::consumer::{ConsumerStats, PartitionStats};

impl FetchState {
    /// How everything stands, without what only the application's side knows.
    pub(crate) fn stats(&self) -> ConsumerStats {
        let known = |offset: i64| (offset >= 0).then_some(offset);
        let partition =
            |(partition, state): (&_, &super::partition::PartitionState)| PartitionStats {
                position: state.consumed.map(|position| position.offset),
                lag: self.lag(partition),
                log_start_offset: known(state.log.start),
                last_stable_offset: known(state.log.last_stable),
                high_watermark: known(state.log.high_watermark),
                is_paused: state.paused,
                read_from: state.node,
                partition: partition.clone(),
            };
        let mut partitions: Vec<_> = self.partitions.iter().map(partition).collect();
        partitions.sort_unstable_by(|left, right| left.partition.cmp(&right.partition));
        ConsumerStats {
            records_consumed: 0,
            bytes_fetched: self.counts.bytes,
            fetches: self.counts.fetches,
            fetch_failures: self.counts.failures,
            buffered_bytes: self.budget.buffered(),
            buffered_bytes_max: self.budget.limit(),
            partitions,
        }
    }
}
