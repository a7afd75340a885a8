//! All connections of a client.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use super::features::{FeaturesSeen, FinalizedFeatures};
use super::owner::{LaneKey, OwnerId};
use super::reconnect::{Next, Reconnect, Report};
use crate::client_config::{ClientConfig, HostPort};
use crate::connection::{Connection, Intent};
use crate::dial::dial;
use crate::error::Error;
use crate::node::NodeId;
use crate::security::SecurityLayer;
use crate::stats::{BrokerStats, Meter};

/// The connection of one lane; locked while it is dialled, so that those who want it share one
/// attempt.
type Slot = Arc<tokio::sync::Mutex<Option<Connection>>>;

/// One address, with its connections.
struct Peer {
    address: HostPort,
    reconnect: Mutex<Reconnect>,
    lanes: Mutex<HashMap<LaneKey, Slot>>,
    meter: Arc<Meter>,
}

impl Peer {
    fn new(address: HostPort) -> Self {
        Self {
            address,
            reconnect: Mutex::default(),
            lanes: Mutex::default(),
            meter: Arc::default(),
        }
    }

    /// The open connections, but for those of a lane that is being dialled.
    fn open(&self) -> Vec<Connection> {
        let slots: Vec<_> = self.lanes().values().cloned().collect();
        let open = slots
            .iter()
            .filter_map(|slot| slot.try_lock().ok()?.clone());
        open.filter(|connection| !connection.is_closed()).collect()
    }

    fn stats(&self) -> BrokerStats {
        let open = self.open();
        let in_flight = open.iter().map(Connection::load).sum();
        self.meter.snapshot(&self.address, open.len(), in_flight)
    }

    fn reconnect(&self) -> MutexGuard<'_, Reconnect> {
        self.reconnect
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn lanes(&self) -> MutexGuard<'_, HashMap<LaneKey, Slot>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn slot(&self, lane: LaneKey) -> Slot {
        Arc::clone(self.lanes().entry(lane).or_default())
    }
}

/// All connections of a client, by address, lane and owner.
pub(crate) struct Pool {
    config: Arc<ClientConfig>,
    security: SecurityLayer,
    client_id: Arc<str>,
    peers: Mutex<HashMap<HostPort, Arc<Peer>>>,
    owners: AtomicU64,
    features: FeaturesSeen,
}

impl Pool {
    pub(crate) fn new(config: Arc<ClientConfig>, security: SecurityLayer) -> Self {
        Self {
            security,
            client_id: Arc::from(config.client_id.as_str()),
            config,
            peers: Mutex::default(),
            owners: AtomicU64::new(0),
            features: FeaturesSeen::default(),
        }
    }

    /// What the cluster has switched on, as far as brokers told.
    pub(crate) fn features(&self) -> Arc<FinalizedFeatures> {
        self.features.newest()
    }

    pub(super) fn next_owner(&self) -> OwnerId {
        OwnerId::nth(1 + self.owners.fetch_add(1, Ordering::Relaxed))
    }

    /// Lets go of the connections of `owner`.
    pub(super) fn forget_owner(&self, owner: OwnerId) {
        for peer in self.peers().values() {
            peer.lanes().retain(|lane, _| lane.owner != owner);
        }
    }

    /// Lets go of all addresses that `is_known` does not want.
    pub(crate) fn retain(&self, is_known: impl Fn(&HostPort) -> bool) {
        self.peers().retain(|address, _| is_known(address));
    }

    /// Ends all connections, those whose handles others hold as well, and forgets all addresses.
    pub(crate) fn close_all(&self, reason: &str) {
        let peers = std::mem::take(&mut *self.peers());
        for connection in peers.values().flat_map(|peer| peer.open()) {
            connection.close(reason);
        }
    }

    /// Each address's counters, in order of the addresses.
    pub(crate) fn stats(&self) -> Vec<BrokerStats> {
        let peers: Vec<_> = self.peers().values().cloned().collect();
        let mut stats: Vec<_> = peers.iter().map(|peer| peer.stats()).collect();
        stats.sort_by_cached_key(|broker| (broker.address.host.clone(), broker.address.port));
        stats
    }

    /// Requests under way on the open connection of `lane` to `address`, if there is one.
    pub(crate) fn load(&self, address: &HostPort, lane: LaneKey) -> Option<usize> {
        let peer = self.peers().get(address).cloned()?;
        let slot = peer.lanes().get(&lane).cloned()?;
        let open = slot.try_lock().ok()?.clone()?;
        (!open.is_closed()).then(|| open.load())
    }

    /// When the last attempt to reach `address` failed, if it is away.
    pub(crate) fn away_since_attempt(&self, address: &HostPort) -> Option<Instant> {
        let peer = self.peers().get(address).cloned()?;
        peer.reconnect().away_since_attempt()
    }

    /// How long `address` has not been reached, if it is away.
    pub(crate) fn away_for(&self, address: &HostPort) -> Option<Duration> {
        let peer = self.peers().get(address).cloned()?;
        let since = peer.reconnect().away_since()?;
        Some(since.elapsed())
    }

    fn peers(&self) -> MutexGuard<'_, HashMap<HostPort, Arc<Peer>>> {
        self.peers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn peer(&self, address: &HostPort) -> Arc<Peer> {
        let mut peers = self.peers();
        if let Some(known) = peers.get(address) {
            return Arc::clone(known);
        }
        let new = Arc::new(Peer::new(address.clone()));
        peers.insert(address.clone(), Arc::clone(&new));
        new
    }

    /// The connection to `address` for `lane`; dialled if need be, after the reconnect backoff.
    ///
    /// Callers that wait for the same connection share one attempt and its error.
    pub(crate) async fn connection(
        &self,
        address: &HostPort,
        intent: Option<Intent<'_>>,
        lane: LaneKey,
        deadline: Instant,
    ) -> Result<Connection, Error> {
        let asked = Instant::now();
        let peer = self.peer(address);
        let slot = peer.slot(lane);
        let attempt = async {
            let mut slot = slot.lock().await;
            if let Some(open) = slot.as_ref().filter(|open| !open.is_closed()) {
                return Ok(open.clone());
            }
            *slot = None;
            let limit = match self.may_dial(&peer, asked).await {
                Ok(limit) => limit,
                Err((error, pause)) => {
                    // Beside all others who are refused, not one after the other.
                    drop(slot);
                    sleep(pause).await;
                    return Err(error);
                }
            };
            let connection = self.dial(&peer, intent, limit).await?;
            *slot = Some(connection.clone());
            Ok(connection)
        };
        match timeout_at(deadline, attempt).await {
            Ok(connected) => connected,
            Err(_) => Err(Error::DeadlineExceeded {
                what: format!("connecting to {address}"),
                last: peer.reconnect().last_error().map(Box::new),
            }),
        }
    }

    /// Waits until an attempt may be made, and gives the time for it; or why there is none, and how long to wait
    /// before that is told.
    async fn may_dial(&self, peer: &Peer, asked: Instant) -> Result<Duration, (Error, Duration)> {
        loop {
            let next = peer.reconnect().next(asked, Instant::now(), &self.config);
            match next {
                Next::Dial(limit) => return Ok(limit),
                Next::Wait(until) => sleep_until(until).await,
                Next::Fail(error) => return Err((error, Duration::ZERO)),
                Next::Refuse(error) => return Err((error, self.config.retry_backoff.initial)),
            }
        }
    }

    async fn dial(
        &self,
        peer: &Peer,
        intent: Option<Intent<'_>>,
        limit: Duration,
    ) -> Result<Connection, Error> {
        let started = Instant::now();
        let meter = Arc::clone(&peer.meter);
        let node = intent.map(|intent| intent.node);
        match dial(
            &peer.address,
            intent,
            &self.config,
            &self.security,
            &self.client_id,
            meter,
            limit,
        )
        .await
        {
            Ok(connection) => {
                peer.meter.connected();
                self.features.observe(connection.versions());
                let report = peer.reconnect().connected(Instant::now());
                let elapsed = started.elapsed();
                let node = node.map(|node| node.0);
                tracing::debug!(broker = %peer.address, node, ?elapsed, "connected");
                if let Report::Back(away) = report {
                    tracing::info!(broker = %peer.address, ?away, "connected again");
                }
                Ok(connection)
            }
            Err(error) => {
                peer.meter.connect_failed();
                let mut reconnect = peer.reconnect();
                let error = advertised(error, node, &reconnect, self.is_bootstrap(&peer.address));
                let report = reconnect.failed(started, Instant::now(), error.clone(), &self.config);
                drop(reconnect);
                if let Report::Away(failures, away) = report {
                    tracing::warn!(broker = %peer.address, failures, ?away, %error, "cannot connect");
                }
                Err(error)
            }
        }
    }

    fn is_bootstrap(&self, address: &HostPort) -> bool {
        self.config.bootstrap.contains(address)
    }
}

/// Tells of the listeners if an address that only a broker's own word vouches for was never reached.
fn advertised(
    error: Error,
    node: Option<NodeId>,
    reconnect: &Reconnect,
    is_bootstrap: bool,
) -> Error {
    match (error, node) {
        (Error::Connect { address, source }, Some(node))
            if !is_bootstrap && !reconnect.was_connected() =>
        {
            Error::AdvertisedAddress {
                node: node.0,
                address,
                source,
            }
        }
        (error, _) => error,
    }
}

#[cfg(test)]
mod tests;
