//! What can go wrong in an admin call.

use klamm_codec::{ApiKey, ErrorCode};

/// A failure of an admin call, or of its part about one topic.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The broker refused what was asked for one topic.
    #[error("{api} failed for topic {topic}: {code}{}{}", said(.message.as_deref()), outcome(*.earlier_attempt_unanswered))]
    Topic {
        /// Api of the request.
        api: ApiKey,
        /// Topic name.
        topic: String,
        /// The broker's error code.
        code: ErrorCode,
        /// The broker's own words, if it had any.
        message: Option<String>,
        /// Whether an attempt before this one lost its answer. Then it is unknown whether it was
        /// carried out: the refusal of a topic that exists already may be about this call's own.
        earlier_attempt_unanswered: bool,
    },
    /// The broker answered, but not about this topic.
    #[error("the broker's answer to {api} says nothing about topic {topic}")]
    Unanswered {
        /// Api of the request.
        api: ApiKey,
        /// Topic name.
        topic: String,
    },
    /// A topic was left to the broker's defaults, which this broker does not offer.
    #[error(
        "topic {topic} has no {missing}, and {broker} cannot choose it (Kafka does from 2.4 on, KIP-464): set it"
    )]
    DefaultsUnsupported {
        /// Topic name.
        topic: String,
        /// Broker, by address.
        broker: String,
        /// What has to be set.
        missing: &'static str,
    },
    /// The call did not get through.
    #[error(transparent)]
    Net(#[from] klamm_net::Error),
}

fn said(message: Option<&str>) -> String {
    message.map_or_else(String::new, |message| format!(" ({message})"))
}

fn outcome(earlier_attempt_unanswered: bool) -> &'static str {
    if earlier_attempt_unanswered {
        "; an earlier attempt of this call lost its answer and may have been carried out"
    } else {
        ""
    }
}

impl Error {
    /// Whether the same call may succeed later, without anybody changing anything.
    #[must_use]
    pub fn is_retriable(&self) -> bool {
        match self {
            Self::Topic { code, .. } => code.is_retriable() || *code == ErrorCode::NOT_CONTROLLER,
            Self::Unanswered { .. } | Self::DefaultsUnsupported { .. } => false,
            Self::Net(error) => error.is_retriable(),
        }
    }

    /// Whether time ran out, the client's or the broker's.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        match self {
            Self::Topic { code, .. } => *code == ErrorCode::REQUEST_TIMED_OUT,
            Self::Unanswered { .. } | Self::DefaultsUnsupported { .. } => false,
            Self::Net(error) => error.is_timeout(),
        }
    }

    /// Whether this client can do nothing any more.
    #[must_use]
    pub fn is_fatal(&self) -> bool {
        matches!(self, Self::Net(error) if error.is_fatal())
    }

    /// The broker's error code, if a broker refused.
    #[must_use]
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Topic { code, .. } => Some(*code),
            Self::Unanswered { .. } | Self::DefaultsUnsupported { .. } => None,
            Self::Net(error) => error.code(),
        }
    }

    /// Whether the broker may have done what was asked although the call failed.
    #[must_use]
    pub fn may_have_been_processed(&self) -> bool {
        match self {
            Self::Topic {
                code,
                earlier_attempt_unanswered,
                ..
            } => *earlier_attempt_unanswered || *code == ErrorCode::REQUEST_TIMED_OUT,
            Self::Unanswered { .. } => true,
            Self::DefaultsUnsupported { .. } => false,
            Self::Net(error) => error.may_have_been_processed(),
        }
    }
}
