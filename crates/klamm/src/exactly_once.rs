//! Consume, transform, produce: exactly once.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use klamm_consumer::{Consumer, ConsumerBuilder, IsolationLevel, Records};
use klamm_net::TopicPartition;
use klamm_producer::{
    CommitError, ProducerBuilder, Transaction, TransactionalProducer, UnfinishedCommit,
};

use crate::error::Error;

/// Reads records of a group, hands them to a function that writes others, and commits both together:
/// each record read has its effect once, whatever fails in between.
///
/// What a [`step`](Self::step) read and wrote is one transaction, with the group's offsets in it. If
/// the transaction fails (a record is refused, the group has moved on, the function fails), it is
/// aborted, and the next step reads the same records again, or those of the partitions that this
/// member still has. Readers of the output need
/// [`IsolationLevel::ReadCommitted`](crate::IsolationLevel::ReadCommitted).
///
/// # Examples
/// ```no_run
/// use klamm::{Client, Error, ExactlyOnce, Record, Records, Transaction};
///
/// # async fn example() -> Result<(), Error> {
/// let client = Client::connect("localhost:9092").await?;
/// let consumer = client.consumer().group("billing").topics(["orders"]);
/// let producer = client.producer().transactional_id("billing-1");
/// let mut billing = ExactlyOnce::build(consumer, producer).await?;
/// loop {
///     let step = billing.step(async |orders: &Records, invoices: &Transaction| {
///         for order in orders {
///             let invoice = Record::to("invoices").value(order.value.unwrap_or_default());
///             invoices.send(invoice).await?;
///         }
///         Ok::<_, Error>(())
///     });
///     match step.await {
///         Ok(_records) => {}
///         // Aborted; the records come again.
///         Err(error) if !error.is_fatal() => eprintln!("{error}"),
///         Err(error) => return Err(error),
///     }
/// }
/// # }
/// ```
pub struct ExactlyOnce {
    consumer: Consumer,
    producer: TransactionalProducer,
    poll_timeout: Duration,
    pending: Pending,
}

/// The first offset of each partition that a transaction has read.
type Start = BTreeMap<TopicPartition, i64>;

/// What a step left to the next one.
enum Pending {
    Nothing,
    /// It is not known whether its transaction is committed.
    Commit(UnfinishedCommit, Start),
    /// Its transaction is aborted, and the consumer still stands behind it.
    Rewind(Start),
}

impl ExactlyOnce {
    /// Starts both. The consumer reads committed records only and does not commit on its own; the
    /// rest of their settings is left as it is.
    ///
    /// # Errors
    /// As [`ConsumerBuilder::build`] and [`ProducerBuilder::build_transactional`].
    ///
    /// # Cancel safety
    /// Nothing remains when the future is dropped.
    pub async fn build(
        consumer: ConsumerBuilder,
        producer: ProducerBuilder,
    ) -> Result<Self, Error> {
        let producer = producer.build_transactional().await?;
        let consumer = consumer
            .auto_commit(false)
            .isolation_level(IsolationLevel::ReadCommitted);
        Ok(Self {
            consumer: consumer.build().await?,
            producer,
            poll_timeout: Duration::from_secs(1),
            pending: Pending::Nothing,
        })
    }

    /// How long a [`step`](Self::step) waits for records. Default: 1 s. At least once in
    /// `max.poll.interval.ms` a step must begin, or the group gives the partitions to others.
    pub const fn set_poll_timeout(&mut self, timeout: Duration) {
        self.poll_timeout = timeout;
    }

    /// The consumer, to look at it, pause it, or subscribe to other topics.
    pub const fn consumer(&mut self) -> &mut Consumer {
        &mut self.consumer
    }

    /// Reads some records, lets `process` write what follows from them, and commits both; gives the
    /// number of records that were read, none if there were none in time.
    ///
    /// What `process` does besides sending is not part of the transaction: it may happen again.
    ///
    /// # Errors
    /// Those of `process`, of the consumer and of the producer. After any that is not
    /// [fatal](Error::is_fatal) the transaction is aborted, or its outcome will be waited for, and the
    /// next step goes on from what is committed. After a fatal one both have to be built anew.
    ///
    /// # Cancel safety
    /// When the future is dropped, the transaction is aborted in the background, or its commit goes on
    /// there, and the next step goes on from what is committed.
    pub async fn step<E, F>(&mut self, process: F) -> Result<usize, E>
    where
        E: From<Error>,
        F: AsyncFnOnce(&Records, &Transaction) -> Result<(), E>,
    {
        self.recover().await?;
        let polled = self.consumer.poll_timeout(self.poll_timeout).await;
        let records = polled.map_err(Error::from)?;
        if records.is_empty() {
            return Ok(0);
        }
        let mut start = Start::new();
        for record in &records {
            let partition = TopicPartition::new(record.topic, record.partition);
            start.entry(partition).or_insert(record.offset);
        }
        // Also if this future is dropped somewhere below.
        self.pending = Pending::Rewind(start.clone());
        let transaction = self.producer.begin().await.map_err(Error::from)?;
        let processed = match process(&records, &transaction).await {
            Ok(()) => self.send_offsets(&transaction).await.map_err(E::from),
            Err(error) => Err(error),
        };
        if let Err(error) = processed {
            self.abort(transaction).await?;
            return Err(error);
        }
        self.commit(transaction, start).await?;
        Ok(records.len())
    }

    async fn send_offsets(&mut self, transaction: &Transaction) -> Result<(), Error> {
        let group = self.consumer.group_metadata()?;
        let offsets = self.consumer.consumed();
        transaction.send_offsets(offsets, &group).await?;
        Ok(())
    }

    async fn commit(&mut self, transaction: Transaction, start: Start) -> Result<(), Error> {
        let committed = transaction.commit().await;
        self.settle(committed, start).await
    }

    async fn settle(
        &mut self,
        committed: Result<(), CommitError>,
        start: Start,
    ) -> Result<(), Error> {
        match committed {
            Ok(()) => {
                self.pending = Pending::Nothing;
                Ok(())
            }
            Err(CommitError::Unknown { error, commit }) => {
                self.pending = Pending::Commit(commit, start);
                Err(error.into())
            }
            Err(CommitError::Abortable { error, transaction }) => {
                self.abort(transaction).await?;
                Err(error.into())
            }
            Err(error) => Err(klamm_producer::Error::from(error).into()),
        }
    }

    /// Aborts, and puts the consumer back; what of it fails is left to the next step.
    async fn abort(&mut self, transaction: Transaction) -> Result<(), Error> {
        transaction.abort().await?;
        self.recover().await
    }

    /// Finishes what the last step could not.
    async fn recover(&mut self) -> Result<(), Error> {
        match std::mem::replace(&mut self.pending, Pending::Nothing) {
            Pending::Nothing => Ok(()),
            Pending::Commit(commit, start) => {
                // If this future is dropped, the commit goes on all the same.
                self.pending = Pending::Rewind(start.clone());
                let committed = commit.retry().await;
                Box::pin(self.settle(committed, start)).await
            }
            Pending::Rewind(start) => {
                self.pending = Pending::Rewind(start.clone());
                self.rewind(&start).await?;
                self.pending = Pending::Nothing;
                Ok(())
            }
        }
    }

    /// Back to what the group has committed. Offsets that a transaction still holds are waited for
    /// (KIP-447), so whatever became of the last one, this is where to go on.
    async fn rewind(&mut self, start: &Start) -> Result<(), Error> {
        let committed = self.consumer.committed(start.keys().cloned()).await?;
        for (partition, committed) in committed {
            let first = start.get(&partition).copied().unwrap_or_default();
            let offset = committed.map_or(first, |committed| committed.offset);
            match self.consumer.seek(&partition, offset) {
                // The group has given it to another member, who begins at the same offset.
                Ok(()) | Err(klamm_consumer::Error::NotAssigned { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Leaves the group and ends the producer, each within `timeout`.
    ///
    /// # Errors
    /// The first of both that did not succeed.
    ///
    /// # Cancel safety
    /// Dropping the future ends both as dropping them does.
    pub async fn close(self, timeout: Duration) -> Result<(), Error> {
        let produced = self.producer.close(timeout).await;
        let consumed = self.consumer.close(timeout).await;
        produced?;
        consumed?;
        Ok(())
    }
}

impl fmt::Debug for ExactlyOnce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExactlyOnce")
            .field("consumer", &self.consumer)
            .field("producer", &self.producer)
            .finish_non_exhaustive()
    }
}
