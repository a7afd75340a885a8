//! The assignors against what Java's members send: `protocol-fixtures/README.md`.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use klamm_codec::group_protocol::{Assignment, Subscription};
use klamm_net::TopicPartition;

use super::{
    AssignableTopic, AssignableTopics, Assignor, CooperativeStickyAssignor, GroupMember,
    LastAssignment, RangeAssignor, RoundRobinAssignor, StickyAssignor,
};
use crate::group::partitions::{flattened, grouped};

/// What Java's members of the group own; see `protocol-fixtures/java/Groups.java`.
fn owned() -> Vec<TopicPartition> {
    [("bills", 1), ("orders", 0), ("orders", 2)]
        .map(|(topic, index)| TopicPartition::new(topic, index))
        .to_vec()
}

/// Bytes by name; none where Java sends null.
fn fixtures() -> BTreeMap<String, Option<Bytes>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../protocol-fixtures/groups.text");
    let text = std::fs::read_to_string(path).unwrap();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    let line = |line: &str| {
        let (name, hex) = line.split_once(' ').unwrap();
        let bytes = || hex.as_bytes().chunks(2).map(byte).collect();
        (name.to_owned(), (hex != "null").then(bytes))
    };
    text.lines().map(line).collect()
}

fn sticky() -> [Arc<dyn Assignor>; 2] {
    [
        Arc::new(StickyAssignor),
        Arc::new(CooperativeStickyAssignor),
    ]
}

#[test]
fn user_data_are_javas_bytes() {
    let fixtures = fixtures();
    let last = LastAssignment {
        partitions: owned(),
        generation: 7,
    };
    for assignor in sticky() {
        let name = assignor.name();
        let first = &fixtures[&format!("{name}-user-data-first")];
        assert_eq!(assignor.user_data(None), *first, "{name}");
        let later = &fixtures[&format!("{name}-user-data-in-generation-7")];
        assert_eq!(assignor.user_data(Some(&last)), *later, "{name}");
    }
    let plain: [Arc<dyn Assignor>; 2] = [Arc::new(RangeAssignor), Arc::new(RoundRobinAssignor)];
    for assignor in plain {
        let sent = &fixtures[&format!("{}-user-data", assignor.name())];
        assert_eq!(assignor.user_data(Some(&last)), *sent);
    }
}

#[test]
fn subscriptions_are_javas_bytes_and_keep_a_java_member_what_it_owns() {
    let fixtures = fixtures();
    for assignor in sticky() {
        let name = assignor.name();
        let bytes = fixtures[&format!("{name}-subscription")].clone().unwrap();
        let last = LastAssignment {
            partitions: owned(),
            generation: 7,
        };
        let ours = Subscription {
            topics: vec!["orders".into(), "bills".into()],
            user_data: assignor.user_data(Some(&last)),
            owned: grouped(owned()),
            generation: 7,
            rack: Some("eu".to_owned()),
        };
        assert_eq!(ours.encode(), bytes, "{name}");
        let theirs = Subscription::decode(&bytes).unwrap();
        let java = GroupMember {
            member_id: "java".into(),
            instance_id: None,
            topics: theirs.topics,
            owned: flattened(theirs.owned),
            generation: Some(theirs.generation),
            rack: theirs.rack.map(Arc::from),
            user_data: theirs.user_data,
        };
        let new = GroupMember {
            member_id: "a-new-one".into(),
            owned: Vec::new(),
            generation: None,
            user_data: assignor.user_data(None),
            ..java.clone()
        };
        let topics = AssignableTopics::from([
            ("bills".into(), AssignableTopic::new(3)),
            ("orders".into(), AssignableTopic::new(3)),
        ]);
        let mut assigned = assignor.assign(&[new, java], &topics);
        assigned[1].sort_unstable();
        assert_eq!(assigned[1], owned(), "{name}");
        assert_eq!(assigned[0].len(), 3, "{name}");
    }
}

#[test]
fn an_assignment_of_a_java_leader_is_read() {
    let bytes = fixtures()["assignment"].clone().unwrap();
    let read = Assignment::decode(&bytes).unwrap();
    let mut partitions = flattened(read.partitions);
    partitions.sort_unstable();
    assert_eq!((partitions, read.user_data), (owned(), None));
}
