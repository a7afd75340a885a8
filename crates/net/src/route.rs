//! Where a request has to go, and what its response means for trying again.

use klamm_codec::ErrorCode;

use crate::coordinator::CoordinatorKind;
use crate::node::NodeId;

/// Where a request has to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// Any broker.
    Any,
    /// The controller, or a broker that forwards to it.
    Controller,
    /// The broker with this id.
    Node(NodeId),
    /// The coordinator of a group or transactional id.
    Coordinator(CoordinatorKind, String),
    /// The leader of a partition.
    Leader(String, i32),
}

/// What a response means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is the answer.
    Done,
    /// Try again after a backoff; whoever answered may be the wrong broker by now.
    Retry(ErrorCode),
    /// The broker refused; `context` says what: topic, group.
    Fail(ErrorCode, String),
}

impl Verdict {
    /// The verdict on a single error code about `context`, by its class alone.
    #[must_use]
    pub fn of(code: ErrorCode, context: impl Into<String>) -> Self {
        if code.is_none() {
            Self::Done
        } else if code.is_retriable() || code == ErrorCode::NOT_CONTROLLER {
            Self::Retry(code)
        } else {
            Self::Fail(code, context.into())
        }
    }
}
