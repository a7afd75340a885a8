//! What the answers to heartbeats mean, the errors above all.

use klamm_codec::ErrorCode;
use klamm_net::Pauses;
use tokio::time::Instant;

use super::{ConsumerMember, State};
use crate::group::action::{Action, Beaten, Failure};

impl ConsumerMember {
    pub(super) fn handle_beaten(
        &mut self,
        now: Instant,
        stay: u64,
        outcome: Result<Beaten, Failure>,
    ) {
        if stay != self.stay || !self.state.beats() {
            return;
        }
        self.in_flight = false;
        match outcome {
            Ok(beaten) => self.beaten(now, beaten),
            Err(failure) => {
                self.said = None;
                self.beat_failed(now, failure);
            }
        }
    }

    fn beaten(&mut self, now: Instant, beaten: Beaten) {
        self.pauses = None;
        self.pace.set_interval(beaten.interval);
        if self.epoch != beaten.epoch || beaten.assignment.is_some() {
            // The group rebalances: what others release comes with a later heartbeat.
            self.next_at = self.next_at.min(now + self.pace.hasten());
        }
        self.epoch = beaten.epoch;
        if let Some(member_id) = beaten.member_id {
            self.member_id = member_id;
        }
        if self.state == State::Joining {
            self.state = State::Stable;
        }
        if let Some(partitions) = beaten.assignment {
            self.target.version += 1;
            self.target.partitions = partitions;
        }
        self.reconcile_if_due(now);
    }

    fn beat_failed(&mut self, now: Instant, failure: Failure) {
        let code = match failure {
            Failure::Net(error) if error.is_retriable() => ErrorCode::COORDINATOR_NOT_AVAILABLE,
            Failure::Net(error) => return self.give_up(error.into()),
            Failure::Code(code, _) => code,
        };
        match code {
            ErrorCode::FENCED_MEMBER_EPOCH | ErrorCode::UNKNOWN_MEMBER_ID => self.fenced(now),
            ErrorCode::NOT_COORDINATOR | ErrorCode::COORDINATOR_NOT_AVAILABLE => {
                self.actions.push_back(Action::ForgetCoordinator);
                // Another one may know at once; if that does not help, after a pause.
                self.beat_again(now, self.pauses.is_some());
            }
            ErrorCode::COORDINATOR_LOAD_IN_PROGRESS => self.beat_again(now, true),
            ErrorCode::TOPIC_AUTHORIZATION_FAILED => {
                self.actions.push_back(Action::Report(self.refusal(code)));
                self.beat_again(now, true);
            }
            code => {
                let error = self.refusal(code);
                self.give_up(error);
            }
        }
    }

    fn beat_again(&mut self, now: Instant, after_a_pause: bool) {
        let backoff = self.settings.retry_backoff;
        let pauses = self.pauses.get_or_insert_with(|| Pauses::new(backoff, now));
        self.next_at = if after_a_pause {
            now + pauses.take(now)
        } else {
            now
        };
    }
}
