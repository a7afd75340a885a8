//! The state of one assigned partition: where it stands, and what is being done about it.

use klamm_net::{Backoff, NodeId};
use tokio::time::Instant;

/// Names one stay at a partition: assigning it and seeking in it give it a new one, so that answers
/// to what was asked before are recognised and dropped. Never used twice by a consumer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Epoch(pub(crate) u64);

/// Names one fetch request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FetchId(pub(crate) u64);

/// A place in a partition, as it is committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    /// Next offset.
    pub(crate) offset: i64,
    /// Leader epoch of the record before it, or -1 (KIP-320).
    pub(crate) leader_epoch: i32,
}

/// Where to go when there is no position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum ResetTo {
    /// The first offset of the log.
    Earliest,
    /// The end of the log.
    Latest,
}

impl ResetTo {
    /// As `ListOffsets` has it.
    pub(crate) const fn timestamp(self) -> i64 {
        match self {
            Self::Latest => -1,
            Self::Earliest => -2,
        }
    }
}

/// What a partition needs next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// The group's committed offset.
    AwaitCommitted,
    /// An offset from its leader.
    AwaitReset(ResetTo),
    /// Data.
    Fetching,
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
    /// Next offset to fetch, ahead of `consumed` by what is buffered.
    pub(crate) fetch_offset: i64,
    /// The fetch it is part of.
    pub(crate) fetching: Option<(FetchId, NodeId)>,
    /// Whether its offset is being looked up.
    pub(crate) looking_up: bool,
    /// When it was served last, for taking turns.
    pub(crate) turn: u64,
    pub(crate) pause: Pause,
}

impl PartitionState {
    pub(crate) fn new(epoch: Epoch, status: Status) -> Self {
        Self {
            epoch,
            status,
            consumed: None,
            fetch_offset: -1,
            fetching: None,
            looking_up: false,
            turn: 0,
            pause: Pause::default(),
        }
    }

    /// Fetching goes on at `position`.
    pub(crate) fn start_at(&mut self, position: Position) {
        self.status = Status::Fetching;
        self.consumed = Some(position);
        self.fetch_offset = position.offset;
        self.fetching = None;
        self.looking_up = false;
        self.pause = Pause::default();
    }

    /// Whether everything fetched was handed out, and the application asked for more.
    pub(crate) fn is_drained(&self) -> bool {
        self.consumed
            .is_some_and(|position| position.offset == self.fetch_offset)
    }
}

/// The pause after failures in a row.
#[derive(Debug, Default)]
pub(crate) struct Pause {
    until: Option<Instant>,
    failures: u32,
}

impl Pause {
    /// Waits longer after each failure.
    pub(crate) fn failed(&mut self, now: Instant, backoff: Backoff) {
        self.until = Some(now + backoff.jittered(self.failures));
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
