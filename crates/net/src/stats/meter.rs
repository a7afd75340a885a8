//! What is counted while requests are under way; never locks.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use klamm_codec::ApiKey;

use super::histogram::Recorder;
use super::{ApiStats, BrokerStats};
use crate::client_config::HostPort;

/// One more than the highest key that is counted apart.
const KEYS: usize = 100;

/// The counters of one broker.
pub(crate) struct Meter {
    apis: [OnceLock<Box<ApiMeter>>; KEYS],
    connects: AtomicU64,
    connect_failures: AtomicU64,
    disconnects: AtomicU64,
    throttled_ms: AtomicU64,
}

/// The counters of one API of one broker.
struct ApiMeter {
    requests: AtomicU64,
    errors: AtomicU64,
    bytes_out: AtomicU64,
    bytes_in: AtomicU64,
    latency: Recorder,
}

impl Default for Meter {
    fn default() -> Self {
        Self {
            apis: [const { OnceLock::new() }; KEYS],
            connects: AtomicU64::new(0),
            connect_failures: AtomicU64::new(0),
            disconnects: AtomicU64::new(0),
            throttled_ms: AtomicU64::new(0),
        }
    }
}

impl Meter {
    pub(crate) fn connected(&self) {
        self.connects.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn connect_failed(&self) {
        self.connect_failures.fetch_add(1, Ordering::Relaxed);
    }

    /// A connection ended that nobody had wanted to end.
    pub(crate) fn disconnected(&self) {
        self.disconnects.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn throttled(&self, time: Duration) {
        let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.throttled_ms.fetch_add(millis, Ordering::Relaxed);
    }

    /// A request of `bytes` goes out.
    pub(crate) fn sent(&self, api: ApiKey, bytes: usize) {
        if let Some(api) = self.api(api) {
            api.requests.fetch_add(1, Ordering::Relaxed);
            api.bytes_out.fetch_add(bytes as u64, Ordering::Relaxed);
        }
    }

    /// Its response of `bytes` has come.
    pub(crate) fn answered(&self, api: ApiKey, bytes: usize, latency: Duration) {
        if let Some(api) = self.api(api) {
            api.bytes_in.fetch_add(bytes as u64, Ordering::Relaxed);
            api.latency.record(latency);
        }
    }

    /// None will come.
    pub(crate) fn failed(&self, api: ApiKey) {
        if let Some(api) = self.api(api) {
            api.errors.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn api(&self, api: ApiKey) -> Option<&ApiMeter> {
        let slot = self.apis.get(usize::try_from(api.0).ok()?)?;
        Some(slot.get_or_init(|| {
            Box::new(ApiMeter {
                requests: AtomicU64::new(0),
                errors: AtomicU64::new(0),
                bytes_out: AtomicU64::new(0),
                bytes_in: AtomicU64::new(0),
                latency: Recorder::new(),
            })
        }))
    }

    pub(crate) fn snapshot(
        &self,
        address: &HostPort,
        connections: usize,
        in_flight: usize,
    ) -> BrokerStats {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let apis = self.apis.iter().zip(0..).filter_map(|(slot, key)| {
            let api = slot.get()?;
            Some(ApiStats {
                api: ApiKey(key),
                requests: get(&api.requests),
                errors: get(&api.errors),
                bytes_out: get(&api.bytes_out),
                bytes_in: get(&api.bytes_in),
                latency: api.latency.snapshot(),
            })
        });
        BrokerStats {
            address: address.clone(),
            node: None,
            connections,
            in_flight,
            connects: get(&self.connects),
            connect_failures: get(&self.connect_failures),
            disconnects: get(&self.disconnects),
            throttled: Duration::from_millis(get(&self.throttled_ms)),
            apis: apis.collect(),
        }
    }
}
