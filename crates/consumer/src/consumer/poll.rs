//! Handing out records.
//!
//! A poll takes the lock once, at its beginning: it tells how far the last one got, and takes
//! everything that is buffered. What follows (checksums, decompression) happens without it. Between
//! there and the return nothing is awaited, so that a poll either hands its records out or has not
//! touched them.

use std::sync::Arc;
use std::time::Duration;

use klamm_net::TopicPartition;
use tokio::time::{Instant, timeout};

use super::Consumer;
use crate::error::Error;
use crate::faults::Fault;
use crate::fetch::{Consumed, Drain, Epoch, Position};
use crate::records::{Records, Source};
use crate::shared::Shared;

impl Consumer {
    /// Waits for records and hands over at most `max.poll.records` of them, never none.
    ///
    /// What is handed over counts as consumed with the *next* call of `poll` (or with
    /// [`close`](Consumer::close) or [`commit`](Consumer::commit)): only then a commit in the
    /// background includes it. While it waits, the group may rebalance and partitions may go; none of
    /// their records is handed out afterwards.
    ///
    /// # Errors
    /// Whatever went wrong in the background since the last call. Retriable trouble (brokers that
    /// restart, leaders that move) is handled there and is no error here. [`Error::Corrupt`],
    /// [`Error::NoOffset`] and [`Error::OffsetOutOfRange`] come back until the application seeks.
    ///
    /// A record that is broken although the checksum of its batch is right shows when the records are
    /// iterated over: those of its partition end before it, and the next call is that
    /// [`Error::Corrupt`]; what is committed from then on ends before it.
    ///
    /// # Cancel safety
    /// Dropping the future loses no record and hands none out twice; a rebalance that it let
    /// happen goes on in the background.
    pub async fn poll(&mut self) -> Result<Records, Error> {
        // With data always at hand this would never yield, and starve the tasks that fetch it.
        tokio::task::consume_budget().await;
        loop {
            if let Some(records) = self.try_poll()? {
                return Ok(records);
            }
            let _waiting = Waiting::begin(&self.shared);
            self.shared.application.notified().await;
        }
    }

    /// As [`poll`](Consumer::poll), for at most `time`: after that, no records.
    ///
    /// # Errors
    /// As [`poll`](Consumer::poll).
    ///
    /// # Cancel safety
    /// As [`poll`](Consumer::poll).
    pub async fn poll_timeout(&mut self, time: Duration) -> Result<Records, Error> {
        match timeout(time, self.poll()).await {
            Ok(polled) => polled,
            Err(_) => Ok(Records::default()),
        }
    }

    /// What there is, without waiting.
    fn try_poll(&mut self) -> Result<Option<Records>, Error> {
        loop {
            if !self.begin_poll()? || self.drains.is_empty() {
                return Ok(None);
            }
            // Without a record there were only markers, empty batches or a fault: look again.
            let records = self.collect();
            if !records.is_empty() {
                self.count_records(records.len());
                for interceptor in &self.config.interceptors {
                    interceptor.on_consume(&records);
                }
                return Ok(Some(records));
            }
        }
    }

    /// The part of a poll under the lock. False if a rebalance comes first.
    pub(super) fn begin_poll(&mut self) -> Result<bool, Error> {
        let now = Instant::now();
        self.flush();
        let mut state = self.shared.lock();
        state.group.polled_at = now;
        if let Some(fatal) = &state.group.fatal {
            return Err(fatal.clone());
        }
        if state.fetch.settle() {
            self.shared.fetcher.notify_one();
        }
        // Also if there is an error: one that stays must not keep the group waiting.
        let rebalances = state.group.wants_poll;
        if rebalances {
            state.group.granted = true;
            self.shared.coordinator.notify_one();
        }
        if let Some(error) = state.fetch.take_error() {
            return Err(error);
        }
        if rebalances {
            return Ok(false);
        }
        if self.version != state.fetch.version() {
            self.version = state.fetch.version();
            let mut is_current = |drain: &Drain| {
                let current = state.fetch.is_current(drain.partition(), drain.epoch());
                if !current {
                    self.released += drain.budgeted();
                }
                current
            };
            self.drains.retain(&mut is_current);
            self.parked.retain(&mut is_current);
        }
        self.drains
            .extend(state.fetch.take_chunks().map(Drain::new));
        Ok(true)
    }

    /// Opens batches until there are enough records.
    fn collect(&mut self) -> Records {
        let mut records = Records::default();
        let mut left = self.config.max_poll_records;
        while left > 0
            && let Some(mut drain) = self.drains.pop_front()
        {
            let before = drain.position();
            let spans = drain.take(left, &mut self.opener);
            if drain.position() != before {
                self.consumed.push(consumed(&drain));
            }
            let source = Source {
                partition: drain.partition(),
                epoch: drain.epoch(),
                faults: &self.faults,
            };
            left -= records.add(source, spans);
            self.put_back(drain);
        }
        records
    }

    /// Keeps what is left of `drain` for the next time.
    pub(super) fn put_back(&mut self, drain: Drain) {
        if let Some(error) = drain.failed() {
            self.released += drain.budgeted();
            self.fail(drain.partition(), drain.epoch(), error.clone());
        } else if drain.is_done() {
            self.released += drain.budgeted();
        } else {
            self.drains.push_front(drain);
        }
    }

    pub(super) const fn count_records(&mut self, count: usize) {
        self.records += count as u64;
    }

    /// Nothing of the partition is handed out any more until the application seeks.
    fn fail(&mut self, partition: &TopicPartition, epoch: Epoch, error: Error) {
        let mut is_other = |drain: &Drain| {
            let other = drain.partition() != partition || drain.epoch() != epoch;
            if !other {
                self.released += drain.budgeted();
            }
            other
        };
        self.drains.retain(&mut is_other);
        self.parked.retain(&mut is_other);
        let mut state = self.shared.lock();
        state.fetch.fail(partition, epoch, error);
    }

    /// The application met a record that cannot be read: it was given what is before, and no more.
    fn go_back(&mut self, fault: Fault) {
        let Fault {
            partition,
            epoch,
            offset,
            reason,
        } = fault;
        self.consumed
            .retain(|consumed| consumed.partition != partition || consumed.epoch != epoch);
        self.consumed.push(Consumed {
            partition: partition.clone(),
            epoch,
            position: Position {
                offset,
                leader_epoch: -1,
            },
        });
        let error = Error::Corrupt {
            partition: partition.clone(),
            offset,
            reason,
        };
        self.fail(&partition, epoch, error);
    }

    /// Tells how far the application was given its partitions.
    pub(super) fn flush(&mut self) {
        for fault in self.faults.take() {
            self.go_back(fault);
        }
        if self.consumed.is_empty() && self.released == 0 {
            return;
        }
        let mut state = self.shared.lock();
        let released = std::mem::take(&mut self.released);
        let resumes = state.fetch.flush(self.consumed.drain(..), released);
        drop(state);
        if resumes {
            self.shared.fetcher.notify_one();
        }
    }
}

/// How far the application was given the partition of `drain`.
pub(super) fn consumed(drain: &Drain) -> Consumed {
    Consumed {
        partition: drain.partition().clone(),
        epoch: drain.epoch(),
        position: Position {
            offset: drain.position(),
            leader_epoch: drain.leader_epoch(),
        },
    }
}

/// The application waits inside of poll: its poll interval stands still.
pub(super) struct Waiting {
    shared: Arc<Shared>,
}

impl Waiting {
    pub(super) fn begin(shared: &Arc<Shared>) -> Self {
        shared.lock().group.polling = true;
        Self {
            shared: Arc::clone(shared),
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.group.polling = false;
        state.group.polled_at = Instant::now();
    }
}
