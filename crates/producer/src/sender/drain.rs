//! From ready partitions to produce requests.

use std::sync::Arc;

use bytes::Bytes;
use klamm_codec::batch::ProducerIdentity;
use klamm_net::NodeId;
use tokio::time::Instant;

use super::broker::BrokerState;
use super::state::{SenderState, Sent};
use crate::accumulator::{Batch, PartitionQueue};
use crate::config::Acks;
use crate::error::{Cause, Outcome};
use crate::idempotence::{ProducerKey, Stamped};

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

impl SenderState {
    /// The brokers that something can be sent to now.
    pub(super) fn ready_nodes(&self, now: Instant) -> Vec<NodeId> {
        let in_flight_max = self.settings.config.max_in_flight;
        let ready = |(_, broker): &(&NodeId, &BrokerState)| {
            !broker.ready.is_empty() && broker.takes_more(in_flight_max, now)
        };
        let nodes = self.brokers.iter().filter(ready);
        nodes.map(|(node, _)| *node).collect()
    }

    /// The next request to `node`, at most `max.request.size` large but with one batch at least.
    pub(super) fn next_request(&mut self, node: NodeId, now: Instant) -> Option<ProduceBatches> {
        let broker = self.brokers.get_mut(&node)?;
        if !broker.takes_more(self.settings.config.max_in_flight, now) {
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
        self.counters.lock().requests += 1;
        broker.waits_since = None;
        let was_stuck = std::mem::take(&mut broker.is_stuck);
        if self.settings.config.acks != Acks::None {
            broker.sent(slots.clone(), now);
        }
        if was_stuck {
            self.publish_availability(node);
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
        if state.staged.front().is_some_and(|front| !front.is_sealed())
            || !state.sequences.prepare_new(&mut self.ids)
        {
            return None;
        }
        if let Some((staged, bytes, reservation)) = state.staged.pop_sealed() {
            state.queue.batch_left();
            let place = state.sequences.place_for_new(staged.record_count);
            let sent = Sent {
                bytes: match place {
                    Some(_) => identity(place).restamp(bytes),
                    None => bytes,
                },
                completer: staged.completer,
                reservation,
                created: staged.created,
                last_failure: None,
            };
            return Some(Stamped::new(sent, place, staged.record_count));
        }
        let batch = state.queue.take_batch()?;
        state.queue.batch_left();
        let records = batch.builder.record_count();
        let place = state.sequences.place_for_new(records);
        let sent = self.seal(slot, batch, place);
        if sent.is_none() {
            self.slots[slot].sequences.skip_place();
        }
        Some(Stamped::new(sent?, place, records))
    }

    fn seal(
        &mut self,
        slot: usize,
        batch: Batch,
        place: Option<(ProducerKey, i32)>,
    ) -> Option<Sent> {
        let Batch {
            builder,
            mut completer,
            reservation,
            created,
        } = batch;
        let written = builder.batch_bytes();
        match self.sealer.seal(builder, reservation, identity(place)) {
            Ok((bytes, reservation)) => {
                if self.sealer.compresses() {
                    self.compressed(slot, written, bytes.len());
                }
                Some(Sent {
                    bytes,
                    completer,
                    reservation,
                    created,
                    last_failure: None,
                })
            }
            Err(error) => {
                let cause = Cause::Compression(error.to_string());
                completer.fail(cause, Outcome::NotWritten);
                None
            }
        }
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
