//! Members of the consumer protocol (KIP-848): every transition, every error, every stale answer.

use std::collections::{BTreeMap, BTreeSet};

use klamm_net::TopicId;

use super::super::action::{Beat, Beaten};
use super::super::next_gen::{ConsumerMember, State};
use super::*;

const T: TopicId = TopicId([1; 16]);
const U: TopicId = TopicId([2; 16]);

struct NextGen {
    member: ConsumerMember,
    now: Instant,
    polled_at: Option<Instant>,
}

fn answer(epoch: i32, assignment: Option<&[(TopicId, i32)]>) -> Beaten {
    Beaten {
        member_id: Some("me".into()),
        epoch,
        interval: 5 * SECOND,
        assignment: assignment.map(|partitions| partitions.iter().copied().collect()),
    }
}

impl NextGen {
    fn new(instance_id: Option<&str>) -> Self {
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
        let assignor = Some("uniform".to_owned());
        let mut member = ConsumerMember::new(settings, assignor, "me".into(), now);
        member.subscribe(Topics::Named(vec!["t".into(), "u".into()]));
        Self {
            member,
            now,
            polled_at: None,
        }
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

    /// The heartbeat that is due now.
    fn beat(&mut self) -> Beat {
        self.wait(Duration::ZERO);
        match self.only() {
            Action::Beat(beat) => beat,
            other => panic!("{other:?}"),
        }
    }

    fn answers(&mut self, beat: &Beat, outcome: Result<Beaten, Failure>) {
        let answer = Answer::Beaten(beat.stay, outcome);
        self.member.handle_answer(self.now, answer);
    }

    fn resolves(&mut self, names: &[(TopicId, &str)]) -> BTreeSet<TopicId> {
        let asked = match self.only() {
            Action::Resolve(ids) => ids,
            other => panic!("{other:?}"),
        };
        let names = names.iter().map(|&(id, name)| (id, name.into())).collect();
        self.member.handle_answer(self.now, Answer::Resolved(names));
        asked
    }

    fn assigns(&mut self) -> Vec<String> {
        let added = match self.only() {
            Action::Assign(added) => added.iter().map(ToString::to_string).collect(),
            other => panic!("{other:?}"),
        };
        self.member.handle_assigned(self.now);
        added
    }

    fn revokes(&mut self) -> (Vec<String>, bool) {
        match self.only() {
            Action::Revoke { partitions, lost } => {
                (partitions.iter().map(ToString::to_string).collect(), lost)
            }
            other => panic!("{other:?}"),
        }
    }

    fn poll(&mut self) {
        self.member.handle_poll(self.now);
    }

    fn revoked(&mut self) {
        self.member.handle_revoked(self.now);
    }

    fn is(&self, state: State) {
        assert_eq!(self.member.state(), state);
    }

    fn joining() -> (Self, Beat) {
        Self::joining_as(None)
    }

    fn joining_as(instance_id: Option<&str>) -> (Self, Beat) {
        let mut bench = Self::new(instance_id);
        bench.none();
        assert!(bench.member.wants_poll());
        bench.poll();
        bench.is(State::Joining);
        let beat = bench.beat();
        (bench, beat)
    }

    /// Owns t-0 and t-1, and has told so.
    fn stable() -> Self {
        Self::stable_as(None)
    }

    fn stable_as(instance_id: Option<&str>) -> Self {
        let (mut bench, beat) = Self::joining_as(instance_id);
        bench.answers(&beat, Ok(answer(1, Some(&[(T, 0), (T, 1)]))));
        bench.is(State::Reconciling);
        assert_eq!(bench.resolves(&[(T, "t")]), [T].into());
        assert_eq!(bench.assigns(), ["t-0", "t-1"]);
        bench.is(State::Acknowledging);
        let beat = bench.beat();
        assert_eq!(beat.owned, Some(BTreeMap::from([(T, vec![0, 1])])));
        bench.is(State::Stable);
        bench.answers(&beat, Ok(answer(1, None)));
        bench.none();
        bench
    }

    /// A stable member whose next heartbeat is answered with `outcome`.
    fn beats(&mut self, outcome: Result<Beaten, Failure>) -> Beat {
        self.now += 5 * SECOND;
        let beat = self.beat();
        self.answers(&beat, outcome);
        beat
    }
}

#[test]
fn a_member_joins_inside_of_poll_and_says_everything_about_itself() {
    let (mut bench, beat) = NextGen::joining();
    assert_eq!(
        (&*beat.member_id, beat.epoch, beat.everything),
        ("me", 0, true)
    );
    assert_eq!(beat.assignor.as_deref(), Some("uniform"));
    assert_eq!(
        beat.topics,
        Some(Topics::Named(vec!["t".into(), "u".into()]))
    );
    assert_eq!(beat.owned, Some(BTreeMap::new()));
    assert_eq!(bench.member.commits(), Commits::Refused);
    // Nothing else is sent while it is under way.
    bench.wait(100 * SECOND);
    bench.none();
    bench.answers(&beat, Ok(answer(1, Some(&[]))));
    bench.is(State::Acknowledging);
}

#[test]
fn later_heartbeats_slow_down_to_the_brokers_interval_and_say_only_news() {
    let mut bench = NextGen::stable();
    // What others release is noticed soon.
    for pause in [156, 234, 351, 527, 791, 1186, 1779, 2669, 4004, 5000, 5000] {
        bench.wait((pause - 1) * MILLISECOND);
        bench.none();
        bench.now += 2 * MILLISECOND;
        let beat = bench.beat();
        assert_eq!((beat.epoch, beat.everything), (1, false));
        let told = (&beat.topics, &beat.owned, &beat.assignor);
        assert_eq!(told, (&None, &None, &None));
        bench.answers(&beat, Ok(answer(1, None)));
    }
    // An epoch of its own is how a member learns that the group rebalances.
    bench.beats(Ok(answer(2, None)));
    bench.now += 157 * MILLISECOND;
    let beat = bench.beat();
    bench.answers(&beat, Ok(answer(2, None)));
    bench.member.subscribe(Topics::Named(vec!["t".into()]));
    bench.now += 5 * SECOND;
    let beat = bench.beat();
    assert_eq!(beat.topics, Some(Topics::Named(vec!["t".into()])));
    assert_eq!(beat.owned, None);
}

#[test]
fn what_is_not_assigned_any_more_goes_inside_of_poll_and_is_acknowledged_at_once() {
    let mut bench = NextGen::stable();
    bench.beats(Ok(answer(2, Some(&[(T, 1), (U, 3)]))));
    bench.is(State::Reconciling);
    // What is known is reconciled, the rest when its name is.
    assert!(bench.member.wants_poll());
    assert_eq!(bench.resolves(&[(U, "u")]), [U].into());
    assert!(bench.member.wants_poll());
    bench.poll();
    assert_eq!(bench.revokes(), (vec!["t-0".to_owned()], false));
    assert_eq!(
        bench.member.commits(),
        Commits::In(Generation {
            id: 2,
            member_id: "me".into()
        })
    );
    // Heartbeats go on meanwhile, with what it still owns untold as it has not changed.
    let beat = bench.beats(Ok(answer(2, None)));
    assert_eq!(beat.owned, None);
    bench.revoked();
    assert_eq!(bench.assigns(), ["u-3"]);
    bench.is(State::Acknowledging);
    let beat = bench.beat();
    assert_eq!(beat.owned, Some([(T, vec![1]), (U, vec![3])].into()));
    bench.is(State::Stable);
}

#[test]
fn additions_need_no_poll() {
    let mut bench = NextGen::stable();
    bench.beats(Ok(answer(2, Some(&[(T, 0), (T, 1), (T, 2)]))));
    assert!(!bench.member.wants_poll());
    assert_eq!(bench.assigns(), ["t-2"]);
    bench.is(State::Acknowledging);
}

#[test]
fn an_assignment_that_comes_meanwhile_is_reconciled_next() {
    let mut bench = NextGen::stable();
    bench.beats(Ok(answer(2, Some(&[(T, 0)]))));
    bench.poll();
    assert_eq!(bench.revokes().0, ["t-1"]);
    bench.beats(Ok(answer(2, Some(&[(T, 0), (T, 5)]))));
    bench.none();
    bench.revoked();
    assert_eq!(bench.assigns(), [""; 0]);
    // It is acknowledged before the next one begins.
    bench.is(State::Acknowledging);
    bench.wait(Duration::ZERO);
    let actions = bench.actions();
    let [Action::Beat(beat), Action::Assign(added)] = &actions[..] else {
        panic!("{actions:?}")
    };
    assert_eq!(beat.owned, Some(BTreeMap::from([(T, vec![0])])));
    assert_eq!(added[0].to_string(), "t-5");
    bench.is(State::Reconciling);
    bench.member.handle_assigned(bench.now);
    bench.is(State::Acknowledging);
    // Only after the answer, since one at most is under way.
    bench.wait(Duration::ZERO);
    bench.none();
    let beat = beat.clone();
    bench.answers(&beat, Ok(answer(3, None)));
    assert_eq!(bench.beat().owned, Some(BTreeMap::from([(T, vec![0, 5])])));
}

#[test]
fn one_that_still_waits_for_a_poll_is_replaced() {
    let mut bench = NextGen::stable();
    bench.beats(Ok(answer(2, Some(&[(T, 0)]))));
    assert!(bench.member.wants_poll());
    bench.beats(Ok(answer(3, Some(&[(T, 0), (T, 1)]))));
    assert!(!bench.member.wants_poll());
    bench.is(State::Acknowledging);
    assert_eq!(bench.beat().owned, Some(BTreeMap::from([(T, vec![0, 1])])));
    bench.is(State::Stable);
}

#[test]
fn a_part_whose_names_are_unknown_is_acknowledged_later() {
    let (mut bench, beat) = NextGen::joining();
    bench.answers(&beat, Ok(answer(1, Some(&[(T, 0), (U, 0)]))));
    bench.is(State::Reconciling);
    assert_eq!(bench.resolves(&[]), [T, U].into());
    // Nothing is known yet: that is told, and asked for again after a pause.
    bench.is(State::Acknowledging);
    let beat = bench.beat();
    assert_eq!(beat.owned, Some(BTreeMap::new()));
    bench.is(State::Reconciling);
    bench.answers(&beat, Ok(answer(1, None)));
    bench.none();
    // Heartbeats go on meanwhile.
    bench.now += 157 * MILLISECOND;
    let beat = bench.beat();
    bench.wait(SECOND);
    assert_eq!(bench.resolves(&[(T, "t")]), [T, U].into());
    assert_eq!(bench.assigns(), ["t-0"]);
    bench.answers(&beat, Ok(answer(1, None)));
    let beat = bench.beat();
    assert_eq!(beat.owned, Some(BTreeMap::from([(T, vec![0])])));
    bench.is(State::Reconciling);
}

#[test]
fn a_topic_that_was_created_again_is_given_up_and_taken_over() {
    let mut bench = NextGen::stable();
    let again = TopicId([9; 16]);
    bench.beats(Ok(answer(2, Some(&[(again, 0), (T, 1)]))));
    bench.resolves(&[(again, "t")]);
    bench.poll();
    // By name alone it would seem to be the same.
    let (revoked, lost) = bench.revokes();
    assert!(revoked.contains(&"t-0".to_owned()), "{revoked:?}");
    assert!(!lost);
}

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
        bench.wait(200 * MILLISECOND);
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

#[test]
fn a_pattern_goes_to_the_broker() {
    let mut bench = NextGen::new(None);
    let pattern = Topics::Matching("orders-.*".into());
    bench.member.subscribe(pattern.clone());
    assert!(bench.member.finds_topics_itself());
    bench.poll();
    assert_eq!(bench.beat().topics, Some(pattern));
}
