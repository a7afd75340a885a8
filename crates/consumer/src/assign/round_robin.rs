//! The round robin assignor: all partitions in order, dealt out to the members in turn.

use std::sync::Arc;

use klamm_net::TopicPartition;

use super::{AssignableTopics, Assignor, GroupMember, ranked};

/// Kafka's `roundrobin`: the partitions of all topics in order, one for each member in turn;
/// members that do not subscribe to a topic are passed over. Eager.
#[derive(Clone, Copy, Debug, Default)]
pub struct RoundRobinAssignor;

impl Assignor for RoundRobinAssignor {
    fn name(&self) -> &'static str {
        "roundrobin"
    }

    fn assign(
        &self,
        members: &[GroupMember],
        topics: &AssignableTopics,
    ) -> Vec<Vec<TopicPartition>> {
        let order = ranked(members);
        let mut assigned = vec![Vec::new(); members.len()];
        let mut next = 0;
        for (name, topic) in topics {
            let subscribes = |index: usize| members[index].topics.contains(name);
            if !order.iter().any(|&index| subscribes(index)) {
                continue;
            }
            for partition in 0..topic.partition_count {
                while !subscribes(order[next % order.len()]) {
                    next += 1;
                }
                let partition = TopicPartition::new(Arc::clone(name), partition);
                assigned[order[next % order.len()]].push(partition);
                next += 1;
            }
        }
        assigned
    }
}
