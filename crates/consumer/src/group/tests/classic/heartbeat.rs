//! Members of the classic protocol: how they stay members, are lost, leave, and commit meanwhile.

use super::super::super::action::Leaving;
use super::*;

#[test]
fn heartbeats_begin_with_the_join_and_need_no_poll() {
    let (mut bench, round) = Classic::completing(None);
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
    let mut bench = Classic::stable();
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
    let (mut bench, _) = Classic::completing(None);
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
        let mut bench = Classic::stable();
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
    let (mut bench, stale) = Classic::completing(None);
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
        let mut bench = Classic::stable();
        bench.heartbeat(Err(failure));
        assert!(matches!(bench.only(), Action::ForgetCoordinator));
        bench.wait(121 * MILLISECOND);
        assert!(matches!(bench.only(), Action::Heartbeat(_)));
    }
}

#[test]
fn a_silent_coordinator_is_looked_up_when_the_session_ends() {
    let mut bench = Classic::stable();
    bench.heartbeat_sent();
    bench.wait(40 * SECOND);
    bench.none();
    bench.wait(2 * SECOND);
    assert!(matches!(bench.only(), Action::ForgetCoordinator));
}

#[test]
fn fatal_heartbeat_errors_are_reported() {
    let mut bench = Classic::stable();
    bench.heartbeat(Err(code(ErrorCode::GROUP_AUTHORIZATION_FAILED)));
    bench.reports(ErrorCode::GROUP_AUTHORIZATION_FAILED);
    assert!(bench.member.wants_poll());
    let mut bench = Classic::stable_with(Some("i"));
    bench.heartbeat(Err(code(ErrorCode::FENCED_INSTANCE_ID)));
    bench.reports(ErrorCode::FENCED_INSTANCE_ID);
    assert!(!bench.member.wants_poll());
}

#[test]
fn an_application_that_does_not_poll_loses_its_membership() {
    let mut bench = Classic::stable();
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
    let mut bench = Classic::stable();
    for _ in 0..1000 {
        bench.heartbeat(Ok(()));
    }
    bench.none();
}

#[test]
fn a_dynamic_member_leaves_and_a_static_one_stays() {
    let mut bench = Classic::stable();
    bench.member.leave(Leaving::ForGood, "closing");
    assert!(matches!(bench.only(), Action::Leave { .. }));
    assert!(!bench.member.wants_poll());
    let mut bench = Classic::stable_with(Some("i"));
    bench.member.leave(Leaving::ForNow, "closing");
    bench.none();
}

#[test]
fn stale_answers_change_nothing() {
    // A join and a sync of an earlier round.
    let mut bench = Classic::new(None);
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
        let mut bench = Classic::stable();
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
    let mut bench = Classic::stable();
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
    let mut bench = Classic::stable();
    bench.subscribe(&["t", "u"]);
    bench.none();
    bench.start();
}
