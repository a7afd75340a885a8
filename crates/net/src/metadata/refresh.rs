//! When metadata is asked for again, and for which topics.
//!
//! One task a client asks; callers only say that they want newer metadata, so any number of them
//! share one request. It asks at once when something is wanted, for new topics alone if that is all
//! that is wanted; again after a backoff that starts at `retry.backoff.ms` while topics have errors or
//! the last answer brought nothing new; and every `metadata.max.age.ms` without a reason. The backoff does not
//! grow while brokers may still be choosing a leader ([`FAILOVER`]): it would be added to their outage. When answers
//! fail to come for long, or a broker says so, it starts again from the bootstrap addresses (KIP-1102). A broker that
//! fails to answer, or is silent, makes the next one be asked; when all are silent, the bootstrap addresses are.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, sleep_until};

use super::snapshot::{Answer, ClusterSnapshot};
use super::{controllers, request};
use crate::broker::{Lane, LaneKey, OwnerId};
use crate::client_config::{ClientConfig, EndpointType};
use crate::cluster::Inner;
use crate::connection::Connection;
use crate::error::Error;
use crate::staggered::first_success;
use klamm_codec::ErrorCode;
use klamm_codec::api::Request;
use klamm_codec::messages::MetadataRequest;

/// How long leaders are looked for without growing pauses: a broker that is gone is found out after
/// `broker.session.timeout.ms`, 9 s unless set, and then its partitions get other leaders.
pub(crate) const FAILOVER: Duration = Duration::from_secs(10);

/// How long an answer is waited for before another broker is asked as well. One that says nothing may be asleep, and be
/// what new leaders are looked for.
const SILENCE: Duration = Duration::from_secs(1);

/// The topics whose metadata is kept up to date, and who wants it newer.
#[derive(Default)]
pub(crate) struct TopicsInUse {
    state: Mutex<Wanted>,
    wake: Notify,
}

#[derive(Default)]
struct Wanted {
    /// Who uses a topic, and whether asking for it on their behalf may create it.
    topics: BTreeMap<Arc<str>, BTreeMap<OwnerId, bool>>,
    /// Those of them that were never asked for.
    new: BTreeSet<Arc<str>>,
    /// All of them are to be asked for.
    refresh: bool,
    /// From the bootstrap addresses.
    rebootstrap: bool,
    /// Why the last attempt failed.
    last_error: Option<Error>,
}

impl TopicsInUse {
    fn with<T>(&self, act: impl FnOnce(&mut Wanted) -> T) -> T {
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Adds topics that `owner` uses; asks for a refresh if there is a new one.
    pub(crate) fn add<'a>(
        &self,
        owner: OwnerId,
        names: impl IntoIterator<Item = &'a str>,
        auto_create: bool,
    ) {
        let added = self.with(|wanted| {
            let mut added = false;
            for name in names {
                if !wanted.topics.contains_key(name) {
                    let name = Arc::from(name);
                    wanted.new.insert(Arc::clone(&name));
                    wanted.topics.insert(name, BTreeMap::new());
                    added = true;
                }
                if let Some(users) = wanted.topics.get_mut(name) {
                    *users.entry(owner).or_default() |= auto_create;
                }
            }
            added
        });
        if added {
            self.wake.notify_one();
        }
    }

    /// `owner` no longer uses these topics.
    pub(crate) fn remove<'a>(&self, owner: OwnerId, names: impl IntoIterator<Item = &'a str>) {
        self.with(|wanted| {
            for name in names {
                if let Some(users) = wanted.topics.get_mut(name) {
                    users.remove(&owner);
                    if users.is_empty() {
                        wanted.topics.remove(name);
                    }
                }
            }
        });
    }

    /// `owner` uses no other topics than those that `in_use` names.
    pub(crate) fn retain(&self, owner: OwnerId, in_use: impl Fn(&str) -> bool) {
        self.with(|wanted| {
            wanted.topics.retain(|name, users| {
                if !in_use(name) {
                    users.remove(&owner);
                }
                !users.is_empty()
            });
        });
    }

    pub(crate) fn contains(&self, name: &str) -> bool {
        self.with(|wanted| wanted.topics.contains_key(name))
    }

    fn is_wanted(&self) -> bool {
        self.with(|wanted| wanted.refresh || !wanted.new.is_empty())
    }

    /// Takes over what is wanted.
    fn take(&self) -> Wish {
        self.with(|wanted| {
            let is_full = std::mem::take(&mut wanted.refresh);
            let rebootstrap = std::mem::take(&mut wanted.rebootstrap);
            let new = std::mem::take(&mut wanted.new);
            let may_create = |users: &BTreeMap<_, bool>| users.values().any(|may| *may);
            let topics = wanted.topics.iter();
            let topics = topics
                .filter(|(name, _)| is_full || new.contains(*name))
                .map(|(name, users)| (Arc::clone(name), may_create(users)))
                .collect();
            Wish {
                topics,
                is_full,
                rebootstrap,
            }
        })
    }

    pub(crate) fn request_refresh(&self) {
        self.with(|wanted| wanted.refresh = true);
        self.wake.notify_one();
    }

    /// Asks for a refresh that starts again from the bootstrap addresses.
    pub(crate) fn request_rebootstrap(&self) {
        self.with(|wanted| (wanted.refresh, wanted.rebootstrap) = (true, true));
        self.wake.notify_one();
    }

    pub(crate) fn last_error(&self) -> Option<Error> {
        self.with(|wanted| wanted.last_error.clone())
    }
}

/// What one refresh asks for.
struct Wish {
    /// Topics, and whether asking for them may create them.
    topics: Vec<(Arc<str>, bool)>,
    /// Whether those are all.
    is_full: bool,
    /// Whether to ask at the bootstrap addresses.
    rebootstrap: bool,
}

/// The task that keeps the snapshot fresh.
pub(crate) struct Refresher {
    cluster: std::sync::Weak<Inner>,
    topics: Arc<TopicsInUse>,
    config: Arc<ClientConfig>,
    /// Pauses in a row that have grown.
    fruitless: u32,
    /// Since when answers have brought nothing new.
    unchanged: Option<Instant>,
    /// When an answer came last.
    answered: Instant,
}

impl Refresher {
    pub(crate) fn new(
        cluster: std::sync::Weak<Inner>,
        topics: Arc<TopicsInUse>,
        config: Arc<ClientConfig>,
    ) -> Self {
        Self {
            cluster,
            topics,
            config,
            fruitless: 0,
            unchanged: None,
            answered: Instant::now(),
        }
    }

    /// Runs until the cluster is dropped.
    pub(crate) async fn run(mut self) {
        let mut aged = Instant::now() + self.config.metadata_max_age;
        loop {
            if !self.topics.is_wanted() {
                tokio::select! {
                    () = self.topics.wake.notified() => {}
                    () = sleep_until(aged) => self.topics.request_refresh(),
                }
                continue;
            }
            let Some(cluster) = self.cluster.upgrade() else {
                return;
            };
            let wish = self.topics.take();
            if wish.is_full {
                aged = Instant::now() + self.config.metadata_max_age;
            }
            if wish.rebootstrap {
                self.start_again(&cluster);
            }
            let found = self.refresh(&cluster, wish).await;
            drop(cluster);
            self.pause(found).await;
        }
    }

    async fn refresh(&mut self, cluster: &Inner, wish: Wish) -> Found {
        let before = cluster.snapshot();
        // Only a topic that is missing and may be created is asked for with the flag set, so that
        // nobody else's missing topic is created by accident.
        let missing = |name: &Arc<str>| {
            let known = before.topic(name);
            known.is_none_or(|topic| topic.partitions.is_empty())
        };
        let is_full = wish.is_full;
        let (create, plain): (Vec<_>, Vec<_>) = wish
            .topics
            .into_iter()
            .partition(|(name, may_create)| *may_create && missing(name));
        let names = |topics: Vec<(Arc<str>, bool)>| -> Vec<_> {
            topics.into_iter().map(|(name, _)| name).collect()
        };
        let mut asked = Ok(());
        if is_full || !plain.is_empty() {
            asked = self.ask(cluster, &names(plain), false).await;
        }
        if asked.is_ok() && !create.is_empty() {
            asked = self.ask(cluster, &names(create), true).await;
        }
        let after = cluster.snapshot();
        let has_error = after.topics().any(|topic| topic.error.is_retriable());
        let lacks_leader = after.topics().any(|topic| {
            let mut partitions = topic.partitions.iter();
            partitions.any(|partition| partition.leader.is_none())
        });
        self.topics.with(|wanted| {
            wanted.refresh |= asked.is_err() || has_error || lacks_leader;
            wanted.last_error = asked.as_ref().err().cloned();
        });
        match &asked {
            Ok(()) => self.answered = Instant::now(),
            Err(error) => {
                cluster.metadata_failed();
                tracing::debug!(%error, "metadata refresh failed");
                self.start_again_if_due(cluster, error);
            }
        }
        if asked.is_err() || has_error {
            Found::Error
        } else if lacks_leader || same_leaders(&before, &after) {
            Found::Nothing
        } else {
            Found::News
        }
    }

    fn start_again_if_due(&mut self, cluster: &Inner, error: &Error) {
        let is_told = error.code() == Some(ErrorCode::REBOOTSTRAP_REQUIRED);
        let is_due = self.answered.elapsed() >= self.config.rebootstrap_trigger;
        if self.config.rebootstrap && (is_told || is_due) {
            self.start_again(cluster);
        }
    }

    fn start_again(&mut self, cluster: &Inner) {
        cluster.rebootstrap();
        self.answered = Instant::now();
    }

    async fn ask(
        &self,
        cluster: &Inner,
        topics: &[Arc<str>],
        auto_create: bool,
    ) -> Result<(), Error> {
        let deadline = Instant::now() + self.config.request_timeout;
        let lane = LaneKey::new(Lane::Control, OwnerId::CLIENT);
        let asked = Mutex::new(Vec::new());
        let others = || asked.lock().unwrap_or_else(PoisonError::into_inner);
        let attempt = |_| async {
            let before = others().clone();
            let connecting = cluster.any_other_connection(lane, deadline, &before);
            let connection = connecting.await?;
            others().push(connection.address().to_owned());
            ask(&connection, &self.config, topics, auto_create).await
        };
        let brokers = cluster.snapshot().brokers.len().max(1);
        let answer = tokio::select! {
            answer = first_success(SILENCE, (0..brokers).map(attempt)) => answer,
            Some(answer) = async {
                sleep(SILENCE * u32::try_from(brokers).unwrap_or(u32::MAX)).await;
                let asked = others().clone();
                self.ask_unknown(cluster, topics, auto_create, deadline, &asked).await
            } => Ok(answer),
        };
        let none = || Error::DeadlineExceeded {
            what: "asking for metadata".to_owned(),
            last: None,
        };
        cluster.publish(answer.map_err(|mut failures| failures.pop().unwrap_or_else(none))?);
        Ok(())
    }

    /// The answer of a bootstrap address that is none of `asked`, when all that are known are silent: a broker that
    /// was away when one of those answered last is not known, and may be the only one awake.
    async fn ask_unknown(
        &self,
        cluster: &Inner,
        topics: &[Arc<str>],
        auto_create: bool,
        deadline: Instant,
        asked: &[String],
    ) -> Option<Answer> {
        if !self.config.rebootstrap {
            return None;
        }
        let mut others = self.config.bootstrap.clone();
        others.retain(|address| !asked.contains(&address.to_string()));
        let attempts = others.into_iter().map(|address| async move {
            let answer = cluster.ask_bootstrap(&address, topics, auto_create, deadline);
            answer.await
        });
        let answer = first_success(SILENCE, attempts).await.ok()?;
        // The address may belong to another cluster by now; that all others have gone has not shown yet.
        let known = &cluster.snapshot().cluster_id;
        (known.is_none() || *known == answer.cluster_id).then_some(answer)
    }

    /// Waits before the next request, so that no error of a topic becomes a hot loop.
    async fn pause(&mut self, found: Found) {
        let now = Instant::now();
        let pause = match found {
            Found::News => {
                (self.fruitless, self.unchanged) = (0, None);
                Duration::from_millis(10)
            }
            Found::Nothing if now < *self.unchanged.get_or_insert(now) + FAILOVER => {
                self.config.retry_backoff.jittered(0)
            }
            Found::Nothing | Found::Error => {
                self.fruitless += 1;
                self.config.retry_backoff.jittered(self.fruitless - 1)
            }
        };
        tokio::time::sleep(pause).await;
        if !self.topics.is_wanted() {
            (self.fruitless, self.unchanged) = (0, None);
        }
    }
}

/// What a refresh brought.
enum Found {
    News,
    /// The same as before, or partitions without a leader.
    Nothing,
    /// No answer, or topics with errors.
    Error,
}

fn same_leaders(before: &ClusterSnapshot, after: &ClusterSnapshot) -> bool {
    before.brokers == after.brokers
        && after
            .topics()
            .all(|topic| before.topic(&topic.name) == Some(topic))
}

/// One metadata request on `connection`.
pub(crate) async fn ask(
    connection: &Connection,
    config: &ClientConfig,
    topics: &[Arc<str>],
    auto_create: bool,
) -> Result<Answer, Error> {
    if config.endpoint_type == EndpointType::Controller {
        return controllers::ask(connection, config.request_timeout).await;
    }
    let version = connection.version(MetadataRequest::API);
    let version = version.map_err(|error| controllers::or_is_one(connection, error))?;
    let request = request::request(topics, auto_create, version);
    let response = connection
        .request(&request, version, config.request_timeout)
        .await?;
    request::answer(response)
        .map_err(|code| Error::broker(MetadataRequest::API, code, connection.address()))
}

/// The sending side of the snapshot.
pub(crate) type SnapshotSender = watch::Sender<Arc<ClusterSnapshot>>;
