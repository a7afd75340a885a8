//! What the error codes of the coordinators mean: the table of the Java client in one place.

use klamm_codec::ErrorCode;

/// What was asked of a coordinator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    FindCoordinator,
    InitProducerId,
    AddPartitions,
    AddOffsets,
    CommitOffsets,
    EndTxn,
}

/// What a code means for the producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verdict {
    Done,
    /// Ask again, after a pause.
    Retry,
    /// As [`Verdict::Retry`], and look for the coordinator anew.
    Coordinator,
    /// The transaction must be aborted.
    Abortable,
    /// The producer is at its end.
    Fatal,
}

/// What the verdict depends on, besides what was asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Circumstances {
    /// The coordinator can bump the epoch of a producer that is known (KIP-360).
    pub(crate) can_bump: bool,
    /// The transaction is being aborted.
    pub(crate) aborting: bool,
}

impl Verdict {
    /// The verdict on `code` as the answer to what was `asked`.
    pub(crate) fn of(asked: Asked, code: ErrorCode, circumstances: Circumstances) -> Self {
        match code {
            ErrorCode::NONE => Self::Done,
            ErrorCode::NOT_COORDINATOR | ErrorCode::COORDINATOR_NOT_AVAILABLE => {
                if asked == Asked::FindCoordinator {
                    Self::Retry
                } else {
                    Self::Coordinator
                }
            }
            ErrorCode::REQUEST_TIMED_OUT if asked == Asked::CommitOffsets => Self::Coordinator,
            ErrorCode::TRANSACTION_ABORTABLE => {
                if circumstances.aborting && asked == Asked::EndTxn {
                    Self::Fatal
                } else {
                    Self::Abortable
                }
            }
            ErrorCode::UNKNOWN_PRODUCER_ID => match asked {
                Asked::AddPartitions | Asked::AddOffsets | Asked::EndTxn
                    if circumstances.can_bump && !circumstances.aborting =>
                {
                    Self::Abortable
                }
                _ => Self::Fatal,
            },
            code if code.is_retriable() => Self::Retry,
            code => Self::of_final(asked, code),
        }
    }

    /// The verdict on a code that stays if the request is repeated.
    fn of_final(asked: Asked, code: ErrorCode) -> Self {
        let is_abortable = match asked {
            Asked::FindCoordinator | Asked::AddOffsets => {
                code == ErrorCode::GROUP_AUTHORIZATION_FAILED
            }
            Asked::InitProducerId => matches!(
                code,
                ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED
                    | ErrorCode::CLUSTER_AUTHORIZATION_FAILED
            ),
            // Only these end the producer; all else may be said of one partition alone.
            Asked::AddPartitions => !matches!(
                code,
                ErrorCode::INVALID_PRODUCER_EPOCH
                    | ErrorCode::PRODUCER_FENCED
                    | ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED
                    | ErrorCode::INVALID_TXN_STATE
                    | ErrorCode::INVALID_PRODUCER_ID_MAPPING
            ),
            Asked::CommitOffsets => matches!(
                code,
                ErrorCode::GROUP_AUTHORIZATION_FAILED
                    | ErrorCode::FENCED_INSTANCE_ID
                    | ErrorCode::UNKNOWN_MEMBER_ID
                    | ErrorCode::ILLEGAL_GENERATION
                    | ErrorCode::STALE_MEMBER_EPOCH
                    | ErrorCode::GROUP_ID_NOT_FOUND
            ),
            Asked::EndTxn => false,
        };
        if is_abortable {
            Self::Abortable
        } else {
            Self::Fatal
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The columns of the table.
    const ASKED: [Asked; 6] = [
        Asked::InitProducerId,
        Asked::AddPartitions,
        Asked::AddOffsets,
        Asked::EndTxn,
        Asked::CommitOffsets,
        Asked::FindCoordinator,
    ];

    fn verdicts(code: ErrorCode, can_bump: bool, aborting: bool) -> String {
        let circumstances = Circumstances { can_bump, aborting };
        let sign = |asked| match Verdict::of(asked, code, circumstances) {
            Verdict::Done => '-',
            Verdict::Retry => 'R',
            Verdict::Coordinator => 'C',
            Verdict::Abortable => 'A',
            Verdict::Fatal => 'F',
        };
        ASKED.into_iter().map(sign).collect()
    }

    /// A letter for each of [`ASKED`].
    #[test]
    fn every_cell_of_the_table_has_its_verdict() {
        let table = [
            (ErrorCode::NONE, "------"),
            (ErrorCode::NOT_COORDINATOR, "CCCCCR"),
            (ErrorCode::COORDINATOR_NOT_AVAILABLE, "CCCCCR"),
            (ErrorCode::REQUEST_TIMED_OUT, "RRRRCR"),
            (ErrorCode::COORDINATOR_LOAD_IN_PROGRESS, "RRRRRR"),
            (ErrorCode::CONCURRENT_TRANSACTIONS, "RRRRRR"),
            (ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, "RRRRRR"),
            (ErrorCode::INVALID_PRODUCER_EPOCH, "FFFFFF"),
            (ErrorCode::PRODUCER_FENCED, "FFFFFF"),
            (ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED, "AFFFFF"),
            (ErrorCode::CLUSTER_AUTHORIZATION_FAILED, "AAFFFF"),
            (ErrorCode::INVALID_TXN_STATE, "FFFFFF"),
            (ErrorCode::INVALID_PRODUCER_ID_MAPPING, "FFFFFF"),
            (ErrorCode::UNKNOWN_PRODUCER_ID, "FFFFFF"),
            (ErrorCode::TOPIC_AUTHORIZATION_FAILED, "FAFFFF"),
            (ErrorCode::OPERATION_NOT_ATTEMPTED, "FAFFFF"),
            (ErrorCode::GROUP_AUTHORIZATION_FAILED, "FAAFAA"),
            (ErrorCode::FENCED_INSTANCE_ID, "FAFFAF"),
            (ErrorCode::UNKNOWN_MEMBER_ID, "FAFFAF"),
            (ErrorCode::ILLEGAL_GENERATION, "FAFFAF"),
            (ErrorCode::STALE_MEMBER_EPOCH, "FAFFAF"),
            (ErrorCode::GROUP_ID_NOT_FOUND, "FAFFAF"),
            (ErrorCode::TRANSACTION_ABORTABLE, "AAAAAA"),
            (ErrorCode::UNSUPPORTED_FOR_MESSAGE_FORMAT, "FAFFFF"),
            (ErrorCode::INVALID_TRANSACTION_TIMEOUT, "FAFFFF"),
            (ErrorCode::UNKNOWN_SERVER_ERROR, "FAFFFF"),
            (ErrorCode(999), "FAFFFF"),
        ];
        for (code, expected) in table {
            assert_eq!(verdicts(code, false, false), expected, "{code}");
        }
    }

    #[test]
    fn an_unknown_producer_may_go_on_where_its_epoch_can_be_bumped() {
        let code = ErrorCode::UNKNOWN_PRODUCER_ID;
        assert_eq!(verdicts(code, true, false), "FAAAFF");
        assert_eq!(verdicts(code, true, true), "FFFFFF");
    }

    #[test]
    fn what_must_be_aborted_and_cannot_ends_the_producer() {
        let code = ErrorCode::TRANSACTION_ABORTABLE;
        assert_eq!(verdicts(code, true, true), "AAAFAA");
    }
}
