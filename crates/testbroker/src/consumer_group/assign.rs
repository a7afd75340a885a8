//! Who shall own what.

use std::collections::BTreeMap;

use super::Partitions;
use crate::topic::TopicId;

const UNIFORM: &str = "uniform";
const RANGE: &str = "range";
/// The assignors that a member may ask for, the default first, as `group.consumer.assignors` names them.
pub(super) const NAMES: [&str; 2] = [UNIFORM, RANGE];

/// What an assignor knows of a member.
pub(super) struct Subscriber<'a> {
    /// What members are ordered by.
    pub(super) name: &'a str,
    /// The topics it wants, with their partitions.
    pub(super) topics: &'a BTreeMap<TopicId, usize>,
    /// What it was to own before.
    pub(super) last: &'a Partitions,
}

impl Subscriber<'_> {
    fn wants(&self, (topic, partition): (TopicId, i32)) -> bool {
        let partitions = self.topics.get(&topic).copied().unwrap_or_default();
        usize::try_from(partition).is_ok_and(|partition| partition < partitions)
    }
}

/// The assignment of each of `subscribers`, by the assignor of this name.
pub(super) fn by(assignor: &str, subscribers: &[Subscriber<'_>]) -> Vec<Partitions> {
    if assignor == RANGE {
        range(subscribers)
    } else {
        uniform(subscribers)
    }
}

fn topics_of(subscribers: &[Subscriber<'_>]) -> BTreeMap<TopicId, usize> {
    let topics = subscribers.iter().flat_map(|subscriber| subscriber.topics);
    topics.map(|(id, partitions)| (*id, *partitions)).collect()
}

/// Each topic in blocks of neighbours, the first members one more where it does not come out even.
fn range(subscribers: &[Subscriber<'_>]) -> Vec<Partitions> {
    let mut assigned = vec![Partitions::new(); subscribers.len()];
    let mut order: Vec<usize> = (0..subscribers.len()).collect();
    order.sort_by_key(|place| subscribers[*place].name);
    for (topic, partitions) in topics_of(subscribers) {
        let wants = |place: &usize| subscribers[*place].topics.contains_key(&topic);
        let takers: Vec<usize> = order.iter().copied().filter(wants).collect();
        let (each, more) = (partitions / takers.len(), partitions % takers.len());
        let mut next = 0;
        for (rank, place) in takers.into_iter().enumerate() {
            let end = next + each + usize::from(rank < more);
            assigned[place].extend((next..end).map(|partition| (topic, partition as i32)));
            next = end;
        }
    }
    assigned
}

/// As even as can be, and whoever had a partition keeps it as far as that allows.
fn uniform(subscribers: &[Subscriber<'_>]) -> Vec<Partitions> {
    let mut assigned = vec![Partitions::new(); subscribers.len()];
    for (topic, partitions) in topics_of(subscribers) {
        for at in (0..partitions).map(|partition| (topic, partition as i32)) {
            let takers = (0..subscribers.len()).filter(|place| subscribers[*place].wants(at));
            let had = |place: &usize| subscribers[*place].last.contains(&at);
            let rank = |place: &usize| (!had(place), assigned[*place].len());
            if let Some(taker) = takers.min_by_key(rank) {
                assigned[taker].insert(at);
            }
        }
    }
    while let Some((from, at, to)) = uneven(subscribers, &assigned) {
        assigned[from].remove(&at);
        assigned[to].insert(at);
    }
    assigned
}

/// A partition that another member had better take.
fn uneven(
    subscribers: &[Subscriber<'_>],
    assigned: &[Partitions],
) -> Option<(usize, (TopicId, i32), usize)> {
    let mut fullest: Vec<usize> = (0..assigned.len()).collect();
    fullest.sort_by_key(|place| assigned[*place].len());
    for from in fullest.iter().rev().copied() {
        for to in fullest.iter().copied() {
            if assigned[from].len() <= assigned[to].len() + 1 {
                break;
            }
            let moves = |at: &&(TopicId, i32)| subscribers[to].wants(**at);
            if let Some(at) = assigned[from].iter().rev().find(moves) {
                return Some((from, *at, to));
            }
        }
    }
    None
}
