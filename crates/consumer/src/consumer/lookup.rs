//! What is known of partitions, without moving in them: positions, ends of logs, lag.

use tokio::time::{Instant, timeout_at};

use klamm_net::TopicPartition;

use super::{Consumer, Mode};
use crate::error::Error;
use crate::fetch::ResetTo;
use crate::offset::{self, Listed, OffsetAndMetadata, OffsetAndTimestamp};

impl Consumer {
    /// What the group has committed for `partitions`, assigned or not.
    ///
    /// # Errors
    /// [`Error::Misuse`] without a group, [`Error::Net`].
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn committed(
        &self,
        partitions: impl IntoIterator<Item = TopicPartition>,
    ) -> Result<Vec<(TopicPartition, Option<OffsetAndMetadata>)>, Error> {
        let Some(group) = &self.config.group_id else {
            return Err(Error::Misuse {
                what: super::commit::NO_GROUP,
            });
        };
        let mut partitions: Vec<_> = partitions.into_iter().collect();
        partitions.sort_unstable();
        partitions.dedup();
        if partitions.is_empty() {
            return Ok(Vec::new());
        }
        let member = || self.shared.reads_as();
        Ok(offset::committed(&self.cluster, group, member, &partitions, self.deadline()).await?)
    }

    /// The next offset of `partition` to be handed out; waits until it is known.
    ///
    /// # Errors
    /// [`Error::NotAssigned`]; [`Error::NoOffset`] if `auto.offset.reset` is `none`;
    /// [`Error::Timeout`].
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn position(&mut self, partition: &TopicPartition) -> Result<i64, Error> {
        let deadline = self.deadline();
        loop {
            self.flush();
            {
                let state = self.shared.lock();
                if let Some(position) = state.fetch.position(partition)? {
                    return Ok(position.offset);
                }
                if let Some(error) = state.fetch.stuck(partition) {
                    return Err(error.clone());
                }
            }
            let changed = self.shared.application.notified();
            if timeout_at(deadline, changed).await.is_err() {
                return Err(Error::Timeout {
                    what: match self.mode {
                        Mode::Subscribed => "finding the position of a subscribed partition",
                        _ => "finding the position of an assigned partition",
                    },
                });
            }
        }
    }

    /// How many offsets of `partition` lie between what was handed out and the last that may be
    /// read, as far as the last response of its broker tells; asks nobody. None until there was one.
    ///
    /// # Errors
    /// [`Error::NotAssigned`].
    pub fn lag(&mut self, partition: &TopicPartition) -> Result<Option<i64>, Error> {
        self.flush();
        let state = self.shared.lock();
        state.fetch.position(partition)?;
        Ok(state.fetch.lag(partition))
    }

    /// The first offset of each of `partitions`, assigned or not, as their leaders say.
    ///
    /// # Errors
    /// [`Error::Net`] or [`Error::Timeout`] if a leader does not answer within
    /// `default.api.timeout.ms`, [`Error::Partition`] if one refuses.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn beginning_offsets(
        &self,
        partitions: impl IntoIterator<Item = TopicPartition>,
    ) -> Result<Vec<(TopicPartition, i64)>, Error> {
        self.ends(partitions, ResetTo::Earliest).await
    }

    /// The offset behind the last record of each of `partitions` that may be read, assigned or not,
    /// as their leaders say: with [`ReadCommitted`](crate::IsolationLevel::ReadCommitted) that of the
    /// first open transaction.
    ///
    /// # Errors
    /// As [`beginning_offsets`](Consumer::beginning_offsets).
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn end_offsets(
        &self,
        partitions: impl IntoIterator<Item = TopicPartition>,
    ) -> Result<Vec<(TopicPartition, i64)>, Error> {
        self.ends(partitions, ResetTo::Latest).await
    }

    async fn ends(
        &self,
        partitions: impl IntoIterator<Item = TopicPartition>,
        end: ResetTo,
    ) -> Result<Vec<(TopicPartition, i64)>, Error> {
        let wanted = partitions.into_iter().map(|partition| (partition, end));
        let found = self.offsets_at(wanted).await?.into_iter();
        Ok(found
            .map(|(partition, listed)| (partition, listed.offset))
            .collect())
    }

    /// The first record of each partition that is not older than the time given with it, in
    /// milliseconds since the Unix epoch; none if there is no such record.
    ///
    /// # Errors
    /// As [`beginning_offsets`](Consumer::beginning_offsets); [`Error::Misuse`] for a negative time.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn offsets_for_times(
        &self,
        times: impl IntoIterator<Item = (TopicPartition, i64)>,
    ) -> Result<Vec<(TopicPartition, Option<OffsetAndTimestamp>)>, Error> {
        let times: Vec<_> = times.into_iter().collect();
        if times.iter().any(|(_, timestamp)| *timestamp < 0) {
            return Err(Error::Misuse {
                what: "a timestamp to look for must not be negative",
            });
        }
        let wanted = times
            .into_iter()
            .map(|(partition, timestamp)| (partition, ResetTo::Timestamp(timestamp)));
        let found = self.offsets_at(wanted).await?.into_iter();
        Ok(found
            .map(|(partition, listed)| (partition, OffsetAndTimestamp::of(&listed)))
            .collect())
    }

    async fn offsets_at(
        &self,
        wanted: impl IntoIterator<Item = (TopicPartition, ResetTo)>,
    ) -> Result<impl IntoIterator<Item = (TopicPartition, Listed)>, Error> {
        let deadline = self.deadline();
        let isolation_level = self.config.isolation_level;
        let asked = offset::offsets_at(&self.cluster, isolation_level, wanted, deadline);
        match timeout_at(deadline, asked).await {
            Ok(found) => found,
            Err(_) => Err(Error::Timeout {
                what: "asking for offsets",
            }),
        }
    }

    pub(super) fn deadline(&self) -> Instant {
        let client = self.cluster.config().default_api_timeout;
        Instant::now() + self.config.default_api_timeout.unwrap_or(client)
    }
}
