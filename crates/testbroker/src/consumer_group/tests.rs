use kafka_protocol::messages::BrokerId;

use super::*;
use crate::topic::{Partition, TopicConfig};

const SESSION: Duration = Duration::from_secs(45);
const REBALANCE: Duration = Duration::from_secs(60);

fn topic(number: u8, partitions: usize) -> Topic {
    let partition = |_| Partition::new(vec![BrokerId(1)], 1 << 20);
    Topic {
        id: TopicId([number; 16]),
        partitions: (0..partitions).map(partition).collect(),
        config: TopicConfig::default(),
    }
}

fn partitions(number: u8, indexes: impl IntoIterator<Item = i32>) -> Partitions {
    let id = TopicId([number; 16]);
    indexes.into_iter().map(|index| (id, index)).collect()
}

fn together(sets: [Partitions; 2]) -> Partitions {
    sets.into_iter().flatten().collect()
}

/// A group, the topics `t1` of six partitions and `t2` of two, and what a clock shows.
struct Scene {
    group: ConsumerGroup,
    topics: Topics,
    now: Instant,
}

impl Scene {
    fn new() -> Self {
        Self {
            group: ConsumerGroup::default(),
            topics: [
                ("t1".to_owned(), topic(1, 6)),
                ("t2".to_owned(), topic(2, 2)),
            ]
            .into(),
            now: Instant::now(),
        }
    }

    fn send(&mut self, heartbeat: Heartbeat) -> Result<Answer, ResponseError> {
        self.group
            .handle_heartbeat(self.now, heartbeat, &self.topics, SESSION)
    }

    fn join(&mut self, member_id: &str) -> Answer {
        self.send(joining(member_id)).unwrap()
    }

    /// Says what it owns, if that is given. Gives its epoch and what it may own.
    fn beat(
        &mut self,
        member_id: &str,
        epoch: i32,
        owned: Option<&Partitions>,
    ) -> Result<Answer, ResponseError> {
        self.send(Heartbeat {
            owned: owned.cloned(),
            ..beating(member_id, epoch)
        })
    }

    /// A heartbeat in the epoch that it is in, with nothing to say.
    fn is_alive(&mut self, member_id: &str) {
        let place = self.group.place_of(member_id).unwrap();
        let epoch = self.group.members[place].epoch;
        self.beat(member_id, epoch, None).unwrap();
    }

    fn assigned(&self, member_id: &str) -> Partitions {
        let place = self.group.place_of(member_id).unwrap();
        self.group.members[place].assigned.clone()
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.group.handle_timeout(self.now);
    }
}

fn beating(member_id: &str, epoch: i32) -> Heartbeat {
    Heartbeat {
        member_id: member_id.to_owned(),
        epoch,
        ..Heartbeat::default()
    }
}

fn joining(member_id: &str) -> Heartbeat {
    Heartbeat {
        rebalance_timeout: Some(REBALANCE),
        topics: Some(BTreeSet::from(["t1".to_owned()])),
        owned: Some(Partitions::new()),
        ..beating(member_id, JOINS)
    }
}

fn static_one(member_id: &str, epoch: i32) -> Heartbeat {
    let heartbeat = if epoch == JOINS {
        joining(member_id)
    } else {
        beating(member_id, epoch)
    };
    Heartbeat {
        instance_id: Some("one".to_owned()),
        ..heartbeat
    }
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "compared with what a heartbeat brings"
)]
fn answer(epoch: i32, assignment: impl Into<Option<Partitions>>) -> Result<Answer, ResponseError> {
    Ok(Answer {
        epoch,
        assignment: assignment.into(),
    })
}

#[test]
fn a_partition_changes_hands_when_its_owner_says_that_it_has_let_go() {
    let mut scene = Scene::new();
    assert_eq!(scene.group.state(), "Empty");
    let all = partitions(1, 0..6);
    assert_eq!(Ok(scene.join("a")), answer(1, all.clone()));
    assert_eq!(scene.group.state(), "Stable");
    // The second is in the new epoch at once, and is given nothing that the first still owns.
    assert_eq!(Ok(scene.join("b")), answer(2, Partitions::new()));
    assert_eq!(scene.group.state(), "Reconciling");
    let Answer { epoch, assignment } = scene.beat("a", 1, None).unwrap();
    let kept = assignment.unwrap();
    assert_eq!(
        (epoch, kept.len()),
        (1, 3),
        "it stays in its epoch until it has let go"
    );
    // Neither silence nor a word of other things is an acknowledgement.
    assert_eq!(scene.beat("a", 1, None), answer(1, None));
    assert_eq!(scene.beat("a", 1, Some(&all)), answer(1, None));
    assert_eq!(scene.beat("b", 2, None), answer(2, None));
    assert_eq!(scene.beat("a", 1, Some(&kept)), answer(2, None));
    let rest: Partitions = all.difference(&kept).copied().collect();
    assert_eq!(scene.beat("b", 2, None), answer(2, rest));
    assert_eq!(scene.group.state(), "Stable");
}

#[test]
fn a_lost_answer_is_forgiven_and_an_older_or_greedier_member_is_fenced() {
    let mut scene = Scene::new();
    let owned = scene.join("a").assignment.unwrap();
    scene.topics.insert("t1".to_owned(), topic(1, 8));
    assert_eq!(
        scene.beat("a", 1, Some(&owned)),
        answer(2, partitions(1, 0..8))
    );
    // The answer was lost: it is in the epoch before, and owns no more than it may.
    assert_eq!(scene.beat("a", 1, Some(&owned)), answer(2, None));
    let fenced = Err(ResponseError::FencedMemberEpoch);
    assert_eq!(scene.beat("a", 1, None), fenced);
    assert_eq!(scene.beat("a", 1, Some(&partitions(1, [9]))), fenced);
    assert_eq!(scene.beat("a", 3, None), fenced);
    let unknown = Err(ResponseError::UnknownMemberId);
    assert_eq!(scene.beat("b", 2, None), unknown);
    // Joining again it has everything at once: nobody else has it.
    assert_eq!(Ok(scene.join("a")), answer(2, partitions(1, 0..8)));
}

#[test]
fn members_that_leave_are_silent_or_hold_on_lose_their_partitions() {
    let mut scene = Scene::new();
    for member in ["a", "b", "c"] {
        scene.join(member);
    }
    let third = scene.beat("a", 1, None).unwrap().assignment.unwrap();
    assert_eq!(third.len(), 2);
    // It never says that it has let go.
    assert_eq!(scene.group.poll_timeout(), Some(scene.now + SESSION));
    scene.pass(REBALANCE / 2);
    for member in ["a", "b", "c"] {
        scene.is_alive(member);
    }
    scene.pass(REBALANCE / 2);
    assert_eq!(scene.group.place_of("a"), None);
    scene.is_alive("b");
    assert_eq!(scene.assigned("b").len(), 3);
    assert_eq!(scene.send(beating("b", LEAVES)), answer(LEAVES, None));
    scene.pass(SESSION);
    assert_eq!(scene.group.state(), "Empty");
    assert_eq!(scene.group.poll_timeout(), None);
}

#[test]
fn a_static_member_that_comes_back_finds_what_it_had_and_a_second_one_is_refused() {
    let mut scene = Scene::new();
    let owned = scene
        .send(static_one("a", JOINS))
        .unwrap()
        .assignment
        .unwrap();
    scene.join("b");
    let kept = scene.send(static_one("a", 1)).unwrap().assignment.unwrap();
    assert!(kept.is_subset(&owned));
    let acknowledged = Heartbeat {
        owned: Some(kept.clone()),
        ..static_one("a", 1)
    };
    assert_eq!(scene.send(acknowledged).unwrap().epoch, 2);
    let second = scene.send(static_one("c", JOINS));
    assert_eq!(second, Err(ResponseError::UnreleasedInstanceId));
    assert_eq!(
        scene.send(static_one("c", 2)),
        Err(ResponseError::FencedInstanceId)
    );
    assert_eq!(
        scene.send(static_one("a", LEAVES_FOR_NOW)),
        answer(LEAVES_FOR_NOW, None)
    );
    assert_eq!(
        scene.send(static_one("a", 2)),
        Err(ResponseError::FencedMemberEpoch)
    );
    // Its partitions wait for it, and the group rebalances for nobody.
    assert_eq!(scene.beat("b", 2, None).unwrap().epoch, 2);
    assert_eq!(scene.send(static_one("c", JOINS)), answer(2, kept));
    assert_eq!(
        scene.send(static_one("a", LEAVES)),
        Err(ResponseError::FencedInstanceId)
    );
    // Or until its session ends.
    assert!(scene.send(static_one("c", LEAVES_FOR_NOW)).is_ok());
    scene.pass(SESSION / 2);
    scene.beat("b", 2, None).unwrap();
    scene.pass(SESSION / 2);
    assert_eq!(scene.beat("b", 2, None), answer(3, partitions(1, 0..6)));
}

#[test]
fn what_makes_no_sense_is_refused_and_changes_nothing() {
    let mut scene = Scene::new();
    let without = |change: fn(&mut Heartbeat)| {
        let mut heartbeat = joining("a");
        change(&mut heartbeat);
        heartbeat
    };
    let senseless = [
        without(|it| it.member_id.clear()),
        without(|it| it.instance_id = Some(String::new())),
        without(|it| it.rebalance_timeout = None),
        without(|it| it.topics = None),
        without(|it| it.owned = None),
        without(|it| it.owned = Some(partitions(1, [0]))),
        without(|it| it.epoch = -3),
        without(|it| it.epoch = LEAVES_FOR_NOW),
    ];
    for heartbeat in senseless {
        let told = format!("{heartbeat:?}");
        assert_eq!(
            scene.send(heartbeat),
            Err(ResponseError::InvalidRequest),
            "{told}"
        );
    }
    let assignor = without(|it| it.assignor = Some("lucky".to_owned()));
    assert_eq!(
        scene.send(assignor),
        Err(ResponseError::UnsupportedAssignor)
    );
    let pattern = without(|it| it.pattern = Some("t-(".to_owned()));
    assert_eq!(
        scene.send(pattern),
        Err(ResponseError::InvalidRegularExpression)
    );
    assert!(scene.group.members.is_empty());
}

#[test]
fn subscriptions_follow_what_members_and_topics_become() {
    let mut scene = Scene::new();
    let by_pattern = Heartbeat {
        topics: Some(BTreeSet::new()),
        pattern: Some("t[12]".to_owned()),
        ..joining("a")
    };
    let both = together([partitions(1, 0..6), partitions(2, 0..2)]);
    assert_eq!(scene.send(by_pattern), answer(1, both.clone()));
    scene.topics.insert("t12".to_owned(), topic(3, 1));
    assert_eq!(
        scene.beat("a", 1, None),
        answer(1, None),
        "it matches as a whole only"
    );
    scene.topics.remove("t2");
    let first = partitions(1, 0..6);
    assert_eq!(scene.beat("a", 1, None), answer(1, first.clone()));
    assert_eq!(scene.beat("a", 1, Some(&first)), answer(2, None));
    let by_name = Heartbeat {
        topics: Some(BTreeSet::from(["t12".to_owned()])),
        pattern: Some(String::new()),
        ..beating("a", 2)
    };
    assert_eq!(scene.send(by_name), answer(2, Partitions::new()));
    let nothing = Partitions::new();
    assert_eq!(
        scene.beat("a", 2, Some(&nothing)),
        answer(3, partitions(3, [0]))
    );
    assert_eq!(scene.group.members[0].pattern(), None);
}

#[test]
fn commits_are_those_of_members_in_their_epoch() {
    let mut scene = Scene::new();
    assert_eq!(scene.group.check_caller("", -1), Ok(()));
    scene.join("a");
    assert_eq!(scene.group.check_caller("a", 1), Ok(()));
    for (member, epoch, refused) in [
        ("", -1, ResponseError::UnknownMemberId),
        ("b", 1, ResponseError::UnknownMemberId),
        ("a", 0, ResponseError::StaleMemberEpoch),
        ("a", 2, ResponseError::StaleMemberEpoch),
    ] {
        assert_eq!(scene.group.check_caller(member, epoch), Err(refused));
    }
}

/// What each of `wants` is given, as indexes into `wants`.
fn assigned(
    assignor: &str,
    wants: &[&[(u8, usize)]],
    last: Option<Vec<Partitions>>,
) -> Vec<Partitions> {
    let topics: Vec<BTreeMap<TopicId, usize>> = wants
        .iter()
        .map(|wants| {
            wants
                .iter()
                .map(|(id, n)| (TopicId([*id; 16]), *n))
                .collect()
        })
        .collect();
    let last = last.unwrap_or_else(|| vec![Partitions::new(); wants.len()]);
    let names: Vec<String> = (0..wants.len()).map(|place| format!("m{place}")).collect();
    let subscribers: Vec<_> = (0..wants.len())
        .map(|place| Subscriber {
            name: &names[place],
            topics: &topics[place],
            last: &last[place],
        })
        .collect();
    assign::by(assignor, &subscribers)
}

#[test]
fn range_gives_blocks_of_each_topic() {
    let wants: [&[(u8, usize)]; 3] = [&[(1, 7), (2, 2)], &[(1, 7), (2, 2)], &[(1, 7)]];
    let given = assigned("range", &wants, None);
    let first = together([partitions(1, 0..3), partitions(2, [0])]);
    let second = together([partitions(1, 3..5), partitions(2, [1])]);
    assert_eq!(given, [first, second, partitions(1, 5..7)]);
}

#[test]
fn uniform_is_even_complete_and_moves_no_more_than_it_must() {
    let all: &[(u8, usize)] = &[(1, 7), (2, 6)];
    let mut given = assigned("uniform", &[all, all], None);
    for members in 3..8 {
        let mut last = given.clone();
        last.push(Partitions::new());
        let wants = vec![all; members];
        given = assigned("uniform", &wants, Some(last.clone()));
        let sizes: Vec<usize> = given.iter().map(Partitions::len).collect();
        assert!(
            sizes.iter().max().unwrap() - sizes.iter().min().unwrap() <= 1,
            "{sizes:?}"
        );
        let everything: Partitions = given.iter().flatten().copied().collect();
        assert_eq!((everything.len(), sizes.iter().sum::<usize>()), (13, 13));
        let moved: usize = given
            .iter()
            .zip(&last)
            .map(|(now, before)| now.difference(before).count())
            .sum();
        assert_eq!(
            moved,
            given[members - 1].len(),
            "only the new one was given something"
        );
    }
    // Who wants little is given what others could have, too.
    let given = assigned("uniform", &[&[(1, 2), (2, 4)], &[(1, 2)]], None);
    assert_eq!(given, [partitions(2, 0..4), partitions(1, 0..2)]);
}
