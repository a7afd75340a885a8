//! Describing transactions.

use std::time::Duration;

use klamm_codec::messages::{DescribeTransactionsRequest, DescribeTransactionsResponse};
use klamm_net::{NodeId, TopicPartition};

use super::list::TransactionState;
use crate::admin::Admin;
use crate::driver::{Answers, Batch, Call, Target, drive};
use crate::error::Error;
use crate::results::Results;
use crate::wire::transactional_id;

/// A transaction of a transactional id.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TransactionDescription {
    /// The broker that coordinates it.
    pub coordinator: Option<NodeId>,
    /// What it is doing.
    pub state: TransactionState,
    /// Id of the producer.
    pub producer_id: i64,
    /// Epoch of the producer.
    pub producer_epoch: i16,
    /// When the coordinator aborts it (`transaction.timeout.ms`).
    pub timeout: Duration,
    /// When it began, in milliseconds since 1970; `None` if none is open.
    pub start_timestamp: Option<i64>,
    /// Partitions that it has written to.
    pub partitions: Vec<TopicPartition>,
}

impl Admin {
    /// The transactions of transactional ids, as their coordinators know them (KIP-664, Kafka 3.0).
    ///
    /// # Errors
    /// [`Error::Net`] if nothing is known about any of them; what befalls one is in its result:
    /// `TRANSACTIONAL_ID_NOT_FOUND`.
    pub async fn describe_transactions<S: Into<String>>(
        &self,
        transactional_ids: impl IntoIterator<Item = S>,
    ) -> Result<Results<String, TransactionDescription>, Error> {
        let ids = transactional_ids.into_iter().map(Into::into);
        drive(self, Describe, ids).await
    }
}

struct Describe;

impl Call for Describe {
    const NOUN: &'static str = "transactional id";
    type Key = String;
    type Value = TransactionDescription;
    type Request = DescribeTransactionsRequest;

    fn target(&self, id: &String) -> Target {
        Target::Transaction(id.clone())
    }

    fn request(&self, batch: &Batch<String>) -> Result<DescribeTransactionsRequest, Error> {
        let ids = batch.keys.iter().map(|id| transactional_id(id));
        Ok(DescribeTransactionsRequest::default().with_transactional_ids(ids.collect()))
    }

    fn read(
        &self,
        batch: &Batch<String>,
        response: DescribeTransactionsResponse,
        answers: &mut Answers<String, TransactionDescription>,
    ) {
        answers.throttled(response.throttle_time_ms);
        for transaction in response.transaction_states {
            let id = transaction.transactional_id.to_string();
            let started = transaction.transaction_start_time_ms;
            let timeout = u64::try_from(transaction.transaction_timeout_ms).unwrap_or(0);
            answers.answer(id, transaction.error_code, None, || {
                let topics = transaction.topics.iter();
                let partitions = topics.flat_map(|topic| {
                    let partitions = topic.partitions.iter();
                    partitions.map(|index| TopicPartition::new(topic.topic.as_str(), *index))
                });
                TransactionDescription {
                    coordinator: batch.node,
                    state: TransactionState::of(&transaction.transaction_state),
                    producer_id: transaction.producer_id.0,
                    producer_epoch: transaction.producer_epoch,
                    timeout: Duration::from_millis(timeout),
                    start_timestamp: (started >= 0).then_some(started),
                    partitions: partitions.collect(),
                }
            });
        }
    }
}
