//! What an answer, or the lack of one, means for the request under way.

use klamm_codec::{ApiKey, ErrorCode};
use klamm_net::{Backoff, CoordinatorKind};
use tokio::time::Instant;

use super::super::exchange::{Answer, ClusterView, Protocol, Request};
use super::super::state::State;
use super::super::verdict::{Asked, Circumstances, Verdict};
use super::{ENDED_KEPT, Ended, Manager, backoff_after};
use crate::idempotence::ProducerKey;

impl Manager {
    /// What became of the request under way.
    pub(crate) fn handle_answer(
        &mut self,
        now: Instant,
        answered: Result<Answer, klamm_net::Error>,
        view: ClusterView,
    ) {
        self.cluster = view.protocol;
        self.can_bump = view.can_bump.unwrap_or(self.can_bump);
        let Some(current) = self.current.as_mut() else {
            return;
        };
        current.in_flight = false;
        let asked = current.request.asked();
        match answered {
            Ok(answer) => {
                let verdict = |(about, code): (String, ErrorCode)| {
                    let circumstances = Circumstances {
                        can_bump: self.can_bump,
                        aborting: self.state == State::Aborting,
                    };
                    (Verdict::of(asked, code, circumstances), code, about)
                };
                let refused = answer.refused.into_iter().map(verdict);
                match refused.max_by_key(|(verdict, ..)| *verdict) {
                    None | Some((Verdict::Done, ..)) => self.succeeded(answer.producer),
                    Some((verdict, code, about)) => self.refused(now, verdict, code, about),
                }
            }
            Err(error) => self.unanswered(now, asked, error),
        }
    }

    fn refused(&mut self, now: Instant, verdict: Verdict, code: ErrorCode, about: String) {
        let Some(current) = &self.current else {
            return;
        };
        let error = klamm_net::Error::broker(current.request.api(), code, about);
        match verdict {
            Verdict::Done | Verdict::Retry | Verdict::Coordinator => {
                if verdict == Verdict::Coordinator {
                    self.stale = Some(self.coordinator_of_current());
                }
                self.retry(now, backoff_after(code, self.backoff), error);
            }
            Verdict::Abortable => {
                // With KIP-360 this producer goes on in its next epoch.
                self.open.bump |= code == ErrorCode::UNKNOWN_PRODUCER_ID;
                self.abandon(error);
            }
            Verdict::Fatal => self.end_for_good(code),
        }
    }

    /// The request was refused in a way that ends the transaction, not the producer.
    fn abandon(&mut self, error: klamm_net::Error) {
        let initializes = self.state == State::Initializing;
        self.settle();
        match self.state {
            // It will be aborted either way.
            State::Aborting | State::AbortableError => {}
            _ => self.poison(error.into()),
        }
        if initializes && self.producer.is_none() {
            self.change(State::Uninitialized);
        }
    }

    fn unanswered(&mut self, now: Instant, asked: Asked, error: klamm_net::Error) {
        let Some(current) = self.current.as_mut() else {
            return;
        };
        if error.may_have_been_processed() {
            current.lost = true;
            self.open.end_lost |= asked == Asked::EndTxn;
            // A copy may still be on its way, and come when the next transaction is open.
            self.open.bump |= self.open.protocol == Protocol::V1 && asked != Asked::InitProducerId;
        }
        let lookup = match &error {
            klamm_net::Error::Broker { api, code, .. } if *api == ApiKey::FIND_COORDINATOR => {
                let circumstances = Circumstances::default();
                Verdict::of(Asked::FindCoordinator, *code, circumstances)
            }
            _ if error.is_retriable() || error.may_have_been_processed() => Verdict::Coordinator,
            _ => Verdict::Fatal,
        };
        match lookup {
            Verdict::Abortable => self.abandon(error),
            Verdict::Fatal => {
                let code = error.code().unwrap_or(ErrorCode::UNSUPPORTED_VERSION);
                tracing::error!(%error, id = %self.transactional_id, "transactions are not possible");
                self.end_for_good(code);
            }
            _ => {
                self.stale = Some(self.coordinator_of_current());
                self.retry(now, self.backoff, error);
            }
        }
    }

    fn coordinator_of_current(&self) -> (CoordinatorKind, String) {
        match self.current.as_ref().map(|current| &current.request) {
            Some(Request::CommitOffsets { group, .. }) => {
                (CoordinatorKind::Group, group.group_id.clone())
            }
            _ => (
                CoordinatorKind::Transaction,
                self.transactional_id.to_string(),
            ),
        }
    }

    fn retry(&mut self, now: Instant, backoff: Backoff, error: klamm_net::Error) {
        tracing::debug!(%error, id = %self.transactional_id, "asking the coordinator again");
        self.retry_at = Some(now + backoff.jittered(self.failures));
        self.failures += 1;
        self.last_failure = Some(error);
        // An abort has no use for it, if nobody has seen it.
        let unseen = self.current.as_ref().is_some_and(|current| !current.lost);
        let needed = matches!(
            self.current.as_ref().map(|current| &current.request),
            Some(Request::End { .. } | Request::InitProducerId { .. })
        );
        if unseen && !needed && self.state == State::Aborting {
            self.settle();
        }
    }

    /// The outcome of the request is known.
    pub(super) fn settle(&mut self) -> Option<Request> {
        self.failures = 0;
        self.retry_at = None;
        self.last_failure = None;
        self.current.take().map(|current| current.request)
    }

    fn succeeded(&mut self, producer: Option<ProducerKey>) {
        let Some(request) = self.settle() else {
            return;
        };
        match request {
            Request::InitProducerId { known } => {
                self.producer = producer;
                if self.can_bump || known.is_none_or(|known| producer == known.next()) {
                    self.change(State::Ready);
                } else {
                    // Whoever had the epochs in between may have taken the transactional id over.
                    self.end_for_good(ErrorCode::PRODUCER_FENCED);
                }
            }
            Request::AddPartitions { partitions, .. } => {
                self.open.started = true;
                self.open.added.extend(partitions);
            }
            Request::AddOffsets { group, .. } => {
                self.open.started = true;
                self.open.groups.insert(group);
            }
            Request::CommitOffsets { .. } => {
                // An abort has dropped what was asked for.
                self.open.offsets.pop_front();
                self.open.offsets_done += 1;
            }
            Request::End { commit, .. } => {
                self.producer = producer.or(self.producer);
                // From now on transactions are those of KIP-890: its first begins in a new epoch.
                self.open.bump |= self.cluster > self.open.protocol;
                self.finish(commit);
            }
        }
    }

    /// The transaction is over.
    pub(super) fn finish(&mut self, commit: bool) {
        if self.ended.len() == ENDED_KEPT {
            self.ended.pop_front();
        }
        self.ended.push_back(Ended {
            number: self.number,
            commit,
        });
        if !self.open.bump {
            self.change(State::Ready);
        } else if self.can_bump || self.open.started {
            self.change(State::Initializing);
        } else {
            // Before 2.5 the next epoch is had by taking it from whoever has it by now, and no end of the
            // transaction has shown just before who that is.
            self.end_for_good(ErrorCode::UNSUPPORTED_VERSION);
        }
    }
}
