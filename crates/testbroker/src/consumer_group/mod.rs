//! A group of the consumer protocol (KIP-848) as a state machine without I/O.
//!
//! Owns: members, their epochs, what each owns and shall own, and until when. Does not: know offsets, read
//! clocks, wait.
//!
//! Everything is decided while a member's heartbeat is answered, by what the others have said before. So a
//! partition that changes hands does so in three heartbeats: its owner learns that it goes, its owner says that it has
//! let go, its next owner is given it. `handle_*` take `now`, which never goes backwards.
//!
//! ```text
//!           ┌── the target takes something away ──> revoking ── it owns that no more ──┐
//! settled ──┤                                                                          ├──> settled
//!           └── it adds what others still own ────> unreleased ── they own it no more ─┘
//! ```
//!
//! Invariants
//! - a partition is in `assigned` or `revoking` of one member at most
//! - a member in the epoch of the group owns its target, but for what is unreleased
//!
//! Differences from Kafka: an assignment is made with the heartbeat that makes it necessary, not once a second; a
//! pattern is evaluated at once, by the syntax of the crate `regex-lite` instead of RE2's.

mod assign;
mod member;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use kafka_protocol::ResponseError;
use tokio::time::Instant;

use crate::topic::{Topic, TopicId};
use assign::Subscriber;
pub(crate) use member::Member;
pub(crate) use member::whole;

/// The epoch of a member that joins.
const JOINS: i32 = 0;
/// The epoch of a member that leaves.
const LEAVES: i32 = -1;
/// The epoch of a static member that will be back.
const LEAVES_FOR_NOW: i32 = -2;
/// Members of one group.
const MEMBERS_MAX: usize = 1000;

/// Partitions by the id of their topic.
pub(crate) type Partitions = BTreeSet<(TopicId, i32)>;
/// All topics of the cluster by name.
pub(crate) type Topics = BTreeMap<String, Topic>;

/// What a member says; what is none has not changed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Heartbeat {
    pub(crate) member_id: String,
    pub(crate) epoch: i32,
    pub(crate) instance_id: Option<String>,
    pub(crate) rack: Option<String>,
    pub(crate) client_id: String,
    pub(crate) client_host: String,
    pub(crate) rebalance_timeout: Option<Duration>,
    pub(crate) topics: Option<BTreeSet<String>>,
    /// An empty one is none.
    pub(crate) pattern: Option<String>,
    pub(crate) assignor: Option<String>,
    pub(crate) owned: Option<Partitions>,
}

impl Heartbeat {
    pub(crate) const fn joins(&self) -> bool {
        self.epoch == JOINS
    }

    /// Whether it says everything about the member.
    fn is_full(&self) -> bool {
        let subscribes = self.topics.is_some() || self.pattern.is_some();
        self.epoch == JOINS
            || (self.rebalance_timeout.is_some() && subscribes && self.owned.is_some())
    }

    /// Kafka's rules for a request by itself.
    fn check(&self) -> Result<(), ResponseError> {
        let is_empty = |text: &Option<String>| text.as_deref() == Some("");
        let makes_sense = match self.epoch {
            JOINS => {
                self.rebalance_timeout.is_some()
                    && self.owned.as_ref().is_some_and(Partitions::is_empty)
                    && (self.topics.is_some() || self.pattern.is_some())
            }
            LEAVES_FOR_NOW => self.instance_id.is_some(),
            epoch => epoch >= LEAVES,
        };
        if self.member_id.is_empty()
            || is_empty(&self.instance_id)
            || is_empty(&self.rack)
            || !makes_sense
        {
            return Err(ResponseError::InvalidRequest);
        }
        let known = |name: &String| assign::NAMES.contains(&name.as_str());
        if self.assignor.as_ref().is_some_and(|name| !known(name)) {
            return Err(ResponseError::UnsupportedAssignor);
        }
        match &self.pattern {
            Some(pattern) if whole(pattern).is_err() => {
                Err(ResponseError::InvalidRegularExpression)
            }
            _ => Ok(()),
        }
    }
}

/// The answer to a heartbeat.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Answer {
    pub(crate) epoch: i32,
    /// What the member may own now, if there is news.
    pub(crate) assignment: Option<Partitions>,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct ConsumerGroup {
    /// Counts what calls for a new assignment.
    epoch: i32,
    /// The epoch that the members' targets are of.
    target_epoch: i32,
    /// In the order of their joining.
    members: Vec<Member>,
    /// The topics that members want, with their partitions, as of the last assignment.
    wanted: BTreeMap<TopicId, usize>,
}

impl ConsumerGroup {
    /// Answers a heartbeat; the member is dead when none has come for `session_timeout`.
    pub(crate) fn handle_heartbeat(
        &mut self,
        now: Instant,
        heartbeat: Heartbeat,
        topics: &Topics,
        session_timeout: Duration,
    ) -> Result<Answer, ResponseError> {
        heartbeat.check()?;
        if heartbeat.epoch < JOINS {
            return self.leave(&heartbeat);
        }
        let is_full = heartbeat.is_full();
        let owned = heartbeat.owned.clone();
        let index = self.admit(&heartbeat)?;
        let member = &mut self.members[index];
        let before = member.assigned.clone();
        if member.update(heartbeat) {
            self.call_for_assignment();
        }
        self.members[index].expires = now + session_timeout;
        self.assign(topics);
        self.reconcile(now, index, owned.as_ref());
        let member = &self.members[index];
        Ok(Answer {
            epoch: member.epoch,
            assignment: (is_full || member.assigned != before).then(|| member.assigned.clone()),
        })
    }

    /// Finds the member that speaks, or makes it one. Gives its place.
    fn admit(&mut self, heartbeat: &Heartbeat) -> Result<usize, ResponseError> {
        let joins = heartbeat.epoch == JOINS;
        let Some(index) = self.place_of_speaker(heartbeat) else {
            if !joins {
                return Err(ResponseError::UnknownMemberId);
            }
            if self.members.len() >= MEMBERS_MAX {
                return Err(ResponseError::GroupMaxSizeReached);
            }
            self.members.push(Member::new(heartbeat));
            self.call_for_assignment();
            return Ok(self.members.len() - 1);
        };
        let member = &mut self.members[index];
        if member.id != heartbeat.member_id {
            return match joins {
                false => Err(ResponseError::FencedInstanceId),
                true if member.epoch != LEAVES_FOR_NOW => Err(ResponseError::UnreleasedInstanceId),
                true => {
                    // Another process with its name takes its place, and what it owned.
                    member.id.clone_from(&heartbeat.member_id);
                    member.epoch = JOINS;
                    Ok(index)
                }
            };
        }
        if joins && member.epoch == LEAVES_FOR_NOW {
            member.epoch = JOINS;
        } else if !joins {
            member.check_epoch(heartbeat)?;
        }
        Ok(index)
    }

    fn leave(&mut self, heartbeat: &Heartbeat) -> Result<Answer, ResponseError> {
        let found = self.place_of_speaker(heartbeat);
        let index = found.ok_or(ResponseError::UnknownMemberId)?;
        if self.members[index].id != heartbeat.member_id {
            return Err(ResponseError::FencedInstanceId);
        }
        if heartbeat.epoch == LEAVES_FOR_NOW {
            self.members[index].epoch = LEAVES_FOR_NOW;
        } else {
            self.remove(index);
        }
        Ok(Answer {
            epoch: heartbeat.epoch,
            assignment: None,
        })
    }

    fn remove(&mut self, index: usize) {
        self.members.remove(index);
        self.call_for_assignment();
    }

    /// The next heartbeat makes a new assignment.
    fn call_for_assignment(&mut self) {
        self.epoch = self.target_epoch + 1;
    }

    /// Gives every member its target, if members or topics have changed since the last time.
    fn assign(&mut self, topics: &Topics) {
        let subscriptions = self
            .members
            .iter()
            .map(|member| member.subscription(topics));
        let subscriptions: Vec<BTreeMap<TopicId, usize>> = subscriptions.collect();
        let wanted: BTreeMap<_, _> = subscriptions
            .iter()
            .flatten()
            .map(|(id, n)| (*id, *n))
            .collect();
        if self.wanted != wanted {
            self.wanted = wanted;
            self.call_for_assignment();
        }
        if self.target_epoch == self.epoch {
            return;
        }
        let assignor = self.assignor();
        let subscribers = self.members.iter().zip(&subscriptions);
        let subscribers: Vec<_> = subscribers
            .map(|(member, topics)| Subscriber {
                name: member.instance_id.as_deref().unwrap_or(&member.id),
                topics,
                last: &member.target,
            })
            .collect();
        let targets = assign::by(assignor, &subscribers);
        for (member, target) in self.members.iter_mut().zip(targets) {
            member.target = target;
        }
        self.target_epoch = self.epoch;
    }

    /// Brings one member nearer to its target. `owned` is what it says that it owns, none if that has not changed.
    fn reconcile(&mut self, now: Instant, index: usize, owned: Option<&Partitions>) {
        let held_by_others: Partitions = self
            .members
            .iter()
            .enumerate()
            .filter(|(other, _)| *other != index)
            .flat_map(|(_, other)| other.assigned.union(&other.revoking).copied())
            .collect();
        let (target_epoch, member) = (self.target_epoch, &mut self.members[index]);
        let holds = |some: &Partitions| owned.is_none_or(|owned| !owned.is_disjoint(some));
        let settled =
            member.revoking.is_empty() && !member.unreleased && member.epoch == target_epoch;
        if settled || (!member.revoking.is_empty() && holds(&member.revoking)) {
            return;
        }
        let goes: Partitions = member
            .assigned
            .difference(&member.target)
            .copied()
            .collect();
        member.assigned.retain(|at| member.target.contains(at));
        member.unreleased = false;
        if !goes.is_empty() && holds(&goes) {
            // It stays in its epoch until it has let go.
            member.revoking = goes;
            member.revoked_by = Some(now + member.rebalance_timeout);
            return;
        }
        member.revoking.clear();
        member.revoked_by = None;
        for at in &member.target {
            if held_by_others.contains(at) {
                member.unreleased = true;
            } else {
                member.assigned.insert(*at);
            }
        }
        member.previous_epoch = member.epoch;
        member.epoch = target_epoch;
    }

    /// Gives up members that are silent, or do not let go, for too long.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        while let Some(index) = self
            .members
            .iter()
            .position(|member| member.deadline() <= now)
        {
            self.remove(index);
        }
    }

    /// When [`ConsumerGroup::handle_timeout`] is due.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.members.iter().map(Member::deadline).min()
    }

    /// Judges a commit, or who asks for what was committed, by the member that it says it is.
    pub(crate) fn check_caller(&self, member_id: &str, epoch: i32) -> Result<(), ResponseError> {
        if epoch < 0 && self.members.is_empty() {
            // Someone who manages partitions without the group, or an administrator.
            return Ok(());
        }
        let place = self
            .place_of(member_id)
            .ok_or(ResponseError::UnknownMemberId)?;
        if self.members[place].epoch == epoch {
            Ok(())
        } else {
            Err(ResponseError::StaleMemberEpoch)
        }
    }

    /// Kafka's name of its state.
    pub(crate) fn state(&self) -> &'static str {
        let settled = |member: &Member| {
            member.epoch == self.epoch && member.revoking.is_empty() && !member.unreleased
        };
        if self.members.is_empty() {
            "Empty"
        } else if self.target_epoch < self.epoch {
            "Assigning"
        } else if self.members.iter().all(settled) {
            "Stable"
        } else {
            "Reconciling"
        }
    }

    /// The assignor that most members want, the broker's first one if they do not care.
    pub(crate) fn assignor(&self) -> &'static str {
        let votes = |name: &&str| {
            let wanted = self
                .members
                .iter()
                .filter_map(|member| member.assignor.as_ref());
            wanted.filter(|wanted| wanted == name).count()
        };
        // Of those with equal votes the first.
        let names = assign::NAMES.iter().rev();
        names.copied().max_by_key(votes).unwrap_or_default()
    }

    pub(crate) fn epochs(&self) -> (i32, i32) {
        (self.epoch, self.target_epoch)
    }

    pub(crate) fn members(&self) -> &[Member] {
        &self.members
    }

    /// The member that `heartbeat` is of, or that has its instance id.
    fn place_of_speaker(&self, heartbeat: &Heartbeat) -> Option<usize> {
        match &heartbeat.instance_id {
            None => self.place_of(&heartbeat.member_id),
            Some(instance_id) => self.holder_of(instance_id),
        }
    }

    fn place_of(&self, member_id: &str) -> Option<usize> {
        self.members
            .iter()
            .position(|member| member.id == member_id)
    }

    fn holder_of(&self, instance_id: &str) -> Option<usize> {
        let is_holder = |member: &Member| member.instance_id.as_deref() == Some(instance_id);
        self.members.iter().position(is_holder)
    }
}
