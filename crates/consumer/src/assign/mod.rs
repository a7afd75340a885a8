//! How the leader of a classic group deals the partitions out.
//!
//! Owns: the interface every assignor fits, and [`Range`].
//!
//! Does not: know where members or metadata come from; each assignor is a pure function.

mod range;

use std::collections::BTreeMap;
use std::sync::Arc;

pub(crate) use range::Range;

use crate::group::protocol::{Subscription, TopicPartitions};

/// A member of the group as its leader sees it.
#[derive(Clone, Debug)]
pub(crate) struct GroupMember {
    /// Id that the coordinator gave it.
    pub(crate) member_id: Arc<str>,
    /// Id of a static member (KIP-345).
    pub(crate) instance_id: Option<Arc<str>>,
    /// What it asked for.
    pub(crate) subscription: Subscription,
}

/// Partition counts of the topics that exist.
pub(crate) type PartitionCounts = BTreeMap<Arc<str>, i32>;

/// Deals partitions out to members.
pub(crate) trait Assignor: Send + Sync {
    /// The name that members agree on (`partition.assignment.strategy`).
    fn name(&self) -> &'static str;

    /// What each of `members` gets, in their order.
    fn assign(&self, members: &[GroupMember], counts: &PartitionCounts) -> Vec<TopicPartitions>;
}
