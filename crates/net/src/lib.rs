//! Connections, version negotiation, cluster metadata and request routing.
//!
//! Owns: the byte streams to brokers and what is in flight on them, what each broker speaks, the
//! cluster as it is now, where a request has to go, when to try again.
//!
//! Does not: know what records, groups or transactions are.
//!
//! Invariants
//! - responses are matched to their requests in order; a mismatch closes that connection only
//! - every call ends by its deadline, and a dropped future leaves its connection in step
//! - long polls have a connection of their own ([`Lane`])

mod backoff;
mod broker;
mod client_config;
mod cluster;
pub mod config;
mod connection;
mod connector;
mod coordinator;
mod dial;
mod error;
mod group;
mod metadata;
mod node;
mod route;
mod sasl;
mod secret;
mod security;
mod silence;
mod staggered;
mod stats;
mod tls;

pub use backoff::{Backoff, Pauses};
pub use broker::{FinalizedFeatures, Lane};
pub use client_config::{ClientConfig, EndpointType, HostPort};
pub use cluster::Cluster;
pub use connection::{Connection, PendingResponse};
pub use connector::{BoxedStream, ByteStream, Connecting, Connector, TcpConnector};
pub use coordinator::CoordinatorKind;
pub use error::Error;
pub use group::{GroupMetadata, OffsetAndMetadata};
pub use klamm_codec::ApiKey;
pub use metadata::{Broker, ClusterSnapshot, LeaderHint, Partition, Topic};
pub use node::{NodeId, TopicId, TopicPartition};
pub use route::{Route, Verdict};
#[cfg(feature = "oauth")]
pub use sasl::ClientCredentials;
pub use sasl::{
    AuthenticationFailure, BearerToken, Sasl, SaslError, SaslFuture, SaslMechanism, SaslMessage,
    SaslPeer, SaslSession, SaslStep, TokenError, TokenFuture, TokenProvider, TokenRefresh,
    scram_salted_password,
};
pub use secret::Secret;
pub use security::Security;
pub use silence::Silence;
pub use stats::{ApiStats, BrokerStats, ClientStats, LatencyHistogram};
pub use tls::TlsFailure;
#[cfg(feature = "__rustls")]
pub use tls::{Tls, TlsVersion};
