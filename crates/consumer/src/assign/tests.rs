//! What every assignor promises, and what each of them does in particular.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::balance::{Claim, balance};
use super::*;

fn topics(counts: &[(&str, i32)]) -> AssignableTopics {
    counts
        .iter()
        .map(|&(name, count)| (name.into(), AssignableTopic::new(count)))
        .collect()
}

fn static_member(id: &str, instance_id: &str, topics: &[&str]) -> GroupMember {
    GroupMember {
        instance_id: Some(instance_id.into()),
        ..GroupMember::new(id, topics)
    }
}

fn names(assigned: Vec<Vec<TopicPartition>>) -> Vec<Vec<String>> {
    let text = |share: Vec<TopicPartition>| share.iter().map(ToString::to_string).collect();
    assigned.into_iter().map(text).collect()
}

fn range(members: &[GroupMember], counts: &[(&str, i32)]) -> Vec<Vec<String>> {
    names(RangeAssignor.assign(members, &topics(counts)))
}

// The cases and results of range and round robin are those of Java's tests.

#[test]
fn one_consumer_gets_everything_of_existing_topics() {
    let one = [GroupMember::new(
        "consumer1",
        ["topic1", "topic2", "missing"],
    )];
    assert_eq!(
        range(&one, &[("topic1", 1), ("topic2", 2)]),
        [["topic1-0", "topic2-0", "topic2-1"]]
    );
    assert_eq!(range(&one, &[]), [Vec::<String>::new()]);
}

#[test]
fn other_topics_are_not_assigned() {
    let one = [GroupMember::new("consumer1", ["topic1"])];
    assert_eq!(
        range(&one, &[("topic1", 3), ("other", 3)]),
        [["topic1-0", "topic1-1", "topic1-2"]]
    );
}

#[test]
fn the_second_of_two_consumers_of_one_partition_gets_nothing() {
    let two = [
        GroupMember::new("consumer1", ["t"]),
        GroupMember::new("consumer2", ["t"]),
    ];
    assert_eq!(range(&two, &[("t", 1)]), [vec!["t-0"], vec![]]);
}

#[test]
fn mixed_subscriptions_share_only_their_topics() {
    let three = [
        GroupMember::new("consumer1", ["topic1"]),
        GroupMember::new("consumer2", ["topic1", "topic2"]),
        GroupMember::new("consumer3", ["topic1"]),
    ];
    assert_eq!(
        range(&three, &[("topic1", 3), ("topic2", 2)]),
        [
            vec!["topic1-0"],
            vec!["topic1-1", "topic2-0", "topic2-1"],
            vec!["topic1-2"],
        ]
    );
    let dealt = RoundRobinAssignor.assign(&three, &topics(&[("topic1", 3), ("topic2", 2)]));
    assert_eq!(
        names(dealt),
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
        GroupMember::new("consumer1", ["topic1", "topic2"]),
        GroupMember::new("consumer2", ["topic1", "topic2"]),
    ];
    let counts = [("topic1", 3), ("topic2", 3)];
    assert_eq!(
        range(&two, &counts),
        [
            vec!["topic1-0", "topic1-1", "topic2-0", "topic2-1"],
            vec!["topic1-2", "topic2-2"],
        ]
    );
    assert_eq!(
        names(RoundRobinAssignor.assign(&two, &topics(&counts))),
        [
            vec!["topic1-0", "topic1-2", "topic2-1"],
            vec!["topic1-1", "topic2-0", "topic2-2"],
        ]
    );
}

#[test]
fn static_members_are_ordered_by_instance_id_before_dynamic_ones() {
    let members = [
        GroupMember::new("a-dynamic", ["t"]),
        static_member("zzz", "instance1", &["t"]),
        static_member("aaa", "instance2", &["t"]),
    ];
    assert_eq!(
        range(&members, &[("t", 4)]),
        [vec!["t-3"], vec!["t-0", "t-1"], vec!["t-2"],]
    );
}

fn in_rack(id: &str, rack: &str, topics: &[&str]) -> GroupMember {
    GroupMember {
        rack: Some(rack.into()),
        ..GroupMember::new(id, topics)
    }
}

fn with_racks(partitions: &[&[&str]]) -> AssignableTopic {
    let racks = |racks: &&[&str]| racks.iter().map(|&rack| rack.into()).collect();
    AssignableTopic {
        partition_count: partitions.len() as i32,
        racks: partitions.iter().map(racks).collect(),
    }
}

#[test]
fn range_prefers_the_members_rack_and_keeps_the_shares_even() {
    let members = [in_rack("1", "a", &["t"]), in_rack("2", "b", &["t"])];
    let topic = with_racks(&[&["b"], &["a"], &["b"], &["a"], &["a"]]);
    let assigned = RangeAssignor.assign(&members, &[("t".into(), topic)].into());
    assert_eq!(
        names(assigned),
        [vec!["t-1", "t-3", "t-4"], vec!["t-0", "t-2"]]
    );
    // Replicas everywhere: as without racks.
    let topic = with_racks(&[&["a", "b"], &["a", "b"]]);
    let assigned = RangeAssignor.assign(&members, &[("t".into(), topic)].into());
    assert_eq!(names(assigned), [["t-0"], ["t-1"]]);
    // No member is anywhere near.
    let topic = with_racks(&[&["c"], &["d"]]);
    let assigned = RangeAssignor.assign(&members, &[("t".into(), topic)].into());
    assert_eq!(names(assigned), [["t-0"], ["t-1"]]);
}

#[test]
fn range_keeps_the_same_partitions_of_several_topics_together_also_with_racks() {
    let members = [
        in_rack("1", "a", &["t", "u"]),
        in_rack("2", "b", &["t", "u"]),
    ];
    let t = with_racks(&[&["b"], &["a"], &["b"], &["a"]]);
    let u = with_racks(&[&["b"], &["a"], &["a"], &["a"]]);
    let assigned = RangeAssignor.assign(&members, &[("t".into(), t), ("u".into(), u)].into());
    assert_eq!(
        names(assigned),
        [
            vec!["t-1", "t-3", "u-1", "u-3"],
            vec!["t-0", "t-2", "u-0", "u-2"]
        ]
    );
}

fn claim(generation: i32, partitions: &[i32]) -> Claim {
    Claim {
        partitions: partitions
            .iter()
            .map(|&p| TopicPartition::new("t", p))
            .collect(),
        generation,
    }
}

fn three() -> Vec<GroupMember> {
    ["1", "2", "3"].map(|id| GroupMember::new(id, ["t"])).into()
}

#[test]
fn everybody_keeps_what_it_had_as_far_as_the_shares_stay_even() {
    let claims = [claim(3, &[0, 1, 2, 3]), claim(3, &[4, 5]), claim(-1, &[])];
    let assigned = balance(&three(), &topics(&[("t", 6)]), &claims);
    assert_eq!(
        names(assigned),
        [vec!["t-0", "t-1"], vec!["t-4", "t-5"], vec!["t-2", "t-3"]]
    );
}

#[test]
fn of_several_claims_that_of_the_highest_generation_counts_and_of_equal_ones_none() {
    let claims = [claim(3, &[0, 1]), claim(4, &[1, 2]), claim(4, &[2, 3])];
    let assigned = balance(&three(), &topics(&[("t", 4)]), &claims);
    let shares = names(assigned);
    assert!(shares[0].contains(&"t-0".to_owned()), "{shares:?}");
    assert!(shares[1].contains(&"t-1".to_owned()), "{shares:?}");
    assert!(shares[2].contains(&"t-3".to_owned()), "{shares:?}");
}

#[test]
fn claims_to_what_does_not_exist_or_is_not_wanted_are_void() {
    let members = [GroupMember::new("1", ["u"]), GroupMember::new("2", ["t"])];
    let claims = [claim(1, &[0]), claim(1, &[9])];
    let assigned = balance(&members, &topics(&[("t", 1), ("u", 1)]), &claims);
    assert_eq!(names(assigned), [["u-0"], ["t-0"]]);
}

#[test]
fn the_user_data_of_both_sticky_assignors_is_javas() {
    let last = LastAssignment {
        partitions: vec![TopicPartition::new("t", 1), TopicPartition::new("t", 4)],
        generation: 7,
    };
    let sticky = [
        0, 0, 0, 1, 0, 1, b't', 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0, 7,
    ];
    assert_eq!(StickyAssignor.user_data(Some(&last)).unwrap(), &sticky[..]);
    assert_eq!(StickyAssignor.user_data(None), None);
    let cooperative = CooperativeStickyAssignor;
    assert_eq!(
        cooperative.user_data(Some(&last)).unwrap(),
        &[0, 0, 0, 7][..]
    );
    assert_eq!(cooperative.user_data(None).unwrap(), &[0xff; 4][..]);

    // The sticky assignor goes by it; version 0 has no generation; rubbish claims nothing.
    let with = |data: &[u8]| GroupMember {
        user_data: Some(Bytes::copy_from_slice(data)),
        ..GroupMember::new("2", ["t"])
    };
    let first = GroupMember::new("1", ["t"]);
    for data in [&sticky[..], &sticky[..sticky.len() - 4]] {
        let assigned = StickyAssignor.assign(&[first.clone(), with(data)], &topics(&[("t", 5)]));
        let share = &names(assigned)[1];
        assert!(share.contains(&"t-1".to_owned()) && share.contains(&"t-4".to_owned()));
    }
    let assigned = StickyAssignor.assign(&[first, with(&[0, 9, 9])], &topics(&[("t", 2)]));
    assert_eq!(names(assigned).concat().len(), 2);
}

/// A group: of each member the topics it subscribes to, of each topic the partition count.
fn group() -> impl Strategy<Value = (Vec<GroupMember>, AssignableTopics)> {
    let counts = prop::collection::vec(0_i32..8, 1..5);
    let members = prop::collection::vec(prop::collection::btree_set(0_usize..5, 0..5), 1..7);
    (counts, members).prop_map(|(counts, members)| {
        let topic = |index: usize| format!("t{index}");
        let topics = counts.iter().enumerate();
        let topics =
            topics.map(|(index, &count)| (topic(index).into(), AssignableTopic::new(count)));
        let member = |(index, topics): (usize, BTreeSet<usize>)| {
            GroupMember::new(&format!("m{index}"), topics.into_iter().map(topic))
        };
        (
            members.into_iter().enumerate().map(member).collect(),
            topics.collect(),
        )
    })
}

fn valid(
    members: &[GroupMember],
    topics: &AssignableTopics,
    assigned: &[Vec<TopicPartition>],
) -> Result<(), TestCaseError> {
    let mut owners: BTreeMap<&TopicPartition, usize> = BTreeMap::new();
    for (index, partition) in assigned
        .iter()
        .enumerate()
        .flat_map(|(i, s)| s.iter().map(move |p| (i, p)))
    {
        prop_assert!(
            members[index].topics.contains(&partition.topic),
            "{partition} is not wanted"
        );
        prop_assert!(
            owners.insert(partition, index).is_none(),
            "{partition} is assigned twice"
        );
    }
    for (name, topic) in topics {
        if members.iter().any(|member| member.topics.contains(name)) {
            for partition in 0..topic.partition_count {
                let partition = TopicPartition::new(name.clone(), partition);
                prop_assert!(owners.contains_key(&partition), "nobody has {partition}");
            }
        }
    }
    Ok(())
}

/// The sizes of the most even shares, largest first, by trying all assignments.
fn most_even(members: &[GroupMember], topics: &AssignableTopics) -> Vec<usize> {
    let mut reachable = BTreeSet::from([vec![0; members.len()]]);
    for (name, topic) in topics {
        let subscribers: Vec<usize> = (0..members.len())
            .filter(|&index| members[index].topics.contains(name))
            .collect();
        for _ in 0..topic.partition_count {
            if subscribers.is_empty() {
                continue;
            }
            let next = reachable.iter().flat_map(|sizes| {
                subscribers.iter().map(move |&index| {
                    let mut sizes = sizes.clone();
                    sizes[index] += 1;
                    sizes
                })
            });
            reachable = next.collect();
        }
    }
    let sorted = |mut sizes: Vec<usize>| {
        sizes.sort_unstable_by(|left, right| right.cmp(left));
        sizes
    };
    reachable.into_iter().map(sorted).min().unwrap()
}

fn sizes(assigned: &[Vec<TopicPartition>]) -> Vec<usize> {
    let mut sizes: Vec<_> = assigned.iter().map(Vec::len).collect();
    sizes.sort_unstable_by(|left, right| right.cmp(left));
    sizes
}

fn owning(mut members: Vec<GroupMember>, assigned: &[Vec<TopicPartition>]) -> Vec<GroupMember> {
    for (member, owned) in members.iter_mut().zip(assigned) {
        member.owned.clone_from(owned);
        member.generation = Some(1);
    }
    members
}

proptest! {
    #[test]
    fn every_assignor_gives_every_wanted_partition_to_one_that_wants_it((members, topics) in group()) {
        for name in ["range", "roundrobin", "sticky", "cooperative-sticky"] {
            let assignor = by_name(name).unwrap();
            prop_assert_eq!(assignor.name(), name);
            valid(&members, &topics, &assignor.assign(&members, &topics))?;
        }
    }

    #[test]
    fn range_differs_by_one_in_each_topic_with_and_without_racks(
        racks in prop::collection::vec(prop::option::of(0_usize..3), 1..8),
        partitions in prop::collection::vec(prop::collection::btree_set(0_usize..3, 0..3), 0..20),
    ) {
        let rack = |rack: usize| Arc::<str>::from(format!("r{rack}"));
        let members: Vec<_> = racks
            .iter()
            .enumerate()
            .map(|(index, place)| GroupMember {
                rack: place.map(rack),
                ..GroupMember::new(&format!("m{index}"), ["t", "u"])
            })
            .collect();
        let topic = AssignableTopic {
            partition_count: partitions.len() as i32,
            racks: partitions.iter().map(|p| p.iter().copied().map(rack).collect()).collect(),
        };
        let topics = AssignableTopics::from([("t".into(), topic.clone()), ("u".into(), topic)]);
        let assigned = RangeAssignor.assign(&members, &topics);
        valid(&members, &topics, &assigned)?;
        for name in ["t", "u"] {
            let of_topic = |share: &Vec<TopicPartition>| share.iter().filter(|p| &*p.topic == name).count();
            let sizes: Vec<_> = assigned.iter().map(of_topic).collect();
            prop_assert!(sizes.iter().max().unwrap() - sizes.iter().min().unwrap() <= 1);
        }
    }

    #[test]
    fn sticky_shares_are_as_even_as_can_be(
        (members, topics) in group().prop_filter("small", |(members, topics)| {
            let count: i32 = topics.values().map(|topic| topic.partition_count).sum();
            members.len() <= 4 && count <= 12
        }),
        had in prop::collection::vec(prop::collection::vec((0_usize..5, 0_i32..8), 0..6), 4),
    ) {
        let claims: Vec<_> = members
            .iter()
            .zip(had)
            .map(|(_, had)| Claim {
                partitions: had.iter().map(|(t, p)| TopicPartition::new(format!("t{t}"), *p)).collect(),
                generation: 1,
            })
            .collect();
        let assigned = balance(&members, &topics, &claims);
        valid(&members, &topics, &assigned)?;
        prop_assert_eq!(sizes(&assigned), most_even(&members, &topics));
    }

    #[test]
    fn nothing_moves_without_a_reason((members, topics) in group()) {
        let assignor = CooperativeStickyAssignor;
        let assigned = assignor.assign(&members, &topics);
        let members = owning(members, &assigned);
        prop_assert_eq!(&assignor.assign(&members, &topics), &assigned);
        // Whoever leaves, the others keep what they had, unless subscriptions differ.
        if members.len() > 1 && members.iter().all(|member| member.topics == members[0].topics) {
            let rest = &members[1..];
            for (before, after) in rest.iter().zip(assignor.assign(rest, &topics)) {
                prop_assert!(before.owned.iter().all(|at| after.contains(at)));
            }
        }
    }

    #[test]
    fn who_comes_takes_no_more_than_its_share(count in 1_usize..12, partitions in 0_i32..60) {
        let member = |index: usize| GroupMember::new(&format!("m{index:02}"), ["t"]);
        let topics = topics(&[("t", partitions)]);
        let assignor = CooperativeStickyAssignor;
        let members: Vec<_> = (0..count).map(member).collect();
        let before = assignor.assign(&members, &topics);
        let mut members = owning(members, &before);
        members.push(member(count));
        let after = assignor.assign(&members, &topics);
        let moved = before
            .iter()
            .zip(&after)
            .map(|(before, after)| before.iter().filter(|at| !after.contains(at)).count())
            .sum::<usize>();
        prop_assert_eq!(moved, after[count].len());
        prop_assert_eq!(moved, partitions as usize / (count + 1));
    }
}
