//! What the error codes of a produce response mean: the table of protocol.md 2.6 in one place.

use klamm_codec::ErrorCode;

use crate::idempotence::Answer;

/// What an error code means for its batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) answer: Answer,
    /// The producer cannot go on.
    pub(super) fatal: bool,
    /// The batch may be in the log although it is refused.
    pub(super) maybe_written: bool,
}

impl Verdict {
    const fn new(answer: Answer) -> Self {
        Self {
            answer,
            fatal: false,
            maybe_written: false,
        }
    }

    /// The verdict on `code` for an idempotent producer, or a plain one.
    pub(super) fn of(code: ErrorCode, idempotent: bool) -> Self {
        match code {
            ErrorCode::NONE | ErrorCode::DUPLICATE_SEQUENCE_NUMBER => Self::new(Answer::Written),
            ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER | ErrorCode::UNKNOWN_PRODUCER_ID
                if idempotent =>
            {
                Self::new(Answer::OutOfOrder)
            }
            // Appended, but not (yet) replicated, or not known to be. A leader that is replaced while
            // the batch waits for its replicas answers as one that never was the leader.
            ErrorCode::REQUEST_TIMED_OUT
            | ErrorCode::NOT_LEADER_OR_FOLLOWER
            | ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
            | ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND
            | ErrorCode::KAFKA_STORAGE_ERROR => Self::new(Answer::Lost),
            ErrorCode::CLUSTER_AUTHORIZATION_FAILED
            | ErrorCode::UNSUPPORTED_VERSION
            | ErrorCode::INVALID_PRODUCER_ID_MAPPING
            | ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED
            | ErrorCode::PRODUCER_FENCED
                if idempotent =>
            {
                Self {
                    fatal: true,
                    ..Self::new(Answer::Refused)
                }
            }
            code if code.is_retriable() => Self::new(Answer::Retry),
            // The broker failed at an unknown point, or in a way that is newer than this client.
            code if code == ErrorCode::UNKNOWN_SERVER_ERROR || code.name().is_none() => Self {
                maybe_written: true,
                ..Self::new(Answer::Refused)
            },
            _ => Self::new(Answer::Refused),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_of_the_table_has_its_verdict() {
        let answers = |answer, codes: &[i16]| {
            for code in codes {
                let verdict = Verdict::of(ErrorCode(*code), true);
                assert_eq!(verdict.answer, answer, "{:?}", ErrorCode(*code));
            }
        };
        answers(Answer::Written, &[0, 46]);
        answers(Answer::OutOfOrder, &[45, 59]);
        answers(Answer::Lost, &[3, 6, 7, 20, 56]);
        answers(
            Answer::Retry,
            &[2, 5, 9, 13, 14, 15, 16, 19, 51, 72, 74, 89, 100, 103],
        );
        answers(
            Answer::Refused,
            &[
                10, 17, 18, 21, 29, 31, 32, 35, 43, 47, 48, 49, 53, 76, 87, 90, 120, -1, 999,
            ],
        );
    }

    #[test]
    fn an_idempotent_producer_ends_at_errors_that_break_its_promise() {
        for code in -1..=140 {
            let fatal = [31, 35, 49, 53, 90].contains(&code);
            assert_eq!(Verdict::of(ErrorCode(code), true).fatal, fatal, "{code}");
            assert!(!Verdict::of(ErrorCode(code), false).fatal, "{code}");
        }
    }

    #[test]
    fn an_error_at_an_unknown_point_may_have_written() {
        for code in [-1, 999] {
            assert!(Verdict::of(ErrorCode(code), true).maybe_written);
        }
        assert!(!Verdict::of(ErrorCode::MESSAGE_TOO_LARGE, true).maybe_written);
    }
}
