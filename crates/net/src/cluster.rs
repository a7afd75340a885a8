//! The cluster as a client sees it: its metadata, its connections, its coordinators.
//!
//! A [`Cluster`] is shared by all roles of a client and cheap to clone. It owns one task, which
//! keeps the metadata fresh and ends with the last clone.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use klamm_codec::api::Request;
use klamm_codec::messages::FindCoordinatorRequest;
use klamm_codec::{ApiKey, ErrorCode};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout_at};

use crate::broker::{Lane, Pool};
use crate::client_config::{ClientConfig, HostPort};
use crate::connection::Connection;
use crate::coordinator::{self, CoordinatorKind, Coordinators};
use crate::error::Error;
use crate::metadata::{
    self, Answer, ClusterSnapshot, Refresher, SnapshotSender, Topic, TopicsInUse,
};
use crate::node::NodeId;
use crate::route::{Route, Verdict};
use crate::security::SecurityLayer;

/// A Kafka cluster; cheap to clone.
#[derive(Clone)]
pub struct Cluster {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    config: Arc<ClientConfig>,
    pool: Pool,
    snapshot: SnapshotSender,
    topics: Arc<TopicsInUse>,
    coordinators: Coordinators,
    /// Turns with every request that may go to any broker.
    next_broker: Mutex<usize>,
    refresher: Mutex<Option<JoinHandle<()>>>,
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

impl Cluster {
    /// Finds the cluster through its bootstrap addresses, trying each until one answers, within
    /// `default.api.timeout.ms`.
    ///
    /// # Errors
    /// The last failure of an address when all of them failed: there is no use in waiting for an
    /// address that is wrong.
    ///
    /// # Cancel safety
    /// Dropping the future closes what was opened.
    pub async fn connect(config: ClientConfig) -> Result<Self, Error> {
        let config = Arc::new(config);
        let security = SecurityLayer::new(config.security.clone()).await?;
        let topics = Arc::new(TopicsInUse::default());
        let inner = Arc::new(Inner {
            pool: Pool::new(Arc::clone(&config), security),
            snapshot: watch::Sender::new(Arc::default()),
            topics: Arc::clone(&topics),
            coordinators: Coordinators::default(),
            next_broker: Mutex::new(first_broker()),
            refresher: Mutex::default(),
            config: Arc::clone(&config),
        });
        let deadline = Instant::now() + config.default_api_timeout;
        let connection = inner.bootstrap_connection(Lane::Control, deadline).await?;
        let answer = metadata::ask(&connection, &[], false, config.request_timeout).await?;
        inner.publish(answer);
        let refresher = Refresher::new(Arc::downgrade(&inner), topics, config);
        let task = tokio::spawn(refresher.run());
        *inner
            .refresher
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(task);
        Ok(Self { inner })
    }

    /// How this client was configured.
    #[must_use]
    pub fn config(&self) -> &ClientConfig {
        &self.inner.config
    }

    /// The newest metadata; never waits.
    #[must_use]
    pub fn snapshot(&self) -> Arc<ClusterSnapshot> {
        self.inner.snapshot()
    }

    /// Tells about every refresh of the metadata.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Arc<ClusterSnapshot>> {
        self.inner.snapshot.subscribe()
    }

    /// Asks for newer metadata soon; requests of many callers become one, and none waits.
    pub fn request_refresh(&self) {
        self.inner.topics.request_refresh();
    }

    /// Newer metadata than there is now, asked for and waited for until `deadline`.
    ///
    /// # Errors
    /// [`Error::DeadlineExceeded`] with the last failure inside.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn refresh(&self, deadline: Instant) -> Result<Arc<ClusterSnapshot>, Error> {
        let mut snapshots = self.watch();
        let known = snapshots.borrow_and_update().refresh;
        self.request_refresh();
        let newer = snapshots.wait_for(|snapshot| snapshot.refresh > known);
        match timeout_at(deadline, newer).await {
            Ok(Ok(snapshot)) => Ok(Arc::clone(&snapshot)),
            Ok(Err(_)) => Err(Error::Closed),
            Err(_) => Err(Error::DeadlineExceeded {
                what: "asking for metadata".to_owned(),
                last: self.inner.topics.last_error().map(Box::new),
            }),
        }
    }

    /// Keeps the metadata of these topics up to date from now on. With `auto_create` asking for a
    /// missing one may create it, if the brokers allow that (`allow.auto.create.topics`).
    pub fn add_topics<'a>(&self, names: impl IntoIterator<Item = &'a str>, auto_create: bool) {
        self.inner.topics.add(names, auto_create);
    }

    /// The metadata of a topic, waiting for it until `deadline`; the topic stays in use.
    ///
    /// # Errors
    /// [`Error::Broker`] at once if the topic's name or the permissions do not allow it,
    /// [`Error::UnknownTopic`] or [`Error::DeadlineExceeded`] when the deadline passes.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn topic(
        &self,
        name: &str,
        auto_create: bool,
        deadline: Instant,
    ) -> Result<Arc<Topic>, Error> {
        let started = Instant::now();
        let mut snapshots = self.watch();
        self.add_topics([name], auto_create);
        let found = async {
            loop {
                let snapshot = snapshots.borrow_and_update().clone();
                if let Some(topic) = snapshot.topic(name) {
                    if !topic.partitions.is_empty() {
                        return Ok(Arc::clone(topic));
                    }
                    if !topic.error.is_retriable() && !topic.error.is_none() {
                        return Err(Error::broker(
                            ApiKey::METADATA,
                            topic.error,
                            format!("topic {name}"),
                        ));
                    }
                }
                if snapshots.changed().await.is_err() {
                    return Err(Error::Closed);
                }
            }
        };
        if let Ok(found) = timeout_at(deadline, found).await {
            return found;
        }
        match self.snapshot().topic(name) {
            Some(topic) => Err(Error::UnknownTopic {
                topic: name.to_owned(),
                code: topic.error,
                waited: started.elapsed(),
            }),
            None => Err(Error::DeadlineExceeded {
                what: format!("asking for the metadata of topic {name}"),
                last: self.inner.topics.last_error().map(Box::new),
            }),
        }
    }

    /// The connection to the broker `node` for `lane`, dialled if need be.
    ///
    /// # Errors
    /// [`Error::UnknownNode`], [`Error::Connect`], [`Error::NotKafka`], [`Error::DeadlineExceeded`].
    ///
    /// # Cancel safety
    /// Dropping the future leaves the attempt to the next caller.
    pub async fn connection(
        &self,
        node: NodeId,
        lane: Lane,
        deadline: Instant,
    ) -> Result<Connection, Error> {
        self.inner.connection(node, lane, deadline).await
    }

    /// A connection to any broker that answers, one after the other in turn.
    ///
    /// # Errors
    /// The last failure, when no broker could be reached.
    pub async fn any_connection(&self, deadline: Instant) -> Result<Connection, Error> {
        self.inner.any_connection(Lane::Control, deadline).await
    }

    /// Sends a request where `route` says and tries again with backoff what can be tried again,
    /// until `deadline`. `build` makes the request for the version that the broker speaks, `check`
    /// judges the response.
    ///
    /// # Errors
    /// [`Error::Broker`] for a refusal, [`Error::UnsupportedVersion`], or
    /// [`Error::DeadlineExceeded`] with the last failure inside.
    ///
    /// # Cancel safety
    /// Dropping the future ends the retries; a request that is on its way may still be processed.
    pub async fn call<R: Request>(
        &self,
        route: &Route,
        deadline: Instant,
        build: impl Fn(i16) -> R,
        check: impl Fn(&R::Response) -> Verdict,
    ) -> Result<R::Response, Error> {
        let mut attempt = 0;
        loop {
            let error = match self.attempt(route, deadline, &build, &check).await {
                Ok(response) => return Ok(response),
                Err(error) => error,
            };
            let retriable = error.is_retriable() || error.code() == Some(ErrorCode::NOT_CONTROLLER);
            if !retriable {
                return Err(error);
            }
            self.forget_route(route);
            let pause = self.inner.config.retry_backoff.jittered(attempt);
            if Instant::now() + pause >= deadline {
                return Err(Error::DeadlineExceeded {
                    what: R::API.to_string(),
                    last: Some(Box::new(error)),
                });
            }
            sleep(pause).await;
            attempt += 1;
        }
    }

    async fn attempt<R: Request>(
        &self,
        route: &Route,
        deadline: Instant,
        build: &impl Fn(i16) -> R,
        check: &impl Fn(&R::Response) -> Verdict,
    ) -> Result<R::Response, Error> {
        let connection = self.route(route, deadline).await?;
        let version = connection.version(R::API)?;
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = self.inner.config.request_timeout.min(left);
        let response = connection
            .request(&build(version), version, timeout)
            .await?;
        match check(&response) {
            Verdict::Done => Ok(response),
            Verdict::Retry(code) => Err(Error::broker(R::API, code, connection.address())),
            Verdict::Fail(code, context) => Err(Error::broker(R::API, code, context)),
        }
    }

    async fn route(&self, route: &Route, deadline: Instant) -> Result<Connection, Error> {
        let snapshot = self.snapshot();
        let node = match route {
            Route::Any => None,
            Route::Controller => snapshot.controller,
            Route::Node(node) => Some(*node),
            Route::Coordinator(kind, key) => {
                let node = Box::pin(self.coordinator(*kind, key, deadline)).await?;
                return self.connection(node, Lane::Group, deadline).await;
            }
            Route::Leader(topic, partition) => {
                let topic = self.topic(topic, false, deadline).await?;
                let leader = topic
                    .partition(*partition)
                    .and_then(|partition| partition.leader);
                Some(leader.ok_or_else(|| {
                    let context = format!("{}-{partition}", topic.name);
                    Error::broker(ApiKey::METADATA, ErrorCode::LEADER_NOT_AVAILABLE, context)
                })?)
            }
        };
        match node {
            Some(node) => self.connection(node, Lane::Control, deadline).await,
            None => self.any_connection(deadline).await,
        }
    }

    fn forget_route(&self, route: &Route) {
        match route {
            Route::Coordinator(kind, key) => self.forget_coordinator(*kind, key),
            Route::Controller | Route::Leader(..) | Route::Node(_) => self.request_refresh(),
            Route::Any => {}
        }
    }

    /// The broker that coordinates `key`; looked up once and remembered.
    ///
    /// # Errors
    /// [`Error::Broker`] without permission, [`Error::DeadlineExceeded`].
    pub async fn coordinator(
        &self,
        kind: CoordinatorKind,
        key: &str,
        deadline: Instant,
    ) -> Result<NodeId, Error> {
        if let Some(node) = self.inner.coordinators.get(kind, key) {
            return Ok(node);
        }
        let response = self
            .call(
                &Route::Any,
                deadline,
                |version| coordinator::request(kind, key, version),
                |response| match coordinator::answer(response) {
                    Ok(_) => Verdict::Done,
                    Err(code) => Verdict::of(code, format!("{kind:?} {key}")),
                },
            )
            .await?;
        let node = coordinator::answer(&response)
            .map_err(|code| Error::broker(FindCoordinatorRequest::API, code, key))?;
        if self.snapshot().broker(node).is_none() {
            self.request_refresh();
        }
        self.inner.coordinators.insert(kind, key, node);
        Ok(node)
    }

    /// Forgets a coordinator that turned out to be none.
    pub fn forget_coordinator(&self, kind: CoordinatorKind, key: &str) {
        self.inner.coordinators.forget(kind, key);
    }
}

impl Inner {
    pub(crate) fn snapshot(&self) -> Arc<ClusterSnapshot> {
        Arc::clone(&self.snapshot.borrow())
    }

    pub(crate) fn publish(&self, answer: Answer) {
        self.snapshot
            .send_modify(|snapshot| *snapshot = Arc::new(snapshot.merged(answer)));
    }

    /// Lets those who wait for metadata look at the last error.
    pub(crate) fn metadata_failed(&self) {
        self.snapshot.send_modify(|_| ());
    }

    async fn connection(
        &self,
        node: NodeId,
        lane: Lane,
        deadline: Instant,
    ) -> Result<Connection, Error> {
        let snapshot = self.snapshot();
        let Some(broker) = snapshot.broker(node) else {
            self.topics.request_refresh();
            return Err(Error::UnknownNode { node: node.0 });
        };
        let connected = self
            .pool
            .connection(&broker.address, Some(node), lane, deadline)
            .await;
        if connected.is_err() {
            // It may have moved.
            self.topics.request_refresh();
        }
        connected
    }

    /// A connection to a known broker, or to a bootstrap address when none of them answers.
    pub(crate) async fn any_connection(
        &self,
        lane: Lane,
        deadline: Instant,
    ) -> Result<Connection, Error> {
        let brokers = self.snapshot().brokers.clone();
        let first = self.take_turn();
        for turn in 0..brokers.len() {
            let broker = &brokers[first.wrapping_add(turn) % brokers.len()];
            let connected = self
                .pool
                .connection(&broker.address, Some(broker.node), lane, deadline)
                .await;
            if connected.is_ok() {
                return connected;
            }
        }
        // Rebootstrap (KIP-899): none of the brokers that are known can be reached.
        self.bootstrap_connection(lane, deadline).await
    }

    async fn bootstrap_connection(
        &self,
        lane: Lane,
        deadline: Instant,
    ) -> Result<Connection, Error> {
        let addresses: &[HostPort] = &self.config.bootstrap;
        let first = self.take_turn();
        let mut failed = None;
        for turn in 0..addresses.len() {
            let address = &addresses[first.wrapping_add(turn) % addresses.len()];
            match self.pool.connection(address, None, lane, deadline).await {
                Ok(connection) => return Ok(connection),
                Err(error) => failed = Some(error),
            }
        }
        Err(failed.unwrap_or_else(|| Error::Bootstrap {
            reason: "no address is given".to_owned(),
        }))
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

/// Clients that start together should not all turn to the same broker.
fn first_broker() -> usize {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(0) as usize
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster")
            .field("bootstrap", &self.inner.config.bootstrap)
            .field("cluster_id", &self.snapshot().cluster_id)
            .finish_non_exhaustive()
    }
}
