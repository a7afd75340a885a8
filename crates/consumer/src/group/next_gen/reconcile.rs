//! Reconciliation: what the member shall own becomes what it owns, as far as the names of topics are known, and is acknowledged.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use klamm_net::{TopicId, TopicPartition};
use tokio::time::Instant;

use super::{ConsumerMember, State};
use crate::group::action::Action;
use crate::group::ownership::Partitions;

impl ConsumerMember {
    pub(super) fn by_id(&self, partitions: &Partitions) -> BTreeMap<TopicId, Vec<i32>> {
        let mut topics: BTreeMap<TopicId, Vec<i32>> = BTreeMap::new();
        for partition in partitions {
            if let Some(id) = self.ids.get(&partition.topic) {
                topics.entry(*id).or_default().push(partition.partition);
            }
        }
        topics
    }

    /// Starts to change hands what has to, as far as names are known.
    pub(super) fn reconcile_if_due(&mut self, now: Instant) {
        if !matches!(self.state, State::Stable | State::Reconciling) {
            return;
        }
        let mut resolved: BTreeMap<TopicPartition, TopicId> = BTreeMap::new();
        let mut unresolved = BTreeSet::new();
        for &(id, index) in &self.target.partitions {
            match self.names.get(&id) {
                Some(name) => {
                    resolved.insert(TopicPartition::new(Arc::clone(name), index), id);
                }
                None => {
                    unresolved.insert(id);
                }
            }
        }
        let is_new = self.reconciled != self.target.version;
        let done = unresolved.is_empty() && !is_new && !self.ownership.is_busy();
        let same = |at: &TopicPartition| {
            resolved
                .get(at)
                .is_some_and(|id| self.ids.get(&at.topic) == Some(id))
        };
        let owned = self.ownership.owned();
        let kept: Partitions = owned.iter().filter(|at| same(at)).cloned().collect();
        let changes = kept != *owned || resolved.len() != owned.len();
        if !changes && !self.ownership.is_busy() {
            self.ownership.forget_waiting();
        }
        if done && !changes {
            self.state = State::Stable;
            return;
        }
        self.state = State::Reconciling;
        if !unresolved.is_empty() && !self.resolving && self.resolve_at.is_none() {
            self.resolving = true;
            self.actions.push_back(Action::Resolve(unresolved));
        }
        if self.ownership.is_busy() {
            return;
        }
        if changes {
            self.reconciled = self.target.version;
            self.next_ids = resolved
                .iter()
                .map(|(at, id)| (Arc::clone(&at.topic), *id))
                .collect();
            let target = resolved.into_keys().collect();
            self.ownership.change(kept, target, &mut self.actions);
        } else if is_new && !self.resolving {
            // The part that is known is what is owned: told once.
            self.reconciled = self.target.version;
            self.acknowledge(now);
        }
    }

    fn acknowledge(&mut self, now: Instant) {
        self.state = State::Acknowledging;
        if self.pauses.is_none() {
            self.next_at = now;
        }
    }

    /// What follows when partitions have changed hands.
    pub(super) fn settled(&mut self, now: Instant) {
        self.ids = std::mem::take(&mut self.next_ids);
        match self.state {
            State::Reconciling => self.acknowledge(now),
            _ => self.join_if_nothing_is_lost(now),
        }
    }

    pub(super) fn resolved(&mut self, now: Instant, names: Vec<(TopicId, Arc<str>)>) {
        self.resolving = false;
        self.names.extend(names);
        let mut ids = self.target.partitions.iter().map(|(id, _)| id);
        if ids.any(|id| !self.names.contains_key(id)) {
            // A topic so new, or so dead, that the broker asked does not know it.
            self.resolve_at = Some(now + self.settings.retry_backoff.max);
        }
        self.reconcile_if_due(now);
    }
}
