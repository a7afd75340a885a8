//! One error for those who do not care which role failed.

use klamm_codec::ErrorCode;
use klamm_net::config::ConfigError;

/// Any failure of klamm; `?` turns the error of each role into it.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A configuration is not valid.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The cluster could not be reached.
    #[error(transparent)]
    Net(#[from] klamm_net::Error),
    /// A producer failed.
    #[error(transparent)]
    Producer(#[from] klamm_producer::Error),
    /// A consumer failed.
    #[error(transparent)]
    Consumer(#[from] klamm_consumer::Error),
    /// An admin call failed.
    #[error(transparent)]
    Admin(#[from] klamm_admin::Error),
}

impl From<klamm_producer::CommitError> for Error {
    fn from(error: klamm_producer::CommitError) -> Self {
        Self::Producer(error.into())
    }
}

impl Error {
    /// Whether the same call may succeed later, without anybody changing anything. For a failed
    /// record, look at [`Outcome`](crate::Outcome) first if it must not be doubled.
    #[must_use]
    pub fn is_retriable(&self) -> bool {
        match self {
            Self::Config(_) => false,
            Self::Net(error) => error.is_retriable(),
            Self::Producer(error) => error.is_retriable(),
            Self::Consumer(error) => error.is_retriable(),
            Self::Admin(error) => error.is_retriable(),
        }
    }

    /// Whether the producer, consumer or client that failed can do nothing any more.
    #[must_use]
    pub fn is_fatal(&self) -> bool {
        match self {
            Self::Config(_) => false,
            Self::Net(error) => error.is_fatal(),
            Self::Producer(error) => error.is_fatal(),
            Self::Consumer(error) => error.is_fatal(),
            Self::Admin(error) => error.is_fatal(),
        }
    }

    /// Whether the open transaction must be aborted, after which the producer goes on (KIP-1050).
    #[must_use]
    pub const fn is_abortable(&self) -> bool {
        matches!(self, Self::Producer(error) if error.is_abortable())
    }

    /// Whether another producer has taken the transactional id over. Such an error is also fatal.
    #[must_use]
    pub const fn is_fenced(&self) -> bool {
        matches!(self, Self::Producer(error) if error.is_fenced())
    }

    /// Whether time ran out.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        match self {
            Self::Config(_) => false,
            Self::Net(error) => error.is_timeout(),
            Self::Producer(error) => error.is_timeout(),
            Self::Consumer(error) => error.is_timeout(),
            Self::Admin(error) => error.is_timeout(),
        }
    }

    /// The broker's error code, if a broker refused.
    #[must_use]
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Config(_) => None,
            Self::Net(error) => error.code(),
            Self::Producer(error) => error.code(),
            Self::Consumer(error) => error.code(),
            Self::Admin(error) => error.code(),
        }
    }
}
