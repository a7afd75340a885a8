//! The states of a transactional producer, and which may follow which.

use std::fmt;

/// Where a transactional producer stands. `docs/design/transactions.md` has the picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum State {
    /// It has no producer id yet.
    Uninitialized,
    /// A producer id, or the next epoch, is being asked for.
    Initializing,
    /// No transaction is open.
    Ready,
    InTransaction,
    Committing,
    Aborting,
    /// The transaction cannot be committed any more.
    AbortableError,
    /// Nothing can be done any more.
    Fatal,
}

impl State {
    /// Whether this state may follow `from`.
    pub(crate) const fn may_follow(self, from: Self) -> bool {
        match self {
            Self::Uninitialized => matches!(from, Self::Ready | Self::AbortableError),
            Self::Initializing => matches!(
                from,
                Self::Uninitialized | Self::Committing | Self::Aborting
            ),
            Self::Ready => matches!(from, Self::Initializing | Self::Committing | Self::Aborting),
            Self::InTransaction => matches!(from, Self::Ready),
            Self::Committing => matches!(from, Self::InTransaction),
            Self::Aborting => matches!(from, Self::InTransaction | Self::AbortableError),
            Self::AbortableError => matches!(
                from,
                Self::InTransaction | Self::Committing | Self::AbortableError | Self::Initializing
            ),
            Self::Fatal => true,
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Uninitialized => "not initialized",
            Self::Initializing => "being initialized",
            Self::Ready => "without an open transaction",
            Self::InTransaction => "in a transaction",
            Self::Committing => "committing",
            Self::Aborting => "aborting",
            Self::AbortableError => "in a transaction that must be aborted",
            Self::Fatal => "failed for good",
        })
    }
}

#[cfg(test)]
mod tests {
    use State::{
        AbortableError, Aborting, Committing, Fatal, InTransaction, Initializing, Ready,
        Uninitialized,
    };

    use super::*;

    #[test]
    fn every_pair_of_states_is_allowed_or_not_as_in_the_table_of_predecessors() {
        let all = [
            Uninitialized,
            Initializing,
            Ready,
            InTransaction,
            Committing,
            Aborting,
            AbortableError,
            Fatal,
        ];
        let predecessors: [(State, &[State]); 8] = [
            (Uninitialized, &[Ready, AbortableError]),
            (Initializing, &[Uninitialized, Committing, Aborting]),
            (Ready, &[Initializing, Committing, Aborting]),
            (InTransaction, &[Ready]),
            (Committing, &[InTransaction]),
            (Aborting, &[InTransaction, AbortableError]),
            (
                AbortableError,
                &[InTransaction, Committing, AbortableError, Initializing],
            ),
            (Fatal, &all),
        ];
        for (to, allowed) in predecessors {
            for from in all {
                let expected = allowed.contains(&from);
                assert_eq!(to.may_follow(from), expected, "{from:?} -> {to:?}");
            }
        }
    }
}
