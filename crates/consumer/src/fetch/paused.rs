//! Partitions that the application wants nothing of for now.
//!
//! What was fetched for them is kept, and does not count against the budget: a paused partition
//! holds up no other. So that pausing one after the other does not gather memory without end, what
//! is kept is bounded by twice the budget; beyond that it is fetched again after the pause.

use klamm_net::TopicPartition;

use super::partition::Status;
use super::state::FetchState;

impl FetchState {
    /// Hands out nothing of `partition` until it is resumed. The application holds `taken` bytes of
    /// it, which must no longer count, and `parked` bytes of paused partitions in all. False if it is
    /// not assigned.
    pub(crate) fn pause(
        &mut self,
        partition: &TopicPartition,
        taken: usize,
        parked: usize,
    ) -> bool {
        let Some(state) = self.partitions.get_mut(partition) else {
            return false;
        };
        if std::mem::replace(&mut state.paused, true) {
            return true;
        }
        let (status, consumed) = (state.status, state.consumed);
        self.queue(partition);
        self.paused += 1;
        let mut counted = taken;
        let mut kept = parked;
        for chunk in &mut self.buffer {
            if chunk.partition == *partition {
                counted += std::mem::take(&mut chunk.budgeted);
            }
            if chunk.budgeted == 0 {
                kept += chunk.records.len();
            }
        }
        self.budget.release(counted);
        if kept > 2 * self.budget.limit()
            && let (Status::Fetching, Some(position)) = (status, consumed)
        {
            self.seek(partition, position);
        }
        true
    }

    /// Goes on with `partition`, of which the application holds `taken` bytes. False if it is not
    /// assigned.
    pub(crate) fn resume(&mut self, partition: &TopicPartition, taken: usize) -> bool {
        let Some(state) = self.partitions.get_mut(partition) else {
            return false;
        };
        if !std::mem::replace(&mut state.paused, false) {
            return true;
        }
        self.queue(partition);
        self.paused -= 1;
        let mut kept = taken;
        for chunk in &mut self.buffer {
            if chunk.partition == *partition {
                chunk.budgeted = chunk.records.len();
                kept += chunk.budgeted;
            }
        }
        self.budget.count_again(kept);
        true
    }

    /// The paused partitions, sorted.
    pub(crate) fn paused(&self) -> Vec<TopicPartition> {
        let mut paused: Vec<_> = self
            .partitions
            .iter()
            .filter(|(_, state)| state.paused)
            .map(|(partition, _)| partition.clone())
            .collect();
        paused.sort_unstable();
        paused
    }
}
