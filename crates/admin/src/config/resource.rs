//! What has a configuration.

use std::fmt;

use klamm_net::NodeId;

use crate::driver::Target;
use crate::numbered::numbered;

numbered! {
    /// What kind of thing has a configuration.
    ConfigResourceKind:
    /// A topic, by name.
    Topic = 2, "TOPIC";
    /// A broker, by id, or the default of all brokers, by the empty name.
    Broker = 4, "BROKER";
    /// The log levels of a broker, by id (KIP-412).
    BrokerLogger = 8, "BROKER_LOGGER";
    /// What clients shall measure and push, by subscription (KIP-714, Kafka 3.7).
    ClientMetrics = 16, "CLIENT_METRICS";
    /// A group, by group id (KIP-848, Kafka 4.0).
    Group = 32, "GROUP";
}

/// A thing that has a configuration.
///
/// # Examples
/// ```
/// use klamm_admin::{ConfigResource, NodeId};
///
/// let orders = ConfigResource::topic("orders");
/// let broker = ConfigResource::broker(NodeId(1));
/// assert_eq!(orders.to_string(), "topic orders");
/// assert_eq!(broker.to_string(), "broker 1");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub struct ConfigResource {
    /// What it is.
    pub kind: ConfigResourceKind,
    /// Its name.
    pub name: String,
}

impl ConfigResource {
    /// A thing of any kind.
    #[must_use]
    pub fn new(kind: ConfigResourceKind, name: impl Into<String>) -> Self {
        let name = name.into();
        Self { kind, name }
    }

    /// A topic.
    #[must_use]
    pub fn topic(name: impl Into<String>) -> Self {
        Self::new(ConfigResourceKind::Topic, name)
    }

    /// One broker.
    #[must_use]
    pub fn broker(node: NodeId) -> Self {
        Self::new(ConfigResourceKind::Broker, node.to_string())
    }

    /// The default of all brokers that have no value of their own.
    #[must_use]
    pub fn all_brokers() -> Self {
        Self::new(ConfigResourceKind::Broker, "")
    }

    /// The log levels of a broker.
    #[must_use]
    pub fn broker_logger(node: NodeId) -> Self {
        Self::new(ConfigResourceKind::BrokerLogger, node.to_string())
    }

    /// A subscription of client metrics.
    #[must_use]
    pub fn client_metrics(name: impl Into<String>) -> Self {
        Self::new(ConfigResourceKind::ClientMetrics, name)
    }

    /// A group.
    #[must_use]
    pub fn group(group: impl Into<String>) -> Self {
        Self::new(ConfigResourceKind::Group, group)
    }

    /// Only a broker itself knows its configuration whole, and its log levels.
    pub(super) fn target(&self) -> Target {
        let is_broker = matches!(
            self.kind,
            ConfigResourceKind::Broker | ConfigResourceKind::BrokerLogger
        );
        match self.name.parse() {
            Ok(id) if is_broker => Target::Node(NodeId(id)),
            _ => Target::Any,
        }
    }
}

impl fmt::Display for ConfigResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.name;
        match self.kind {
            ConfigResourceKind::Broker if name.is_empty() => f.write_str("all brokers"),
            ConfigResourceKind::Topic => write!(f, "topic {name}"),
            ConfigResourceKind::Broker => write!(f, "broker {name}"),
            ConfigResourceKind::BrokerLogger => write!(f, "the loggers of broker {name}"),
            ConfigResourceKind::ClientMetrics => write!(f, "client metrics {name}"),
            ConfigResourceKind::Group => write!(f, "group {name}"),
            ConfigResourceKind::Other(_) => write!(f, "{} {name}", self.kind),
        }
    }
}
