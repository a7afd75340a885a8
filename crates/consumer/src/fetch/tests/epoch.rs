//! New leader epochs, truncated logs, topics made anew (KIP-320).

use super::*;

#[test]
fn what_was_read_with_a_leader_is_validated_with_the_next() {
    let mut bench = Bench::reading(&[0]);
    let plan = bench.only_fetch();
    bench.answer(&plan, vec![data(0, batch(0, 3))]);
    bench.refresh(|view| view.moved_to = Some((2, 8)));
    let mut plan = bench.plan();
    assert!(plan.fetches.is_empty(), "{plan:?}");
    let validation = plan.validations.remove(0);
    let (asked, position) = &validation.partitions[0];
    assert_eq!((validation.node, asked.leader_epoch), (NodeId(2), 8));
    // The epoch of the batch that was read last.
    assert_eq!((position.offset, position.leader_epoch), (3, 7));
    assert_eq!(
        bench.answer_validation(&validation, known(3, 7)),
        Effects::default()
    );
    assert_eq!(bench.next_offset(), 3);
    assert_eq!(bench.consume(), [0, 1, 2]);
    // Once is enough.
    bench.refresh(|_| ());
    assert!(bench.plan().validations.is_empty());
}

#[test]
fn a_position_without_an_epoch_is_not_validated() {
    let mut bench = Bench::reading(&[0]);
    bench.refresh(|view| view.moved_to = Some((2, 8)));
    assert_eq!(bench.only_fetch().node, NodeId(2));
}

/// Read up to 5, of which the application was given `consumed`; then the log ends at `end`.
fn truncated(reset: OffsetReset, consumed: bool, end: EpochEnd) -> Bench {
    let mut bench = Bench::new(reset);
    bench.state.assign([partition(0)], false);
    bench.state.seek(&partition(0), at(0));
    let plan = bench.only_fetch();
    bench.answer(&plan, vec![data(0, batch(0, 5))]);
    if consumed {
        assert_eq!(bench.consume().len(), 5);
    }
    bench.refresh(|view| view.moved_to = Some((2, 8)));
    let validation = bench.plan().validations.remove(0);
    assert!(bench.answer_validation(&validation, end).wake);
    assert!(bench.plan().fetches.is_empty());
    bench.state.settle();
    bench
}

#[test]
fn a_truncated_log_is_read_from_where_it_diverged() {
    let mut bench = truncated(OffsetReset::Latest, true, known(3, 6));
    assert!(bench.state.take_error().is_none());
    assert_eq!(bench.next_offset(), 3);
}

#[test]
fn what_was_only_fetched_ahead_and_truncated_is_fetched_again() {
    for reset in [OffsetReset::Latest, OffsetReset::None] {
        let mut bench = truncated(reset, false, known(3, 6));
        assert!(bench.state.take_error().is_none());
        assert!(bench.consume().is_empty());
        assert_eq!(bench.next_offset(), 0);
    }
}

#[test]
fn without_a_policy_a_truncated_log_is_an_error_until_the_application_seeks() {
    let mut bench = truncated(OffsetReset::None, true, known(3, 6));
    let error = bench.state.take_error();
    assert!(
        matches!(
            error,
            Some(Error::LogTruncation {
                offset: 5,
                end_offset: Some(3),
                ..
            })
        ),
        "{error:?}"
    );
    assert!(bench.plan().fetches.is_empty());
    bench.state.seek(&partition(0), at(3));
    assert!(bench.state.take_error().is_none());
    assert_eq!(bench.next_offset(), 3);
}

#[test]
fn a_leader_that_knows_nothing_of_the_epoch_is_read_by_policy() {
    let mut bench = truncated(OffsetReset::Earliest, true, EpochEnd::Known(None));
    assert_eq!(bench.plan().resets[0].partitions[0].1, ResetTo::Earliest);
}

#[test]
fn a_validation_that_is_refused_or_lost_is_asked_again() {
    let mut bench = Bench::reading(&[0]);
    let plan = bench.only_fetch();
    bench.answer(&plan, vec![data(0, batch(0, 3))]);
    bench.refresh(|view| view.moved_to = Some((2, 8)));
    let validation = bench.plan().validations.remove(0);
    let fenced = EpochEnd::Refused(ErrorCode::FENCED_LEADER_EPOCH);
    assert!(bench.answer_validation(&validation, fenced).refresh);
    assert!(bench.plan().validations.is_empty());
    bench.now += 121 * MILLISECOND;
    let validation = bench.plan().validations.remove(0);
    let lost = klamm_net::Error::UnknownNode { node: 2 };
    bench
        .state
        .handle_validated(bench.now, &validation, Err(lost));
    bench.now += 241 * MILLISECOND;
    let validation = bench.plan().validations.remove(0);
    // A broker that does not know the question: then without.
    bench
        .state
        .handle_validated(bench.now, &validation, Ok(None));
    assert_eq!(bench.next_offset(), 3);
}

#[test]
fn a_topic_made_anew_is_read_by_policy() {
    let mut bench = Bench::new(OffsetReset::Earliest);
    bench.state.assign([partition(0)], false);
    bench.state.seek(&partition(0), at(0));
    let plan = bench.only_fetch();
    bench.answer(&plan, vec![data(0, batch(0, 5))]);
    bench.refresh(|view| view.made_anew = true);
    assert_eq!(bench.plan().resets[0].partitions[0].1, ResetTo::Earliest);
    assert!(bench.consume().is_empty());
}
