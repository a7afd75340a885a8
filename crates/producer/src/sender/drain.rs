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
        let ready = |(_, broker): &(&NodeId, &BrokerState)| {
            !broker.ready.is_empty() && self.takes_more(broker, now)
        };
        let nodes = self.brokers.iter().filter(ready);
        nodes.map(|(node, _)| *node).collect()
    }

    fn takes_more(&self, broker: &BrokerState, now: Instant) -> bool {
        let in_flight_max = self.settings.config.max_in_flight;
        broker.takes_more(in_flight_max, now, |ready| {
            let bytes = ready.iter().map(|slot| self.slots[*slot].next_bytes);
            bytes.sum::<usize>() >= self.settings.batch_bytes_max
        })
    }

    /// The next request to `node`, at most `max.request.size` large but with one batch at least.
    pub(super) fn next_request(&mut self, node: NodeId, now: Instant) -> Option<ProduceBatches> {
        if !self.takes_more(self.brokers.get(&node)?, now) {
            return None;
        }
        let broker = self.brokers.get_mut(&node)?;
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
        let records = u64::from(builder.record_count().unsigned_abs());
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
                self.counters.lock().records_failed += records;
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use klamm_codec::ErrorCode;

    use super::super::answer::PartitionAnswer;
    use super::super::one_partition::{NODE, OnePartition};
    use super::*;
    use crate::config::ProducerConfig;
    use crate::delivery::Written;

    const BATCH_BYTES: usize = 1000;

    struct World(OnePartition);

    impl World {
        /// Nothing lingers.
        fn new() -> Self {
            Self(OnePartition::new(ProducerConfig {
                enable_idempotence: Some(false),
                linger: Duration::ZERO,
                batch_size: BATCH_BYTES,
                ..ProducerConfig::default()
            }))
        }

        fn append(&mut self, bytes: usize) {
            drop(self.0.append(&vec![0; bytes]));
        }

        /// How many requests are sent now.
        fn sent(&mut self) -> usize {
            let now = Instant::now();
            let mut sent = 0;
            while let Some(node) = self.0.state.ready_nodes(now).first() {
                assert!(self.0.state.next_request(*node, now).is_some());
                sent += 1;
            }
            assert!(self.0.state.next_request(NODE, now).is_none());
            sent
        }

        fn lose(&mut self) {
            let error = klamm_net::Error::UnknownNode { node: NODE.0 };
            self.0.state.lost(NODE, &error, Instant::now());
        }

        fn acknowledge(&mut self) {
            let written = PartitionAnswer {
                code: ErrorCode::NONE,
                written: Written::default(),
                message: None,
                log_start: None,
                leader: None,
                refused_records: Vec::new(),
            };
            let now = Instant::now();
            self.0
                .state
                .answered(NODE, Duration::ZERO, now, |_| Some(&written));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_not_full_does_not_queue_at_a_broker_that_is_busy() {
        let mut world = World::new();
        for expected in [1, 1, 0, 0] {
            world.append(10);
            assert_eq!(world.sent(), expected);
        }
        world.acknowledge();
        assert_eq!(world.sent(), 1, "both that waited");
        let waiting = world.0.queue.visit();
        assert!(waiting.oldest.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_large_or_sent_again_does() {
        let mut world = World::new();
        // Each makes the one before it a full batch, if that has not left.
        for expected in [1, 1, 0, 1, 1, 1, 0] {
            world.append(BATCH_BYTES - 150);
            assert_eq!(world.sent(), expected);
        }
        for _ in 0..5 {
            world.lose();
        }
        tokio::time::advance(Duration::from_secs(1)).await;
        world.0.state.tick(Instant::now());
        assert_eq!(world.sent(), 5);
    }
}
