//! What the partitioner is told of the brokers: which of them have a leader's work to do, take nothing, or
//! are near.

use klamm_net::{ClusterSnapshot, NodeId};
use tokio::time::Instant;

use super::broker::BrokerState;
use super::state::SenderState;
use crate::partitioner::Availability;

impl SenderState {
    /// Brokers that take nothing for too long lose the records without key, until they take
    /// something. To be called when everything was sent that could be.
    pub(super) fn watch_brokers(&mut self, now: Instant) {
        let timeout = self.settings.config.partitioner_availability_timeout;
        if timeout.is_zero() {
            return;
        }
        let mut stuck = Vec::new();
        for (node, broker) in &mut self.brokers {
            if broker.ready.is_empty() {
                broker.waits_since = None;
                continue;
            }
            let since = *broker.waits_since.get_or_insert(now);
            if !broker.is_stuck && now >= since + timeout {
                broker.is_stuck = true;
                stuck.push(*node);
            }
        }
        for node in stuck {
            self.publish_availability(node);
        }
    }

    /// Tells the partitioner of the partitions that `node` leads.
    pub(super) fn publish_availability(&self, node: NodeId) {
        for slot in &self.slots {
            if let Some((leader, _)) = slot.leader
                && leader == node
            {
                slot.queue.set_availability(self.availability(slot.leader));
            }
        }
    }

    pub(super) fn availability(&self, leader: Option<(NodeId, i32)>) -> Availability {
        let Some((node, _)) = leader else {
            return Availability::NoLeader;
        };
        let is_stuck = |broker: &BrokerState| broker.is_stuck;
        if self.brokers.get(&node).is_some_and(is_stuck) {
            Availability::Stuck
        } else if self.near.contains(&node) {
            Availability::Near
        } else {
            Availability::Usable
        }
    }

    pub(super) fn find_near(&mut self, snapshot: &ClusterSnapshot) {
        let config = &self.settings.config;
        if !config.partitioner_rack_aware {
            return;
        }
        let brokers = snapshot.brokers.iter();
        let near = brokers.filter(|broker| broker.rack.as_ref() == Some(&config.client_rack));
        self.near = near.map(|broker| broker.node).collect();
    }
}
