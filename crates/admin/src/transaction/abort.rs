//! Aborting transactions that hang: that no coordinator knows and that keep consumers from reading on.

use klamm_codec::messages::write_txn_markers_request::{WritableTxnMarker, WritableTxnMarkerTopic};
use klamm_codec::messages::{ProducerId, WriteTxnMarkersRequest, WriteTxnMarkersResponse};
use klamm_net::TopicPartition;

use crate::admin::Admin;
use crate::driver::{Answers, Batch, Call, Target, drive_one};
use crate::error::Error;
use crate::wire::indexes_by_topic;

/// A transaction that is open in a partition, as [`Admin::describe_producers`] shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HangingTransaction {
    /// Where it is open.
    pub partition: TopicPartition,
    /// Id of its producer.
    pub producer_id: i64,
    /// Epoch of its producer.
    pub producer_epoch: i16,
    /// Epoch of the coordinator; `None` if the partition has never seen one.
    pub coordinator_epoch: Option<i32>,
}

impl Admin {
    /// Aborts a transaction in one partition, beside its coordinator (KIP-664). Only for one that the
    /// coordinator does not know any more: of others it is the producer's matter, or
    /// [`Admin::fence_producers`].
    ///
    /// # Errors
    /// [`Error::Refused`]: `INVALID_PRODUCER_EPOCH` or `TRANSACTION_COORDINATOR_FENCED` if it is not
    /// the newest one of its producer, `CLUSTER_AUTHORIZATION_FAILED`; [`Error::Net`].
    pub async fn abort_transaction(&self, transaction: HangingTransaction) -> Result<(), Error> {
        let partition = transaction.partition.clone();
        drive_one(self, Abort(transaction), partition).await
    }
}

struct Abort(HangingTransaction);

impl Call for Abort {
    const NOUN: &'static str = "partition";
    type Key = TopicPartition;
    type Value = ();
    type Request = WriteTxnMarkersRequest;

    fn target(&self, partition: &TopicPartition) -> Target {
        Target::Leader(partition.clone())
    }

    fn request(&self, batch: &Batch<TopicPartition>) -> Result<WriteTxnMarkersRequest, Error> {
        let topics = indexes_by_topic(&batch.keys).map(|(name, indexes)| {
            WritableTxnMarkerTopic::default()
                .with_name(name)
                .with_partition_indexes(indexes)
        });
        let marker = WritableTxnMarker::default()
            .with_producer_id(ProducerId(self.0.producer_id))
            .with_producer_epoch(self.0.producer_epoch)
            .with_coordinator_epoch(self.0.coordinator_epoch.unwrap_or(0))
            .with_transaction_result(false)
            .with_topics(topics.collect());
        Ok(WriteTxnMarkersRequest::default().with_markers(vec![marker]))
    }

    fn read(
        &self,
        _: &Batch<TopicPartition>,
        response: WriteTxnMarkersResponse,
        answers: &mut Answers<TopicPartition, ()>,
    ) {
        let topics = response.markers.into_iter().flat_map(|it| it.topics);
        for topic in topics {
            for partition in topic.partitions {
                let key = TopicPartition::new(topic.name.as_str(), partition.partition_index);
                answers.answer(key, partition.error_code, None, || ());
            }
        }
    }
}
