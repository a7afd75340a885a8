//! How a consumer ends.

use std::time::Duration;

/// What closing means for the membership in the group (KIP-1092).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GroupMembershipOperation {
    /// Dynamic members leave, static ones (`group.instance.id`) remain.
    #[default]
    Default,
    /// Leave: the partitions go to others at once.
    LeaveGroup,
    /// Remain: the partitions wait until the session ends, or for the same static member.
    RemainInGroup,
}

/// How to [`close`](crate::Consumer::close) a consumer; a `Duration` alone is its timeout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CloseOptions {
    pub(crate) timeout: Duration,
    pub(crate) operation: GroupMembershipOperation,
}

impl CloseOptions {
    /// With 30 seconds, and what is usual for the kind of member.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            timeout: Duration::from_secs(30),
            operation: GroupMembershipOperation::Default,
        }
    }

    /// The time for the last commit, the last callback and leaving. Default: 30 s.
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Whether the member leaves. Default: as [`GroupMembershipOperation::Default`].
    #[must_use]
    pub const fn group_membership(mut self, operation: GroupMembershipOperation) -> Self {
        self.operation = operation;
        self
    }
}

impl Default for CloseOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl From<Duration> for CloseOptions {
    fn from(timeout: Duration) -> Self {
        Self::new().timeout(timeout)
    }
}
