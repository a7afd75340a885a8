//! Setting up a consumer step by step.

use std::sync::Arc;
use std::time::Duration;

use klamm_net::Cluster;

use super::{ConsumerConfig, GroupProtocol, IsolationLevel, OffsetReset};
use crate::assign::Assignor;
use crate::consumer::Consumer;
use crate::error::Error;
use crate::group::listener::{Listener, RebalanceListener};
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

    /// Where this consumer runs, for assignors and brokers that care (`client.rack`; none; KIP-392,
    /// KIP-881).
    pub fn client_rack(mut self, rack: impl Into<String>) -> Self {
        self.config.client_rack = Some(rack.into());
        self
    }

    /// Who assigns the partitions (`group.protocol`; classic).
    pub fn group_protocol(mut self, protocol: GroupProtocol) -> Self {
        self.config.group_protocol = protocol;
        self
    }

    /// How the broker assigns, with the consumer protocol: `uniform`, `range`, or what else it is
    /// configured to know (`group.remote.assignor`; the broker's choice).
    pub fn group_remote_assignor(mut self, assignor: impl Into<String>) -> Self {
        self.config.group_remote_assignor = Some(assignor.into());
        self
    }

    /// The assignors that a classic group may agree on, the preferred one first
    /// (`partition.assignment.strategy`; range, cooperative-sticky). Members keep what they own
    /// during a rebalance only if all of theirs are cooperative.
    pub fn assignors(mut self, assignors: impl IntoIterator<Item = Arc<dyn Assignor>>) -> Self {
        self.config.assignors = assignors.into_iter().collect();
        self
    }

    /// As [`assignors`](Self::assignors), with one alone.
    pub fn assignor(self, assignor: impl Assignor) -> Self {
        self.assignors([Arc::new(assignor) as Arc<dyn Assignor>])
    }

    /// Told of partitions that come and go.
    pub fn rebalance_listener(mut self, listener: impl RebalanceListener) -> Self {
        self.config.rebalance_listener = Some(Listener::new(listener));
        self
    }

    /// A member that is silent for this long is dead to a classic group (`session.timeout.ms`;
    /// 45 s). With the consumer protocol the broker says.
    pub fn session_timeout(mut self, timeout: Duration) -> Self {
        self.config.session_timeout = Some(timeout);
        self
    }

    /// Pause between heartbeats to a classic group, at best a third of the session timeout
    /// (`heartbeat.interval.ms`; 3 s). With the consumer protocol the broker says.
    pub fn heartbeat_interval(mut self, interval: Duration) -> Self {
        self.config.heartbeat_interval = Some(interval);
        self
    }

    /// Subscribes to all topics whose whole name matches this regular expression; see
    /// [`Consumer::subscribe_pattern`].
    pub fn topic_pattern(mut self, pattern: impl Into<String>) -> Self {
        self.config.topic_pattern = Some(pattern.into());
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
    /// [`Error::Config`] naming every setting that is wrong, or [`Error::Net`] if the
    /// cluster cannot be reached.
    pub async fn build(self) -> Result<Consumer, Error> {
        Consumer::new(self.cluster, self.config).await
    }
}
