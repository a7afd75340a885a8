//! The transactional producer that applications hold.

use std::sync::Arc;
use std::time::Duration;

use klamm_net::Cluster;
use tokio::time::Instant;

use super::coordination::Coordination;
use super::handle::Transaction;
use super::manager::Manager;
use super::state::State;
use crate::config::Settings;
use crate::error::Error;
use crate::hooks::Hooks;
use crate::producer::Producer;
use crate::stats::ProducerStats;

/// Sends records in transactions: those of one transaction, and the offsets that are sent with it,
/// become visible together, or not at all, to consumers that read committed records only
/// (`isolation.level=read_committed`).
///
/// Made by [`ProducerBuilder::build_transactional`](crate::ProducerBuilder::build_transactional).
/// One transaction is open at a time; [`begin`](Self::begin) gives a [`Transaction`], which ends by
/// [`commit`](Transaction::commit) or [`abort`](Transaction::abort) and cannot be used after that.
///
/// A transactional id belongs to one producer at a time. Building another one with it aborts what the
/// first had open, and ends the first: its calls fail with an error that
/// [`is_fenced`](Error::is_fenced).
///
/// Dropping the producer (and its open transaction) gives up at once; an open transaction is then
/// aborted by the coordinator, when `transaction.timeout.ms` is over, and holds up readers until
/// then. [`close`](Self::close) first.
///
/// ```no_run
/// # async fn example(builder: klamm_producer::ProducerBuilder) -> Result<(), klamm_producer::Error> {
/// use klamm_producer::Record;
///
/// let producer = builder.transactional_id("billing-1").build_transactional().await?;
/// let transaction = producer.begin().await?;
/// transaction.send(Record::to("invoices").value("7")).await?;
/// transaction.send(Record::to("ledger").value("7")).await?;
/// transaction.commit().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct TransactionalProducer {
    producer: Producer,
    coordination: Arc<Coordination>,
}

impl TransactionalProducer {
    /// Starts a producer and takes the transactional id over.
    pub(crate) async fn start(
        cluster: &Cluster,
        settings: Settings,
        hooks: Hooks,
        coordination: Coordination,
    ) -> Result<Self, Error> {
        let coordination = Arc::new(coordination);
        let deadline = Instant::now() + settings.config.max_block;
        let producer = Producer::start(cluster, settings, hooks, Some(Arc::clone(&coordination)));
        let started = Self {
            producer,
            coordination,
        };
        started.coordination.change(Manager::initialize)?;
        started.producer.wake();
        let initialized = started
            .coordination
            .wait(deadline, |manager| match manager.state() {
                State::Initializing => None,
                State::Ready => Some(Ok(())),
                _ => Some(Err(manager.error().unwrap_or(Error::Closed))),
            })
            .await;
        match initialized {
            Some(initialized) => initialized.map(|()| started),
            None => Err(started.timed_out("take over")),
        }
    }

    /// Opens a transaction. Waits for the end of the last one, if that is still going on: after a
    /// commit or abort that was not waited for, or a [`Transaction`] that was dropped. At most
    /// `max.block.ms`.
    ///
    /// # Errors
    /// [`Error::InvalidTransactionState`] or [`Error::Abortable`] while another [`Transaction`] is
    /// held; [`Error::TransactionTimeout`]; [`Error::Fatal`], also if another producer has taken the
    /// transactional id over ([`Error::is_fenced`]).
    ///
    /// # Cancel safety
    /// Nothing is opened when the future is dropped.
    pub async fn begin(&self) -> Result<Transaction, Error> {
        let deadline = Instant::now() + self.producer.max_block();
        self.coordination.change(Manager::abort_if_released);
        self.producer.wake();
        let begun = self
            .coordination
            .wait(deadline, |manager| match manager.state() {
                State::Initializing | State::Committing | State::Aborting => None,
                _ => Some(manager.begin()),
            });
        match begun.await {
            Some(begun) => {
                let coordination = Arc::clone(&self.coordination);
                Ok(Transaction::new(
                    self.producer.clone(),
                    coordination,
                    begun?,
                ))
            }
            None => Err(self.timed_out("begin")),
        }
    }

    /// As [`Producer::stats`].
    #[must_use]
    pub fn stats(&self) -> ProducerStats {
        self.producer.stats()
    }

    /// Aborts the open transaction, if there is one, and ends the producer.
    ///
    /// # Errors
    /// [`Error::Unfinished`] or [`Error::TransactionTimeout`] if `timeout` passes first. What is still
    /// open is then aborted by the coordinator, when `transaction.timeout.ms` is over.
    ///
    /// # Cancel safety
    /// Dropping the future ends the producer as dropping it does.
    pub async fn close(self, timeout: Duration) -> Result<(), Error> {
        let deadline = Instant::now() + timeout;
        self.coordination.change(Manager::release);
        self.producer.wake();
        let ended = self
            .coordination
            .wait(deadline, |manager| match manager.state() {
                State::Committing | State::Aborting | State::Initializing => None,
                _ => Some(()),
            })
            .await;
        let result = ended.ok_or_else(|| self.timed_out("close"));
        let left = deadline.saturating_duration_since(Instant::now());
        let closed = self.producer.close(left).await;
        self.coordination
            .change(|manager| manager.fail(Error::Closed));
        result.and(closed)
    }

    fn timed_out(&self, operation: &'static str) -> Error {
        self.producer
            .transaction_timed_out(&self.coordination, operation)
    }
}
