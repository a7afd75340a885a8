//! What can go wrong in an admin call.

use klamm_codec::{ApiKey, ErrorCode};

/// A failure of an admin call, or of its part about one thing: a topic, a group, a partition.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The broker refused what was asked.
    #[error("{api} failed for {what}: {code}{}{}", said(.message.as_deref()), outcome(*.earlier_attempt_unanswered))]
    Refused {
        /// Api of the request.
        api: ApiKey,
        /// What it was about, such as `topic orders`.
        what: String,
        /// The broker's error code.
        code: ErrorCode,
        /// The broker's own words, if it had any.
        message: Option<String>,
        /// Whether an attempt before this one lost its answer. Then it is unknown whether it was
        /// carried out: the refusal of a topic that exists already may be about this call's own.
        earlier_attempt_unanswered: bool,
    },
    /// The broker answered, but not about this.
    #[error("the broker's answer to {api} says nothing about {what}")]
    Unanswered {
        /// Api of the request.
        api: ApiKey,
        /// What was asked about, such as `topic orders`.
        what: String,
    },
    /// The broker is too old for what was asked.
    #[error("{broker} is too old for {what}: Kafka has it from {since} on")]
    Unsupported {
        /// What it does not have.
        what: String,
        /// Broker, by address.
        broker: String,
        /// The first version that has it, with its KIP.
        since: &'static str,
    },
    /// Controllers do not take this call; nothing was asked of them.
    #[error(
        "{what} is for brokers alone, and this client is connected to controllers: connect by bootstrap.servers, not by bootstrap.controllers"
    )]
    NeedsBrokers {
        /// What was to be done: an API, or a call of several.
        what: String,
    },
    /// The arguments make no sense; nothing was asked of a broker.
    #[error("{what}: {reason}")]
    Invalid {
        /// Which argument.
        what: String,
        /// What is wrong with it.
        reason: String,
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
    pub(crate) fn refused(api: ApiKey, what: impl Into<String>, code: ErrorCode) -> Self {
        Self::Refused {
            api,
            what: what.into(),
            code,
            message: None,
            earlier_attempt_unanswered: false,
        }
    }

    pub(crate) fn invalid(what: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Invalid {
            what: what.into(),
            reason: reason.into(),
        }
    }

    /// Whether a broker has spoken about what was asked.
    pub(crate) fn is_answer(&self) -> bool {
        matches!(self, Self::Refused { .. } | Self::Unanswered { .. })
    }

    /// Whether a request was sent whose answer never came.
    pub(crate) fn is_unanswered_attempt(&self) -> bool {
        matches!(self, Self::Net(error) if error.may_have_been_processed())
    }

    /// Whether it only says that the time of the call is over.
    pub(crate) fn is_deadline(&self) -> bool {
        matches!(self, Self::Net(klamm_net::Error::DeadlineExceeded { .. }))
    }

    /// Whether the broker does not have the API, or not in a version that klamm speaks.
    #[must_use]
    pub fn is_unsupported(&self) -> bool {
        matches!(
            self,
            Self::Unsupported { .. } | Self::Net(klamm_net::Error::UnsupportedVersion { .. })
        ) || self.code() == Some(ErrorCode::UNSUPPORTED_VERSION)
    }

    /// Whether the same call may succeed later, without anybody changing anything.
    #[must_use]
    pub fn is_retriable(&self) -> bool {
        match self {
            Self::Refused { code, .. } => code.is_retriable(),
            Self::Net(error) => error.is_retriable(),
            Self::Unanswered { .. }
            | Self::Unsupported { .. }
            | Self::NeedsBrokers { .. }
            | Self::Invalid { .. } => false,
        }
    }

    /// Whether time ran out, the client's or the broker's.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        match self {
            Self::Refused { code, .. } => *code == ErrorCode::REQUEST_TIMED_OUT,
            Self::Net(error) => error.is_timeout(),
            Self::Unanswered { .. }
            | Self::Unsupported { .. }
            | Self::NeedsBrokers { .. }
            | Self::Invalid { .. } => false,
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
            Self::Refused { code, .. } => Some(*code),
            Self::Net(error) => error.code(),
            Self::Unanswered { .. }
            | Self::Unsupported { .. }
            | Self::NeedsBrokers { .. }
            | Self::Invalid { .. } => None,
        }
    }

    /// Whether the broker may have done what was asked although the call failed.
    #[must_use]
    pub fn may_have_been_processed(&self) -> bool {
        match self {
            Self::Refused {
                code,
                earlier_attempt_unanswered,
                ..
            } => *earlier_attempt_unanswered || *code == ErrorCode::REQUEST_TIMED_OUT,
            Self::Unanswered { .. } => true,
            Self::Unsupported { .. } | Self::NeedsBrokers { .. } | Self::Invalid { .. } => false,
            Self::Net(error) => error.may_have_been_processed(),
        }
    }
}
