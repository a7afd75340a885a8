//! Members of the consumer protocol that are fenced, refused, without a coordinator, stale, or leave.

use super::super::super::action::{Leaving, Refusal};
use super::*;
use crate::error::Error;

#[test]
fn a_fenced_member_loses_everything_and_joins_again_with_the_same_id() {
    for fenced in [ErrorCode::FENCED_MEMBER_EPOCH, ErrorCode::UNKNOWN_MEMBER_ID] {
        let mut bench = NextGen::stable();
        bench.beats(Err(code(fenced)));
        bench.is(State::Fenced);
        assert_eq!(bench.member.commits(), Commits::Refused);
        bench.wait(100 * SECOND);
        bench.none();
        bench.poll();
        let all = vec!["t-0".to_owned(), "t-1".to_owned()];
        assert_eq!(bench.revokes(), (all, true));
        bench.revoked();
        bench.is(State::Joining);
        let beat = bench.beat();
        assert_eq!(
            (&*beat.member_id, beat.epoch, beat.everything),
            ("me", 0, true)
        );
        assert_eq!(beat.owned, Some(BTreeMap::new()));
    }
    // With nothing to lose it need not wait for a poll.
    let (mut bench, beat) = NextGen::joining();
    bench.answers(&beat, Err(code(ErrorCode::UNKNOWN_MEMBER_ID)));
    bench.is(State::Joining);
    bench.beat();
}

#[test]
fn a_member_fenced_while_partitions_change_hands_loses_the_rest() {
    let mut bench = NextGen::stable();
    bench.beats(Ok(answer(2, Some(&[(T, 0)]))));
    bench.poll();
    bench.revokes();
    bench.beats(Err(code(ErrorCode::FENCED_MEMBER_EPOCH)));
    bench.is(State::Fenced);
    bench.poll();
    bench.none();
    bench.revoked();
    assert_eq!(bench.assigns(), [""; 0]);
    bench.is(State::Fenced);
    bench.poll();
    assert_eq!(bench.revokes(), (vec!["t-0".to_owned()], true));
    bench.revoked();
    bench.is(State::Joining);
}

#[test]
fn trouble_with_the_coordinator_is_outlived_and_the_next_heartbeat_says_everything() {
    for failure in [
        unreachable(),
        code(ErrorCode::NOT_COORDINATOR),
        code(ErrorCode::COORDINATOR_NOT_AVAILABLE),
    ] {
        let mut bench = NextGen::stable();
        bench.beats(Err(failure.clone()));
        assert!(matches!(bench.only(), Action::ForgetCoordinator));
        // Another one may know at once.
        let beat = bench.beat();
        assert_eq!((beat.epoch, beat.everything), (1, true));
        assert_eq!(beat.owned, Some(BTreeMap::from([(T, vec![0, 1])])));
        bench.answers(&beat, Err(failure));
        assert!(matches!(bench.only(), Action::ForgetCoordinator));
        bench.wait(79 * MILLISECOND);
        bench.none();
        bench.wait(42 * MILLISECOND);
        assert!(matches!(bench.only(), Action::Beat(_)));
        bench.is(State::Stable);
    }
    let mut bench = NextGen::stable();
    bench.beats(Err(code(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS)));
    bench.wait(79 * MILLISECOND);
    bench.none();
    bench.wait(42 * MILLISECOND);
    assert!(matches!(bench.only(), Action::Beat(_)));
}

#[test]
fn a_forbidden_topic_is_reported_and_the_membership_kept() {
    let mut bench = NextGen::stable();
    bench.beats(Err(code(ErrorCode::TOPIC_AUTHORIZATION_FAILED)));
    assert!(matches!(bench.only(), Action::Report(_)));
    bench.is(State::Stable);
    bench.wait(SECOND);
    assert!(matches!(bench.only(), Action::Beat(_)));
}

#[test]
fn a_refusal_is_reported_and_the_next_poll_tries_again_unless_that_is_of_no_use() {
    for refused in [
        ErrorCode::GROUP_AUTHORIZATION_FAILED,
        ErrorCode::INVALID_REQUEST,
        ErrorCode::GROUP_MAX_SIZE_REACHED,
        ErrorCode::UNSUPPORTED_ASSIGNOR,
        ErrorCode::UNSUPPORTED_VERSION,
        ErrorCode::INVALID_REGULAR_EXPRESSION,
        ErrorCode::GROUP_ID_NOT_FOUND,
    ] {
        let (mut bench, beat) = NextGen::joining();
        bench.answers(&beat, Err(code(refused)));
        assert!(matches!(bench.only(), Action::Report(error) if error.code() == Some(refused)));
        bench.is(State::Stale);
        bench.wait(100 * SECOND);
        bench.none();
        bench.poll();
        bench.is(State::Joining);
    }
    for fatal in [
        ErrorCode::FENCED_INSTANCE_ID,
        ErrorCode::UNRELEASED_INSTANCE_ID,
    ] {
        let (mut bench, beat) = NextGen::joining_as(Some("i"));
        bench.answers(&beat, Err(code(fatal)));
        assert!(matches!(bench.only(), Action::Report(error) if error.is_fatal()));
        bench.is(State::Fatal);
        assert!(!bench.member.wants_poll());
        bench.poll();
        bench.none();
    }
}

#[test]
fn an_application_that_does_not_poll_leaves_and_joins_again_with_its_next_poll() {
    for (instance_id, epoch) in [(None, -1), (Some("i"), -2)] {
        let mut bench = NextGen::stable_as(instance_id);
        bench.polled_at = Some(bench.now);
        bench.wait(299 * SECOND);
        bench.actions();
        bench.wait(SECOND);
        let goodbye = bench.only();
        assert!(
            matches!(goodbye, Action::Goodbye { epoch: said, .. } if said == epoch),
            "{goodbye:?}"
        );
        bench.is(State::Stale);
        bench.wait(1000 * SECOND);
        bench.none();
        bench.poll();
        assert!(bench.revokes().1, "they are lost");
        bench.revoked();
        bench.is(State::Joining);
    }
}

#[test]
fn leaving_says_goodbye_as_the_kind_of_member_does() {
    for (instance_id, leaving, epoch) in [
        (None, Leaving::ForGood, Some(-1)),
        (None, Leaving::ForNow, None),
        (Some("i"), Leaving::ForGood, Some(-1)),
        (Some("i"), Leaving::ForNow, Some(-2)),
    ] {
        let mut bench = NextGen::stable_as(instance_id);
        bench.member.leave(leaving, "closing");
        let said = bench.actions().into_iter().map(|action| match action {
            Action::Goodbye { epoch, .. } => epoch,
            other => panic!("{other:?}"),
        });
        assert_eq!(
            said.collect::<Vec<_>>(),
            epoch.into_iter().collect::<Vec<_>>()
        );
        bench.is(State::Unsubscribed);
        assert!(!bench.member.wants_poll());
    }
}

#[test]
fn answers_of_an_earlier_stay_change_nothing() {
    let mut bench = NextGen::stable();
    bench.now += 5 * SECOND;
    let stale = bench.beat();
    let generation = Generation {
        id: 1,
        member_id: "me".into(),
    };
    // A commit is the first to learn.
    let unknown = ErrorCode::UNKNOWN_MEMBER_ID;
    let refusal = bench
        .member
        .handle_commit_refused(bench.now, &generation, unknown);
    assert!(matches!(
        refusal,
        Refusal::Failed(Error::CommitFailed { .. })
    ));
    bench.is(State::Fenced);
    bench.answers(&stale, Ok(answer(7, Some(&[(T, 9)]))));
    bench.answers(&stale, Err(code(ErrorCode::FENCED_INSTANCE_ID)));
    bench.is(State::Fenced);
    bench.none();
    bench.poll();
    bench.revokes();
    bench.revoked();
    assert_eq!(bench.beat().epoch, 0);
    bench.answers(&stale, Ok(answer(7, Some(&[(T, 9)]))));
    bench.is(State::Joining);
    bench.none();
    // So does the refusal of a commit of that time.
    let refusal = bench
        .member
        .handle_commit_refused(bench.now, &generation, unknown);
    assert!(matches!(refusal, Refusal::Failed(_)));
    bench.is(State::Joining);
}

#[test]
fn a_commit_of_a_stale_epoch_is_tried_again_in_the_next_one() {
    let mut bench = NextGen::stable();
    let Commits::In(first) = bench.member.commits() else {
        panic!("cannot commit")
    };
    let stale = ErrorCode::STALE_MEMBER_EPOCH;
    let refusal = bench.member.handle_commit_refused(bench.now, &first, stale);
    assert!(matches!(refusal, Refusal::Again));
    // The epoch is asked for at once.
    let beat = bench.beat();
    bench.answers(&beat, Ok(answer(2, None)));
    assert!(matches!(bench.member.commits(), Commits::In(now) if now != first));
    let refusal = bench.member.handle_commit_refused(bench.now, &first, stale);
    assert!(matches!(refusal, Refusal::Again));
    bench.beats(Err(code(ErrorCode::FENCED_MEMBER_EPOCH)));
    let refusal = bench.member.handle_commit_refused(bench.now, &first, stale);
    assert!(matches!(
        refusal,
        Refusal::Failed(Error::CommitFailed { .. })
    ));
}
