//! Partitions that come and go by the word of a group.
//!
//! Going has two steps, so that what was consumed can still be committed after the last record was
//! handed out: `withdraw`, then `remove`. Coming has two as well, so that the application may say
//! where to start before anything is asked for: `add`, held, then `release`.

use klamm_net::TopicPartition;

use super::partition::{PartitionState, Status};
use super::state::FetchState;
use crate::error::Error;

impl FetchState {
    /// Hands out nothing of `partitions` any more; their positions stay.
    pub(crate) fn withdraw(&mut self, partitions: &[TopicPartition]) {
        for partition in partitions {
            self.with_new_epoch(partition, |state| {
                state.looking_up = false;
                state.held = true;
            });
        }
        self.drop_stale_chunks();
    }

    /// Forgets `partitions`.
    pub(crate) fn remove(&mut self, partitions: &[TopicPartition]) {
        let kept = self.assigned();
        let kept = kept.into_iter().filter(|at| !partitions.contains(at));
        self.assign(kept, false);
        let gone = |error: &Error| match error {
            Error::Partition { partition, .. } | Error::Corrupt { partition, .. } => {
                partitions.contains(partition)
            }
            _ => false,
        };
        self.reports.retain(|error| !gone(error));
    }

    /// Owns `partitions` as well, which start where the group has committed. If `held`, nothing is
    /// asked for before they are released.
    pub(crate) fn add(&mut self, partitions: &[TopicPartition], held: bool) {
        for partition in partitions {
            let epoch = self.next_epoch();
            let mut state = PartitionState::new(epoch, Status::AwaitCommitted);
            state.held = held;
            self.partitions.insert(partition.clone(), state);
            self.queue(partition);
        }
        self.bump_version();
    }

    /// Goes on with partitions that were added and held.
    pub(crate) fn release(&mut self, partitions: &[TopicPartition]) {
        for partition in partitions {
            if let Some(state) = self.partitions.get_mut(partition) {
                state.held = false;
                self.queue(partition);
            }
        }
    }
}
