//! Which broker coordinates a group or a transactional id.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use klamm_codec::ErrorCode;
use klamm_codec::messages::{FindCoordinatorRequest, FindCoordinatorResponse, StrBytes};

use crate::node::NodeId;

/// What is coordinated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CoordinatorKind {
    /// A consumer group, by group id.
    Group,
    /// A transactional producer, by transactional id.
    Transaction,
}

impl CoordinatorKind {
    /// What `FindCoordinator` calls it.
    #[must_use]
    pub const fn key_type(self) -> i8 {
        match self {
            Self::Group => 0,
            Self::Transaction => 1,
        }
    }
}

/// How many coordinators are remembered; beyond, all are looked up anew. A hundred bytes each.
const REMEMBERED_MAX: usize = 100_000;

/// Coordinators found so far; an entry goes when a broker says that it is not the coordinator.
#[derive(Default)]
pub(crate) struct Coordinators {
    found: Mutex<HashMap<(CoordinatorKind, String), NodeId>>,
}

impl Coordinators {
    fn with<T>(&self, act: impl FnOnce(&mut HashMap<(CoordinatorKind, String), NodeId>) -> T) -> T {
        act(&mut self.found.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn get(&self, kind: CoordinatorKind, key: &str) -> Option<NodeId> {
        self.with(|found| found.get(&(kind, key.to_owned())).copied())
    }

    pub(crate) fn insert(&self, kind: CoordinatorKind, key: &str, node: NodeId) {
        self.with(|found| {
            if found.len() >= REMEMBERED_MAX {
                found.clear();
            }
            found.insert((kind, key.to_owned()), node);
        });
    }

    pub(crate) fn forget(&self, kind: CoordinatorKind, key: &str) {
        self.with(|found| found.remove(&(kind, key.to_owned())));
    }
}

/// The request for one key; from version 4 on in the batched form (KIP-699).
pub(crate) fn request(kind: CoordinatorKind, key: &str, version: i16) -> FindCoordinatorRequest {
    let key = StrBytes::from_string(key.to_owned());
    let mut request = FindCoordinatorRequest::default();
    if version >= 1 {
        request = request.with_key_type(kind.key_type());
    }
    if version >= 4 {
        request.with_coordinator_keys(vec![key])
    } else {
        request.with_key(key)
    }
}

/// The coordinator in `response`, or why there is none.
pub(crate) fn answer(response: &FindCoordinatorResponse) -> Result<NodeId, ErrorCode> {
    let (code, node) = match response.coordinators.first() {
        Some(coordinator) => (coordinator.error_code, coordinator.node_id),
        None => (response.error_code, response.node_id),
    };
    ErrorCode(code).check()?;
    Ok(NodeId(node.0))
}
