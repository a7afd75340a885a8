//! The range assignor: for each topic, each member gets one contiguous block of partitions.
//!
//! With `n` partitions and `m` members, the first `n mod m` members get one partition more. Members
//! are ordered by instance id where they have one and by member id otherwise, static members
//! first, so that a static group keeps its assignment over restarts (as Java).

use super::{Assignor, GroupMember, PartitionCounts};
use crate::group::protocol::TopicPartitions;

/// See the module.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Range;

impl Assignor for Range {
    fn name(&self) -> &'static str {
        "range"
    }

    fn assign(&self, members: &[GroupMember], counts: &PartitionCounts) -> Vec<TopicPartitions> {
        let mut assigned = vec![TopicPartitions::new(); members.len()];
        let mut order: Vec<usize> = (0..members.len()).collect();
        order.sort_by_key(|&index| {
            let member = &members[index];
            (
                member.instance_id.is_none(),
                member.instance_id.as_ref().unwrap_or(&member.member_id),
            )
        });
        for (topic, &count) in counts {
            let subscribed: Vec<usize> = order
                .iter()
                .copied()
                .filter(|&index| members[index].subscription.topics.contains(topic))
                .collect();
            let member_count = subscribed.len() as i32;
            let mut next = 0;
            for (rank, index) in (0..member_count).zip(subscribed) {
                let extra = i32::from(rank < count % member_count);
                let end = next + count / member_count + extra;
                if end > next {
                    assigned[index].push((topic.clone(), (next..end).collect()));
                }
                next = end;
            }
        }
        assigned
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::group::protocol::Subscription;

    fn member(id: &str, instance_id: Option<&str>, topics: &[&str]) -> GroupMember {
        GroupMember {
            member_id: id.into(),
            instance_id: instance_id.map(Arc::from),
            subscription: Subscription {
                topics: topics.iter().map(|&topic| topic.into()).collect(),
                ..Subscription::default()
            },
        }
    }

    fn assign(members: &[GroupMember], counts: &[(&str, i32)]) -> Vec<Vec<String>> {
        let counts = counts.iter().map(|&(t, n)| (t.into(), n)).collect();
        let flat = |topics: TopicPartitions| {
            topics
                .iter()
                .flat_map(|(topic, partitions)| {
                    partitions.iter().map(move |p| format!("{topic}-{p}"))
                })
                .collect()
        };
        Range
            .assign(members, &counts)
            .into_iter()
            .map(flat)
            .collect()
    }

    // The cases and results below are those of Java's RangeAssignorTest.

    #[test]
    fn one_consumer_gets_everything_of_existing_topics() {
        let one = [member("consumer1", None, &["topic1", "topic2", "missing"])];
        assert_eq!(
            assign(&one, &[("topic1", 1), ("topic2", 2)]),
            [["topic1-0", "topic2-0", "topic2-1"]]
        );
        assert_eq!(assign(&one, &[]), [Vec::<String>::new()]);
    }

    #[test]
    fn other_topics_are_not_assigned() {
        let one = [member("consumer1", None, &["topic1"])];
        assert_eq!(
            assign(&one, &[("topic1", 3), ("other", 3)]),
            [["topic1-0", "topic1-1", "topic1-2"]]
        );
    }

    #[test]
    fn the_second_of_two_consumers_of_one_partition_gets_nothing() {
        let two = [
            member("consumer1", None, &["t"]),
            member("consumer2", None, &["t"]),
        ];
        assert_eq!(assign(&two, &[("t", 1)]), [vec!["t-0"], vec![]]);
    }

    #[test]
    fn mixed_subscriptions_share_only_their_topics() {
        let three = [
            member("consumer1", None, &["topic1"]),
            member("consumer2", None, &["topic1", "topic2"]),
            member("consumer3", None, &["topic1"]),
        ];
        assert_eq!(
            assign(&three, &[("topic1", 3), ("topic2", 2)]),
            [
                vec!["topic1-0"],
                vec!["topic1-1", "topic2-0", "topic2-1"],
                vec!["topic1-2"],
            ]
        );
    }

    #[test]
    fn two_consumers_of_two_topics_of_three_partitions() {
        let two = [
            member("consumer1", None, &["topic1", "topic2"]),
            member("consumer2", None, &["topic1", "topic2"]),
        ];
        assert_eq!(
            assign(&two, &[("topic1", 3), ("topic2", 3)]),
            [
                vec!["topic1-0", "topic1-1", "topic2-0", "topic2-1"],
                vec!["topic1-2", "topic2-2"],
            ]
        );
    }

    #[test]
    fn static_members_are_ordered_by_instance_id_before_dynamic_ones() {
        let members = [
            member("a-dynamic", None, &["t"]),
            member("zzz", Some("instance1"), &["t"]),
            member("aaa", Some("instance2"), &["t"]),
        ];
        assert_eq!(
            assign(&members, &[("t", 4)]),
            [vec!["t-3"], vec!["t-0", "t-1"], vec!["t-2"],]
        );
    }

    proptest! {
        #[test]
        fn every_partition_goes_to_exactly_one_member_and_shares_differ_by_one(
            member_count in 1_usize..12, partition_count in 0_i32..50,
        ) {
            let members: Vec<_> =
                (0..member_count).map(|i| member(&format!("m{i:02}"), None, &["t"])).collect();
            let counts = PartitionCounts::from([("t".into(), partition_count)]);
            let shares: Vec<Vec<i32>> = Range
                .assign(&members, &counts)
                .into_iter()
                .map(|topics| topics.into_iter().flat_map(|(_, partitions)| partitions).collect())
                .collect();
            let all: Vec<i32> = shares.iter().flatten().copied().collect();
            prop_assert_eq!(all, (0..partition_count).collect::<Vec<_>>());
            let sizes = shares.iter().map(Vec::len);
            prop_assert!(sizes.clone().max().unwrap() - sizes.min().unwrap() <= 1);
        }
    }
}
