//! A member of a group of the consumer protocol (KIP-848), as a state machine.
//!
//! ```text
//! Unsubscribed ──poll──> Joining ──> Reconciling <──> Acknowledging ──> Stable
//!                           ^             ^────────── a new assignment ──┘
//!                           │
//!        Fenced, Stale ─────┘  after everything was given up as lost, inside of a poll
//! ```
//! The broker assigns; the answers to heartbeats say what this member shall own in the end. The member
//! gives up what is not in it (inside of poll), takes over what is new, and says so with its
//! next heartbeat. Partitions that stay are not touched by any of this.
//!
//! Owns: member epoch, what each heartbeat says and when it is due, the names of assigned topics, what
//! each error means (the tables of `ConsumerMembershipManager` and its heartbeats in Java).
//!
//! Does not: send, sleep, or run callbacks. After each call, drain `poll_action`.
//!
//! Invariants
//! - at most one heartbeat is in flight, but for that which leaves
//! - an answer to a heartbeat of an earlier stay in the group changes nothing
//! - after a failure the next heartbeat says everything again
//! - what is owned is told in the heartbeat after it has changed: that is the acknowledgement

mod answer;
mod reconcile;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use klamm_codec::ErrorCode;
use klamm_net::{Pauses, TopicId, TopicPartition};
use tokio::time::Instant;

use super::action::{
    Action, Answer, Beat, Commits, Generation, Leaving, MemberSettings, Membership, Refusal, Topics,
};
use super::heartbeat::Pace;
use super::ownership::{Ownership, Partitions, Progress};
use crate::assign::AssignableTopic;
use crate::error::Error;

/// The epoch of a member that joins.
const JOINS: i32 = 0;
/// The epoch of a member that leaves.
const LEAVES: i32 = -1;
/// The epoch of a static member that will be back.
const LEAVES_FOR_NOW: i32 = -2;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Nothing to do with the group.
    Unsubscribed,
    /// Says everything about itself, with epoch 0.
    Joining,
    /// Partitions have to change hands.
    Reconciling,
    /// They have; the broker is to be told.
    Acknowledging,
    Stable,
    /// The broker does not know it in this epoch: everything is lost, then it joins again.
    Fenced,
    /// It has left, or was refused: everything is lost; it joins again with the next poll.
    Stale,
    /// It never joins again.
    Fatal,
}

impl State {
    /// Whether heartbeats keep the member alive.
    const fn beats(self) -> bool {
        matches!(
            self,
            Self::Joining | Self::Reconciling | Self::Acknowledging | Self::Stable
        )
    }
}

/// What the broker was told since the last failure.
#[derive(Debug, PartialEq, Eq)]
struct Said {
    topics: Topics,
    owned: Partitions,
}

/// What this member shall own.
#[derive(Debug, Default)]
struct Target {
    /// Counts the assignments.
    version: u64,
    partitions: BTreeSet<(TopicId, i32)>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct ConsumerMember {
    settings: MemberSettings,
    assignor: Option<String>,
    member_id: Arc<str>,
    epoch: i32,
    state: State,
    topics: Option<Topics>,
    ownership: Ownership,
    target: Target,
    /// The version of the target that was reconciled, or is being.
    reconciled: u64,
    names: BTreeMap<TopicId, Arc<str>>,
    /// The topics of what is owned.
    ids: BTreeMap<Arc<str>, TopicId>,
    /// The same after the change that is under way.
    next_ids: BTreeMap<Arc<str>, TopicId>,
    /// Names are being looked up, or will be then.
    resolving: bool,
    resolve_at: Option<Instant>,
    said: Option<Said>,
    /// Names the heartbeats of one stay in the group.
    stay: u64,
    in_flight: bool,
    next_at: Instant,
    /// The next heartbeat need not wait until then.
    has_news: bool,
    pace: Pace,
    /// Between heartbeats in a row that failed, from the first of them on.
    pauses: Option<Pauses>,
    actions: VecDeque<Action>,
}

impl ConsumerMember {
    /// A member by `member_id`, which is its own for good (KIP-1082).
    pub(crate) fn new(
        settings: MemberSettings,
        assignor: Option<String>,
        member_id: Arc<str>,
        now: Instant,
    ) -> Self {
        Self {
            // Until the broker says.
            pace: Pace::new(settings.heartbeat_interval),
            settings,
            assignor,
            member_id,
            epoch: JOINS,
            state: State::Unsubscribed,
            topics: None,
            ownership: Ownership::new(),
            target: Target::default(),
            reconciled: 0,
            names: BTreeMap::new(),
            ids: BTreeMap::new(),
            next_ids: BTreeMap::new(),
            resolving: false,
            resolve_at: None,
            said: None,
            stay: 0,
            in_flight: false,
            next_at: now,
            has_news: false,
            pauses: None,
            actions: VecDeque::new(),
        }
    }

    #[cfg(test)]
    pub(super) const fn state(&self) -> State {
        self.state
    }

    /// Ends this stay in the group: answers to its heartbeats do not matter any more.
    fn end_stay(&mut self, state: State) {
        self.stay += 1;
        self.state = state;
        self.epoch = JOINS;
        self.in_flight = false;
        self.said = None;
        self.target.partitions.clear();
        self.target.version += 1;
        self.ownership.forget_waiting();
    }

    fn join(&mut self, now: Instant) {
        self.state = State::Joining;
        self.ids.clear();
        self.next_at = now;
    }

    fn fenced(&mut self, now: Instant) {
        self.end_stay(State::Fenced);
        self.join_if_nothing_is_lost(now);
    }

    fn join_if_nothing_is_lost(&mut self, now: Instant) {
        let empty = self.ownership.owned().is_empty() && !self.ownership.is_busy();
        if self.state == State::Fenced && empty {
            self.join(now);
        }
    }

    /// Tells the application; its next poll tries again, unless that makes no sense.
    fn give_up(&mut self, error: Error) {
        let state = if error.is_fatal() {
            State::Fatal
        } else {
            State::Stale
        };
        self.end_stay(state);
        self.actions.push_back(Action::Report(error));
    }

    fn send(&mut self, now: Instant) {
        let Some(topics) = self.topics.clone() else {
            return;
        };
        let joins = self.state == State::Joining;
        let everything = joins || self.said.is_none();
        let owned = self.ownership.owned();
        let said = self.said.as_ref();
        let acknowledges = self.state == State::Acknowledging;
        let tells_owned =
            everything || acknowledges || said.is_some_and(|said| said.owned != *owned);
        let tells_topics = everything || said.is_some_and(|said| said.topics != topics);
        let beat = Beat {
            stay: self.stay,
            member_id: Arc::clone(&self.member_id),
            epoch: self.epoch,
            everything,
            assignor: self.assignor.clone().filter(|_| everything),
            topics: tells_topics.then(|| topics.clone()),
            owned: tells_owned.then(|| self.by_id(owned)),
        };
        self.said = Some(Said {
            topics,
            owned: owned.clone(),
        });
        self.actions.push_back(Action::Beat(beat));
        self.in_flight = true;
        self.has_news = false;
        self.next_at = now + self.pace.take();
        if acknowledges {
            self.state = State::Stable;
            self.reconcile_if_due(now);
        }
    }

    fn refusal(&self, code: ErrorCode) -> Error {
        Error::Group {
            group: self.settings.group_id.clone(),
            code,
        }
    }

    fn leave_stale(&mut self) {
        tracing::warn!(
            group = %self.settings.group_id,
            "leaving the group: the application did not poll within max.poll.interval.ms; \
             poll more often, lower max.poll.records or raise the interval"
        );
        let is_static = self.settings.instance_id.is_some();
        self.say_goodbye(if is_static {
            Leaving::ForNow
        } else {
            Leaving::ForGood
        });
        self.end_stay(State::Stale);
    }

    fn say_goodbye(&mut self, leaving: Leaving) {
        let is_static = self.settings.instance_id.is_some();
        let epoch = match leaving {
            Leaving::ForNow if is_static => LEAVES_FOR_NOW,
            // The session ends by itself.
            Leaving::ForNow => return,
            Leaving::ForGood => LEAVES,
        };
        self.actions.push_back(Action::Goodbye {
            member_id: Arc::clone(&self.member_id),
            epoch,
        });
    }
}

impl Membership for ConsumerMember {
    fn finds_topics_itself(&self) -> bool {
        true
    }

    fn subscribe(&mut self, topics: Topics) {
        self.topics = Some(topics);
        self.has_news = true;
    }

    fn watches(&self, topic: &str) -> bool {
        let named = match &self.topics {
            Some(Topics::Named(named)) => &named[..],
            _ => &[],
        };
        named.iter().any(|it| **it == *topic)
    }

    fn handle_poll(&mut self, now: Instant) {
        if !self.wants_poll() {
            return;
        }
        match self.state {
            State::Unsubscribed => self.join(now),
            State::Fenced | State::Stale => {
                let (lost, actions) = (true, &mut self.actions);
                if self.ownership.give_up(Partitions::new(), lost, actions) == Progress::Done {
                    self.join(now);
                }
            }
            _ => self.ownership.handle_poll(&mut self.actions),
        }
    }

    fn handle_revoked(&mut self, now: Instant) {
        let progress = self.ownership.handle_revoked(&mut self.actions);
        let lost = matches!(self.state, State::Fenced | State::Stale);
        if progress == Progress::Done && lost {
            self.join(now);
        }
    }

    fn handle_assigned(&mut self, now: Instant) {
        self.ownership.handle_assigned();
        self.settled(now);
    }

    fn handle_answer(&mut self, now: Instant, answer: Answer) {
        match answer {
            Answer::Beaten(stay, outcome) => self.handle_beaten(now, stay, outcome),
            Answer::Resolved(names) => self.resolved(now, names),
            _ => {}
        }
    }

    /// The broker watches the topics.
    fn handle_metadata(&mut self, _topic: &dyn Fn(&str) -> Option<AssignableTopic>) {}

    fn handle_commit_refused(
        &mut self,
        now: Instant,
        generation: &Generation,
        code: ErrorCode,
    ) -> Refusal {
        let group = self.settings.group_id.clone();
        let is_current = self.commits() == Commits::In(generation.clone());
        match code {
            ErrorCode::STALE_MEMBER_EPOCH if self.commits() != Commits::Refused => {
                if is_current && !self.in_flight {
                    // The answer that brought the new epoch was lost.
                    self.next_at = self.next_at.min(now);
                }
                Refusal::Again
            }
            ErrorCode::STALE_MEMBER_EPOCH => Refusal::Failed(Error::CommitFailed { group, code }),
            ErrorCode::FENCED_MEMBER_EPOCH
            | ErrorCode::UNKNOWN_MEMBER_ID
            | ErrorCode::ILLEGAL_GENERATION => {
                if is_current {
                    self.fenced(now);
                }
                Refusal::Failed(Error::CommitFailed { group, code })
            }
            ErrorCode::FENCED_INSTANCE_ID => {
                if is_current {
                    let error = self.refusal(code);
                    self.give_up(error);
                }
                Refusal::Failed(Error::Group { group, code })
            }
            _ => Refusal::NotOfMembership,
        }
    }

    fn handle_timeout(&mut self, now: Instant, polled_at: Option<Instant>) {
        if self.resolve_at.take_if(|at| *at <= now).is_some() {
            self.reconcile_if_due(now);
        }
        if !self.state.beats() {
            return;
        }
        if polled_at.is_some_and(|at| at + self.settings.max_poll_interval <= now) {
            self.leave_stale();
        } else if !self.in_flight && (self.next_at <= now || self.has_news) {
            self.send(now);
        }
    }

    fn leave(&mut self, leaving: Leaving, _reason: &'static str) {
        if self.state.beats() {
            self.say_goodbye(leaving);
        }
        self.end_stay(State::Unsubscribed);
        self.topics = None;
    }

    fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    fn next_timeout(&self, polled_at: Option<Instant>) -> Option<Instant> {
        if !self.state.beats() {
            return None;
        }
        let beat = (!self.in_flight).then_some(self.next_at);
        let poll = polled_at.map(|at| at + self.settings.max_poll_interval);
        [beat, poll, self.resolve_at].into_iter().flatten().min()
    }

    fn wants_poll(&self) -> bool {
        match self.state {
            State::Unsubscribed => self.topics.is_some(),
            State::Fenced | State::Stale => !self.ownership.is_busy(),
            State::Fatal => false,
            _ => self.ownership.wants_poll(),
        }
    }

    fn is_busy(&self) -> bool {
        self.ownership.is_busy()
    }

    fn is_rebalancing(&self) -> bool {
        !matches!(self.state, State::Stable | State::Fatal)
    }

    fn commits(&self) -> Commits {
        let joined = self.state.beats() && self.epoch > JOINS;
        if !joined {
            return Commits::Refused;
        }
        Commits::In(Generation {
            id: self.epoch,
            member_id: Arc::clone(&self.member_id),
        })
    }

    fn reads_as(&self) -> Option<Generation> {
        match self.commits() {
            Commits::In(generation) => Some(generation),
            Commits::Soon | Commits::Refused => None,
        }
    }

    fn owned(&self) -> (Vec<TopicPartition>, bool) {
        let owned = self.ownership.owned().iter().cloned().collect();
        (owned, !self.state.beats())
    }
}
