//! Shares as even as the subscriptions allow, with as few partitions moved as possible.
//!
//! Members start with what they claim. What nobody claims goes to whoever has least. Then, as long
//! as some member could hand a partition on, directly or through others, to one that has at least
//! two fewer, that is done along the shortest such path. No path left means that no assignment is
//! more even; nothing is moved that need not be.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use klamm_net::TopicPartition;

use super::{AssignableTopics, GroupMember, ranked};

/// What a member says it had, and since when.
pub(super) struct Claim {
    pub(super) partitions: Vec<TopicPartition>,
    pub(super) generation: i32,
}

/// Assigns `topics` to `members`, of which each makes the claim in its place.
pub(super) fn balance(
    members: &[GroupMember],
    topics: &AssignableTopics,
    claims: &[Claim],
) -> Vec<Vec<TopicPartition>> {
    let order = ranked(members);
    let mut sharing = Sharing::new(&order, members, topics);
    sharing.keep(&order, claims);
    sharing.share_the_rest();
    sharing.even_out();
    let mut assigned = vec![Vec::new(); members.len()];
    for (place, owned) in sharing.owned.into_iter().enumerate() {
        let name = |(topic, index): (usize, i32)| {
            TopicPartition::new(Arc::clone(sharing.names[topic]), index)
        };
        assigned[order[place]] = owned.into_iter().map(name).collect();
    }
    assigned
}

/// A topic's place and a partition of it.
type Partition = (usize, i32);

/// Members and topics are known here by their places in order.
struct Sharing<'a> {
    names: Vec<&'a Arc<str>>,
    counts: Vec<i32>,
    /// Of each topic, the members that may have its partitions.
    subscribers: Vec<Vec<usize>>,
    owned: Vec<BTreeSet<Partition>>,
    /// Who had a partition before.
    before: BTreeMap<Partition, usize>,
}

impl<'a> Sharing<'a> {
    fn new(order: &[usize], members: &[GroupMember], topics: &'a AssignableTopics) -> Self {
        let subscribers = |name: &Arc<str>| {
            let subscribes = |place: &usize| members[order[*place]].topics.contains(name);
            (0..order.len()).filter(subscribes).collect()
        };
        Self {
            names: topics.keys().collect(),
            counts: topics.values().map(|topic| topic.partition_count).collect(),
            subscribers: topics.keys().map(subscribers).collect(),
            owned: vec![BTreeSet::new(); order.len()],
            before: BTreeMap::new(),
        }
    }

    /// Lets members keep what they claim. Of several claims to one partition that of the highest
    /// generation counts; of equal ones none does.
    fn keep(&mut self, order: &[usize], claims: &[Claim]) {
        let mut best: BTreeMap<Partition, (i32, Option<usize>)> = BTreeMap::new();
        for (place, &member) in order.iter().enumerate() {
            let claim = &claims[member];
            for partition in &claim.partitions {
                let Some(partition) = self.claimable(place, partition) else {
                    continue;
                };
                let holder = best.entry(partition).or_insert((i32::MIN, None));
                if claim.generation > holder.0 {
                    *holder = (claim.generation, Some(place));
                } else if claim.generation == holder.0 && holder.1 != Some(place) {
                    holder.1 = None;
                }
            }
        }
        for (partition, (_, holder)) in best {
            if let Some(place) = holder {
                self.owned[place].insert(partition);
                self.before.insert(partition, place);
            }
        }
    }

    fn claimable(&self, place: usize, partition: &TopicPartition) -> Option<Partition> {
        let topic = self.names.binary_search(&&partition.topic).ok()?;
        let exists = (0..self.counts[topic]).contains(&partition.partition);
        let subscribes = self.subscribers[topic].contains(&place);
        (exists && subscribes).then_some((topic, partition.partition))
    }

    /// Those that fewest can have come first.
    fn share_the_rest(&mut self) {
        let mut rest: Vec<Partition> = (0..self.names.len())
            .flat_map(|topic| (0..self.counts[topic]).map(move |index| (topic, index)))
            .filter(|partition| !self.before.contains_key(partition))
            .collect();
        rest.sort_by_key(|(topic, _)| self.subscribers[*topic].len());
        for partition in rest {
            let subscribers = self.subscribers[partition.0].iter().copied();
            if let Some(least) = subscribers.min_by_key(|&place| self.owned[place].len()) {
                self.owned[least].insert(partition);
            }
        }
    }

    fn even_out(&mut self) {
        // The sum of the squares of the shares falls with every hand-over, so this ends.
        loop {
            let mut places: Vec<usize> = (0..self.owned.len()).collect();
            places.sort_by_key(|&place| std::cmp::Reverse(self.owned[place].len()));
            let Some(path) = places.into_iter().find_map(|from| self.path_down(from)) else {
                return;
            };
            for (from, topic, to) in path {
                let partition = self.to_hand_over(from, topic, to);
                self.owned[from].remove(&partition);
                self.owned[to].insert(partition);
            }
        }
    }

    /// The shortest way from a member to one that has at least two partitions fewer: who hands a
    /// partition of which topic to whom.
    fn path_down(&self, from: usize) -> Option<Vec<(usize, usize, usize)>> {
        let most = self.owned[from].len().checked_sub(2)?;
        let mut came_by: BTreeMap<usize, (usize, usize)> = BTreeMap::new();
        let mut seen_topics = BTreeSet::new();
        let mut queue = VecDeque::from([from]);
        while let Some(place) = queue.pop_front() {
            let topics: BTreeSet<usize> =
                self.owned[place].iter().map(|(topic, _)| *topic).collect();
            for topic in topics {
                if !seen_topics.insert(topic) {
                    continue;
                }
                let mut news = Vec::new();
                for &next in &self.subscribers[topic] {
                    if next != from && !came_by.contains_key(&next) {
                        came_by.insert(next, (place, topic));
                        news.push(next);
                    }
                }
                let least = news
                    .iter()
                    .copied()
                    .min_by_key(|&next| self.owned[next].len());
                if let Some(end) = least.filter(|&end| self.owned[end].len() <= most) {
                    return Some(walk_back(&came_by, from, end));
                }
                queue.extend(news);
            }
        }
        None
    }

    /// Rather one that `to` had before than one that `from` did not have, than the last one.
    fn to_hand_over(&self, from: usize, topic: usize, to: usize) -> Partition {
        let of_topic = self.owned[from].range((topic, 0)..=(topic, i32::MAX));
        let rank = |partition: &&Partition| {
            let before = self.before.get(*partition).copied();
            (before == Some(to), before != Some(from), partition.1)
        };
        *of_topic
            .max_by_key(rank)
            .expect("the path leads over topics that `from` has a partition of")
    }
}

fn walk_back(
    came_by: &BTreeMap<usize, (usize, usize)>,
    from: usize,
    end: usize,
) -> Vec<(usize, usize, usize)> {
    let mut path = Vec::new();
    let mut to = end;
    while to != from {
        let (place, topic) = came_by[&to];
        path.push((place, topic, to));
        to = place;
    }
    // From the end, so that nobody hands over what it has yet to get.
    path
}
