//! Who has lanes of its own.
//!
//! Brokers answer the requests of a connection one after the other. Two consumers on one connection
//! would wait for each other's long polls; in one group, the join of one, which is answered when all
//! members have joined, would stand before that of the other. So each role takes lanes of its own,
//! and shares metadata, coordinators and backoff with the rest of its client.

use std::sync::Arc;

use super::Lane;
use super::pool::Pool;
use crate::metadata::TopicsInUse;

/// Whose lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct OwnerId(u64);

impl OwnerId {
    /// The client itself.
    pub(crate) const CLIENT: Self = Self(0);

    pub(super) const fn nth(number: u64) -> Self {
        Self(number)
    }
}

/// A lane and its owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct LaneKey {
    lane: Lane,
    pub(super) owner: OwnerId,
}

impl LaneKey {
    pub(crate) const fn new(lane: Lane, owner: OwnerId) -> Self {
        Self { lane, owner }
    }
}

/// Holds lanes and topics; with it they go.
pub(crate) struct Owner {
    id: OwnerId,
    /// Whether even the control lane is its own.
    owns_control: bool,
    pool: Arc<Pool>,
    topics: Arc<TopicsInUse>,
}

impl Owner {
    /// The client itself, whose lanes last as long as the pool.
    pub(crate) fn client(pool: Arc<Pool>, topics: Arc<TopicsInUse>) -> Self {
        Self {
            id: OwnerId::CLIENT,
            owns_control: true,
            pool,
            topics,
        }
    }

    /// Another owner of the same client.
    pub(crate) fn another(&self, owns_control: bool) -> Self {
        Self {
            id: self.pool.next_owner(),
            owns_control,
            pool: Arc::clone(&self.pool),
            topics: Arc::clone(&self.topics),
        }
    }

    pub(crate) fn id(&self) -> OwnerId {
        self.id
    }

    pub(crate) fn key(&self, lane: Lane) -> LaneKey {
        let shared = lane == Lane::Control && !self.owns_control;
        LaneKey::new(lane, if shared { OwnerId::CLIENT } else { self.id })
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        if self.id != OwnerId::CLIENT {
            self.pool.forget_owner(self.id);
            self.topics.retain(self.id, |_| false);
        }
    }
}
