//! What can go wrong while consuming.

use klamm_codec::ErrorCode;
use klamm_net::TopicPartition;
use klamm_net::config::ConfigError;

/// A failure of a consumer's call.
///
/// After an error a consumer can be used on, unless [`Error::is_fatal`] says otherwise: the next
/// [`poll`](crate::Consumer::poll) goes on where this one stopped.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The network, a broker or a deadline failed.
    #[error(transparent)]
    Net(#[from] klamm_net::Error),
    /// Settings that contradict each other or are out of range: every one of them.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A pattern to subscribe by is none.
    #[error("cannot subscribe by pattern {pattern:?}: {reason}")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A call that this consumer, as it was set up, cannot do.
    #[error("{what}")]
    Misuse {
        /// What was attempted, and what to do instead.
        what: &'static str,
    },
    /// The partition is not assigned to this consumer (any more).
    #[error("{partition} is not assigned to this consumer")]
    NotAssigned {
        /// The partition.
        partition: TopicPartition,
    },
    /// There is no committed offset, and `auto.offset.reset` is `none`.
    #[error(
        "no offset to start {partition} from: the group has committed none and auto.offset.reset is none; seek to an offset"
    )]
    NoOffset {
        /// The partition.
        partition: TopicPartition,
    },
    /// The position is outside of the log, and `auto.offset.reset` is `none`.
    #[error(
        "offset {offset} of {partition} is outside of the log and auto.offset.reset is none; seek to an offset that is there"
    )]
    OffsetOutOfRange {
        /// The partition.
        partition: TopicPartition,
        /// The position.
        offset: i64,
    },
    /// Records that were read are not in the log any more: a broker without them became the leader
    /// (`unclean.leader.election.enable`, or a disk that lost what was not flushed), and
    /// `auto.offset.reset` is `none` (KIP-320).
    #[error(
        "{partition} was truncated below offset {offset}{}: records that were read are gone and auto.offset.reset is none; seek to where the log goes on",
        end_text(*.end_offset)
    )]
    LogTruncation {
        /// The partition.
        partition: TopicPartition,
        /// The position.
        offset: i64,
        /// Up to there the log holds what was read, if the leader knows.
        end_offset: Option<i64>,
    },
    /// Bytes that are not a valid record batch. The position stays: seek past it to go on.
    #[error("{partition} cannot be read at offset {offset}: {reason}; seek past it to go on")]
    Corrupt {
        /// The partition.
        partition: TopicPartition,
        /// First offset that cannot be read.
        offset: i64,
        /// What is wrong with the bytes.
        reason: String,
    },
    /// A broker refuses to let this consumer read the partition.
    #[error("{what} of {partition} was refused: {code}")]
    Partition {
        /// What was attempted.
        what: &'static str,
        /// The partition.
        partition: TopicPartition,
        /// The broker's error code.
        code: ErrorCode,
    },
    /// A topic that the application asked for cannot be read.
    #[error("topic {topic} cannot be read: {code}; check its name and the permissions")]
    Topic {
        /// The topic.
        topic: String,
        /// The broker's error code.
        code: ErrorCode,
    },
    /// The offsets were not committed, and cannot be: the group has given this member's partitions
    /// to others. They will read from the last commit on. Poll more often, or raise
    /// `max.poll.interval.ms` or lower `max.poll.records`.
    #[error(
        "offsets of group {group} were not committed: this member is no longer part of the generation ({code}); its partitions may belong to others"
    )]
    CommitFailed {
        /// The group.
        group: String,
        /// The coordinator's error code.
        code: ErrorCode,
    },
    /// The offsets were not committed since the group is rebalancing; poll, then commit again.
    #[error(
        "offsets of group {group} were not committed: the group is rebalancing; poll to join it again"
    )]
    RebalanceInProgress {
        /// The group.
        group: String,
    },
    /// The coordinator does not accept this member.
    #[error("group {group} does not accept this member: {code}{}", advice(*.code))]
    Group {
        /// The group.
        group: String,
        /// The coordinator's error code.
        code: ErrorCode,
    },
    /// A member of the group sent or got bytes that are not an assignment.
    #[error("group {group}: the {what} cannot be read: {reason}")]
    GroupProtocol {
        /// The group.
        group: String,
        /// Which bytes.
        what: &'static str,
        /// What is wrong with them.
        reason: String,
    },
    /// The call did not end in time.
    #[error("{what} did not end in time")]
    Timeout {
        /// What was attempted.
        what: &'static str,
    },
    /// The consumer was closed.
    #[error("the consumer is closed")]
    Closed,
}

fn end_text(end_offset: Option<i64>) -> String {
    end_offset.map_or_else(String::new, |end| format!(", to {end}"))
}

fn advice(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::FENCED_INSTANCE_ID => "; another consumer uses the same group.instance.id",
        ErrorCode::UNRELEASED_INSTANCE_ID => {
            "; another consumer with the same group.instance.id is still a member"
        }
        ErrorCode::UNSUPPORTED_ASSIGNOR => "; the broker does not know this group.remote.assignor",
        ErrorCode::INVALID_REGULAR_EXPRESSION => {
            "; the broker evaluates the pattern by RE2's syntax"
        }
        ErrorCode::INCONSISTENT_GROUP_PROTOCOL => {
            "; its members share no partition.assignment.strategy with this one"
        }
        ErrorCode::INVALID_SESSION_TIMEOUT => {
            "; session.timeout.ms must lie between the broker's group.min.session.timeout.ms and group.max.session.timeout.ms"
        }
        ErrorCode::GROUP_AUTHORIZATION_FAILED => "; READ on the group is needed",
        ErrorCode::GROUP_MAX_SIZE_REACHED => "; it has group.max.size members",
        _ => "",
    }
}

impl Error {
    /// Whether the same call may succeed later, without anybody changing anything.
    #[must_use]
    pub fn is_retriable(&self) -> bool {
        match self {
            Self::Net(error) => error.is_retriable(),
            Self::Partition { code, .. } => code.is_retriable(),
            Self::RebalanceInProgress { .. } | Self::Timeout { .. } => true,
            _ => false,
        }
    }

    /// Whether this consumer can do nothing any more but be closed.
    #[must_use]
    pub fn is_fatal(&self) -> bool {
        match self {
            Self::Net(error) => error.is_fatal(),
            Self::Group { code, .. } => matches!(
                *code,
                ErrorCode::FENCED_INSTANCE_ID | ErrorCode::UNRELEASED_INSTANCE_ID
            ),
            Self::Closed => true,
            _ => false,
        }
    }

    /// Whether time ran out.
    #[must_use]
    pub const fn is_timeout(&self) -> bool {
        match self {
            Self::Net(error) => error.is_timeout(),
            Self::Timeout { .. } => true,
            _ => false,
        }
    }

    /// The broker's error code, if a broker refused.
    #[must_use]
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Net(error) => error.code(),
            Self::Partition { code, .. }
            | Self::Topic { code, .. }
            | Self::CommitFailed { code, .. }
            | Self::Group { code, .. } => Some(*code),
            Self::RebalanceInProgress { .. } => Some(ErrorCode::REBALANCE_IN_PROGRESS),
            Self::OffsetOutOfRange { .. } => Some(ErrorCode::OFFSET_OUT_OF_RANGE),
            _ => None,
        }
    }
}
