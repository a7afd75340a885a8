//! What a client needs to know to reach its cluster.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use crate::backoff::Backoff;
use crate::connector::{Connector, TcpConnector};
use crate::error::Error;
use crate::security::Security;

/// Kafka's default port, for addresses without one.
const DEFAULT_PORT: u16 = 9092;

/// A host and a port; IPv6 addresses stand in brackets.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HostPort {
    /// Host name or address, without brackets.
    pub host: String,
    /// Port.
    pub port: u16,
}

impl FromStr for HostPort {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let text = text.trim();
        let invalid = |reason: &str| Error::Bootstrap {
            reason: format!("{text:?} {reason}; write host:port or [ipv6]:port"),
        };
        let (host, port) = if let Some(rest) = text.strip_prefix('[') {
            let (host, rest) = rest.split_once(']').ok_or_else(|| invalid("lacks a ]"))?;
            (
                host,
                rest.strip_prefix(':').or(rest.is_empty().then_some("")),
            )
        } else {
            match text.rsplit_once(':') {
                Some((host, port)) if !host.contains(':') => (host, Some(port)),
                Some(_) => return Err(invalid("has several colons")),
                None => (text, Some("")),
            }
        };
        let port = match port.ok_or_else(|| invalid("has something after the ]"))? {
            "" if !text.ends_with(':') => DEFAULT_PORT,
            port => port.parse().map_err(|_| invalid("has no valid port"))?,
        };
        if host.is_empty() || host.contains(char::is_whitespace) {
            return Err(invalid("has no valid host"));
        }
        Ok(Self {
            host: host.to_owned(),
            port,
        })
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// Who is at the other end of a client's connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EndpointType {
    /// Brokers (`bootstrap.servers`).
    #[default]
    Broker,
    /// The controllers of a `KRaft` cluster, which answer admins alone (`bootstrap.controllers`; KIP-919,
    /// Kafka 3.7).
    Controller,
}

/// How to reach a cluster, shared by every role of a client. Defaults are Java's.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ClientConfig {
    /// First addresses, tried in random order; only for discovery (`bootstrap.servers`, or
    /// `bootstrap.controllers`).
    pub bootstrap: Vec<HostPort>,
    /// How long [`Cluster::connect`](crate::Cluster::connect) tries again while none of the names in `bootstrap` can
    /// be resolved (`bootstrap.resolve.timeout.ms`, zero: not at all; KIP-909). In addition to
    /// `default_api_timeout`.
    pub bootstrap_resolve_timeout: Duration,
    /// Who is at these addresses, and is spoken with (brokers).
    pub endpoint_type: EndpointType,
    /// Name in the brokers' logs, quotas and metrics (`client.id`, default `klamm`).
    pub client_id: String,
    /// Wait for one response; on expiry the connection is closed (`request.timeout.ms`, 30 s).
    pub request_timeout: Duration,
    /// Upper bound of one call with its retries (`default.api.timeout.ms`, 60 s).
    pub default_api_timeout: Duration,
    /// Pauses before a retry (`retry.backoff.ms`, 100 ms, to `retry.backoff.max.ms`, 1 s).
    pub retry_backoff: Backoff,
    /// Pauses before connecting to the same broker again (`reconnect.backoff.ms`, 50 ms, to
    /// `reconnect.backoff.max.ms`, 1 s).
    pub reconnect_backoff: Backoff,
    /// Limit for a connection to become usable (`socket.connection.setup.timeout.ms`, 10 s); doubles
    /// with every failed attempt.
    pub connection_setup_timeout: Duration,
    /// What that limit grows to (`socket.connection.setup.timeout.max.ms`, 30 s).
    pub connection_setup_timeout_max: Duration,
    /// A connection that nobody has used for so long is closed (`connections.max.idle.ms`, 9 min);
    /// `None`: never.
    pub connections_max_idle: Option<Duration>,
    /// Refresh of metadata even without errors (`metadata.max.age.ms`, 5 min).
    pub metadata_max_age: Duration,
    /// Whether to start again from `bootstrap` when no known broker answers
    /// (`metadata.recovery.strategy`, rebootstrap; KIP-899).
    pub rebootstrap: bool,
    /// The same when there has been no metadata for so long, although brokers can be reached
    /// (`metadata.recovery.rebootstrap.trigger.ms`, 5 min; KIP-1102).
    pub rebootstrap_trigger: Duration,
    /// Whether to tell brokers of 4.4 and newer which broker of which cluster is meant, so that a connection that
    /// ends elsewhere is noticed (`metadata.cluster.check.enable`, yes; KIP-1242). Without `rebootstrap` it is not done.
    pub metadata_cluster_check: bool,
    /// Largest response accepted, in bytes (100 MiB).
    pub response_bytes_max: usize,
    /// TLS and SASL (`security.protocol`; neither).
    pub security: Security,
    /// Makes the byte streams to brokers (no Java property; TCP).
    pub connector: Arc<dyn Connector>,
}

impl ClientConfig {
    /// The defaults, for the comma-separated addresses in `bootstrap_servers`.
    ///
    /// # Errors
    /// [`Error::Bootstrap`] if there is no address in it, or one is malformed.
    pub fn new(bootstrap_servers: &str) -> Result<Self, Error> {
        let bootstrap = bootstrap_servers
            .split(',')
            .map(str::parse)
            .collect::<Result<Vec<HostPort>, _>>()?;
        Ok(Self {
            bootstrap,
            bootstrap_resolve_timeout: Duration::ZERO,
            endpoint_type: EndpointType::default(),
            client_id: "klamm".to_owned(),
            request_timeout: Duration::from_secs(30),
            default_api_timeout: Duration::from_secs(60),
            retry_backoff: Backoff {
                initial: Duration::from_millis(100),
                max: Duration::from_secs(1),
            },
            reconnect_backoff: Backoff {
                initial: Duration::from_millis(50),
                max: Duration::from_secs(1),
            },
            connection_setup_timeout: Duration::from_secs(10),
            connection_setup_timeout_max: Duration::from_secs(30),
            connections_max_idle: Some(Duration::from_secs(540)),
            metadata_max_age: Duration::from_secs(300),
            rebootstrap: true,
            rebootstrap_trigger: Duration::from_secs(300),
            metadata_cluster_check: true,
            response_bytes_max: 100 << 20,
            security: Security::default(),
            connector: Arc::new(TcpConnector::default()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_with_and_without_port_and_brackets() {
        for (text, host, port) in [
            ("localhost:9093", "localhost", 9093),
            (" broker ", "broker", 9092),
            ("[::1]:19092", "::1", 19092),
            ("[fe80::1]", "fe80::1", 9092),
            ("10.0.0.1:1", "10.0.0.1", 1),
        ] {
            let parsed: HostPort = text.parse().unwrap();
            assert_eq!((parsed.host.as_str(), parsed.port), (host, port), "{text}");
        }
    }

    #[test]
    fn a_malformed_address_is_an_error_that_quotes_it() {
        for text in [
            "",
            ":9092",
            "host:",
            "host:x",
            "host:99999",
            "::1:9092",
            "[::1",
            "a b:1",
            "[::1]9",
        ] {
            let error = text.parse::<HostPort>().unwrap_err().to_string();
            assert!(error.contains(&format!("{:?}", text.trim())), "{error}");
        }
    }
}
