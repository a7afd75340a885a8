//! The membership state machine: every transition, every error, every stale answer.

mod cooperative;
mod next_gen;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use klamm_codec::ErrorCode;
use klamm_net::Backoff;
use tokio::time::Instant;

use super::action::{
    Action, Answer, Commits, Failure, Generation, Joined, Leaving, MemberSettings, Membership,
    Refusal, Round, Topics,
};
use super::classic::ClassicMember;
use super::protocol::{Assignment, Subscription};
use crate::assign::{AssignableTopic, AssignableTopics, Assignor, RangeAssignor};
use crate::error::Error;

const SECOND: Duration = Duration::from_secs(1);
const MILLISECOND: Duration = Duration::from_millis(1);

/// A member with a clock; `polled_at` as the application would leave it.
struct Bench {
    member: ClassicMember,
    now: Instant,
    polled_at: Option<Instant>,
}

fn code(code: ErrorCode) -> Failure {
    Failure::Code(code, Some(Arc::from("")))
}

fn unreachable() -> Failure {
    Failure::Net(klamm_net::Error::UnknownNode { node: 1 })
}

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

impl Bench {
    fn new(instance_id: Option<&str>) -> Self {
        Self::with(instance_id, Arc::new(RangeAssignor))
    }

    fn with(instance_id: Option<&str>, assignor: Arc<dyn Assignor>) -> Self {
        let now = Instant::now();
        let settings = MemberSettings {
            group_id: "g".to_owned(),
            instance_id: instance_id.map(str::to_owned),
            rack: None,
            session_timeout: 45 * SECOND,
            heartbeat_interval: 3 * SECOND,
            max_poll_interval: 300 * SECOND,
            retry_backoff: Backoff {
                initial: 100 * MILLISECOND,
                max: SECOND,
            },
        };
        let mut bench = Self {
            member: ClassicMember::new(settings, vec![assignor], now),
            now,
            polled_at: None,
        };
        bench.subscribe(&["t"]);
        bench
    }

    fn subscribe(&mut self, topics: &[&str]) {
        let topics = topics.iter().map(|&topic| topic.into()).collect();
        self.member.subscribe(Topics::Named(topics));
    }

    fn poll(&mut self) {
        self.member.handle_poll(self.now);
    }

    /// What has to go, and whether it is lost.
    fn revokes(&mut self) -> (Vec<i32>, bool) {
        match self.only() {
            Action::Revoke { partitions, lost } => {
                (partitions.iter().map(|at| at.partition).collect(), lost)
            }
            other => panic!("{other:?}"),
        }
    }

    /// What comes; the application takes it.
    fn assigns(&mut self) -> Vec<i32> {
        let added = match self.only() {
            Action::Assign(added) => added.iter().map(|at| at.partition).collect(),
            other => panic!("{other:?}"),
        };
        self.member.handle_assigned(self.now);
        added
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

    fn actions(&mut self) -> Vec<Action> {
        std::iter::from_fn(|| self.member.poll_action()).collect()
    }

    fn only(&mut self) -> Action {
        let mut actions = self.actions();
        assert_eq!(actions.len(), 1, "{actions:?}");
        actions.remove(0)
    }

    fn none(&mut self) {
        let actions = self.actions();
        assert!(actions.is_empty(), "{actions:?}");
    }

    fn wait(&mut self, time: Duration) {
        self.now += time;
        self.member.handle_timeout(self.now, self.polled_at);
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
        self.wait(321 * MILLISECOND);
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
    let mut bench = Bench::new(None);
    bench.wait(1000 * SECOND);
    bench.none();
    assert!(bench.member.wants_poll());
    assert_eq!(bench.generation(), None);
    bench.start();
    assert!(!bench.member.wants_poll());
}

#[test]
fn a_subscription_goes_out_with_the_join() {
    let mut bench = Bench::new(None);
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
    let mut bench = Bench::new(None);
    let round = bench.start();
    let given = Failure::Code(ErrorCode::MEMBER_ID_REQUIRED, Some("given".into()));
    bench.handle_join(round, Err(given));
    assert_eq!(&*bench.join_sent().1, "given");
}

#[test]
fn a_follower_syncs_with_nothing_and_takes_what_it_gets() {
    let mut bench = Bench::stable();
    let generation = bench.generation().unwrap();
    assert_eq!((generation.id, &*generation.member_id), (1, "me"));
    bench.none();
}

#[test]
fn the_leader_assigns_by_the_counts_of_all_topics_of_the_group() {
    let mut bench = Bench::new(None);
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
    let mut bench = Bench::new(Some("i"));
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
        let mut bench = Bench::new(None);
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
    let mut bench = Bench::new(None);
    let round = bench.start();
    bench.handle_join(round, Err(code(ErrorCode::UNKNOWN_MEMBER_ID)));
    let (round, member_id) = bench.join_sent();
    assert_eq!(&*member_id, "");
    bench.handle_join(round, Err(code(ErrorCode::UNKNOWN_MEMBER_ID)));
    bench.rejoins_after_a_pause();
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
        let mut bench = Bench::new(None);
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
    let mut bench = Bench::new(Some("i"));
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
        let (mut bench, round) = Bench::completing(None);
        bench.handle_sync(round, Err(code(failure)));
        assert_eq!(&*bench.join_sent().1, member_id, "{failure}");
    }
    // The others wait for this member: it never pauses for their coming and going.
    let (mut bench, mut round) = Bench::completing(None);
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
        let (mut bench, round) = Bench::completing(None);
        bench.handle_sync(round, Err(failure));
        assert!(matches!(bench.only(), Action::ForgetCoordinator));
        assert_eq!(&*bench.rejoins_after_a_pause(), "me");
    }
    let (mut bench, round) = Bench::completing(None);
    bench.handle_sync(round, Err(code(ErrorCode::GROUP_AUTHORIZATION_FAILED)));
    bench.reports(ErrorCode::GROUP_AUTHORIZATION_FAILED);
}

#[test]
fn an_assignment_of_other_topics_leads_to_another_join() {
    let (mut bench, round) = Bench::completing(None);
    bench.subscribe(&["u"]);
    bench.handle_sync(round, Ok(assignment("t", &[0])));
    bench.join_sent();
}

#[test]
fn an_assignment_that_cannot_be_read_is_reported() {
    let (mut bench, round) = Bench::completing(None);
    bench.handle_sync(round, Ok(Bytes::from_static(&[0, 3, 9])));
    assert!(matches!(
        bench.only(),
        Action::Report(Error::GroupProtocol { .. })
    ));
}

#[test]
fn heartbeats_begin_with_the_join_and_need_no_poll() {
    let (mut bench, round) = Bench::completing(None);
    bench.heartbeat(Ok(()));
    bench.handle_sync(round, Ok(assignment("t", &[0])));
    bench.actions();
    for _ in 0..100 {
        bench.heartbeat(Ok(()));
    }
    bench.none();
}

#[test]
fn a_rebalance_waits_for_the_application_and_keeps_the_member_alive_meanwhile() {
    let mut bench = Bench::stable();
    for _ in 0..5 {
        bench.heartbeat(Err(code(ErrorCode::REBALANCE_IN_PROGRESS)));
        bench.none();
        assert!(bench.member.wants_poll());
        assert!(bench.generation().is_some(), "commits are still fine");
    }
    bench.poll();
    assert_eq!(bench.revokes(), (vec![0], false));
    assert!(bench.generation().is_some(), "the last commit goes out now");
    bench.heartbeat(Ok(()));
    bench.member.handle_revoked(bench.now);
    assert_eq!(&*bench.join_sent().1, "me");
    assert_eq!(bench.generation(), None);
}

#[test]
fn a_rebalance_while_completing_is_left_to_the_sync() {
    let (mut bench, _) = Bench::completing(None);
    bench.heartbeat(Err(code(ErrorCode::REBALANCE_IN_PROGRESS)));
    bench.none();
    assert!(!bench.member.wants_poll());
}

#[test]
fn a_lost_member_gives_its_partitions_up_without_a_commit() {
    for (lost, member_id) in [
        (ErrorCode::UNKNOWN_MEMBER_ID, ""),
        (ErrorCode::ILLEGAL_GENERATION, "me"),
    ] {
        let mut bench = Bench::stable();
        bench.heartbeat(Err(code(lost)));
        bench.none();
        assert!(bench.member.wants_poll());
        assert_eq!(bench.generation(), None);
        bench.poll();
        assert_eq!(bench.revokes(), (vec![0], true));
        bench.member.handle_revoked(bench.now);
        assert_eq!(&*bench.join_sent().1, member_id, "{lost}");
    }
}

#[test]
fn a_member_lost_while_completing_joins_again_by_itself() {
    let (mut bench, stale) = Bench::completing(None);
    bench.heartbeat(Err(code(ErrorCode::UNKNOWN_MEMBER_ID)));
    assert_eq!(&*bench.join_sent().1, "");
    bench.handle_sync(stale, Ok(assignment("t", &[0])));
    bench.none();
}

#[test]
fn a_heartbeat_without_an_answer_is_repeated_soon_and_the_coordinator_looked_up() {
    for failure in [
        unreachable(),
        code(ErrorCode::NOT_COORDINATOR),
        code(ErrorCode::COORDINATOR_NOT_AVAILABLE),
    ] {
        let mut bench = Bench::stable();
        bench.heartbeat(Err(failure));
        assert!(matches!(bench.only(), Action::ForgetCoordinator));
        bench.wait(121 * MILLISECOND);
        assert!(matches!(bench.only(), Action::Heartbeat(_)));
    }
}

#[test]
fn a_silent_coordinator_is_looked_up_when_the_session_ends() {
    let mut bench = Bench::stable();
    bench.heartbeat_sent();
    bench.wait(40 * SECOND);
    bench.none();
    bench.wait(2 * SECOND);
    assert!(matches!(bench.only(), Action::ForgetCoordinator));
}

#[test]
fn fatal_heartbeat_errors_are_reported() {
    let mut bench = Bench::stable();
    bench.heartbeat(Err(code(ErrorCode::GROUP_AUTHORIZATION_FAILED)));
    bench.reports(ErrorCode::GROUP_AUTHORIZATION_FAILED);
    assert!(bench.member.wants_poll());
    let mut bench = Bench::stable_with(Some("i"));
    bench.heartbeat(Err(code(ErrorCode::FENCED_INSTANCE_ID)));
    bench.reports(ErrorCode::FENCED_INSTANCE_ID);
    assert!(!bench.member.wants_poll());
}

#[test]
fn an_application_that_does_not_poll_loses_its_membership() {
    let mut bench = Bench::stable();
    bench.polled_at = Some(bench.now);
    bench.wait(299 * SECOND);
    bench.actions();
    bench.wait(SECOND);
    match bench.only() {
        Action::Leave { member_id, .. } => assert_eq!(&*member_id, "me"),
        other => panic!("{other:?}"),
    }
    bench.wait(1000 * SECOND);
    bench.none();
    bench.poll();
    assert_eq!(bench.revokes(), (vec![0], true));
}

#[test]
fn a_poll_that_waits_is_no_absence() {
    let mut bench = Bench::stable();
    for _ in 0..1000 {
        bench.heartbeat(Ok(()));
    }
    bench.none();
}

#[test]
fn a_dynamic_member_leaves_and_a_static_one_stays() {
    let mut bench = Bench::stable();
    bench.member.leave(Leaving::ForGood, "closing");
    assert!(matches!(bench.only(), Action::Leave { .. }));
    assert!(!bench.member.wants_poll());
    let mut bench = Bench::stable_with(Some("i"));
    bench.member.leave(Leaving::ForNow, "closing");
    bench.none();
}

#[test]
fn stale_answers_change_nothing() {
    // A join and a sync of an earlier round.
    let mut bench = Bench::new(None);
    let stale = bench.start();
    bench.handle_join(stale, Err(code(ErrorCode::UNKNOWN_MEMBER_ID)));
    let (round, _) = bench.join_sent();
    bench.handle_join(stale, Ok(joined(9, "me")));
    bench.handle_join(stale, Err(code(ErrorCode::FENCED_INSTANCE_ID)));
    bench.none();
    bench.handle_join(round, Ok(joined(1, "other")));
    let round = bench.sync_sent();
    bench.handle_sync(stale, Ok(assignment("t", &[5])));
    bench.handle_sync(stale, Err(code(ErrorCode::UNKNOWN_MEMBER_ID)));
    bench.none();
    bench.handle_sync(round, Ok(assignment("t", &[0])));
    assert_eq!(bench.assigns(), [0]);

    // A heartbeat and a commit of an earlier generation.
    let old = Generation {
        id: 0,
        member_id: "me".into(),
    };
    let unknown = ErrorCode::UNKNOWN_MEMBER_ID;
    let answer = Answer::Heartbeat(old.clone(), Err(code(unknown)));
    bench.member.handle_answer(bench.now, answer);
    let refusal = bench.refused(&old, unknown);
    assert!(matches!(
        refusal,
        Refusal::Failed(Error::CommitFailed { .. })
    ));
    bench.none();
    assert!(!bench.member.wants_poll());
    assert_eq!(bench.generation().unwrap().id, 1);
}

#[test]
fn a_refused_commit_says_what_happened_and_starts_over() {
    for lost in [ErrorCode::UNKNOWN_MEMBER_ID, ErrorCode::ILLEGAL_GENERATION] {
        let mut bench = Bench::stable();
        let generation = bench.generation().unwrap();
        let refusal = bench.refused(&generation, lost);
        assert!(matches!(
            refusal,
            Refusal::Failed(Error::CommitFailed { .. })
        ));
        assert!(bench.member.wants_poll());
        // Another one of the same generation, answered later.
        let refusal = bench.refused(&generation, lost);
        assert!(matches!(
            refusal,
            Refusal::Failed(Error::RebalanceInProgress { .. })
        ));
    }
    let mut bench = Bench::stable();
    let generation = bench.generation().unwrap();
    let refusal = bench.refused(&generation, ErrorCode::REBALANCE_IN_PROGRESS);
    assert!(matches!(
        refusal,
        Refusal::Failed(Error::RebalanceInProgress { .. })
    ));
    assert!(bench.member.wants_poll());
    assert!(bench.generation().is_some(), "the generation is kept");
    let refusal = bench.refused(&generation, ErrorCode::OFFSET_METADATA_TOO_LARGE);
    assert!(matches!(refusal, Refusal::NotOfMembership));
}

#[test]
fn a_new_subscription_leads_to_another_join_in_the_next_poll() {
    let mut bench = Bench::stable();
    bench.subscribe(&["t", "u"]);
    bench.none();
    bench.start();
}
