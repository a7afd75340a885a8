//! The task that talks to the group's coordinator: membership, heartbeats and commits.
//!
//! It carries out what [`ClassicMember`] decides. Heartbeats go on whatever the application does;
//! what would take partitions away waits until the application polls. The task does the joining
//! itself: a poll that is dropped meanwhile loses nothing.
//!
//! Commits are done one after the other, in the order they were asked for, so that an older one
//! never overtakes a newer one.

use std::collections::VecDeque;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use klamm_codec::ErrorCode;
use klamm_net::{Cluster, ClusterSnapshot, CoordinatorKind};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::action::{Action, Failure, Generation, Joined, MemberSettings, Round};
use super::classic::ClassicMember;
use super::exchange::Exchange;
use crate::assign::PartitionCounts;
use crate::error::Error;
use crate::interceptor::Interceptor;
use crate::jobs::Jobs;
use crate::offset::{Offsets, commit};
use crate::shared::{Commit, Shared};

/// The settings of the task.
#[derive(Clone, Debug)]
pub(crate) struct CoordinatorSettings {
    pub(crate) member: Arc<MemberSettings>,
    /// Pause between commits in the background, if there are any.
    pub(crate) auto_commit: Option<Duration>,
    pub(crate) allow_auto_create_topics: bool,
    pub(crate) default_api_timeout: Duration,
    pub(crate) interceptors: Vec<Arc<dyn Interceptor>>,
}

/// Who asked for a commit.
enum Origin {
    Application(Commit),
    /// The clock.
    Auto(Offsets),
    /// A rebalance, before the partitions go.
    Rebalance(Offsets),
    /// The end of the consumer.
    Close(Offsets),
}

impl Origin {
    /// What is to be committed.
    fn offsets(&self) -> &Offsets {
        match self {
            Self::Application(commit) => &commit.offsets,
            Self::Auto(offsets) | Self::Rebalance(offsets) | Self::Close(offsets) => offsets,
        }
    }
}

/// What a request brought.
enum Event {
    Joined(Round, Result<Joined, Failure>),
    Counted(Round, PartitionCounts),
    Synced(Round, Result<Bytes, Failure>),
    Heartbeat(Generation, Result<(), Failure>),
    Committed(Origin, Generation, Result<(), klamm_net::Error>),
    Left,
}

/// See the module. Dropping it ends all of its requests.
pub(crate) struct Coordinator {
    shared: Arc<Shared>,
    cluster: Cluster,
    settings: Arc<CoordinatorSettings>,
    member: ClassicMember,
    /// Whether this consumer subscribes; otherwise it commits without being a member.
    subscribes: bool,
    jobs: Jobs<Event>,
    commits: VecDeque<Origin>,
    committing: bool,
    auto_commit_at: Option<Instant>,
    phase: Phase,
}

/// How far the consumer is on its way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Running,
    Leaving,
    Left,
}

impl Coordinator {
    pub(crate) fn new(
        shared: Arc<Shared>,
        cluster: Cluster,
        settings: CoordinatorSettings,
        member: ClassicMember,
    ) -> Self {
        Self {
            shared,
            cluster,
            auto_commit_at: settings.auto_commit.map(|pause| Instant::now() + pause),
            settings: Arc::new(settings),
            member,
            subscribes: false,
            jobs: Jobs::new(),
            commits: VecDeque::new(),
            committing: false,
            phase: Phase::Running,
        }
    }

    /// Runs until the consumer has closed.
    pub(crate) async fn run(mut self) {
        let mut metadata = self.cluster.watch();
        loop {
            let wake_at = self.step();
            if self.phase == Phase::Left {
                return;
            }
            let alarm = async {
                match wake_at {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                event = self.jobs.next() => self.handle(event),
                () = self.shared.coordinator.notified() => {}
                changed = metadata.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    self.handle_metadata(&mut metadata);
                }
                () = alarm => {}
            }
        }
    }

    /// Takes what the application says, lets time pass, does what follows. Says when to come back.
    fn step(&mut self) -> Option<Instant> {
        let now = Instant::now();
        let polled_at = self.take_requests();
        self.member.handle_timeout(now, polled_at);
        self.auto_commit(now);
        loop {
            self.start_commit();
            let Some(action) = self.member.poll_action() else {
                break;
            };
            self.act(action);
        }
        self.publish();
        let timeout = self.member.next_timeout(polled_at);
        [timeout, self.auto_commit_at].into_iter().flatten().min()
    }

    fn take_requests(&mut self) -> Option<Instant> {
        let mut state = self.shared.lock();
        if let Some(topics) = state.group.subscribed.take() {
            self.subscribes = true;
            self.member.subscribe(topics);
        }
        let commits = state.group.commits.drain(..);
        self.commits.extend(commits.map(Origin::Application));
        if std::mem::take(&mut state.group.granted) && !state.closing {
            self.member.handle_poll();
        }
        if state.closing && self.phase == Phase::Running {
            self.phase = Phase::Leaving;
            self.auto_commit_at = None;
            let offsets = consumed(&state.fetch);
            let commits = self.settings.auto_commit.is_some() && !offsets.is_empty();
            self.commits.push_back(Origin::Close(if commits {
                offsets
            } else {
                Offsets::new()
            }));
        }
        state.group.outside_since()
    }

    /// Tells the application what waits for it.
    fn publish(&self) {
        // Until its partitions are gone, too: what a poll handed out after the commit of the rebalance
        // has taken its offsets would be read again by others.
        let waits = self.member.wants_poll() || self.member.is_revoking();
        let wants_poll = waits && self.phase == Phase::Running;
        let mut state = self.shared.lock();
        let news = wants_poll && !state.group.wants_poll;
        state.group.wants_poll = wants_poll;
        state.group.generation = self.member.generation().cloned();
        drop(state);
        if news {
            self.shared.application.notify_one();
        }
    }

    fn auto_commit(&mut self, now: Instant) {
        let due = self.auto_commit_at.is_some_and(|at| at <= now);
        let (Some(pause), true) = (self.settings.auto_commit, due) else {
            return;
        };
        self.auto_commit_at = Some(now + pause);
        let offsets = consumed(&self.shared.lock().fetch);
        let may_commit = !self.subscribes || self.member.generation().is_some();
        let pending = self
            .commits
            .iter()
            .any(|commit| matches!(commit, Origin::Auto(_)));
        if may_commit && !pending && !offsets.is_empty() {
            self.commits.push_back(Origin::Auto(offsets));
        }
    }

    /// Starts the next commit, if none is under way.
    fn start_commit(&mut self) {
        while !self.committing
            && let Some(origin) = self.commits.pop_front()
        {
            let now = Instant::now();
            let (offsets, deadline) = match &origin {
                Origin::Application(commit) => (&commit.offsets, commit.deadline),
                Origin::Rebalance(offsets) => {
                    (offsets, now + self.settings.member.max_poll_interval)
                }
                Origin::Auto(offsets) | Origin::Close(offsets) => {
                    (offsets, now + self.settings.default_api_timeout)
                }
            };
            if offsets.is_empty() {
                self.committed(origin, Ok(()));
                continue;
            }
            let generation = match self.member.generation() {
                Some(generation) => generation.clone(),
                None if !self.subscribes => Generation::none(),
                None => {
                    let error = self.no_member();
                    self.committed(origin, Err(error));
                    continue;
                }
            };
            self.committing = true;
            let (cluster, settings) = (self.cluster.clone(), Arc::clone(&self.settings));
            let offsets = offsets.clone();
            self.jobs.push(async move {
                let member = &settings.member;
                let group = &member.group_id;
                let instance_id = member.instance_id.as_deref();
                let committed = commit(
                    &cluster,
                    group,
                    instance_id,
                    &generation,
                    &offsets,
                    deadline,
                )
                .await;
                Event::Committed(origin, generation, committed)
            });
        }
    }

    /// Why a subscriber that is no member cannot commit.
    fn no_member(&self) -> Error {
        let group = self.settings.member.group_id.clone();
        if self.member.is_rebalancing() {
            return Error::RebalanceInProgress { group };
        }
        Error::CommitFailed {
            group,
            code: ErrorCode::UNKNOWN_MEMBER_ID,
        }
    }

    /// What comes after a commit.
    fn committed(&mut self, origin: Origin, result: Result<(), Error>) {
        if let Err(error) = &result
            && !matches!(origin, Origin::Application(_))
        {
            let group = &self.settings.member.group_id;
            tracing::warn!(%group, %error, "consumed offsets were not committed; records may be read again");
        }
        match origin {
            Origin::Application(commit) => {
                if let Some(reply) = commit.reply {
                    // Nobody waits if the call was dropped.
                    let _ = reply.send(result);
                }
            }
            Origin::Auto(_) => {}
            Origin::Rebalance(_) => self.revoke(),
            Origin::Close(_) => {
                self.member.leave("the consumer is being closed");
                self.leave_if_unknown();
            }
        }
    }

    /// The end comes with the answer to the leave request, or at once if there is none to send.
    fn leave_if_unknown(&mut self) {
        let mut actions = std::iter::from_fn(|| self.member.poll_action());
        let leave = actions.find(|action| matches!(action, Action::Leave { .. }));
        match leave {
            Some(leave) => self.act(leave),
            None => self.phase = Phase::Left,
        }
    }

    fn revoke(&mut self) {
        self.shared.lock().fetch.revoke_all();
        self.member.handle_prepared();
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Prepare { commit } => {
                let offsets = match self.settings.auto_commit {
                    Some(_) if commit => consumed(&self.shared.lock().fetch),
                    _ => Offsets::new(),
                };
                if offsets.is_empty() {
                    self.revoke();
                } else {
                    self.commits.push_back(Origin::Rebalance(offsets));
                }
            }
            Action::Join {
                round,
                member_id,
                subscription,
                reason,
            } => {
                let protocol = self.member.protocol();
                self.start(|exchange| async move {
                    let joined = exchange.join(&member_id, protocol, &subscription, reason);
                    Event::Joined(round, joined.await)
                });
            }
            Action::Count { round, topics } => {
                let auto_create = self.settings.allow_auto_create_topics;
                self.start(|exchange| async move {
                    Event::Counted(round, exchange.count(topics, auto_create).await)
                });
            }
            Action::Sync {
                round,
                generation,
                protocol,
                assignments,
            } => self.start(|exchange| async move {
                let synced = exchange.sync(&generation, &protocol, &assignments);
                Event::Synced(round, synced.await)
            }),
            Action::Heartbeat(generation) => self.start(|exchange| async move {
                let outcome = exchange.heartbeat(&generation).await;
                Event::Heartbeat(generation, outcome)
            }),
            Action::Leave { member_id, reason } => self.start(|exchange| async move {
                exchange.leave(&member_id, reason).await;
                Event::Left
            }),
            Action::Assigned(partitions) => {
                let group = &self.settings.member.group_id;
                tracing::debug!(%group, ?partitions, "partitions assigned");
                self.shared.lock().fetch.assign(partitions, true);
                self.shared.fetcher.notify_one();
                self.shared.application.notify_one();
            }
            Action::ForgetCoordinator => {
                let group = &self.settings.member.group_id;
                self.cluster
                    .forget_coordinator(CoordinatorKind::Group, group);
            }
            Action::Report(error) => {
                let mut state = self.shared.lock();
                if error.is_fatal() {
                    state.group.fatal = Some(error);
                } else {
                    state.fetch.report(error);
                }
                drop(state);
                self.shared.application.notify_one();
            }
        }
    }

    /// Begins an exchange with the coordinator.
    fn start<F>(&mut self, exchange: impl FnOnce(Exchange) -> F)
    where
        F: Future<Output = Event> + Send + 'static,
    {
        self.jobs.push(exchange(Exchange {
            cluster: self.cluster.clone(),
            member: Arc::clone(&self.settings.member),
        }));
    }

    fn handle(&mut self, event: Event) {
        let now = Instant::now();
        match event {
            Event::Joined(round, outcome) => self.member.handle_join(now, round, outcome),
            Event::Counted(round, counts) => self.member.handle_counts(round, counts),
            Event::Synced(round, outcome) => self.member.handle_sync(now, round, outcome),
            Event::Heartbeat(generation, outcome) => {
                self.member.handle_heartbeat(now, &generation, &outcome);
            }
            Event::Committed(origin, generation, result) => {
                self.committing = false;
                if result.is_ok() {
                    for interceptor in &self.settings.interceptors {
                        interceptor.on_commit(origin.offsets());
                    }
                }
                let result = result.map_err(|error| {
                    let refused = error
                        .code()
                        .and_then(|code| self.member.handle_commit_refused(now, &generation, code));
                    refused.unwrap_or(error.into())
                });
                self.committed(origin, result);
            }
            Event::Left if self.phase == Phase::Leaving => self.phase = Phase::Left,
            // The application had not polled for too long; the consumer lives on.
            Event::Left => {}
        }
    }

    fn handle_metadata(&mut self, metadata: &mut watch::Receiver<Arc<ClusterSnapshot>>) {
        let snapshot = metadata.borrow_and_update().clone();
        self.member.handle_metadata(|topic| {
            let topic = snapshot.topic(topic)?;
            let count = topic.partitions.len() as i32;
            (count > 0).then_some(count)
        });
    }
}

/// What the application was given, to be committed.
pub(crate) fn consumed(fetch: &crate::fetch::FetchState) -> Offsets {
    fetch.to_commit()
}
