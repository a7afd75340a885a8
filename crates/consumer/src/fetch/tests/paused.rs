//! Partitions that stand still because the application wants them to.

use super::*;

#[test]
fn a_paused_partition_keeps_its_data_and_leaves_the_budget_to_others() {
    let mut bench = Bench::reading(&[0, 1]);
    let mut next = 0;
    while let Some(plan) = bench.plan().fetches.pop() {
        bench.answer(&plan, vec![data(0, batch(next, 50))]);
        next += 50;
    }
    assert!(bench.state.budget.is_full());
    assert!(bench.state.pause(&partition(0), 0, 0));
    assert_eq!(bench.state.budget.buffered(), 0);
    let plan = bench.only_fetch();
    assert_eq!(asked(&plan), [(1, 0)]);
    bench.answer(&plan, vec![data(1, batch(0, 3))]);
    assert_eq!(bench.consume(), [0, 1, 2]);
    assert!(bench.state.resume(&partition(0), 0));
    assert!(bench.state.budget.is_full());
    assert_eq!(bench.consume(), (0..next).collect::<Vec<_>>());
    assert_eq!(bench.state.budget.buffered(), 0);
}

#[test]
fn an_answer_for_a_partition_that_was_paused_meanwhile_is_kept() {
    let mut bench = Bench::reading(&[0]);
    let plan = bench.only_fetch();
    bench.state.pause(&partition(0), 0, 0);
    let effects = bench.answer(&plan, vec![data(0, batch(0, 3))]);
    assert!(!effects.wake && bench.plan().fetches.is_empty());
    assert!(bench.consume().is_empty());
    assert_eq!(bench.state.budget.buffered(), 0);
    bench.state.resume(&partition(0), 0);
    assert_eq!(bench.next_offset(), 3);
    assert_eq!(bench.consume(), [0, 1, 2]);
}

#[test]
fn what_is_kept_for_paused_partitions_is_bounded() {
    let mut bench = Bench::reading(&[0]);
    let plan = bench.only_fetch();
    bench.answer(&plan, vec![data(0, batch(0, 3))]);
    // Others hold as much as may be held: what there is of this one is fetched again.
    bench.state.pause(&partition(0), 0, 20_000);
    bench.state.resume(&partition(0), 0);
    assert!(bench.consume().is_empty());
    assert_eq!(bench.next_offset(), 0);
}

#[test]
fn an_assignment_that_stays_stays_paused_and_one_that_comes_back_does_not() {
    let mut bench = Bench::reading(&[0, 1]);
    bench.state.pause(&partition(0), 0, 0);
    bench.state.pause(&partition(1), 0, 0);
    bench.state.assign([partition(1)], false);
    bench.state.assign([partition(0), partition(1)], false);
    assert_eq!(bench.state.paused(), [partition(1)]);
}
