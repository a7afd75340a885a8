//! The state of one assigned partition: where it stands, and what is being done about it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use klamm_net::{Backoff, NodeId, TopicId};
use tokio::time::Instant;

use crate::offset::OffsetAndMetadata;

/// Names one stay at a partition: assigning it and seeking in it give it a new one, so that answers
/// to what was asked before are recognised and dropped. Never used twice by a consumer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Epoch(pub(crate) u64);

/// A place in a partition, as it is committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    /// Next offset.
    pub(crate) offset: i64,
    /// Leader epoch of the record before it, or -1 (KIP-320).
    pub(crate) leader_epoch: i32,
}

impl Position {
    const NONE: Self = Self {
        offset: -1,
        leader_epoch: -1,
    };
}

/// Where to go when there is no position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum ResetTo {
    /// The first offset of the log.
    Earliest,
    /// The end of the log.
    Latest,
    /// The first record that is not older, in milliseconds since the Unix epoch; the end if there
    /// is none.
    Timestamp(i64),
    /// The first record that is not older than this, at the time of asking (KIP-1106).
    Ago(Duration),
}

impl ResetTo {
    /// As `ListOffsets` has it.
    pub(crate) fn timestamp(self, now: SystemTime) -> i64 {
        match self {
            Self::Latest => -1,
            Self::Earliest => -2,
            Self::Timestamp(timestamp) => timestamp.max(0),
            Self::Ago(age) => {
                let then = now.checked_sub(age);
                let since = then.and_then(|then| then.duration_since(UNIX_EPOCH).ok());
                since.map_or(0, |since| {
                    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
                })
            }
        }
    }

    /// Whether there may be no such record, so that the end of the log is meant.
    pub(crate) const fn may_be_none(self) -> bool {
        matches!(self, Self::Timestamp(_) | Self::Ago(_))
    }
}

/// What the last answer about a partition said of its log; -1 for what is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LogEnds {
    pub(crate) start: i64,
    pub(crate) last_stable: i64,
    pub(crate) high_watermark: i64,
}

impl LogEnds {
    const UNKNOWN: Self = Self {
        start: -1,
        last_stable: -1,
        high_watermark: -1,
    };
}

/// Where a partition is read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Leader {
    pub(crate) node: NodeId,
    pub(crate) epoch: i32,
    pub(crate) topic_id: TopicId,
}

/// A replica to read from instead of the leader, for as long as metadata holds (KIP-392).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Preferred {
    pub(crate) node: NodeId,
    pub(crate) until: Instant,
}

/// What is wrong with the fetch position. What to do about it depends on how far the application
/// got, which only its next poll tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// It is outside of the log.
    OutOfRange,
    /// The log was truncated there (KIP-320): the epoch of the record before it ended at this
    /// offset, or at none that the leader knows. What holds is below it.
    Truncated {
        end: Option<Position>,
        /// Of the leader that said so.
        leader_epoch: i32,
    },
}

/// What a partition needs next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// The group's committed offset.
    AwaitCommitted,
    /// An offset from its leader.
    AwaitReset(ResetTo),
    /// Data, once its leader has said that the position is part of its log.
    Fetching,
    /// The next poll.
    Troubled(Trouble),
    /// A seek by the application: there is no position, or the bytes there cannot be read.
    Stuck,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct PartitionState {
    pub(crate) epoch: Epoch,
    pub(crate) status: Status,
    /// What the application was given before its last poll; none until there is a position.
    pub(crate) consumed: Option<Position>,
    /// Next offset to fetch, ahead of `consumed` by what is buffered, and the leader epoch of the
    /// record before it.
    pub(crate) fetched: Position,
    /// The newest leader epoch that is known to have the position in its log, or -1.
    pub(crate) valid_in: i32,
    /// The topic that the position is one of, zero if unknown.
    pub(crate) topic_id: TopicId,
    /// The leader that it was last read from, or would have been.
    pub(crate) leader: Option<Leader>,
    pub(crate) preferred: Option<Preferred>,
    /// The broker whose session it is part of.
    pub(crate) node: Option<NodeId>,
    /// Whether its offset is being looked up, or its position validated.
    pub(crate) looking_up: bool,
    /// Whether it is among those to look at.
    pub(crate) queued: bool,
    /// It is changing hands: nothing is asked for.
    pub(crate) held: bool,
    /// When it was served last, for taking turns.
    pub(crate) turn: u64,
    pub(crate) pause: Pause,
    /// The application wants nothing of it for now.
    pub(crate) paused: bool,
    pub(crate) log: LogEnds,
    /// What the application said it is done with, if it says so itself.
    pub(crate) stored: Option<OffsetAndMetadata>,
}

impl PartitionState {
    pub(crate) fn new(epoch: Epoch, status: Status) -> Self {
        Self {
            epoch,
            status,
            consumed: None,
            fetched: Position::NONE,
            valid_in: -1,
            topic_id: TopicId::default(),
            leader: None,
            preferred: None,
            node: None,
            looking_up: false,
            queued: false,
            held: false,
            turn: 0,
            pause: Pause::default(),
            paused: false,
            log: LogEnds::UNKNOWN,
            stored: None,
        }
    }

    /// Fetching goes on at `position`, which the leader of epoch `valid_in` has in its log (-1: who
    /// knows).
    pub(crate) fn start_at(&mut self, position: Position, valid_in: i32) {
        self.status = Status::Fetching;
        self.consumed = Some(position);
        self.fetched = position;
        self.valid_in = valid_in;
        self.looking_up = false;
        self.pause = Pause::default();
    }

    /// There is no position until it was looked up.
    pub(crate) fn look_for(&mut self, to: ResetTo) {
        self.status = Status::AwaitReset(to);
        self.consumed = None;
        self.fetched = Position::NONE;
        self.looking_up = false;
        self.pause = Pause::default();
    }

    /// Whether everything fetched was handed out, and the application asked for more.
    pub(crate) fn is_drained(&self) -> bool {
        self.consumed
            .is_some_and(|position| position.offset == self.fetched.offset)
    }
}

/// The pause after failures in a row.
#[derive(Debug, Default)]
pub(crate) struct Pause {
    until: Option<Instant>,
    failures: u32,
}

impl Pause {
    /// Waits longer after each failure, as long as others that have failed as often.
    pub(crate) fn failed(&mut self, now: Instant, backoff: Backoff) {
        const NO_CHANCE: f64 = 0.5;
        self.until = Some(now + backoff.delay(self.failures, NO_CHANCE));
        self.failures = self.failures.saturating_add(1);
    }

    pub(crate) fn succeeded(&mut self) {
        *self = Self::default();
    }

    /// The end of the pause, if it lies ahead.
    pub(crate) fn ahead(&self, now: Instant) -> Option<Instant> {
        self.until.filter(|until| *until > now)
    }
}
