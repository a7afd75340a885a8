//! The membership state machines: every transition, every error, every stale answer.

mod classic;
mod next_gen;

use std::sync::Arc;
use std::time::Duration;

use klamm_codec::ErrorCode;
use klamm_net::{Backoff, TopicPartition};
use tokio::time::Instant;

use super::action::{Action, Failure, MemberSettings, Membership};

const SECOND: Duration = Duration::from_secs(1);
const MILLISECOND: Duration = Duration::from_millis(1);

/// A member with a clock; `polled_at` as the application would leave it.
struct Bench<M> {
    member: M,
    now: Instant,
    polled_at: Option<Instant>,
}

fn code(code: ErrorCode) -> Failure {
    Failure::Code(code, Some(Arc::from("")))
}

fn unreachable() -> Failure {
    Failure::Net(klamm_net::Error::UnknownNode { node: 1 })
}

fn settings(instance_id: Option<&str>) -> MemberSettings {
    MemberSettings {
        group_id: "g".to_owned(),
        instance_id: instance_id.map(str::to_owned),
        rack: None,
        session_timeout: 45 * SECOND,
        heartbeat_interval: 3 * SECOND,
        max_poll_interval: 300 * SECOND,
        retry_backoff: Backoff {
            initial: 100 * MILLISECOND,
            max: SECOND,
        },
    }
}

impl<M: Membership> Bench<M> {
    fn of(member: M, now: Instant) -> Self {
        Self {
            member,
            now,
            polled_at: None,
        }
    }

    fn poll(&mut self) {
        self.member.handle_poll(self.now);
    }

    fn actions(&mut self) -> Vec<Action> {
        std::iter::from_fn(|| self.member.poll_action()).collect()
    }

    fn only(&mut self) -> Action {
        let mut actions = self.actions();
        assert_eq!(actions.len(), 1, "{actions:?}");
        actions.remove(0)
    }

    fn none(&mut self) {
        let actions = self.actions();
        assert!(actions.is_empty(), "{actions:?}");
    }

    fn wait(&mut self, time: Duration) {
        self.now += time;
        self.member.handle_timeout(self.now, self.polled_at);
    }

    /// What has to go, and whether it is lost.
    fn gone(&mut self) -> (Vec<TopicPartition>, bool) {
        match self.only() {
            Action::Revoke { partitions, lost } => (partitions, lost),
            other => panic!("{other:?}"),
        }
    }

    /// What comes; the application takes it.
    fn added(&mut self) -> Vec<TopicPartition> {
        let added = match self.only() {
            Action::Assign(added) => added,
            other => panic!("{other:?}"),
        };
        self.member.handle_assigned(self.now);
        added
    }
}
