//! What to make of the answer to a fetch.
//!
//! Each partition is on its own: an error of one neither loses nor delays the data of another.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use klamm_codec::ErrorCode;
use klamm_codec::batch::Batches;
use klamm_codec::fetch_response::{FetchResponse, FetchedPartition, FetchedTopic};
use klamm_net::TopicPartition;
use tokio::time::Instant;

use super::drain::Chunk;
use super::isolation::AbortedTransactions;
use super::partition::{LogEnds, Status};
use super::plan::{FetchPlan, PlannedPartition, PlannedTopic};
use super::state::{Effects, FetchState};
use crate::config::IsolationLevel;
use crate::error::Error;

impl FetchState {
    /// The outcome of `plan`, which [`FetchState::plan`] made.
    pub(crate) fn handle_fetched(
        &mut self,
        now: Instant,
        plan: &FetchPlan,
        outcome: Result<FetchResponse, klamm_net::Error>,
    ) -> Effects {
        let mut effects = Effects::default();
        let node = self.nodes.entry(plan.node).or_default();
        node.fetching = None;
        let response = match outcome {
            Ok(response) if response.error_code.is_none() => response,
            failed => {
                node.pause.failed(now, self.settings.retry_backoff);
                self.budget.arrived(plan.bytes_max, 0);
                effects.refresh = true;
                if let Err(error) = failed
                    && !error.is_retriable()
                {
                    self.report(error.into());
                    effects.wake = true;
                }
                self.end_fetch(plan);
                return effects;
            }
        };
        node.pause.succeeded();
        let mut bytes = 0;
        for topic in response.topics {
            let Some(planned) = plan.topics.iter().find(|planned| is_of(planned, &topic)) else {
                continue;
            };
            let by_index: HashMap<i32, &PlannedPartition> = planned
                .partitions
                .iter()
                .map(|planned| (planned.partition, planned))
                .collect();
            for fetched in topic.partitions {
                if let Some(asked) = by_index.get(&fetched.partition) {
                    let partition = TopicPartition {
                        topic: Arc::clone(&planned.name),
                        partition: fetched.partition,
                    };
                    bytes +=
                        self.handle_partition(now, plan, partition, asked, fetched, &mut effects);
                }
            }
        }
        self.budget.arrived(plan.bytes_max, bytes);
        self.end_fetch(plan);
        effects
    }

    /// Partitions that are still part of `plan` may be fetched again.
    fn end_fetch(&mut self, plan: &FetchPlan) {
        for topic in &plan.topics {
            for planned in &topic.partitions {
                let partition = TopicPartition {
                    topic: Arc::clone(&topic.name),
                    partition: planned.partition,
                };
                if let Some(state) = self.partitions.get_mut(&partition)
                    && state.fetching.is_some_and(|(id, _)| id == plan.id)
                {
                    state.fetching = None;
                }
            }
        }
    }

    /// Returns the bytes that were buffered and count against the budget.
    fn handle_partition(
        &mut self,
        now: Instant,
        plan: &FetchPlan,
        partition: TopicPartition,
        asked: &PlannedPartition,
        fetched: FetchedPartition,
        effects: &mut Effects,
    ) -> usize {
        let turn = self.next_number();
        let Some(state) = self.partitions.get_mut(&partition) else {
            return 0;
        };
        // Revoked and assigned again, seeked, or fetched from a newer leader meanwhile.
        let current = state.fetching.is_some_and(|(id, _)| id == plan.id);
        if state.epoch != asked.epoch || !current || state.status != Status::Fetching {
            return 0;
        }
        state.fetching = None;
        if !fetched.error_code.is_none() {
            self.handle_error(now, partition, asked, fetched.error_code, effects);
            return 0;
        }
        state.log = LogEnds {
            start: fetched.log_start_offset,
            last_stable: fetched.last_stable_offset,
            high_watermark: fetched.high_watermark,
        };
        if fetched.records.is_empty() {
            state.pause.succeeded();
            return 0;
        }
        let scan = Scan::of(&fetched.records);
        let next_offset = scan.next_offset.unwrap_or(state.fetch_offset);
        if next_offset <= state.fetch_offset && !scan.broken {
            // Not one whole batch that leads on: asking again at once would turn in circles.
            state.pause.failed(now, self.settings.retry_backoff);
            let reason = "the response holds no whole record batch from there on".to_owned();
            self.report(Error::Corrupt {
                partition,
                offset: asked.offset,
                reason,
            });
            effects.wake = true;
            return 0;
        }
        state.pause.succeeded();
        state.turn = turn;
        state.fetch_offset = next_offset.max(state.fetch_offset);
        if scan.broken {
            // Poll finds and reports the fault when it gets there.
            state.status = Status::Stuck;
        }
        let budgeted = if state.paused {
            0
        } else {
            fetched.records.len()
        };
        let committed = self.settings.isolation_level == IsolationLevel::ReadCommitted;
        self.buffer.push_back(Chunk {
            partition,
            epoch: asked.epoch,
            offset: asked.offset,
            records: fetched.records,
            aborted: committed.then(|| AbortedTransactions::new(fetched.aborted_transactions)),
            budgeted,
        });
        effects.wake |= budgeted > 0;
        budgeted
    }

    fn handle_error(
        &mut self,
        now: Instant,
        partition: TopicPartition,
        asked: &PlannedPartition,
        code: ErrorCode,
        effects: &mut Effects,
    ) {
        let backoff = self.settings.retry_backoff;
        let Some(state) = self.partitions.get_mut(&partition) else {
            return;
        };
        match code {
            ErrorCode::OFFSET_OUT_OF_RANGE => {
                if asked.offset != state.fetch_offset {
                    return;
                }
                if state.is_drained() {
                    state.pause.succeeded();
                    effects.wake |= self.reset_by_policy(&partition);
                } else {
                    // What is buffered before the gap is handed out first.
                    state.pause.failed(now, backoff);
                }
            }
            ErrorCode::UNKNOWN_LEADER_EPOCH | ErrorCode::UNKNOWN_SERVER_ERROR => {
                state.pause.failed(now, backoff);
            }
            ErrorCode::OFFSET_NOT_AVAILABLE => {
                effects.refresh = true;
                state.pause.failed(now, backoff);
            }
            code if code.needs_metadata() => {
                effects.refresh = true;
                state.pause.failed(now, backoff);
            }
            code => {
                state.pause.failed(now, backoff);
                self.report(Error::Partition {
                    what: "fetching",
                    partition,
                    code,
                });
                effects.wake = true;
            }
        }
    }
}

fn is_of(planned: &PlannedTopic, fetched: &FetchedTopic) -> bool {
    if fetched.topic.is_empty() {
        planned.id.0 == fetched.topic_id
    } else {
        *planned.name == *fetched.topic
    }
}

/// How far the batches of a response lead.
struct Scan {
    /// After the last whole batch.
    next_offset: Option<i64>,
    /// Whether something that is no batch follows.
    broken: bool,
}

impl Scan {
    fn of(records: &Bytes) -> Self {
        let mut scan = Self {
            next_offset: None,
            broken: false,
        };
        for batch in Batches::new(records.clone()) {
            match batch {
                Ok(batch) => {
                    scan.next_offset = Some(batch.header().last_offset().saturating_add(1));
                }
                Err(_) => scan.broken = true,
            }
        }
        scan
    }
}
