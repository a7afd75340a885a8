//! The task that talks to the group's coordinator: membership, heartbeats and commits.
//!
//! It carries out what a [`Membership`] decides. Heartbeats go on whatever the application does;
//! what would take partitions away waits until the application polls. The task does the joining and
//! runs the callbacks itself: a poll that is dropped meanwhile loses nothing.

use std::collections::VecDeque;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use klamm_net::{Cluster, ClusterSnapshot, CoordinatorKind, TopicPartition};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::action::{Action, Answer, Commits, Generation, Leaving, MemberSettings, Membership};
use super::commits::{Origin, Queued};
use super::exchange::Exchange;
use super::leader::assignable;
use super::listener::{Listener, Occasion, Rebalance};
use super::pattern::Pattern;
use crate::consumer::GroupMembershipOperation;
use crate::error::Error;
use crate::interceptor::Interceptor;
use crate::jobs::Jobs;
use crate::offset::Offsets;
use crate::shared::Shared;

/// The settings of the task.
#[derive(Clone, Debug)]
pub(crate) struct CoordinatorSettings {
    pub(crate) member: Arc<MemberSettings>,
    /// Pause between commits in the background, if there are any.
    pub(crate) auto_commit: Option<Duration>,
    pub(crate) allow_auto_create_topics: bool,
    pub(crate) default_api_timeout: Duration,
    pub(crate) listener: Option<Listener>,
    pub(crate) interceptors: Vec<Arc<dyn Interceptor>>,
}

/// What a job brought.
pub(super) enum Event {
    Answer(Answer),
    Committed(Queued, Generation, Result<(), klamm_net::Error>),
    /// The callback of these has ended.
    Revoked(Vec<TopicPartition>),
    Assigned(Vec<TopicPartition>),
    /// That of the last revocation, when the consumer closes.
    Closed,
    /// All topics of the cluster, for a pattern.
    Listed(Result<Vec<Arc<str>>, klamm_net::Error>),
}

/// See the module. Dropping it ends all of its jobs.
pub(crate) struct Coordinator {
    pub(super) shared: Arc<Shared>,
    pub(super) cluster: Cluster,
    pub(super) settings: Arc<CoordinatorSettings>,
    pub(super) member: Box<dyn Membership>,
    /// Whether this consumer subscribes; otherwise it commits without being a member.
    pub(super) subscribes: bool,
    /// The topics to find, if it subscribes by a pattern that only clients evaluate.
    pub(super) pattern: Option<Pattern>,
    pub(super) jobs: Jobs<Event>,
    pub(super) commits: VecDeque<Queued>,
    pub(super) committing: bool,
    pub(super) auto_commit_at: Option<Instant>,
    phase: Phase,
}

/// How far the consumer is on its way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Running,
    /// It goes as soon as no partition is changing hands.
    Closing,
    /// The last commit and callback are under way.
    Finishing,
    Leaving,
    Left,
}

impl Coordinator {
    pub(crate) fn new(
        shared: Arc<Shared>,
        cluster: Cluster,
        settings: CoordinatorSettings,
        member: Box<dyn Membership>,
    ) -> Self {
        Self {
            shared,
            cluster,
            auto_commit_at: settings.auto_commit.map(|pause| Instant::now() + pause),
            settings: Arc::new(settings),
            member,
            subscribes: false,
            pattern: None,
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
        let polled_at = self.take_requests(now);
        self.member.handle_timeout(now, polled_at);
        self.auto_commit(now);
        let pattern = self.look_for_topics(now);
        let commit = loop {
            self.close_if_at_rest();
            let wait = self.start_commit();
            let Some(action) = self.member.poll_action() else {
                break wait;
            };
            self.act(action);
        };
        self.publish();
        let timeout = self.member.next_timeout(polled_at);
        let timers = [timeout, self.auto_commit_at, pattern, commit];
        timers.into_iter().flatten().min()
    }

    fn take_requests(&mut self, now: Instant) -> Option<Instant> {
        let mut state = self.shared.lock();
        let subscribed = state.group.subscribed.take();
        let commits: Vec<_> = state.group.commits.drain(..).collect();
        let granted = std::mem::take(&mut state.group.granted) && !state.closing;
        let closes = state.closing && self.phase == Phase::Running;
        let outside_since = state.group.outside_since();
        drop(state);
        if let Some(topics) = subscribed {
            self.subscribes = true;
            self.subscribe(topics);
        }
        for commit in commits {
            self.queue_commit(Origin::Application(commit));
        }
        if granted {
            self.member.handle_poll(now);
        }
        if closes {
            self.phase = Phase::Closing;
            self.auto_commit_at = None;
        }
        outside_since
    }

    /// Tells the application what waits for it.
    fn publish(&self) {
        let wants_poll = self.member.wants_poll() && self.phase == Phase::Running;
        let mut state = self.shared.lock();
        let changed = wants_poll != state.group.wants_poll;
        state.group.wants_poll = wants_poll;
        state.group.generation = match self.member.commits() {
            Commits::In(generation) => Some(generation),
            Commits::Soon | Commits::Refused => None,
        };
        state.group.reads_as = self.member.reads_as();
        if changed {
            // What was granted was granted for something else.
            state.group.granted = false;
        }
        drop(state);
        if changed {
            self.shared.application.notify_one();
        }
    }

    /// The last commit, once nothing is changing hands any more.
    fn close_if_at_rest(&mut self) {
        if self.phase != Phase::Closing || self.member.is_busy() {
            return;
        }
        self.phase = Phase::Finishing;
        let offsets = match self.settings.auto_commit {
            Some(_) => consumed(&self.shared.lock().fetch),
            None => Offsets::new(),
        };
        self.queue_commit(Origin::Close(offsets));
    }

    /// The last callback.
    pub(super) fn closing_committed(&mut self) {
        let (mut owned, lost) = self.member.owned();
        // Of what came since it closes the application was not told.
        let told = self.shared.lock().fetch.assigned();
        owned.retain(|at| told.binary_search(at).is_ok());
        if self.subscribes && !owned.is_empty() {
            self.call_back(Occasion::of_going(lost), owned, |_| Event::Closed);
        } else {
            self.finish();
        }
    }

    /// The end comes with the answer to the last request, or at once if there is none to send.
    fn finish(&mut self) {
        let operation = self.shared.lock().group.close_as;
        let is_static = self.settings.member.instance_id.is_some();
        let remains = match operation {
            GroupMembershipOperation::Default => is_static,
            GroupMembershipOperation::LeaveGroup => false,
            GroupMembershipOperation::RemainInGroup => true,
        };
        let leaving = if remains {
            Leaving::ForNow
        } else {
            Leaving::ForGood
        };
        self.phase = Phase::Left;
        // What it still wanted to do does not matter any more.
        while self.member.poll_action().is_some() {}
        self.member.leave(leaving, "the consumer is being closed");
        while let Some(action) = self.member.poll_action() {
            self.phase = Phase::Leaving;
            self.act(action);
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Revoke { partitions, lost } => self.revoke(partitions, lost),
            Action::Assign(added) => self.assign(added),
            Action::Join {
                round,
                member_id,
                protocols,
                reason,
            } => self.ask(|exchange| async move {
                let joined = exchange.join(&member_id, &protocols, reason);
                Answer::Joined(round, joined.await)
            }),
            Action::Describe { round, topics } => {
                let auto_create = self.settings.allow_auto_create_topics;
                self.ask(|exchange| async move {
                    Answer::Described(round, exchange.describe(topics, auto_create).await)
                });
            }
            Action::Sync {
                round,
                generation,
                protocol,
                assignments,
            } => self.ask(|exchange| async move {
                let synced = exchange.sync(&generation, &protocol, &assignments);
                Answer::Synced(round, synced.await)
            }),
            Action::Heartbeat(generation) => self.ask(|exchange| async move {
                let outcome = exchange.heartbeat(&generation).await;
                Answer::Heartbeat(generation, outcome)
            }),
            Action::Leave { member_id, reason } => self.ask(|exchange| async move {
                exchange.leave(&member_id, reason).await;
                Answer::Left
            }),
            Action::Beat(beat) => self.ask(|exchange| async move {
                let beaten = exchange.beat(&beat).await;
                Answer::Beaten(beat.stay, beaten)
            }),
            Action::Goodbye { member_id, epoch } => self.ask(|exchange| async move {
                exchange.goodbye(&member_id, epoch).await;
                Answer::Left
            }),
            Action::Resolve(ids) => self.ask(|exchange| async move {
                let names = exchange.resolve(&ids).await;
                Answer::Resolved(names)
            }),
            Action::ForgetCoordinator => {
                let group = &self.settings.member.group_id;
                self.cluster
                    .forget_coordinator(CoordinatorKind::Group, group);
            }
            Action::Report(error) => self.report(error),
        }
    }

    fn report(&self, error: Error) {
        let mut state = self.shared.lock();
        if error.is_fatal() {
            state.group.fatal = Some(error);
        } else {
            state.fetch.report(error);
        }
        drop(state);
        self.shared.application.notify_one();
    }

    fn revoke(&mut self, partitions: Vec<TopicPartition>, lost: bool) {
        let mut state = self.shared.lock();
        state.fetch.withdraw(&partitions);
        let offsets = match self.settings.auto_commit {
            Some(_) if !lost => consumed(&state.fetch),
            _ => Offsets::new(),
        };
        drop(state);
        self.unblock_commits();
        if lost {
            self.call_revoked(partitions, true);
        } else {
            self.queue_commit(Origin::Rebalance(offsets, partitions));
        }
    }

    /// What was consumed of `partitions` is committed, as far as it can be.
    pub(super) fn call_revoked(&mut self, partitions: Vec<TopicPartition>, lost: bool) {
        self.call_back(Occasion::of_going(lost), partitions, Event::Revoked);
    }

    fn assign(&mut self, added: Vec<TopicPartition>) {
        if self.phase != Phase::Running {
            // The application is never told; they go with the rest.
            self.member.handle_assigned(Instant::now());
            return;
        }
        let group = &self.settings.member.group_id;
        tracing::debug!(%group, ?added, "partitions assigned");
        let topics = added.iter().map(|at| &*at.topic);
        self.cluster.add_topics(topics, false);
        let held = self.settings.listener.is_some();
        let mut state = self.shared.lock();
        // The fetcher asks for committed offsets at once.
        state.group.reads_as = self.member.reads_as();
        state.fetch.add(&added, held);
        drop(state);
        self.call_back(Occasion::Assigned, added, Event::Assigned);
    }

    /// Runs a callback, if there is a listener; then comes `then`.
    fn call_back(
        &mut self,
        occasion: Occasion,
        partitions: Vec<TopicPartition>,
        then: impl FnOnce(Vec<TopicPartition>) -> Event + Send + 'static,
    ) {
        let Some(listener) = self.settings.listener.clone() else {
            self.handle(then(partitions));
            return;
        };
        let shared = Arc::clone(&self.shared);
        let rebalance = Rebalance::new(shared, self.settings.default_api_timeout);
        self.jobs.push(async move {
            listener.call(occasion, rebalance, partitions.clone()).await;
            then(partitions)
        });
    }

    /// Begins an exchange with the coordinator.
    fn ask<F>(&mut self, exchange: impl FnOnce(Exchange) -> F)
    where
        F: Future<Output = Answer> + Send + 'static,
    {
        self.start(|with| {
            let answer = exchange(with);
            async move { Event::Answer(answer.await) }
        });
    }

    pub(super) fn start<F>(&mut self, exchange: impl FnOnce(Exchange) -> F)
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
            // The consumer lives on if its application merely had not polled for too long.
            Event::Answer(Answer::Left) if self.phase == Phase::Leaving => {
                self.phase = Phase::Left;
            }
            Event::Answer(answer) => self.member.handle_answer(now, answer),
            Event::Committed(queued, generation, result) => {
                self.handle_committed(queued, generation, result);
            }
            Event::Revoked(partitions) => {
                self.shared.lock().fetch.remove(&partitions);
                self.let_topics_go();
                self.shared.fetcher.notify_one();
                self.member.handle_revoked(now);
            }
            Event::Assigned(partitions) => {
                self.shared.lock().fetch.release(&partitions);
                self.let_topics_go();
                self.shared.fetcher.notify_one();
                self.shared.application.notify_one();
                self.member.handle_assigned(now);
            }
            Event::Closed => self.finish(),
            Event::Listed(listed) => self.handle_listed(listed),
        }
    }

    fn handle_metadata(&mut self, metadata: &mut watch::Receiver<Arc<ClusterSnapshot>>) {
        let snapshot = metadata.borrow_and_update().clone();
        self.member
            .handle_metadata(&|name| assignable(snapshot.topic(name)?, &snapshot));
    }
}

/// What the application was given, to be committed.
pub(crate) fn consumed(fetch: &crate::fetch::FetchState) -> Offsets {
    fetch.to_commit()
}
