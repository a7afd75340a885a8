//! What to make of looked-up offsets: those the group committed, and the ends of the log.
//!
//! An answer for an epoch that is over (the application has sought, or lost the partition) is
//! dropped.

use std::collections::HashMap;

use klamm_codec::ErrorCode;
use klamm_net::{NodeId, TopicPartition};
use tokio::time::Instant;

use super::partition::{PartitionState, Position, ResetTo, Status};
use super::plan::PlannedLookup;
use super::state::{Effects, FetchState};
use crate::error::Error;

/// What the broker says about one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// An offset.
    Position(Position),
    /// There is none.
    Nothing,
    /// It refuses.
    Refused(ErrorCode),
}

impl FetchState {
    /// What the group has committed for `asked`.
    pub(crate) fn handle_committed(
        &mut self,
        now: Instant,
        asked: &[PlannedLookup],
        outcome: Result<Vec<(TopicPartition, Found)>, Error>,
    ) -> Effects {
        let mut effects = Effects::default();
        match outcome {
            Ok(found) => {
                let found: HashMap<_, _> = found.into_iter().collect();
                for asked in asked {
                    let found = found.get(&asked.partition).unwrap_or(&Found::Nothing);
                    self.handle_found(now, asked, found, &mut effects);
                }
            }
            Err(error) => {
                self.lookups_failed(now, asked.iter());
                // That it is no member any more its heartbeats tell the member, which then gives the partitions up.
                let is_of_membership = matches!(
                    error.code(),
                    Some(ErrorCode::UNKNOWN_MEMBER_ID | ErrorCode::FENCED_MEMBER_EPOCH)
                );
                if !error.is_retriable() && !is_of_membership {
                    self.report(error);
                    effects.wake = true;
                }
            }
        }
        effects
    }

    /// What `node` answered to `ListOffsets`.
    pub(crate) fn handle_reset<'a>(
        &mut self,
        now: Instant,
        node: NodeId,
        asked: impl Iterator<Item = &'a PlannedLookup>,
        outcome: Result<Vec<(TopicPartition, Found)>, klamm_net::Error>,
    ) -> Effects {
        let mut effects = Effects::default();
        match outcome {
            Ok(found) => {
                let found: HashMap<_, _> = found.into_iter().collect();
                // Named in the request and not in the answer: ask again.
                let lost = Found::Refused(ErrorCode::UNKNOWN_SERVER_ERROR);
                for asked in asked {
                    let found = found.get(&asked.partition).unwrap_or(&lost);
                    self.handle_found(now, asked, found, &mut effects);
                }
            }
            Err(error) => {
                self.node_failed(now, node);
                self.lookups_failed(now, asked);
                effects.refresh = true;
                if !error.is_retriable() {
                    self.report(error.into());
                    effects.wake = true;
                }
            }
        }
        effects
    }

    fn handle_found(
        &mut self,
        now: Instant,
        asked: &PlannedLookup,
        found: &Found,
        effects: &mut Effects,
    ) {
        let backoff = self.settings.retry_backoff;
        if self.looked_up(asked).is_none() {
            return;
        }
        self.queue(&asked.partition);
        let Some(state) = self.partitions.get_mut(&asked.partition) else {
            return;
        };
        match found {
            Found::Position(position) => {
                // Its leader has just said so; of a committed one nobody knows.
                let valid_in = asked.leader_epoch;
                state.start_at(*position, valid_in);
                effects.wake = true;
            }
            Found::Nothing if state.status == Status::AwaitCommitted => {
                effects.wake |= self.reset_by_policy(&asked.partition);
            }
            // No record is that young: what comes next will be.
            Found::Nothing if matches!(state.status, Status::AwaitReset(to) if to.may_be_none()) => {
                state.status = Status::AwaitReset(ResetTo::Latest);
            }
            Found::Nothing => {
                let error = Error::NoOffset {
                    partition: asked.partition.clone(),
                };
                self.fail(&asked.partition, asked.epoch, error);
                effects.wake = true;
            }
            Found::Refused(code) => {
                state.pause.failed(now, backoff);
                effects.refresh |=
                    code.needs_metadata() || *code == ErrorCode::OFFSET_NOT_AVAILABLE;
                if !code.is_retriable() && *code != ErrorCode::UNKNOWN_SERVER_ERROR {
                    self.report(Error::Partition {
                        what: "looking up the offset",
                        partition: asked.partition.clone(),
                        code: *code,
                    });
                    effects.wake = true;
                }
            }
        }
    }

    /// Asks again after a pause.
    pub(super) fn lookups_failed<'a>(
        &mut self,
        now: Instant,
        asked: impl Iterator<Item = &'a PlannedLookup>,
    ) {
        let backoff = self.settings.retry_backoff;
        for asked in asked {
            if let Some(state) = self.looked_up(asked) {
                state.pause.failed(now, backoff);
                self.queue(&asked.partition);
            }
        }
    }

    /// Leaves a broker alone for a while.
    pub(super) fn node_failed(&mut self, now: Instant, node: NodeId) {
        let backoff = self.settings.retry_backoff;
        let node = self.nodes.entry(node).or_default();
        node.pause.failed(now, backoff);
    }

    /// The state that `asked` is still about.
    pub(super) fn looked_up(&mut self, asked: &PlannedLookup) -> Option<&mut PartitionState> {
        let state = self.partitions.get_mut(&asked.partition)?;
        if state.epoch != asked.epoch || !state.looking_up {
            return None;
        }
        state.looking_up = false;
        Some(state)
    }
}
