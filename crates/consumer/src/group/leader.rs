//! What the leader of a group does for it: it assigns the partitions, and watches the topics.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use klamm_codec::DecodeError;
use klamm_net::{ClusterSnapshot, NodeId, Topic, TopicPartition};

use super::partitions::{flattened, grouped};
use super::protocol::{Assignment, Subscription};
use crate::assign::{AssignableTopic, AssignableTopics, Assignor, GroupMember};

/// What a leader knows about one generation of its group.
#[derive(Debug)]
pub(super) struct Leading {
    protocol: Arc<str>,
    members: Vec<GroupMember>,
    /// What the assignment was made from.
    topics: AssignableTopics,
    /// Whether it has to assign: not if it came back to a group that stays as it was (KIP-814).
    assigns: bool,
}

impl Leading {
    /// The group of `members`: id, instance id and subscription of each.
    pub(super) fn new(
        protocol: Arc<str>,
        members: Vec<(Arc<str>, Option<Arc<str>>, Bytes)>,
        assigns: bool,
    ) -> Result<Self, DecodeError> {
        let member = |(member_id, instance_id, subscription): (_, _, Bytes)| {
            let subscription = Subscription::decode(&subscription)?;
            Ok(GroupMember {
                member_id,
                instance_id,
                topics: subscription.topics,
                owned: flattened(subscription.owned),
                generation: (subscription.generation >= 0).then_some(subscription.generation),
                rack: subscription.rack.map(Arc::from),
                user_data: subscription.user_data,
            })
        };
        Ok(Self {
            protocol,
            members: members.into_iter().map(member).collect::<Result<_, _>>()?,
            topics: AssignableTopics::new(),
            assigns,
        })
    }

    pub(super) const fn assigns(&self) -> bool {
        self.assigns
    }

    /// Takes `topics` for what the group's assignment was made from.
    pub(super) fn observe(&mut self, topics: AssignableTopics) {
        self.topics = topics;
    }

    /// The assignor that the members have agreed on.
    pub(super) const fn protocol(&self) -> &Arc<str> {
        &self.protocol
    }

    /// Whether a member reads `topic`.
    pub(super) fn watches(&self, topic: &str) -> bool {
        let mut topics = self.members.iter().flat_map(|member| &member.topics);
        topics.any(|it| **it == *topic)
    }

    /// The topics of all members.
    pub(super) fn topics(&self) -> Vec<Arc<str>> {
        let topics = self.members.iter().flat_map(|member| &member.topics);
        let topics: BTreeSet<_> = topics.cloned().collect();
        topics.into_iter().collect()
    }

    /// The assignment of each member, by id. An error says what the assignor did wrong.
    pub(super) fn assign(
        &mut self,
        assignor: &dyn Assignor,
        topics: AssignableTopics,
    ) -> Result<Vec<(Arc<str>, Bytes)>, String> {
        self.topics = topics;
        let mut assigned = assignor.assign(&self.members, &self.topics);
        self.check(&assigned)?;
        if assignor.is_cooperative() {
            self.withhold(&mut assigned);
        }
        let encode = |(member, partitions): (&GroupMember, _)| {
            let assignment = Assignment {
                partitions: grouped(partitions),
                user_data: None,
            };
            (Arc::clone(&member.member_id), assignment.encode())
        };
        Ok(self.members.iter().zip(assigned).map(encode).collect())
    }

    fn check(&self, assigned: &[Vec<TopicPartition>]) -> Result<(), String> {
        if assigned.len() != self.members.len() {
            return Err(format!(
                "gave {} assignments to {} members",
                assigned.len(),
                self.members.len()
            ));
        }
        let mut seen = BTreeSet::new();
        match assigned.iter().flatten().find(|at| !seen.insert(*at)) {
            Some(twice) => Err(format!("gave {twice} to two members")),
            None => Ok(()),
        }
    }

    /// What a member owns goes to another only in the next round, when it has let go of it
    /// (KIP-429).
    fn withhold(&self, assigned: &mut [Vec<TopicPartition>]) {
        let mut owners: BTreeMap<&TopicPartition, Vec<usize>> = BTreeMap::new();
        for (index, member) in self.members.iter().enumerate() {
            for partition in &member.owned {
                owners.entry(partition).or_default().push(index);
            }
        }
        for (index, partitions) in assigned.iter_mut().enumerate() {
            partitions.retain(|partition| {
                let owners = owners.get(partition).map_or(&[][..], Vec::as_slice);
                owners.iter().all(|owner| *owner == index)
            });
        }
    }

    /// Whether a topic has other partitions by now, or other racks and that matters to somebody.
    pub(super) fn has_changed(&self, topic: &dyn Fn(&str) -> Option<AssignableTopic>) -> bool {
        let racks = self.members.iter().any(|member| member.rack.is_some());
        self.topics().iter().any(|name| {
            // A topic that a broker forgets for a moment is no reason.
            let Some(now) = topic(name) else {
                return false;
            };
            self.topics.get(name).is_none_or(|before| {
                before.partition_count != now.partition_count
                    || (racks && before.racks != now.racks)
            })
        })
    }
}

/// A topic as assignors see it, if it has partitions.
pub(super) fn assignable(topic: &Topic, snapshot: &ClusterSnapshot) -> Option<AssignableTopic> {
    if topic.partitions.is_empty() {
        return None;
    }
    let rack = |node: &NodeId| {
        snapshot
            .broker(*node)?
            .rack
            .as_deref()
            .map(Arc::<str>::from)
    };
    let racks = |replicas: &Vec<NodeId>| {
        let racks: BTreeSet<Arc<str>> = replicas.iter().filter_map(rack).collect();
        racks.into_iter().collect()
    };
    let mut assignable = AssignableTopic::new(topic.partitions.len() as i32);
    let partitions = topic.partitions.iter();
    assignable.racks = partitions
        .map(|partition| racks(&partition.replicas))
        .collect();
    Some(assignable)
}
