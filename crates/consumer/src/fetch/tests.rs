//! The fetch core: what it plans, and what it makes of answers.

use std::time::Duration;

use bytes::Bytes;
use klamm_codec::ErrorCode;
use klamm_codec::fetch_response::{FetchResponse, FetchedPartition, FetchedTopic};
use klamm_net::{NodeId, TopicId, TopicPartition};
use tokio::time::Instant;

use super::lookup::Found;
use super::partition::{Leader, Position, ResetTo};
use super::plan::{ClusterView, FetchPlan, Plan, ValidationPlan};
use super::state::{Consumed, Effects, FetchState};
use super::testing::{batch, control_batch, empty_batch, joined, settings};
use super::validate::EpochEnd;
use super::{Drain, Opener};
use crate::config::OffsetReset;
use crate::error::Error;
use crate::offset::{OffsetAndMetadata, Offsets};

const MILLISECOND: Duration = Duration::from_millis(1);

fn partition(index: i32) -> TopicPartition {
    TopicPartition::new("t", index)
}

const fn at(offset: i64) -> Position {
    Position {
        offset,
        leader_epoch: -1,
    }
}

/// A core with a clock and leaders: partition 0 and 1 on broker 1, 2 on broker 2, others nowhere.
struct Bench {
    state: FetchState,
    now: Instant,
    view: View,
}

#[derive(Default)]
struct View {
    version: u64,
    /// Leader and epoch of partition 0, if it moved.
    moved_to: Option<(i32, i32)>,
    made_anew: bool,
}

impl ClusterView for View {
    fn version(&self) -> u64 {
        self.version
    }

    fn leader(&self, partition: &TopicPartition) -> Option<Leader> {
        let (node, epoch) = match partition.partition {
            0 => self.moved_to.unwrap_or((1, 5)),
            1 => (1, 5),
            2 => (2, 5),
            _ => return None,
        };
        Some(Leader {
            node: NodeId(node),
            epoch,
            topic_id: TopicId([if self.made_anew { 8 } else { 7 }; 16]),
        })
    }

    fn has_broker(&self, node: NodeId) -> bool {
        node.0 < 5
    }
}

impl Bench {
    fn new(offset_reset: OffsetReset) -> Self {
        Self {
            state: FetchState::new(settings(offset_reset)),
            now: Instant::now(),
            view: View {
                version: 1,
                ..View::default()
            },
        }
    }

    /// Assigned by hand, with positions at 0.
    fn reading(partitions: &[i32]) -> Self {
        let mut bench = Self::new(OffsetReset::Latest);
        let assigned = partitions.iter().map(|&index| partition(index));
        bench.state.assign(assigned, false);
        for &index in partitions {
            assert!(bench.state.seek(&partition(index), at(0)));
        }
        bench
    }

    fn plan(&mut self) -> Plan {
        self.state.plan(self.now, &self.view)
    }

    /// What is known of the cluster is otherwise from now on.
    fn refresh(&mut self, change: impl FnOnce(&mut View)) {
        self.view.version += 1;
        change(&mut self.view);
    }

    fn only_fetch(&mut self) -> FetchPlan {
        let mut plan = self.plan();
        assert_eq!(plan.fetches.len(), 1, "{plan:?}");
        plan.fetches.remove(0)
    }

    fn answer(&mut self, plan: &FetchPlan, partitions: Vec<FetchedPartition>) -> Effects {
        let topic = FetchedTopic {
            topic_id: [7; 16],
            partitions,
            ..FetchedTopic::default()
        };
        let response = FetchResponse {
            topics: vec![topic],
            ..FetchResponse::default()
        };
        self.state.handle_fetched(self.now, plan, Ok(response))
    }

    fn fail(&mut self, code: ErrorCode) -> Effects {
        let plan = self.only_fetch();
        self.answer(&plan, vec![fetched(0, code, Bytes::new())])
    }

    /// The offsets that a poll would hand out; notes them as consumed.
    fn consume(&mut self) -> Vec<i64> {
        let mut opener = Opener {
            check_crcs: true,
            decompressor: klamm_codec::compress::Decompressor::default(),
        };
        let chunks: Vec<_> = self.state.take_chunks().collect();
        let mut offsets = Vec::new();
        for chunk in chunks {
            let mut drain = Drain::new(chunk);
            let spans = drain.take(usize::MAX, &mut opener);
            for span in &spans {
                let records = span.batch.records_from(span.start).take(span.count);
                offsets.extend(records.map(|record| record.unwrap().offset));
            }
            let consumed = Consumed {
                partition: drain.partition().clone(),
                epoch: drain.epoch(),
                position: at(drain.position()),
            };
            self.state.flush([consumed].into_iter(), drain.budgeted());
        }
        offsets
    }

    /// The offset that the next fetch asks partition 0 for.
    fn next_offset(&mut self) -> i64 {
        let plan = self.only_fetch();
        asked(&plan)
            .into_iter()
            .find(|asked| asked.0 == 0)
            .unwrap()
            .1
    }

    fn answer_validation(&mut self, plan: &ValidationPlan, end: EpochEnd) -> Effects {
        let found = vec![(plan.partitions[0].0.partition.clone(), end)];
        self.state.handle_validated(self.now, plan, Ok(Some(found)))
    }
}

/// Partitions and offsets of a request, in its order.
fn asked(plan: &FetchPlan) -> Vec<(i32, i64)> {
    let tell = plan.session.tell.iter();
    tell.map(|(partition, wanted)| (partition.partition, wanted.offset))
        .collect()
}

const fn known(offset: i64, leader_epoch: i32) -> EpochEnd {
    EpochEnd::Known(Some(Position {
        offset,
        leader_epoch,
    }))
}

fn fetched(index: i32, error_code: ErrorCode, records: Bytes) -> FetchedPartition {
    FetchedPartition {
        partition: index,
        error_code,
        high_watermark: 100,
        last_stable_offset: 100,
        log_start_offset: 0,
        diverging_epoch: None,
        current_leader: None,
        aborted_transactions: Vec::new(),
        preferred_read_replica: -1,
        records,
    }
}

fn data(index: i32, records: Bytes) -> FetchedPartition {
    fetched(index, ErrorCode::NONE, records)
}

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

fn preferring(node: i32) -> FetchedPartition {
    FetchedPartition {
        preferred_read_replica: node,
        ..data(0, Bytes::new())
    }
}

#[test]
fn a_preferred_replica_is_read_until_its_time_is_over() {
    let mut bench = Bench::reading(&[0]);
    let plan = bench.only_fetch();
    bench.answer(&plan, vec![preferring(3)]);
    let plan = bench.only_fetch();
    assert_eq!((plan.node, asked(&plan)), (NodeId(3), vec![(0, 0)]));
    bench.answer(&plan, vec![data(0, batch(0, 3))]);
    let plan = bench.plan();
    assert_eq!(plan.fetches[0].node, NodeId(3));
    bench.now += Duration::from_secs(300);
    assert!(plan.wake_at <= Some(bench.now));
    assert_eq!(bench.only_fetch().node, NodeId(1));
    // What the replica answers then comes too late.
    bench.answer(&plan.fetches[0], vec![data(0, batch(3, 3))]);
    assert_eq!(bench.consume(), [0, 1, 2]);
}

type Failure<'a> = &'a dyn Fn(&mut Bench, &FetchPlan);

#[test]
fn a_preferred_replica_that_fails_or_lags_or_is_gone_gives_way_to_the_leader() {
    let fail = |bench: &mut Bench, plan: &FetchPlan, code| {
        bench.answer(plan, vec![fetched(0, code, Bytes::new())]);
    };
    let failures: [Failure<'_>; 4] = [
        &|bench, plan| fail(bench, plan, ErrorCode::OFFSET_OUT_OF_RANGE),
        &|bench, plan| fail(bench, plan, ErrorCode::NOT_LEADER_OR_FOLLOWER),
        &|bench, plan| {
            let lost = klamm_net::Error::UnknownNode { node: 3 };
            bench.state.handle_fetched(bench.now, plan, Err(lost));
        },
        &|bench, _| bench.refresh(|view| view.moved_to = Some((2, 6))),
    ];
    for failure in failures {
        let mut bench = Bench::reading(&[0]);
        let plan = bench.only_fetch();
        bench.answer(&plan, vec![preferring(3)]);
        let plan = bench.only_fetch();
        failure(&mut bench, &plan);
        bench.now += 121 * MILLISECOND;
        let next = bench.only_fetch();
        assert_ne!(next.node, NodeId(3));
        assert_eq!(asked(&next), [(0, 0)]);
    }
    // One that the metadata does not have (yet) is looked for, and the leader, which names it again, not asked in circles.
    let mut bench = Bench::reading(&[0]);
    let plan = bench.only_fetch();
    bench.answer(&plan, vec![preferring(77)]);
    let plan = bench.plan();
    assert!(plan.refresh && plan.fetches.is_empty());
    bench.now += 121 * MILLISECOND;
    assert_eq!(bench.only_fetch().node, NodeId(1));
}

#[test]
fn a_leader_that_a_broker_names_is_told_and_followed_without_a_pause() {
    let mut bench = Bench::reading(&[0]);
    let plan = bench.only_fetch();
    let mut refused = fetched(0, ErrorCode::NOT_LEADER_OR_FOLLOWER, Bytes::new());
    refused.current_leader = Some((2, 6));
    let effects = bench.answer(&plan, vec![refused]);
    assert_eq!(effects.leaders, [(partition(0), NodeId(2), 6)]);
    assert!(bench.plan().fetches.is_empty());
    bench.refresh(|view| view.moved_to = Some((2, 6)));
    assert_eq!(bench.only_fetch().node, NodeId(2));
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
