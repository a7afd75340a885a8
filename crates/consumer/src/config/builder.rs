//! Setting up a consumer step by step.

use std::sync::Arc;
use std::time::Duration;

use klamm_net::Cluster;

use super::{ConsumerConfig, IsolationLevel, OffsetReset};
use crate::consumer::Consumer;
use crate::error::Error;
use crate::interceptor::Interceptor;

/// Builds a [`Consumer`]; whatever is not set has the default of the Java client.
///
/// # Examples
/// ```no_run
/// # use klamm_consumer::{ConsumerBuilder, Error};
/// # async fn example(cluster: klamm_net::Cluster) -> Result<(), Error> {
/// let mut consumer = ConsumerBuilder::new(cluster)
///     .group("billing")
///     .topics(["orders"])
///     .build()
///     .await?;
/// loop {
///     let records = consumer.poll().await?;
///     for record in &records {
///         println!("{}-{} {}", record.topic, record.partition, record.offset);
///     }
///     consumer.commit().await?;
/// }
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until build is called"]
pub struct ConsumerBuilder {
    cluster: Cluster,
    config: ConsumerConfig,
}

macro_rules! setters {
    ($($(#[$doc:meta])* $name:ident: $type:ty;)*) => {
        $(
            $(#[$doc])*
            pub fn $name(mut self, $name: $type) -> Self {
                self.config.$name = $name;
                self
            }
        )*
    };
}

impl ConsumerBuilder {
    /// A consumer of `cluster`.
    pub fn new(cluster: Cluster) -> Self {
        Self {
            cluster,
            config: ConsumerConfig::default(),
        }
    }

    /// Replaces all settings made so far.
    pub fn config(mut self, config: ConsumerConfig) -> Self {
        self.config = config;
        self
    }

    /// The consumer group, needed for subscribing and for committing (`group.id`; none).
    pub fn group(mut self, group_id: impl Into<String>) -> Self {
        self.config.group_id = Some(group_id.into());
        self
    }

    /// Id of a static member: a restart within the session timeout moves no partitions
    /// (`group.instance.id`; none; KIP-345, brokers from 2.3).
    pub fn group_instance_id(mut self, instance_id: impl Into<String>) -> Self {
        self.config.group_instance_id = Some(instance_id.into());
        self
    }

    /// Where this consumer runs: brokers that choose replicas by rack let it read from a near one
    /// (`client.rack`; none; KIP-392).
    pub fn client_rack(mut self, rack: impl Into<String>) -> Self {
        self.config.client_rack = Some(rack.into());
        self
    }

    /// Adds an interceptor, after those that are there (`interceptor.classes`).
    pub fn interceptor(mut self, interceptor: impl Interceptor + 'static) -> Self {
        self.config.interceptors.push(Arc::new(interceptor));
        self
    }

    /// Topics to subscribe to; the group shares out their partitions.
    pub fn topics<T: Into<String>>(mut self, topics: impl IntoIterator<Item = T>) -> Self {
        self.config.topics = topics.into_iter().map(Into::into).collect();
        self
    }

    /// Commit in the background what earlier polls handed over (`enable.auto.commit`; true with a
    /// group).
    pub fn auto_commit(mut self, auto_commit: bool) -> Self {
        self.config.auto_commit = Some(auto_commit);
        self
    }

    /// Most bytes fetched ahead of the application; fetching stops there and resumes at half (no
    /// Java property; `fetch.max.bytes`).
    pub fn prefetch_bytes(mut self, bytes: usize) -> Self {
        self.config.prefetch_bytes = Some(bytes);
        self
    }

    /// Upper bound of one call with its retries (`default.api.timeout.ms`; the client's, 60 s).
    pub fn default_api_timeout(mut self, timeout: Duration) -> Self {
        self.config.default_api_timeout = Some(timeout);
        self
    }

    setters! {
        /// A member that is silent for this long is dead to the group (`session.timeout.ms`; 45 s).
        session_timeout: Duration;
        /// Pause between heartbeats, at best a third of the session timeout
        /// (`heartbeat.interval.ms`; 3 s).
        heartbeat_interval: Duration;
        /// The application must poll again within this time, or its partitions go to other members
        /// (`max.poll.interval.ms`; 5 min).
        max_poll_interval: Duration;
        /// Most records of one poll (`max.poll.records`; 500).
        max_poll_records: usize;
        /// Pause between commits in the background (`auto.commit.interval.ms`; 5 s).
        auto_commit_interval: Duration;
        /// Commit what was handed over. If not, commits take only what the application has stored
        /// as done, by [`store_offset`](Consumer::store_offset) (`enable.auto.offset.store`; true).
        auto_offset_store: bool;
        /// Where to start without a valid offset (`auto.offset.reset`; latest).
        offset_reset: OffsetReset;
        /// Which records of transactions are read (`isolation.level`; read uncommitted).
        isolation_level: IsolationLevel;
        /// Brokers answer a fetch at this many bytes … (`fetch.min.bytes`; 1).
        fetch_min_bytes: usize;
        /// … or after this long; must be below the request timeout (`fetch.max.wait.ms`; 500 ms).
        fetch_max_wait: Duration;
        /// Most bytes of one response; the first batch always comes whole (`fetch.max.bytes`;
        /// 50 MiB).
        fetch_max_bytes: usize;
        /// Most bytes of one partition in a response (`max.partition.fetch.bytes`; 1 MiB).
        partition_fetch_max_bytes: usize;
        /// Verify the CRC-32C of every batch (`check.crcs`; true).
        check_crcs: bool;
        /// Asking for a missing topic may create it (`allow.auto.create.topics`; true).
        allow_auto_create_topics: bool;
    }

    /// Starts the consumer.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`] naming every setting that is wrong, or [`Error::Net`] if the
    /// cluster cannot be reached.
    pub async fn build(self) -> Result<Consumer, Error> {
        Consumer::new(self.cluster, self.config).await
    }
}
