//! The words that a member and the task that carries it out exchange.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use klamm_codec::ErrorCode;
use klamm_net::{Backoff, TopicId, TopicPartition};
use tokio::time::Instant;

use crate::assign::{AssignableTopic, AssignableTopics};
use crate::error::Error;

/// The settings of a membership.
#[derive(Clone, Debug)]
pub(crate) struct MemberSettings {
    pub(crate) group_id: String,
    pub(crate) instance_id: Option<String>,
    pub(crate) rack: Option<String>,
    pub(crate) session_timeout: Duration,
    pub(crate) heartbeat_interval: Duration,
    pub(crate) max_poll_interval: Duration,
    pub(crate) retry_backoff: Backoff,
}

/// One stay in the group: what the coordinator knows a member by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Generation {
    /// The generation, or the member epoch (KIP-848); -1 if there is none.
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
    /// Hand out nothing of these any more, commit what was consumed unless they are lost, tell the
    /// application, let go of them; then [`Membership::handle_revoked`].
    Revoke {
        partitions: Vec<TopicPartition>,
        /// They may belong to others already.
        lost: bool,
    },
    /// Own these as well and tell the application; then [`Membership::handle_assigned`].
    Assign(Vec<TopicPartition>),
    /// Join; then [`Answer::Joined`].
    Join {
        round: Round,
        member_id: Arc<str>,
        /// Name and metadata of each assignor, the preferred one first.
        protocols: Vec<(Arc<str>, Bytes)>,
        reason: &'static str,
    },
    /// This member leads: look at `topics`; then [`Answer::Described`].
    Describe { round: Round, topics: Vec<Arc<str>> },
    /// Sync; then [`Answer::Synced`].
    Sync {
        round: Round,
        generation: Generation,
        protocol: Arc<str>,
        assignments: Vec<(Arc<str>, Bytes)>,
    },
    /// Send a heartbeat; then [`Answer::Heartbeat`].
    Heartbeat(Generation),
    /// Leave; then [`Answer::Left`], which does not matter to the member.
    Leave {
        member_id: Arc<str>,
        reason: &'static str,
    },
    /// Send a heartbeat of the consumer protocol; then [`Answer::Beaten`].
    Beat(Beat),
    /// Send the last one, with this epoch; then [`Answer::Left`].
    Goodbye { member_id: Arc<str>, epoch: i32 },
    /// Find the names of these topics; then [`Answer::Resolved`].
    Resolve(BTreeSet<TopicId>),
    /// Look the coordinator up again.
    ForgetCoordinator,
    /// Tell the application.
    Report(Error),
}

/// What a request brought.
#[derive(Debug)]
pub(crate) enum Answer {
    Joined(Round, Result<Joined, Failure>),
    Described(Round, AssignableTopics),
    Synced(Round, Result<Bytes, Failure>),
    Heartbeat(Generation, Result<(), Failure>),
    /// With the stay in the group that it was sent in.
    Beaten(u64, Result<Beaten, Failure>),
    Resolved(Vec<(TopicId, Arc<str>)>),
    Left,
}

/// A heartbeat of the consumer protocol; what is none has not changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Beat {
    pub(crate) stay: u64,
    pub(crate) member_id: Arc<str>,
    pub(crate) epoch: i32,
    /// With all that the settings say.
    pub(crate) everything: bool,
    pub(crate) assignor: Option<String>,
    pub(crate) topics: Option<Topics>,
    pub(crate) owned: Option<BTreeMap<TopicId, Vec<i32>>>,
}

/// The answer to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Beaten {
    pub(crate) member_id: Option<Arc<str>>,
    pub(crate) epoch: i32,
    pub(crate) interval: Duration,
    /// What the member shall own, if there is news.
    pub(crate) assignment: Option<BTreeSet<(TopicId, i32)>>,
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

/// What a member wants to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Topics {
    /// Exactly these.
    Named(Vec<Arc<str>>),
    /// Those whose whole name matches, now and later.
    Matching(Arc<str>),
}

/// Whether, and as what, a member may commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Commits {
    In(Generation),
    /// Not now, but soon: the next generation is on its way, and the partitions stay.
    Soon,
    Refused,
}

/// What a refused commit means.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// Once more in another generation than this: the partitions stay.
    Again,
    Failed(Error),
    /// The code says nothing about membership.
    NotOfMembership,
}

/// Whether to tell the coordinator of the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leaving {
    /// The partitions go to others at once.
    ForGood,
    /// They wait for this static member, or until its session ends.
    ForNow,
}

/// A member of a group, of either protocol, as the task sees it. After each call, drain
/// [`Membership::poll_action`].
pub(crate) trait Membership: Send + fmt::Debug {
    /// Whether the topics of a pattern are found on the way, by the broker.
    fn finds_topics_itself(&self) -> bool;

    /// Wants the partitions of `topics` from now on.
    fn subscribe(&mut self, topics: Topics);

    /// Whether it wants to know what the metadata say about `topic`, even if it owns no partition of it.
    fn watches(&self, topic: &str) -> bool;

    /// The application is inside of poll: it may lose partitions now.
    fn handle_poll(&mut self, now: Instant);

    /// The outcome of [`Action::Revoke`].
    fn handle_revoked(&mut self, now: Instant);

    /// The outcome of [`Action::Assign`].
    fn handle_assigned(&mut self, now: Instant);

    /// The outcome of any other action.
    fn handle_answer(&mut self, now: Instant, answer: Answer);

    /// The metadata has changed; `topic` tells what it says about a topic that exists.
    fn handle_metadata(&mut self, topic: &dyn Fn(&str) -> Option<AssignableTopic>);

    /// A commit of `generation` was refused with `code`.
    fn handle_commit_refused(
        &mut self,
        now: Instant,
        generation: &Generation,
        code: ErrorCode,
    ) -> Refusal;

    /// Time has passed. `polled_at` is when the application was last inside of poll, none if it is
    /// there now.
    fn handle_timeout(&mut self, now: Instant, polled_at: Option<Instant>);

    /// Leaves the group. All partitions were given up, or nobody cares.
    fn leave(&mut self, leaving: Leaving, reason: &'static str);

    fn poll_action(&mut self) -> Option<Action>;

    /// When [`Membership::handle_timeout`] is due.
    fn next_timeout(&self, polled_at: Option<Instant>) -> Option<Instant>;

    /// Whether something waits for the application to be inside of poll.
    fn wants_poll(&self) -> bool;

    /// Whether partitions are changing hands right now.
    fn is_busy(&self) -> bool;

    /// Whether a rebalance is under way, or waits for the application.
    fn is_rebalancing(&self) -> bool;

    fn commits(&self) -> Commits;

    /// As which member it asks for committed offsets; none if the coordinator does not want to know.
    fn reads_as(&self) -> Option<Generation>;

    /// What this member owns, and whether it may belong to others already.
    fn owned(&self) -> (Vec<TopicPartition>, bool);
}
