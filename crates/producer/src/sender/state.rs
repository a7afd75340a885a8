//! What the sender thinks: which batch goes where and when, and what an answer means for it.
//!
//! Here is what a partition waits for; [`drain`](super::drain) makes requests of what is ready, and
//! [`answer`](super::answer) handles what comes back.
//!
//! Sans-I/O: events and `now` go in; requests, wishes and the next time to look come out. The order
//! of batches in a partition is kept by [`Sequences`]; here are lingering, retries, time limits,
//! leaders and memory.
//!
//! After each event: take requests with [`SenderState::next_request`] for every node of
//! [`SenderState::ready_nodes`] that can take one, then the wishes, then sleep until
//! [`SenderState::next_timer`].
//!
//! Invariants
//! - answers of a broker come in the order of its requests
//! - a partition that can send stands in the ready list of its leader once; all others have a timer
//!   or wait for an event (an answer, metadata, a producer id)

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use klamm_codec::ErrorCode;
use klamm_net::{Backoff, ClusterSnapshot, LeaderHint, NodeId, TopicId};
use tokio::time::Instant;

use super::broker::BrokerState;
use super::seal::{SealJob, Sealer};
use super::staging::Staging;
use crate::accumulator::{PartitionQueue, QueueView};
use crate::config::Settings;
use crate::delivery::Completer;
use crate::error::{Cause, Outcome};
use crate::idempotence::{Answer, ProducerIds, ProducerKey, Sequences, Stamped};
use crate::memory::{Memory, Reservation};
use crate::stats::Counters;
use crate::transaction::Coordination;

/// A batch with its bytes, from its first sending to its end.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) bytes: Bytes,
    pub(super) completer: Completer,
    pub(super) reservation: Reservation,
    pub(super) created: Instant,
    pub(super) last_failure: Option<klamm_net::Error>,
}

/// One partition.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) queue: Arc<PartitionQueue>,
    /// What has left the queue to be compressed.
    pub(super) staged: Staging,
    pub(super) sequences: Sequences<Sent>,
    /// Offset of the last acknowledged record; -1 is none.
    pub(super) acknowledged: i64,
    pub(super) leader: Option<(NodeId, i32)>,
    /// Stands in the ready list of its leader.
    pub(super) ready: bool,
    /// Bytes of what it sends next, when it was last looked at; of what takes no more records those of a full batch.
    pub(super) next_bytes: usize,
    timer: Option<Instant>,
    /// Failed attempts in a row, and when to try again.
    pub(super) failures: u32,
    pub(super) retry_at: Option<Instant>,
}

#[derive(Debug)]
pub(super) struct SenderState {
    pub(super) settings: Settings,
    pub(super) retry_backoff: Backoff,
    pub(super) memory: Arc<Memory>,
    pub(super) counters: Arc<Counters>,
    pub(super) sealer: Arc<Sealer>,
    pub(super) seal_jobs: Vec<SealJob>,
    /// Brokers in the own rack, if that counts.
    pub(super) near: BTreeSet<NodeId>,
    pub(super) ids: ProducerIds,
    pub(super) slots: Vec<Slot>,
    pub(super) brokers: BTreeMap<NodeId, BrokerState>,
    timers: BTreeSet<(Instant, usize)>,
    pub(super) metadata_wanted: bool,
    /// Leaders that brokers named.
    pub(super) hints: Vec<LeaderHint>,
    fatal: Option<ErrorCode>,
    /// Says to which partitions records may go; none for a producer without transactions.
    pub(super) transaction: Option<Arc<Coordination>>,
}

impl SenderState {
    pub(super) fn new(
        settings: Settings,
        retry_backoff: Backoff,
        memory: Arc<Memory>,
        counters: Arc<Counters>,
        transaction: Option<Arc<Coordination>>,
    ) -> Self {
        Self {
            transaction,
            ids: if settings.idempotent {
                ProducerIds::Wanted
            } else {
                ProducerIds::Off
            },
            sealer: Arc::new(Sealer::new(&settings)),
            seal_jobs: Vec::new(),
            settings,
            retry_backoff,
            memory,
            counters,
            near: BTreeSet::new(),
            slots: Vec::new(),
            brokers: BTreeMap::new(),
            timers: BTreeSet::new(),
            metadata_wanted: false,
            hints: Vec::new(),
            fatal: None,
        }
    }

    /// A new queue, whose slot is the next one.
    pub(super) fn register(&mut self, queue: Arc<PartitionQueue>, snapshot: &ClusterSnapshot) {
        debug_assert_eq!(queue.slot, self.slots.len());
        let leader = leader(&queue, snapshot);
        self.find_near(snapshot);
        queue.set_availability(self.availability(leader));
        self.slots.push(Slot {
            queue,
            staged: Staging::default(),
            sequences: Sequences::default(),
            acknowledged: -1,
            leader,
            ready: false,
            next_bytes: 0,
            timer: None,
            failures: 0,
            retry_at: None,
        });
    }

    /// Looks at a partition that may have something to send, or whose time has come.
    pub(super) fn visit(&mut self, slot: usize, now: Instant) {
        if let Some(code) = self.fatal {
            self.end_slot(slot, &Cause::Fatal(code));
            return;
        }
        let view = self.give_up_late(slot, now);
        let view = self.stage(slot, view, now);
        let linger = self.settings.config.linger;
        let state = &mut self.slots[slot];
        let oldest_sent = state
            .sequences
            .resend()
            .map(|sent| sent.batch.created)
            .min();
        let oldest_in_flight = state
            .sequences
            .in_flight_mut()
            .filter(|sent| !sent.given_up)
            .map(|sent| sent.batch.created)
            .min();
        let oldest_staged = state.staged.front().map(|staged| staged.created);
        let oldest = [oldest_sent, oldest_in_flight, oldest_staged, view.oldest]
            .into_iter()
            .flatten()
            .min();
        let Some(oldest) = oldest else {
            self.set_timer(slot, None);
            return;
        };
        let takes_no_more = view.is_full || oldest_sent.is_some() || oldest_staged.is_some();
        state.next_bytes = if takes_no_more {
            self.settings.batch_bytes_max
        } else {
            view.bytes
        };
        // In flight, or away to be compressed, nothing can be done but to give up in time.
        let expiry = oldest + self.settings.delivery_timeout;
        let due = match (state.staged.front(), view.oldest) {
            _ if oldest_sent.is_some() => Some(now),
            (Some(staged), _) => staged.is_sealed().then_some(now),
            (None, Some(_)) if view.is_due => Some(now),
            (None, Some(oldest)) => Some(oldest + linger),
            (None, None) => None,
        };
        let Some(due) = due else {
            self.set_timer(slot, Some(expiry));
            return;
        };
        let due = state.retry_at.map_or(due, |retry_at| due.max(retry_at));
        if due > now {
            self.set_timer(slot, Some(due.min(expiry)));
            return;
        }
        self.set_timer(slot, Some(expiry));
        self.make_ready(slot);
    }

    /// Whether nothing of the partition is on its way; its queue may have something.
    pub(super) fn is_at_rest(&self, slot: usize) -> bool {
        let slot = &self.slots[slot];
        slot.timer.is_none() && slot.sequences.in_flight() == 0
    }

    fn make_ready(&mut self, slot: usize) {
        let state = &mut self.slots[slot];
        let Some((node, _)) = state.leader else {
            self.metadata_wanted = true;
            return;
        };
        let in_flight_max = self.settings.config.max_in_flight;
        let may_send = state.sequences.may_send() && state.sequences.in_flight() < in_flight_max;
        if state.ready || !may_send || self.ids == ProducerIds::Wanted {
            return;
        }
        if let Some(transaction) = &self.transaction
            && !transaction.lock().admits(&state.queue.partition)
        {
            return;
        }
        state.ready = true;
        self.brokers.entry(node).or_default().ready.push_back(slot);
    }

    fn set_timer(&mut self, slot: usize, timer: Option<Instant>) {
        let state = &mut self.slots[slot];
        if state.timer == timer {
            return;
        }
        if let Some(old) = std::mem::replace(&mut state.timer, timer) {
            self.timers.remove(&(old, slot));
        }
        if let Some(new) = timer {
            self.timers.insert((new, slot));
        }
    }

    /// When [`SenderState::tick`] has something to do.
    pub(super) fn next_timer(&self) -> Option<Instant> {
        let timer = self.timers.first().map(|(at, _)| *at);
        let stuck_after = self.settings.config.partitioner_availability_timeout;
        let brokers = self.brokers.values();
        let brokers = brokers.filter_map(|broker| broker.next_timer(stuck_after));
        timer.into_iter().chain(brokers).min()
    }

    /// Visits the partitions whose time has come.
    pub(super) fn tick(&mut self, now: Instant) {
        for broker in self.brokers.values_mut() {
            self.metadata_wanted |= broker.tick(now, self.retry_backoff);
        }
        let due = self.timers.range(..=(now, usize::MAX));
        let due: Vec<_> = due.map(|(_, slot)| *slot).collect();
        for slot in due {
            self.set_timer(slot, None);
            self.visit(slot, now);
        }
    }

    /// There is no connection to `node`; its partitions stay ready.
    pub(super) fn connect_failed(&mut self, node: NodeId, error: &klamm_net::Error) {
        self.metadata_wanted = true;
        self.brokers.entry(node).or_default().failure = Some(error.clone());
    }

    /// Gives up what is past `delivery.timeout.ms` or out of retries; shows how the queue is left.
    fn give_up_late(&mut self, slot: usize, now: Instant) -> QueueView {
        let timeout = self.settings.delivery_timeout;
        let late = |created: Instant| now >= created + timeout;
        let retries = self.settings.config.retries;
        let state = &mut self.slots[slot];
        let gives_up = |sent: &Stamped<Sent>| late(sent.batch.created) || sent.attempts > retries;
        let mut failed = 0;
        for mut stamped in state.sequences.give_up_resend(gives_up) {
            let outcome = outcome(stamped.maybe_written);
            let last = stamped.batch.last_failure.take().map(Box::new);
            let cause = match last {
                Some(last) if !late(stamped.batch.created) => Cause::Retries(last),
                last => Cause::Timeout(last),
            };
            stamped.batch.completer.fail(cause, outcome);
            failed += stamped.records();
        }
        for stamped in state.sequences.in_flight_mut() {
            if !stamped.given_up && late(stamped.batch.created) {
                stamped.given_up = true;
                let cause = Cause::Timeout(stamped.batch.last_failure.take().map(Box::new));
                stamped.batch.completer.fail(cause, Outcome::Unknown);
                failed += stamped.records();
            }
        }
        let broker = state.leader.and_then(|(node, _)| self.brokers.get(&node));
        let failure = || broker.and_then(|broker| broker.failure.clone());
        let cause = || Cause::Timeout(failure().map(Box::new));
        while state
            .staged
            .front()
            .is_some_and(|front| late(front.created))
            && let Some(staged) = state.staged.give_up()
        {
            state.queue.batch_left();
            failed += staged.records();
            staged.fail(cause());
        }
        let mut view = state.queue.visit();
        while view.oldest.is_some_and(late)
            && let Some(mut batch) = state.queue.take_batch()
        {
            state.queue.batch_left();
            batch.completer.fail(cause(), Outcome::NotWritten);
            failed += u64::from(batch.builder.record_count().unsigned_abs());
            view = state.queue.visit();
        }
        if failed > 0 {
            self.counters.lock().records_failed += failed;
        }
        view
    }

    /// Leaders, topics and partitions may have changed.
    pub(super) fn metadata_changed(&mut self, snapshot: &ClusterSnapshot, now: Instant) {
        self.find_near(snapshot);
        for slot in 0..self.slots.len() {
            let queue = &self.slots[slot].queue;
            if was_recreated(queue, snapshot) {
                self.end_slot(slot, &Cause::TopicRecreated);
                continue;
            }
            let leader = leader(queue, snapshot);
            queue.set_availability(self.availability(leader));
            let state = &mut self.slots[slot];
            if leader == state.leader {
                continue;
            }
            if leader.map(|(node, _)| node) != state.leader.map(|(node, _)| node) {
                self.leave_leader(slot);
            }
            let state = &mut self.slots[slot];
            state.leader = leader;
            // The backoff was for the old leader.
            state.retry_at = None;
            self.visit(slot, now);
        }
    }

    /// The leader is no longer the leader: what it has not answered is as good as lost, and is sent
    /// to the next one with the same sequences.
    fn leave_leader(&mut self, slot: usize) {
        self.forget_ready(slot);
        let state = &mut self.slots[slot];
        let broker = state
            .leader
            .and_then(|(node, _)| self.brokers.get_mut(&node));
        if let Some(broker) = broker {
            for request in &mut broker.in_flight {
                request.retain(|asked| *asked != slot);
            }
        }
        for _ in 0..state.sequences.in_flight() {
            state.sequences.answered(Answer::Lost);
        }
    }

    fn forget_ready(&mut self, slot: usize) {
        let state = &mut self.slots[slot];
        if let Some((node, _)) = state.leader
            && std::mem::take(&mut state.ready)
            && let Some(broker) = self.brokers.get_mut(&node)
        {
            broker.ready.retain(|ready| *ready != slot);
        }
    }

    /// Whether the batches are part of transactions.
    pub(super) const fn is_transactional(&self) -> bool {
        self.transaction.is_some()
    }

    /// Whether a producer id must be had from a broker.
    pub(super) fn wants_producer_id(&self) -> bool {
        let wants = self.ids == ProducerIds::Wanted && !self.is_transactional();
        wants && self.fatal.is_none() && !self.timers.is_empty()
    }

    pub(super) fn producer_id(&mut self, key: ProducerKey, now: Instant) {
        self.ids = ProducerIds::Known(key);
        for slot in 0..self.slots.len() {
            self.visit(slot, now);
        }
    }

    /// Whether newer metadata is wanted, since the last time this was asked.
    pub(super) fn take_metadata_wanted(&mut self) -> bool {
        std::mem::take(&mut self.metadata_wanted)
    }

    /// Why the producer cannot go on, if it cannot.
    pub(super) fn fatal(&self) -> Option<ErrorCode> {
        self.fatal
    }

    /// Ends every partition.
    pub(super) fn fail_for_good(&mut self, code: ErrorCode) {
        self.fatal = Some(code);
        for slot in 0..self.slots.len() {
            self.end_slot(slot, &Cause::Fatal(code));
        }
        self.brokers.clear();
    }

    fn end_slot(&mut self, slot: usize, cause: &Cause) {
        self.forget_ready(slot);
        self.set_timer(slot, None);
        let state = &mut self.slots[slot];
        let mut failed = 0;
        while let Some(staged) = state.staged.give_up() {
            failed += staged.records();
            staged.fail(cause.clone());
        }
        for mut batch in state.queue.end() {
            batch.completer.fail(cause.clone(), Outcome::NotWritten);
            failed += u64::from(batch.builder.record_count().unsigned_abs());
        }
        for mut stamped in state.sequences.give_up_resend(|_| true) {
            let outcome = outcome(stamped.maybe_written);
            stamped.batch.completer.fail(cause.clone(), outcome);
            failed += stamped.records();
        }
        // Answers will still come for these; their bytes belong to the connection until then.
        let in_flight = state.sequences.in_flight_mut();
        for stamped in in_flight.filter(|stamped| !stamped.given_up) {
            stamped.given_up = true;
            failed += stamped.records();
            let completer = &mut stamped.batch.completer;
            completer.fail(cause.clone(), Outcome::Unknown);
        }
        self.counters.lock().records_failed += failed;
    }

    /// How long the caller may sleep with batches open, for the clock's sake.
    pub(super) fn clock_tick(&self) -> Option<Duration> {
        (!self.timers.is_empty()).then_some(crate::clock::TICK)
    }
}

pub(super) fn outcome(maybe_written: bool) -> Outcome {
    if maybe_written {
        Outcome::Unknown
    } else {
        Outcome::NotWritten
    }
}

fn leader(queue: &PartitionQueue, snapshot: &ClusterSnapshot) -> Option<(NodeId, i32)> {
    let topic = snapshot.topic(&queue.partition.topic)?;
    let partition = topic.partition(queue.partition.partition)?;
    partition.leader.map(|node| (node, partition.leader_epoch))
}

/// Whether the topic of `queue` has been deleted and created again.
fn was_recreated(queue: &PartitionQueue, snapshot: &ClusterSnapshot) -> bool {
    let topic = snapshot.topic(&queue.partition.topic);
    topic.is_some_and(|topic| topic.id != queue.topic_id && topic.id != TopicId::default())
}
