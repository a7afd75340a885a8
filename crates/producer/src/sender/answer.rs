//! What the answer to a produce request, or its loss, means for the batches in it.

use klamm_codec::ErrorCode;
use klamm_net::NodeId;
use tokio::time::Instant;

use super::drain::ProduceBatches;
use super::state::{SenderState, Sent, outcome};
use super::verdict::Verdict;
use crate::accumulator::PartitionQueue;
use crate::error::Cause;
use crate::idempotence::Answer;

/// What a broker said about one partition of a request.
#[derive(Clone, Copy, Debug)]
pub(super) struct PartitionAnswer {
    pub(super) code: ErrorCode,
    /// -1 if the broker gave none.
    pub(super) base_offset: i64,
}

impl SenderState {
    /// A request without an answer (acks=0) has been written.
    pub(super) fn unanswered(&mut self, request: &ProduceBatches, now: Instant) {
        for batch in &request.batches {
            self.apply(batch.queue.slot, Answer::Written, None, now);
        }
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
        let answer = if error.may_have_been_processed() {
            Answer::Lost
        } else {
            Answer::Retry
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
}
