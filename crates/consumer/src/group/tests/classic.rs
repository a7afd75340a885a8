//! Members of the classic protocol: how they join.

mod cooperative;
mod heartbeat;

use std::sync::Arc;

use bytes::Bytes;
use klamm_codec::ErrorCode;
use tokio::time::Instant;

use super::super::action::{Answer, Commits, Generation, Joined, Refusal, Round, Topics};
use super::super::classic::ClassicMember;
use super::super::protocol::{Assignment, Subscription};
use super::*;
use crate::assign::{AssignableTopic, AssignableTopics, Assignor, RangeAssignor};
use crate::error::Error;

type Classic = Bench<ClassicMember>;

fn joined(generation: i32, leader: &str) -> Joined {
    Joined {
        generation,
        protocol: Some("range".into()),
        leader: leader.into(),
        member_id: "me".into(),
        ..Joined::default()
    }
}

fn assignment(topic: &str, partitions: &[i32]) -> Bytes {
    let assignment = Assignment {
        partitions: vec![(topic.into(), partitions.to_vec())],
        user_data: None,
    };
    assignment.encode()
}

impl Classic {
    fn new(instance_id: Option<&str>) -> Self {
        Self::with(instance_id, Arc::new(RangeAssignor))
    }

    fn with(instance_id: Option<&str>, assignor: Arc<dyn Assignor>) -> Self {
        let now = Instant::now();
        let member = ClassicMember::new(settings(instance_id), vec![assignor], now);
        let mut bench = Self::of(member, now);
        bench.subscribe(&["t"]);
        bench
    }

    fn subscribe(&mut self, topics: &[&str]) {
        let topics = topics.iter().map(|&topic| topic.into()).collect();
        self.member.subscribe(Topics::Named(topics));
    }

    /// What has to go, and whether it is lost.
    fn revokes(&mut self) -> (Vec<i32>, bool) {
        let (gone, lost) = self.gone();
        (gone.iter().map(|at| at.partition).collect(), lost)
    }

    /// What comes; the application takes it.
    fn assigns(&mut self) -> Vec<i32> {
        self.added().iter().map(|at| at.partition).collect()
    }

    /// The generation to commit in.
    fn generation(&self) -> Option<Generation> {
        match self.member.commits() {
            Commits::In(generation) => Some(generation),
            _ => None,
        }
    }

    /// A refused commit.
    fn refused(&mut self, generation: &Generation, code: ErrorCode) -> Refusal {
        let (member, now) = (&mut self.member, self.now);
        member.handle_commit_refused(now, generation, code)
    }

    /// Polls, gives everything up, and sends the join.
    fn start(&mut self) -> Round {
        assert!(self.member.wants_poll());
        self.poll();
        if self.member.is_busy() {
            self.revokes();
            self.member.handle_revoked(self.now);
        }
        self.join_sent().0
    }

    fn join_sent(&mut self) -> (Round, Arc<str>) {
        match self.only() {
            Action::Join {
                round, member_id, ..
            } => (round, member_id),
            other => panic!("{other:?}"),
        }
    }

    fn sync_sent(&mut self) -> Round {
        match self.only() {
            Action::Sync {
                round, assignments, ..
            } => {
                assert!(assignments.is_empty());
                round
            }
            other => panic!("{other:?}"),
        }
    }

    fn handle_join(&mut self, round: Round, outcome: Result<Joined, Failure>) {
        let answer = Answer::Joined(round, outcome);
        self.member.handle_answer(self.now, answer);
    }

    fn handle_sync(&mut self, round: Round, outcome: Result<Bytes, Failure>) {
        let answer = Answer::Synced(round, outcome);
        self.member.handle_answer(self.now, answer);
    }

    fn describe(&mut self, round: Round, topics: &[(&str, i32)]) {
        let described: AssignableTopics = topics
            .iter()
            .map(|&(name, count)| (name.into(), AssignableTopic::new(count)))
            .collect();
        let answer = Answer::Described(round, described);
        self.member.handle_answer(self.now, answer);
    }

    /// A follower whose sync is under way.
    fn completing(instance_id: Option<&str>) -> (Self, Round) {
        let mut bench = Self::new(instance_id);
        let round = bench.start();
        bench.handle_join(round, Ok(joined(1, "other")));
        let round = bench.sync_sent();
        (bench, round)
    }

    /// A follower that owns t-0.
    fn stable_with(instance_id: Option<&str>) -> Self {
        let (mut bench, round) = Self::completing(instance_id);
        bench.handle_sync(round, Ok(assignment("t", &[0])));
        assert_eq!(bench.assigns(), [0]);
        assert!(!bench.member.wants_poll());
        bench
    }

    fn stable() -> Self {
        Self::stable_with(None)
    }

    fn heartbeat_sent(&mut self) -> Generation {
        self.wait(3 * SECOND);
        match self.only() {
            Action::Heartbeat(generation) => generation,
            other => panic!("{other:?}"),
        }
    }

    fn heartbeat(&mut self, outcome: Result<(), Failure>) {
        let generation = self.heartbeat_sent();
        let answer = Answer::Heartbeat(generation, outcome);
        self.member.handle_answer(self.now, answer);
    }

    /// The pause before the next join is over.
    fn rejoins_after_a_pause(&mut self) -> Arc<str> {
        self.none();
        self.wait(79 * MILLISECOND);
        self.none();
        self.wait(42 * MILLISECOND);
        self.join_sent().1
    }

    fn reports(&mut self, expected: ErrorCode) {
        match self.only() {
            Action::Report(error) => assert_eq!(error.code(), Some(expected)),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_member_joins_only_inside_of_poll() {
    let mut bench = Classic::new(None);
    bench.wait(1000 * SECOND);
    bench.none();
    assert!(bench.member.wants_poll());
    assert_eq!(bench.generation(), None);
    bench.start();
    assert!(!bench.member.wants_poll());
}

#[test]
fn a_subscription_goes_out_with_the_join() {
    let mut bench = Classic::new(None);
    bench.poll();
    let Action::Join {
        protocols,
        member_id,
        ..
    } = bench.only()
    else {
        panic!("no join")
    };
    assert_eq!(&*protocols[0].0, "range");
    let subscription = Subscription::decode(&protocols[0].1).unwrap();
    assert_eq!(subscription.topics, ["t".into()]);
    assert_eq!((subscription.generation, &*member_id), (-1, ""));
}

#[test]
fn a_new_member_joins_again_with_the_id_it_is_given() {
    let mut bench = Classic::new(None);
    let round = bench.start();
    let given = Failure::Code(ErrorCode::MEMBER_ID_REQUIRED, Some("given".into()));
    bench.handle_join(round, Err(given));
    assert_eq!(&*bench.join_sent().1, "given");
}

#[test]
fn a_follower_syncs_with_nothing_and_takes_what_it_gets() {
    let mut bench = Classic::stable();
    let generation = bench.generation().unwrap();
    assert_eq!((generation.id, &*generation.member_id), (1, "me"));
    bench.none();
}

#[test]
fn the_leader_assigns_by_the_counts_of_all_topics_of_the_group() {
    let mut bench = Classic::new(None);
    let round = bench.start();
    let subscribes = |topics: &[&str]| {
        let topics = topics.iter().map(|&topic| topic.into()).collect();
        Subscription {
            topics,
            ..Subscription::default()
        }
        .encode()
    };
    let mut answer = joined(1, "me");
    answer.members = vec![
        ("me".into(), None, subscribes(&["t"])),
        ("you".into(), None, subscribes(&["t", "u"])),
    ];
    bench.handle_join(round, Ok(answer));
    let Action::Describe { round, topics } = bench.only() else {
        panic!("does not look at the topics")
    };
    assert_eq!(topics, ["t".into(), "u".into()]);
    bench.describe(round, &[("t", 3), ("u", 1)]);
    let Action::Sync {
        round,
        assignments,
        protocol,
        ..
    } = bench.only()
    else {
        panic!("does not sync")
    };
    assert_eq!(&*protocol, "range");
    let given: Vec<_> = assignments
        .iter()
        .map(|(member, bytes)| (&**member, Assignment::decode(bytes).unwrap().partitions))
        .collect();
    assert_eq!(
        given,
        [
            ("me", vec![("t".into(), vec![0, 1])]),
            ("you", vec![("t".into(), vec![2]), ("u".into(), vec![0])]),
        ]
    );
    bench.handle_sync(round, Ok(assignment("t", &[0, 1])));
    bench.actions();

    // The leader watches the topics of all members.
    bench.member.handle_assigned(bench.now);
    let three = |topic: &str| (topic == "t").then_some(AssignableTopic::new(3));
    bench.member.handle_metadata(&three);
    assert!(!bench.member.wants_poll());
    let grown = |topic: &str| Some(AssignableTopic::new(if topic == "t" { 3 } else { 2 }));
    bench.member.handle_metadata(&grown);
    assert!(bench.member.wants_poll());
}

#[test]
fn a_returning_static_leader_does_not_assign_anew() {
    let mut bench = Classic::new(Some("i"));
    let round = bench.start();
    let mut answer = joined(1, "me");
    answer.skip_assignment = true;
    let subscription = Subscription {
        topics: vec!["t".into()],
        ..Subscription::default()
    };
    answer.members = vec![("me".into(), Some("i".into()), subscription.encode())];
    bench.handle_join(round, Ok(answer));
    let mut actions = bench.actions();
    let Some(Action::Sync {
        round, assignments, ..
    }) = actions.pop()
    else {
        panic!("{actions:?}")
    };
    assert!(assignments.is_empty());
    bench.handle_sync(round, Ok(assignment("t", &[0])));
    assert_eq!(bench.assigns(), [0]);
    // It watches the topics all the same.
    let Some(Action::Describe { round, .. }) = actions.pop() else {
        panic!("does not look at the topics")
    };
    bench.describe(round, &[("t", 1)]);
    bench.none();
    bench
        .member
        .handle_metadata(&|_| Some(AssignableTopic::new(1)));
    assert!(!bench.member.wants_poll());
    bench
        .member
        .handle_metadata(&|_| Some(AssignableTopic::new(2)));
    assert!(bench.member.wants_poll());
}

#[test]
fn join_errors_that_pass_are_tried_again_after_a_pause() {
    for (failure, forgets) in [
        (code(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS), false),
        (code(ErrorCode::REBALANCE_IN_PROGRESS), false),
        (code(ErrorCode::NOT_COORDINATOR), true),
        (code(ErrorCode::COORDINATOR_NOT_AVAILABLE), true),
        (unreachable(), true),
    ] {
        let mut bench = Classic::new(None);
        let round = bench.start();
        bench.handle_join(round, Err(failure.clone()));
        if forgets {
            assert!(
                matches!(bench.only(), Action::ForgetCoordinator),
                "{failure:?}"
            );
        }
        bench.rejoins_after_a_pause();
    }
}

#[test]
fn an_unknown_member_joins_at_once_without_its_id_then_with_pauses() {
    let mut bench = Classic::new(None);
    let round = bench.start();
    bench.handle_join(round, Err(code(ErrorCode::UNKNOWN_MEMBER_ID)));
    let (round, member_id) = bench.join_sent();
    assert_eq!(&*member_id, "");
    bench.handle_join(round, Err(code(ErrorCode::UNKNOWN_MEMBER_ID)));
    bench.rejoins_after_a_pause();
}

#[test]
fn pauses_between_joins_grow_only_when_another_coordinator_has_had_its_time() {
    let mut bench = Classic::new(None);
    let mut round = bench.start();
    let away = bench.now;
    let mut longest = Duration::ZERO;
    while bench.now < away + 20 * SECOND {
        bench.handle_join(round, Err(code(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS)));
        bench.none();
        let failed = bench.now;
        bench.now = bench.member.next_timeout(None).unwrap();
        longest = longest.max(bench.now - failed);
        if bench.now < away + 10 * SECOND {
            assert!(longest <= 120 * MILLISECOND, "{longest:?}");
        }
        bench.wait(Duration::ZERO);
        round = bench.join_sent().0;
    }
    assert!(longest >= 800 * MILLISECOND, "{longest:?}");
}

#[test]
fn join_errors_that_stay_are_reported_and_the_next_poll_tries_again() {
    for refused in [
        ErrorCode::INCONSISTENT_GROUP_PROTOCOL,
        ErrorCode::INVALID_SESSION_TIMEOUT,
        ErrorCode::INVALID_GROUP_ID,
        ErrorCode::GROUP_AUTHORIZATION_FAILED,
        ErrorCode::GROUP_MAX_SIZE_REACHED,
        ErrorCode::UNKNOWN_SERVER_ERROR,
    ] {
        let mut bench = Classic::new(None);
        let round = bench.start();
        bench.handle_join(round, Err(code(refused)));
        bench.reports(refused);
        bench.wait(1000 * SECOND);
        bench.none();
        bench.start();
    }
}

#[test]
fn a_fenced_static_member_never_joins_again() {
    let mut bench = Classic::new(Some("i"));
    let round = bench.start();
    bench.handle_join(round, Err(code(ErrorCode::FENCED_INSTANCE_ID)));
    match bench.only() {
        Action::Report(error) => assert!(error.is_fatal()),
        other => panic!("{other:?}"),
    }
    assert!(!bench.member.wants_poll());
    bench.poll();
    bench.none();
}

#[test]
fn sync_errors_lead_to_another_join() {
    for (failure, member_id) in [
        (ErrorCode::REBALANCE_IN_PROGRESS, "me"),
        (ErrorCode::ILLEGAL_GENERATION, "me"),
        (ErrorCode::UNKNOWN_MEMBER_ID, ""),
    ] {
        let (mut bench, round) = Classic::completing(None);
        bench.handle_sync(round, Err(code(failure)));
        assert_eq!(&*bench.join_sent().1, member_id, "{failure}");
    }
    // The others wait for this member: it never pauses for their coming and going.
    let (mut bench, mut round) = Classic::completing(None);
    for generation in 2..9 {
        bench.handle_sync(round, Err(code(ErrorCode::REBALANCE_IN_PROGRESS)));
        let (join, _) = bench.join_sent();
        bench.handle_join(join, Ok(joined(generation, "other")));
        round = bench.sync_sent();
    }
    for failure in [
        code(ErrorCode::NOT_COORDINATOR),
        code(ErrorCode::COORDINATOR_NOT_AVAILABLE),
        unreachable(),
    ] {
        let (mut bench, round) = Classic::completing(None);
        bench.handle_sync(round, Err(failure));
        assert!(matches!(bench.only(), Action::ForgetCoordinator));
        assert_eq!(&*bench.rejoins_after_a_pause(), "me");
    }
    let (mut bench, round) = Classic::completing(None);
    bench.handle_sync(round, Err(code(ErrorCode::GROUP_AUTHORIZATION_FAILED)));
    bench.reports(ErrorCode::GROUP_AUTHORIZATION_FAILED);
}

#[test]
fn an_assignment_of_other_topics_leads_to_another_join() {
    let (mut bench, round) = Classic::completing(None);
    bench.subscribe(&["u"]);
    bench.handle_sync(round, Ok(assignment("t", &[0])));
    bench.join_sent();
}

#[test]
fn an_assignment_that_cannot_be_read_is_reported() {
    let (mut bench, round) = Classic::completing(None);
    bench.handle_sync(round, Ok(Bytes::from_static(&[0, 3, 9])));
    assert!(matches!(
        bench.only(),
        Action::Report(Error::GroupProtocol { .. })
    ));
}
