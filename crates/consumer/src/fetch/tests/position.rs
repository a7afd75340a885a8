//! Where a partition is read: seeks, committed offsets, resets, lag.

use super::*;

#[test]
fn the_fetch_position_moves_by_batch_also_without_records() {
    let mut bench = Bench::reading(&[0]);
    let plan = bench.only_fetch();
    let records = joined(&[
        batch(0, 2),
        empty_batch(2, 9),
        control_batch(10),
        batch(11, 9).slice(..70),
    ]);
    bench.answer(&plan, vec![data(0, records)]);
    assert_eq!(bench.next_offset(), 11);
    assert_eq!(bench.consume(), [0, 1]);
    assert_eq!(bench.state.position(&partition(0)).unwrap(), Some(at(11)));
}

#[test]
fn an_answer_to_what_was_asked_before_a_seek_is_dropped() {
    let mut bench = Bench::reading(&[0, 1]);
    let plan = bench.only_fetch();
    bench.state.seek(&partition(0), at(50));
    bench.answer(&plan, vec![data(0, batch(0, 3)), data(1, batch(0, 1))]);
    assert_eq!(bench.consume(), [0]);
    assert_eq!(bench.next_offset(), 50);
}

#[test]
fn a_seek_drops_what_is_buffered_and_gives_its_bytes_back() {
    let mut bench = Bench::reading(&[0]);
    let plan = bench.only_fetch();
    bench.answer(&plan, vec![data(0, batch(0, 3))]);
    bench.state.seek(&partition(0), at(1));
    assert!(bench.consume().is_empty());
    assert_eq!(bench.state.budget.buffered(), 0);
}

#[test]
fn what_was_consumed_before_a_seek_does_not_move_the_new_position() {
    let mut bench = Bench::reading(&[0]);
    let plan = bench.only_fetch();
    bench.answer(&plan, vec![data(0, batch(0, 3))]);
    let chunk = bench.state.take_chunks().next().unwrap();
    bench.state.seek(&partition(0), at(50));
    let stale = Consumed {
        partition: partition(0),
        epoch: chunk.epoch,
        position: at(3),
    };
    bench.state.flush([stale].into_iter(), 0);
    assert_eq!(bench.state.position(&partition(0)).unwrap(), Some(at(50)));
}

#[test]
fn a_partition_that_was_revoked_and_assigned_again_gets_nothing_old() {
    let mut bench = Bench::reading(&[0]);
    let plan = bench.only_fetch();
    bench.state.remove(&[partition(0)]);
    bench.state.assign([partition(0)], false);
    bench.state.seek(&partition(0), at(7));
    bench.answer(&plan, vec![data(0, batch(0, 3))]);
    assert!(bench.consume().is_empty());
    assert_eq!(bench.next_offset(), 7);
}

#[test]
fn a_partition_starts_at_the_committed_offset() {
    let mut bench = Bench::new(OffsetReset::None);
    bench.state.assign([partition(0)], true);
    let asked = bench.plan().committed;
    assert!(bench.plan().committed.is_empty());
    let found = vec![(partition(0), Found::Position(at(12)))];
    assert!(
        bench
            .state
            .handle_committed(bench.now, &asked, Ok(found))
            .wake
    );
    assert_eq!(bench.next_offset(), 12);
    let offset = OffsetAndMetadata::new(12);
    assert_eq!(
        bench.state.to_commit(),
        Offsets::from([(partition(0), offset)])
    );
}

#[test]
fn without_a_committed_offset_the_policy_decides() {
    for (policy, to) in [
        (OffsetReset::Earliest, ResetTo::Earliest),
        (OffsetReset::Latest, ResetTo::Latest),
    ] {
        let mut bench = Bench::new(policy);
        bench.state.assign([partition(0)], true);
        let asked = bench.plan().committed;
        bench
            .state
            .handle_committed(bench.now, &asked, Ok(Vec::new()));
        let reset = bench.plan().resets.remove(0);
        assert_eq!((reset.node, reset.partitions[0].1), (NodeId(1), to));
        let asked = reset.partitions.iter().map(|(asked, ..)| asked);
        let found = vec![(partition(0), Found::Position(at(40)))];
        bench
            .state
            .handle_reset(bench.now, reset.node, asked, Ok(found));
        assert_eq!(bench.next_offset(), 40);
    }
    let mut bench = Bench::new(OffsetReset::None);
    bench.state.assign([partition(0)], true);
    let asked = bench.plan().committed;
    bench
        .state
        .handle_committed(bench.now, &asked, Ok(Vec::new()));
    assert!(matches!(
        bench.state.take_error(),
        Some(Error::NoOffset { .. })
    ));
}

#[test]
fn a_reset_is_dropped_if_the_application_has_sought_meanwhile() {
    let mut bench = Bench::new(OffsetReset::Latest);
    bench.state.assign([partition(0)], false);
    let reset = bench.plan().resets.remove(0);
    bench.state.seek(&partition(0), at(3));
    let asked = reset.partitions.iter().map(|(asked, ..)| asked);
    let found = vec![(partition(0), Found::Position(at(40)))];
    bench
        .state
        .handle_reset(bench.now, reset.node, asked, Ok(found));
    assert_eq!(bench.next_offset(), 3);
}

#[test]
fn a_reset_is_dropped_if_another_one_is_under_way() {
    let mut bench = Bench::new(OffsetReset::Latest);
    bench.state.assign([partition(0)], false);
    let stale = bench.plan().resets.remove(0);
    bench.state.seek_to(&partition(0), ResetTo::Earliest);
    let reset = bench.plan().resets.remove(0);
    for (reset, offset) in [(stale, 40), (reset, 7)] {
        let asked = reset.partitions.iter().map(|(asked, ..)| asked);
        let found = vec![(partition(0), Found::Position(at(offset)))];
        let node = reset.node;
        bench.state.handle_reset(bench.now, node, asked, Ok(found));
    }
    assert_eq!(bench.next_offset(), 7);
}

#[test]
fn a_refused_lookup_is_tried_again_or_reported() {
    for (code, reported) in [
        (ErrorCode::NOT_LEADER_OR_FOLLOWER, false),
        (ErrorCode::LEADER_NOT_AVAILABLE, false),
        (ErrorCode::UNKNOWN_LEADER_EPOCH, false),
        (ErrorCode::OFFSET_NOT_AVAILABLE, false),
        (ErrorCode::TOPIC_AUTHORIZATION_FAILED, true),
    ] {
        let mut bench = Bench::new(OffsetReset::Latest);
        bench.state.assign([partition(0)], false);
        let reset = bench.plan().resets.remove(0);
        let asked = reset.partitions.iter().map(|(asked, ..)| asked);
        let found = vec![(partition(0), Found::Refused(code))];
        bench
            .state
            .handle_reset(bench.now, reset.node, asked, Ok(found));
        assert_eq!(bench.state.take_error().is_some(), reported, "{code}");
        assert!(bench.plan().resets.is_empty(), "{code}");
        bench.now += 121 * MILLISECOND;
        assert_eq!(bench.plan().resets.len(), 1, "{code}");
    }
}

#[test]
fn lookups_that_are_refused_together_are_tried_again_in_one_request() {
    let mut bench = Bench::new(OffsetReset::Latest);
    bench.state.assign([partition(0), partition(1)], false);
    for _ in 0..6 {
        let plan = bench.plan();
        let [reset] = &plan.resets[..] else {
            panic!("{plan:?}");
        };
        let asked: Vec<_> = reset.partitions.iter().map(|(asked, ..)| asked).collect();
        assert_eq!(asked.len(), 2, "{asked:?}");
        let refused = Found::Refused(ErrorCode::NOT_LEADER_OR_FOLLOWER);
        let found = [0, 1].map(|index| (partition(index), refused.clone()));
        bench
            .state
            .handle_reset(bench.now, reset.node, asked.into_iter(), Ok(found.into()));
        bench.now = bench.plan().wake_at.unwrap();
    }
}

#[test]
fn partitions_that_stay_assigned_keep_their_positions() {
    let mut bench = Bench::reading(&[0, 1]);
    bench.state.seek(&partition(1), at(30));
    bench.state.assign([partition(1), partition(2)], false);
    assert_eq!(bench.state.assigned(), [partition(1), partition(2)]);
    assert_eq!(bench.state.position(&partition(1)).unwrap(), Some(at(30)));
    assert_eq!(bench.state.position(&partition(2)).unwrap(), None);
    assert!(bench.state.position(&partition(0)).is_err());
}

#[test]
fn a_time_that_no_record_has_reached_is_the_end() {
    let mut bench = Bench::reading(&[0]);
    bench.state.seek_to(&partition(0), ResetTo::Timestamp(77));
    for (to, found) in [
        (ResetTo::Timestamp(77), Found::Nothing),
        (ResetTo::Latest, Found::Position(at(9))),
    ] {
        let mut plan = bench.plan();
        let reset = plan.resets.remove(0);
        assert_eq!(reset.partitions[0].1, to);
        let asked: Vec<_> = reset.partitions.iter().map(|it| it.0.clone()).collect();
        let found = vec![(partition(0), found)];
        bench
            .state
            .handle_reset(bench.now, reset.node, asked.iter(), Ok(found));
    }
    assert_eq!(bench.next_offset(), 9);
}

#[test]
fn the_lag_is_that_of_the_last_answer() {
    let mut bench = Bench::reading(&[0]);
    assert_eq!(bench.state.lag(&partition(0)), None);
    let plan = bench.only_fetch();
    bench.answer(&plan, vec![data(0, batch(0, 3))]);
    assert_eq!(bench.state.lag(&partition(0)), Some(100));
    bench.consume();
    assert_eq!(bench.state.lag(&partition(0)), Some(97));
}
