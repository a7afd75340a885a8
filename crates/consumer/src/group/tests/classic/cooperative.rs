//! Members that keep what they own while their group rebalances (KIP-429).

use super::*;
use crate::assign::CooperativeStickyAssignor;

fn joined(generation: i32) -> Joined {
    Joined {
        protocol: Some("cooperative-sticky".into()),
        ..super::joined(generation, "other")
    }
}

fn new() -> Classic {
    Classic::with(None, Arc::new(CooperativeStickyAssignor))
}

/// A follower that owns `partitions` of t.
fn stable(partitions: &[i32]) -> Classic {
    let mut bench = new();
    let round = bench.start();
    bench.handle_join(round, Ok(joined(1)));
    let round = bench.sync_sent();
    bench.handle_sync(round, Ok(assignment("t", partitions)));
    assert_eq!(bench.assigns(), partitions);
    bench.none();
    bench
}

/// The subscription that goes out with a join.
fn join_of(bench: &mut Classic) -> (Round, Subscription) {
    match bench.only() {
        Action::Join {
            round, protocols, ..
        } => (round, Subscription::decode(&protocols[0].1).unwrap()),
        other => panic!("{other:?}"),
    }
}

/// Joins again in the next generation and is given `partitions`.
fn rebalance(bench: &mut Classic, partitions: &[i32]) {
    bench.heartbeat(Err(code(ErrorCode::REBALANCE_IN_PROGRESS)));
    let (round, _) = join_of(bench);
    bench.handle_join(round, Ok(joined(2)));
    let round = bench.sync_sent();
    bench.handle_sync(round, Ok(assignment("t", partitions)));
}

#[test]
fn a_member_joins_again_with_what_it_owns_and_without_waiting_for_a_poll() {
    let mut bench = stable(&[0, 1]);
    bench.heartbeat(Err(code(ErrorCode::REBALANCE_IN_PROGRESS)));
    let (round, subscription) = join_of(&mut bench);
    assert_eq!(subscription.owned, [("t".into(), vec![0, 1])]);
    assert_eq!(subscription.generation, 1);
    assert_eq!(subscription.user_data.as_deref(), Some(&[0, 0, 0, 1][..]));
    assert!(!bench.member.wants_poll());
    // Brokers take commits until all have joined.
    assert_eq!(bench.generation().unwrap().id, 1);
    bench.handle_join(round, Ok(joined(2)));
    bench.sync_sent();
    assert_eq!(bench.member.commits(), Commits::Soon);
}

#[test]
fn a_member_that_keeps_everything_is_told_so_and_never_stops() {
    let mut bench = stable(&[0, 1]);
    rebalance(&mut bench, &[0, 1]);
    assert_eq!(bench.assigns(), [0; 0]);
    bench.none();
    assert_eq!(bench.generation().unwrap().id, 2);
}

#[test]
fn additions_need_no_poll() {
    let mut bench = stable(&[0]);
    rebalance(&mut bench, &[0, 1]);
    assert_eq!(bench.assigns(), [1]);
    bench.none();
}

#[test]
fn what_is_not_given_again_goes_inside_of_a_poll_and_then_the_member_joins_again() {
    let mut bench = stable(&[0, 1, 2]);
    rebalance(&mut bench, &[0, 3]);
    bench.none();
    assert!(bench.member.wants_poll());
    assert_eq!(bench.generation().unwrap().id, 2, "commits go on meanwhile");
    bench.poll();
    assert_eq!(bench.revokes(), (vec![1, 2], false));
    assert!(bench.member.is_busy());
    bench.heartbeat(Ok(()));
    bench.member.handle_revoked(bench.now);
    assert_eq!(bench.owned(), [0]);
    match bench.only() {
        Action::Assign(added) => assert_eq!(added.len(), 1),
        other => panic!("{other:?}"),
    }
    bench.member.handle_assigned(bench.now);
    let (_, subscription) = join_of(&mut bench);
    assert_eq!(subscription.owned, [("t".into(), vec![0, 3])]);
}

#[test]
fn a_new_rebalance_replaces_what_still_waits_for_a_poll() {
    let mut bench = stable(&[0, 1]);
    rebalance(&mut bench, &[0]);
    bench.heartbeat(Err(code(ErrorCode::REBALANCE_IN_PROGRESS)));
    let (round, subscription) = join_of(&mut bench);
    assert_eq!(subscription.owned, [("t".into(), vec![0, 1])]);
    bench.handle_join(round, Ok(joined(3)));
    let round = bench.sync_sent();
    bench.handle_sync(round, Ok(assignment("t", &[0, 1])));
    assert_eq!(bench.assigns(), [0; 0]);
    assert!(!bench.member.wants_poll());
}

#[test]
fn a_rebalance_waits_until_partitions_have_changed_hands() {
    let mut bench = stable(&[0, 1]);
    rebalance(&mut bench, &[0]);
    bench.poll();
    bench.revokes();
    bench.heartbeat(Err(code(ErrorCode::REBALANCE_IN_PROGRESS)));
    bench.none();
    bench.member.handle_revoked(bench.now);
    assert_eq!(bench.assigns(), [0; 0]);
    let (_, subscription) = join_of(&mut bench);
    assert_eq!(subscription.owned, [("t".into(), vec![0])]);
}

#[test]
fn topics_that_are_not_wanted_any_more_go_before_the_join() {
    let mut bench = stable(&[0, 1]);
    bench.subscribe(&["u"]);
    bench.none();
    assert!(bench.member.wants_poll());
    bench.poll();
    assert_eq!(bench.revokes(), (vec![0, 1], false));
    bench.member.handle_revoked(bench.now);
    let (_, subscription) = join_of(&mut bench);
    assert!(subscription.owned.is_empty());
    assert_eq!(subscription.topics, ["u".into()]);
}

#[test]
fn a_lost_member_loses_everything_inside_of_a_poll_wherever_it_stands() {
    // Stable.
    let mut bench = stable(&[0, 1]);
    bench.heartbeat(Err(code(ErrorCode::UNKNOWN_MEMBER_ID)));
    loses(&mut bench);
    // Joining.
    let mut bench = stable(&[0, 1]);
    bench.heartbeat(Err(code(ErrorCode::REBALANCE_IN_PROGRESS)));
    let (round, _) = join_of(&mut bench);
    bench.handle_join(round, Err(code(ErrorCode::UNKNOWN_MEMBER_ID)));
    loses(&mut bench);
    // Completing.
    let mut bench = stable(&[0, 1]);
    bench.heartbeat(Err(code(ErrorCode::REBALANCE_IN_PROGRESS)));
    let (round, _) = join_of(&mut bench);
    bench.handle_join(round, Ok(joined(2)));
    let round = bench.sync_sent();
    bench.handle_sync(round, Err(code(ErrorCode::ILLEGAL_GENERATION)));
    loses(&mut bench);
    // While a part of it is being given up.
    let mut bench = stable(&[0, 1, 2]);
    rebalance(&mut bench, &[0, 1]);
    bench.poll();
    bench.revokes();
    bench.heartbeat(Err(code(ErrorCode::UNKNOWN_MEMBER_ID)));
    bench.none();
    bench.member.handle_revoked(bench.now);
    assert_eq!(bench.assigns(), [0; 0]);
    loses(&mut bench);
}

fn loses(bench: &mut Classic) {
    bench.none();
    assert!(bench.member.wants_poll());
    assert_eq!(bench.member.commits(), Commits::Refused);
    bench.poll();
    assert_eq!(bench.revokes(), (vec![0, 1], true));
    bench.member.handle_revoked(bench.now);
    let (_, subscription) = join_of(bench);
    assert_eq!((subscription.owned.len(), subscription.generation), (0, -1));
}

#[test]
fn commits_of_partitions_that_stay_are_tried_again_in_the_next_generation() {
    let mut bench = stable(&[0]);
    let first = bench.generation().unwrap();
    bench.heartbeat(Err(code(ErrorCode::REBALANCE_IN_PROGRESS)));
    let (round, _) = join_of(&mut bench);
    // The broker completes the join while the commit is on its way.
    for refused in [
        ErrorCode::REBALANCE_IN_PROGRESS,
        ErrorCode::ILLEGAL_GENERATION,
    ] {
        assert!(matches!(bench.refused(&first, refused), Refusal::Again));
    }
    bench.handle_join(round, Ok(joined(2)));
    let round = bench.sync_sent();
    let illegal = ErrorCode::ILLEGAL_GENERATION;
    assert!(matches!(bench.refused(&first, illegal), Refusal::Again));
    bench.handle_sync(round, Ok(assignment("t", &[0])));
    bench.assigns();
    assert!(matches!(bench.refused(&first, illegal), Refusal::Again));
    // In the current generation it means that the member is lost.
    let second = bench.generation().unwrap();
    assert!(matches!(
        bench.refused(&second, illegal),
        Refusal::Failed(Error::CommitFailed { .. })
    ));
    assert!(matches!(
        bench.refused(&first, illegal),
        Refusal::Failed(Error::RebalanceInProgress { .. })
    ));
}

#[test]
fn the_leader_withholds_what_another_member_still_owns() {
    let mut bench = new();
    let round = bench.start();
    let subscription = |owned: &[i32]| {
        Subscription {
            topics: vec!["t".into()],
            owned: vec![("t".into(), owned.to_vec())],
            generation: 4,
            ..Subscription::default()
        }
        .encode()
    };
    let mut answer = joined(5);
    answer.leader = "me".into();
    answer.members = vec![
        ("me".into(), None, subscription(&[])),
        ("you".into(), None, subscription(&[0, 1, 2, 3])),
    ];
    bench.handle_join(round, Ok(answer));
    let Action::Describe { round, .. } = bench.only() else {
        panic!("does not look at the topics")
    };
    bench.describe(round, &[("t", 5)]);
    let Action::Sync { assignments, .. } = bench.only() else {
        panic!("does not sync")
    };
    let given: Vec<_> = assignments
        .iter()
        .map(|(_, bytes)| Assignment::decode(bytes).unwrap().partitions)
        .collect();
    // Three and two in the end; for now nobody has the one that moves.
    assert_eq!(given[0], [("t".into(), vec![4])]);
    assert_eq!(given[1], [("t".into(), vec![0, 1, 2])]);
}

impl Classic {
    fn owned(&self) -> Vec<i32> {
        let (owned, _) = self.member.owned();
        owned.iter().map(|at| at.partition).collect()
    }
}
