//! What the application's side of a consumer and its two background tasks share.
//!
//! One mutex, held for moments: by a poll once, by a task once for each response. Three bells: for
//! the application (data, an error, a position, a rebalance that wants to go on), for the fetcher
//! (positions or room have changed) and for the coordinator task.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use crate::consumer::GroupMembershipOperation;
use crate::error::Error;
use crate::fetch::FetchState;
use crate::group::action::{Generation, Topics};
use crate::offset::Offsets;

/// See the module.
#[derive(Debug)]
pub(crate) struct Shared {
    state: Mutex<State>,
    /// Rings for the application; only one poll waits at a time.
    pub(crate) application: Arc<Notify>,
    pub(crate) fetcher: Notify,
    pub(crate) coordinator: Notify,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) fetch: FetchState,
    pub(crate) group: GroupState,
    /// The topics that the application asked for.
    pub(crate) topics: Vec<Arc<str>>,
    /// The consumer is being closed: no more fetches, a last commit, goodbye.
    pub(crate) closing: bool,
}

/// What the application and the coordinator task tell each other.
#[derive(Debug)]
pub(crate) struct GroupState {
    /// A subscription that the coordinator task has not taken yet.
    pub(crate) subscribed: Option<Topics>,
    /// As which member offsets are committed, none outside of a generation.
    pub(crate) generation: Option<Generation>,
    /// As which member committed offsets are asked for, if the coordinator wants to know.
    pub(crate) reads_as: Option<Generation>,
    /// A rebalance waits for the application to be inside of poll.
    pub(crate) wants_poll: bool,
    /// It is: partitions may be taken away.
    pub(crate) granted: bool,
    /// When the application was last inside of poll.
    pub(crate) polled_at: Instant,
    /// It waits there now.
    pub(crate) polling: bool,
    /// Commits to do, in this order.
    pub(crate) commits: VecDeque<Commit>,
    /// What closing means for the membership.
    pub(crate) close_as: GroupMembershipOperation,
    /// Ends this member for good.
    pub(crate) fatal: Option<Error>,
}

/// A commit that the application asked for.
#[derive(Debug)]
pub(crate) struct Commit {
    pub(crate) offsets: Offsets,
    pub(crate) deadline: Instant,
    pub(crate) reply: Option<oneshot::Sender<Result<(), Error>>>,
}

impl Shared {
    pub(crate) fn new(fetch: FetchState, now: Instant) -> Arc<Self> {
        let group = GroupState {
            subscribed: None,
            generation: None,
            reads_as: None,
            wants_poll: false,
            granted: false,
            polled_at: now,
            polling: false,
            commits: VecDeque::new(),
            close_as: GroupMembershipOperation::Default,
            fatal: None,
        };
        let state = State {
            fetch,
            group,
            topics: Vec::new(),
            closing: false,
        };
        Arc::new(Self {
            state: Mutex::new(state),
            application: Arc::new(Notify::new()),
            fetcher: Notify::new(),
            coordinator: Notify::new(),
        })
    }

    /// See [`GroupState::reads_as`].
    pub(crate) fn reads_as(&self) -> Option<Generation> {
        self.lock().group.reads_as.clone()
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics under this lock, so its state is whole even if it is poisoned.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl GroupState {
    /// When the application was last inside of poll, none if it is there now.
    pub(crate) fn outside_since(&self) -> Option<Instant> {
        (!self.polling).then_some(self.polled_at)
    }
}
