//! The sender's part in transactions: it asks the coordinators what the manager wants asked, gives
//! partitions the producer's epoch, and drops or settles what an abort finds.

use std::sync::Arc;

use klamm_net::CoordinatorKind;
use tokio::time::Instant;

use super::state::{SenderState, Slot, outcome};
use super::{Done, Sender};
use crate::error::{Cause, Error, Outcome};
use crate::idempotence::{Gap, ProducerIds};
use crate::transaction::{
    Answer, Batches, ClusterView, Coordination, Protocol, Request, State, ask,
};
use crate::unfinished::Unfinished;

impl Sender {
    /// Lets the transaction go on; says when to come back.
    pub(super) fn coordinate(&mut self, now: Instant) -> Option<Instant> {
        let next = self.state.coordinate(&self.shared.unfinished, now)?;
        if let Some((request, protocol)) = next.request {
            let shared = Arc::clone(&self.shared);
            self.tasks.spawn(async move {
                let (cluster, settings) = (&shared.cluster, &shared.settings);
                let (answer, view) = ask(cluster, settings, &request, protocol).await;
                Done::Coordinator(answer, view)
            });
        }
        next.wake
    }

    /// A coordinator has answered, or not.
    pub(super) fn coordinated(
        &mut self,
        now: Instant,
        answer: Result<Answer, klamm_net::Error>,
        view: ClusterView,
    ) {
        let unfinished = &self.shared.unfinished;
        if let Some((kind, key)) = self.state.coordinated(unfinished, now, answer, view) {
            self.shared.cluster.forget_coordinator(kind, &key);
        }
    }
}

/// What the transaction wants next.
pub(super) struct Next {
    pub(super) request: Option<(Request, Protocol)>,
    pub(super) wake: Option<Instant>,
}

impl SenderState {
    /// Lets the transaction go on; none without transactions.
    pub(super) fn coordinate(&mut self, unfinished: &Unfinished, now: Instant) -> Option<Next> {
        let coordination = self.transaction.clone()?;
        tell_failures(&coordination, unfinished);
        let discards = coordination.lock().discards();
        if let Some(cause) = discards {
            self.discard(&cause, now);
            tell_failures(&coordination, unfinished);
        }
        let batches = if coordination.lock().is_ending() {
            Batches {
                settled: unfinished.len() == 0 && self.is_settled(),
                gap: self.gap(),
            }
        } else {
            Batches::default()
        };
        let (request, wake, changed) = {
            let mut manager = coordination.lock();
            let before = manager.state();
            let request = manager.poll_request(now, batches);
            (request, manager.poll_timeout(), manager.state() != before)
        };
        if changed {
            coordination.ring();
        }
        self.follow(&coordination);
        let protocol = self.protocol().unwrap_or_default();
        Some(Next {
            request: request.map(|request| (request, protocol)),
            wake,
        })
    }

    /// A coordinator has answered, or not. Gives back one that has to be looked for anew.
    pub(super) fn coordinated(
        &mut self,
        unfinished: &Unfinished,
        now: Instant,
        answer: Result<Answer, klamm_net::Error>,
        view: ClusterView,
    ) -> Option<(CoordinatorKind, String)> {
        let coordination = self.transaction.clone()?;
        tell_failures(&coordination, unfinished);
        let stale = coordination.change(|manager| {
            manager.handle_answer(now, answer, view);
            manager.take_stale()
        });
        self.follow(&coordination);
        // Partitions may have been added.
        for slot in 0..self.slots.len() {
            self.visit(slot, now);
        }
        stale
    }

    /// How produce requests speak about the open transaction; none without transactions.
    pub(super) fn protocol(&self) -> Option<Protocol> {
        let transaction = self.transaction.as_ref()?;
        Some(transaction.lock().protocol())
    }

    /// Takes over who the producer is, and that it can be none any more.
    fn follow(&mut self, coordination: &Coordination) {
        let manager = coordination.lock();
        if let Some(newest) = manager.producer() {
            let strict = manager.protocol() == Protocol::V2;
            self.ids = ProducerIds::Given { newest, strict };
        }
        if manager.state() == State::Fatal
            && let Some(Error::Fatal(code)) = manager.error()
        {
            drop(manager);
            self.fail_for_good(code);
        }
    }

    /// Gives up everything that is certainly not in the log. What may be there is still sent again,
    /// until that is known.
    fn discard(&mut self, cause: &Cause, now: Instant) {
        for slot in 0..self.slots.len() {
            let state = &mut self.slots[slot];
            let mut found = false;
            while let Some(staged) = state.staged.give_up() {
                state.queue.batch_left();
                staged.fail(cause.clone());
                found = true;
            }
            while let Some(mut batch) = state.queue.take_batch() {
                state.queue.batch_left();
                batch.completer.fail(cause.clone(), Outcome::NotWritten);
                found = true;
            }
            for mut stamped in state.sequences.give_up_unwritten() {
                let outcome = outcome(stamped.maybe_written);
                stamped.batch.completer.fail(cause.clone(), outcome);
                found = true;
            }
            if found {
                self.visit(slot, now);
            }
        }
    }

    /// Whether nothing is in flight or to be sent again.
    fn is_settled(&self) -> bool {
        let settled = |slot: &Slot| slot.sequences.in_flight() == 0 && !slot.sequences.has_resend();
        self.slots.iter().all(settled)
    }

    /// Whether all partitions can go on in this epoch.
    fn gap(&self) -> Gap {
        let gaps = self.slots.iter().map(|slot| slot.sequences.gap(&self.ids));
        gaps.max().unwrap_or_default()
    }
}

/// What failed so far belongs to the transaction that is open now, not to the one after the next
/// answer.
fn tell_failures(coordination: &Coordination, unfinished: &Unfinished) {
    if let Some(failure) = unfinished.take_failure() {
        coordination.change(|manager| manager.handle_batch_failure(failure));
    }
}
