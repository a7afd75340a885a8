//! Where records go: to the topic at once, or into a transaction.

use std::time::Duration;

use klamm::producer::{Error, Transaction, TransactionalProducer};
use klamm::{CommitError, Delivery, Producer, Record};

use crate::failure::{Failure, note};
use crate::session::Session;

/// Limit for ending a producer whose transaction has ended.
const CLOSE: Duration = Duration::from_secs(10);

/// Where records go.
pub(super) enum Sink {
    Topic(Producer),
    Transaction {
        transaction: Transaction,
        producer: TransactionalProducer,
    },
}

impl Sink {
    pub(super) async fn open(
        session: &Session,
        transactional_id: Option<&str>,
    ) -> Result<Self, Failure> {
        let builder = session.producer()?;
        let Some(id) = transactional_id else {
            return Ok(Self::Topic(builder.build()?));
        };
        let producer = builder.transactional_id(id).build_transactional().await?;
        Ok(Self::Transaction {
            transaction: producer.begin().await?,
            producer,
        })
    }

    pub(super) async fn send(&self, record: Record<'_>) -> Result<Delivery, Error> {
        match self {
            Self::Topic(producer) => producer.send(record).await,
            Self::Transaction { transaction, .. } => transaction.send(record).await,
        }
    }

    /// Sends what was read; a transaction is committed if it is `whole`, and aborted otherwise.
    pub(super) async fn finish(self, whole: bool) -> Result<(), Failure> {
        let (transaction, producer) = match self {
            Self::Topic(producer) => {
                producer.flush().await;
                return Ok(());
            }
            Self::Transaction {
                transaction,
                producer,
            } => (transaction, producer),
        };
        let ended = end(transaction, whole).await;
        producer.close(CLOSE).await?;
        ended
    }
}

/// Commits what is `whole`, and aborts what is not.
async fn end(transaction: Transaction, whole: bool) -> Result<(), Failure> {
    if !whole {
        transaction.abort().await?;
        note(
            "the transaction is aborted: none of its records is there for those who read what is committed",
        );
        return Ok(());
    }
    let mut committed = transaction.commit().await;
    while let Err(CommitError::Unknown { error, commit }) = committed {
        note(format_args!("still committing: {error}"));
        committed = commit.retry().await;
    }
    match committed {
        Err(CommitError::Abortable { error, transaction }) => {
            transaction.abort().await?;
            Err(Failure::Failed(format!(
                "the transaction is aborted: {error}"
            )))
        }
        committed => Ok(committed?),
    }
}
