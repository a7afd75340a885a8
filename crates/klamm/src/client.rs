//! The client: one cluster, any number of producers, consumers and admins.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use klamm_admin::{Admin, EnsuredTopic, GroupLag, NewTopic, Results};
use klamm_consumer::{ConsumerBuilder, ConsumerConfig};
use klamm_net::config::{PropertySet, Role};
use klamm_net::{Backoff, ClientConfig, ClientStats, Cluster, ClusterSnapshot, Connector, Sasl};
use klamm_producer::ProducerBuilder;

use crate::error::Error;
use crate::properties;

/// A client of one Kafka cluster; cheap to clone.
///
/// Whatever is built from it shares its connections and its view of the cluster. Those end with the
/// last clone of the client and of what was built from it.
#[derive(Clone)]
pub struct Client {
    cluster: Cluster,
    /// With connections of its own: brokers may take long to carry out what an admin asks.
    admin: Admin,
}

impl Client {
    /// Connects to the cluster that `bootstrap_servers` belong to: addresses separated by commas,
    /// `host:port` or `[ipv6]:port`, port 9092 if there is none.
    ///
    /// # Errors
    /// [`Error::Net`] if no address answers, soon after the last of them failed.
    ///
    /// # Cancel safety
    /// Dropping the future closes what was opened.
    pub async fn connect(bootstrap_servers: &str) -> Result<Self, Error> {
        Self::builder(bootstrap_servers).connect().await
    }

    /// As [`Client::connect`], with more to say about how.
    pub fn builder(bootstrap_servers: &str) -> ClientBuilder {
        ClientBuilder {
            config: ClientConfig::new(bootstrap_servers).map_err(Error::from),
        }
    }

    /// Connects as properties say, which have the names that every Kafka client knows;
    /// `bootstrap.servers` is required.
    ///
    /// Properties of producers, consumers and admins may be among them, so that one file can hold
    /// all: they are given to [`Client::producer_from_properties`] and
    /// [`Client::consumer_from_properties`] as well.
    ///
    /// # Errors
    /// [`Error::Config`] with everything that is wrong with them, or as [`Client::connect`].
    ///
    /// # Examples
    /// ```no_run
    /// # async fn connect() -> Result<(), klamm::Error> {
    /// let properties = [("bootstrap.servers", "kafka-1:9092,kafka-2:9092"), ("client.id", "billing"), ("acks", "all")];
    /// let client = klamm::Client::from_properties(properties).await?;
    /// let producer = client.producer_from_properties(properties)?.build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn from_properties<K: AsRef<str>, V: AsRef<str>>(
        properties: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self, Error> {
        let set = PropertySet::parse(Role::Client, properties)?;
        let config = properties::client_config(&set);
        ClientBuilder { config }.connect().await
    }

    /// An admin with connections of its own, as properties say: to brokers (`bootstrap.servers`), or to the
    /// controllers of a `KRaft` cluster themselves (`bootstrap.controllers`; KIP-919, Kafka 3.7), which works also when
    /// no broker does. As `Admin.create` in Java.
    ///
    /// Controllers take the calls about the cluster itself: describing it, its quorum and features, voters,
    /// configurations, ACLs, reassignments; all others end with
    /// [`NeedsBrokers`](klamm_admin::Error::NeedsBrokers).
    ///
    /// # Errors
    /// [`Error::Config`] with everything that is wrong with the properties, or as [`Client::connect`];
    /// [`WrongEndpoint`](klamm_net::Error::WrongEndpoint) if an address is a broker's where a controller was expected,
    /// or the other way round.
    ///
    /// # Cancel safety
    /// Dropping the future closes what was opened.
    ///
    /// # Examples
    /// ```no_run
    /// # async fn show() -> Result<(), klamm::Error> {
    /// let properties = [("bootstrap.controllers", "controller-1:9093,controller-2:9093")];
    /// let admin = klamm::Client::connect_admin(properties).await?;
    /// println!("{:?}", admin.describe_quorum().await?.leader);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn connect_admin<K: AsRef<str>, V: AsRef<str>>(
        properties: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Admin, Error> {
        let set = PropertySet::parse(Role::Admin, properties)?;
        let cluster = Cluster::connect(properties::client_config(&set)?).await?;
        Ok(properties::admin(Admin::new(cluster), &set))
    }

    /// A producer to be: its settings, then [`build`](ProducerBuilder::build).
    pub fn producer(&self) -> ProducerBuilder {
        ProducerBuilder::new(self.cluster.clone())
    }

    /// As [`Client::producer`], with the properties of producers among these; those of the client
    /// alone have no effect here.
    ///
    /// # Errors
    /// [`Error::Config`] with everything that is wrong with them.
    pub fn producer_from_properties<K: AsRef<str>, V: AsRef<str>>(
        &self,
        properties: impl IntoIterator<Item = (K, V)>,
    ) -> Result<ProducerBuilder, Error> {
        let set = PropertySet::parse(Role::Producer, properties)?;
        Ok(self.producer().properties(&set)?)
    }

    /// A consumer to be: its settings, then [`build`](ConsumerBuilder::build).
    pub fn consumer(&self) -> ConsumerBuilder {
        ConsumerBuilder::new(self.cluster.clone())
    }

    /// As [`Client::consumer`], with the properties of consumers among these; those of the client
    /// alone have no effect here.
    ///
    /// # Errors
    /// [`Error::Config`] with everything that is wrong with them.
    pub fn consumer_from_properties<K: AsRef<str>, V: AsRef<str>>(
        &self,
        properties: impl IntoIterator<Item = (K, V)>,
    ) -> Result<ConsumerBuilder, Error> {
        let set = PropertySet::parse(Role::Consumer, properties)?;
        Ok(self
            .consumer()
            .config(ConsumerConfig::from_properties(&set)))
    }

    /// What went over the connections of this client and of what was built from it, per broker and API:
    /// requests, errors, bytes, latencies, reconnects, throttle time.
    #[must_use]
    pub fn stats(&self) -> ClientStats {
        self.cluster.stats()
    }

    /// An admin, ready for use.
    #[must_use]
    pub fn admin(&self) -> Admin {
        self.admin.clone()
    }

    /// An admin with the properties of admins among these; those of the client alone have no effect
    /// here.
    ///
    /// # Errors
    /// [`Error::Config`] with everything that is wrong with them.
    pub fn admin_from_properties<K: AsRef<str>, V: AsRef<str>>(
        &self,
        properties: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Admin, Error> {
        let set = PropertySet::parse(Role::Admin, properties)?;
        Ok(properties::admin(self.admin(), &set))
    }

    /// Asks any broker for a sign of life, for `timeout` at most; gives how long it took.
    ///
    /// # Errors
    /// [`Error::Admin`] with the reason why there was none.
    pub async fn ping(&self, timeout: Duration) -> Result<Duration, Error> {
        Ok(self.admin().timeout(timeout).ping().await?)
    }

    /// Whether there is such a topic that this client may see; nothing is created by asking.
    ///
    /// # Errors
    /// [`Error::Admin`].
    pub async fn topic_exists(&self, name: &str) -> Result<bool, Error> {
        Ok(self.admin().topic_exists(name).await?)
    }

    /// Creates those of the topics that are missing and compares those that are there; see
    /// [`Admin::ensure_topics`].
    ///
    /// # Errors
    /// [`Error::Admin`].
    pub async fn ensure_topics(
        &self,
        topics: impl IntoIterator<Item = NewTopic>,
    ) -> Result<Results<String, EnsuredTopic>, Error> {
        Ok(self.admin().ensure_topics(topics).await?)
    }

    /// How far a group is behind, whole and by partition; see [`Admin::group_lag`].
    ///
    /// # Errors
    /// [`Error::Admin`].
    pub async fn group_lag(&self, group: &str) -> Result<GroupLag, Error> {
        Ok(self.admin().group_lag(group).await?)
    }

    /// The cluster as this client knows it now: brokers, controller, and the topics that its
    /// producers and consumers use. Never waits; [`Admin::describe_cluster`] asks anew.
    #[must_use]
    pub fn cluster_snapshot(&self) -> Arc<ClusterSnapshot> {
        self.cluster.snapshot()
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("cluster", &self.cluster)
            .finish_non_exhaustive()
    }
}

/// How to connect; made by [`Client::builder`]. Whatever is not set has the default of the Java
/// client.
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `connect` is awaited"]
pub struct ClientBuilder {
    config: Result<ClientConfig, Error>,
}

impl ClientBuilder {
    /// Name in the brokers' logs, quotas and metrics (`client.id`; `klamm`).
    pub fn client_id(self, client_id: impl Into<String>) -> Self {
        self.set(|config| config.client_id = client_id.into())
    }

    /// Wait for one response; on expiry the connection is closed (`request.timeout.ms`; 30 s).
    pub fn request_timeout(self, timeout: Duration) -> Self {
        self.set(|config| config.request_timeout = timeout)
    }

    /// Upper bound of one call with its retries (`default.api.timeout.ms`; 60 s).
    pub fn default_api_timeout(self, timeout: Duration) -> Self {
        self.set(|config| config.default_api_timeout = timeout)
    }

    /// Pauses before a retry, growing from `initial` to `max` (`retry.backoff.ms`; 100 ms, and
    /// `retry.backoff.max.ms`; 1 s).
    pub fn retry_backoff(self, initial: Duration, max: Duration) -> Self {
        self.set(|config| config.retry_backoff = Backoff { initial, max })
    }

    /// Pauses before connecting to the same broker again, growing from `initial` to `max`
    /// (`reconnect.backoff.ms`; 50 ms, and `reconnect.backoff.max.ms`; 1 s).
    pub fn reconnect_backoff(self, initial: Duration, max: Duration) -> Self {
        self.set(|config| config.reconnect_backoff = Backoff { initial, max })
    }

    /// Limit for a connection to become usable (`socket.connection.setup.timeout.ms`; 10 s).
    pub fn connection_setup_timeout(self, timeout: Duration) -> Self {
        self.set(|config| config.connection_setup_timeout = timeout)
    }

    /// Closes connections that nobody has used for so long (`connections.max.idle.ms`; 9 min);
    /// `None`: never.
    pub fn connections_max_idle(self, idle: Option<Duration>) -> Self {
        self.set(|config| config.connections_max_idle = idle)
    }

    /// Refresh of metadata even without errors (`metadata.max.age.ms`; 5 min).
    pub fn metadata_max_age(self, age: Duration) -> Self {
        self.set(|config| config.metadata_max_age = age)
    }

    /// Whether to start again from the bootstrap addresses when no known broker answers, or when there
    /// has been no metadata for `trigger` (`metadata.recovery.strategy`; rebootstrap, and
    /// `metadata.recovery.rebootstrap.trigger.ms`; 5 min; KIP-899 and KIP-1102); `None`: never.
    pub fn rebootstrap(self, trigger: Option<Duration>) -> Self {
        self.set(|config| {
            config.rebootstrap = trigger.is_some();
            config.rebootstrap_trigger = trigger.unwrap_or(config.rebootstrap_trigger);
        })
    }

    /// How long [`connect`](Self::connect) tries again while none of the bootstrap names can be resolved
    /// (`bootstrap.resolve.timeout.ms`; zero: not at all; KIP-909).
    pub fn bootstrap_resolve_timeout(self, timeout: Duration) -> Self {
        self.set(|config| config.bootstrap_resolve_timeout = timeout)
    }

    /// Whether to tell brokers of 4.4 and newer which broker of which cluster is meant, so that a connection that ends
    /// elsewhere is noticed and the cluster looked for anew (`metadata.cluster.check.enable`; yes; KIP-1242). Without
    /// [`rebootstrap`](Self::rebootstrap) it is not done.
    pub fn metadata_cluster_check(self, check: bool) -> Self {
        self.set(|config| config.metadata_cluster_check = check)
    }

    /// Largest response accepted, in bytes (no Java property; 100 MiB). A broker that announces a
    /// larger one loses its connection.
    pub fn response_bytes_max(self, bytes: usize) -> Self {
        self.set(|config| config.response_bytes_max = bytes)
    }

    /// Encrypts connections and checks who the broker is (`security.protocol=SSL`, `ssl.*`; plain text).
    #[cfg(any(
        feature = "tls",
        feature = "tls-ring",
        feature = "tls-aws-lc",
        feature = "tls-custom"
    ))]
    pub fn tls(self, tls: klamm_net::Tls) -> Self {
        self.set(|config| config.security.tls = Some(tls))
    }

    /// Shows brokers who the client is (`security.protocol=SASL_SSL`, or `SASL_PLAINTEXT` without
    /// [`tls`](Self::tls); `sasl.*`; no authentication).
    ///
    /// # Examples
    /// ```no_run
    /// use klamm::net::{Sasl, Tls};
    ///
    /// # async fn connect() -> Result<(), klamm::Error> {
    /// let client = klamm::Client::builder("kafka-1:9093")
    ///     .tls(Tls::new().roots_file("/etc/kafka/ca.pem"))
    ///     .sasl(Sasl::scram_sha_512("billing", "its password"))
    ///     .connect()
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn sasl(self, sasl: Sasl) -> Self {
        self.set(|config| config.security.sasl = Some(sasl))
    }

    /// Makes the byte streams to brokers, over which TLS and SASL are laid (no Java property;
    /// [`TcpConnector`](klamm_net::TcpConnector)): for a proxy, a tunnel, or a broker in this process.
    pub fn connector(self, connector: impl Connector) -> Self {
        self.set(|config| config.connector = Arc::new(connector))
    }

    /// Connects.
    ///
    /// # Errors
    /// [`Error::Net`] if an address is malformed, or as [`Client::connect`].
    ///
    /// # Cancel safety
    /// Dropping the future closes what was opened.
    pub async fn connect(self) -> Result<Client, Error> {
        let cluster = Cluster::connect(self.config?).await?;
        let admin = Admin::new(cluster.with_all_lanes_own());
        Ok(Client { cluster, admin })
    }

    fn set(mut self, set: impl FnOnce(&mut ClientConfig)) -> Self {
        if let Ok(config) = &mut self.config {
            set(config);
        }
        self
    }
}
