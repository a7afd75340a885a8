//! The fetch core: what it plans, and what it makes of answers.

mod epoch;
mod errors;
mod paused;
mod plan;
mod position;
mod replica;

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
