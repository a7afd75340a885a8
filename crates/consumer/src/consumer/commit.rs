//! Commits: of what was handed out, of what the application stored, of anything.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use klamm_net::TopicPartition;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use super::Consumer;
use crate::error::Error;
use crate::group::task::consumed;
use crate::offset::{OffsetAndMetadata, Offsets};
use crate::shared::Commit;

pub(super) const NO_GROUP: &str = "committed offsets belong to a group: set group.id";

/// A commit that goes on in the background, whether this is waited for or dropped.
///
/// # Errors
/// As [`Consumer::commit`]; [`Error::Closed`] if the consumer ended before.
#[derive(Debug)]
pub struct PendingCommit {
    answer: oneshot::Receiver<Result<(), Error>>,
}

impl Future for PendingCommit {
    type Output = Result<(), Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = Pin::new(&mut self.answer).poll(context);
        answer.map(|answer| answer.unwrap_or(Err(Error::Closed)))
    }
}

impl Consumer {
    /// Commits the positions behind everything that was handed out, or, without
    /// `enable.auto.offset.store`, what the application [stored](Consumer::store_offset), and waits
    /// for it.
    ///
    /// # Errors
    /// [`Error::CommitFailed`] if the partitions belong to others by now,
    /// [`Error::RebalanceInProgress`] if the group rebalances: poll, then go on.
    ///
    /// # Cancel safety
    /// Once called, the commit goes on in the background when the future is dropped; a later
    /// one never overtakes it.
    pub async fn commit(&mut self) -> Result<(), Error> {
        let (pending, deadline) = self.start_commit(None)?;
        in_time(pending, deadline).await
    }

    /// Commits `offsets`: of each partition the next offset to read, with any text if wanted (see
    /// [`OffsetAndMetadata`]).
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
        let (pending, deadline) = self.start_commit(Some(collected(offsets)))?;
        in_time(pending, deadline).await
    }

    /// As [`commit`](Consumer::commit), without waiting. The outcome may be awaited or not; what a
    /// failed commit left out, the next one includes.
    ///
    /// # Errors
    /// [`Error::Misuse`] without a group.
    pub fn commit_async(&mut self) -> Result<PendingCommit, Error> {
        Ok(self.start_commit(None)?.0)
    }

    /// As [`commit_offsets`](Consumer::commit_offsets), without waiting.
    ///
    /// # Errors
    /// [`Error::Misuse`] without a group.
    pub fn commit_offsets_async<O: Into<OffsetAndMetadata>>(
        &mut self,
        offsets: impl IntoIterator<Item = (TopicPartition, O)>,
    ) -> Result<PendingCommit, Error> {
        Ok(self.start_commit(Some(collected(offsets)))?.0)
    }

    /// Notes that everything of `partition` before `offset` was handled, so that the next
    /// [`commit`](Consumer::commit), in the background or not, takes it. Needs
    /// `enable.auto.offset.store=false`.
    ///
    /// # Errors
    /// [`Error::Misuse`] if the consumer commits what it hands out, [`Error::NotAssigned`] if the
    /// partition has gone to another member: its new owner will read these records again.
    pub fn store_offset(
        &mut self,
        partition: &TopicPartition,
        offset: impl Into<OffsetAndMetadata>,
    ) -> Result<(), Error> {
        if self.config.auto_offset_store {
            return Err(Error::Misuse {
                what: "this consumer commits what it hands out: set enable.auto.offset.store to false to store offsets",
            });
        }
        let stored = self.shared.lock().fetch.store(partition, offset.into());
        if stored {
            return Ok(());
        }
        Err(Error::NotAssigned {
            partition: partition.clone(),
        })
    }

    /// Queues a commit of `offsets`, by default of everything that there is to commit.
    fn start_commit(
        &mut self,
        offsets: Option<Offsets>,
    ) -> Result<(PendingCommit, Instant), Error> {
        if self.coordinator.is_none() {
            return Err(Error::Misuse { what: NO_GROUP });
        }
        self.flush();
        let (reply, answer) = oneshot::channel();
        let deadline = self.deadline();
        let mut state = self.shared.lock();
        let offsets = offsets.unwrap_or_else(|| consumed(&state.fetch));
        state.group.commits.push_back(Commit {
            offsets,
            deadline,
            reply: Some(reply),
        });
        drop(state);
        self.shared.coordinator.notify_one();
        Ok((PendingCommit { answer }, deadline))
    }
}

fn collected<O: Into<OffsetAndMetadata>>(
    offsets: impl IntoIterator<Item = (TopicPartition, O)>,
) -> Offsets {
    offsets
        .into_iter()
        .map(|(partition, offset)| (partition, offset.into()))
        .collect()
}

async fn in_time(pending: PendingCommit, deadline: Instant) -> Result<(), Error> {
    match timeout_at(deadline, pending).await {
        Ok(result) => result,
        Err(_) => Err(Error::Timeout {
            what: "committing offsets",
        }),
    }
}
