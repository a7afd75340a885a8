//! What a member owns, and how partitions change hands.
//!
//! Both group protocols end in the same: some partitions have to go, others come.
//!
//! ```text
//! Settled ──change──> Waiting ──poll──> Revoking ──revoked──> Assigning ──assigned──> Settled
//!    ^        └─ nothing goes ───────────────────────────────────^             │
//!    └────────────────── given up, nothing to come: after Revoking ────────────┘
//! ```
//! Invariants
//! - partitions go (`Action::Revoke`) only while the application is inside of poll
//! - one change at a time: until it has settled, another one only replaces what still waits

use std::collections::{BTreeSet, VecDeque};

use klamm_net::TopicPartition;

use super::action::Action;

/// Partitions, sorted.
pub(super) type Partitions = BTreeSet<TopicPartition>;

#[derive(Debug, PartialEq, Eq)]
enum Stage {
    Settled,
    /// Something has to go; the application is not inside of poll.
    Waiting {
        kept: Partitions,
        target: Partitions,
    },
    /// It goes; then what is given comes.
    Revoking {
        kept: Partitions,
        target: Option<Partitions>,
    },
    Assigning(Partitions),
}

/// How far a change has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    UnderWay,
    Done,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Ownership {
    owned: Partitions,
    stage: Stage,
}

impl Ownership {
    pub(super) const fn new() -> Self {
        Self {
            owned: Partitions::new(),
            stage: Stage::Settled,
        }
    }

    pub(super) const fn owned(&self) -> &Partitions {
        &self.owned
    }

    /// Whether partitions are changing hands right now.
    pub(super) const fn is_busy(&self) -> bool {
        matches!(self.stage, Stage::Revoking { .. } | Stage::Assigning(_))
    }

    /// Whether a change waits for the application.
    pub(super) const fn wants_poll(&self) -> bool {
        matches!(self.stage, Stage::Waiting { .. })
    }

    /// Owns `target` in the end, of which `kept` is owned already and stays. Not while busy.
    pub(super) fn change(
        &mut self,
        kept: Partitions,
        target: Partitions,
        actions: &mut VecDeque<Action>,
    ) {
        debug_assert!(!self.is_busy());
        if kept == self.owned {
            self.take_over(target, actions);
        } else {
            self.stage = Stage::Waiting { kept, target };
        }
    }

    /// A change that waits is not wanted any more.
    pub(super) fn forget_waiting(&mut self) {
        if self.wants_poll() {
            self.stage = Stage::Settled;
        }
    }

    /// Keeps `kept` alone, from now on; the application is inside of poll. Not while busy. `lost`
    /// partitions may belong to others already.
    pub(super) fn give_up(
        &mut self,
        kept: Partitions,
        lost: bool,
        actions: &mut VecDeque<Action>,
    ) -> Progress {
        debug_assert!(!self.is_busy());
        if kept == self.owned {
            self.stage = Stage::Settled;
            return Progress::Done;
        }
        self.revoke(kept, None, lost, actions);
        Progress::UnderWay
    }

    /// The application is inside of poll.
    pub(super) fn handle_poll(&mut self, actions: &mut VecDeque<Action>) {
        if let Stage::Waiting { kept, target } = &mut self.stage {
            let (kept, target) = (std::mem::take(kept), std::mem::take(target));
            self.revoke(kept, Some(target), false, actions);
        }
    }

    /// The outcome of [`Action::Revoke`].
    pub(super) fn handle_revoked(&mut self, actions: &mut VecDeque<Action>) -> Progress {
        let Stage::Revoking { kept, target } = &mut self.stage else {
            return Progress::UnderWay;
        };
        self.owned = std::mem::take(kept);
        match target.take() {
            Some(target) => {
                self.take_over(target, actions);
                Progress::UnderWay
            }
            None => {
                self.stage = Stage::Settled;
                Progress::Done
            }
        }
    }

    /// The outcome of [`Action::Assign`].
    pub(super) fn handle_assigned(&mut self) {
        if let Stage::Assigning(target) = &mut self.stage {
            self.owned = std::mem::take(target);
            self.stage = Stage::Settled;
        }
    }

    fn revoke(
        &mut self,
        kept: Partitions,
        target: Option<Partitions>,
        lost: bool,
        actions: &mut VecDeque<Action>,
    ) {
        let partitions = self.owned.difference(&kept).cloned().collect();
        actions.push_back(Action::Revoke { partitions, lost });
        self.stage = Stage::Revoking { kept, target };
    }

    fn take_over(&mut self, target: Partitions, actions: &mut VecDeque<Action>) {
        let added = target.difference(&self.owned).cloned().collect();
        actions.push_back(Action::Assign(added));
        self.stage = Stage::Assigning(target);
    }
}
