//! Where records without key go next, once a partition has had its `batch.size` bytes.
//!
//! Among the partitions that can be sent to (in the own rack, if that is asked for and there are
//! any, KIP-1123): the next in turn while none lags behind, so that load is even; else by chance,
//! the less likely the more batches wait there (KIP-794).

use super::Availability;

/// How the next partition is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// The next one that can be sent to.
    InTurn,
    /// That, unless some lag behind.
    Adaptive,
    /// The one with the fewest batches waiting.
    LeastBackup,
}

/// The partition after `from` among `count`, of which `look` tells the state and how many batches
/// wait there. `random` is a number that nobody can foresee.
pub(crate) fn next(
    order: Order,
    from: usize,
    count: usize,
    random: u64,
    look: impl Fn(usize) -> (Availability, u32),
) -> usize {
    let after = |step: usize| (from + step) % count;
    let mut best = Availability::NoLeader;
    let (mut least, mut most) = (u32::MAX, 0);
    for index in 0..count {
        let (availability, backlog) = look(index);
        if availability > best {
            (best, least, most) = (availability, backlog, backlog);
        } else if availability == best {
            (least, most) = (least.min(backlog), most.max(backlog));
        }
    }
    let is_candidate = |index: &usize| look(*index).0 == best;
    let candidates = || (1..=count).map(after).filter(is_candidate);
    let in_turn = || candidates().next().unwrap_or(after(1));
    match order {
        Order::Adaptive if most > least => {
            let weight = |index: usize| u64::from((most + 1).saturating_sub(look(index).1));
            let total: u64 = candidates().map(weight).sum();
            let mut left = random % total.max(1);
            let chosen = candidates().find(|index| {
                let weight = weight(*index);
                let is_chosen = left < weight;
                left = left.saturating_sub(weight);
                is_chosen
            });
            chosen.unwrap_or_else(in_turn)
        }
        Order::InTurn | Order::Adaptive => in_turn(),
        Order::LeastBackup => {
            let has_least = |index: &usize| look(*index).1 <= least;
            candidates().find(has_least).unwrap_or_else(in_turn)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USABLE: Availability = Availability::Usable;

    fn spread(order: Order, partitions: &[(Availability, u32)]) -> Vec<usize> {
        let mut hits = vec![0; partitions.len()];
        for round in 0..1000_u64 {
            // Far apart, as random numbers are.
            let random = round.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 7;
            let look = |index: usize| partitions[index];
            hits[next(order, round as usize, partitions.len(), random, look)] += 1;
        }
        hits
    }

    #[test]
    fn equal_partitions_get_equal_shares_in_turn() {
        for order in [Order::InTurn, Order::Adaptive, Order::LeastBackup] {
            assert_eq!(spread(order, &[(USABLE, 3); 4]), [250; 4], "{order:?}");
        }
    }

    #[test]
    fn the_longer_the_queue_the_smaller_the_share() {
        let queues = [(USABLE, 0), (USABLE, 9), (USABLE, 5)];
        // Weights 10, 1 and 5.
        let hits = spread(Order::Adaptive, &queues);
        assert!((550..700).contains(&hits[0]), "{hits:?}");
        assert!((30..100).contains(&hits[1]), "{hits:?}");
        assert!((250..380).contains(&hits[2]), "{hits:?}");
        let in_turn = spread(Order::InTurn, &queues);
        assert!(in_turn.iter().all(|hits| (333..=334).contains(hits)));
        assert_eq!(spread(Order::LeastBackup, &queues), [1000, 0, 0]);
    }

    #[test]
    fn only_the_best_kind_of_partitions_is_used() {
        let (none, stuck, near) = (
            Availability::NoLeader,
            Availability::Stuck,
            Availability::Near,
        );
        for (partitions, expected) in [
            ([(none, 0), (USABLE, 7), (stuck, 0)], [0, 1000, 0]),
            ([(USABLE, 0), (USABLE, 0), (near, 50)], [0, 0, 1000]),
            ([(none, 0), (stuck, 0), (none, 0)], [0, 1000, 0]),
        ] {
            for order in [Order::InTurn, Order::Adaptive, Order::LeastBackup] {
                assert_eq!(spread(order, &partitions), expected, "{order:?}");
            }
        }
        let leaderless = spread(Order::Adaptive, &[(none, 0); 2]);
        assert_eq!(leaderless, [500, 500]);
    }
}
