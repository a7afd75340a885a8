//! How a producer behaves. Defaults are Java's, but for `batch.size`.

use std::time::Duration;

use klamm_codec::compress::{Compression, Compressor};
use klamm_net::config::checks::{self, IdempotenceSettings};
use klamm_net::config::{ConfigError, Findings, Problem, PropertySet};

use crate::partitioner::Partitioning;
use crate::partitioner::sticky::Order;

/// What the leader waits for before it acknowledges (`acks`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Acks {
    /// Nothing: the broker does not even answer (`0`). Records may be lost without notice.
    None,
    /// The leader's own log (`1`). Records may be lost when it dies.
    Leader,
    /// All in-sync replicas (`all`).
    #[default]
    All,
}

impl Acks {
    /// The number on the wire.
    pub(crate) const fn code(self) -> i16 {
        match self {
            Self::None => 0,
            Self::Leader => 1,
            Self::All => -1,
        }
    }
}

/// The settings of a producer; see [`ProducerBuilder`](crate::ProducerBuilder) for each.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ProducerConfig {
    /// `acks`, default all.
    pub acks: Acks,
    /// `enable.idempotence`; unset it is on, unless `acks` or `retries` rule it out.
    pub enable_idempotence: Option<bool>,
    /// `linger.ms`, default 5 ms.
    pub linger: Duration,
    /// `batch.size` in bytes, default 131072 (Java: 16384).
    pub batch_size: usize,
    /// `buffer.memory` in bytes, default 32 MiB.
    pub buffer_memory: usize,
    /// `max.block.ms`, default 60 s.
    pub max_block: Duration,
    /// `metadata.max.idle.ms`, default 5 min.
    pub metadata_max_idle: Duration,
    /// `max.request.size` in bytes, default 1 MiB.
    pub max_request_size: usize,
    /// `delivery.timeout.ms`; unset it is 120 s, or linger + request timeout if that is more.
    pub delivery_timeout: Option<Duration>,
    /// `max.in.flight.requests.per.connection`, default 5.
    pub max_in_flight: usize,
    /// `retries`, default 2147483647: until `delivery.timeout.ms`.
    pub retries: u32,
    /// `compression.type`, default none.
    pub compression: Compression,
    /// `compression.{gzip,lz4,zstd}.level`; unset it is the codec's default.
    pub compression_level: Option<i32>,
    /// `partitioner.class`, default as Java's.
    pub partitioning: Partitioning,
    /// `partitioner.ignore.keys`, default no.
    pub partitioner_ignore_keys: bool,
    /// `partitioner.adaptive.partitioning.enable`, default yes.
    pub partitioner_adaptive: bool,
    /// `partitioner.availability.timeout.ms`, default zero: off.
    pub partitioner_availability_timeout: Duration,
    /// `partitioner.rack.aware`, default no.
    pub partitioner_rack_aware: bool,
    /// `client.rack`, default none.
    pub client_rack: String,
    /// `transactional.id`; unset there are no transactions.
    pub transactional_id: Option<String>,
    /// `transaction.timeout.ms`, default 60 s.
    pub transaction_timeout: Duration,
}

impl Default for ProducerConfig {
    fn default() -> Self {
        Self {
            acks: Acks::All,
            enable_idempotence: None,
            linger: Duration::from_millis(5),
            batch_size: 128 << 10,
            buffer_memory: 32 << 20,
            max_block: Duration::from_secs(60),
            metadata_max_idle: Duration::from_secs(300),
            max_request_size: 1 << 20,
            delivery_timeout: None,
            max_in_flight: 5,
            retries: i32::MAX as u32,
            compression: Compression::None,
            compression_level: None,
            partitioning: Partitioning::Default,
            partitioner_ignore_keys: false,
            partitioner_adaptive: true,
            partitioner_availability_timeout: Duration::ZERO,
            partitioner_rack_aware: false,
            client_rack: String::new(),
            transactional_id: None,
            transaction_timeout: Duration::from_secs(60),
        }
    }
}

/// A configuration that has been checked.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) config: ProducerConfig,
    pub(crate) idempotent: bool,
    pub(crate) delivery_timeout: Duration,
    pub(crate) request_timeout: Duration,
    /// Largest batch, in bytes.
    pub(crate) batch_bytes_max: usize,
    /// Most bytes of records that go into a batch because they will be compressed.
    pub(crate) fill_bytes_max: usize,
    /// Largest record, in bytes.
    pub(crate) record_bytes_max: usize,
}

/// How many times `batch.size` the records of a batch may take before they are compressed, and the
/// share of `buffer.memory` that one batch may.
const FILL_MAX: usize = 8;

const DELIVERY_TIMEOUT: Duration = Duration::from_secs(120);

impl ProducerConfig {
    /// Takes over every property that is set.
    ///
    /// # Errors
    /// [`ConfigError`] for values whose meaning only this crate knows.
    pub fn apply(&mut self, properties: &PropertySet) -> Result<(), ConfigError> {
        let usize = |name, target: &mut usize| {
            if let Some(value) = properties.usize(name) {
                *target = value;
            }
        };
        usize("batch.size", &mut self.batch_size);
        usize("buffer.memory", &mut self.buffer_memory);
        usize("max.request.size", &mut self.max_request_size);
        usize(
            "max.in.flight.requests.per.connection",
            &mut self.max_in_flight,
        );
        if let Some(linger) = properties.duration_ms("linger.ms") {
            self.linger = linger;
        }
        if let Some(idle) = properties.duration_ms("metadata.max.idle.ms") {
            self.metadata_max_idle = idle;
        }
        if let Some(max_block) = properties.duration_ms("max.block.ms") {
            self.max_block = max_block;
        }
        if let Some(timeout) = properties.duration_ms("delivery.timeout.ms") {
            self.delivery_timeout = Some(timeout);
        }
        if let Some(id) = properties.string("transactional.id") {
            self.transactional_id = Some(id);
        }
        if let Some(timeout) = properties.duration_ms("transaction.timeout.ms") {
            self.transaction_timeout = timeout;
        }
        if let Some(retries) = properties.u64("retries") {
            self.retries = u32::try_from(retries).unwrap_or(u32::MAX);
        }
        if let Some(enabled) = properties.bool("enable.idempotence") {
            self.enable_idempotence = Some(enabled);
        }
        match properties.str("acks") {
            None => {}
            Some("0") => self.acks = Acks::None,
            Some("1") => self.acks = Acks::Leader,
            Some(_) => self.acks = Acks::All,
        }
        if let Some(compression) = properties.str("compression.type") {
            let not_allowed = |_| Problem::not_allowed("compression.type", compression, "a codec");
            self.compression = compression.parse().map_err(not_allowed)?;
        }
        let level = match self.compression {
            Compression::Gzip => properties.i32("compression.gzip.level"),
            Compression::Lz4 => properties.i32("compression.lz4.level"),
            Compression::Zstd => properties.i32("compression.zstd.level"),
            _ => None,
        };
        self.compression_level = level.or(self.compression_level);
        self.apply_partitioner(properties)
    }

    fn apply_partitioner(&mut self, properties: &PropertySet) -> Result<(), ConfigError> {
        if let Some(name) = properties.str("partitioner.class") {
            let not_allowed = || Problem::not_allowed("partitioner.class", name, "a partitioner");
            self.partitioning = Partitioning::from_name(name).ok_or_else(not_allowed)?;
        }
        let bool = |name, target: &mut bool| {
            if let Some(value) = properties.bool(name) {
                *target = value;
            }
        };
        bool("partitioner.ignore.keys", &mut self.partitioner_ignore_keys);
        bool(
            "partitioner.adaptive.partitioning.enable",
            &mut self.partitioner_adaptive,
        );
        bool("partitioner.rack.aware", &mut self.partitioner_rack_aware);
        if let Some(timeout) = properties.duration_ms("partitioner.availability.timeout.ms") {
            self.partitioner_availability_timeout = timeout;
        }
        if let Some(rack) = properties.str("client.rack") {
            rack.clone_into(&mut self.client_rack);
        }
        Ok(())
    }

    /// Where records without key go after a partition has had its share.
    pub(crate) const fn sticky_order(&self) -> Order {
        match self.partitioning {
            Partitioning::LeastBackup => Order::LeastBackup,
            _ if self.partitioner_adaptive => Order::Adaptive,
            _ => Order::InTurn,
        }
    }

    /// Checks every setting against its range and the others; logs what Java warns of.
    pub(crate) fn check(mut self, request_timeout: Duration) -> Result<Settings, ConfigError> {
        self.linger = self.linger.min(Duration::from_secs(86_400));
        let mut findings = Findings::new();
        let at_least_one = |findings: &mut Findings, name: &str, value: usize| {
            if value == 0 {
                findings.problem(Problem::not_allowed(name, "0", "at least 1"));
            }
        };
        at_least_one(&mut findings, "buffer.memory", self.buffer_memory);
        at_least_one(&mut findings, "max.request.size", self.max_request_size);
        at_least_one(
            &mut findings,
            "max.in.flight.requests.per.connection",
            self.max_in_flight,
        );
        let idempotent = checks::idempotence(
            IdempotenceSettings {
                enabled: self.enable_idempotence,
                acks_all: self.acks == Acks::All,
                retries: self.retries,
                max_in_flight: self.max_in_flight,
                transactional: self.transactional_id.is_some(),
            },
            &mut findings,
        );
        let delivery_timeout = checks::delivery_timeout(
            self.delivery_timeout.unwrap_or(DELIVERY_TIMEOUT),
            self.delivery_timeout.is_some(),
            self.linger,
            request_timeout,
            &mut findings,
        );
        checks::rack_aware(
            self.partitioner_rack_aware,
            &self.client_rack,
            &mut findings,
        );
        let timeout_ms = self.transaction_timeout.as_millis();
        if self.transactional_id.is_some() && !(1..=i32::MAX as u128).contains(&timeout_ms) {
            let allowed = "1 to 2147483647 ms";
            let timeout_ms = timeout_ms.to_string();
            findings.problem(Problem::not_allowed(
                "transaction.timeout.ms",
                &timeout_ms,
                allowed,
            ));
        }
        if self.transactional_id.as_deref() == Some("") {
            let allowed = "a name that is not empty";
            findings.problem(Problem::not_allowed("transactional.id", "", allowed));
        }
        checks::batch_size(self.batch_size, self.max_request_size, &mut findings);
        if self.compression != Compression::None
            && let Err(error) = Compressor::new(self.compression, self.compression_level)
        {
            let level = self.compression_level.unwrap_or_default().to_string();
            let name = format!("compression.{}.level", self.compression);
            findings.problem(Problem::not_allowed(&name, &level, error.to_string()));
        }
        for warning in findings.finish()? {
            tracing::warn!("{warning}");
        }
        let batch_bytes_max = self.batch_size.min(self.max_request_size);
        let fill_bytes_max = match self.compression {
            Compression::None => batch_bytes_max,
            _ => batch_bytes_max
                .saturating_mul(FILL_MAX)
                .min(self.max_request_size)
                .min(self.buffer_memory / FILL_MAX)
                .max(batch_bytes_max),
        };
        Ok(Settings {
            idempotent,
            // Far enough away, and still a point in time.
            delivery_timeout: delivery_timeout.min(Duration::from_secs(365 * 86_400)),
            request_timeout,
            batch_bytes_max,
            fill_bytes_max,
            record_bytes_max: self.max_request_size.min(self.buffer_memory),
            config: self,
        })
    }
}

#[cfg(test)]
mod tests {
    use klamm_net::config::Role;

    use super::*;

    const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

    fn from(properties: &[(&str, &str)]) -> ProducerConfig {
        let set = PropertySet::parse(Role::Producer, properties.iter().copied()).unwrap();
        let mut config = ProducerConfig::default();
        config.apply(&set).unwrap();
        config
    }

    #[test]
    fn properties_set_what_they_name() {
        let config = from(&[
            ("acks", "1"),
            ("linger.ms", "20"),
            ("batch.size", "1000"),
            ("compression.type", "zstd"),
            ("compression.zstd.level", "1"),
            ("delivery.timeout.ms", "40000"),
            ("metadata.max.idle.ms", "6000"),
        ]);
        assert_eq!(config.acks, Acks::Leader);
        assert_eq!(config.linger, Duration::from_millis(20));
        assert_eq!(config.batch_size, 1000);
        assert_eq!(config.compression, Compression::Zstd);
        assert_eq!(config.compression_level, Some(1));
        assert_eq!(config.delivery_timeout, Some(Duration::from_secs(40)));
        assert_eq!(config.metadata_max_idle, Duration::from_secs(6));
    }

    #[test]
    fn idempotence_is_on_by_default_and_off_where_acks_rule_it_out() {
        let settings = from(&[]).check(REQUEST_TIMEOUT).unwrap();
        assert!(settings.idempotent);
        assert_eq!(settings.delivery_timeout, DELIVERY_TIMEOUT);
        assert!(
            !from(&[("acks", "1")])
                .check(REQUEST_TIMEOUT)
                .unwrap()
                .idempotent
        );
    }

    #[test]
    fn every_conflict_is_reported_at_once() {
        let config = from(&[
            ("enable.idempotence", "true"),
            ("acks", "1"),
            ("delivery.timeout.ms", "1000"),
        ]);
        let error = config.check(REQUEST_TIMEOUT).unwrap_err();
        assert!(error.problems().len() >= 2, "{error}");
        assert!(error.to_string().contains("delivery.timeout.ms"), "{error}");
    }
}
