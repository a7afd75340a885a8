//! The task that carries out what [`FetchState`] plans: fetches and lookups of offsets.
//!
//! All requests are polled by this one task; a response is parsed, its outcome noted and the next
//! fetch sent in one go, before the application is woken.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use klamm_codec::ErrorCode;
use klamm_codec::api::{ApiKey, Request};
use klamm_codec::fetch_response::{FetchResponse, NodeEndpoint};
use klamm_codec::frame::response_body;
use klamm_codec::messages::{FetchRequest, encode_request};
use klamm_net::{Broker, Cluster, ClusterSnapshot, Lane, LeaderHint, NodeId, TopicPartition};
use tokio::time::{Instant, sleep_until};

use super::Position;
use super::lookup::Found;
use super::partition::Leader;
use super::plan::{ClusterView, FetchPlan, Plan, PlannedLookup, ResetPlan, ValidationPlan};
use super::request;
use super::state::{Effects, FetchSettings};
use super::validate::EpochEnd;
use crate::config::IsolationLevel;
use crate::error::Error;
use crate::jobs::Jobs;
use crate::offset::{ListAt, Listed, committed, ends_of_epochs, list_offsets};
use crate::shared::Shared;

/// Response headers have tagged fields from this version of Fetch on.
const FLEXIBLE_SINCE: i16 = 12;

/// A broker that does not answer for so long may forget a session by itself.
const SESSION_CLOSE_MAX: Duration = Duration::from_secs(1);

/// Reads ahead for one consumer; dropping it ends all of its requests.
pub(crate) struct Fetcher {
    shared: Arc<Shared>,
    cluster: Cluster,
    settings: Arc<FetchSettings>,
    group_id: Option<String>,
    jobs: Jobs<Event>,
    /// Topics that cannot be read, as the application was told.
    refused: HashMap<Arc<str>, ErrorCode>,
    view: View,
}

/// The newest metadata, and how many there were before it.
struct View {
    snapshot: Arc<ClusterSnapshot>,
    version: u64,
}

/// What a request brought.
enum Event {
    Fetched(FetchPlan, Result<FetchResponse, klamm_net::Error>),
    Reset(
        ResetPlan,
        Result<Vec<(TopicPartition, Found)>, klamm_net::Error>,
    ),
    Validated(
        ValidationPlan,
        Result<Option<Vec<(TopicPartition, EpochEnd)>>, klamm_net::Error>,
    ),
    Committed(
        Vec<PlannedLookup>,
        Result<Vec<(TopicPartition, Found)>, Error>,
    ),
}

impl Fetcher {
    pub(crate) fn new(
        shared: Arc<Shared>,
        cluster: Cluster,
        settings: FetchSettings,
        group_id: Option<String>,
    ) -> Self {
        Self {
            shared,
            view: View {
                snapshot: cluster.snapshot(),
                version: 1,
            },
            cluster,
            settings: Arc::new(settings),
            group_id,
            jobs: Jobs::new(),
            refused: HashMap::new(),
        }
    }

    /// Runs until the consumer closes.
    pub(crate) async fn run(mut self) {
        let mut metadata = self.cluster.watch();
        loop {
            if self.view.take(metadata.borrow_and_update().clone()) {
                self.check_topics();
            }
            let Some(plan) = self.plan() else {
                return self.close().await;
            };
            let wake_at = plan.wake_at;
            self.start(plan);
            let alarm = async {
                match wake_at {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                event = self.jobs.next() => self.handle(event),
                () = self.shared.fetcher.notified() => {}
                changed = metadata.changed() => if changed.is_err() {
                    return;
                },
                () = alarm => {}
            }
        }
    }

    /// Tells the application once about each topic it can never read as things are.
    fn check_topics(&mut self) {
        let snapshot = &self.view.snapshot;
        let mut state = self.shared.lock();
        let state = &mut *state;
        for topic in &state.topics {
            let code = snapshot
                .topic(topic)
                .map_or(ErrorCode::NONE, |found| found.error);
            if code.is_none() || code.is_retriable() {
                self.refused.remove(topic);
            } else if self.refused.insert(Arc::clone(topic), code) != Some(code) {
                let topic = topic.to_string();
                state.fetch.report(Error::Topic { topic, code });
                self.shared.application.notify_one();
            }
        }
    }

    fn plan(&self) -> Option<Plan> {
        let mut state = self.shared.lock();
        if state.closing {
            return None;
        }
        Some(state.fetch.plan(Instant::now(), &self.view))
    }

    /// Tells brokers that their sessions are over, so that they need not remember them. Not over the
    /// connections of fetches, where it would wait behind a long poll.
    async fn close(self) {
        let mut jobs = Jobs::new();
        let sessions = self.shared.lock().fetch.sessions();
        let count = sessions.len();
        for (node, id) in sessions {
            let cluster = self.cluster.clone();
            jobs.push(async move {
                let deadline = Instant::now() + SESSION_CLOSE_MAX;
                let connection = cluster.connection(node, Lane::Control, deadline).await?;
                let version = connection.version(FetchRequest::API)?;
                let version = request::version(true, version);
                let closing = request::closing(id);
                connection
                    .request(&closing, version, SESSION_CLOSE_MAX)
                    .await
            });
        }
        for _ in 0..count {
            if let Err(error) = jobs.next().await {
                tracing::debug!(%error, "a fetch session was not closed; it ends by itself");
            }
        }
    }

    fn start(&mut self, plan: Plan) {
        if plan.refresh {
            self.cluster.request_refresh();
        }
        for plan in plan.fetches {
            let (cluster, settings) = (self.cluster.clone(), Arc::clone(&self.settings));
            self.jobs.push(async move {
                let fetched = fetch(&cluster, &settings, &plan).await;
                Event::Fetched(plan, fetched)
            });
        }
        for plan in plan.resets {
            let (cluster, settings) = (self.cluster.clone(), Arc::clone(&self.settings));
            self.jobs.push(async move {
                let found = find_resets(&cluster, settings.isolation_level, &plan).await;
                Event::Reset(plan, found)
            });
        }
        for plan in plan.validations {
            let cluster = self.cluster.clone();
            self.jobs.push(async move {
                let found = ends_of_epochs(&cluster, &plan).await;
                Event::Validated(plan, found)
            });
        }
        if !plan.committed.is_empty() {
            let (cluster, group_id) = (self.cluster.clone(), self.group_id.clone());
            let shared = Arc::clone(&self.shared);
            self.jobs.push(async move {
                let found = look_up_committed(&cluster, group_id, &shared, &plan.committed).await;
                Event::Committed(plan.committed, found)
            });
        }
    }

    fn handle(&self, event: Event) {
        let now = Instant::now();
        let effects = {
            let fetch = &mut self.shared.lock().fetch;
            match event {
                Event::Fetched(plan, fetched) => fetch.handle_fetched(now, &plan, fetched),
                Event::Reset(plan, found) => {
                    let asked = plan.partitions.iter().map(|(asked, ..)| asked);
                    fetch.handle_reset(now, plan.node, asked, found)
                }
                Event::Validated(plan, found) => fetch.handle_validated(now, &plan, found),
                Event::Committed(asked, found) => fetch.handle_committed(now, &asked, found),
            }
        };
        self.act_on(effects);
    }

    fn act_on(&self, effects: Effects) {
        if !effects.leaders.is_empty() {
            let hint = |(at, leader, leader_epoch): (TopicPartition, _, _)| LeaderHint {
                topic: at.topic,
                partition: at.partition,
                leader,
                leader_epoch,
            };
            let hints: Vec<_> = effects.leaders.into_iter().map(hint).collect();
            let told = |it: &NodeEndpoint| Broker::told(it.node_id, &it.host, it.port, None);
            let endpoints = effects.endpoints.iter().filter_map(told);
            self.cluster
                .leader_hints(&hints, &endpoints.collect::<Vec<_>>());
        }
        if effects.refresh {
            self.cluster.request_refresh();
        }
        if effects.wake {
            self.shared.application.notify_one();
        }
    }
}

impl View {
    /// Whether `snapshot` is another one.
    fn take(&mut self, snapshot: Arc<ClusterSnapshot>) -> bool {
        let is_first = self.version == 1;
        if Arc::ptr_eq(&snapshot, &self.snapshot) && !is_first {
            return false;
        }
        self.snapshot = snapshot;
        self.version += 1;
        true
    }
}

impl ClusterView for View {
    fn version(&self) -> u64 {
        self.version
    }

    fn leader(&self, at: &TopicPartition) -> Option<Leader> {
        let topic = self.snapshot.topic(&at.topic)?;
        let partition = topic.partition(at.partition)?;
        Some(Leader {
            node: partition.leader?,
            epoch: partition.leader_epoch,
            topic_id: topic.id,
        })
    }

    fn has_broker(&self, node: NodeId) -> bool {
        self.snapshot.broker(node).is_some()
    }
}

async fn fetch(
    cluster: &Cluster,
    settings: &FetchSettings,
    plan: &FetchPlan,
) -> Result<FetchResponse, klamm_net::Error> {
    let timeout = cluster.config().request_timeout;
    let deadline = Instant::now() + timeout;
    let connection = cluster.connection(plan.node, Lane::Fetch, deadline).await?;
    let version = connection.version(FetchRequest::API)?;
    let version = request::version(plan.session.by_id, version);
    let request = request::request(plan, settings, version);
    let pending = connection.send(ApiKey::FETCH, timeout, |correlation_id, client_id| {
        let frame = encode_request(&request, version, correlation_id, client_id)?;
        Ok(vec![frame])
    })?;
    let frame = pending.await?;
    response_body(frame, version >= FLEXIBLE_SINCE)
        .and_then(|body| FetchResponse::decode(&body, version))
        .map_err(|error| klamm_net::Error::Protocol {
            api: ApiKey::FETCH,
            broker: connection.address().to_owned(),
            reason: error.to_string(),
        })
}

async fn find_resets(
    cluster: &Cluster,
    isolation_level: IsolationLevel,
    plan: &ResetPlan,
) -> Result<Vec<(TopicPartition, Found)>, klamm_net::Error> {
    let asked = plan.partitions.iter().map(|(lookup, to)| {
        let at = ListAt {
            to: *to,
            leader_epoch: lookup.leader_epoch,
        };
        (lookup.partition.clone(), at)
    });
    let listed = list_offsets(cluster, plan.node, isolation_level, asked.collect()).await?;
    let found = |listed: Listed| match listed.code {
        ErrorCode::NONE if listed.offset >= 0 => Found::Position(Position {
            offset: listed.offset,
            leader_epoch: listed.leader_epoch,
        }),
        ErrorCode::NONE | ErrorCode::UNSUPPORTED_FOR_MESSAGE_FORMAT => Found::Nothing,
        code => Found::Refused(code),
    };
    let listed = listed.into_iter();
    Ok(listed
        .map(|(partition, at)| (partition, found(at)))
        .collect())
}

async fn look_up_committed(
    cluster: &Cluster,
    group_id: Option<String>,
    shared: &Shared,
    asked: &[PlannedLookup],
) -> Result<Vec<(TopicPartition, Found)>, Error> {
    let mut partitions: Vec<_> = asked.iter().map(|asked| asked.partition.clone()).collect();
    let Some(group_id) = group_id else {
        return Ok(Vec::new());
    };
    partitions.sort_unstable();
    let deadline = Instant::now() + cluster.config().default_api_timeout;
    let member = || shared.reads_as();
    let committed = committed(cluster, &group_id, member, &partitions, deadline).await?;
    let found = committed.into_iter().map(|(partition, committed)| {
        let found = committed.map_or(Found::Nothing, |committed| {
            Found::Position(Position {
                offset: committed.offset,
                leader_epoch: committed.leader_epoch.unwrap_or(-1),
            })
        });
        (partition, found)
    });
    Ok(found.collect())
}
