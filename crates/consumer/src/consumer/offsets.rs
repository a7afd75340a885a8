//! Positions and commits.

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use klamm_net::TopicPartition;

use super::{Consumer, Mode};
use crate::error::Error;
use crate::group::task::consumed;
use crate::offset::{self, OffsetAndMetadata, Offsets};
use crate::shared::Commit;

const NO_GROUP: &str = "committed offsets belong to a group: set group.id";

impl Consumer {
    /// Commits the positions behind everything that was handed out, and waits for it.
    ///
    /// # Errors
    /// [`Error::CommitFailed`] if the partitions belong to others by now,
    /// [`Error::RebalanceInProgress`] if the group rebalances: poll, then go on.
    ///
    /// # Cancel safety
    /// Once called, the commit goes on in the background when the future is dropped; a later
    /// one never overtakes it.
    pub async fn commit(&mut self) -> Result<(), Error> {
        self.flush();
        let offsets = consumed(&self.shared.lock().fetch);
        self.commit_all(offsets).await
    }

    /// Commits `offsets`: of each partition the next offset to read.
    ///
    /// # Errors
    /// As [`commit`](Consumer::commit).
    ///
    /// # Cancel safety
    /// As [`commit`](Consumer::commit).
    pub async fn commit_offsets<O: Into<OffsetAndMetadata>>(
        &mut self,
        offsets: impl IntoIterator<Item = (TopicPartition, O)>,
    ) -> Result<(), Error> {
        let offsets = offsets
            .into_iter()
            .map(|(partition, offset)| (partition, offset.into()))
            .collect();
        self.commit_all(offsets).await
    }

    /// Commits the positions behind everything that was handed out, without waiting. Failures
    /// are logged; the next commit includes what this one did not.
    ///
    /// # Errors
    /// [`Error::Misuse`] without a group.
    pub fn commit_async(&mut self) -> Result<(), Error> {
        self.flush();
        let offsets = consumed(&self.shared.lock().fetch);
        self.queue_commit(offsets, None).map(|_| ())
    }

    async fn commit_all(&self, offsets: Offsets) -> Result<(), Error> {
        let (reply, answer) = oneshot::channel();
        let deadline = self.queue_commit(offsets, Some(reply))?;
        match timeout_at(deadline, answer).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(Error::Closed),
            Err(_) => Err(Error::Timeout {
                what: "committing offsets",
            }),
        }
    }

    fn queue_commit(
        &self,
        offsets: Offsets,
        reply: Option<oneshot::Sender<Result<(), Error>>>,
    ) -> Result<Instant, Error> {
        if self.coordinator.is_none() {
            return Err(Error::Misuse { what: NO_GROUP });
        }
        let deadline = self.deadline();
        self.shared.lock().group.commits.push_back(Commit {
            offsets,
            deadline,
            reply,
        });
        self.shared.coordinator.notify_one();
        Ok(deadline)
    }

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
            return Err(Error::Misuse { what: NO_GROUP });
        };
        let mut partitions: Vec<_> = partitions.into_iter().collect();
        partitions.sort_unstable();
        partitions.dedup();
        if partitions.is_empty() {
            return Ok(Vec::new());
        }
        Ok(offset::committed(&self.cluster, group, &partitions, self.deadline()).await?)
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

    fn deadline(&self) -> Instant {
        let client = self.cluster.config().default_api_timeout;
        Instant::now() + self.config.default_api_timeout.unwrap_or(client)
    }
}
