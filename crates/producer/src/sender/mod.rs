//! The task that carries out what [`SenderState`] decides: connections, requests, timers.
//!
//! One task a producer; each broker's connection has a task of its own that writes and reads
//! ([`klamm_net::Connection`]). Nothing here waits for one broker before serving another.

mod answer;
mod availability;
mod broker;
mod drain;
mod idle;
mod link;
#[cfg(test)]
mod model_tests;
#[cfg(test)]
mod one_partition;
mod request;
mod seal;
mod split;
mod staging;
mod state;
mod transact;
mod verdict;

use std::collections::BTreeSet;
use std::sync::Arc;

use klamm_codec::ErrorCode;
use klamm_net::{ClusterSnapshot, Connection, Error as NetError, Lane, NodeId};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use self::idle::IdleTopics;
use self::link::{Answered, Links};
use self::seal::Sealed;
use self::state::SenderState;
use crate::config::Acks;
use crate::idempotence::ProducerKey;
use crate::inbox::Mail;
use crate::shared::Shared;
use crate::transaction::{Answer, ClusterView};

/// Work that takes its time, next to the loop.
enum Done {
    Connected(NodeId, Result<Connection, NetError>),
    ProducerId(Result<ProducerKey, NetError>),
    Coordinator(Result<Answer, NetError>, ClusterView),
    Sealed(Sealed),
}

pub(crate) struct Sender {
    shared: Arc<Shared>,
    state: SenderState,
    idle: IdleTopics,
    links: Links,
    tasks: JoinSet<Done>,
    connecting: BTreeSet<NodeId>,
    asking_producer_id: bool,
    mail: Mail,
    snapshots: watch::Receiver<Arc<ClusterSnapshot>>,
}

impl Sender {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        let settings = shared.settings.clone();
        Self {
            state: SenderState::new(
                settings,
                shared.cluster.config().retry_backoff,
                Arc::clone(&shared.memory),
                Arc::clone(&shared.counters),
                shared.transaction.clone(),
            ),
            idle: IdleTopics::new(shared.settings.config.metadata_max_idle),
            snapshots: shared.cluster.watch(),
            shared,
            links: Links::default(),
            tasks: JoinSet::new(),
            connecting: BTreeSet::new(),
            asking_producer_id: false,
            mail: Mail::default(),
        }
    }

    /// Runs until it is aborted, or the producer fails for good.
    pub(crate) async fn run(mut self) {
        let sleep = sleep_until(Instant::now());
        tokio::pin!(sleep);
        loop {
            self.shared.clock.tick();
            let now = Instant::now();
            self.read_mail(now);
            self.state.tick(now);
            let transaction = self.coordinate(now);
            self.send(now);
            self.state.watch_brokers(now);
            self.retire_idle_topics(now);
            self.carry_out_wishes();
            if let Some(code) = self.state.fatal() {
                self.shared.fail(code);
                return;
            }
            if self.shared.transaction.is_some() && self.shared.unfinished.has_failure() {
                continue;
            }
            let wake = self.next_wake(now).into_iter().chain(transaction).min();
            if let Some(wake) = wake {
                sleep.as_mut().reset(wake);
            }
            tokio::select! {
                biased;
                answered = self.links.next() => self.answered(answered),
                Some(done) = self.tasks.join_next() => {
                    if let Ok(done) = done {
                        self.done(done);
                    }
                }
                () = self.shared.inbox.arrived() => {}
                changed = self.snapshots.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    self.metadata_changed();
                }
                () = &mut sleep, if wake.is_some() => {}
            }
            while let Some(answered) = self.links.try_next() {
                self.answered(answered);
            }
        }
    }

    fn next_wake(&self, now: Instant) -> Option<Instant> {
        let tick = self.state.clock_tick().map(|tick| now + tick);
        let idle = self.idle.next_look();
        [self.state.next_timer(), tick, idle]
            .into_iter()
            .flatten()
            .min()
    }

    /// Topics that nothing is sent to leave the metadata (`metadata.max.idle.ms`).
    fn retire_idle_topics(&mut self, now: Instant) {
        let Self {
            shared,
            state,
            idle,
            ..
        } = self;
        idle.look(shared.topics_in_use(), now, |topic| {
            let mut queues = topic.partitions.iter();
            queues.all(|queue| state.is_at_rest(queue.slot)) && shared.retire_topic(topic)
        });
    }

    fn read_mail(&mut self, now: Instant) {
        self.shared.inbox.take(&mut self.mail);
        if !self.mail.registered.is_empty() {
            let snapshot = self.shared.cluster.snapshot();
            for queue in self.mail.registered.drain(..) {
                self.idle.registered(now);
                self.state.register(queue, &snapshot);
            }
        }
        for slot in self.mail.signalled.drain(..) {
            self.idle.signalled(slot, now);
            self.state.visit(slot, now);
        }
    }

    fn send(&mut self, now: Instant) {
        let protocol = self.state.protocol();
        for node in self.state.ready_nodes(now) {
            let Some(connection) = self.links.connection(node) else {
                self.connect(node);
                continue;
            };
            while let Some(batches) = self.state.next_request(node, now) {
                let sent = request::send(&connection, &self.shared.settings, protocol, &batches);
                match sent {
                    Ok(Some(pending)) => self.links.push(node, &connection, pending),
                    Ok(None) => self.state.unanswered(&batches, now),
                    Err(error) if self.shared.settings.config.acks == Acks::None => {
                        tracing::debug!(%error, "records with acks=0 were not sent");
                        self.state.unanswered(&batches, now);
                    }
                    Err(error) => {
                        self.links.close(node);
                        self.state.unsent(node, &error, now);
                        break;
                    }
                }
            }
        }
    }

    fn connect(&mut self, node: NodeId) {
        if !self.connecting.insert(node) {
            return;
        }
        let shared = Arc::clone(&self.shared);
        self.tasks.spawn(async move {
            let deadline = Instant::now() + shared.settings.request_timeout;
            let connected = shared
                .cluster
                .connection(node, Lane::Produce, deadline)
                .await;
            if let Err(NetError::UnknownNode { .. }) = connected {
                // Only newer metadata helps; for all else the reconnect backoff has been waited for.
                sleep(shared.cluster.config().retry_backoff.initial).await;
            }
            Done::Connected(node, connected)
        });
    }

    fn carry_out_wishes(&mut self) {
        if self.state.take_metadata_wanted() {
            self.shared.cluster.request_refresh();
        }
        for job in self.state.take_seal_jobs() {
            self.tasks.spawn(async move { Done::Sealed(job.run()) });
        }
        if self.state.wants_producer_id() && !self.asking_producer_id {
            self.asking_producer_id = true;
            let shared = Arc::clone(&self.shared);
            self.tasks
                .spawn(async move { Done::ProducerId(request::producer_id(&shared).await) });
        }
    }

    fn answered(&mut self, answered: Answered) {
        let now = Instant::now();
        let Answered {
            node,
            connection,
            version,
            frame,
        } = answered;
        let read = frame.and_then(|frame| request::read(&connection, version, frame));
        match read {
            Ok(response) => {
                let answer_of = |queue: &_| response.answer(queue);
                connection.throttle(response.throttle);
                self.state.answered(node, response.throttle, now, answer_of);
                let hints = std::mem::take(&mut self.state.hints);
                if !hints.is_empty() {
                    self.shared
                        .cluster
                        .leader_hints(&hints, &response.endpoints);
                }
            }
            Err(error) => {
                tracing::debug!(node = node.0, %error, "produce request failed");
                self.links.close_if(node, &connection);
                self.state.lost(node, &error, now);
            }
        }
    }

    fn done(&mut self, done: Done) {
        let now = Instant::now();
        match done {
            Done::Connected(node, Ok(connection)) => {
                self.connecting.remove(&node);
                self.links.open(node, connection);
            }
            Done::Connected(node, Err(error)) => {
                // The partitions stay ready; the next attempt waits for the reconnect backoff.
                self.connecting.remove(&node);
                tracing::debug!(node = node.0, %error, "cannot connect");
                self.state.connect_failed(node, &error);
            }
            Done::Sealed(sealed) => self.state.sealed(sealed, now),
            Done::Coordinator(answer, view) => self.coordinated(now, answer, view),
            Done::ProducerId(Ok(key)) => {
                self.asking_producer_id = false;
                self.state.producer_id(key, now);
            }
            Done::ProducerId(Err(error)) => {
                self.asking_producer_id = false;
                tracing::warn!(%error, "no producer id");
                if !error.is_retriable() {
                    let code = error.code().unwrap_or(ErrorCode::UNSUPPORTED_VERSION);
                    self.state.fail_for_good(code);
                }
            }
        }
    }

    fn metadata_changed(&mut self) {
        let snapshot = Arc::clone(&self.snapshots.borrow_and_update());
        self.shared.update_topics(&snapshot);
        self.state.metadata_changed(&snapshot, Instant::now());
    }
}
