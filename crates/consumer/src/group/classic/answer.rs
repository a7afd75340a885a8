//! What the coordinator's answers mean, its errors above all.

use std::sync::Arc;

use bytes::Bytes;
use klamm_codec::ErrorCode;
use klamm_net::Pauses;
use tokio::time::Instant;

use super::{ClassicMember, Joining, State};
use crate::assign::AssignableTopics;
use crate::error::Error;
use crate::group::action::{Action, Failure, Generation, Joined, Round};
use crate::group::protocol::Assignment;

impl ClassicMember {
    pub(super) fn handle_join(
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
                self.rejoin = Some("joining with the member id that was given");
                self.join();
            }
            Err(Failure::Code(code @ ErrorCode::UNKNOWN_MEMBER_ID, _)) => self.lost(now, code),
            Err(Failure::Code(ErrorCode::REBALANCE_IN_PROGRESS, _)) => self.pause(now),
            Err(Failure::Code(code, _)) => self.refused(now, code),
        }
    }

    /// What exists of the topics asked for.
    pub(super) fn handle_described(
        &mut self,
        now: Instant,
        round: Round,
        topics: AssignableTopics,
    ) {
        let Some(leading) = self.leading.as_mut().filter(|_| round.0 == self.round) else {
            return;
        };
        if !leading.assigns() {
            leading.observe(topics);
            return;
        }
        if self.state != State::CompletingRebalance {
            return;
        }
        let protocol = Arc::clone(leading.protocol());
        let assignor = self
            .assignors
            .iter()
            .find(|assignor| *assignor.name() == *protocol);
        let Some(assignor) = assignor else {
            self.refused(now, ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
            return;
        };
        match leading.assign(&**assignor, topics) {
            Ok(assignments) => self.sync(protocol, assignments),
            Err(reason) => self.give_up(Error::GroupProtocol {
                group: self.settings.group_id.clone(),
                what: "assignment that its assignor made here",
                reason: format!("{protocol} {reason}"),
            }),
        }
    }

    pub(super) fn handle_sync(
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
            // At once, however often: all others wait for this member, and the answer comes
            // when all have joined.
            Err(Failure::Code(ErrorCode::REBALANCE_IN_PROGRESS, _)) => self.join(),
            Err(Failure::Code(
                code @ (ErrorCode::UNKNOWN_MEMBER_ID | ErrorCode::ILLEGAL_GENERATION),
                _,
            )) => self.lost(now, code),
            Err(Failure::Code(code, _)) => self.refused(now, code),
        }
    }

    pub(super) fn handle_heartbeat(
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

    /// The coordinator no longer counts this member in; its partitions may belong to others.
    pub(super) fn lost(&mut self, now: Instant, code: ErrorCode) {
        // As Java: the member id survives an illegal generation.
        if code == ErrorCode::ILLEGAL_GENERATION {
            self.generation.id = -1;
        } else {
            self.generation = Generation::none();
        }
        if self.state == State::PreparingRebalance(Joining::Revoking) {
            // What is being given up is gone in any case; then it joins.
            return;
        }
        if self.state == State::Stable || !self.ownership.owned().is_empty() {
            self.unjoin();
            self.request_rejoin("the coordinator does not know this member any more");
        } else {
            self.join_again(now);
        }
    }

    /// Joins at once, after a pause if that does not help.
    pub(super) fn join_again(&mut self, now: Instant) {
        if self.hurried || self.pauses.is_some() {
            self.pause(now);
        } else {
            self.hurried = true;
            self.join();
        }
    }

    fn pause(&mut self, now: Instant) {
        let backoff = self.settings.retry_backoff;
        let pauses = self.pauses.get_or_insert_with(|| Pauses::new(backoff, now));
        let pause = pauses.take(now);
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
    pub(super) fn refused(&mut self, now: Instant, code: ErrorCode) {
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
    pub(super) fn give_up(&mut self, error: Error) {
        self.generation.id = -1;
        self.unjoin();
        self.request_rejoin("the last attempt failed");
        self.actions.push_back(Action::Report(error));
    }
}
