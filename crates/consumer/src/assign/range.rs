//! The range assignor: for each topic, each member gets one contiguous block of partitions.
//!
//! With `n` partitions and `m` members, the first `n mod m` members get one partition more.
//!
//! Where racks matter (KIP-881), partitions go first to members in the rack of a replica, as far as
//! the shares allow, in the same place in all topics of as many partitions and the same members, so
//! that joins over topics still work; what is left is dealt out in blocks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use klamm_net::TopicPartition;

use super::{AssignableTopic, AssignableTopics, Assignor, GroupMember, ranked};

/// Kafka's `range`: for each topic a block of partitions for each member. Keeps partitions of the
/// same number together over topics, and prefers the member's rack (KIP-881). Eager.
#[derive(Clone, Copy, Debug, Default)]
pub struct RangeAssignor;

impl Assignor for RangeAssignor {
    fn name(&self) -> &'static str {
        "range"
    }

    fn assign(
        &self,
        members: &[GroupMember],
        topics: &AssignableTopics,
    ) -> Vec<Vec<TopicPartition>> {
        let order = ranked(members);
        let subscribers = |topic: &Arc<str>| -> Vec<usize> {
            let subscribes = |index: &usize| members[*index].topics.contains(topic);
            order.iter().copied().filter(subscribes).collect()
        };
        let mut sharings: Vec<Sharing<'_>> = topics
            .iter()
            .map(|(name, topic)| Sharing::new(name, topic, subscribers(name), members))
            .filter(|sharing| !sharing.members.is_empty())
            .collect();
        if sharings.iter().any(|sharing| sharing.racks_matter) {
            match_racks(&mut sharings);
        }
        let mut assigned = vec![Vec::new(); members.len()];
        for mut sharing in sharings {
            sharing.share_the_rest();
            for (share, &member) in sharing.shares.iter().zip(&sharing.members) {
                let name = |&index: &i32| TopicPartition::new(Arc::clone(sharing.name), index);
                assigned[member].extend(share.iter().map(name));
            }
        }
        assigned
    }
}

/// One topic being shared out.
struct Sharing<'a> {
    name: &'a Arc<str>,
    topic: &'a AssignableTopic,
    /// Those that subscribe, in order.
    members: Vec<usize>,
    /// Their racks.
    racks: Vec<Option<&'a Arc<str>>>,
    shares: Vec<BTreeSet<i32>>,
    left: BTreeSet<i32>,
    /// What everybody gets, and how many may still get one more.
    quota: usize,
    extras: usize,
    racks_matter: bool,
}

impl<'a> Sharing<'a> {
    fn new(
        name: &'a Arc<str>,
        topic: &'a AssignableTopic,
        subscribers: Vec<usize>,
        members: &'a [GroupMember],
    ) -> Self {
        let racks: Vec<_> = subscribers
            .iter()
            .map(|&index| members[index].rack.as_ref())
            .collect();
        let count = usize::try_from(topic.partition_count).unwrap_or_default();
        Self {
            racks_matter: racks_matter(&racks, &topic.racks),
            shares: vec![BTreeSet::new(); subscribers.len()],
            left: (0..topic.partition_count).collect(),
            quota: count / subscribers.len().max(1),
            extras: count % subscribers.len().max(1),
            name,
            topic,
            members: subscribers,
            racks,
        }
    }

    /// How many more the member at `place` may get.
    fn room(&self, place: usize) -> usize {
        let most = self.quota + usize::from(self.extras > 0);
        most.saturating_sub(self.shares[place].len())
    }

    fn matches(&self, place: usize, partition: i32) -> bool {
        self.racks[place].is_none_or(|rack| {
            let racks = self.topic.racks.get(partition as usize);
            racks.is_some_and(|racks| racks.contains(rack))
        })
    }

    fn give(&mut self, place: usize, partition: i32) {
        self.left.remove(&partition);
        self.shares[place].insert(partition);
        if self.shares[place].len() > self.quota {
            self.extras -= 1;
        }
    }

    /// Gives to each member, in order, as many as it may get of those it `may` have.
    fn share(&mut self, may: impl Fn(&Self, usize, i32) -> bool) {
        for place in 0..self.members.len() {
            let room = self.room(place);
            let given: Vec<i32> = self
                .left
                .iter()
                .copied()
                .filter(|&partition| may(self, place, partition))
                .take(room)
                .collect();
            for partition in given {
                self.give(place, partition);
            }
        }
    }

    fn share_the_rest(&mut self) {
        self.share(|_, _, _| true);
    }
}

/// Whether some member can be nearer to some partitions than to others.
fn racks_matter(members: &[Option<&Arc<str>>], partitions: &[Vec<Arc<str>>]) -> bool {
    let all: BTreeSet<&Arc<str>> = partitions.iter().flatten().collect();
    let somebody_is_near = members.iter().flatten().any(|rack| all.contains(rack));
    let everywhere = |racks: &Vec<Arc<str>>| racks.iter().collect::<BTreeSet<_>>() == all;
    somebody_is_near && !partitions.iter().all(everywhere)
}

fn match_racks(sharings: &mut [Sharing<'_>]) {
    let mut alike: BTreeMap<(Vec<usize>, i32), Vec<usize>> = BTreeMap::new();
    for (index, sharing) in sharings.iter().enumerate() {
        let key = (sharing.members.clone(), sharing.topic.partition_count);
        alike.entry(key).or_default().push(index);
    }
    for ((members, count), indexes) in alike {
        match indexes.as_slice() {
            [only] if sharings[*only].racks_matter => sharings[*only].share(Sharing::matches),
            [_] => {}
            together => match_together(sharings, together, members.len(), count),
        }
    }
}

/// The same partition of several topics goes to the same member, if the rack is right for all.
fn match_together(sharings: &mut [Sharing<'_>], indexes: &[usize], members: usize, count: i32) {
    for partition in 0..count {
        let fits = |place: &usize| {
            indexes.iter().all(|&index| {
                sharings[index].room(*place) > 0 && sharings[index].matches(*place, partition)
            })
        };
        if let Some(place) = (0..members).find(fits) {
            for &index in indexes {
                sharings[index].give(place, partition);
            }
        }
    }
}
