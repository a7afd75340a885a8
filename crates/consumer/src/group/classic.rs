//! A member of a classic consumer group, as a state machine.
//!
//! ```text
//! Unjoined ──poll──> PreparingRebalance (give up, join) ──> CompletingRebalance (assign, sync) ──> Stable
//!     ^  <── lost, left ───────────────────────────────────────────────────────────────────────────┘ │
//!                               ^──────────── after REBALANCE_IN_PROGRESS ───────────────────────────┘
//! ```
//! With an eager assignor a member gives up everything before it joins. With a cooperative one
//! (KIP-429) it joins with what it owns, while records go on flowing, and gives up afterwards what it
//! was not given again; then it joins once more, so that others get that.
//!
//! Owns: member id and generation, when to join, sync, send heartbeats and leave, what each error
//! means (the tables of `ConsumerCoordinator` and `AbstractCoordinator` in the Java client).
//!
//! Does not: send, sleep, or run callbacks. After each call, drain [`ClassicMember::poll_action`].
//!
//! Invariants
//! - partitions go only while the application is inside of poll (see [`Ownership`]); a member that
//!   need not give up anything joins again without waiting for it
//! - an answer to a join or sync of another round, or a heartbeat or commit of another generation,
//!   changes nothing

mod answer;

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use klamm_codec::ErrorCode;
use klamm_net::{Pauses, TopicPartition};
use tokio::time::Instant;

use super::action::{
    Action, Answer, Commits, Generation, Joined, Leaving, MemberSettings, Membership, Refusal,
    Round, Topics,
};
use super::heartbeat::Heartbeat;
use super::leader::Leading;
use super::ownership::{Ownership, Partitions, Progress};
use super::partitions::{flattened, grouped};
use super::protocol::{Assignment, Subscription};
use crate::assign::{AssignableTopic, Assignor, LastAssignment};
use crate::error::Error;

#[derive(Debug, PartialEq, Eq)]
enum State {
    Unjoined,
    PreparingRebalance(Joining),
    CompletingRebalance,
    Stable,
}

#[derive(Debug, PartialEq, Eq)]
enum Joining {
    /// Partitions are being given up.
    Revoking,
    /// The next attempt comes then.
    Pausing(Instant),
    /// A join is under way.
    Sent,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct ClassicMember {
    settings: MemberSettings,
    /// In order of preference, never none.
    assignors: Vec<Arc<dyn Assignor>>,
    cooperative: bool,
    topics: Vec<Arc<str>>,
    state: State,
    generation: Generation,
    round: u64,
    ownership: Ownership,
    /// What the leader gave this member last.
    last: Option<LastAssignment>,
    /// What it gave up since then others wait for.
    gives_up: bool,
    /// Why the member has to join (again).
    rejoin: Option<&'static str>,
    /// Whether it has joined at once since the last assignment; next time after a pause.
    hurried: bool,
    /// Between attempts in a row that did not end in an assignment.
    pauses: Option<Pauses>,
    leading: Option<Leading>,
    heartbeat: Heartbeat,
    /// The member was fenced: there is another one with its instance id.
    fenced: bool,
    actions: VecDeque<Action>,
}

impl ClassicMember {
    pub(crate) fn new(
        settings: MemberSettings,
        assignors: Vec<Arc<dyn Assignor>>,
        now: Instant,
    ) -> Self {
        Self {
            heartbeat: Heartbeat::new(settings.heartbeat_interval, settings.session_timeout, now),
            settings,
            cooperative: assignors.iter().all(|assignor| assignor.is_cooperative()),
            assignors,
            topics: Vec::new(),
            state: State::Unjoined,
            generation: Generation::none(),
            round: 0,
            ownership: Ownership::new(),
            last: None,
            gives_up: false,
            rejoin: None,
            hurried: false,
            pauses: None,
            leading: None,
            fenced: false,
            actions: VecDeque::new(),
        }
    }

    /// Whether the coordinator counts this member in, as far as it knows, and heartbeats are due.
    fn is_member(&self) -> bool {
        match self.state {
            State::CompletingRebalance | State::Stable => true,
            State::PreparingRebalance(Joining::Revoking) => self.generation.id >= 0,
            _ => false,
        }
    }

    fn request_rejoin(&mut self, reason: &'static str) {
        self.rejoin.get_or_insert(reason);
        self.rejoin_if_nothing_goes();
    }

    /// What stays with this member while it joins.
    fn kept_while_joining(&self) -> Partitions {
        if !self.cooperative || self.generation.id < 0 {
            return Partitions::new();
        }
        let subscribed = |at: &&TopicPartition| self.topics.contains(&at.topic);
        let owned = self.ownership.owned().iter();
        owned.filter(subscribed).cloned().collect()
    }

    /// Without anything to give up, joining again takes nothing away from the application.
    fn rejoin_if_nothing_goes(&mut self) {
        if self.state == State::Stable
            && self.rejoin.is_some()
            && !self.ownership.is_busy()
            && self.kept_while_joining() == *self.ownership.owned()
        {
            self.prepare();
        }
    }

    /// Gives up what has to go, then joins.
    fn prepare(&mut self) {
        let kept = self.kept_while_joining();
        let lost = self.generation.id < 0;
        self.state = State::PreparingRebalance(Joining::Revoking);
        if self.ownership.give_up(kept, lost, &mut self.actions) == Progress::Done {
            self.join();
        }
    }

    fn join(&mut self) {
        self.round += 1;
        self.leading = None;
        self.gives_up = false;
        self.state = State::PreparingRebalance(Joining::Sent);
        let owned = grouped(self.ownership.owned().iter().cloned());
        let protocol = |assignor: &Arc<dyn Assignor>| {
            let subscription = Subscription {
                topics: self.topics.clone(),
                user_data: assignor.user_data(self.last.as_ref()),
                owned: owned.clone(),
                generation: self.generation.id,
                rack: self.settings.rack.clone(),
            };
            (Arc::from(assignor.name()), subscription.encode())
        };
        self.actions.push_back(Action::Join {
            round: Round(self.round),
            member_id: Arc::clone(&self.generation.member_id),
            protocols: self.assignors.iter().map(protocol).collect(),
            reason: self.rejoin.take().unwrap_or("the last attempt failed"),
        });
    }

    fn joined(&mut self, now: Instant, joined: Joined) {
        self.generation = Generation {
            id: joined.generation,
            member_id: Arc::clone(&joined.member_id),
        };
        self.state = State::CompletingRebalance;
        self.heartbeat.start(now);
        let protocol = joined.protocol.unwrap_or_else(|| Arc::from(""));
        if joined.leader != joined.member_id {
            self.sync(protocol, Vec::new());
            return;
        }
        let assigns = !joined.skip_assignment;
        match Leading::new(Arc::clone(&protocol), joined.members, assigns) {
            Ok(leading) => {
                self.actions.push_back(Action::Describe {
                    round: Round(self.round),
                    topics: leading.topics(),
                });
                self.leading = Some(leading);
                if !assigns {
                    self.sync(protocol, Vec::new());
                }
            }
            Err(error) => self.give_up(Error::GroupProtocol {
                group: self.settings.group_id.clone(),
                what: "subscription of a member",
                reason: error.to_string(),
            }),
        }
    }

    fn sync(&mut self, protocol: Arc<str>, assignments: Vec<(Arc<str>, Bytes)>) {
        self.actions.push_back(Action::Sync {
            round: Round(self.round),
            generation: self.generation.clone(),
            protocol,
            assignments,
        });
    }

    fn assigned(&mut self, now: Instant, assignment: Assignment) {
        let topics = || assignment.partitions.iter().map(|(topic, _)| topic);
        if !topics().all(|topic| self.topics.contains(topic)) {
            // The subscription has changed since the join.
            self.join_again(now);
            return;
        }
        self.state = State::Stable;
        self.hurried = false;
        self.pauses = None;
        self.heartbeat.hasten(now);
        let target: Partitions = flattened(assignment.partitions).into_iter().collect();
        self.last = Some(LastAssignment {
            partitions: target.iter().cloned().collect(),
            generation: self.generation.id,
        });
        let owned = self.ownership.owned();
        let kept: Partitions = owned.intersection(&target).cloned().collect();
        self.gives_up = kept != *owned;
        self.ownership.change(kept, target, &mut self.actions);
    }

    fn unjoin(&mut self) {
        self.round += 1;
        self.leading = None;
        self.ownership.forget_waiting();
        self.state = State::Unjoined;
    }

    /// Whether a join waits for the application.
    fn joins_with_poll(&self) -> bool {
        let at_rest = matches!(self.state, State::Unjoined | State::Stable);
        at_rest && self.rejoin.is_some() && !self.fenced && !self.ownership.is_busy()
    }
}

impl Membership for ClassicMember {
    fn finds_topics_itself(&self) -> bool {
        false
    }

    fn subscribe(&mut self, topics: Topics) {
        let Topics::Named(topics) = topics else {
            debug_assert!(false, "the task finds the topics of a pattern");
            return;
        };
        self.topics = topics;
        self.request_rejoin("the subscription has changed");
    }

    fn watches(&self, topic: &str) -> bool {
        let leading = self.leading.as_ref();
        self.topics.iter().any(|it| **it == *topic)
            || leading.is_some_and(|leading| leading.watches(topic))
    }

    fn handle_poll(&mut self, _now: Instant) {
        if self.joins_with_poll() {
            self.prepare();
        } else {
            self.ownership.handle_poll(&mut self.actions);
        }
    }

    fn handle_revoked(&mut self, _now: Instant) {
        let progress = self.ownership.handle_revoked(&mut self.actions);
        if progress == Progress::Done && self.state == State::PreparingRebalance(Joining::Revoking)
        {
            // Joins, unless the member was lost meanwhile, with what it had kept.
            self.prepare();
        }
    }

    fn handle_assigned(&mut self, _now: Instant) {
        self.ownership.handle_assigned();
        if std::mem::take(&mut self.gives_up) && self.state == State::Stable {
            self.request_rejoin("partitions were given up for other members");
        }
        self.rejoin_if_nothing_goes();
    }

    fn handle_answer(&mut self, now: Instant, answer: Answer) {
        match answer {
            Answer::Joined(round, outcome) => self.handle_join(now, round, outcome),
            Answer::Described(round, topics) => self.handle_described(now, round, topics),
            Answer::Synced(round, outcome) => self.handle_sync(now, round, outcome),
            Answer::Heartbeat(generation, outcome) => {
                self.handle_heartbeat(now, &generation, &outcome);
            }
            _ => {}
        }
    }

    /// A leader whose topics have changed rebalances the group.
    fn handle_metadata(&mut self, topic: &dyn Fn(&str) -> Option<AssignableTopic>) {
        let changed = self
            .leading
            .as_ref()
            .is_some_and(|leading| leading.has_changed(topic));
        if self.state == State::Stable && changed {
            self.request_rejoin("the partitions of a topic have changed");
        }
    }

    fn handle_commit_refused(
        &mut self,
        now: Instant,
        generation: &Generation,
        code: ErrorCode,
    ) -> Refusal {
        let group = self.settings.group_id.clone();
        let is_current = *generation == self.generation;
        match code {
            ErrorCode::REBALANCE_IN_PROGRESS => {
                if is_current && self.state == State::Stable {
                    self.request_rejoin("a commit was refused since the group is rebalancing");
                }
                if self.cooperative && self.commits() != Commits::Refused {
                    return Refusal::Again;
                }
                Refusal::Failed(Error::RebalanceInProgress { group })
            }
            ErrorCode::UNKNOWN_MEMBER_ID | ErrorCode::ILLEGAL_GENERATION => {
                let joins = matches!(self.state, State::PreparingRebalance(Joining::Sent));
                if is_current && self.is_member() {
                    self.lost(now, code);
                } else if self.cooperative
                    && code == ErrorCode::ILLEGAL_GENERATION
                    && (!is_current || joins)
                    && self.commits() != Commits::Refused
                {
                    return Refusal::Again;
                } else if self.is_rebalancing() {
                    return Refusal::Failed(Error::RebalanceInProgress { group });
                }
                Refusal::Failed(Error::CommitFailed { group, code })
            }
            ErrorCode::FENCED_INSTANCE_ID => {
                if is_current && self.is_member() {
                    self.refused(now, code);
                }
                Refusal::Failed(Error::Group { group, code })
            }
            _ => Refusal::NotOfMembership,
        }
    }

    fn handle_timeout(&mut self, now: Instant, polled_at: Option<Instant>) {
        if let State::PreparingRebalance(Joining::Pausing(until)) = self.state
            && until <= now
        {
            self.join();
        }
        if !self.is_member() {
            return;
        }
        if polled_at.is_some_and(|at| at + self.settings.max_poll_interval <= now) {
            tracing::warn!(
                group = %self.settings.group_id,
                "leaving the group: the application did not poll within max.poll.interval.ms; \
                 poll more often, lower max.poll.records or raise the interval"
            );
            let leaving = match self.settings.instance_id {
                Some(_) => Leaving::ForNow,
                None => Leaving::ForGood,
            };
            self.leave(
                leaving,
                "the application did not poll within max.poll.interval.ms",
            );
            self.rejoin = Some("the application polls again");
            return;
        }
        if self.heartbeat.take_session_expired(now) {
            self.actions.push_back(Action::ForgetCoordinator);
        }
        if self.heartbeat.take_due(now) {
            let generation = self.generation.clone();
            self.actions.push_back(Action::Heartbeat(generation));
        }
    }

    fn leave(&mut self, leaving: Leaving, reason: &'static str) {
        let member_id = Arc::clone(&self.generation.member_id);
        let joined = self.state != State::Unjoined && !member_id.is_empty();
        if joined && leaving == Leaving::ForGood {
            self.actions.push_back(Action::Leave { member_id, reason });
        }
        self.generation = Generation::none();
        self.unjoin();
        self.rejoin = None;
    }

    fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    fn next_timeout(&self, polled_at: Option<Instant>) -> Option<Instant> {
        match self.state {
            State::PreparingRebalance(Joining::Pausing(until)) => Some(until),
            _ if self.is_member() => {
                let heartbeat = self.heartbeat.next_timeout();
                let poll = polled_at.map(|at| at + self.settings.max_poll_interval);
                Some(poll.map_or(heartbeat, |poll| poll.min(heartbeat)))
            }
            _ => None,
        }
    }

    fn wants_poll(&self) -> bool {
        self.joins_with_poll() || self.ownership.wants_poll()
    }

    fn is_busy(&self) -> bool {
        self.ownership.is_busy()
    }

    fn is_rebalancing(&self) -> bool {
        self.rejoin.is_some()
            || self.ownership.wants_poll()
            || self.ownership.is_busy()
            || matches!(
                self.state,
                State::PreparingRebalance(_) | State::CompletingRebalance
            )
    }

    fn commits(&self) -> Commits {
        if self.generation.id < 0 {
            return Commits::Refused;
        }
        match self.state {
            State::Stable | State::PreparingRebalance(Joining::Revoking) => {
                Commits::In(self.generation.clone())
            }
            // Brokers take commits of the last generation until all members have joined.
            State::PreparingRebalance(Joining::Sent) if self.cooperative => {
                Commits::In(self.generation.clone())
            }
            State::PreparingRebalance(Joining::Pausing(_)) | State::CompletingRebalance
                if self.cooperative =>
            {
                Commits::Soon
            }
            _ => Commits::Refused,
        }
    }

    fn reads_as(&self) -> Option<Generation> {
        None
    }

    fn owned(&self) -> (Vec<TopicPartition>, bool) {
        let owned = self.ownership.owned().iter().cloned().collect();
        (owned, self.generation.id < 0)
    }
}
