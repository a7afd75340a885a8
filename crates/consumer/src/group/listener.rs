//! The application's word in a rebalance.
//!
//! Owns: the interface of its callbacks, what they may do meanwhile, and that a callback which
//! panics ends as one that returns does.
//!
//! Does not: decide when they run; the coordinator task does, as the member says.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use klamm_net::TopicPartition;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use crate::error::Error;
use crate::fetch::Position;
use crate::group::task::consumed;
use crate::offset::{OffsetAndMetadata, Offsets};
use crate::shared::{Commit, Shared};

/// Learns of partitions that come and go; given to
/// [`ConsumerBuilder::rebalance_listener`](crate::ConsumerBuilder::rebalance_listener).
///
/// The callbacks of a consumer run one after the other, in the background, while the application is
/// inside of [`poll`](crate::Consumer::poll) or [`close`](crate::Consumer::close) (those of added
/// partitions alone may run at any time). Dropping the future of a poll does not end them. Heartbeats go
/// on meanwhile; a callback that takes longer than `max.poll.interval.ms` costs the membership. One
/// that panics counts as ended; the panic is logged.
///
/// # Examples
/// ```
/// use klamm_consumer::{Rebalance, RebalanceListener, TopicPartition};
///
/// struct Cache;
///
/// impl RebalanceListener for Cache {
///     async fn on_assigned(&self, rebalance: &Rebalance, partitions: &[TopicPartition]) {
///         for partition in partitions {
///             // For example where a store of one's own says.
///             let _ = rebalance.seek(partition, 42);
///         }
///     }
///
///     async fn on_revoked(&self, rebalance: &Rebalance, partitions: &[TopicPartition]) {
///         println!("flushing {partitions:?}");
///         if let Err(error) = rebalance.commit().await {
///             println!("others will read again from the last commit: {error}");
///         }
///     }
/// }
/// ```
pub trait RebalanceListener: Send + Sync + 'static {
    /// `partitions` were added to the assignment; none, if a rebalance added none. None of their
    /// records is fetched before this ends, so it is the place to seek.
    fn on_assigned(
        &self,
        rebalance: &Rebalance,
        partitions: &[TopicPartition],
    ) -> impl Future<Output = ()> + Send {
        let _ = (rebalance, partitions);
        async {}
    }

    /// `partitions` go to others when this ends: the place to finish work on them and to commit. None
    /// of their records is handed out any more.
    fn on_revoked(
        &self,
        rebalance: &Rebalance,
        partitions: &[TopicPartition],
    ) -> impl Future<Output = ()> + Send {
        let _ = (rebalance, partitions);
        async {}
    }

    /// `partitions` are gone, and may belong to others already: committing is refused. Calls
    /// [`on_revoked`](Self::on_revoked) unless told otherwise, as in Java.
    fn on_lost(
        &self,
        rebalance: &Rebalance,
        partitions: &[TopicPartition],
    ) -> impl Future<Output = ()> + Send {
        self.on_revoked(rebalance, partitions)
    }
}

/// What a [`RebalanceListener`] may do with its consumer.
#[derive(Clone)]
pub struct Rebalance {
    shared: Arc<Shared>,
    commit_timeout: Duration,
}

impl Rebalance {
    pub(super) const fn new(shared: Arc<Shared>, commit_timeout: Duration) -> Self {
        Self {
            shared,
            commit_timeout,
        }
    }

    /// All partitions of the consumer, sorted; those that go and those that come are among them.
    #[must_use]
    pub fn assignment(&self) -> Vec<TopicPartition> {
        self.shared.lock().fetch.assigned()
    }

    /// The next offset of `partition` to be handed out; none if it is not known (yet).
    #[must_use]
    pub fn position(&self, partition: &TopicPartition) -> Option<i64> {
        let position = self.shared.lock().fetch.position(partition);
        position.ok().flatten().map(|position| position.offset)
    }

    /// Goes on at `offset` of `partition`.
    ///
    /// # Errors
    /// [`Error::NotAssigned`], or [`Error::Misuse`] for a negative offset.
    pub fn seek(&self, partition: &TopicPartition, offset: i64) -> Result<(), Error> {
        if offset < 0 {
            return Err(Error::Misuse {
                what: "an offset to seek to must not be negative",
            });
        }
        let position = Position {
            offset,
            leader_epoch: -1,
        };
        if self.shared.lock().fetch.seek(partition, position) {
            return Ok(());
        }
        Err(Error::NotAssigned {
            partition: partition.clone(),
        })
    }

    /// Commits the positions behind everything that was handed out, and waits for it.
    ///
    /// # Errors
    /// As [`Consumer::commit`](crate::Consumer::commit).
    ///
    /// # Cancel safety
    /// Once called, the commit goes on in the background when the future is dropped.
    pub async fn commit(&self) -> Result<(), Error> {
        let offsets = consumed(&self.shared.lock().fetch);
        self.commit_all(offsets).await
    }

    /// Commits `offsets`: of each partition the next offset to read.
    ///
    /// # Errors
    /// As [`Consumer::commit`](crate::Consumer::commit).
    ///
    /// # Cancel safety
    /// As [`commit`](Self::commit).
    pub async fn commit_offsets<O: Into<OffsetAndMetadata>>(
        &self,
        offsets: impl IntoIterator<Item = (TopicPartition, O)>,
    ) -> Result<(), Error> {
        let offsets = offsets
            .into_iter()
            .map(|(partition, offset)| (partition, offset.into()));
        self.commit_all(offsets.collect()).await
    }

    async fn commit_all(&self, offsets: Offsets) -> Result<(), Error> {
        let (reply, answer) = oneshot::channel();
        let deadline = Instant::now() + self.commit_timeout;
        let commit = Commit {
            offsets,
            deadline,
            reply: Some(reply),
        };
        self.shared.lock().group.commits.push_back(commit);
        self.shared.coordinator.notify_one();
        match timeout_at(deadline, answer).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(Error::Closed),
            Err(_) => Err(Error::Timeout {
                what: "committing offsets",
            }),
        }
    }
}

impl fmt::Debug for Rebalance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rebalance")
            .field("assignment", &self.assignment())
            .finish_non_exhaustive()
    }
}

/// Which callback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Occasion {
    Assigned,
    Revoked,
    Lost,
}

impl Occasion {
    /// That of partitions that go; `lost` if they may belong to others already.
    pub(super) const fn of_going(lost: bool) -> Self {
        if lost { Self::Lost } else { Self::Revoked }
    }
}

/// A [`RebalanceListener`] of whatever type.
#[derive(Clone)]
pub(crate) struct Listener(Arc<dyn AnyListener>);

impl Listener {
    pub(crate) fn new(listener: impl RebalanceListener) -> Self {
        Self(Arc::new(listener))
    }

    /// Runs a callback to its end; dropping the future stops it.
    pub(super) async fn call(
        self,
        occasion: Occasion,
        rebalance: Rebalance,
        partitions: Vec<TopicPartition>,
    ) {
        let mut callback = JoinSet::new();
        callback.spawn(async move {
            self.0.call(occasion, &rebalance, &partitions).await;
        });
        if let Some(Err(error)) = callback.join_next().await {
            tracing::error!(%error, ?occasion, "the rebalance listener failed");
        }
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Listener")
    }
}

trait AnyListener: Send + Sync {
    fn call<'a>(
        &'a self,
        occasion: Occasion,
        rebalance: &'a Rebalance,
        partitions: &'a [TopicPartition],
    ) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>>;
}

impl<L: RebalanceListener> AnyListener for L {
    fn call<'a>(
        &'a self,
        occasion: Occasion,
        rebalance: &'a Rebalance,
        partitions: &'a [TopicPartition],
    ) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        match occasion {
            Occasion::Assigned => Box::pin(self.on_assigned(rebalance, partitions)),
            Occasion::Revoked => Box::pin(self.on_revoked(rebalance, partitions)),
            Occasion::Lost => Box::pin(self.on_lost(rebalance, partitions)),
        }
    }
}
