//! Going elsewhere in a partition, and standing still.

use klamm_net::TopicPartition;

use super::Consumer;
use crate::error::Error;
use crate::fetch::{Drain, FetchState, Position, ResetTo};
use crate::offset::OffsetAndMetadata;

impl Consumer {
    /// Goes on at `offset` of `partition` with the next poll. With a leader epoch in it, a log that
    /// was truncated below the offset meanwhile is noticed (KIP-320).
    ///
    /// # Errors
    /// [`Error::NotAssigned`], or [`Error::Misuse`] for a negative offset.
    pub fn seek(
        &mut self,
        partition: &TopicPartition,
        offset: impl Into<OffsetAndMetadata>,
    ) -> Result<(), Error> {
        let to: OffsetAndMetadata = offset.into();
        if to.offset < 0 {
            return Err(Error::Misuse {
                what: "an offset to seek to must not be negative",
            });
        }
        let position = Position {
            offset: to.offset,
            leader_epoch: to.leader_epoch.unwrap_or(-1),
        };
        self.seek_by(partition, |fetch| fetch.seek(partition, position))
    }

    /// Goes on so many records after, or before, the [`position`](Consumer::position), but not before
    /// offset 0; waits until the position is known. Returns the new one.
    ///
    /// Offsets are counted, not records: what compaction removed counts, and so do the markers of
    /// transactions.
    ///
    /// # Errors
    /// As [`position`](Consumer::position).
    ///
    /// # Cancel safety
    /// Nothing has changed if the future is dropped.
    pub async fn seek_relative(
        &mut self,
        partition: &TopicPartition,
        offsets: i64,
    ) -> Result<i64, Error> {
        let offset = self.position(partition).await?;
        let offset = offset.saturating_add(offsets).max(0);
        self.seek(partition, offset)?;
        Ok(offset)
    }

    /// Goes on at the first offset of `partition` with the next poll.
    ///
    /// # Errors
    /// [`Error::NotAssigned`].
    pub fn seek_to_beginning(&mut self, partition: &TopicPartition) -> Result<(), Error> {
        self.seek_to(partition, ResetTo::Earliest)
    }

    /// Goes on at the end of `partition` with the next poll.
    ///
    /// # Errors
    /// [`Error::NotAssigned`].
    pub fn seek_to_end(&mut self, partition: &TopicPartition) -> Result<(), Error> {
        self.seek_to(partition, ResetTo::Latest)
    }

    /// Goes on at the first record of `partition` whose timestamp is not before `timestamp`, in
    /// milliseconds since the Unix epoch, with the next poll; at the end if there is none.
    ///
    /// # Errors
    /// [`Error::NotAssigned`], or [`Error::Misuse`] for a negative timestamp.
    pub fn seek_to_timestamp(
        &mut self,
        partition: &TopicPartition,
        timestamp: i64,
    ) -> Result<(), Error> {
        if timestamp < 0 {
            return Err(Error::Misuse {
                what: "a timestamp to seek to must not be negative",
            });
        }
        self.seek_to(partition, ResetTo::Timestamp(timestamp))
    }

    fn seek_to(&mut self, partition: &TopicPartition, to: ResetTo) -> Result<(), Error> {
        self.seek_by(partition, |fetch| fetch.seek_to(partition, to))
    }

    fn seek_by(
        &mut self,
        partition: &TopicPartition,
        seek: impl FnOnce(&mut FetchState) -> bool,
    ) -> Result<(), Error> {
        self.flush();
        let seeked = seek(&mut self.shared.lock().fetch);
        self.shared.fetcher.notify_one();
        if seeked {
            return Ok(());
        }
        Err(Error::NotAssigned {
            partition: partition.clone(),
        })
    }

    /// Hands out nothing of `partitions` until they are [resumed](Consumer::resume), and fetches no
    /// more of them. What was fetched is kept, as far as it is not more than twice `prefetch_bytes`
    /// for all paused partitions together, and does not count against that bound for the others.
    ///
    /// The group goes on meanwhile, as long as the application polls. A partition that is taken away and
    /// assigned again is no longer paused.
    ///
    /// # Errors
    /// [`Error::NotAssigned`] for the first that is not; those before it are paused.
    pub fn pause<'a>(
        &mut self,
        partitions: impl IntoIterator<Item = &'a TopicPartition>,
    ) -> Result<(), Error> {
        self.flush();
        for partition in partitions {
            let mut taken = 0;
            let (mut parked, drains) = std::mem::take(&mut self.drains)
                .into_iter()
                .partition::<Vec<_>, _>(|drain| drain.partition() == partition);
            self.drains = drains.into();
            for drain in &mut parked {
                taken += drain.budgeted();
                drain.set_budgeted(false);
            }
            self.parked.extend(parked);
            let parked = self.parked.iter().map(Drain::bytes).sum();
            let mut state = self.shared.lock();
            if !state.fetch.pause(partition, taken, parked) {
                return Err(Error::NotAssigned {
                    partition: partition.clone(),
                });
            }
        }
        self.shared.fetcher.notify_one();
        Ok(())
    }

    /// Goes on with `partitions` that were [paused](Consumer::pause), where they stood.
    ///
    /// # Errors
    /// [`Error::NotAssigned`] for the first that is not; those before it are resumed.
    pub fn resume<'a>(
        &mut self,
        partitions: impl IntoIterator<Item = &'a TopicPartition>,
    ) -> Result<(), Error> {
        self.flush();
        for partition in partitions {
            let mut taken = 0;
            let (resumed, parked) = std::mem::take(&mut self.parked)
                .into_iter()
                .partition::<Vec<Drain>, _>(|drain| drain.partition() == partition);
            self.parked = parked;
            for mut drain in resumed {
                drain.set_budgeted(true);
                taken += drain.budgeted();
                self.drains.push_back(drain);
            }
            let mut state = self.shared.lock();
            if !state.fetch.resume(partition, taken) {
                return Err(Error::NotAssigned {
                    partition: partition.clone(),
                });
            }
        }
        self.shared.fetcher.notify_one();
        Ok(())
    }

    /// The partitions that are paused, sorted.
    #[must_use]
    pub fn paused(&self) -> Vec<TopicPartition> {
        self.shared.lock().fetch.paused()
    }
}
