//! Why a record was not sent, or a producer not built.

use std::sync::Arc;
use std::time::Duration;

use klamm_codec::ErrorCode;
use klamm_net::TopicPartition;
use klamm_net::config::ConfigError;

/// Whether a failed record may be in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is certain that the record was not written: it may be sent again.
    NotWritten,
    /// The record may have been written: sending it again may double it.
    Unknown,
}

/// Why a batch was given up.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Cause {
    /// The broker refused it.
    #[error("the broker refused it: {code}{}", said(.message.as_deref()))]
    Broker {
        /// Kafka's error code.
        code: ErrorCode,
        /// What the broker said about it, if anything (KIP-467).
        message: Option<Arc<str>>,
    },
    /// The broker refused another record of the same batch, and a batch is written whole or not at
    /// all: this one may be sent again (KIP-467).
    #[error("the broker refused another record of its batch: {0}")]
    OtherRecord(ErrorCode),
    /// `delivery.timeout.ms` passed; the last failure, if there was an attempt.
    #[error("delivery.timeout.ms passed{}", last_failure(.0.as_deref()))]
    Timeout(Option<Box<klamm_net::Error>>),
    /// `retries` attempts failed; the last failure.
    #[error("all retries failed, the last one because {0}")]
    Retries(Box<klamm_net::Error>),
    /// The records could not be compressed.
    #[error("the records could not be compressed: {0}")]
    Compression(String),
    /// The topic was deleted, or deleted and created again, after the record was accepted.
    #[error("the topic was created anew under the same name; the record was meant for the old one")]
    TopicRecreated,
    /// Its transaction was aborted, or had failed, before the record was sent.
    #[error("its transaction was aborted before it was sent")]
    TransactionAborted,
    /// The producer cannot go on.
    #[error("the producer failed for good: {0}")]
    Fatal(ErrorCode),
    /// The producer was closed, or its last handle dropped, before the record was acknowledged.
    #[error("the producer was closed before it was acknowledged")]
    Closed,
}

fn said(message: Option<&str>) -> String {
    message.map_or_else(String::new, |message| format!(" ({message})"))
}

fn last_failure(last: Option<&klamm_net::Error>) -> String {
    last.map_or_else(
        || " before it could be sent".to_owned(),
        |last| format!("; the last failure was: {last}"),
    )
}

/// A failure of the producer.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The configuration is not valid.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The cluster could not be asked, or knows no such topic; the record was not accepted.
    #[error(transparent)]
    Net(#[from] klamm_net::Error),
    /// The record is larger than a request may be; it was not accepted.
    #[error(
        "a record of up to {bytes} bytes for topic {topic} exceeds max.request.size ({limit}); send less, or raise the limit here and at the broker (message.max.bytes)"
    )]
    RecordTooLarge {
        /// Topic of the record.
        topic: String,
        /// Most bytes the record can take in a batch.
        bytes: usize,
        /// `max.request.size` or `buffer.memory`, whichever is less.
        limit: usize,
    },
    /// The record names a partition that its topic does not have; it was not accepted.
    #[error("topic {topic} has no partition {partition}, only 0 to {}", .partition_count - 1)]
    InvalidPartition {
        /// Topic of the record.
        topic: String,
        /// Partition that was asked for.
        partition: i32,
        /// Partitions that there are.
        partition_count: usize,
    },
    /// There is no room in `buffer.memory`; the record was not accepted.
    #[error(
        "no room in buffer.memory ({limit} bytes) for topic {topic} after {waited:?}: records come faster than the brokers take them"
    )]
    BufferFull {
        /// Topic of the record.
        topic: String,
        /// `buffer.memory`, in bytes.
        limit: usize,
        /// How long the call waited (`max.block.ms`); zero for `try_send`.
        waited: Duration,
    },
    /// `try_send` does not know the topic yet; the record was not accepted.
    #[error("the metadata of topic {topic} is not there yet; use send, which waits for it")]
    TopicNotReady {
        /// Topic of the record.
        topic: String,
    },
    /// An accepted record was given up.
    #[error("a record for {partition} was given up: {cause}; {}", outcome_text(*.outcome))]
    Delivery {
        /// Where it was to go.
        partition: TopicPartition,
        /// Whether it may have been written.
        outcome: Outcome,
        /// Why.
        cause: Cause,
    },
    /// `flush` or `close` did not finish in time.
    #[error("{what} did not finish within {timeout:?}; {unfinished} batches were not acknowledged")]
    Unfinished {
        /// The call.
        what: &'static str,
        /// How long it waited.
        timeout: Duration,
        /// Batches without acknowledgement.
        unfinished: usize,
    },
    /// The open transaction has failed and must be aborted; then the producer goes on with the next
    /// one (KIP-1050).
    #[error("the transaction of {transactional_id} must be aborted: {cause}")]
    Abortable {
        /// The transactional id.
        transactional_id: Arc<str>,
        /// What failed: a record, or a request to a coordinator.
        cause: Box<Error>,
    },
    /// Something that a transaction needs did not happen in time. It goes on in the background; what
    /// may follow is the same call again, or waiting for the next `begin`.
    #[error(
        "{operation} of the transactional producer {transactional_id} did not finish within {timeout:?} (max.block.ms) and goes on; last failure: {}",
        last.as_deref().map_or_else(|| "none".to_owned(), ToString::to_string)
    )]
    TransactionTimeout {
        /// The call.
        operation: &'static str,
        /// The transactional id.
        transactional_id: Arc<str>,
        /// How long it waited.
        timeout: Duration,
        /// Why the last attempt failed, if one did.
        last: Option<Box<klamm_net::Error>>,
    },
    /// The call does not fit what the transactional producer is doing.
    #[error("cannot {operation}: the transactional producer {transactional_id} is {state}")]
    InvalidTransactionState {
        /// The call.
        operation: &'static str,
        /// The transactional id.
        transactional_id: Arc<str>,
        /// What it is doing.
        state: String,
    },
    /// The producer cannot go on after a fatal error; build another one.
    #[error("the producer failed for good: {}", described(*.0))]
    Fatal(ErrorCode),
    /// The producer was closed.
    #[error("the producer is closed")]
    Closed,
}

const fn outcome_text(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::NotWritten => "it was not written",
        Outcome::Unknown => "it may have been written",
    }
}

/// What the most frequent end of a transactional producer means.
fn described(code: ErrorCode) -> String {
    if is_fencing(code) {
        format!(
            "{code}; another producer has taken over its transactional.id, or its transaction was open for longer than transaction.timeout.ms"
        )
    } else {
        code.to_string()
    }
}

const fn is_fencing(code: ErrorCode) -> bool {
    code.0 == ErrorCode::PRODUCER_FENCED.0 || code.0 == ErrorCode::INVALID_PRODUCER_EPOCH.0
}

impl Error {
    /// Whether the transaction must be aborted, after which the producer goes on.
    #[must_use]
    pub const fn is_abortable(&self) -> bool {
        matches!(self, Self::Abortable { .. })
    }

    /// Whether another producer has taken the transactional id over. Such an error is also fatal.
    #[must_use]
    pub const fn is_fenced(&self) -> bool {
        matches!(self, Self::Fatal(code) if is_fencing(*code))
    }

    /// Whether the record may be in the log. Everything but a failed delivery fails before the
    /// record is accepted.
    #[must_use]
    pub const fn outcome(&self) -> Outcome {
        match self {
            Self::Delivery { outcome, .. } => *outcome,
            Self::Unfinished { .. } | Self::TransactionTimeout { .. } => Outcome::Unknown,
            _ => Outcome::NotWritten,
        }
    }

    /// Whether sending the record again later may succeed. Look at [`Error::outcome`] first if it
    /// must not be doubled.
    #[must_use]
    pub fn is_retriable(&self) -> bool {
        match self {
            Self::Net(error) => error.is_retriable(),
            Self::BufferFull { .. }
            | Self::TopicNotReady { .. }
            | Self::TransactionTimeout { .. } => true,
            Self::Delivery { cause, .. } => match cause {
                Cause::Timeout(_)
                | Cause::Retries(_)
                | Cause::TopicRecreated
                | Cause::OtherRecord(_) => true,
                Cause::Broker { code, .. } => code.is_retriable(),
                Cause::Compression(_)
                | Cause::TransactionAborted
                | Cause::Fatal(_)
                | Cause::Closed => false,
            },
            _ => false,
        }
    }

    /// Whether this producer can do nothing any more.
    #[must_use]
    pub const fn is_fatal(&self) -> bool {
        matches!(
            self,
            Self::Fatal(_)
                | Self::Closed
                | Self::Delivery {
                    cause: Cause::Fatal(_) | Cause::Closed,
                    ..
                }
        )
    }

    /// Whether time ran out.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        match self {
            Self::Net(error) => error.is_timeout(),
            Self::BufferFull { .. } | Self::Unfinished { .. } | Self::TransactionTimeout { .. } => {
                true
            }
            Self::Delivery { cause, .. } => matches!(cause, Cause::Timeout(_)),
            _ => false,
        }
    }

    /// The broker's error code, if a broker refused.
    #[must_use]
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Net(error) => error.code(),
            Self::Fatal(code) => Some(*code),
            Self::Abortable { cause, .. } => cause.code(),
            Self::TransactionTimeout { last, .. } => last.as_ref()?.code(),
            Self::Delivery { cause, .. } => match cause {
                Cause::Broker { code, .. } | Cause::OtherRecord(code) | Cause::Fatal(code) => {
                    Some(*code)
                }
                Cause::Timeout(last) => last.as_ref()?.code(),
                Cause::Retries(last) => last.code(),
                _ => None,
            },
            _ => None,
        }
    }
}
