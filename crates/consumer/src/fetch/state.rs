//! All assigned partitions of one consumer, and what was fetched for them and not yet taken.
//!
//! Owns: positions (fetched and consumed), the buffer and its budget, the errors to report.
//! [`plan`](super::plan), [`response`](super::response) and [`lookup`](super::lookup) add what to
//! send and what to make of the answers.
//!
//! Does not: send, sleep or read a clock.
//!
//! Invariants
//! - the buffer holds only chunks of the current epoch of an assigned partition
//! - an answer for another epoch, or another fetch than the last one of a partition, changes nothing
//! - `consumed` is what polls before the last one handed over, never more

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use klamm_codec::fetch_response::NodeEndpoint;
use klamm_net::{Backoff, NodeId, Silence, TopicPartition};
use tokio::time::Instant;

use super::budget::Budget;
use super::drain::Chunk;
use super::partition::{Epoch, PartitionState, Pause, Position, ResetTo, Status, Trouble};
use super::session::FetchSession;
use crate::config::{IsolationLevel, OffsetReset};
use crate::error::Error;
use crate::offset::{OffsetAndMetadata, Offsets};

/// The settings that matter here.
#[derive(Clone, Debug)]
pub(crate) struct FetchSettings {
    pub(crate) offset_reset: OffsetReset,
    pub(crate) isolation_level: IsolationLevel,
    /// Commit what was handed over, not what the application stored.
    pub(crate) stores_offsets: bool,
    pub(crate) client_rack: Option<String>,
    pub(crate) fetch_min_bytes: usize,
    pub(crate) fetch_max_wait: Duration,
    pub(crate) fetch_max_bytes: usize,
    pub(crate) partition_fetch_max_bytes: usize,
    pub(crate) prefetch_bytes: usize,
    /// For so long a preferred replica is one.
    pub(crate) metadata_max_age: Duration,
    pub(crate) retry_backoff: Backoff,
}

/// What has happened so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Fetches that were answered.
    pub(crate) fetches: u64,
    /// Requests that were not, and errors about one partition.
    pub(crate) failures: u64,
    /// Bytes of record batches.
    pub(crate) bytes: u64,
}

/// How far the application was given a partition.
#[derive(Clone, Debug)]
pub(crate) struct Consumed {
    pub(crate) partition: TopicPartition,
    pub(crate) epoch: Epoch,
    pub(crate) position: Position,
}

/// A broker that partitions are fetched from.
#[derive(Debug, Default)]
pub(super) struct Node {
    /// Of the fetch that is on its way.
    pub(super) fetching: Option<Silence>,
    pub(super) pause: Pause,
    pub(super) session: FetchSession,
}

/// What the shell has to do after an answer was handled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Effects {
    /// Ask for fresh metadata.
    pub(crate) refresh: bool,
    /// Wake the application: there are data, an error or a position.
    pub(crate) wake: bool,
    /// Leaders that a broker named instead of itself, with their epochs (KIP-951) …
    pub(crate) leaders: Vec<(TopicPartition, NodeId, i32)>,
    /// … and where they listen.
    pub(crate) endpoints: Vec<NodeEndpoint>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct FetchState {
    pub(super) settings: FetchSettings,
    pub(super) partitions: HashMap<TopicPartition, PartitionState>,
    pub(super) nodes: HashMap<NodeId, Node>,
    pub(super) buffer: VecDeque<Chunk>,
    pub(super) budget: Budget,
    pub(super) reports: VecDeque<Error>,
    /// Why partitions are stuck, until the application seeks.
    pub(super) stuck: BTreeMap<TopicPartition, Error>,
    pub(super) counts: Counts,
    /// Partitions whose trouble the next poll settles.
    troubled: Vec<TopicPartition>,
    /// Partitions for which something has changed, each once; those that wait for time to pass too.
    pub(super) queued: Vec<TopicPartition>,
    /// The metadata that was last looked at.
    pub(super) metadata: u64,
    /// When the next preferred replica is one no longer.
    pub(super) preferred_until: Option<Instant>,
    pub(super) last_number: u64,
    version: u64,
    /// How many partitions are paused.
    pub(super) paused: usize,
}

/// Errors that wait to be reported; more of the same kind say nothing new.
const REPORTS_MAX: usize = 16;

impl FetchState {
    pub(crate) fn new(settings: FetchSettings) -> Self {
        Self {
            budget: Budget::new(settings.prefetch_bytes, settings.partition_fetch_max_bytes),
            settings,
            partitions: HashMap::new(),
            nodes: HashMap::new(),
            buffer: VecDeque::new(),
            reports: VecDeque::new(),
            stuck: BTreeMap::new(),
            counts: Counts::default(),
            troubled: Vec::new(),
            queued: Vec::new(),
            metadata: 0,
            preferred_until: None,
            last_number: 0,
            version: 0,
            paused: 0,
        }
    }

    /// Owns exactly `partitions` from now on. Those that were owned keep their positions; the
    /// others start from the committed offset, or, without a group, by the reset policy.
    pub(crate) fn assign(
        &mut self,
        partitions: impl IntoIterator<Item = TopicPartition>,
        committed: bool,
    ) {
        let mut before = std::mem::take(&mut self.partitions);
        for partition in partitions {
            if let Some(state) = before.remove(&partition) {
                self.partitions.insert(partition, state);
                continue;
            }
            let epoch = self.next_epoch();
            self.partitions.insert(
                partition.clone(),
                PartitionState::new(epoch, Status::AwaitCommitted),
            );
            if committed {
                self.queue(&partition);
            } else {
                self.reset_by_policy(&partition);
            }
        }
        self.version += 1;
        for (partition, state) in before {
            self.stuck.remove(&partition);
            if let Some(node) = state.node.and_then(|node| self.nodes.get_mut(&node)) {
                node.session.forget(&partition);
            }
        }
        self.paused = self.partitions.values().filter(|it| it.paused).count();
        self.drop_stale_chunks();
    }

    /// Goes on at `position`. False if the partition is not assigned.
    pub(crate) fn seek(&mut self, partition: &TopicPartition, position: Position) -> bool {
        self.seek_valid(partition, position, -1)
    }

    /// As [`seek`](Self::seek), to a position that the leader of epoch `valid_in` has in its log.
    fn seek_valid(&mut self, partition: &TopicPartition, to: Position, valid_in: i32) -> bool {
        let seeked = self.with_new_epoch(partition, |state| state.start_at(to, valid_in));
        self.drop_stale_chunks();
        seeked
    }

    /// Goes on at one end of the log. False if the partition is not assigned.
    pub(crate) fn seek_to(&mut self, partition: &TopicPartition, to: ResetTo) -> bool {
        let seeked = self.with_new_epoch(partition, |state| state.look_for(to));
        self.drop_stale_chunks();
        seeked
    }

    pub(super) fn with_new_epoch(
        &mut self,
        partition: &TopicPartition,
        change: impl FnOnce(&mut PartitionState),
    ) -> bool {
        let epoch = self.next_epoch();
        let Some(state) = self.partitions.get_mut(partition) else {
            return false;
        };
        state.epoch = epoch;
        change(state);
        self.version += 1;
        self.stuck.remove(partition);
        self.queue(partition);
        true
    }

    /// Notes what the application was given and gives `bytes` back to the budget. True if fetching
    /// may go on from now on.
    pub(crate) fn flush(&mut self, consumed: impl Iterator<Item = Consumed>, bytes: usize) -> bool {
        for consumed in consumed {
            if let Some(state) = self.partitions.get_mut(&consumed.partition)
                && state.epoch == consumed.epoch
            {
                state.consumed = Some(consumed.position);
            }
        }
        bytes > 0 && self.budget.release(bytes)
    }

    /// The bytes at the position cannot be read: the application has to seek.
    pub(crate) fn fail(&mut self, partition: &TopicPartition, epoch: Epoch, error: Error) {
        if let Some(state) = self.partitions.get_mut(partition)
            && state.epoch == epoch
        {
            state.status = Status::Stuck;
            self.stuck.insert(partition.clone(), error);
            self.queue(partition);
            let mut dropped = 0;
            self.buffer.retain(|chunk| {
                let other = chunk.partition != *partition;
                if !other {
                    dropped += chunk.budgeted;
                }
                other
            });
            self.budget.release(dropped);
        }
    }

    /// Hands over everything that is buffered and not paused; its bytes stay in the budget until
    /// flushed.
    pub(crate) fn take_chunks(&mut self) -> impl Iterator<Item = Chunk> {
        let (paused, ready) = if self.paused == 0 {
            (VecDeque::new(), std::mem::take(&mut self.buffer))
        } else {
            let is_paused = |chunk: &Chunk| self.partitions[&chunk.partition].paused;
            std::mem::take(&mut self.buffer)
                .into_iter()
                .partition(is_paused)
        };
        self.buffer = paused;
        ready.into_iter()
    }

    /// The next error to report.
    pub(crate) fn take_error(&mut self) -> Option<Error> {
        let error = self.reports.pop_front();
        error.or_else(|| self.stuck.values().next().cloned())
    }

    /// Reports `error` to the next poll.
    pub(crate) fn report(&mut self, error: Error) {
        if self.reports.len() < REPORTS_MAX {
            self.reports.push_back(error);
        }
    }

    /// Changes whenever an epoch does.
    pub(crate) const fn version(&self) -> u64 {
        self.version
    }

    pub(super) fn bump_version(&mut self) {
        self.version += 1;
    }

    /// Whether `epoch` is the current one of an assigned partition.
    pub(crate) fn is_current(&self, partition: &TopicPartition, epoch: Epoch) -> bool {
        self.partitions
            .get(partition)
            .is_some_and(|state| state.epoch == epoch)
    }

    /// The assigned partitions, sorted.
    pub(crate) fn assigned(&self) -> Vec<TopicPartition> {
        let mut assigned: Vec<_> = self.partitions.keys().cloned().collect();
        assigned.sort_unstable();
        assigned
    }

    /// Consumed position, none if it is still being looked up.
    pub(crate) fn position(&self, partition: &TopicPartition) -> Result<Option<Position>, Error> {
        match self.partitions.get(partition) {
            Some(state) => Ok(state.consumed),
            None => Err(Error::NotAssigned {
                partition: partition.clone(),
            }),
        }
    }

    /// What a commit of everything commits: the consumed positions, or what the application stored.
    pub(crate) fn to_commit(&self) -> Offsets {
        let known = |(partition, state): (&TopicPartition, &PartitionState)| {
            let offset = if self.settings.stores_offsets {
                OffsetAndMetadata::from(state.consumed?)
            } else {
                state.stored.clone()?
            };
            Some((partition.clone(), offset))
        };
        self.partitions.iter().filter_map(known).collect()
    }

    /// Notes what the application is done with. False if the partition is not assigned.
    pub(crate) fn store(&mut self, partition: &TopicPartition, offset: OffsetAndMetadata) -> bool {
        let state = self.partitions.get_mut(partition);
        state.map(|state| state.stored = Some(offset)).is_some()
    }

    /// Records between the consumed position and the last that may be read; none if either is not
    /// known yet, or the partition is not assigned.
    pub(crate) fn lag(&self, partition: &TopicPartition) -> Option<i64> {
        let state = self.partitions.get(partition)?;
        let end = match self.settings.isolation_level {
            IsolationLevel::ReadCommitted => state.log.last_stable,
            IsolationLevel::ReadUncommitted => state.log.high_watermark,
        };
        (end >= 0).then_some((end - state.consumed?.offset).max(0))
    }

    /// Why `partition` is stuck.
    pub(crate) fn stuck(&self, partition: &TopicPartition) -> Option<&Error> {
        self.stuck.get(partition)
    }

    /// Puts right what was found wrong with fetch positions, now that it is known how far the
    /// application got. Comes first in a poll, after [`flush`](Self::flush). True if there is
    /// something to plan.
    pub(crate) fn settle(&mut self) -> bool {
        if self.troubled.is_empty() {
            return false;
        }
        for partition in std::mem::take(&mut self.troubled) {
            let Some(state) = self.partitions.get(&partition) else {
                continue;
            };
            if let (Status::Troubled(trouble), Some(consumed)) = (state.status, state.consumed) {
                let is_drained = state.is_drained();
                self.settle_one(partition, trouble, consumed, is_drained);
            }
        }
        true
    }

    fn settle_one(
        &mut self,
        partition: TopicPartition,
        trouble: Trouble,
        consumed: Position,
        is_drained: bool,
    ) {
        match trouble {
            Trouble::OutOfRange if is_drained => {
                self.reset_by_policy(&partition);
            }
            // What is buffered before the gap is handed out first.
            Trouble::OutOfRange => self.troubled.push(partition),
            // What the application was given holds: only what was fetched ahead does not.
            Trouble::Truncated {
                end: Some(end),
                leader_epoch,
            } if consumed.offset <= end.offset => {
                self.seek_valid(&partition, consumed, leader_epoch);
            }
            Trouble::Truncated { end, leader_epoch } => {
                let error = Error::LogTruncation {
                    partition: partition.clone(),
                    offset: consumed.offset,
                    end_offset: end.map(|end| end.offset),
                };
                if self.settings.offset_reset == OffsetReset::None {
                    if let Some(state) = self.partitions.get(&partition) {
                        self.fail(&partition, state.epoch, error);
                    }
                    return;
                }
                tracing::warn!(%error, "reading goes on by auto.offset.reset");
                match end {
                    Some(end) => {
                        self.seek_valid(&partition, end, leader_epoch);
                    }
                    None => {
                        self.reset_by_policy(&partition);
                    }
                }
            }
        }
    }

    /// Remembers what is wrong with a fetch position until the next poll; true if one that waits has
    /// to go on.
    pub(super) fn trouble(&mut self, partition: &TopicPartition, trouble: Trouble) -> bool {
        let Some(state) = self.partitions.get_mut(partition) else {
            return false;
        };
        state.status = Status::Troubled(trouble);
        self.queue(partition);
        self.troubled.push(partition.clone());
        true
    }

    /// Goes where `auto.offset.reset` says; true if that is nowhere, so that the application has to
    /// seek. What was fetched before is dropped.
    pub(super) fn reset_by_policy(&mut self, partition: &TopicPartition) -> bool {
        let to = match self.settings.offset_reset {
            OffsetReset::Earliest => ResetTo::Earliest,
            OffsetReset::Latest => ResetTo::Latest,
            OffsetReset::ByDuration(age) => ResetTo::Ago(age),
            OffsetReset::None => {
                let Some(state) = self.partitions.get(partition) else {
                    return false;
                };
                let error = match state.consumed {
                    Some(position) => Error::OffsetOutOfRange {
                        partition: partition.clone(),
                        offset: position.offset,
                    },
                    None => Error::NoOffset {
                        partition: partition.clone(),
                    },
                };
                self.fail(partition, state.epoch, error);
                return true;
            }
        };
        self.seek_to(partition, to);
        false
    }

    /// Has the next plan look at `partition`.
    pub(super) fn queue(&mut self, partition: &TopicPartition) {
        if let Some(state) = self.partitions.get_mut(partition)
            && !std::mem::replace(&mut state.queued, true)
        {
            self.queued.push(partition.clone());
        }
    }

    /// The sessions that brokers keep for this consumer.
    pub(crate) fn sessions(&self) -> Vec<(NodeId, i32)> {
        let sessions = self.nodes.iter();
        sessions
            .filter_map(|(node, state)| Some((*node, state.session.id()?)))
            .collect()
    }

    pub(super) fn next_number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    pub(super) fn next_epoch(&mut self) -> Epoch {
        Epoch(self.next_number())
    }

    pub(super) fn drop_stale_chunks(&mut self) {
        let partitions = &self.partitions;
        let mut dropped = 0;
        self.buffer.retain(|chunk| {
            let state = partitions.get(&chunk.partition);
            let current = state.is_some_and(|state| state.epoch == chunk.epoch);
            if !current {
                dropped += chunk.budgeted;
            }
            current
        });
        self.budget.release(dropped);
    }
}
