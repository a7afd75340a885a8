//! Deleting records.

use std::collections::HashMap;

use klamm_codec::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use klamm_codec::messages::{DeleteRecordsRequest, DeleteRecordsResponse};
use klamm_net::TopicPartition;

use crate::admin::Admin;
use crate::driver::{Answers, Batch, Call, Target, drive};
use crate::error::Error;
use crate::results::Results;
use crate::wire::{by_topic, topic_name};

/// What stands for the end of a partition.
const END: i64 = -1;

/// Which records of a partition to delete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecordsToDelete {
    /// Those before this offset.
    Before(i64),
    /// All that are there (up to the high watermark).
    All,
}

impl From<i64> for RecordsToDelete {
    fn from(offset: i64) -> Self {
        Self::Before(offset)
    }
}

impl Admin {
    /// Deletes the first records of partitions; gives the first offset that is left of each.
    ///
    /// # Errors
    /// [`Error::Invalid`] if a partition is there twice or an offset is negative, [`Error::Net`] if
    /// nothing is known about any of the partitions; what befalls one is in its
    /// result: `OFFSET_OUT_OF_RANGE` beyond the end, `POLICY_VIOLATION` if the topic is compacted
    /// only.
    ///
    /// # Examples
    /// ```
    /// # async fn trim(admin: klamm_admin::Admin) -> Result<(), klamm_admin::Error> {
    /// use klamm_admin::TopicPartition;
    ///
    /// let trim = (TopicPartition::new("orders", 0), 1_000);
    /// let first = admin.delete_records([trim]).await?.all()?;
    /// assert_eq!(first, [1_000]);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn delete_records<R: Into<RecordsToDelete>>(
        &self,
        records: impl IntoIterator<Item = (TopicPartition, R)>,
    ) -> Result<Results<TopicPartition, i64>, Error> {
        let offset = |(partition, records): (TopicPartition, R)| match records.into() {
            RecordsToDelete::All => Ok((partition, END)),
            // On the wire a negative one would mean all of them.
            RecordsToDelete::Before(offset) if offset < 0 => {
                let what = format!("offset {offset} of {partition}");
                Err(Error::invalid(what, "negative"))
            }
            RecordsToDelete::Before(offset) => Ok((partition, offset)),
        };
        let offsets = records
            .into_iter()
            .map(offset)
            .collect::<Result<Vec<_>, _>>()?;
        let partitions: Vec<_> = offsets.iter().map(|(it, _)| it.clone()).collect();
        let call = Delete(offsets.into_iter().collect());
        if call.0.len() < partitions.len() {
            let reason = "a partition is there twice";
            return Err(Error::invalid("records to delete", reason));
        }
        drive(self, call, partitions).await
    }
}

struct Delete(HashMap<TopicPartition, i64>);

impl Call for Delete {
    const NOUN: &'static str = "partition";
    type Key = TopicPartition;
    type Value = i64;
    type Request = DeleteRecordsRequest;

    fn target(&self, partition: &TopicPartition) -> Target {
        Target::Leader(partition.clone())
    }

    fn request(&self, batch: &Batch<TopicPartition>) -> Result<DeleteRecordsRequest, Error> {
        let offsets = batch.keys.iter().map(|key| (key, self.0[key]));
        let partition = |(index, offset)| {
            DeleteRecordsPartition::default()
                .with_partition_index(index)
                .with_offset(offset)
        };
        let topics = by_topic(offsets).into_iter().map(|(topic, partitions)| {
            DeleteRecordsTopic::default()
                .with_name(topic_name(topic))
                .with_partitions(partitions.into_iter().map(partition).collect())
        });
        Ok(DeleteRecordsRequest::default()
            .with_topics(topics.collect())
            .with_timeout_ms(batch.timeout_ms))
    }

    fn read(
        &self,
        _: &Batch<TopicPartition>,
        response: DeleteRecordsResponse,
        answers: &mut Answers<TopicPartition, i64>,
    ) {
        answers.throttled(response.throttle_time_ms);
        for topic in response.topics {
            for partition in topic.partitions {
                let key = TopicPartition::new(topic.name.as_str(), partition.partition_index);
                let first = partition.low_watermark;
                answers.answer(key, partition.error_code, None, || first);
            }
        }
    }
}
