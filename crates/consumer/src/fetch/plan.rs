//! What to send now: fetches, lookups of offsets, questions whether positions still hold.
//!
//! Per broker at most one fetch is in flight, for all partitions of its session. A partition whose
//! leader has changed does not wait for the answer of the old one. Partitions without a leader wait
//! for metadata.
//!
//! Only partitions for which something has changed are looked at: with a thousand idle ones a fetch
//! costs no more than with one.

use std::collections::BTreeMap;
use std::sync::Arc;

use klamm_net::{NodeId, Silence, TopicId, TopicPartition};
use tokio::time::Instant;

use super::partition::{Epoch, Leader, Position, ResetTo, Status};
use super::session::{SessionRequest, Wanted};
use super::state::FetchState;

/// What is known of the cluster.
pub(crate) trait ClusterView {
    /// Changes whenever anything else here does.
    fn version(&self) -> u64;
    /// Who leads a partition.
    fn leader(&self, partition: &TopicPartition) -> Option<Leader>;
    /// Whether there is such a broker.
    fn has_broker(&self, node: NodeId) -> bool;
}

/// One fetch request to be.
#[derive(Clone, Debug)]
pub(crate) struct FetchPlan {
    pub(crate) node: NodeId,
    /// The share of the budget that is reserved for it.
    pub(crate) bytes_max: usize,
    pub(crate) session: SessionRequest,
}

/// A partition whose offset is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PlannedLookup {
    pub(crate) partition: TopicPartition,
    pub(crate) epoch: Epoch,
    /// Of the leader that is asked, or -1.
    pub(crate) leader_epoch: i32,
}

/// Something to ask a leader about some of its partitions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LeaderPlan<T> {
    pub(crate) node: NodeId,
    pub(crate) partitions: Vec<(PlannedLookup, T)>,
}

/// One `ListOffsets` request to be.
pub(crate) type ResetPlan = LeaderPlan<ResetTo>;
/// One `OffsetForLeaderEpoch` request to be, about these positions.
pub(crate) type ValidationPlan = LeaderPlan<Position>;

/// Everything to do now.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    pub(crate) fetches: Vec<FetchPlan>,
    pub(crate) resets: Vec<ResetPlan>,
    pub(crate) validations: Vec<ValidationPlan>,
    pub(crate) committed: Vec<PlannedLookup>,
    /// Some partition has no leader, or one that is silent.
    pub(crate) refresh: bool,
    /// When to plan again at the latest.
    pub(crate) wake_at: Option<Instant>,
}

impl Plan {
    fn wake_at(&mut self, at: Instant) {
        self.wake_at = Some(self.wake_at.map_or(at, |earlier| earlier.min(at)));
    }
}

/// What one partition needs.
enum Need {
    Nothing,
    Time(Instant),
    Metadata,
    Committed,
    Reset(NodeId, ResetTo),
    Validation(NodeId, Position),
    Fetch(NodeId),
}

impl FetchState {
    /// Everything to do at `now`. Each thing planned has to be done and its outcome handed back.
    pub(crate) fn plan(&mut self, now: Instant, cluster: &impl ClusterView) -> Plan {
        let mut plan = Plan::default();
        if self.metadata != cluster.version() {
            self.metadata = cluster.version();
            self.look_at_all(cluster);
        }
        self.end_preferences(now);
        if let Some(until) = self.preferred_until {
            plan.wake_at(until);
        }
        let (mut resets, mut validations) = (BTreeMap::new(), BTreeMap::new());
        for partition in std::mem::take(&mut self.queued) {
            let Some(state) = self.partitions.get_mut(&partition) else {
                continue;
            };
            state.queued = false;
            let need = self.need(now, &partition, cluster);
            self.move_to_session(&partition, &need);
            match need {
                Need::Nothing | Need::Fetch(_) => {}
                Need::Time(until) => {
                    plan.wake_at(until);
                    self.queue(&partition);
                }
                Need::Metadata => {
                    plan.refresh = true;
                    self.queue(&partition);
                }
                Need::Committed => plan.committed.extend(self.lookup(&partition)),
                Need::Reset(node, to) => {
                    add(&mut resets, node, self.lookup(&partition), to);
                }
                Need::Validation(node, position) => {
                    add(&mut validations, node, self.lookup(&partition), position);
                }
            }
        }
        plan.resets = resets.into_values().collect();
        plan.validations = validations.into_values().collect();
        self.plan_fetches(now, &mut plan);
        plan
    }

    /// Everything may be otherwise by now.
    fn look_at_all(&mut self, cluster: &impl ClusterView) {
        let mut anew = Vec::new();
        for (partition, state) in &mut self.partitions {
            if !std::mem::replace(&mut state.queued, true) {
                self.queued.push(partition.clone());
            }
            let id = cluster
                .leader(partition)
                .map_or(state.topic_id, |leader| leader.topic_id);
            if id.is_zero() || id == state.topic_id {
                continue;
            }
            let was_another = !state.topic_id.is_zero();
            state.topic_id = id;
            if was_another && state.status != Status::AwaitCommitted {
                anew.push(partition.clone());
            }
        }
        // A topic that was deleted and made anew under its name: the position was one of the old.
        for partition in anew {
            tracing::warn!(%partition, "the topic was made anew: reading goes on by auto.offset.reset");
            self.reset_by_policy(&partition);
        }
        self.nodes.retain(|node, state| {
            cluster.has_broker(*node) || state.fetching.is_some() || !state.session.is_empty()
        });
    }

    /// Goes back to leaders where the time of a preferred replica is over.
    fn end_preferences(&mut self, now: Instant) {
        if self.preferred_until.is_none_or(|until| until > now) {
            return;
        }
        self.preferred_until = None;
        let mut over = Vec::new();
        for (partition, state) in &mut self.partitions {
            match state.preferred {
                Some(preferred) if preferred.until <= now => {
                    state.preferred = None;
                    over.push(partition.clone());
                }
                Some(preferred) => {
                    let earlier = self.preferred_until.unwrap_or(preferred.until);
                    self.preferred_until = Some(earlier.min(preferred.until));
                }
                None => {}
            }
        }
        for partition in &over {
            self.queue(partition);
        }
    }

    fn need(
        &mut self,
        now: Instant,
        partition: &TopicPartition,
        cluster: &impl ClusterView,
    ) -> Need {
        let Some(state) = self.partitions.get_mut(partition) else {
            return Need::Nothing;
        };
        match state.status {
            _ if state.held => return Need::Nothing,
            Status::Stuck | Status::Troubled(_) => return Need::Nothing,
            Status::Fetching if state.paused => return Need::Nothing,
            _ if state.looking_up => return Need::Nothing,
            Status::AwaitCommitted => {
                return state.pause.ahead(now).map_or(Need::Committed, Need::Time);
            }
            _ => {}
        }
        let Some(leader) = cluster.leader(partition) else {
            return Need::Metadata;
        };
        if state.topic_id.is_zero() {
            state.topic_id = leader.topic_id;
        }
        if state.leader != Some(leader) {
            // What was wrong with the old one says nothing of the new one.
            if state.leader.is_some() {
                state.pause.succeeded();
            }
            state.preferred = None;
            state.leader = Some(leader);
        }
        if let Some(until) = state.pause.ahead(now) {
            return Need::Time(until);
        }
        let pause = self
            .nodes
            .get(&leader.node)
            .and_then(|node| node.pause.ahead(now));
        if let Status::AwaitReset(to) = state.status {
            return pause.map_or(Need::Reset(leader.node, to), Need::Time);
        }
        if leader.epoch > state.valid_in {
            // Without an epoch of its own there is nothing to compare.
            if state.fetched.leader_epoch >= 0 {
                let position = state.fetched;
                return pause.map_or(Need::Validation(leader.node, position), Need::Time);
            }
            state.valid_in = leader.epoch;
        }
        match state.preferred {
            None => Need::Fetch(leader.node),
            Some(preferred) if cluster.has_broker(preferred.node) => Need::Fetch(preferred.node),
            // Just (re)started, or just gone. Asked at once, the leader might name it again and again.
            Some(_) => {
                state.preferred = None;
                state.pause.failed(now, self.settings.retry_backoff);
                Need::Metadata
            }
        }
    }

    /// Makes the partition part of the session of the broker that it is to be fetched from, and of
    /// no other.
    fn move_to_session(&mut self, partition: &TopicPartition, need: &Need) {
        let Some(state) = self.partitions.get_mut(partition) else {
            return;
        };
        let node = match need {
            Need::Fetch(node) => Some(*node),
            _ => None,
        };
        if state.node != node
            && let Some(before) = state.node.and_then(|node| self.nodes.get_mut(&node))
        {
            before.session.forget(partition);
        }
        state.node = node;
        if let (Some(node), Some(leader)) = (node, state.leader) {
            let wanted = Wanted {
                topic_id: leader.topic_id,
                offset: state.fetched.offset,
                leader_epoch: leader.epoch,
                epoch: state.epoch,
                turn: state.turn,
            };
            let node = self.nodes.entry(node).or_default();
            node.session.want(partition, wanted);
        }
    }

    fn lookup(&mut self, partition: &TopicPartition) -> Option<PlannedLookup> {
        let state = self.partitions.get_mut(partition)?;
        state.looking_up = true;
        Some(PlannedLookup {
            partition: partition.clone(),
            epoch: state.epoch,
            leader_epoch: state.leader.map_or(-1, |leader| leader.epoch),
        })
    }

    fn plan_fetches(&mut self, now: Instant, plan: &mut Plan) {
        if self.budget.is_full() {
            return;
        }
        let mut ready = Vec::new();
        for (node, state) in &mut self.nodes {
            if state.session.is_empty() {
                continue;
            }
            if let Some(silence) = &mut state.fetching {
                plan.refresh |= silence.looks(now, self.settings.retry_backoff);
                plan.wake_at(silence.look_at());
                continue;
            }
            match state.pause.ahead(now) {
                Some(until) => plan.wake_at(until),
                None => ready.push(*node),
            }
        }
        ready.sort_unstable();
        let mut idle = ready.len();
        for node in ready {
            let bytes_max = self.budget.reserve(idle, self.settings.fetch_max_bytes);
            idle -= 1;
            let state = self.nodes.entry(node).or_default();
            let silence = Silence::start(now, self.settings.fetch_max_wait);
            plan.wake_at(silence.look_at());
            state.fetching = Some(silence);
            plan.fetches.push(FetchPlan {
                node,
                bytes_max,
                session: state.session.poll_request(),
            });
        }
    }
}

fn add<T>(
    plans: &mut BTreeMap<NodeId, LeaderPlan<T>>,
    node: NodeId,
    lookup: Option<PlannedLookup>,
    what: T,
) {
    let plan = plans.entry(node).or_insert_with(|| LeaderPlan {
        node,
        partitions: Vec::new(),
    });
    plan.partitions.extend(lookup.map(|lookup| (lookup, what)));
}

/// A topic in a request, by its name or id.
pub(crate) struct ByTopic<T> {
    pub(crate) name: Arc<str>,
    pub(crate) id: TopicId,
    pub(crate) partitions: Vec<T>,
}

/// Those served longest ago stay first: brokers fill a response in the order of the request.
pub(crate) fn by_topic<T>(
    entries: impl Iterator<Item = (TopicPartition, TopicId, T)>,
) -> Vec<ByTopic<T>> {
    let mut topics: Vec<ByTopic<T>> = Vec::new();
    let mut index_of: BTreeMap<(Arc<str>, TopicId), usize> = BTreeMap::new();
    for (partition, id, entry) in entries {
        let name = partition.topic;
        let index = *index_of.entry((Arc::clone(&name), id)).or_insert_with(|| {
            topics.push(ByTopic {
                name,
                id,
                partitions: Vec::new(),
            });
            topics.len() - 1
        });
        topics[index].partitions.push(entry);
    }
    topics
}
