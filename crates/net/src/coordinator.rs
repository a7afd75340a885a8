//! Which broker coordinates a group or a transactional id.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use klamm_codec::ErrorCode;
use klamm_codec::messages::{BrokerId, FindCoordinatorRequest, FindCoordinatorResponse, StrBytes};

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

    /// What `key` is, for errors.
    pub(crate) fn describe(self, key: &str) -> String {
        match self {
            Self::Group => format!("group {key}"),
            Self::Transaction => format!("transactional id {key}"),
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

/// The first version that asks for many keys (KIP-699).
const BATCHED_VERSION: i16 = 4;

/// Asks for `keys`; before [`BATCHED_VERSION`] a request has room for one of them, the first.
pub(crate) fn request(
    kind: CoordinatorKind,
    keys: &[String],
    version: i16,
) -> FindCoordinatorRequest {
    let text = |key: &String| StrBytes::from_string(key.clone());
    let mut request = FindCoordinatorRequest::default();
    if version >= 1 {
        request = request.with_key_type(kind.key_type());
    }
    if version >= BATCHED_VERSION {
        request.with_coordinator_keys(keys.iter().map(text).collect())
    } else {
        request.with_key(keys.first().map(text).unwrap_or_default())
    }
}

/// A coordinator, or why there is none.
pub(crate) type Found = Result<NodeId, ErrorCode>;

/// What `response` says about `keys`: about the first of them alone, if it is of a version before [`BATCHED_VERSION`].
pub(crate) fn answers(keys: &[String], response: &FindCoordinatorResponse) -> Vec<(String, Found)> {
    let found = |code: i16, node: BrokerId| ErrorCode(code).check().map(|()| NodeId(node.0));
    if response.coordinators.is_empty() {
        let first = keys.first().cloned();
        let found = found(response.error_code, response.node_id);
        return first.map(|key| (key, found)).into_iter().collect();
    }
    let told: HashMap<&str, Found> = response
        .coordinators
        .iter()
        .map(|it| (it.key.as_str(), found(it.error_code, it.node_id)))
        .collect();
    // Whatever the answer leaves out must not be asked for without end.
    let nobody = Err(ErrorCode::COORDINATOR_NOT_AVAILABLE);
    let of = |key: &String| (key.clone(), *told.get(key.as_str()).unwrap_or(&nobody));
    keys.iter().map(of).collect()
}

#[cfg(test)]
mod tests {
    use klamm_codec::messages::find_coordinator_response::Coordinator;

    use super::*;

    fn keys() -> Vec<String> {
        ["a", "b", "c"].map(str::to_owned).to_vec()
    }

    #[test]
    fn an_old_broker_is_asked_for_one_key_and_a_new_one_for_all() {
        let old = request(CoordinatorKind::Group, &keys(), 3);
        assert_eq!((old.key.as_str(), old.coordinator_keys.len()), ("a", 0));
        let new = request(CoordinatorKind::Transaction, &keys(), BATCHED_VERSION);
        assert_eq!((new.key.as_str(), new.key_type), ("", 1));
        let asked: Vec<_> = new.coordinator_keys.iter().map(StrBytes::as_str).collect();
        assert_eq!(asked, ["a", "b", "c"]);
    }

    #[test]
    fn each_key_has_its_answer_also_one_that_the_broker_leaves_out() {
        let told = |key, code, node| {
            let told = Coordinator::default().with_key(StrBytes::from_static_str(key));
            told.with_error_code(code).with_node_id(BrokerId(node))
        };
        let told = vec![told("c", 0, 3), told("unasked", 0, 9), told("a", 30, -1)];
        let response = FindCoordinatorResponse::default().with_coordinators(told);
        let refused = Err(ErrorCode::GROUP_AUTHORIZATION_FAILED);
        let nobody = Err(ErrorCode::COORDINATOR_NOT_AVAILABLE);
        let found = answers(&keys(), &response);
        let expected = [("a", refused), ("b", nobody), ("c", Ok(NodeId(3)))];
        assert_eq!(found, expected.map(|(key, found)| (key.to_owned(), found)));

        let old = FindCoordinatorResponse::default().with_node_id(BrokerId(2));
        let found = answers(&keys(), &old);
        assert_eq!(found, [("a".to_owned(), Ok(NodeId(2)))]);
    }
}
