//! What is asked for, of whom, and how much.

use super::*;

#[test]
fn each_broker_has_one_fetch_in_flight_for_all_of_its_partitions() {
    let mut bench = Bench::reading(&[0, 1, 2]);
    let plan = bench.plan();
    let told: Vec<_> = plan
        .fetches
        .iter()
        .map(|fetch| (fetch.node.0, asked(fetch).len()))
        .collect();
    assert_eq!(told, [(1, 2), (2, 1)]);
    assert!(bench.plan().fetches.is_empty());
    // A partition that comes later waits for the fetch that is in flight.
    bench.answer(&plan.fetches[1], vec![data(2, batch(0, 3))]);
    let next = bench.only_fetch();
    assert_eq!((next.node.0, asked(&next)), (2, vec![(2, 3)]));
}

#[test]
fn the_next_fetch_follows_a_response_before_the_application_asks() {
    let mut bench = Bench::reading(&[0]);
    let plan = bench.only_fetch();
    let effects = bench.answer(&plan, vec![data(0, joined(&[batch(0, 3), batch(3, 2)]))]);
    assert!(effects.wake);
    assert_eq!(bench.next_offset(), 5);
    assert_eq!(bench.consume(), [0, 1, 2, 3, 4]);
}

#[test]
fn fetching_stops_at_the_budget_and_resumes_when_half_was_consumed() {
    let mut bench = Bench::reading(&[0]);
    let mut next = 0;
    let mut fetches = 0;
    while let Some(plan) = bench.plan().fetches.pop() {
        assert!(plan.bytes_max <= 10_000);
        bench.answer(&plan, vec![data(0, batch(next, 50))]);
        next += 50;
        fetches += 1;
    }
    assert!(fetches > 1 && bench.state.budget.buffered() >= 10_000);
    assert!(bench.state.budget.buffered() < 13_000);
    assert_eq!(bench.consume().len() as i64, next);
    assert_eq!(bench.next_offset(), next);
}

#[test]
fn a_partition_whose_leader_moved_does_not_wait_for_the_old_one() {
    let mut bench = Bench::reading(&[0]);
    let hanging = bench.only_fetch();
    bench.refresh(|view| view.moved_to = Some((2, 6)));
    let plan = bench.only_fetch();
    assert_eq!(plan.node, NodeId(2));
    // The answer of the old leader comes late: the new one is already asked for the same.
    bench.answer(&hanging, vec![data(0, batch(0, 3))]);
    bench.answer(&plan, vec![data(0, batch(0, 3))]);
    assert_eq!(bench.consume(), [0, 1, 2]);
}

#[test]
fn a_partition_without_a_leader_asks_for_metadata_and_holds_nobody_up() {
    let mut bench = Bench::reading(&[0, 9]);
    let plan = bench.plan();
    assert!(plan.refresh);
    assert_eq!(plan.fetches.len(), 1);
}

#[test]
fn a_broker_that_answers_no_fetch_is_doubted_until_it_does_or_another_leads() {
    let mut bench = Bench::reading(&[0]);
    let hanging = bench.only_fetch();
    // It may wait for records for so long, and some time more.
    bench.now += 3400 * MILLISECOND;
    assert!(!bench.plan().refresh);
    bench.now += 100 * MILLISECOND;
    let plan = bench.plan();
    assert!(plan.refresh && plan.fetches.is_empty());
    // No hot loop.
    assert!(!bench.plan().refresh);
    let pause = plan.wake_at.unwrap() - bench.now;
    assert!(
        pause >= 80 * MILLISECOND && pause <= 120 * MILLISECOND,
        "{pause:?}"
    );
    bench.now += pause;
    assert!(bench.plan().refresh);
    bench.answer(&hanging, vec![data(0, Bytes::new())]);
    bench.only_fetch();
    bench.now += 3500 * MILLISECOND;
    assert!(bench.plan().refresh);
    bench.refresh(|view| view.moved_to = Some((2, 6)));
    assert_eq!(bench.only_fetch().node, NodeId(2));
    // Nothing waits for the old one any more.
    bench.now += 1000 * MILLISECOND;
    assert!(!bench.plan().refresh);
}

#[test]
fn partitions_take_turns() {
    let mut bench = Bench::reading(&[0, 1]);
    let order = |plan: &FetchPlan| -> Vec<i32> { asked(plan).iter().map(|it| it.0).collect() };
    let plan = bench.only_fetch();
    assert_eq!(order(&plan), [0, 1]);
    bench.answer(&plan, vec![data(0, batch(0, 3)), data(1, Bytes::new())]);
    assert_eq!(order(&bench.only_fetch()), [1, 0]);
}

#[test]
fn a_session_tells_changes_and_begins_anew_after_an_error() {
    let mut bench = Bench::reading(&[0, 1]);
    let in_session = |id, code, partitions: Vec<FetchedPartition>| FetchResponse {
        session_id: id,
        error_code: code,
        topics: vec![FetchedTopic {
            topic_id: [7; 16],
            partitions,
            ..FetchedTopic::default()
        }],
        ..FetchResponse::default()
    };
    let plan = bench.only_fetch();
    assert_eq!((plan.session.epoch, asked(&plan).len()), (0, 2));
    let both = vec![data(0, batch(0, 3)), data(1, Bytes::new())];
    let response = in_session(9, ErrorCode::NONE, both);
    bench.state.handle_fetched(bench.now, &plan, Ok(response));
    let plan = bench.only_fetch();
    assert_eq!((plan.session.id, plan.session.epoch), (9, 1));
    assert_eq!(asked(&plan), [(0, 3)]);
    // What was not told again is answered all the same.
    let response = in_session(9, ErrorCode::NONE, vec![data(1, batch(0, 2))]);
    bench.state.handle_fetched(bench.now, &plan, Ok(response));
    let plan = bench.only_fetch();
    assert_eq!(asked(&plan), [(1, 2)]);
    let unknown = in_session(0, ErrorCode::FETCH_SESSION_ID_NOT_FOUND, Vec::new());
    let effects = bench.state.handle_fetched(bench.now, &plan, Ok(unknown));
    assert_eq!(effects, Effects::default());
    let plan = bench.only_fetch();
    assert_eq!((plan.session.id, plan.session.epoch), (0, 0));
    let mut all = asked(&plan);
    all.sort_unstable();
    assert_eq!(all, [(0, 3), (1, 2)]);
    assert_eq!(bench.consume(), [0, 1, 2, 0, 1]);
}

#[test]
fn a_fetch_costs_the_same_whatever_number_of_partitions_is_idle() {
    let mut bench = Bench::reading(&[0, 1]);
    let plan = bench.only_fetch();
    bench.answer(&plan, vec![data(0, batch(0, 3)), data(1, Bytes::new())]);
    assert_eq!(bench.state.queued, [partition(0)]);
    bench.plan();
    assert!(bench.state.queued.is_empty());
}
