//! What the answer to a produce request, or its loss, means for the batches in it.

use std::sync::Arc;
use std::time::Duration;

use klamm_codec::ErrorCode;
use klamm_codec::batch::{BatchBuilder, ProducerIdentity};
use klamm_net::{LeaderHint, NodeId};
use tokio::time::Instant;

use super::broker::BrokerState;
use super::drain::ProduceBatches;
use super::split;
use super::state::{SenderState, Sent, Slot, outcome};
use super::verdict::Verdict;
use crate::accumulator::PartitionQueue;
use crate::delivery::{Failure, Written};
use crate::error::{Cause, Outcome};
use crate::idempotence::Answer;
use crate::transaction::backoff_after;

/// What a broker said about one partition of a request.
#[derive(Clone, Debug)]
pub(super) struct PartitionAnswer {
    pub(super) code: ErrorCode,
    pub(super) written: Written,
    pub(super) message: Option<Arc<str>>,
    /// Offset of the first record that the partition still has.
    pub(super) log_start: Option<i64>,
    /// Leader and its epoch, if the broker says that it is another (KIP-951).
    pub(super) leader: Option<(NodeId, i32)>,
    /// The records that were refused, by their index, and what the broker said about them.
    pub(super) refused_records: Vec<(u32, Option<Arc<str>>)>,
}

impl SenderState {
    /// A request without an answer (acks=0) has been written.
    pub(super) fn unanswered(&mut self, request: &ProduceBatches, now: Instant) {
        for batch in &request.batches {
            self.apply(batch.queue.slot, Answer::Written, None, now);
        }
    }

    /// The oldest request to `node` was answered; `answer_of` finds the answer for a partition.
    pub(super) fn answered<'a>(
        &mut self,
        node: NodeId,
        throttle: Duration,
        now: Instant,
        answer_of: impl Fn(&PartitionQueue) -> Option<&'a PartitionAnswer>,
    ) {
        let Some(broker) = self.brokers.get_mut(&node) else {
            return;
        };
        broker.failure = None;
        if !throttle.is_zero() {
            broker.throttled_until = Some(now + throttle);
            self.counters.lock().throttled += throttle;
        }
        for slot in broker.settled(now) {
            match answer_of(&self.slots[slot].queue) {
                Some(answer) => self.answered_partition(slot, answer, now),
                None => self.apply(slot, Answer::Lost, None, now),
            }
        }
    }

    fn answered_partition(&mut self, slot: usize, answer: &PartitionAnswer, now: Instant) {
        let code = answer.code;
        if !code.is_none() {
            self.counters.error(code);
        }
        if let Some((leader, leader_epoch)) = answer.leader {
            let partition = &self.slots[slot].queue.partition;
            self.hints.push(LeaderHint {
                topic: Arc::clone(&partition.topic),
                partition: partition.partition,
                leader,
                leader_epoch,
            });
        }
        let mut verdict = Verdict::of(code, self.settings.idempotent);
        if verdict.fatal {
            // Of this batch it is certain; those that are in flight are another matter.
            let failure = Failure::new(Cause::Fatal(code), Outcome::NotWritten);
            self.finish(slot, Err(failure), now);
            self.fail_for_good(code);
            return;
        }
        self.metadata_wanted |= code.needs_metadata();
        if verdict.answer == Answer::Written {
            self.finish(slot, Ok(answer.written), now);
            return;
        }
        if code == ErrorCode::MESSAGE_TOO_LARGE && self.split(slot, now) {
            return;
        }
        if self.is_transactional() && verdict.answer == Answer::OutOfOrder {
            verdict.answer = self.out_of_order(slot, answer);
        }
        if verdict.answer == Answer::Refused {
            let cause = Cause::Broker {
                code,
                message: answer.message.clone(),
            };
            let failure = Failure {
                refused_records: answer.refused_records.clone(),
                ..Failure::new(cause, outcome(verdict.maybe_written))
            };
            self.finish(slot, Err(failure), now);
            return;
        }
        let context = self.slots[slot].queue.partition.to_string();
        let failure = klamm_net::Error::broker(klamm_codec::ApiKey::PRODUCE, code, context);
        self.apply(slot, verdict.answer, Some(failure), now);
    }

    /// What it means for a transaction, which has no other epoch to go on in, that a broker expects
    /// another sequence.
    fn out_of_order(&mut self, slot: usize, answer: &PartitionAnswer) -> Answer {
        let Slot {
            sequences,
            acknowledged,
            ..
        } = &mut self.slots[slot];
        let is_first = sequences.is_first_in_line();
        if answer.code == ErrorCode::UNKNOWN_PRODUCER_ID {
            // So answers a broker before 2.5 that has nothing of the producer any more; with sequence 0
            // it takes it anew.
            let Some(log_start) = answer.log_start else {
                return Answer::Retry;
            };
            sequences.correct(Some(0));
            if *acknowledged < log_start {
                // Retention has removed it; nothing is wrong with the transaction.
                return Answer::OutOfOrder;
            }
        } else if is_first {
            sequences.correct(None);
        }
        if is_first {
            Answer::Refused
        } else {
            Answer::OutOfOrder
        }
    }

    /// Cuts the oldest batch in flight in two, if it can be, to be sent next; later batches of the
    /// topic are made smaller.
    fn split(&mut self, slot: usize, now: Instant) -> bool {
        let state = &mut self.slots[slot];
        let Some(whole) = state.sequences.divisible() else {
            return false;
        };
        let builders = match split::in_two(&whole.batch.bytes) {
            Ok(builders) => builders,
            Err(error) => {
                tracing::error!(%error, partition = %state.queue.partition, "own batch unreadable");
                return false;
            }
        };
        state.queue.fill.refused(whole.batch.bytes.len());
        let memory = &self.memory;
        let seal = |builder: BatchBuilder| {
            let records = builder.record_count();
            // Not more than the whole had, but for a header; so nobody waits for it.
            let reservation = memory.reserve_beyond_limit(builder.batch_bytes());
            let sealed = self
                .sealer
                .seal(builder, reservation, ProducerIdentity::NONE);
            sealed.map(|(bytes, reservation)| (bytes, reservation, records))
        };
        let Ok(parts) = builders
            .into_iter()
            .map(seal)
            .collect::<Result<Vec<_>, _>>()
        else {
            return false;
        };
        tracing::debug!(partition = %state.queue.partition, "a batch was too large and is split");
        self.counters.lock().splits += 1;
        state.sequences.split(|whole| {
            let mut starts = vec![0];
            for (_, _, records) in &parts[..parts.len() - 1] {
                starts.push(starts.last().unwrap_or(&0) + records.unsigned_abs());
            }
            let completers = whole.completer.split(&starts);
            let sent = parts.into_iter().zip(completers);
            let sent = sent.map(|((bytes, reservation, records), completer)| {
                let part = Sent {
                    reservation,
                    bytes,
                    completer,
                    created: whole.created,
                    last_failure: None,
                };
                (part, records)
            });
            sent.collect()
        });
        self.visit(slot, now);
        true
    }

    /// The oldest request to `node` will not be answered.
    pub(super) fn lost(&mut self, node: NodeId, error: &klamm_net::Error, now: Instant) {
        self.metadata_wanted = true;
        self.counters.lock().requests_lost += 1;
        let answer = if error.may_have_been_processed() {
            Answer::Lost
        } else {
            Answer::Retry
        };
        let broker = self.brokers.get_mut(&node);
        let slots = broker.map(|broker| broker.settled(now));
        for slot in slots.unwrap_or_default() {
            self.apply(slot, answer, Some(error.clone()), now);
        }
    }

    /// The newest request to `node` could not be written at all; older ones still get their answers.
    pub(super) fn unsent(&mut self, node: NodeId, error: &klamm_net::Error, now: Instant) {
        self.metadata_wanted = true;
        let broker = self.brokers.get_mut(&node);
        let slots = broker.map(BrokerState::unsent);
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
    fn finish(&mut self, slot: usize, result: Result<Written, Failure>, now: Instant) {
        let answer = if result.is_ok() {
            Answer::Written
        } else {
            Answer::Refused
        };
        let state = &mut self.slots[slot];
        match &result {
            Ok(_) => {
                state.failures = 0;
                state.retry_at = None;
            }
            Err(failure) => {
                if let Some(oldest) = state.sequences.in_flight_mut().next() {
                    oldest.maybe_written |= failure.outcome == Outcome::Unknown;
                }
            }
        }
        if let Some(stamped) = state.sequences.answered(answer) {
            let records = stamped.records();
            let Sent {
                bytes,
                mut completer,
                reservation,
                created,
                ..
            } = stamped.batch;
            match result {
                // What has been given up is counted as failed already.
                _ if stamped.given_up => {}
                Ok(written) => {
                    if let Some(base_offset) = written.base_offset {
                        // Batches that settle late come after newer ones.
                        let last = base_offset + records as i64 - 1;
                        state.acknowledged = state.acknowledged.max(last);
                    }
                    let latency = now.saturating_duration_since(created);
                    state.queue.fill.taken(bytes.len());
                    self.counters.acknowledged(records, bytes.len(), latency);
                    completer.written(written);
                }
                Err(mut failure) => {
                    self.counters.lock().records_failed += records;
                    if stamped.maybe_written {
                        failure.outcome = Outcome::Unknown;
                    }
                    completer.fail_with(failure);
                }
            }
            reservation.end(bytes);
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
            self.finish(slot, Ok(Written::default()), now);
            return;
        }
        let state = &mut self.slots[slot];
        let code = failure.as_ref().and_then(klamm_net::Error::code);
        let backoff = backoff_after(code.unwrap_or_default(), self.retry_backoff);
        if let Some(oldest) = state.sequences.in_flight_mut().next() {
            oldest.batch.last_failure = failure;
        }
        // What fails after the first failure, while the partition settles, is part of it.
        if !state.sequences.is_settling() {
            state.retry_at = Some(now + backoff.jittered(state.failures));
            state.failures += 1;
        }
        if state.sequences.answered(answer).is_none() {
            self.counters.lock().retries += 1;
        }
        self.visit(slot, now);
    }
}
