//! What all handles of a cluster share.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::broker::{Lane, LaneKey, OwnerId, Pool};
use crate::client_config::{ClientConfig, HostPort};
use crate::connection::{Connection, Intent};
use crate::coordinator::Coordinators;
use crate::error::Error;
use crate::metadata::{
    self, Answer, Broker, ClusterSnapshot, FAILOVER, SnapshotSender, TopicsInUse,
};
use crate::node::NodeId;
use crate::security::SecurityLayer;
use crate::staggered::{HEAD_START, first_success};

pub(crate) struct Inner {
    pub(super) config: Arc<ClientConfig>,
    pub(super) pool: Arc<Pool>,
    pub(super) snapshot: SnapshotSender,
    pub(super) topics: Arc<TopicsInUse>,
    pub(super) coordinators: Coordinators,
    /// Turns with every request that may go to any broker.
    next_broker: Mutex<usize>,
    pub(super) refresher: Mutex<Option<JoinHandle<()>>>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        let refresher = self
            .refresher
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(task) = refresher.take() {
            task.abort();
        }
    }
}

impl Inner {
    pub(super) fn new(config: Arc<ClientConfig>, security: SecurityLayer) -> Self {
        Self {
            pool: Arc::new(Pool::new(Arc::clone(&config), security)),
            snapshot: SnapshotSender::default(),
            topics: Arc::default(),
            coordinators: Coordinators::default(),
            next_broker: Mutex::new(first_broker()),
            refresher: Mutex::default(),
            config,
        }
    }

    pub(crate) fn snapshot(&self) -> Arc<ClusterSnapshot> {
        Arc::clone(&self.snapshot.borrow())
    }

    pub(crate) fn publish(&self, answer: Answer) {
        self.snapshot.send_modify(|snapshot| {
            let next = snapshot.merged(answer, |topic| self.topics.contains(topic));
            *snapshot = Arc::new(next);
        });
        let snapshot = self.snapshot();
        let is_broker = |address: &HostPort| {
            let mut brokers = snapshot.brokers.iter();
            brokers.any(|broker| broker.address == *address)
        };
        self.pool
            .retain(|address| self.config.bootstrap.contains(address) || is_broker(address));
    }

    /// Lets those who wait for metadata look at the last error.
    pub(crate) fn metadata_failed(&self) {
        self.snapshot.send_modify(|_| ());
    }

    pub(super) async fn connection(
        &self,
        node: NodeId,
        lane: LaneKey,
        deadline: Instant,
    ) -> Result<Connection, Error> {
        let snapshot = self.snapshot();
        let Some(broker) = snapshot.broker(node) else {
            self.topics.request_refresh();
            return Err(Error::UnknownNode { node: node.0 });
        };
        let (address, intent) = (&broker.address, self.intent(&snapshot, node));
        let connecting = self.pool.connection(address, Some(intent), lane, deadline);
        tokio::pin!(connecting);
        loop {
            tokio::select! {
                connected = &mut connecting => {
                    if let Err(error) = &connected {
                        // It may have moved.
                        self.topics.request_refresh();
                        self.start_again_if_wrong(error);
                    }
                    return connected;
                }
                // What it leads is going elsewhere, and that should not be found out at the next attempt only.
                () = sleep(self.config.retry_backoff.initial) => {
                    if self.pool.away_for(address).is_some_and(|away| away < FAILOVER) {
                        self.topics.request_refresh();
                    }
                }
            }
        }
    }

    /// A connection to `node`, as `snapshot` has it.
    fn intent<'a>(&self, snapshot: &'a ClusterSnapshot, node: NodeId) -> Intent<'a> {
        // Without a bootstrap to start again from there is nothing to do about it.
        let is_checked = self.config.rebootstrap && self.config.metadata_cluster_check;
        let cluster_id = snapshot.cluster_id.as_deref().filter(|_| is_checked);
        Intent { node, cluster_id }
    }

    /// Where a broker was there is another one: what is known of the cluster is not to be trusted (KIP-1242).
    fn start_again_if_wrong(&self, error: &Error) {
        if matches!(error, Error::WrongBroker { .. }) {
            self.topics.request_rebootstrap();
        }
    }

    /// Whether `node` is away, and not for so long that nobody will take over from it any more. The metadata leave it out
    /// when its time is over, which is when others do.
    pub(super) fn is_failing_over(&self, node: NodeId) -> bool {
        self.snapshot().broker(node).is_none_or(|broker| {
            let away = self.pool.away_for(&broker.address);
            away.is_some_and(|away| away < FAILOVER)
        })
    }

    /// A connection to a known broker, or to a bootstrap address when none of them answers.
    pub(crate) async fn any_connection(
        &self,
        lane: LaneKey,
        deadline: Instant,
    ) -> Result<Connection, Error> {
        self.any_other_connection(lane, deadline, &[]).await
    }

    /// A connection to a broker that is none of `asked`.
    pub(crate) async fn any_other_connection(
        &self,
        lane: LaneKey,
        deadline: Instant,
        asked: &[String],
    ) -> Result<Connection, Error> {
        let snapshot = self.snapshot();
        let snapshot = &*snapshot;
        let mut brokers = self.in_turn(snapshot, lane);
        brokers.retain(|broker| !asked.contains(&broker.address.to_string()));
        let brokers = brokers.into_iter();
        let attempts = brokers.map(|broker| async move {
            let intent = Some(self.intent(snapshot, broker.node));
            let connecting = self
                .pool
                .connection(&broker.address, intent, lane, deadline);
            connecting
                .await
                .inspect_err(|error| self.start_again_if_wrong(error))
        });
        let failures = match first_success(HEAD_START, attempts).await {
            Ok(connection) => return Ok(connection),
            Err(failures) => failures,
        };
        if !self.config.rebootstrap {
            return Err(last(failures));
        }
        // Rebootstrap (KIP-899): none of the brokers that are known can be reached.
        let addresses = self.bootstrap_in_turn();
        let attempts = addresses.map(|address| async move {
            self.pool.connection(&address, None, lane, deadline).await
        });
        first_success(HEAD_START, attempts).await.map_err(last)
    }

    /// The brokers in the order in which to ask them: those with a connection, the least loaded first;
    /// then those that can be reached, as far as is known; of the others first the one whose last
    /// attempt is longest ago.
    fn in_turn(&self, snapshot: &ClusterSnapshot, lane: LaneKey) -> Vec<Broker> {
        let mut brokers = snapshot.brokers.clone();
        if !brokers.is_empty() {
            let first = self.take_turn() % brokers.len();
            brokers.rotate_left(first);
        }
        brokers.sort_by_cached_key(|broker| match self.pool.load(&broker.address, lane) {
            Some(load) => (0, load, None),
            None => (1, 0, self.pool.away_since_attempt(&broker.address)),
        });
        brokers
    }

    /// Forgets all brokers and ends all connections, also those whose handles the roles hold: what is asked next
    /// starts from the bootstrap addresses, which are resolved anew (KIP-1102).
    pub(crate) fn rebootstrap(&self) {
        tracing::warn!("starting again from the bootstrap addresses");
        self.snapshot.send_modify(|snapshot| {
            let mut next = ClusterSnapshot::clone(snapshot);
            next.brokers.clear();
            next.controller = None;
            *snapshot = Arc::new(next);
        });
        self.pool
            .close_all("the cluster is looked for anew (metadata.recovery.strategy=rebootstrap)");
    }

    /// The first answer of any bootstrap address; names that cannot be resolved yet get the time for it (KIP-909).
    pub(super) async fn first_answer(&self) -> Result<Answer, Error> {
        let began = Instant::now();
        let mut attempt = 0;
        loop {
            let deadline = Instant::now() + self.config.default_api_timeout;
            let addresses = self.bootstrap_in_turn();
            let attempts = addresses.map(|address| async move {
                self.ask_bootstrap(&address, &[], false, deadline).await
            });
            let failures = match first_success(HEAD_START, attempts).await {
                Ok(answer) => return Ok(answer),
                Err(failures) => failures,
            };
            let pause = self.config.reconnect_backoff.jittered(attempt);
            let is_unresolved = failures.iter().all(Error::is_unresolved);
            if !is_unresolved || began.elapsed() + pause >= self.config.bootstrap_resolve_timeout {
                return Err(last(failures));
            }
            sleep(pause).await;
            attempt += 1;
        }
    }

    pub(crate) async fn ask_bootstrap(
        &self,
        address: &HostPort,
        topics: &[Arc<str>],
        auto_create: bool,
        deadline: Instant,
    ) -> Result<Answer, Error> {
        let lane = LaneKey::new(Lane::Control, OwnerId::CLIENT);
        let connection = self.pool.connection(address, None, lane, deadline).await?;
        metadata::ask(&connection, &self.config, topics, auto_create).await
    }

    fn bootstrap_in_turn(&self) -> impl Iterator<Item = HostPort> {
        let mut addresses = self.config.bootstrap.clone();
        let first = self.take_turn() % addresses.len().max(1);
        addresses.rotate_left(first);
        addresses.into_iter()
    }

    fn take_turn(&self) -> usize {
        let mut next = self
            .next_broker
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *next = next.wrapping_add(1);
        *next
    }
}

/// Why all attempts have failed: as the last of them did.
fn last(mut failures: Vec<Error>) -> Error {
    failures.pop().unwrap_or_else(|| Error::Bootstrap {
        reason: "no address is given".to_owned(),
    })
}

/// Clients that start together should not all turn to the same broker.
fn first_broker() -> usize {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(0) as usize
}
