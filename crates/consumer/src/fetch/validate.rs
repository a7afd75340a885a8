//! What to make of the answers to `OffsetForLeaderEpoch`: whether a position is still part of the
//! log after the leader has changed (KIP-320).
//!
//! A leader that was elected unclean, or had lost what was not yet flushed, may lack records that
//! were read before. The epoch of the last of them tells: if it ends below the position in the new
//! leader's log, the log was truncated.

use std::collections::HashMap;

use klamm_codec::ErrorCode;
use klamm_net::TopicPartition;
use tokio::time::Instant;

use super::partition::{Position, Trouble};
use super::plan::{PlannedLookup, ValidationPlan};
use super::state::{Effects, FetchState};
use crate::error::Error;

/// What the leader says about one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EpochEnd {
    /// The largest epoch that is not above the one asked for, and where it ends; none if there is
    /// no such epoch in the log.
    Known(Option<Position>),
    /// It refuses.
    Refused(ErrorCode),
}

impl FetchState {
    /// What the broker answered to `plan`; none if it does not know the question.
    pub(crate) fn handle_validated(
        &mut self,
        now: Instant,
        plan: &ValidationPlan,
        outcome: Result<Option<Vec<(TopicPartition, EpochEnd)>>, klamm_net::Error>,
    ) -> Effects {
        let mut effects = Effects::default();
        match outcome {
            Ok(Some(found)) => {
                let found: HashMap<_, _> = found.into_iter().collect();
                let lost = EpochEnd::Refused(ErrorCode::UNKNOWN_SERVER_ERROR);
                for (asked, position) in &plan.partitions {
                    let end = found.get(&asked.partition).unwrap_or(&lost);
                    self.handle_epoch_end(now, asked, *position, *end, &mut effects);
                }
            }
            // Brokers before 2.3 do not answer consumers that may not administer the cluster.
            Ok(None) => {
                for (asked, _) in &plan.partitions {
                    self.validated(asked);
                }
            }
            Err(error) => {
                self.node_failed(now, plan.node);
                let asked = plan.partitions.iter().map(|(asked, _)| asked);
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

    fn handle_epoch_end(
        &mut self,
        now: Instant,
        asked: &PlannedLookup,
        position: Position,
        end: EpochEnd,
        effects: &mut Effects,
    ) {
        let end = match end {
            EpochEnd::Known(end) => end,
            EpochEnd::Refused(code) => {
                self.lookups_failed(now, std::iter::once(asked));
                effects.refresh |= code.needs_metadata();
                if !code.is_retriable() && code != ErrorCode::UNKNOWN_SERVER_ERROR {
                    self.report(Error::Partition {
                        what: "validating the position",
                        partition: asked.partition.clone(),
                        code,
                    });
                    effects.wake = true;
                }
                return;
            }
        };
        if end.is_some_and(|end| end.offset >= position.offset) {
            self.validated(asked);
        } else if self.looked_up(asked).is_some() {
            let trouble = Trouble::Truncated {
                end,
                leader_epoch: asked.leader_epoch,
            };
            effects.wake |= self.trouble(&asked.partition, trouble);
        }
    }

    fn validated(&mut self, asked: &PlannedLookup) {
        if let Some(state) = self.looked_up(asked) {
            state.valid_in = asked.leader_epoch;
            state.pause.succeeded();
            self.queue(&asked.partition);
        }
    }
}
