//! What can go wrong between the client and the cluster.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use klamm_codec::messages::MessageError;
use klamm_codec::{ApiKey, ErrorCode, VersionRange};

use crate::sasl::AuthenticationFailure;
use crate::tls::TlsFailure;

/// A failure of the network, of a broker, or of a deadline.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// `bootstrap.servers` names nothing to connect to.
    #[error("bootstrap.servers: {reason}")]
    Bootstrap {
        /// What is wrong with it.
        reason: String,
    },
    /// A text that is no topic id.
    #[error(
        "{text:?} is no topic id: it has 22 letters, digits, - and _, as Kafka's tools print it"
    )]
    InvalidTopicId {
        /// The text.
        text: String,
    },
    /// No connection could be made.
    #[error(
        "cannot connect to {address}: {source}; is a Kafka broker listening there, and is the address right?"
    )]
    Connect {
        /// Address tried.
        address: String,
        /// What the operating system says.
        source: Arc<io::Error>,
    },
    /// A broker cannot be reached where it says that it listens, and never could be.
    #[error(
        "cannot connect to broker {node} at {address}: {source}; the cluster gave this address, so the bootstrap address works, but clients must also reach what the broker's advertised.listeners names"
    )]
    AdvertisedAddress {
        /// Broker id.
        node: i32,
        /// Address that it advertises.
        address: String,
        /// What the operating system says.
        source: Arc<io::Error>,
    },
    /// At a broker's address there is another broker, or one of another cluster (KIP-1242): the client looks for the
    /// cluster anew.
    #[error(
        "{address} is not broker {node} of cluster {cluster_id} (any more); starting again from the bootstrap addresses, see that the brokers' advertised.listeners lead to them"
    )]
    WrongBroker {
        /// Address where the broker should be.
        address: String,
        /// Broker id.
        node: i32,
        /// The cluster's id.
        cluster_id: String,
    },
    /// The peer answers, but not as a Kafka broker does.
    #[error("{address} does not speak the Kafka protocol: {reason}")]
    NotKafka {
        /// Address of the peer.
        address: String,
        /// What it sent, or did.
        reason: String,
    },
    /// A broker where a controller was expected, or a controller where a broker was.
    #[error("{address} {reason}")]
    WrongEndpoint {
        /// Address of the peer.
        address: String,
        /// What it is, and what to do.
        reason: &'static str,
    },
    /// The security settings cannot be used, or contradict each other.
    #[error("security settings: {reason}")]
    Security {
        /// What is wrong with them, and what to do.
        reason: String,
    },
    /// There is no TLS connection, or no longer.
    #[error("no TLS connection with {broker}: {reason}")]
    Tls {
        /// Address of the broker.
        broker: String,
        /// What kind of failure it is.
        failure: TlsFailure,
        /// What happened, and what to do.
        reason: String,
    },
    /// The broker and the client do not agree on who the client is (SASL).
    #[error("{mechanism} authentication at {broker} failed: {reason}")]
    Authentication {
        /// Address of the broker.
        broker: String,
        /// SASL mechanism, as the user chose it.
        mechanism: String,
        /// What kind of failure it is.
        failure: AuthenticationFailure,
        /// What happened, without secrets.
        reason: String,
    },
    /// The connection ended before the response came.
    #[error("{api} request to {broker} failed: connection lost ({reason}); {}", outcome(*.may_have_been_processed))]
    Disconnected {
        /// Api of the request.
        api: ApiKey,
        /// Broker, by id or address.
        broker: String,
        /// Why the connection ended.
        reason: String,
        /// Whether any byte of the request had been written.
        may_have_been_processed: bool,
    },
    /// No response came in time; the connection was closed.
    #[error("{api} request to {broker} was not answered within {timeout:?} (request.timeout.ms); {}", outcome(*.may_have_been_processed))]
    RequestTimeout {
        /// Api of the request.
        api: ApiKey,
        /// Broker, by id or address.
        broker: String,
        /// How long the client waited.
        timeout: Duration,
        /// Whether any byte of the request had been written.
        may_have_been_processed: bool,
    },
    /// The broker does not speak a version of the API that klamm speaks.
    #[error("{broker} does not support {api} in a version that klamm speaks ({ours}; the broker has {})", described(*.theirs))]
    UnsupportedVersion {
        /// Api of the feature.
        api: ApiKey,
        /// Broker, by id or address.
        broker: String,
        /// Versions that klamm speaks.
        ours: VersionRange,
        /// Versions that the broker speaks, if any.
        theirs: Option<VersionRange>,
    },
    /// The broker lacks a feature.
    #[error("{broker} cannot {feature}: that takes {api} version {needed}, and it has {}", described(*.theirs))]
    UnsupportedFeature {
        /// What was to be done, such as `commit offsets in a transaction by group member`.
        feature: &'static str,
        /// Api of the feature.
        api: ApiKey,
        /// Broker, by id or address.
        broker: String,
        /// The lowest version that has it.
        needed: i16,
        /// Versions that the broker speaks, if any.
        theirs: Option<VersionRange>,
    },
    /// The broker is older than any that klamm speaks with.
    #[error(
        "{broker} is too old: it speaks {api} {theirs}, as Kafka before 2.1 does, and klamm needs version {needed} of it, which Kafka has since 2.1"
    )]
    BrokerTooOld {
        /// Broker, by id or address.
        broker: String,
        /// The API that shows it.
        api: ApiKey,
        /// The version that Kafka has since 2.1.
        needed: i16,
        /// Versions that the broker speaks.
        theirs: VersionRange,
    },
    /// The broker sent bytes that are not a response to what was asked.
    #[error("{api} response of {broker} cannot be read: {reason}")]
    Protocol {
        /// Api of the request.
        api: ApiKey,
        /// Broker, by id or address.
        broker: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A request could not be written in the version that the broker speaks.
    #[error(transparent)]
    Message(#[from] MessageError),
    /// The broker refused.
    #[error("{api} failed for {context}: {code}")]
    Broker {
        /// Api of the request.
        api: ApiKey,
        /// The broker's error code.
        code: ErrorCode,
        /// What it was about: topic, partition, group.
        context: String,
    },
    /// The topic did not appear in the cluster's metadata.
    #[error(
        "topic {topic} is not there after {waited:?}: {code}; create it, or check its name and the permissions"
    )]
    UnknownTopic {
        /// Topic name.
        topic: String,
        /// What the broker last said about it.
        code: ErrorCode,
        /// How long the client waited.
        waited: Duration,
    },
    /// The cluster knows no such broker.
    #[error("broker {node} is not in the cluster's metadata")]
    UnknownNode {
        /// Broker id.
        node: i32,
    },
    /// The time for the whole call ran out.
    #[error("{what} did not succeed in time; last error: {}", last_text(.last.as_deref()))]
    DeadlineExceeded {
        /// What was attempted.
        what: String,
        /// Why the last attempt failed.
        last: Option<Box<Error>>,
    },
    /// The client was closed.
    #[error("the client is closed")]
    Closed,
}

fn outcome(may_have_been_processed: bool) -> &'static str {
    if may_have_been_processed {
        "the broker may have processed it"
    } else {
        "it was not sent"
    }
}

fn described(range: Option<VersionRange>) -> String {
    range.map_or_else(|| "none".to_owned(), |range| range.to_string())
}

fn last_text(last: Option<&Error>) -> String {
    last.map_or_else(
        || "none, the broker did not answer".to_owned(),
        ToString::to_string,
    )
}

impl Error {
    /// An error code that a broker answered `api` with; `context` says about what.
    #[must_use]
    pub fn broker(api: ApiKey, code: ErrorCode, context: impl Into<String>) -> Self {
        Self::Broker {
            api,
            code,
            context: context.into(),
        }
    }

    /// `source` as a failure to connect, unless it carries one that says more.
    pub(crate) fn connect(address: &str, source: io::Error) -> Self {
        if let Some(told) = Self::told_by(&source) {
            return told;
        }
        Self::Connect {
            address: address.to_owned(),
            source: Arc::new(source),
        }
    }

    /// The error of ours that a stream wrapped into one of I/O.
    pub(crate) fn told_by(source: &io::Error) -> Option<Self> {
        source.get_ref()?.downcast_ref::<Self>().cloned()
    }

    /// Whether a name could not be resolved; see [`Connector`](crate::Connector).
    pub(crate) fn is_unresolved(&self) -> bool {
        matches!(self, Self::Connect { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }

    /// Whether the same call may succeed later, without anybody changing anything.
    #[must_use]
    pub fn is_retriable(&self) -> bool {
        match self {
            Self::Tls { failure, .. } => failure.is_retriable(),
            Self::Connect { .. }
            | Self::AdvertisedAddress { .. }
            | Self::WrongBroker { .. }
            | Self::NotKafka { .. }
            | Self::Disconnected { .. }
            | Self::RequestTimeout { .. }
            | Self::UnknownTopic { .. }
            | Self::UnknownNode { .. }
            | Self::DeadlineExceeded { .. } => true,
            Self::Broker { code, .. } => code.is_retriable(),
            Self::Bootstrap { .. }
            | Self::WrongEndpoint { .. }
            | Self::Security { .. }
            | Self::Authentication { .. }
            | Self::InvalidTopicId { .. }
            | Self::UnsupportedVersion { .. }
            | Self::UnsupportedFeature { .. }
            | Self::BrokerTooOld { .. }
            | Self::Protocol { .. }
            | Self::Message(_)
            | Self::Closed => false,
        }
    }

    /// Whether time ran out.
    #[must_use]
    pub const fn is_timeout(&self) -> bool {
        matches!(
            self,
            Self::RequestTimeout { .. } | Self::DeadlineExceeded { .. } | Self::UnknownTopic { .. }
        )
    }

    /// Whether this client can do nothing any more.
    #[must_use]
    pub const fn is_fatal(&self) -> bool {
        matches!(self, Self::Closed)
    }

    /// The broker's error code, if a broker refused.
    #[must_use]
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Broker { code, .. } | Self::UnknownTopic { code, .. } => Some(*code),
            Self::DeadlineExceeded { last, .. } => last.as_ref()?.code(),
            _ => None,
        }
    }

    /// Whether the broker may have done what was asked although the call failed.
    #[must_use]
    pub fn may_have_been_processed(&self) -> bool {
        match self {
            Self::Disconnected {
                may_have_been_processed,
                ..
            }
            | Self::RequestTimeout {
                may_have_been_processed,
                ..
            } => *may_have_been_processed,
            Self::Protocol { .. } => true,
            Self::DeadlineExceeded { last, .. } => last
                .as_ref()
                .is_some_and(|last| last.may_have_been_processed()),
            _ => false,
        }
    }
}
