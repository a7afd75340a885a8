//! What a transactional producer thinks: which request its coordinators get next, and what an answer
//! means. `docs/design/transactions.md` tells the whole.
//!
//! Sans-I/O: calls of the application, answers, failures of batches and `now` go in; requests and the
//! next time to look come out. Records go their own way; here is only to which partitions they may
//! go, and that all of them are settled before a transaction ends.
//!
//! After each event: [`Manager::poll_request`] until it gives none, then sleep until
//! [`Manager::poll_timeout`].
//!
//! Invariants
//! - one request is under way at a time, and is repeated until its outcome is known
//! - a transaction ends only when every batch of it is settled
//! - before KIP-890, after a request whose outcome was unknown for a while, or a batch that left a
//!   gap, no transaction begins before the epoch was bumped: a copy of it that comes late hits nothing.
//!   Before KIP-360 that means to take the transactional id from whoever has it: done only where the end of the
//!   transaction has just shown that it is this producer, and held to be done only if the epoch that comes is the
//!   very next one. A gap that no copy can come of is closed in the same epoch there
//! - an application's call that does not fit changes nothing; an answer that does not fit ends the
//!   producer

mod answers;

use std::collections::{BTreeSet, HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use klamm_codec::ErrorCode;
use klamm_net::{Backoff, CoordinatorKind, GroupMetadata, OffsetAndMetadata, TopicPartition};
use tokio::time::Instant;

use super::exchange::{Protocol, Request};
use super::state::State;
use crate::error::{Cause, Error, Outcome};
use crate::idempotence::{Gap, ProducerKey};

/// How soon a coordinator that is still busy with the last transaction is asked again, and a leader
/// that has asked it.
const CONCURRENT_BACKOFF: Duration = Duration::from_millis(20);

/// Transactions whose end is remembered, for whoever asks after the next has begun.
const ENDED_KEPT: usize = 8;

/// The pauses after `code`, which are otherwise those of `backoff`.
pub(crate) fn backoff_after(code: ErrorCode, backoff: Backoff) -> Backoff {
    match code {
        ErrorCode::CONCURRENT_TRANSACTIONS => Backoff {
            initial: CONCURRENT_BACKOFF.min(backoff.initial),
            ..backoff
        },
        _ => backoff,
    }
}

/// How the batches of the open transaction stand.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Batches {
    /// Nothing is queued, in flight or to be sent again.
    pub(crate) settled: bool,
    /// Whether all partitions can go on in this epoch.
    pub(crate) gap: Gap,
}

/// A transaction that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ended {
    number: u64,
    commit: bool,
}

/// The open transaction.
#[derive(Debug, Default)]
struct Open {
    protocol: Protocol,
    /// Something of it may have reached a broker: it has to be ended there.
    started: bool,
    /// The epoch must be bumped after it.
    bump: bool,
    /// A request to end it may have been carried out without an answer.
    end_lost: bool,
    /// Partitions that records wait for.
    wanted: BTreeSet<TopicPartition>,
    added: HashSet<TopicPartition>,
    groups: BTreeSet<String>,
    offsets: VecDeque<PendingOffsets>,
    /// How many of all that were asked for have been committed.
    offsets_done: u64,
    offsets_asked: u64,
}

#[derive(Debug)]
struct PendingOffsets {
    group: GroupMetadata,
    offsets: Vec<(TopicPartition, OffsetAndMetadata)>,
}

/// A request until its outcome is known.
#[derive(Debug)]
struct Current {
    request: Request,
    in_flight: bool,
    /// It may have been carried out without an answer.
    lost: bool,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Manager {
    transactional_id: Arc<str>,
    backoff: Backoff,
    state: State,
    producer: Option<ProducerKey>,
    cluster: Protocol,
    can_bump: bool,
    /// Of the transaction that is or was open last.
    number: u64,
    /// Somebody holds the open transaction.
    held: bool,
    open: Open,
    /// The last few, oldest first.
    ended: VecDeque<Ended>,
    /// What made the transaction abortable, or ended the producer.
    error: Option<Error>,
    current: Option<Current>,
    failures: u32,
    retry_at: Option<Instant>,
    last_failure: Option<klamm_net::Error>,
    /// A coordinator that is to be looked for anew.
    stale: Option<(CoordinatorKind, String)>,
    /// The transaction that takes records; 0 is none. Read without a lock for every record.
    accepting: Arc<AtomicU64>,
}

impl Manager {
    pub(crate) fn new(transactional_id: Arc<str>, backoff: Backoff) -> Self {
        Self {
            transactional_id,
            backoff,
            state: State::Uninitialized,
            producer: None,
            cluster: Protocol::V1,
            can_bump: false,
            number: 0,
            held: false,
            open: Open::default(),
            ended: VecDeque::new(),
            error: None,
            current: None,
            failures: 0,
            retry_at: None,
            last_failure: None,
            stale: None,
            accepting: Arc::default(),
        }
    }

    // What the application asks for. A call that does not fit is an error and changes nothing.

    /// Asks for a producer id, which fences whoever had it before.
    pub(crate) fn initialize(&mut self) -> Result<(), Error> {
        if self.state != State::Uninitialized {
            return Err(self.refusal("initialize"));
        }
        self.enter("initialize", State::Initializing)
    }

    /// Opens the next transaction; gives its number.
    pub(crate) fn begin(&mut self) -> Result<u64, Error> {
        self.enter("begin", State::InTransaction)?;
        self.number += 1;
        self.held = true;
        self.open = Open {
            protocol: self.cluster,
            ..Open::default()
        };
        self.accepting.store(self.number, Ordering::Release);
        Ok(self.number)
    }

    /// Makes `offsets` of a group part of the transaction. They are, when [`Manager::offsets_done`]
    /// reaches the number that it gives.
    pub(crate) fn send_offsets(
        &mut self,
        group: GroupMetadata,
        offsets: Vec<(TopicPartition, OffsetAndMetadata)>,
    ) -> Result<u64, Error> {
        if self.state != State::InTransaction {
            return Err(self.refusal("send offsets"));
        }
        self.open.offsets_asked += 1;
        self.open
            .offsets
            .push_back(PendingOffsets { group, offsets });
        Ok(self.open.offsets_asked)
    }

    /// Ends the transaction and makes it visible, as soon as all of it is written.
    pub(crate) fn commit(&mut self) -> Result<(), Error> {
        self.enter("commit", State::Committing)?;
        self.held = false;
        Ok(())
    }

    /// Ends the transaction and hides it. What has not been sent yet will not be.
    pub(crate) fn abort(&mut self) -> Result<(), Error> {
        self.enter("abort", State::Aborting)?;
        self.held = false;
        self.error = None;
        self.open.wanted.clear();
        self.open.offsets.clear();
        // What nobody has seen, nobody has to be asked about.
        if let Some(current) = &self.current
            && !current.in_flight
            && !current.lost
        {
            self.settle();
        }
        Ok(())
    }

    /// Nobody holds the open transaction any more: it is aborted, if it still can be.
    pub(crate) fn release(&mut self) {
        self.held = false;
        self.abort_if_released();
    }

    /// Aborts a failed transaction that nobody holds.
    pub(crate) fn abort_if_released(&mut self) {
        if !self.held && matches!(self.state, State::InTransaction | State::AbortableError) {
            let _ = self.abort();
        }
    }

    /// The transaction failed to be committed, and somebody has to abort it.
    pub(crate) fn hold(&mut self) {
        self.held = true;
    }

    /// The producer is closed or failed: nothing more is done.
    pub(crate) fn fail(&mut self, error: Error) {
        if self.state != State::Fatal {
            self.state = State::Fatal;
            self.error = Some(error);
            self.current = None;
            self.retry_at = None;
            self.accepting.store(0, Ordering::Release);
        }
    }

    // What the batches tell.

    /// Whether batches may be sent to `partition` now; if not yet, it is added to the transaction.
    pub(crate) fn admits(&mut self, partition: &TopicPartition) -> bool {
        let is_open = matches!(self.state, State::InTransaction | State::Committing);
        if self.open.added.contains(partition) {
            return true;
        }
        if !is_open {
            return false;
        }
        match self.open.protocol {
            Protocol::V1 => {
                if !self.is_being_added(partition) {
                    self.open.wanted.insert(partition.clone());
                }
                false
            }
            Protocol::V2 => {
                self.open.started = true;
                self.open.added.insert(partition.clone());
                true
            }
        }
    }

    fn is_being_added(&self, partition: &TopicPartition) -> bool {
        match self.current.as_ref().map(|current| &current.request) {
            Some(Request::AddPartitions { partitions, .. }) => partitions.contains(partition),
            _ => false,
        }
    }

    /// A batch of the transaction failed.
    pub(crate) fn handle_batch_failure(&mut self, error: Error) {
        if matches!(self.state, State::InTransaction | State::Committing) {
            self.poison(error);
        }
    }

    /// Why batches that may not be in the log are dropped rather than sent, if they are.
    pub(crate) fn discards(&self) -> Option<Cause> {
        matches!(self.state, State::Aborting | State::AbortableError)
            .then_some(Cause::TransactionAborted)
    }

    /// Whether [`Manager::poll_request`] has to know how the batches stand.
    pub(crate) const fn is_ending(&self) -> bool {
        matches!(self.state, State::Committing | State::Aborting)
    }

    // Requests and answers.

    /// The request to be sent now, if there is one.
    pub(crate) fn poll_request(&mut self, now: Instant, batches: Batches) -> Option<Request> {
        let waits = self.retry_at.is_some_and(|retry_at| retry_at > now);
        if waits || !self.works() {
            return None;
        }
        if self.current.is_none() {
            let request = self.next_request(batches)?;
            self.current = Some(Current {
                request,
                in_flight: false,
                lost: false,
            });
        }
        let current = self.current.as_mut().filter(|at| !at.in_flight)?;
        current.in_flight = true;
        self.retry_at = None;
        Some(current.request.clone())
    }

    /// When [`Manager::poll_request`] may have one again.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.retry_at.filter(|_| self.works())
    }

    const fn works(&self) -> bool {
        matches!(
            self.state,
            State::Initializing | State::InTransaction | State::Committing | State::Aborting
        )
    }

    /// A coordinator that has to be looked for anew before the next request.
    pub(crate) fn take_stale(&mut self) -> Option<(CoordinatorKind, String)> {
        self.stale.take()
    }

    /// By urgency: what makes the producer one, what records and offsets wait for, the end.
    fn next_request(&mut self, batches: Batches) -> Option<Request> {
        if self.state == State::Initializing {
            let known = self.producer;
            return Some(Request::InitProducerId { known });
        }
        let producer = self.producer?;
        if self.state != State::Aborting {
            if !self.open.wanted.is_empty() {
                let partitions = std::mem::take(&mut self.open.wanted);
                let partitions = partitions.into_iter().collect();
                return Some(Request::AddPartitions {
                    producer,
                    partitions,
                });
            }
            if let Some(pending) = self.open.offsets.front() {
                let group = &pending.group.group_id;
                if self.open.protocol == Protocol::V1 && !self.open.groups.contains(group) {
                    let group = group.clone();
                    return Some(Request::AddOffsets { producer, group });
                }
                self.open.started = true;
                return Some(Request::CommitOffsets {
                    producer,
                    group: pending.group.clone(),
                    offsets: pending.offsets.clone(),
                });
            }
        }
        if !self.is_ending() || !batches.settled {
            return None;
        }
        let bumps = self.open.started && self.open.protocol == Protocol::V2;
        let must_bump = match batches.gap {
            Gap::None => false,
            Gap::Known => self.can_bump,
            Gap::Unknown => true,
        };
        self.open.bump |= must_bump && !bumps;
        let commit = self.state == State::Committing;
        if self.open.started {
            return Some(Request::End { producer, commit });
        }
        // Nothing of it has reached a broker.
        self.finish(commit);
        (self.state == State::Initializing).then_some(Request::InitProducerId {
            known: Some(producer),
        })
    }

    fn poison(&mut self, error: Error) {
        self.change(State::AbortableError);
        if self.state == State::AbortableError {
            self.error = Some(Error::Abortable {
                transactional_id: Arc::clone(&self.transactional_id),
                cause: Box::new(error),
            });
        }
    }

    fn end_for_good(&mut self, code: ErrorCode) {
        self.fail(Error::Fatal(code));
    }

    // States.

    /// A change that the application asks for.
    fn enter(&mut self, operation: &'static str, to: State) -> Result<(), Error> {
        if !to.may_follow(self.state) {
            return Err(self.refusal(operation));
        }
        self.change(to);
        Ok(())
    }

    fn refusal(&self, operation: &'static str) -> Error {
        match (self.state, &self.error) {
            (State::Fatal | State::AbortableError, Some(error)) => error.clone(),
            _ => Error::InvalidTransactionState {
                operation,
                transactional_id: Arc::clone(&self.transactional_id),
                state: self.state.to_string(),
            },
        }
    }

    /// A change that follows from an answer. One that the states do not allow is a mistake of this
    /// client: the producer ends rather than doing what nobody foresaw.
    fn change(&mut self, to: State) {
        if !to.may_follow(self.state) {
            tracing::error!(id = %self.transactional_id, from = %self.state, %to, "impossible change");
            self.end_for_good(ErrorCode::INVALID_TXN_STATE);
            return;
        }
        self.state = to;
        if to != State::InTransaction {
            self.accepting.store(0, Ordering::Release);
        }
    }

    // What can be seen from outside.

    pub(crate) const fn state(&self) -> State {
        self.state
    }

    /// Who the producer is.
    pub(crate) const fn producer(&self) -> Option<ProducerKey> {
        self.producer
    }

    /// How it speaks in the open transaction.
    pub(crate) const fn protocol(&self) -> Protocol {
        self.open.protocol
    }

    pub(crate) fn accepting(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.accepting)
    }

    pub(crate) fn error(&self) -> Option<Error> {
        self.error.clone()
    }

    /// Why the last attempt of the request under way failed.
    pub(crate) fn last_failure(&self) -> Option<klamm_net::Error> {
        self.last_failure.clone()
    }

    /// How many of the open transaction's offset commits are done.
    pub(crate) const fn offsets_done(&self) -> u64 {
        self.open.offsets_done
    }

    /// Whether the transaction with `number` has been committed (true) or aborted; none as long as
    /// it has not ended.
    pub(crate) fn ended(&self, number: u64) -> Option<bool> {
        let mut ended = self.ended.iter();
        let found = ended.find(|ended| ended.number == number)?;
        Some(found.commit)
    }

    /// Whether the transaction that failed may be visible all the same.
    pub(crate) const fn outcome(&self) -> Outcome {
        if self.open.end_lost {
            Outcome::Unknown
        } else {
            Outcome::NotWritten
        }
    }
}
