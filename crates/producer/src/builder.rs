//! Building a producer.

use std::sync::Arc;
use std::time::Duration;

use klamm_codec::compress::Compression;
use klamm_net::Cluster;
use klamm_net::config::{ConfigError, Problem, PropertySet};

use crate::config::{Acks, ProducerConfig, Settings};
use crate::error::Error;
use crate::hooks::{DeliveryReport, Hooks, Interceptor};
use crate::partitioner::{Partitioner, Partitioning};
use crate::producer::Producer;
use crate::transaction::{Coordination, Manager, TransactionalProducer};

/// Sets up a [`Producer`]. Defaults are Java's, but for [`batch_size`](Self::batch_size).
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until build()"]
pub struct ProducerBuilder {
    cluster: Cluster,
    config: ProducerConfig,
    hooks: Hooks,
    request_timeout: Option<Duration>,
}

impl ProducerBuilder {
    /// A producer for `cluster`, with the defaults.
    pub fn new(cluster: Cluster) -> Self {
        Self {
            cluster,
            config: ProducerConfig::default(),
            hooks: Hooks::default(),
            request_timeout: None,
        }
    }

    /// Takes over every property that is set in `properties`.
    ///
    /// # Errors
    /// [`ConfigError`] naming each value that is not allowed.
    pub fn properties(mut self, properties: &PropertySet) -> Result<Self, ConfigError> {
        self.config.apply(properties)?;
        if let Some(timeout) = properties.duration_ms("request.timeout.ms") {
            self.request_timeout = Some(timeout);
        }
        Ok(self)
    }

    /// What the leader waits for before it acknowledges (`acks`). Default: all in-sync replicas.
    pub const fn acks(mut self, acks: Acks) -> Self {
        self.config.acks = acks;
        self
    }

    /// Whether the broker recognises batches that come twice, and keeps their order
    /// (`enable.idempotence`). Default: yes, unless `acks` or `retries` rule it out.
    pub const fn enable_idempotence(mut self, enable: bool) -> Self {
        self.config.enable_idempotence = Some(enable);
        self
    }

    /// How long a batch waits for more records (`linger.ms`). Default: 5 ms. Zero sends at once;
    /// batches still form while earlier ones are in flight.
    pub const fn linger(mut self, linger: Duration) -> Self {
        self.config.linger = linger;
        self
    }

    /// Size in bytes at which a batch is full (`batch.size`). Default: 131072, where Java has 16384
    /// because it reserves that much for each partition; here memory follows what is written.
    pub const fn batch_size(mut self, bytes: usize) -> Self {
        self.config.batch_size = bytes;
        self
    }

    /// Most bytes that all batches may hold (`buffer.memory`). Default: 32 MiB.
    pub const fn buffer_memory(mut self, bytes: usize) -> Self {
        self.config.buffer_memory = bytes;
        self
    }

    /// How long `send` may wait for metadata and for memory (`max.block.ms`). Default: 60 s.
    pub const fn max_block(mut self, timeout: Duration) -> Self {
        self.config.max_block = timeout;
        self
    }

    /// Forgets the metadata of topics that nothing has been sent to for so long (`metadata.max.idle.ms`). Default: 5 min.
    /// The next record waits for it as the first did.
    pub const fn metadata_max_idle(mut self, idle: Duration) -> Self {
        self.config.metadata_max_idle = idle;
        self
    }

    /// Largest request, and largest record before compression, in bytes (`max.request.size`).
    /// Default: 1 MiB.
    pub const fn max_request_size(mut self, bytes: usize) -> Self {
        self.config.max_request_size = bytes;
        self
    }

    /// Time from `send` to success or failure, with all retries (`delivery.timeout.ms`). Default:
    /// 120 s. At least linger plus request timeout.
    pub const fn delivery_timeout(mut self, timeout: Duration) -> Self {
        self.config.delivery_timeout = Some(timeout);
        self
    }

    /// How long one request may take (`request.timeout.ms`). Default: the client's, 30 s.
    pub const fn request_timeout(mut self, timeout: Duration) -> Self {
        self.request_timeout = Some(timeout);
        self
    }

    /// Unanswered requests to a broker (`max.in.flight.requests.per.connection`). Default: 5, the
    /// most that an idempotent producer may have. More than two only of requests with a full batch, or as
    /// many bytes, or what is sent again: a broker handles one at a time.
    pub const fn max_in_flight(mut self, requests: usize) -> Self {
        self.config.max_in_flight = requests;
        self
    }

    /// Attempts after the first (`retries`). Default: without limit, until the delivery timeout.
    pub const fn retries(mut self, retries: u32) -> Self {
        self.config.retries = retries;
        self
    }

    /// Codec of the batches (`compression.type`). Default: none.
    pub const fn compression(mut self, compression: Compression) -> Self {
        self.config.compression = compression;
        self
    }

    /// Level of the codec (`compression.gzip.level`, `compression.zstd.level`). Default: the codec's.
    pub const fn compression_level(mut self, level: i32) -> Self {
        self.config.compression_level = Some(level);
        self
    }

    /// How records that name no partition are spread (`partitioner.class`). Default: as Java, murmur2
    /// of the key, and without key by `batch.size` bytes to each partition.
    pub fn partitioning(mut self, partitioning: Partitioning) -> Self {
        self.config.partitioning = partitioning;
        self
    }

    /// A rule of one's own for the partitions of records: [`Partitioning::Custom`].
    pub fn partitioner(self, partitioner: impl Partitioner + 'static) -> Self {
        self.partitioning(Partitioning::Custom(Arc::new(partitioner)))
    }

    /// Spreads records with keys as those without (`partitioner.ignore.keys`). Default: no.
    pub const fn partitioner_ignore_keys(mut self, ignore: bool) -> Self {
        self.config.partitioner_ignore_keys = ignore;
        self
    }

    /// Whether records without key avoid partitions where batches wait
    /// (`partitioner.adaptive.partitioning.enable`, KIP-794). Default: yes.
    pub const fn partitioner_adaptive(mut self, adaptive: bool) -> Self {
        self.config.partitioner_adaptive = adaptive;
        self
    }

    /// After how long without taking a request a broker's partitions are avoided by records without
    /// key (`partitioner.availability.timeout.ms`, KIP-794). Default: zero, never.
    pub const fn partitioner_availability_timeout(mut self, timeout: Duration) -> Self {
        self.config.partitioner_availability_timeout = timeout;
        self
    }

    /// Sends records without key to leaders in the own [`client_rack`](Self::client_rack) alone,
    /// while there are any (`partitioner.rack.aware`, KIP-1123). Default: no.
    pub const fn partitioner_rack_aware(mut self, rack_aware: bool) -> Self {
        self.config.partitioner_rack_aware = rack_aware;
        self
    }

    /// The rack that this client is in (`client.rack`). Default: none.
    pub fn client_rack(mut self, rack: impl Into<String>) -> Self {
        self.config.client_rack = rack.into();
        self
    }

    /// Calls `callback` with the outcome of every record that was accepted, in their order within a
    /// partition. [`Record::tag`](crate::Record::tag) tells which it is. The callback runs on the
    /// task that sends for all partitions: it must be quick and must not wait.
    pub fn on_delivery(
        mut self,
        callback: impl Fn(&DeliveryReport<'_>) + Send + Sync + 'static,
    ) -> Self {
        self.hooks.on_delivery = Some(Arc::new(callback));
        self
    }

    /// Adds an interceptor, after those that are there (`interceptor.classes`). Records are copied
    /// for it once more.
    pub fn interceptor(mut self, interceptor: impl Interceptor + 'static) -> Self {
        self.hooks.interceptors.push(Arc::new(interceptor));
        self
    }

    /// The name under which this producer is known across restarts, for
    /// [`build_transactional`](Self::build_transactional) (`transactional.id`). Default: none. One
    /// producer at a time has it: whoever takes it over ends the one before, and aborts what that had
    /// open.
    pub fn transactional_id(mut self, id: impl Into<String>) -> Self {
        self.config.transactional_id = Some(id.into());
        self
    }

    /// How long a transaction may be open before the coordinator aborts it and ends its producer
    /// (`transaction.timeout.ms`). Default: 60 s. Brokers refuse more than their
    /// `transaction.max.timeout.ms` (15 min).
    pub const fn transaction_timeout(mut self, timeout: Duration) -> Self {
        self.config.transaction_timeout = timeout;
        self
    }

    /// Checks the settings, starts the producer and takes its
    /// [`transactional_id`](Self::transactional_id) over, within `max.block.ms`.
    ///
    /// # Errors
    /// [`Error::Config`] with every problem at once; [`Error::Fatal`] or [`Error::Abortable`] if the
    /// coordinator refuses; [`Error::TransactionTimeout`].
    ///
    /// # Cancel safety
    /// Nothing remains when the future is dropped, but whoever had the transactional id may have lost
    /// it.
    pub async fn build_transactional(self) -> Result<TransactionalProducer, Error> {
        let Some(id) = self.config.transactional_id.as_deref() else {
            let name = "a name that this producer alone has";
            return Err(ConfigError::from(Problem::missing("transactional.id", name)).into());
        };
        let backoff = self.cluster.config().retry_backoff;
        let coordination = Coordination::new(Manager::new(id.into(), backoff));
        let (cluster, settings, hooks) = self.check()?;
        TransactionalProducer::start(&cluster, settings, hooks, coordination).await
    }

    /// Checks the settings and starts the producer. It connects when there is something to send.
    ///
    /// # Errors
    /// [`Error::Config`] with every problem at once; a [`transactional_id`](Self::transactional_id)
    /// is one, because a producer that has it can send in transactions only.
    pub fn build(self) -> Result<Producer, Error> {
        if let Some(id) = &self.config.transactional_id {
            let none = "none here: build_transactional() makes a producer that has one";
            let problem = Problem::not_allowed("transactional.id", id, none);
            return Err(ConfigError::from(problem).into());
        }
        let (cluster, settings, hooks) = self.check()?;
        Ok(Producer::start(&cluster, settings, hooks, None))
    }

    fn check(self) -> Result<(Cluster, Settings, Hooks), Error> {
        let request_timeout = self
            .request_timeout
            .unwrap_or(self.cluster.config().request_timeout);
        let settings = self.config.check(request_timeout)?;
        Ok((self.cluster, settings, self.hooks))
    }
}
