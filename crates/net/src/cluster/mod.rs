//! The cluster as a client sees it: its metadata, its connections, its coordinators.
//!
//! A [`Cluster`] is shared by all roles of a client and cheap to clone. It owns one task, which
//! keeps the metadata fresh and ends with the last clone.

mod call;
mod coordinators;
mod inner;

use std::fmt;
use std::sync::{Arc, PoisonError};

use klamm_codec::ApiKey;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

pub(crate) use self::inner::Inner;
use crate::broker::{FinalizedFeatures, Lane, Owner};
use crate::client_config::{ClientConfig, EndpointType};
use crate::connection::Connection;
use crate::error::Error;
use crate::metadata::{Broker, ClusterSnapshot, LeaderHint, Refresher, Topic};
use crate::node::NodeId;
use crate::security::SecurityLayer;
use crate::stats::ClientStats;

/// A Kafka cluster; cheap to clone.
///
/// Clones share everything; [`Cluster::with_own_lanes`] makes a handle that shares all but the
/// connections.
#[derive(Clone)]
pub struct Cluster {
    inner: Arc<Inner>,
    owner: Arc<Owner>,
}

impl Cluster {
    /// Finds the cluster through its bootstrap addresses, trying each until one answers, within
    /// `default.api.timeout.ms`; while none of their names can be resolved, again and again within
    /// `bootstrap.resolve.timeout.ms` (KIP-909).
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
        let inner = Arc::new(Inner::new(Arc::clone(&config), security));
        inner.publish(inner.first_answer().await?);
        let topics = Arc::clone(&inner.topics);
        let refresher = Refresher::new(Arc::downgrade(&inner), Arc::clone(&topics), config);
        let task = tokio::spawn(refresher.run());
        *inner
            .refresher
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(task);
        let owner = Arc::new(Owner::client(Arc::clone(&inner.pool), topics));
        Ok(Self { inner, owner })
    }

    /// A handle with connections of its own for [`Lane::Produce`], [`Lane::Fetch`] and
    /// [`Lane::Group`], as a producer or a consumer needs them: brokers answer the requests of a
    /// connection one after the other, and long polls, joins and throttling of one role must not hold
    /// up another. Metadata, coordinators and [`Lane::Control`] are shared.
    ///
    /// Its connections, and the topics that it alone uses, go with its last clone.
    #[must_use]
    pub fn with_own_lanes(&self) -> Self {
        self.with_owner(false)
    }

    /// As [`Cluster::with_own_lanes`], with a [`Lane::Control`] of its own, too: for calls that
    /// brokers may take long to answer, such as the creation of topics.
    #[must_use]
    pub fn with_all_lanes_own(&self) -> Self {
        self.with_owner(true)
    }

    fn with_owner(&self, owns_control: bool) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
            owner: Arc::new(self.owner.another(owns_control)),
        }
    }

    /// How this client was configured.
    #[must_use]
    pub fn config(&self) -> &ClientConfig {
        &self.inner.config
    }

    /// Whether it is the controllers of a `KRaft` cluster that are spoken with, not its brokers: then
    /// [`ClusterSnapshot::brokers`] are the controllers, and its controller the active one of them.
    #[must_use]
    pub fn is_of_controllers(&self) -> bool {
        self.inner.config.endpoint_type == EndpointType::Controller
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

    /// Takes over leaders that brokers named when they refused to be them (KIP-951), with the
    /// addresses that came along, and asks for newer metadata.
    ///
    /// A hint counts if its leader epoch is newer than the known one and its leader is known or among
    /// `endpoints`. Those who watch the metadata learn of it at once.
    pub fn leader_hints(&self, hints: &[LeaderHint], endpoints: &[Broker]) {
        self.inner.snapshot.send_if_modified(|snapshot| {
            let hinted = snapshot.hinted(hints, endpoints);
            let is_news = hinted.is_some();
            if let Some(hinted) = hinted {
                *snapshot = Arc::new(hinted);
            }
            is_news
        });
        self.request_refresh();
    }

    /// What went over this client's connections, and how long it took. All handles of a cluster share
    /// the counters.
    #[must_use]
    pub fn stats(&self) -> ClientStats {
        let snapshot = self.snapshot();
        let mut brokers = self.inner.pool.stats();
        for broker in &mut brokers {
            let known = |known: &&Broker| known.address == broker.address;
            broker.node = snapshot.brokers.iter().find(known).map(|known| known.node);
        }
        ClientStats { brokers }
    }

    /// What the cluster has switched on, such as `transaction.version` (KIP-584): the newest state
    /// that any broker told.
    #[must_use]
    pub fn finalized_features(&self) -> Arc<FinalizedFeatures> {
        self.inner.pool.features()
    }

    /// Keeps the metadata of these topics up to date from now on, as long as this handle or a clone
    /// of it lives. With `auto_create` asking for a
    /// missing one may create it, if the brokers allow that (`allow.auto.create.topics`).
    pub fn add_topics<'a>(&self, names: impl IntoIterator<Item = &'a str>, auto_create: bool) {
        self.inner.topics.add(self.owner.id(), names, auto_create);
    }

    /// This handle no longer uses these topics: unless others do, they leave the metadata at once and are not
    /// asked for any more.
    pub fn remove_topics<'a>(&self, names: impl IntoIterator<Item = &'a str>) {
        self.inner.topics.remove(self.owner.id(), names);
        self.drop_unused_topics();
    }

    /// This handle uses no other topics any more than those that `in_use` names; the others go as by
    /// [`remove_topics`](Self::remove_topics).
    pub fn retain_topics(&self, in_use: impl Fn(&str) -> bool) {
        self.inner.topics.retain(self.owner.id(), in_use);
        self.drop_unused_topics();
    }

    fn drop_unused_topics(&self) {
        let in_use = |name: &str| self.inner.topics.contains(name);
        self.inner.snapshot.send_if_modified(|snapshot| {
            let rest = snapshot.without_unused(in_use);
            let is_news = rest.is_some();
            if let Some(rest) = rest {
                *snapshot = Arc::new(rest);
            }
            is_news
        });
    }

    /// The metadata of a topic, waiting for it until `deadline`; from then on this handle uses the topic.
    ///
    /// One that is not found is asked for only as long as somebody waits for it.
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
        // Whoever waits owns the topic in person, until the call ends in any way.
        let waiting = self.owner.another(false);
        let topics = &self.inner.topics;
        topics.add(waiting.id(), [name], auto_create);
        let found = async {
            loop {
                let snapshot = snapshots.borrow_and_update().clone();
                if let Some(topic) = snapshot.topic(name) {
                    if !topic.partitions.is_empty() {
                        self.add_topics([name], auto_create);
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
    /// [`Error::UnknownNode`], [`Error::Connect`], [`Error::AdvertisedAddress`],
    /// [`Error::NotKafka`], [`Error::DeadlineExceeded`].
    ///
    /// # Cancel safety
    /// Dropping the future leaves the attempt to the next caller.
    pub async fn connection(
        &self,
        node: NodeId,
        lane: Lane,
        deadline: Instant,
    ) -> Result<Connection, Error> {
        self.inner
            .connection(node, self.owner.key(lane), deadline)
            .await
    }

    /// A connection to any broker that answers, one after the other in turn.
    ///
    /// # Errors
    /// The last failure, when no broker could be reached.
    pub async fn any_connection(&self, deadline: Instant) -> Result<Connection, Error> {
        self.inner
            .any_connection(self.owner.key(Lane::Control), deadline)
            .await
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster")
            .field("bootstrap", &self.inner.config.bootstrap)
            .field("cluster_id", &self.snapshot().cluster_id)
            .finish_non_exhaustive()
    }
}
