//! Members of the consumer protocol (KIP-848): how they join and come to own what they shall.

mod errors;

use std::collections::{BTreeMap, BTreeSet};

use klamm_net::TopicId;

use super::super::action::{Answer, Beat, Beaten, Commits, Generation, Topics};
use super::super::next_gen::{ConsumerMember, State};
use super::*;

const T: TopicId = TopicId([1; 16]);
const U: TopicId = TopicId([2; 16]);

type NextGen = Bench<ConsumerMember>;

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
        let (now, assignor) = (Instant::now(), Some("uniform".to_owned()));
        let mut member = ConsumerMember::new(settings(instance_id), assignor, "me".into(), now);
        member.subscribe(Topics::Named(vec!["t".into(), "u".into()]));
        Self::of(member, now)
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
        self.added().iter().map(ToString::to_string).collect()
    }

    fn revokes(&mut self) -> (Vec<String>, bool) {
        let (gone, lost) = self.gone();
        (gone.iter().map(ToString::to_string).collect(), lost)
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
fn a_pattern_goes_to_the_broker() {
    let mut bench = NextGen::new(None);
    let pattern = Topics::Matching("orders-.*".into());
    bench.member.subscribe(pattern.clone());
    assert!(bench.member.finds_topics_itself());
    bench.poll();
    assert_eq!(bench.beat().topics, Some(pattern));
}
