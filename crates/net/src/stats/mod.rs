//! What a client has done and what it is doing, per broker and API.
//!
//! Counters only grow, from the start of the client, for as long as the cluster names the broker;
//! rates are the difference of two snapshots. Nothing is counted per record here: producers and
//! consumers have counters of their own.

mod histogram;
mod meter;

use std::time::Duration;

use klamm_codec::ApiKey;

pub use histogram::LatencyHistogram;
pub(crate) use meter::Meter;

use crate::client_config::HostPort;
use crate::node::NodeId;

/// The connections of a client and what went over them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientStats {
    /// Each address that the client has connected to, or tried to; in order of the addresses.
    pub brokers: Vec<BrokerStats>,
}

impl ClientStats {
    /// The counters of `api` at all brokers together, without latencies.
    #[must_use]
    pub fn requests(&self, api: ApiKey) -> u64 {
        let apis = self.brokers.iter().flat_map(|broker| &broker.apis);
        apis.filter(|stats| stats.api == api)
            .map(|stats| stats.requests)
            .sum()
    }
}

/// One address of a broker.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BrokerStats {
    /// Where it listens.
    pub address: HostPort,
    /// Its id; `None` for an address of `bootstrap.servers` that no broker advertises.
    pub node: Option<NodeId>,
    /// Connections open now.
    pub connections: usize,
    /// Requests that now wait to be sent or for their response.
    pub in_flight: usize,
    /// Connections made; those after the first of a lane are reconnects.
    pub connects: u64,
    /// Attempts that made none.
    pub connect_failures: u64,
    /// Connections that were lost: closed by the broker, timed out, broken.
    pub disconnects: u64,
    /// Time for which the broker asked to be left alone, summed up (KIP-219).
    pub throttled: Duration,
    /// Each API that was asked for.
    pub apis: Vec<ApiStats>,
}

/// The requests of one API to one broker.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ApiStats {
    /// The API.
    pub api: ApiKey,
    /// Requests handed to the socket.
    pub requests: u64,
    /// Requests that got no response: connection lost, timed out. What brokers refuse is a response.
    pub errors: u64,
    /// Bytes of the requests.
    pub bytes_out: u64,
    /// Bytes of the responses.
    pub bytes_in: u64,
    /// From handing a request to the socket to its whole response.
    pub latency: LatencyHistogram,
}
