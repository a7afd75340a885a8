//! Whether a refusal is the answer, or the key has to be asked about again.

use klamm_codec::ErrorCode;

use super::Target;

/// How often a leader or broker that nobody knows is looked for: a topic that was created a moment ago is not
/// known to all brokers yet, one that is not there should not cost the whole timeout, as in Java.
pub(super) const UNKNOWN_ATTEMPTS: u32 = 4;

/// What to do about a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// It is the answer.
    Never,
    /// Ask the same broker later.
    Again,
    /// Find out who has to be asked by now.
    Elsewhere,
}

/// What to do about `code` from the broker at `target`, after `attempts` attempts before this one.
pub(crate) fn next(code: ErrorCode, target: &Target, attempts: u32) -> Next {
    match code {
        ErrorCode::NOT_CONTROLLER
        | ErrorCode::NOT_COORDINATOR
        | ErrorCode::COORDINATOR_NOT_AVAILABLE
        | ErrorCode::NOT_LEADER_OR_FOLLOWER
        | ErrorCode::LEADER_NOT_AVAILABLE
        | ErrorCode::FENCED_LEADER_EPOCH
        | ErrorCode::UNKNOWN_LEADER_EPOCH
        | ErrorCode::REPLICA_NOT_AVAILABLE
        | ErrorCode::KAFKA_STORAGE_ERROR
        | ErrorCode::NETWORK_EXCEPTION
        | ErrorCode::LISTENER_NOT_FOUND => Next::Elsewhere,
        ErrorCode::COORDINATOR_LOAD_IN_PROGRESS
        | ErrorCode::UNSTABLE_OFFSET_COMMIT
        | ErrorCode::OFFSET_NOT_AVAILABLE
        | ErrorCode::CONCURRENT_TRANSACTIONS
        | ErrorCode::THROTTLING_QUOTA_EXCEEDED => Next::Again,
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
            if matches!(target, Target::Leader(_)) && attempts < UNKNOWN_ATTEMPTS =>
        {
            Next::Elsewhere
        }
        _ => Next::Never,
    }
}
