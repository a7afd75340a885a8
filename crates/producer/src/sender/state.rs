//! What the sender thinks: which batch goes where and when, and what an answer means for it.
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

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use klamm_codec::ErrorCode;
use klamm_codec::batch::ProducerIdentity;
use klamm_codec::compress::Compressor;
use klamm_net::{Backoff, ClusterSnapshot, NodeId, TopicId};
use tokio::time::Instant;

use super::verdict::Verdict;
use crate::accumulator::{Batch, PartitionQueue};
use crate::config::{Acks, Settings};
use crate::delivery::Completer;
use crate::error::{Cause, Outcome};
use crate::idempotence::{Answer, ProducerIds, ProducerKey, Sequences, Stamped};
use crate::memory::{Memory, Reservation};

/// A batch with its bytes, from its first sending to its end.
#[derive(Debug)]
struct Sent {
    bytes: Bytes,
    completer: Completer,
    reservation: Reservation,
    created: Instant,
    last_failure: Option<klamm_net::Error>,
}

/// One partition.
#[derive(Debug)]
struct Slot {
    queue: Arc<PartitionQueue>,
    sequences: Sequences<Sent>,
    leader: Option<(NodeId, i32)>,
    /// Stands in the ready list of its leader.
    ready: bool,
    timer: Option<Instant>,
    /// Failed attempts in a row, and when to try again.
    failures: u32,
    retry_at: Option<Instant>,
}

#[derive(Debug, Default)]
struct BrokerState {
    ready: VecDeque<usize>,
    /// The slots of each request in flight, oldest first.
    in_flight: VecDeque<Vec<usize>>,
    /// Why the last connection attempt failed.
    failure: Option<klamm_net::Error>,
}

/// One produce request: a batch for each of some partitions with the same leader.
#[derive(Debug)]
pub(super) struct ProduceBatches {
    /// Batches, in no particular order.
    pub(super) batches: Vec<PartitionBytes>,
}

#[derive(Debug)]
pub(super) struct PartitionBytes {
    pub(super) queue: Arc<PartitionQueue>,
    pub(super) bytes: Bytes,
}

/// What a broker said about one partition of a request.
#[derive(Clone, Copy, Debug)]
pub(super) struct PartitionAnswer {
    pub(super) code: ErrorCode,
    /// -1 if the broker gave none.
    pub(super) base_offset: i64,
}

#[derive(Debug)]
pub(super) struct SenderState {
    settings: Settings,
    retry_backoff: Backoff,
    memory: Arc<Memory>,
    compressor: Option<Compressor>,
    ids: ProducerIds,
    slots: Vec<Slot>,
    brokers: BTreeMap<NodeId, BrokerState>,
    timers: BTreeSet<(Instant, usize)>,
    metadata_wanted: bool,
    fatal: Option<ErrorCode>,
}

impl SenderState {
    pub(super) fn new(
        settings: Settings,
        retry_backoff: Backoff,
        memory: Arc<Memory>,
        compressor: Option<Compressor>,
    ) -> Self {
        Self {
            ids: if settings.idempotent {
                ProducerIds::Wanted
            } else {
                ProducerIds::Off
            },
            settings,
            retry_backoff,
            memory,
            compressor,
            slots: Vec::new(),
            brokers: BTreeMap::new(),
            timers: BTreeSet::new(),
            metadata_wanted: false,
            fatal: None,
        }
    }

    /// A new queue, whose slot is the next one.
    pub(super) fn register(&mut self, queue: Arc<PartitionQueue>, snapshot: &ClusterSnapshot) {
        debug_assert_eq!(queue.slot, self.slots.len());
        let leader = leader(&queue, snapshot);
        self.slots.push(Slot {
            queue,
            sequences: Sequences::default(),
            leader,
            ready: false,
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
        self.give_up_late(slot, now);
        let view = self.slots[slot].queue.visit();
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
        let oldest = [oldest_sent, oldest_in_flight, view.oldest]
            .into_iter()
            .flatten()
            .min();
        let Some(oldest) = oldest else {
            self.set_timer(slot, None);
            return;
        };
        // In flight nothing can be done but to give up in time.
        let expiry = oldest + self.settings.delivery_timeout;
        let due = match (oldest_sent, view.oldest) {
            (Some(_), _) => Some(now),
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
        self.timers.first().map(|(at, _)| *at)
    }

    /// Visits the partitions whose time has come.
    pub(super) fn tick(&mut self, now: Instant) {
        let due = self.timers.range(..=(now, usize::MAX));
        let due: Vec<_> = due.map(|(_, slot)| *slot).collect();
        for slot in due {
            self.set_timer(slot, None);
            self.visit(slot, now);
        }
    }

    /// The brokers that something can be sent to now.
    pub(super) fn ready_nodes(&self) -> Vec<NodeId> {
        let in_flight_max = self.settings.config.max_in_flight;
        let ready = |(_, broker): &(&NodeId, &BrokerState)| {
            !broker.ready.is_empty() && broker.in_flight.len() < in_flight_max
        };
        let nodes = self.brokers.iter().filter(ready);
        nodes.map(|(node, _)| *node).collect()
    }

    /// The next request to `node`, at most `max.request.size` large but with one batch at least.
    pub(super) fn next_request(&mut self, node: NodeId, now: Instant) -> Option<ProduceBatches> {
        let broker = self.brokers.get_mut(&node)?;
        if broker.in_flight.len() >= self.settings.config.max_in_flight {
            return None;
        }
        let mut candidates = std::mem::take(&mut broker.ready);
        let mut slots = Vec::new();
        let mut batches = Vec::new();
        let mut left = self
            .settings
            .config
            .max_request_size
            .max(self.settings.batch_bytes_max);
        while let Some(slot) = candidates.pop_front() {
            self.slots[slot].ready = false;
            if self.slots[slot]
                .leader
                .is_none_or(|(leader, _)| leader != node)
            {
                self.visit(slot, now);
                continue;
            }
            let Some(bytes) = self.next_batch(slot) else {
                continue;
            };
            left = left.saturating_sub(bytes.len());
            let queue = Arc::clone(&self.slots[slot].queue);
            batches.push(PartitionBytes { queue, bytes });
            slots.push(slot);
            if left < self.settings.batch_bytes_max {
                break;
            }
        }
        let broker = self.brokers.entry(node).or_default();
        // What was not looked at goes first next time.
        candidates.append(&mut broker.ready);
        broker.ready = candidates;
        if slots.is_empty() {
            return None;
        }
        if self.settings.config.acks != Acks::None {
            broker.in_flight.push_back(slots.clone());
        }
        for slot in slots {
            self.visit(slot, now);
        }
        Some(ProduceBatches { batches })
    }

    /// The next batch of a partition, with its place in the order and in flight from now on.
    fn next_batch(&mut self, slot: usize) -> Option<Bytes> {
        let state = &mut self.slots[slot];
        let mut stamped = if state.sequences.has_resend() {
            let mut stamped = state.sequences.next_resend(&mut self.ids)?;
            if std::mem::take(&mut stamped.restamp) {
                let bytes = std::mem::take(&mut stamped.batch.bytes);
                stamped.batch.bytes = identity(stamped.identity).restamp(bytes);
            }
            stamped
        } else {
            if !state.sequences.may_send() {
                return None;
            }
            self.stamp_new(slot)?
        };
        stamped.batch.completer.may_be_written();
        let bytes = stamped.batch.bytes.clone();
        self.slots[slot].sequences.sent(stamped);
        Some(bytes)
    }

    fn stamp_new(&mut self, slot: usize) -> Option<Stamped<Sent>> {
        let state = &mut self.slots[slot];
        if !state.sequences.prepare_new(&mut self.ids) {
            return None;
        }
        let batch = state.queue.take_batch()?;
        let records = batch.builder.record_count();
        let place = state.sequences.place_for_new(records);
        match self.seal(batch, place) {
            Some(sent) => Some(Stamped::new(sent, place, records)),
            None => {
                self.slots[slot].sequences.skip_place();
                None
            }
        }
    }

    fn seal(&mut self, batch: Batch, place: Option<(ProducerKey, i32)>) -> Option<Sent> {
        let compressor = self.compressor.as_mut();
        match batch.builder.seal(identity(place), false, compressor) {
            Ok(sealed) => {
                let mut reservation = batch.reservation;
                if let Some(buffer) = sealed.used_buffer {
                    reservation.shrink_to(sealed.bytes.len());
                    self.memory.keep_buffer(buffer);
                }
                Some(Sent {
                    bytes: sealed.bytes,
                    completer: batch.completer,
                    reservation,
                    created: batch.created,
                    last_failure: None,
                })
            }
            Err(error) => {
                let cause = Cause::Compression(error.to_string());
                batch.completer.complete(Err((cause, Outcome::NotWritten)));
                None
            }
        }
    }

    /// A request without an answer (acks=0) has been written.
    pub(super) fn unanswered(&mut self, request: &ProduceBatches, now: Instant) {
        for batch in &request.batches {
            self.apply(batch.queue.slot, Answer::Written, None, now);
        }
    }

    /// There is no connection to `node`; its partitions stay ready.
    pub(super) fn connect_failed(&mut self, node: NodeId, error: &klamm_net::Error) {
        self.metadata_wanted = true;
        self.brokers.entry(node).or_default().failure = Some(error.clone());
    }

    /// The oldest request to `node` was answered; `answer_of` finds the answer for a partition.
    pub(super) fn answered(
        &mut self,
        node: NodeId,
        now: Instant,
        answer_of: impl Fn(&PartitionQueue) -> Option<PartitionAnswer>,
    ) {
        let Some(broker) = self.brokers.get_mut(&node) else {
            return;
        };
        broker.failure = None;
        for slot in broker.in_flight.pop_front().unwrap_or_default() {
            match answer_of(&self.slots[slot].queue) {
                Some(answer) => self.answered_partition(slot, answer, now),
                None => self.apply(slot, Answer::Lost, None, now),
            }
        }
    }

    fn answered_partition(&mut self, slot: usize, answer: PartitionAnswer, now: Instant) {
        let code = answer.code;
        let verdict = Verdict::of(code, self.settings.idempotent);
        if verdict.fatal {
            self.fail_for_good(code);
            return;
        }
        self.metadata_wanted |= code.needs_metadata();
        if verdict.answer == Answer::Written {
            let offset = (answer.base_offset >= 0).then_some(answer.base_offset);
            self.finish(slot, Ok(offset), now);
            return;
        }
        if verdict.answer == Answer::Refused {
            self.finish(slot, Err((code, verdict.maybe_written)), now);
            return;
        }
        let context = self.slots[slot].queue.partition.to_string();
        let failure = klamm_net::Error::broker(klamm_codec::ApiKey::PRODUCE, code, context);
        self.apply(slot, verdict.answer, Some(failure), now);
    }

    /// The oldest request to `node` will not be answered.
    pub(super) fn lost(&mut self, node: NodeId, error: &klamm_net::Error, now: Instant) {
        self.metadata_wanted = true;
        let answer = match error.may_have_been_processed() {
            true => Answer::Lost,
            false => Answer::Retry,
        };
        let broker = self.brokers.get_mut(&node);
        let slots = broker.and_then(|broker| broker.in_flight.pop_front());
        for slot in slots.unwrap_or_default() {
            self.apply(slot, answer, Some(error.clone()), now);
        }
    }

    /// The newest request to `node` could not be written at all; older ones still get their answers.
    pub(super) fn unsent(&mut self, node: NodeId, error: &klamm_net::Error, now: Instant) {
        self.metadata_wanted = true;
        let broker = self.brokers.get_mut(&node);
        let slots = broker.and_then(|broker| broker.in_flight.pop_back());
        for slot in slots.unwrap_or_default() {
            let state = &mut self.slots[slot];
            state.retry_at = Some(now + self.retry_backoff.jittered(state.failures));
            state.failures += 1;
            if let Some(stamped) = state.sequences.unsent() {
                stamped.batch.last_failure = Some(error.clone());
            }
            self.visit(slot, now);
        }
    }

    /// The oldest batch in flight is acknowledged or refused.
    fn finish(
        &mut self,
        slot: usize,
        result: Result<Option<i64>, (ErrorCode, bool)>,
        now: Instant,
    ) {
        let answer = if result.is_ok() {
            Answer::Written
        } else {
            Answer::Refused
        };
        let state = &mut self.slots[slot];
        if result.is_ok() {
            state.failures = 0;
            state.retry_at = None;
        }
        if let Some(stamped) = state.sequences.answered(answer) {
            let result = result.map_err(|(code, maybe_written)| {
                let maybe_written = maybe_written || stamped.maybe_written;
                (Cause::Broker(code), outcome(maybe_written))
            });
            let Sent {
                bytes,
                completer,
                reservation,
                ..
            } = stamped.batch;
            completer.complete(result);
            drop(reservation);
            self.memory.keep(bytes);
        }
        self.visit(slot, now);
    }

    /// The oldest batch in flight got `answer`, one after which it is sent again or done.
    fn apply(
        &mut self,
        slot: usize,
        answer: Answer,
        failure: Option<klamm_net::Error>,
        now: Instant,
    ) {
        if answer == Answer::Written {
            self.finish(slot, Ok(None), now);
            return;
        }
        let state = &mut self.slots[slot];
        if let Some(oldest) = state.sequences.in_flight_mut().next() {
            oldest.batch.last_failure = failure;
        }
        // What fails after the first failure, while the partition settles, is part of it.
        if !state.sequences.is_settling() {
            state.retry_at = Some(now + self.retry_backoff.jittered(state.failures));
            state.failures += 1;
        }
        state.sequences.answered(answer);
        self.visit(slot, now);
    }

    /// Gives up what is past `delivery.timeout.ms` or out of retries.
    fn give_up_late(&mut self, slot: usize, now: Instant) {
        let timeout = self.settings.delivery_timeout;
        let late = |created: Instant| now >= created + timeout;
        let retries = self.settings.config.retries;
        let state = &mut self.slots[slot];
        let gives_up = |sent: &Stamped<Sent>| late(sent.batch.created) || sent.attempts > retries;
        for stamped in state.sequences.give_up_resend(gives_up) {
            let outcome = outcome(stamped.maybe_written);
            let last = stamped.batch.last_failure.map(Box::new);
            let cause = match last {
                Some(last) if !late(stamped.batch.created) => Cause::Retries(last),
                last => Cause::Timeout(last),
            };
            stamped.batch.completer.complete(Err((cause, outcome)));
        }
        for stamped in state.sequences.in_flight_mut() {
            if !stamped.given_up && late(stamped.batch.created) {
                stamped.given_up = true;
                let cause = Cause::Timeout(stamped.batch.last_failure.take().map(Box::new));
                stamped
                    .batch
                    .completer
                    .complete(Err((cause, Outcome::Unknown)));
            }
        }
        while state.queue.visit().oldest.is_some_and(late) {
            let Some(batch) = state.queue.take_batch() else {
                break;
            };
            let broker = state.leader.and_then(|(node, _)| self.brokers.get(&node));
            let failure = broker.and_then(|broker| broker.failure.clone());
            let cause = Cause::Timeout(failure.map(Box::new));
            batch.completer.complete(Err((cause, Outcome::NotWritten)));
        }
    }

    /// Leaders, topics and partitions may have changed.
    pub(super) fn metadata_changed(&mut self, snapshot: &ClusterSnapshot, now: Instant) {
        for slot in 0..self.slots.len() {
            let queue = &self.slots[slot].queue;
            if was_recreated(queue, snapshot) {
                self.end_slot(slot, &Cause::TopicRecreated);
                continue;
            }
            let leader = leader(queue, snapshot);
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

    /// Whether a producer id must be had from a broker.
    pub(super) fn wants_producer_id(&self) -> bool {
        self.ids == ProducerIds::Wanted && self.fatal.is_none() && !self.timers.is_empty()
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
        for batch in state.queue.end() {
            let result = Err((cause.clone(), Outcome::NotWritten));
            batch.completer.complete(result);
        }
        for stamped in state.sequences.give_up_resend(|_| true) {
            let result = Err((cause.clone(), outcome(stamped.maybe_written)));
            stamped.batch.completer.complete(result);
        }
        // Answers will still come for these; their bytes belong to the connection until then.
        for stamped in state.sequences.in_flight_mut() {
            stamped.given_up = true;
            let result = Err((cause.clone(), Outcome::Unknown));
            stamped.batch.completer.complete(result);
        }
    }

    /// How long the caller may sleep with batches open, for the clock's sake.
    pub(super) fn clock_tick(&self) -> Option<Duration> {
        (!self.timers.is_empty()).then_some(crate::clock::TICK)
    }
}

fn outcome(maybe_written: bool) -> Outcome {
    if maybe_written {
        Outcome::Unknown
    } else {
        Outcome::NotWritten
    }
}

fn identity(place: Option<(ProducerKey, i32)>) -> ProducerIdentity {
    place.map_or(ProducerIdentity::NONE, |(key, base_sequence)| {
        ProducerIdentity {
            producer_id: key.id,
            producer_epoch: key.epoch,
            base_sequence,
        }
    })
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
