//! How the leader of a classic group deals the partitions out.
//!
//! Owns: the interface that every assignor fits ([`Assignor`]), and Kafka's own four: range, round
//! robin, sticky, cooperative sticky, whose bytes are those of the Java client.
//!
//! Does not: know where members or metadata come from; each assignor is a pure function.

mod balance;
#[cfg(test)]
mod java_bytes;
mod range;
mod round_robin;
mod sticky;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use klamm_net::TopicPartition;

pub use range::RangeAssignor;
pub use round_robin::RoundRobinAssignor;
pub use sticky::{CooperativeStickyAssignor, StickyAssignor};

/// A member of a consumer group, as the leader of the group sees it.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct GroupMember {
    /// The id that the coordinator gave it.
    pub member_id: Arc<str>,
    /// The id of a static member (`group.instance.id`; KIP-345).
    pub instance_id: Option<Arc<str>>,
    /// The topics that it subscribes to.
    pub topics: Vec<Arc<str>>,
    /// The partitions that it still owns; none with an eager protocol (KIP-429).
    pub owned: Vec<TopicPartition>,
    /// The generation in which it came to own them (KIP-792), if it says.
    pub generation: Option<i32>,
    /// Its rack (`client.rack`; KIP-881).
    pub rack: Option<Arc<str>>,
    /// What its assignor says beyond that ([`Assignor::user_data`]).
    pub user_data: Option<Bytes>,
}

impl GroupMember {
    /// A member that subscribes to `topics` and owns nothing; for tests of assignors.
    pub fn new<T: AsRef<str>>(member_id: &str, topics: impl IntoIterator<Item = T>) -> Self {
        Self {
            member_id: Arc::from(member_id),
            topics: topics
                .into_iter()
                .map(|topic| Arc::from(topic.as_ref()))
                .collect(),
            ..Self::default()
        }
    }

    /// Static members first, by instance id, then dynamic ones by member id, as in Java: so a static
    /// group keeps its assignment over restarts.
    fn rank(&self) -> (bool, &Arc<str>) {
        match &self.instance_id {
            Some(instance_id) => (false, instance_id),
            None => (true, &self.member_id),
        }
    }
}

/// A topic of a group, as the leader of the group sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AssignableTopic {
    /// How many partitions it has.
    pub partition_count: i32,
    /// For each partition the racks that have a replica of it, sorted; empty if racks are unknown.
    pub racks: Vec<Vec<Arc<str>>>,
}

impl AssignableTopic {
    /// A topic of which no racks are known.
    #[must_use]
    pub const fn new(partition_count: i32) -> Self {
        Self {
            partition_count,
            racks: Vec::new(),
        }
    }
}

/// The topics of a group that exist, by name.
pub type AssignableTopics = BTreeMap<Arc<str>, AssignableTopic>;

/// What a member was given last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LastAssignment {
    /// The partitions, sorted.
    pub partitions: Vec<TopicPartition>,
    /// The generation of the group.
    pub generation: i32,
}

/// Deals the partitions of a classic group out to its members (`partition.assignment.strategy`).
///
/// Each member names its assignors in order of preference; the group takes one that all of them
/// know, and one member, the leader, calls [`assign`](Assignor::assign) for all.
///
/// # Examples
/// ```
/// use klamm_consumer::{AssignableTopics, Assignor, GroupMember, TopicPartition};
///
/// /// Everything to the member with the first id.
/// #[derive(Debug)]
/// struct OneForAll;
///
/// impl Assignor for OneForAll {
///     fn name(&self) -> &str {
///         "one-for-all"
///     }
///
///     fn assign(&self, members: &[GroupMember], topics: &AssignableTopics) -> Vec<Vec<TopicPartition>> {
///         let first = members.iter().map(|member| &member.member_id).min();
///         let everything = || {
///             let of = |(name, topic): (&std::sync::Arc<str>, &klamm_consumer::AssignableTopic)| {
///                 let name = name.clone();
///                 (0..topic.partition_count).map(move |index| TopicPartition::new(name.clone(), index))
///             };
///             topics.iter().flat_map(of).collect()
///         };
///         let share = |member: &GroupMember| match Some(&member.member_id) == first {
///             true => everything(),
///             false => Vec::new(),
///         };
///         members.iter().map(share).collect()
///     }
/// }
/// ```
pub trait Assignor: fmt::Debug + Send + Sync + 'static {
    /// The name that members agree on.
    fn name(&self) -> &str;

    /// Whether members keep what they own while the group rebalances (KIP-429). A group does so if
    /// *all* assignors of a member do.
    ///
    /// The assignor need not care about the hand-over: a partition that one member still owns and
    /// another is given is withheld until the first has let go of it.
    fn is_cooperative(&self) -> bool {
        false
    }

    /// What a member tells the assignor of its leader, beyond its subscription.
    fn user_data(&self, _last: Option<&LastAssignment>) -> Option<Bytes> {
        None
    }

    /// What each of `members` gets, in their order. Topics that are not in `topics` do not exist.
    fn assign(
        &self,
        members: &[GroupMember],
        topics: &AssignableTopics,
    ) -> Vec<Vec<TopicPartition>>;
}

/// The assignor that Kafka knows by `name`.
pub(crate) fn by_name(name: &str) -> Option<Arc<dyn Assignor>> {
    Some(match name {
        "range" => Arc::new(RangeAssignor),
        "roundrobin" => Arc::new(RoundRobinAssignor),
        "sticky" => Arc::new(StickyAssignor),
        "cooperative-sticky" => Arc::new(CooperativeStickyAssignor),
        _ => return None,
    })
}

/// The places of `members` in the order of [`GroupMember::rank`].
fn ranked(members: &[GroupMember]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..members.len()).collect();
    order.sort_by_key(|&index| members[index].rank());
    order
}
