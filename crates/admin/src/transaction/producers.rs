//! Which producers write to a partition.

use klamm_codec::messages::describe_producers_request::TopicRequest;
use klamm_codec::messages::{DescribeProducersRequest, DescribeProducersResponse};
use klamm_net::{NodeId, TopicPartition};

use crate::admin::Admin;
use crate::driver::{Answers, Batch, Call, Target, drive};
use crate::error::Error;
use crate::results::Results;
use crate::wire::indexes_by_topic;

/// An idempotent producer that has written to a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProducerState {
    /// Its id.
    pub producer_id: i64,
    /// Its epoch.
    pub producer_epoch: i32,
    /// Sequence number of its last record; `None` if the broker has none.
    pub last_sequence: Option<i32>,
    /// When it wrote last, in milliseconds since 1970.
    pub last_timestamp: Option<i64>,
    /// Epoch of the coordinator that ended its last transaction here, if there was one.
    pub coordinator_epoch: Option<i32>,
    /// Where its open transaction starts, if it has one here.
    pub transaction_start_offset: Option<i64>,
}

impl Admin {
    /// The producers that have written to partitions, as the leaders know them (KIP-664, Kafka 2.8).
    ///
    /// # Errors
    /// [`Error::Net`] if nothing is known about any of the partitions; what befalls one is in its
    /// result.
    pub async fn describe_producers(
        &self,
        partitions: impl IntoIterator<Item = TopicPartition>,
    ) -> Result<Results<TopicPartition, Vec<ProducerState>>, Error> {
        drive(self, Describe(None), partitions).await
    }

    /// As [`Admin::describe_producers`], as the replica at `node` knows them.
    ///
    /// # Errors
    /// As there.
    pub async fn describe_producers_of(
        &self,
        node: NodeId,
        partitions: impl IntoIterator<Item = TopicPartition>,
    ) -> Result<Results<TopicPartition, Vec<ProducerState>>, Error> {
        drive(self, Describe(Some(node)), partitions).await
    }
}

/// With the replica to ask, if it is not the leader.
struct Describe(Option<NodeId>);

impl Call for Describe {
    const NOUN: &'static str = "partition";
    type Key = TopicPartition;
    type Value = Vec<ProducerState>;
    type Request = DescribeProducersRequest;

    fn target(&self, partition: &TopicPartition) -> Target {
        match self.0 {
            Some(node) => Target::Node(node),
            None => Target::Leader(partition.clone()),
        }
    }

    fn request(&self, batch: &Batch<TopicPartition>) -> Result<DescribeProducersRequest, Error> {
        let topics = indexes_by_topic(&batch.keys).map(|(name, indexes)| {
            TopicRequest::default()
                .with_name(name)
                .with_partition_indexes(indexes)
        });
        Ok(DescribeProducersRequest::default().with_topics(topics.collect()))
    }

    fn read(
        &self,
        _: &Batch<TopicPartition>,
        response: DescribeProducersResponse,
        answers: &mut Answers<TopicPartition, Vec<ProducerState>>,
    ) {
        answers.throttled(response.throttle_time_ms);
        for topic in response.topics {
            for partition in topic.partitions {
                let key = TopicPartition::new(topic.name.as_str(), partition.partition_index);
                let producers = partition.active_producers.into_iter();
                let producers = producers.map(|producer| ProducerState {
                    producer_id: producer.producer_id.0,
                    producer_epoch: producer.producer_epoch,
                    last_sequence: (producer.last_sequence >= 0).then_some(producer.last_sequence),
                    last_timestamp: (producer.last_timestamp >= 0)
                        .then_some(producer.last_timestamp),
                    coordinator_epoch: (producer.coordinator_epoch >= 0)
                        .then_some(producer.coordinator_epoch),
                    transaction_start_offset: (producer.current_txn_start_offset >= 0)
                        .then_some(producer.current_txn_start_offset),
                });
                let (code, message) = (partition.error_code, partition.error_message);
                answers.answer(key, code, message, || producers.collect());
            }
        }
    }
}
