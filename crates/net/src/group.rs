//! Which member of a group commits, and what: consumers and transactional producers both do.

/// An offset to commit, or that was committed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct OffsetAndMetadata {
    /// The next offset to read: that of the last record handled, plus one.
    pub offset: i64,
    /// Leader epoch of the last record handled, if known: lets brokers notice a truncated log
    /// (KIP-320).
    pub leader_epoch: Option<i32>,
    /// Any text of the application's.
    pub metadata: String,
}

impl OffsetAndMetadata {
    /// The offset alone.
    #[must_use]
    pub const fn new(offset: i64) -> Self {
        Self {
            offset,
            leader_epoch: None,
            metadata: String::new(),
        }
    }

    /// With the leader epoch of the last record handled (KIP-320).
    #[must_use]
    pub const fn leader_epoch(mut self, leader_epoch: i32) -> Self {
        self.leader_epoch = Some(leader_epoch);
        self
    }

    /// With any text of the application's.
    #[must_use]
    pub fn metadata(mut self, metadata: impl Into<String>) -> Self {
        self.metadata = metadata.into();
        self
    }
}

impl From<i64> for OffsetAndMetadata {
    fn from(offset: i64) -> Self {
        Self::new(offset)
    }
}

/// Which member of a group a consumer is, in which generation: a transaction that commits offsets
/// with it is refused when the group has moved on (KIP-447).
///
/// A consumer gives its own (`Consumer::group_metadata`); take it anew for each transaction.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct GroupMetadata {
    /// The group (`group.id`).
    pub group_id: String,
    /// Generation (classic groups) or member epoch (KIP-848); -1 for no member.
    pub generation: i32,
    /// The member, given by the coordinator or chosen by itself; empty for no member.
    pub member_id: String,
    /// The static member (`group.instance.id`), if it is one.
    pub instance_id: Option<String>,
}

impl GroupMetadata {
    /// A group without a member: nothing is fenced. For consumers that assign partitions by hand.
    #[must_use]
    pub fn of_group(group_id: impl Into<String>) -> Self {
        Self {
            group_id: group_id.into(),
            generation: -1,
            member_id: String::new(),
            instance_id: None,
        }
    }

    /// The member with this id, in this generation or member epoch.
    #[must_use]
    pub fn member(mut self, member_id: impl Into<String>, generation: i32) -> Self {
        self.member_id = member_id.into();
        self.generation = generation;
        self
    }

    /// The static member with this id.
    #[must_use]
    pub fn instance(mut self, instance_id: Option<String>) -> Self {
        self.instance_id = instance_id;
        self
    }
}
