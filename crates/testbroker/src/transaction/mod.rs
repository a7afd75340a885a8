//! Transactional ids: who holds each, and what its open transaction touches (KIP-98, KIP-360,
//! KIP-890).
//!
//! Owns: producer ids and epochs, fencing, the states of transactions and their time limits. Does
//! not: write markers or offsets; it says what has to be written ([`Ending`]), and whoever called
//! it does so before anybody else can look. So, unlike at a real coordinator, no transaction is ever
//! seen between its end and its markers.
//!
//! ```text
//! Empty -> Ongoing -> CompleteCommit | CompleteAbort -> Ongoing ...
//! ```
//!
//! Invariants
//! - the epoch of a producer id never goes back; a request with another one than the current changes
//!   nothing
//! - an id in `Ongoing` has a deadline; all others have none
//! - at most [`TRANSACTIONAL_IDS_MAX`] ids

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use kafka_protocol::ResponseError;
use tokio::time::Instant;

/// Transactional ids remembered.
const TRANSACTIONAL_IDS_MAX: usize = 10_000;
/// The last epoch that a producer is given; the one after it is for fencing alone.
const EPOCH_MAX: i16 = i16::MAX - 1;
const NO_EPOCH: i16 = -1;

/// A producer id and epoch.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Producer {
    pub(crate) id: i64,
    pub(crate) epoch: i16,
}

/// What the end of a transaction writes: a marker into each partition, and the fate of the offsets
/// that wait in each group.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Ending {
    pub(crate) commit: bool,
    /// Whose markers, in which epoch: with KIP-890 already the next one.
    pub(crate) producer: Producer,
    pub(crate) partitions: BTreeSet<(String, i32)>,
    pub(crate) groups: BTreeSet<String>,
}

/// The answer to `InitProducerId`.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Initialized {
    Ready(Producer),
    /// A transaction was open: it is aborted first, and the producer has to ask again.
    Aborting(Ending),
}

/// The answer to `EndTxn`: what the producer is from now on, and what is to be written, if this was
/// no repetition.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Ended {
    pub(crate) producer: Producer,
    pub(crate) ending: Option<Ending>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    Empty,
    Ongoing,
    Complete { commit: bool },
}

impl State {
    /// Kafka's name.
    fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::Ongoing => "Ongoing",
            Self::Complete { commit: true } => "CompleteCommit",
            Self::Complete { commit: false } => "CompleteAbort",
        }
    }
}

/// What is known of a transactional id.
#[derive(Debug)]
pub(crate) struct Description<'a> {
    pub(crate) producer: Producer,
    /// Kafka's name of it.
    pub(crate) state: &'static str,
    pub(crate) timeout: Duration,
    /// When its open transaction began.
    pub(crate) open_since: Option<Instant>,
    pub(crate) partitions: &'a BTreeSet<(String, i32)>,
}

impl Description<'_> {
    /// For how long its transaction has been open.
    pub(crate) fn open_for(&self, now: Instant) -> Option<Duration> {
        self.open_since.map(|since| now.duration_since(since))
    }
}

#[derive(Debug)]
struct Transactional {
    producer: Producer,
    /// The epoch before, if the producer that had it got the current one by asking with it.
    last_epoch: i16,
    /// The producer id before its epochs were used up.
    previous_id: i64,
    timeout: Duration,
    state: State,
    /// When the open transaction is given up.
    deadline: Option<Instant>,
    partitions: BTreeSet<(String, i32)>,
    groups: BTreeSet<String>,
}

#[derive(Debug, Default)]
pub(crate) struct Transactions {
    ids: BTreeMap<String, Transactional>,
    producer_ids: i64,
}

impl Transactions {
    pub(crate) fn new_producer_id(&mut self) -> i64 {
        self.producer_ids += 1;
        self.producer_ids - 1
    }

    /// Gives the holder of a transactional id its next epoch. `known` is what the producer believes
    /// to be, if anything (KIP-360).
    pub(crate) fn initialize(
        &mut self,
        name: &str,
        timeout: Duration,
        known: Option<Producer>,
    ) -> Result<Initialized, ResponseError> {
        if !self.ids.contains_key(name) {
            if self.ids.len() >= TRANSACTIONAL_IDS_MAX {
                return Err(ResponseError::CoordinatorNotAvailable);
            }
            let id = self.new_producer_id();
            let created = Transactional::new(Producer { id, epoch: 0 }, timeout);
            let producer = created.producer;
            self.ids.insert(name.to_owned(), created);
            return Ok(Initialized::Ready(producer));
        }
        let next_id = self.producer_ids;
        let Some(entry) = self.ids.get_mut(name) else {
            return Err(ResponseError::CoordinatorNotAvailable);
        };
        let fenced = known.is_some_and(|known| !entry.is_known(known));
        if fenced {
            return Err(ResponseError::ProducerFenced);
        }
        if entry.state == State::Ongoing {
            return Ok(Initialized::Aborting(entry.fence()));
        }
        let current = entry.producer;
        entry.timeout = timeout;
        if current.epoch >= EPOCH_MAX && known.is_none_or(|known| known.epoch == current.epoch) {
            entry.rotate(next_id, known.is_some());
            self.producer_ids += 1;
        } else {
            match known {
                // A repetition of one that was answered already.
                Some(known) if known.epoch == entry.last_epoch && known.epoch != NO_EPOCH => {}
                Some(known) if known.epoch == current.epoch => {
                    entry.last_epoch = current.epoch;
                    entry.producer.epoch += 1;
                }
                Some(known) if known.id == entry.previous_id => {}
                Some(_) => return Err(ResponseError::ProducerFenced),
                None => {
                    entry.last_epoch = NO_EPOCH;
                    entry.producer.epoch += 1;
                }
            }
        }
        entry.state = State::Empty;
        Ok(Initialized::Ready(entry.producer))
    }

    /// Adds partitions and groups to the open transaction, which begins with the first.
    pub(crate) fn add(
        &mut self,
        now: Instant,
        name: &str,
        producer: Producer,
        partitions: impl IntoIterator<Item = (String, i32)>,
        groups: impl IntoIterator<Item = String>,
    ) -> Result<(), ResponseError> {
        let entry = self.held_by(name, producer)?;
        if entry.state != State::Ongoing {
            entry.state = State::Ongoing;
            entry.deadline = Some(now + entry.timeout);
        }
        entry.partitions.extend(partitions);
        entry.groups.extend(groups);
        Ok(())
    }

    /// Whether the partition is part of the producer's open transaction.
    pub(crate) fn has_partition(
        &mut self,
        name: &str,
        producer: Producer,
        partition: &(String, i32),
    ) -> Result<bool, ResponseError> {
        let entry = self.held_by(name, producer)?;
        Ok(entry.state == State::Ongoing && entry.partitions.contains(partition))
    }

    /// Whether the group is part of the producer's open transaction.
    pub(crate) fn has_group(
        &mut self,
        name: &str,
        producer: Producer,
        group: &str,
    ) -> Result<bool, ResponseError> {
        let entry = self.held_by(name, producer)?;
        Ok(entry.state == State::Ongoing && entry.groups.contains(group))
    }

    /// Ends the transaction; with `bumps` (`EndTxn` from version 5 on) the producer gets its next
    /// epoch.
    pub(crate) fn end(
        &mut self,
        name: &str,
        producer: Producer,
        commit: bool,
        bumps: bool,
    ) -> Result<Ended, ResponseError> {
        let next_id = self.producer_ids;
        let entry = self
            .ids
            .get_mut(name)
            .ok_or(ResponseError::InvalidProducerIdMapping)?;
        let ended = if bumps {
            entry.end_and_bump(producer, commit, next_id)?
        } else {
            entry.end(producer, commit)?
        };
        if ended.producer.id == next_id {
            self.producer_ids += 1;
        }
        Ok(ended)
    }

    /// Gives up transactions that have been open for too long; the epochs of their producers are
    /// used up with them.
    pub(crate) fn handle_timeout(&mut self, now: Instant) -> Vec<Ending> {
        let late = self
            .ids
            .values_mut()
            .filter(|entry| entry.deadline.is_some_and(|deadline| deadline <= now));
        late.map(Transactional::fence).collect()
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.ids.values().filter_map(|entry| entry.deadline).min()
    }

    pub(crate) fn describe(&self, name: &str) -> Option<Description<'_>> {
        self.ids.get(name).map(Transactional::describe)
    }

    /// All transactional ids.
    pub(crate) fn descriptions(&self) -> impl Iterator<Item = (&str, Description<'_>)> {
        let ids = self.ids.iter();
        ids.map(|(name, entry)| (name.as_str(), entry.describe()))
    }

    fn held_by(
        &mut self,
        name: &str,
        producer: Producer,
    ) -> Result<&mut Transactional, ResponseError> {
        let entry = self
            .ids
            .get_mut(name)
            .ok_or(ResponseError::InvalidProducerIdMapping)?;
        entry.check(producer)?;
        Ok(entry)
    }
}

impl Transactional {
    fn new(producer: Producer, timeout: Duration) -> Self {
        Self {
            producer,
            last_epoch: NO_EPOCH,
            previous_id: -1,
            timeout,
            state: State::Empty,
            deadline: None,
            partitions: BTreeSet::new(),
            groups: BTreeSet::new(),
        }
    }

    fn describe(&self) -> Description<'_> {
        Description {
            producer: self.producer,
            state: self.state.name(),
            timeout: self.timeout,
            open_since: self.deadline.map(|deadline| deadline - self.timeout),
            partitions: &self.partitions,
        }
    }

    fn check(&self, producer: Producer) -> Result<(), ResponseError> {
        if self.producer.id != producer.id {
            Err(ResponseError::InvalidProducerIdMapping)
        } else if self.producer.epoch != producer.epoch {
            Err(ResponseError::ProducerFenced)
        } else {
            Ok(())
        }
    }

    fn is_known(&self, producer: Producer) -> bool {
        self.producer.id == producer.id
            || self.previous_id == producer.id && producer.epoch >= EPOCH_MAX
    }

    /// A new producer id, when the epochs of the old one are used up.
    fn rotate(&mut self, next_id: i64, keep_last_epoch: bool) {
        self.previous_id = self.producer.id;
        self.last_epoch = if keep_last_epoch {
            self.producer.epoch
        } else {
            NO_EPOCH
        };
        self.producer = Producer {
            id: next_id,
            epoch: 0,
        };
    }

    /// As before KIP-890: the producer keeps its epoch.
    fn end(&mut self, producer: Producer, commit: bool) -> Result<Ended, ResponseError> {
        self.check(producer)?;
        match self.state {
            State::Ongoing => {
                let ending = self.finish(commit, producer);
                Ok(self.ended(Some(ending)))
            }
            State::Complete { commit: before } if before == commit => Ok(self.ended(None)),
            State::Complete { .. } | State::Empty => Err(ResponseError::InvalidTxnState),
        }
    }

    fn end_and_bump(
        &mut self,
        producer: Producer,
        commit: bool,
        next_id: i64,
    ) -> Result<Ended, ResponseError> {
        let current = self.producer;
        let overflowed = self.previous_id == producer.id
            && producer.epoch == EPOCH_MAX
            && current.epoch == 0
            && current.id != producer.id;
        if current.id != producer.id && !overflowed {
            return Err(ResponseError::InvalidProducerIdMapping);
        }
        let bumped =
            current.id == producer.id && Some(current.epoch) == producer.epoch.checked_add(1);
        let is_repeated = overflowed || bumped;
        let complete = matches!(self.state, State::Complete { .. });
        if current != producer && !(complete && is_repeated) {
            return Err(ResponseError::ProducerFenced);
        }
        match (self.state, commit) {
            (State::Complete { commit: before }, _) if is_repeated => {
                if before == commit {
                    return Ok(self.ended(None));
                }
                return Err(ResponseError::InvalidTxnState);
            }
            // Nothing had reached a broker.
            (State::Complete { .. } | State::Empty, true) => {
                return Err(ResponseError::InvalidTxnState);
            }
            (State::Complete { .. } | State::Empty, false) | (State::Ongoing, _) => {}
        }
        let markers = Producer {
            epoch: producer.epoch + 1,
            ..producer
        };
        let ending = self.finish(commit, markers);
        if producer.epoch >= EPOCH_MAX {
            self.rotate(next_id, true);
        } else {
            self.last_epoch = producer.epoch;
            self.producer = markers;
        }
        Ok(self.ended(Some(ending)))
    }

    /// Aborts the open transaction and makes its producer's epoch worthless.
    fn fence(&mut self) -> Ending {
        // One epoch, also with KIP-890: to its producer this looks like an abort of its own that was
        // answered already.
        self.producer.epoch = self.producer.epoch.saturating_add(1);
        self.last_epoch = NO_EPOCH;
        self.finish(false, self.producer)
    }

    fn finish(&mut self, commit: bool, producer: Producer) -> Ending {
        self.state = State::Complete { commit };
        self.deadline = None;
        Ending {
            commit,
            producer,
            partitions: std::mem::take(&mut self.partitions),
            groups: std::mem::take(&mut self.groups),
        }
    }

    fn ended(&self, ending: Option<Ending>) -> Ended {
        Ended {
            producer: self.producer,
            ending,
        }
    }
}
