//! What the leader of a group does for it: it assigns the partitions, and watches their number.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use klamm_codec::DecodeError;

use super::protocol::{Assignment, Subscription};
use crate::assign::{Assignor, GroupMember, PartitionCounts};

/// What a leader knows about one generation of its group.
#[derive(Debug)]
pub(super) struct Leading {
    protocol: Arc<str>,
    members: Vec<GroupMember>,
    /// Partition counts that the assignment was made from.
    counts: PartitionCounts,
}

impl Leading {
    /// The group of `members`: id, instance id and subscription of each.
    pub(super) fn new(
        protocol: Arc<str>,
        members: Vec<(Arc<str>, Option<Arc<str>>, Bytes)>,
    ) -> Result<Self, DecodeError> {
        let member = |(member_id, instance_id, subscription): (_, _, Bytes)| {
            Ok(GroupMember {
                member_id,
                instance_id,
                subscription: Subscription::decode(&subscription)?,
            })
        };
        Ok(Self {
            protocol,
            members: members.into_iter().map(member).collect::<Result<_, _>>()?,
            counts: PartitionCounts::new(),
        })
    }

    /// The assignor that the members have agreed on.
    pub(super) const fn protocol(&self) -> &Arc<str> {
        &self.protocol
    }

    /// The topics of all members.
    pub(super) fn topics(&self) -> Vec<Arc<str>> {
        let topics = self
            .members
            .iter()
            .flat_map(|member| &member.subscription.topics);
        let topics: BTreeSet<_> = topics.cloned().collect();
        topics.into_iter().collect()
    }

    /// The assignment of each member, by id.
    pub(super) fn assign(
        &mut self,
        assignor: &dyn Assignor,
        counts: PartitionCounts,
    ) -> Vec<(Arc<str>, Bytes)> {
        self.counts = counts;
        let assigned = assignor.assign(&self.members, &self.counts);
        let encode = |(member, partitions): (&GroupMember, _)| {
            let assignment = Assignment {
                partitions,
                user_data: None,
            };
            (Arc::clone(&member.member_id), assignment.encode())
        };
        self.members.iter().zip(assigned).map(encode).collect()
    }

    /// Whether a topic has another number of partitions by now.
    pub(super) fn has_changed(&self, count: impl Fn(&str) -> Option<i32>) -> bool {
        self.topics().iter().any(|topic| {
            let count = count(topic);
            // A topic that a broker forgets for a moment is no reason.
            count.is_some() && count != self.counts.get(topic).copied()
        })
    }
}
