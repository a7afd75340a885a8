//! The words that a member and the task that carries it out exchange.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use klamm_codec::ErrorCode;
use klamm_net::{Backoff, TopicPartition};

use crate::error::Error;

/// The settings of a membership.
#[derive(Clone, Debug)]
pub(crate) struct MemberSettings {
    pub(crate) group_id: String,
    pub(crate) instance_id: Option<String>,
    pub(crate) session_timeout: Duration,
    pub(crate) heartbeat_interval: Duration,
    pub(crate) max_poll_interval: Duration,
    pub(crate) retry_backoff: Backoff,
}

/// One stay in the group: what the coordinator knows a member by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Generation {
    /// -1 if there is none.
    pub(crate) id: i32,
    /// Empty if there is none.
    pub(crate) member_id: Arc<str>,
}

impl Generation {
    pub(crate) fn none() -> Self {
        Self {
            id: -1,
            member_id: Arc::from(""),
        }
    }
}

/// Names one attempt to join, with the sync that follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Round(pub(super) u64);

/// What has to be done.
#[derive(Clone, Debug)]
pub(crate) enum Action {
    /// Commit what was consumed, if asked to and configured, then give up all partitions; then
    /// `ClassicMember::handle_prepared`.
    Prepare { commit: bool },
    /// Join; then `ClassicMember::handle_join`.
    Join {
        round: Round,
        member_id: Arc<str>,
        subscription: Bytes,
        reason: &'static str,
    },
    /// This member leads: get the partition counts of `topics`; then
    /// `ClassicMember::handle_counts`.
    Count { round: Round, topics: Vec<Arc<str>> },
    /// Sync; then `ClassicMember::handle_sync`.
    Sync {
        round: Round,
        generation: Generation,
        protocol: Arc<str>,
        assignments: Vec<(Arc<str>, Bytes)>,
    },
    /// Own these partitions from now on.
    Assigned(Vec<TopicPartition>),
    /// Send a heartbeat; then `ClassicMember::handle_heartbeat`.
    Heartbeat(Generation),
    /// Leave; the answer does not matter.
    Leave {
        member_id: Arc<str>,
        reason: &'static str,
    },
    /// Look the coordinator up again.
    ForgetCoordinator,
    /// Tell the application.
    Report(Error),
}

/// Why a request brought no answer to work with.
#[derive(Clone, Debug)]
pub(crate) enum Failure {
    /// The coordinator refused; with the member id it gave, if any.
    Code(ErrorCode, Option<Arc<str>>),
    /// It was not reached.
    Net(klamm_net::Error),
}

/// The answer to a join.
#[derive(Clone, Debug, Default)]
pub(crate) struct Joined {
    pub(crate) generation: i32,
    pub(crate) protocol: Option<Arc<str>>,
    pub(crate) leader: Arc<str>,
    pub(crate) member_id: Arc<str>,
    /// The members with their subscriptions, for the leader only.
    pub(crate) members: Vec<(Arc<str>, Option<Arc<str>>, Bytes)>,
    /// The group keeps its assignment (a static leader came back; KIP-814).
    pub(crate) skip_assignment: bool,
}
