//! What errors of partitions and brokers, and bytes that make no sense, lead to.

use super::*;

#[test]
fn leader_trouble_is_tried_again_after_a_pause_with_fresh_metadata() {
    for code in [
        ErrorCode::NOT_LEADER_OR_FOLLOWER,
        ErrorCode::REPLICA_NOT_AVAILABLE,
        ErrorCode::KAFKA_STORAGE_ERROR,
        ErrorCode::FENCED_LEADER_EPOCH,
        ErrorCode::OFFSET_NOT_AVAILABLE,
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        ErrorCode::UNKNOWN_TOPIC_ID,
        ErrorCode::INCONSISTENT_TOPIC_ID,
    ] {
        let mut bench = Bench::reading(&[0]);
        let effects = bench.fail(code);
        assert_eq!((effects.refresh, effects.wake), (true, false), "{code}");
        let plan = bench.plan();
        assert!(
            plan.fetches.is_empty() && plan.wake_at > Some(bench.now),
            "{code}"
        );
        bench.now += 121 * MILLISECOND;
        assert_eq!(bench.next_offset(), 0, "{code}");
    }
}

#[test]
fn an_unknown_leader_epoch_is_tried_again_without_metadata() {
    let mut bench = Bench::reading(&[0]);
    assert_eq!(
        bench.fail(ErrorCode::UNKNOWN_LEADER_EPOCH),
        Effects::default()
    );
    bench.now += 121 * MILLISECOND;
    assert_eq!(bench.next_offset(), 0);
}

#[test]
fn refusals_reach_the_application_and_the_position_stays() {
    for code in [
        ErrorCode::TOPIC_AUTHORIZATION_FAILED,
        ErrorCode::CORRUPT_MESSAGE,
    ] {
        let mut bench = Bench::reading(&[0]);
        assert!(bench.fail(code).wake);
        let error = bench.state.take_error().unwrap();
        assert_eq!(error.code(), Some(code));
        assert!(bench.state.take_error().is_none());
        bench.now += 121 * MILLISECOND;
        assert_eq!(bench.next_offset(), 0);
    }
}

#[test]
fn pauses_grow_with_failures_and_end_with_a_success() {
    let mut bench = Bench::reading(&[0]);
    for milliseconds in [121, 241, 481] {
        bench.fail(ErrorCode::NOT_LEADER_OR_FOLLOWER);
        bench.now += milliseconds * 2 / 3 * MILLISECOND / 2;
        assert!(bench.plan().fetches.is_empty());
        bench.now += milliseconds * MILLISECOND;
    }
    let plan = bench.only_fetch();
    bench.answer(&plan, vec![data(0, Bytes::new())]);
    assert_eq!(bench.next_offset(), 0);
}

#[test]
fn a_failed_request_pauses_its_broker_only() {
    let mut bench = Bench::reading(&[0, 2]);
    let plan = bench.plan();
    let lost = klamm_net::Error::UnknownNode { node: 1 };
    let effects = bench
        .state
        .handle_fetched(bench.now, &plan.fetches[0], Err(lost));
    assert_eq!((effects.refresh, effects.wake), (true, false));
    bench.answer(&plan.fetches[1], vec![data(2, Bytes::new())]);
    assert_eq!(bench.only_fetch().node, NodeId(2));
    bench.now += 121 * MILLISECOND;
    assert_eq!(bench.only_fetch().node, NodeId(1));
}

#[test]
fn an_offset_out_of_range_is_reset_by_policy_once_everything_was_consumed() {
    let mut bench = Bench::reading(&[0]);
    let plan = bench.only_fetch();
    bench.answer(&plan, vec![data(0, batch(0, 3))]);
    bench.fail(ErrorCode::OFFSET_OUT_OF_RANGE);
    bench.state.settle();
    assert!(bench.plan().resets.is_empty());
    assert_eq!(bench.consume(), [0, 1, 2]);
    bench.state.settle();
    let resets = bench.plan().resets;
    assert_eq!(resets[0].partitions[0].1, ResetTo::Latest);
}

#[test]
fn without_a_policy_an_offset_out_of_range_is_an_error_until_the_application_seeks() {
    let mut bench = Bench::new(OffsetReset::None);
    bench.state.assign([partition(0)], false);
    bench.state.seek(&partition(0), at(1000));
    assert!(bench.fail(ErrorCode::OFFSET_OUT_OF_RANGE).wake);
    for _ in 0..2 {
        let error = bench.state.take_error();
        assert!(matches!(
            error,
            Some(Error::OffsetOutOfRange { offset: 1000, .. })
        ));
        assert!(bench.plan().fetches.is_empty());
    }
    bench.state.seek(&partition(0), at(3));
    assert!(bench.state.take_error().is_none());
    assert_eq!(bench.next_offset(), 3);
}

#[test]
fn bytes_that_are_no_batch_stop_the_partition_after_what_was_good() {
    let mut bench = Bench::reading(&[0]);
    let plan = bench.only_fetch();
    let mut old_format = batch(2, 1).to_vec();
    old_format[16] = 1;
    bench.answer(
        &plan,
        vec![data(0, joined(&[batch(0, 2), old_format.into()]))],
    );
    assert!(bench.plan().fetches.is_empty());
    assert_eq!(bench.consume(), [0, 1]);
}

#[test]
fn a_response_without_a_whole_batch_is_an_error_and_no_hot_loop() {
    let mut bench = Bench::reading(&[0]);
    let plan = bench.only_fetch();
    bench.answer(&plan, vec![data(0, batch(0, 3).slice(..40))]);
    assert!(matches!(
        bench.state.take_error(),
        Some(Error::Corrupt { offset: 0, .. })
    ));
    assert!(bench.plan().fetches.is_empty());
}
