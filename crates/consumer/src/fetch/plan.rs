//! What to send now: fetches, and lookups of offsets.
//!
//! Per broker at most one fetch is in flight, for all of its partitions that need data and are not
//! part of another. A partition whose leader has changed does not wait for the answer of the old
//! one. Partitions without a leader wait for metadata.

use std::collections::BTreeMap;
use std::sync::Arc;

use klamm_net::{NodeId, TopicId, TopicPartition};
use tokio::time::Instant;

use super::partition::{Epoch, FetchId, PartitionState, ResetTo, Status};
use super::state::FetchState;

/// Where a partition is read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Leader {
    pub(crate) node: NodeId,
    pub(crate) epoch: i32,
    pub(crate) topic_id: TopicId,
}

/// One fetch request to be.
#[derive(Clone, Debug)]
pub(crate) struct FetchPlan {
    pub(crate) id: FetchId,
    pub(crate) node: NodeId,
    /// The share of the budget that is reserved for it.
    pub(crate) bytes_max: usize,
    pub(crate) topics: Vec<PlannedTopic>,
}

/// A topic in a fetch request.
#[derive(Clone, Debug)]
pub(crate) struct PlannedTopic {
    pub(crate) name: Arc<str>,
    pub(crate) id: TopicId,
    pub(crate) partitions: Vec<PlannedPartition>,
}

/// A partition in a fetch request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PlannedPartition {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) leader_epoch: i32,
    pub(crate) epoch: Epoch,
}

/// A partition whose offset is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PlannedLookup {
    pub(crate) partition: TopicPartition,
    pub(crate) epoch: Epoch,
}

/// One `ListOffsets` request to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ResetPlan {
    pub(crate) node: NodeId,
    pub(crate) partitions: Vec<(PlannedLookup, ResetTo, i32)>,
}

/// Everything to do now.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    pub(crate) fetches: Vec<FetchPlan>,
    pub(crate) resets: Vec<ResetPlan>,
    pub(crate) committed: Vec<PlannedLookup>,
    /// Some partition has no leader.
    pub(crate) refresh: bool,
    /// When to plan again at the latest.
    pub(crate) wake_at: Option<Instant>,
}

impl Plan {
    fn wake_at(&mut self, at: Instant) {
        self.wake_at = Some(self.wake_at.map_or(at, |earlier| earlier.min(at)));
    }
}

type Ready<'a> = (u64, &'a TopicPartition, &'a mut PartitionState, Leader);

impl FetchState {
    /// Everything to do at `now`, with the leaders as `leader` knows them. Each thing planned has
    /// to be done and its outcome handed back.
    pub(crate) fn plan(
        &mut self,
        now: Instant,
        leader: impl Fn(&TopicPartition) -> Option<Leader>,
    ) -> Plan {
        let mut plan = Plan::default();
        let mut ready: BTreeMap<NodeId, Vec<Ready<'_>>> = BTreeMap::new();
        let mut resets: BTreeMap<NodeId, ResetPlan> = BTreeMap::new();
        let mut fetch_number = self.last_number;
        for (partition, state) in &mut self.partitions {
            let wants_nothing = state.paused && state.status == Status::Fetching;
            if state.status == Status::Stuck || state.looking_up || wants_nothing {
                continue;
            }
            if let Some(until) = state.pause.ahead(now) {
                plan.wake_at(until);
                continue;
            }
            let lookup = || PlannedLookup {
                partition: partition.clone(),
                epoch: state.epoch,
            };
            if state.status == Status::AwaitCommitted {
                plan.committed.push(lookup());
                state.looking_up = true;
                continue;
            }
            let Some(leader) = leader(partition) else {
                plan.refresh = true;
                continue;
            };
            if let Some(until) = self.nodes.entry(leader.node).or_default().pause.ahead(now) {
                plan.wake_at(until);
                continue;
            }
            if let Status::AwaitReset(to) = state.status {
                let reset = resets.entry(leader.node).or_insert_with(|| ResetPlan {
                    node: leader.node,
                    partitions: Vec::new(),
                });
                reset.partitions.push((lookup(), to, leader.epoch));
                state.looking_up = true;
            } else if state.fetching.is_none_or(|(_, node)| node != leader.node) {
                let of_node = ready.entry(leader.node).or_default();
                of_node.push((state.turn, partition, state, leader));
            }
        }
        plan.resets = resets.into_values().collect();
        if self.budget.is_full() {
            return plan;
        }
        ready.retain(|node, _| self.nodes[node].fetching.is_none());
        let mut idle = ready.len();
        for (node, mut partitions) in ready {
            fetch_number += 1;
            let id = FetchId(fetch_number);
            partitions.sort_unstable_by_key(|(turn, partition, ..)| (*turn, *partition));
            let fetch = FetchPlan {
                id,
                node,
                bytes_max: self.budget.reserve(idle, self.settings.fetch_max_bytes),
                topics: topics(id, partitions),
            };
            idle -= 1;
            self.nodes.entry(node).or_default().fetching = Some(id);
            plan.fetches.push(fetch);
        }
        self.last_number = fetch_number;
        plan
    }
}

/// Those served longest ago come first: brokers fill a response in the order of the request.
fn topics(id: FetchId, partitions: Vec<Ready<'_>>) -> Vec<PlannedTopic> {
    let mut topics: Vec<PlannedTopic> = Vec::new();
    let mut index_of: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, partition, state, leader) in partitions {
        state.fetching = Some((id, leader.node));
        let index = *index_of.entry(&partition.topic).or_insert_with(|| {
            topics.push(PlannedTopic {
                name: partition.topic.clone(),
                id: leader.topic_id,
                partitions: Vec::new(),
            });
            topics.len() - 1
        });
        topics[index].partitions.push(PlannedPartition {
            partition: partition.partition,
            offset: state.fetch_offset,
            leader_epoch: leader.epoch,
            epoch: state.epoch,
        });
    }
    topics
}
