//! An open transaction, and what is left of one whose end is not known.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use klamm_net::{GroupMetadata, OffsetAndMetadata, TopicPartition};
use tokio::time::Instant;

use super::coordination::Coordination;
use super::manager::Manager;
use super::state::State;
use crate::delivery::Delivery;
use crate::error::{Error, Outcome};
use crate::producer::Producer;
use crate::record::Record;

/// An open transaction of a [`TransactionalProducer`](crate::TransactionalProducer).
///
/// It may be shared by any number of tasks (`Arc`), but only one owner ends it. Dropping it without
/// [`commit`](Self::commit) aborts it in the background; the next
/// [`begin`](crate::TransactionalProducer::begin) waits for that.
///
/// When a record or an offset fails, the transaction can only be aborted: everything but
/// [`abort`](Self::abort) then fails with [`Error::Abortable`].
#[derive(Debug)]
#[must_use = "a transaction that is dropped is aborted"]
pub struct Transaction {
    producer: Producer,
    coordination: Arc<Coordination>,
    number: u64,
    /// The transaction that takes records.
    accepting: Arc<AtomicU64>,
    /// It is still to be ended.
    open: bool,
}

impl Transaction {
    pub(crate) fn new(producer: Producer, coordination: Arc<Coordination>, number: u64) -> Self {
        let accepting = coordination.lock().accepting();
        Self {
            producer,
            accepting,
            coordination,
            number,
            open: true,
        }
    }

    /// Accepts a record, as [`Producer::send`](crate::Producer::send) does; it becomes part of the
    /// transaction. [`commit`](Self::commit) waits for its acknowledgement, so nobody has to look at
    /// the [`Delivery`]: a record that fails makes the commit fail.
    ///
    /// # Errors
    /// As [`Producer::send`](crate::Producer::send); [`Error::Abortable`] if the transaction has
    /// failed.
    ///
    /// # Cancel safety
    /// A future that is dropped before it is ready has not accepted the record.
    pub async fn send(&self, record: Record<'_>) -> Result<Delivery, Error> {
        self.check()?;
        self.producer.send(record).await
    }

    /// As [`send`](Self::send), but never waits.
    ///
    /// # Errors
    /// As [`Producer::try_send`](crate::Producer::try_send); [`Error::Abortable`] if the transaction
    /// has failed.
    pub fn try_send(&self, record: Record<'_>) -> Result<Delivery, Error> {
        self.check()?;
        self.producer.try_send(record)
    }

    /// As [`Producer::flush`](crate::Producer::flush). A commit does this on its own.
    ///
    /// # Cancel safety
    /// Dropping the future has no effect on the records.
    pub async fn flush(&self) {
        self.producer.flush().await;
    }

    /// Makes offsets of a consumer's group part of the transaction: of each partition the next offset
    /// to read. They count when the transaction is committed, and not if it is aborted (KIP-447).
    ///
    /// `group` is the consumer's own metadata, taken after its last poll: if the group has moved on
    /// since, the transaction fails and must be aborted, so that no two members of the group process
    /// the same records. Switch off the consumer's own commits (`enable.auto.commit`).
    ///
    /// # Errors
    /// [`Error::Abortable`] if the group or the coordinator refuses; [`Error::TransactionTimeout`]
    /// after `max.block.ms`: the offsets are then still part of the transaction.
    ///
    /// # Cancel safety
    /// Once called, the offsets are part of the transaction.
    pub async fn send_offsets<O: Into<OffsetAndMetadata>>(
        &self,
        offsets: impl IntoIterator<Item = (TopicPartition, O)>,
        group: &GroupMetadata,
    ) -> Result<(), Error> {
        let offsets: Vec<_> = offsets
            .into_iter()
            .map(|(partition, offset)| (partition, offset.into()))
            .collect();
        if offsets.is_empty() {
            return self.check();
        }
        let deadline = Instant::now() + self.producer.max_block();
        let asked = self
            .coordination
            .change(|manager| manager.send_offsets(group.clone(), offsets))?;
        self.producer.wake();
        let done = self.coordination.wait(deadline, |manager| {
            if manager.offsets_done() >= asked {
                return Some(Ok(()));
            }
            match manager.state() {
                State::InTransaction => None,
                _ => Some(Err(manager.error().unwrap_or(Error::Closed))),
            }
        });
        done.await
            .unwrap_or_else(|| Err(self.timed_out("send offsets")))
    }

    /// Waits until all of the transaction is written, and makes it visible. At most `max.block.ms`.
    ///
    /// # Errors
    /// [`CommitError::Abortable`] if the transaction was not committed and must be aborted;
    /// [`CommitError::Unknown`] if that is not known in time; [`CommitError::Fatal`]. Each tells
    /// what can be done; with `?` they become an [`Error`], and then the transaction is aborted, or
    /// its commit goes on, in the background.
    ///
    /// # Cancel safety
    /// Once polled, the commit goes on in the background when the future is dropped.
    pub async fn commit(mut self) -> Result<(), CommitError> {
        if let Err(error) = self.coordination.change(Manager::commit) {
            return Err(if error.is_fatal() {
                CommitError::Fatal {
                    error,
                    outcome: Outcome::NotWritten,
                }
            } else {
                CommitError::Abortable {
                    error,
                    transaction: self,
                }
            });
        }
        self.open = false;
        self.producer.hurry();
        self.producer.wake();
        UnfinishedCommit { transaction: self }.wait().await
    }

    /// Hides the transaction for good: records that have not been sent fail with
    /// [`Cause::TransactionAborted`](crate::Cause::TransactionAborted), those on their way are waited
    /// for. At most `max.block.ms`.
    ///
    /// # Errors
    /// [`Error::TransactionTimeout`]: the abort goes on, and the next
    /// [`begin`](crate::TransactionalProducer::begin) waits for it. [`Error::Fatal`].
    ///
    /// # Cancel safety
    /// Once polled, the abort goes on in the background when the future is dropped.
    pub async fn abort(mut self) -> Result<(), Error> {
        self.open = false;
        self.coordination.change(Manager::abort)?;
        self.producer.wake();
        let deadline = Instant::now() + self.producer.max_block();
        let number = self.number;
        let aborted = self.coordination.wait(deadline, |manager| {
            if manager.ended(number).is_some() {
                return Some(Ok(()));
            }
            match manager.state() {
                State::Fatal => Some(Err(manager.error().unwrap_or(Error::Closed))),
                _ => None,
            }
        });
        aborted
            .await
            .unwrap_or_else(|| Err(self.timed_out("abort")))
    }

    /// An atomic load a record.
    #[inline]
    fn check(&self) -> Result<(), Error> {
        if self.accepting.load(Ordering::Acquire) == self.number {
            Ok(())
        } else {
            Err(self.coordination.lock().error().unwrap_or(Error::Closed))
        }
    }

    fn timed_out(&self, operation: &'static str) -> Error {
        self.producer
            .transaction_timed_out(&self.coordination, operation)
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        if self.open {
            self.coordination.change(Manager::release);
            self.producer.wake();
        }
    }
}

/// A commit whose outcome is not known yet. It goes on in the background; nothing but waiting for it
/// can be done, and the next [`begin`](crate::TransactionalProducer::begin) waits for it as well.
#[derive(Debug)]
#[must_use = "the transaction may be committed or not"]
pub struct UnfinishedCommit {
    transaction: Transaction,
}

impl UnfinishedCommit {
    /// Waits again, for at most `max.block.ms`.
    ///
    /// # Errors
    /// As [`Transaction::commit`].
    ///
    /// # Cancel safety
    /// The commit goes on in the background when the future is dropped.
    pub async fn retry(self) -> Result<(), CommitError> {
        self.wait().await
    }

    async fn wait(self) -> Result<(), CommitError> {
        let transaction = &self.transaction;
        let deadline = Instant::now() + transaction.producer.max_block();
        let number = transaction.number;
        let coordination = Arc::clone(&transaction.coordination);
        let settled = coordination.wait(deadline, |manager| {
            if manager.ended(number).is_some() {
                return Some(Settled::Committed);
            }
            let error = || manager.error().unwrap_or(Error::Closed);
            match manager.state() {
                State::AbortableError => {
                    let error = error();
                    manager.hold();
                    Some(Settled::Failed(error))
                }
                State::Fatal => Some(Settled::Fatal(error(), manager.outcome())),
                _ => None,
            }
        });
        match settled.await {
            Some(Settled::Committed) => Ok(()),
            Some(Settled::Failed(error)) => {
                let mut transaction = self.transaction;
                transaction.open = true;
                Err(CommitError::Abortable { error, transaction })
            }
            Some(Settled::Fatal(error, outcome)) => Err(CommitError::Fatal { error, outcome }),
            None => Err(CommitError::Unknown {
                error: transaction.timed_out("commit"),
                commit: self,
            }),
        }
    }
}

enum Settled {
    Committed,
    Failed(Error),
    Fatal(Error, Outcome),
}

/// Why a commit did not succeed, and what can be done about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommitError {
    /// The transaction is certainly not committed. It has to be aborted, which dropping this does in
    /// the background; then it can be done again.
    #[error("{error}")]
    Abortable {
        /// Why.
        error: Error,
        /// The transaction, to be aborted.
        transaction: Transaction,
    },
    /// It is not known whether the transaction is committed.
    #[error("{error}")]
    Unknown {
        /// What was waited for.
        error: Error,
        /// To wait again, which is all that can be done.
        commit: UnfinishedCommit,
    },
    /// The producer is at its end; build another one.
    #[error("{error}")]
    Fatal {
        /// Why.
        error: Error,
        /// Whether the transaction may be committed all the same.
        outcome: Outcome,
    },
}

impl CommitError {
    /// What went wrong.
    #[must_use]
    pub const fn error(&self) -> &Error {
        match self {
            Self::Abortable { error, .. }
            | Self::Unknown { error, .. }
            | Self::Fatal { error, .. } => error,
        }
    }

    /// Whether the transaction may be visible to readers all the same.
    #[must_use]
    pub const fn outcome(&self) -> Outcome {
        match self {
            Self::Abortable { .. } => Outcome::NotWritten,
            Self::Unknown { .. } => Outcome::Unknown,
            Self::Fatal { outcome, .. } => *outcome,
        }
    }
}

impl From<CommitError> for Error {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Abortable { error, .. }
            | CommitError::Unknown { error, .. }
            | CommitError::Fatal { error, .. } => error,
        }
    }
}
