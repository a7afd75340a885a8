//! What to make of the answer to a fetch.
//!
//! Each partition is on its own: an error of one neither loses nor delays the data of another.

use std::sync::Arc;

use bytes::Bytes;
use klamm_codec::ErrorCode;
use klamm_codec::batch::Batches;
use klamm_codec::fetch_response::{FetchResponse, FetchedPartition};
use klamm_net::{NodeId, TopicId, TopicPartition};
use tokio::time::Instant;

use super::drain::Chunk;
use super::isolation::AbortedTransactions;
use super::partition::{LogEnds, Position, Preferred, Status, Trouble};
use super::plan::FetchPlan;
use super::session::Wanted;
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
        self.nodes.entry(plan.node).or_default().fetching = None;
        let bytes = match outcome {
            Ok(response) => self.handle_response(now, plan, response, &mut effects),
            Err(error) => {
                self.fetch_failed(now, plan.node);
                effects.refresh = true;
                if !error.is_retriable() {
                    self.report(error.into());
                    effects.wake = true;
                }
                0
            }
        };
        self.budget.arrived(plan.bytes_max, bytes);
        effects
    }

    /// Returns the bytes that were buffered and count against the budget.
    fn handle_response(
        &mut self,
        now: Instant,
        plan: &FetchPlan,
        response: FetchResponse,
        effects: &mut Effects,
    ) -> usize {
        self.counts.fetches += 1;
        let (id, code) = (response.session_id, response.error_code);
        let named = response.topics.iter().map(|topic| topic.partitions.len());
        let is_complete =
            plan.session.epoch != 0 || named.sum::<usize>() >= plan.session.tell.len();
        let node = self.nodes.entry(plan.node).or_default();
        // The next request cures these at once; but not if it was such a request that failed.
        let is_curable = plan.session.epoch != 0
            && (code == ErrorCode::FETCH_SESSION_ID_NOT_FOUND
                || code == ErrorCode::INVALID_FETCH_SESSION_EPOCH);
        if !node.session.handle_response(id, code, is_complete) {
            if !is_curable {
                self.fetch_failed(now, plan.node);
                effects.refresh = true;
            }
            return 0;
        }
        node.pause.succeeded();
        let mut bytes = 0;
        for topic in response.topics {
            let Some(name) = self.topic_name(plan, &topic.topic, TopicId(topic.topic_id)) else {
                continue;
            };
            for fetched in topic.partitions {
                let partition = TopicPartition {
                    topic: Arc::clone(&name),
                    partition: fetched.partition,
                };
                bytes += self.handle_partition(now, plan.node, partition, fetched, effects);
            }
        }
        if !effects.leaders.is_empty() {
            effects.endpoints = response.node_endpoints;
        }
        bytes
    }

    /// The name of a topic in a response, none if it was not asked for.
    fn topic_name(&self, plan: &FetchPlan, name: &str, id: TopicId) -> Option<Arc<str>> {
        if !name.is_empty() {
            return Some(name.into());
        }
        self.nodes.get(&plan.node)?.session.name(id).cloned()
    }

    /// The broker did not answer, or not as it should.
    fn fetch_failed(&mut self, now: Instant, id: NodeId) {
        self.counts.failures += 1;
        self.node_failed(now, id);
        let node = self.nodes.entry(id).or_default();
        node.session.handle_failure();
        // A replica that does not answer is none to prefer.
        let mut deserted = Vec::new();
        for partition in node.session.partitions() {
            if let Some(state) = self.partitions.get_mut(partition)
                && state.preferred.take().is_some()
            {
                deserted.push(partition.clone());
            }
        }
        for partition in &deserted {
            self.queue(partition);
        }
    }

    /// Returns the bytes that were buffered and count against the budget.
    fn handle_partition(
        &mut self,
        now: Instant,
        node: NodeId,
        partition: TopicPartition,
        fetched: FetchedPartition,
        effects: &mut Effects,
    ) -> usize {
        let told = self
            .nodes
            .get(&node)
            .and_then(|node| node.session.told(&partition));
        let turn = self.next_number();
        let (Some(asked), Some(state)) = (told, self.partitions.get_mut(&partition)) else {
            return 0;
        };
        // Revoked and assigned again, sought, or read from another broker meanwhile.
        let is_current = state.node == Some(node)
            && state.epoch == asked.epoch
            && state.fetched.offset == asked.offset
            && state.status == Status::Fetching;
        if !is_current {
            return 0;
        }
        if !fetched.error_code.is_none() {
            self.handle_error(now, partition, &asked, &fetched, effects);
            return 0;
        }
        state.log = LogEnds {
            start: fetched.log_start_offset,
            last_stable: fetched.last_stable_offset,
            high_watermark: fetched.high_watermark,
        };
        state.pause.succeeded();
        if fetched.preferred_read_replica >= 0 && fetched.records.is_empty() {
            let preferred = Preferred {
                node: NodeId(fetched.preferred_read_replica),
                until: now + self.settings.metadata_max_age,
            };
            state.preferred = Some(preferred);
            let earlier = self.preferred_until.unwrap_or(preferred.until);
            self.preferred_until = Some(earlier.min(preferred.until));
            self.queue(&partition);
            return 0;
        }
        if fetched.records.is_empty() {
            return 0;
        }
        state.turn = turn;
        self.handle_records(now, partition, &asked, fetched, effects)
    }

    fn handle_records(
        &mut self,
        now: Instant,
        partition: TopicPartition,
        asked: &Wanted,
        fetched: FetchedPartition,
        effects: &mut Effects,
    ) -> usize {
        self.queue(&partition);
        let Some(state) = self.partitions.get_mut(&partition) else {
            return 0;
        };
        let scan = Scan::of(&fetched.records);
        let next = scan.next.unwrap_or(state.fetched);
        if next.offset <= state.fetched.offset && !scan.broken {
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
        if next.offset > state.fetched.offset {
            state.fetched = next;
        }
        if scan.broken {
            // Poll finds and reports the fault when it gets there.
            state.status = Status::Stuck;
        }
        let bytes = fetched.records.len();
        let budgeted = if state.paused { 0 } else { bytes };
        self.counts.bytes += bytes as u64;
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
        asked: &Wanted,
        fetched: &FetchedPartition,
        effects: &mut Effects,
    ) {
        self.counts.failures += 1;
        let backoff = self.settings.retry_backoff;
        self.queue(&partition);
        let Some(state) = self.partitions.get_mut(&partition) else {
            return;
        };
        // Whatever it is: the leader knows better.
        let was_preferred = state.preferred.take().is_some();
        let code = fetched.error_code;
        if code == ErrorCode::OFFSET_OUT_OF_RANGE {
            if was_preferred {
                // It lags, and the leader may name it again: not in circles.
                state.pause.failed(now, backoff);
                return;
            }
            let is_drained = state.is_drained();
            effects.wake |= if is_drained {
                self.reset_by_policy(&partition)
            } else {
                self.trouble(&partition, Trouble::OutOfRange)
            };
            return;
        }
        state.pause.failed(now, backoff);
        if let Some((leader, epoch)) = fetched.current_leader
            && leader >= 0
            && epoch > asked.leader_epoch
        {
            effects
                .leaders
                .push((partition.clone(), NodeId(leader), epoch));
        }
        match code {
            ErrorCode::UNKNOWN_LEADER_EPOCH | ErrorCode::UNKNOWN_SERVER_ERROR => {}
            ErrorCode::OFFSET_NOT_AVAILABLE => effects.refresh = true,
            code if code.needs_metadata() => effects.refresh = true,
            code => {
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

/// How far the batches of a response lead.
struct Scan {
    /// After the last whole batch.
    next: Option<Position>,
    /// Whether something that is no batch follows.
    broken: bool,
}

impl Scan {
    fn of(records: &Bytes) -> Self {
        let mut scan = Self {
            next: None,
            broken: false,
        };
        for batch in Batches::new(records.clone()) {
            match batch {
                Ok(batch) => {
                    scan.next = Some(Position {
                        offset: batch.header().last_offset().saturating_add(1),
                        leader_epoch: batch.header().partition_leader_epoch,
                    });
                }
                Err(_) => scan.broken = true,
            }
        }
        scan
    }
}
