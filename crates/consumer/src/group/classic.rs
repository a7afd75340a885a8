//! A member of a classic consumer group, as a state machine.
//!
//! ```text
//! Unjoined ──poll──> PreparingRebalance (revoke, join) ──> CompletingRebalance (assign, sync) ──> Stable
//!     ^  <── lost, left ──────────────────────────────────────────────────────────────────────────┘ │
//!                               ^──────────── poll, after REBALANCE_IN_PROGRESS ────────────────────┘
//! ```
//! Owns: member id and generation, when to join, sync, send heartbeats and leave, what each error
//! means (the tables of `ConsumerCoordinator` and `AbstractCoordinator` in the Java client).
//!
//! Does not: send, sleep, or own partitions. After each call, drain [`ClassicMember::poll_action`].
//!
//! Invariants
//! - partitions are owned in `Stable` only, and in `Unjoined` until the application polls: they are
//!   taken away (`Action::Prepare`) only while it is inside of poll
//! - an answer to a join or sync of another round, or a heartbeat or commit of another generation,
//!   changes nothing

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use klamm_codec::ErrorCode;
use klamm_net::TopicPartition;
use tokio::time::Instant;

use super::action::{Action, Failure, Generation, Joined, MemberSettings, Round};
use super::heartbeat::Heartbeat;
use super::leader::Leading;
use super::protocol::{Assignment, Subscription};
use crate::assign::{Assignor, PartitionCounts};
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
pub(crate) struct ClassicMember {
    settings: MemberSettings,
    assignor: Box<dyn Assignor>,
    topics: Vec<Arc<str>>,
    state: State,
    generation: Generation,
    round: u64,
    /// Why the member has to join (again).
    rejoin: Option<&'static str>,
    /// Attempts in a row that did not end in an assignment.
    attempts: u32,
    leading: Option<Leading>,
    heartbeat: Heartbeat,
    /// The member was fenced: there is another one with its instance id.
    fenced: bool,
    actions: VecDeque<Action>,
}

impl ClassicMember {
    pub(crate) fn new(settings: MemberSettings, assignor: Box<dyn Assignor>, now: Instant) -> Self {
        Self {
            heartbeat: Heartbeat::new(settings.heartbeat_interval, settings.session_timeout, now),
            settings,
            assignor,
            topics: Vec::new(),
            state: State::Unjoined,
            generation: Generation::none(),
            round: 0,
            rejoin: None,
            attempts: 0,
            leading: None,
            fenced: false,
            actions: VecDeque::new(),
        }
    }

    /// Wants the partitions of `topics` from now on.
    pub(crate) fn subscribe(&mut self, topics: Vec<Arc<str>>) {
        self.topics = topics;
        self.rejoin = Some("the subscription has changed");
    }

    /// The application is inside of poll: it may lose its partitions now.
    pub(crate) fn handle_poll(&mut self) {
        if !self.wants_poll() {
            return;
        }
        let commit = self.state == State::Stable;
        self.state = State::PreparingRebalance(Joining::Revoking);
        self.actions.push_back(Action::Prepare { commit });
    }

    /// All partitions were given up.
    pub(crate) fn handle_prepared(&mut self) {
        if self.state == State::PreparingRebalance(Joining::Revoking) {
            self.join();
        }
    }

    /// The outcome of [`Action::Join`].
    pub(crate) fn handle_join(
        &mut self,
        now: Instant,
        round: Round,
        outcome: Result<Joined, Failure>,
    ) {
        if round.0 != self.round || self.state != State::PreparingRebalance(Joining::Sent) {
            return;
        }
        match outcome {
            Ok(joined) => self.joined(now, joined),
            Err(Failure::Net(error)) => self.unreachable(now, error),
            Err(Failure::Code(ErrorCode::MEMBER_ID_REQUIRED, Some(member_id))) => {
                self.generation.member_id = member_id;
                self.join();
            }
            Err(Failure::Code(ErrorCode::UNKNOWN_MEMBER_ID, _)) => {
                self.generation = Generation::none();
                self.join_again(now);
            }
            Err(Failure::Code(ErrorCode::REBALANCE_IN_PROGRESS, _)) => self.pause(now),
            Err(Failure::Code(code, _)) => self.refused(now, code),
        }
    }

    /// The outcome of [`Action::Count`]: what exists of the topics asked for.
    pub(crate) fn handle_counts(&mut self, round: Round, counts: PartitionCounts) {
        if round.0 != self.round || self.state != State::CompletingRebalance {
            return;
        }
        let Some(leading) = &mut self.leading else {
            return;
        };
        let assignments = leading.assign(&*self.assignor, counts);
        let protocol = Arc::clone(leading.protocol());
        self.sync(protocol, assignments);
    }

    /// The outcome of [`Action::Sync`].
    pub(crate) fn handle_sync(
        &mut self,
        now: Instant,
        round: Round,
        outcome: Result<Bytes, Failure>,
    ) {
        if round.0 != self.round || self.state != State::CompletingRebalance {
            return;
        }
        match outcome {
            Ok(bytes) => match Assignment::decode(&bytes) {
                Ok(assignment) => self.assigned(now, assignment),
                Err(error) => self.give_up(Error::GroupProtocol {
                    group: self.settings.group_id.clone(),
                    what: "assignment that its leader made",
                    reason: error.to_string(),
                }),
            },
            Err(Failure::Net(error)) => self.unreachable(now, error),
            Err(Failure::Code(ErrorCode::REBALANCE_IN_PROGRESS, _)) => self.join_again(now),
            Err(Failure::Code(
                code @ (ErrorCode::UNKNOWN_MEMBER_ID | ErrorCode::ILLEGAL_GENERATION),
                _,
            )) => {
                self.reset_generation(code);
                self.join_again(now);
            }
            Err(Failure::Code(code, _)) => self.refused(now, code),
        }
    }

    /// The outcome of [`Action::Heartbeat`].
    pub(crate) fn handle_heartbeat(
        &mut self,
        now: Instant,
        generation: &Generation,
        outcome: &Result<(), Failure>,
    ) {
        if *generation != self.generation || !self.is_member() {
            return;
        }
        let pause = self.settings.retry_backoff.jittered(0);
        let code = match outcome {
            Ok(()) => ErrorCode::NONE,
            Err(Failure::Code(code, _)) => *code,
            // As if it had said that it is not the coordinator.
            Err(Failure::Net(_)) => ErrorCode::COORDINATOR_NOT_AVAILABLE,
        };
        match code {
            ErrorCode::NONE => self.heartbeat.answered(now),
            ErrorCode::REBALANCE_IN_PROGRESS => {
                self.heartbeat.answered(now);
                // While completing, the sync will say so itself.
                if self.state == State::Stable {
                    self.request_rejoin("the group is rebalancing");
                }
            }
            ErrorCode::UNKNOWN_MEMBER_ID | ErrorCode::ILLEGAL_GENERATION => self.lost(now, code),
            ErrorCode::FENCED_INSTANCE_ID | ErrorCode::GROUP_AUTHORIZATION_FAILED => {
                self.refused(now, code);
            }
            ErrorCode::NOT_COORDINATOR | ErrorCode::COORDINATOR_NOT_AVAILABLE => {
                self.actions.push_back(Action::ForgetCoordinator);
                self.heartbeat.failed(now, pause);
            }
            _ => self.heartbeat.failed(now, pause),
        }
    }

    /// A commit was refused with `code`. Says what that means for the caller.
    pub(crate) fn handle_commit_refused(
        &mut self,
        now: Instant,
        generation: &Generation,
        code: ErrorCode,
    ) -> Option<Error> {
        let group = self.settings.group_id.clone();
        let current = *generation == self.generation && self.is_member();
        match code {
            ErrorCode::REBALANCE_IN_PROGRESS => {
                if current && self.state == State::Stable {
                    self.request_rejoin("a commit was refused since the group is rebalancing");
                }
                Some(Error::RebalanceInProgress { group })
            }
            ErrorCode::UNKNOWN_MEMBER_ID | ErrorCode::ILLEGAL_GENERATION => {
                if current {
                    self.lost(now, code);
                } else if self.is_rebalancing() {
                    return Some(Error::RebalanceInProgress { group });
                }
                Some(Error::CommitFailed { group, code })
            }
            ErrorCode::FENCED_INSTANCE_ID => {
                if current {
                    self.refused(now, code);
                }
                Some(Error::Group { group, code })
            }
            _ => None,
        }
    }

    /// The metadata has changed. A leader whose topics gained partitions rebalances the group.
    pub(crate) fn handle_metadata(&mut self, count: impl Fn(&str) -> Option<i32>) {
        let changed = self
            .leading
            .as_ref()
            .is_some_and(|leading| leading.has_changed(count));
        if self.state == State::Stable && changed {
            self.request_rejoin("the partitions of a topic have changed");
        }
    }

    /// Time has passed. `polled_at` is when the application was last inside of poll, none if it is
    /// there now.
    pub(crate) fn handle_timeout(&mut self, now: Instant, polled_at: Option<Instant>) {
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
            self.leave("the application did not poll within max.poll.interval.ms");
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

    /// Leaves the group. Static members stay in it for their session timeout (KIP-345).
    pub(crate) fn leave(&mut self, reason: &'static str) {
        let member_id = Arc::clone(&self.generation.member_id);
        let joined = self.state != State::Unjoined && !member_id.is_empty();
        if joined && self.settings.instance_id.is_none() {
            self.actions.push_back(Action::Leave { member_id, reason });
        }
        self.generation = Generation::none();
        self.unjoin();
        self.rejoin = None;
    }

    pub(crate) fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When [`ClassicMember::handle_timeout`] is due.
    pub(crate) fn next_timeout(&self, polled_at: Option<Instant>) -> Option<Instant> {
        match self.state {
            State::PreparingRebalance(Joining::Pausing(until)) => Some(until),
            State::CompletingRebalance | State::Stable => {
                let heartbeat = self.heartbeat.next_timeout();
                let poll = polled_at.map(|at| at + self.settings.max_poll_interval);
                Some(poll.map_or(heartbeat, |poll| poll.min(heartbeat)))
            }
            _ => None,
        }
    }

    /// Whether nothing goes on until the application polls.
    pub(crate) fn wants_poll(&self) -> bool {
        let at_rest = matches!(self.state, State::Unjoined | State::Stable);
        at_rest && self.rejoin.is_some() && !self.fenced
    }

    /// Whether the partitions are being given up: [`Action::Prepare`] is under way.
    pub(crate) fn is_revoking(&self) -> bool {
        self.state == State::PreparingRebalance(Joining::Revoking)
    }

    /// The assignor's name, which the members have to agree on.
    pub(crate) fn protocol(&self) -> &'static str {
        self.assignor.name()
    }

    /// The generation to commit in, if there is one.
    pub(crate) fn generation(&self) -> Option<&Generation> {
        let may_commit = matches!(
            self.state,
            State::Stable | State::PreparingRebalance(Joining::Revoking)
        );
        (may_commit && self.generation.id >= 0).then_some(&self.generation)
    }

    /// Whether a rebalance is under way, or waits for the application.
    pub(crate) fn is_rebalancing(&self) -> bool {
        self.rejoin.is_some()
            || matches!(
                self.state,
                State::PreparingRebalance(_) | State::CompletingRebalance
            )
    }

    /// Whether the coordinator counts this member in.
    fn is_member(&self) -> bool {
        matches!(self.state, State::CompletingRebalance | State::Stable)
    }

    fn request_rejoin(&mut self, reason: &'static str) {
        self.rejoin.get_or_insert(reason);
    }

    fn join(&mut self) {
        self.round += 1;
        self.leading = None;
        self.state = State::PreparingRebalance(Joining::Sent);
        let subscription = Subscription {
            topics: self.topics.clone(),
            generation: self.generation.id,
            ..Subscription::default()
        };
        self.actions.push_back(Action::Join {
            round: Round(self.round),
            member_id: Arc::clone(&self.generation.member_id),
            subscription: subscription.encode(),
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
        if joined.leader != joined.member_id || joined.skip_assignment {
            self.sync(protocol, Vec::new());
            return;
        }
        if *protocol != *self.assignor.name() {
            self.refused(now, ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
            return;
        }
        match Leading::new(protocol, joined.members) {
            Ok(leading) => {
                self.actions.push_back(Action::Count {
                    round: Round(self.round),
                    topics: leading.topics(),
                });
                self.leading = Some(leading);
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
        self.attempts = 0;
        let partitions = assignment.partitions.into_iter();
        let partitions = partitions.flat_map(|(topic, partitions)| {
            let name = move |partition| TopicPartition::new(Arc::clone(&topic), partition);
            partitions.into_iter().map(name)
        });
        self.actions
            .push_back(Action::Assigned(partitions.collect()));
    }

    /// The coordinator no longer counts this member in; its partitions may belong to others.
    fn lost(&mut self, now: Instant, code: ErrorCode) {
        self.reset_generation(code);
        if self.state == State::Stable {
            self.unjoin();
            self.request_rejoin("the coordinator does not know this member any more");
        } else {
            self.join_again(now);
        }
    }

    /// As Java: the member id survives an illegal generation.
    fn reset_generation(&mut self, code: ErrorCode) {
        if code == ErrorCode::ILLEGAL_GENERATION {
            self.generation.id = -1;
        } else {
            self.generation = Generation::none();
        }
    }

    /// Joins at once, after a pause if that does not help.
    fn join_again(&mut self, now: Instant) {
        if self.attempts == 0 {
            self.attempts = 1;
            self.join();
        } else {
            self.pause(now);
        }
    }

    fn pause(&mut self, now: Instant) {
        let pause = self.settings.retry_backoff.jittered(self.attempts);
        self.attempts = self.attempts.saturating_add(1);
        self.round += 1;
        self.state = State::PreparingRebalance(Joining::Pausing(now + pause));
    }

    fn unreachable(&mut self, now: Instant, error: klamm_net::Error) {
        if error.is_retriable() {
            self.actions.push_back(Action::ForgetCoordinator);
            self.pause(now);
        } else {
            self.give_up(error.into());
        }
    }

    /// An error that means the same for every request.
    fn refused(&mut self, now: Instant, code: ErrorCode) {
        match code {
            ErrorCode::COORDINATOR_LOAD_IN_PROGRESS => self.pause(now),
            ErrorCode::NOT_COORDINATOR | ErrorCode::COORDINATOR_NOT_AVAILABLE => {
                self.actions.push_back(Action::ForgetCoordinator);
                self.pause(now);
            }
            code => {
                self.fenced |= code == ErrorCode::FENCED_INSTANCE_ID;
                self.give_up(Error::Group {
                    group: self.settings.group_id.clone(),
                    code,
                });
            }
        }
    }

    /// Tells the application; its next poll tries again.
    fn give_up(&mut self, error: Error) {
        self.generation.id = -1;
        self.unjoin();
        self.request_rejoin("the last attempt failed");
        self.actions.push_back(Action::Report(error));
    }

    fn unjoin(&mut self) {
        self.round += 1;
        self.leading = None;
        self.state = State::Unjoined;
    }
}
