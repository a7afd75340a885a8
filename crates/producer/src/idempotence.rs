//! Sequence numbers and epochs of one partition: what may be sent next, and what an answer means.
//!
//! A broker takes the batches of a producer id and epoch only in the order of their sequence
//! numbers, and recognises the last five of them when they come again. This state machine keeps to
//! four rules, from which exactly-once and order follow:
//!
//! 1. **Settle first.** After a failure nothing is sent to the partition until every batch in flight
//!    has been answered or lost. Then what failed is sent again, in order, with the sequence it had.
//! 2. **An unknown outcome keeps its identity.** A batch that may be in the log (lost answer, time
//!    out) is only ever sent with the sequence and epoch of its first attempt, until an answer
//!    settles it: success and `DUPLICATE_SEQUENCE_NUMBER` say that it is in the log,
//!    `OUT_OF_ORDER_SEQUENCE_NUMBER` that it is not. Until then no new batch follows it: with five
//!    later ones in the log the broker would no longer recognise it.
//! 3. **A gap ends the epoch.** When a batch that has a sequence is given up, the broker will not
//!    take the next one. Once nothing with an unknown outcome is left, the partition goes on with the
//!    next epoch (locally, KIP-360 needs no coordinator here) and sequence 0. A transactional
//!    producer whose coordinator gives out no next epoch (before 2.5) goes back to the sequence that
//!    the broker expects, if that is certain.
//! 4. **The first batch goes alone.** A broker takes any sequence of a producer id that is new to it,
//!    so until it has written one batch there is only one in flight (KAFKA-14359).
//!
//! So a later batch never takes the sequence of an earlier one under the same epoch: the broker
//! would acknowledge it without writing it.
//!
//! ```text
//!            stamp                 written                  answered: ok
//!  (queue) --------> next to send --------> in flight ----------------------> done
//!                         ^                    | failed or lost
//!                         |                    v
//!                         +---- settled ---- resend --- given up, refused ---> gap: new epoch
//! ```
//!
//! What it cannot rule out: a request on a connection that the client has given up, still unread at
//! the broker when `OUT_OF_ORDER_SEQUENCE_NUMBER` for its second copy is answered, and then
//! processed before the first batch of the next epoch arrives.
//!
//! Does not: know bytes, connections or clocks. Without idempotence (`identity` is none) only rule 1
//! remains.

use std::collections::VecDeque;

/// A producer id and epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ProducerKey {
    pub(crate) id: i64,
    pub(crate) epoch: i16,
}

impl ProducerKey {
    /// The same producer in its next epoch, if it has one.
    pub(crate) fn next(self) -> Option<Self> {
        let epoch = self.epoch.checked_add(1)?;
        Some(Self { epoch, ..self })
    }
}

/// The producer id of the whole producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProducerIds {
    /// Idempotence is off.
    Off,
    /// An id must be had from a broker (`InitProducerId`).
    Wanted,
    /// The newest id and epoch.
    Known(ProducerKey),
    /// Those of a transactional producer: its coordinator changes them, between transactions.
    Given {
        newest: ProducerKey,
        /// Brokers take no producer's first batch but with sequence 0 (KIP-890): rule 4 is theirs.
        strict: bool,
    },
}

impl ProducerIds {
    /// The key for a partition that can no longer use `old`: the newest, or one epoch more.
    fn after(&mut self, old: ProducerKey) -> Option<ProducerKey> {
        let newest = match self {
            Self::Known(newest) => newest,
            Self::Given { newest, .. } => return (*newest != old).then_some(*newest),
            Self::Off | Self::Wanted => return None,
        };
        if *newest == old {
            let Some(next) = old.next() else {
                *self = Self::Wanted;
                return None;
            };
            *newest = next;
        }
        Some(*newest)
    }
}

/// Whether a partition can go on in its epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Gap {
    /// It can.
    #[default]
    None,
    /// It could, with the sequence that the broker is known to expect.
    Known,
    /// Nobody knows what the broker expects.
    Unknown,
}

/// A batch that has been given its place.
#[derive(Debug)]
pub(crate) struct Stamped<B> {
    pub(crate) batch: B,
    /// `None` without idempotence.
    pub(crate) identity: Option<(ProducerKey, i32)>,
    record_count: i32,
    /// Records of this partition before it: the order of batches, whatever their epochs.
    position: Option<u64>,
    /// It may be in the log.
    pub(crate) maybe_written: bool,
    /// Its outcome has been reported; only its answer is still awaited.
    pub(crate) given_up: bool,
    /// The identity differs from the one in the bytes.
    pub(crate) restamp: bool,
    pub(crate) attempts: u32,
}

impl<B> Stamped<B> {
    pub(crate) fn records(&self) -> u64 {
        u64::from(self.record_count.unsigned_abs())
    }

    pub(crate) const fn new(
        batch: B,
        identity: Option<(ProducerKey, i32)>,
        record_count: i32,
    ) -> Self {
        Self {
            batch,
            identity,
            record_count,
            position: None,
            maybe_written: false,
            given_up: false,
            restamp: false,
            attempts: 0,
        }
    }
}

/// What a broker, or the lack of an answer, said about a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It is in the log.
    Written,
    /// It was not written now, but may be later.
    Retry,
    /// No definite answer: it may be in the log.
    Lost,
    /// The broker expected another sequence: it is not in the log.
    OutOfOrder,
    /// It is refused for good: it is not in the log.
    Refused,
}

/// The batches of one partition that have a place.
#[derive(Debug)]
pub(crate) struct Sequences<B> {
    key: Option<ProducerKey>,
    next_sequence: i32,
    next_position: u64,
    /// Written and not answered, oldest first.
    in_flight: VecDeque<Stamped<B>>,
    /// To be written again, oldest first.
    resend: VecDeque<Stamped<B>>,
    settling: bool,
    gap: bool,
    /// The sequence that the broker takes next once everything is settled, if that is certain.
    expected: Option<i32>,
    /// Position of the batch that says so: what becomes of older ones changes nothing.
    expected_since: Option<u64>,
    /// The broker has acknowledged something of this producer id.
    known_to_broker: bool,
}

impl<B> Default for Sequences<B> {
    fn default() -> Self {
        Self {
            key: None,
            next_sequence: 0,
            next_position: 0,
            in_flight: VecDeque::new(),
            resend: VecDeque::new(),
            settling: false,
            gap: false,
            expected: Some(0),
            expected_since: None,
            known_to_broker: false,
        }
    }
}

impl<B> Sequences<B> {
    /// Batches that are written and not answered.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    pub(crate) fn has_resend(&self) -> bool {
        !self.resend.is_empty()
    }

    /// Whether a batch may be sent now, as far as order is concerned.
    pub(crate) fn may_send(&self) -> bool {
        // Rule 4; without idempotence there is no key.
        let in_line = self.known_to_broker || self.key.is_none();
        (!self.settling && in_line) || self.in_flight.is_empty()
    }

    /// Whether the producer has another epoch by now: a transactional one begins with sequence 0 in
    /// every partition then.
    fn is_outdated(&self, ids: &ProducerIds) -> bool {
        let ProducerIds::Given { newest, .. } = ids else {
            return false;
        };
        self.key.is_some_and(|key| key != *newest)
    }

    /// Whether the partition can send something new in the epoch of `ids`.
    pub(crate) fn gap(&self, ids: &ProducerIds) -> Gap {
        match self.expected {
            _ if !self.gap || self.is_outdated(ids) => Gap::None,
            Some(_) => Gap::Known,
            None => Gap::Unknown,
        }
    }

    /// The broker contradicts what was known of it: it takes `expected` next, if anybody knows what.
    pub(crate) fn correct(&mut self, expected: Option<i32>) {
        self.expected = expected;
        self.expected_since = None;
        self.known_to_broker = false;
    }

    /// Whether the broker is to expect the oldest batch in flight: it is the oldest of all, with none given up.
    pub(crate) fn is_first_in_line(&self) -> bool {
        self.resend.is_empty() && !self.gap
    }

    /// Whether answers are awaited after a failure.
    pub(crate) fn is_settling(&self) -> bool {
        self.settling && !self.in_flight.is_empty()
    }

    /// The batch to send again, if one has to be. `None` also while rule 3 wants a producer id that
    /// is not there yet.
    pub(crate) fn next_resend(&mut self, ids: &mut ProducerIds) -> Option<Stamped<B>> {
        if !self.may_send() {
            return None;
        }
        self.settling = false;
        if !self.gap {
            return self.resend.pop_front();
        }
        if let Some(unsettled) = self.resend.iter().position(|batch| batch.maybe_written) {
            return self.resend.remove(unsettled);
        }
        // What is in flight was sent to settle outcomes; the new epoch must wait for it.
        if !self.in_flight.is_empty() || self.resend.is_empty() || !self.renew(ids) {
            return None;
        }
        self.resend.pop_front()
    }

    /// Starts the next epoch and gives what is left new sequences in it; in the same one if a
    /// transaction has no other and the broker is known to take it.
    fn renew(&mut self, ids: &mut ProducerIds) -> bool {
        let mut next = 0;
        if let Some(old) = self.key {
            match (ids.after(old), self.expected) {
                (Some(key), _) => {
                    self.known_to_broker &= key.id == old.id;
                    self.key = Some(key);
                }
                (None, Some(expected)) if matches!(ids, ProducerIds::Given { .. }) => {
                    next = expected;
                }
                (None, _) => return false,
            }
        }
        self.gap = false;
        let Some(key) = self.key else {
            return true;
        };
        self.expected = Some(next);
        self.expected_since = None;
        for stamped in &mut self.resend {
            stamped.identity = Some((key, next));
            stamped.restamp = true;
            next = add(next, stamped.record_count);
        }
        self.next_sequence = next;
        true
    }

    /// Whether a new batch can be given its place now; makes sure of the epoch for it.
    pub(crate) fn prepare_new(&mut self, ids: &mut ProducerIds) -> bool {
        if !self.may_send() || !self.resend.is_empty() {
            return false;
        }
        // The broker recognises a batch only until five later ones are in the log.
        let unsettled = |stamped: &Stamped<B>| stamped.maybe_written && stamped.identity.is_some();
        if self.in_flight.iter().any(unsettled) {
            return false;
        }
        self.settling = false;
        let outdated = self.is_outdated(ids);
        if (self.gap || outdated) && (!self.in_flight.is_empty() || !self.renew(ids)) {
            return false;
        }
        match ids {
            ProducerIds::Off => true,
            ProducerIds::Known(newest) => {
                self.key.get_or_insert(*newest);
                true
            }
            ProducerIds::Given { newest, strict } => {
                self.key.get_or_insert(*newest);
                self.known_to_broker |= *strict;
                true
            }
            ProducerIds::Wanted => self.key.is_some(),
        }
    }

    /// The place of a new batch; [`Sequences::prepare_new`] has said that it can have one. It must
    /// be sent, or [`Sequences::skip_place`] called.
    pub(crate) fn place_for_new(&mut self, record_count: i32) -> Option<(ProducerKey, i32)> {
        let key = self.key?;
        let sequence = self.next_sequence;
        self.next_sequence = add(sequence, record_count);
        Some((key, sequence))
    }

    /// The batch that the last place was for will not be sent: rule 3.
    pub(crate) fn skip_place(&mut self) {
        self.gap |= self.key.is_some();
    }

    /// The batch is on its way.
    pub(crate) fn sent(&mut self, mut stamped: Stamped<B>) {
        stamped.attempts += 1;
        if stamped.position.is_none() {
            stamped.position = Some(self.next_position);
            self.next_position += u64::from(stamped.record_count.unsigned_abs());
        }
        self.in_flight.push_back(stamped);
    }

    /// The newest batch in flight was not written after all; it is sent again as it is.
    pub(crate) fn unsent(&mut self) -> Option<&mut Stamped<B>> {
        let stamped = self.in_flight.pop_back()?;
        self.settling = true;
        let at = self.insert_in_order(stamped);
        self.resend.get_mut(at)
    }

    /// Handles the answer to the oldest batch in flight; gives back the batch if it is finished.
    pub(crate) fn answered(&mut self, answer: Answer) -> Option<Stamped<B>> {
        let first_in_line = self.resend.is_empty();
        let mut stamped = self.in_flight.pop_front()?;
        let finished = match answer {
            Answer::Written => {
                self.known_to_broker = true;
                let count = stamped.record_count;
                let next = stamped.identity.map(|(_, sequence)| add(sequence, count));
                self.expect(next, &stamped);
                true
            }
            Answer::Refused => {
                self.break_line(&stamped);
                true
            }
            Answer::Retry | Answer::Lost | Answer::OutOfOrder => {
                match answer {
                    Answer::Lost => stamped.maybe_written = true,
                    Answer::OutOfOrder => stamped.maybe_written = false,
                    _ => {}
                }
                if (answer == Answer::OutOfOrder && first_in_line) || stamped.given_up {
                    self.break_line(&stamped);
                }
                self.settling = true;
                stamped.given_up
            }
        };
        if finished {
            return Some(stamped);
        }
        self.insert_in_order(stamped);
        None
    }

    /// Answers may come for batches that were sent to settle outcomes, before older ones.
    fn insert_in_order(&mut self, stamped: Stamped<B>) -> usize {
        let older = |other: &Stamped<B>| other.position < stamped.position;
        let at = self
            .resend
            .iter()
            .rposition(older)
            .map_or(0, |before| before + 1);
        self.resend.insert(at, stamped);
        at
    }

    /// The oldest batch in flight, if it is not written in one piece but may be in several: nobody
    /// has been told of its end, it has more than one record, and it is certain that it is not in the
    /// log (a broker that has the whole would not recognise the parts).
    pub(crate) fn divisible(&mut self) -> Option<&mut Stamped<B>> {
        let divisible = |oldest: &&mut Stamped<B>| {
            !oldest.given_up && !oldest.maybe_written && oldest.record_count > 1
        };
        self.in_flight.front_mut().filter(divisible)
    }

    /// Puts parts in the place of the oldest batch in flight: they take over its sequences, in order,
    /// and are sent as if it had never been.
    pub(crate) fn split(&mut self, into: impl FnOnce(B) -> Vec<(B, i32)>) {
        let Some(whole) = self.in_flight.pop_front() else {
            return;
        };
        self.settling = true;
        let (mut identity, mut position) = (whole.identity, whole.position);
        for (batch, record_count) in into(whole.batch) {
            let mut part = Stamped::new(batch, identity, record_count);
            part.restamp = true;
            part.position = position;
            part.attempts = whole.attempts.saturating_sub(1);
            self.insert_in_order(part);
            identity = identity.map(|(key, sequence)| (key, add(sequence, record_count)));
            position = position.map(|before| before + u64::from(record_count.unsigned_abs()));
        }
    }

    /// A batch with a sequence is given up: rule 3.
    fn break_line(&mut self, stamped: &Stamped<B>) {
        self.gap |= stamped.identity.is_some();
        if stamped.maybe_written {
            self.expect(None, stamped);
        }
    }

    /// What became of `stamped` shows what is next, if of no newer: a broker that has a batch has all before it.
    fn expect(&mut self, next: Option<i32>, stamped: &Stamped<B>) {
        if stamped.position >= self.expected_since {
            self.expected = next;
            self.expected_since = stamped.position;
        }
    }

    /// Gives up what waits to be sent again, from the oldest on, while `is_over` says so.
    pub(crate) fn give_up_resend(
        &mut self,
        mut is_over: impl FnMut(&Stamped<B>) -> bool,
    ) -> Vec<Stamped<B>> {
        let mut given_up = Vec::new();
        while self.resend.front().is_some_and(&mut is_over) {
            if let Some(stamped) = self.resend.pop_front() {
                self.break_line(&stamped);
                given_up.push(stamped);
            }
        }
        given_up
    }

    /// Gives up what waits to be sent again and is certainly not in the log.
    pub(crate) fn give_up_unwritten(&mut self) -> Vec<Stamped<B>> {
        let all = std::mem::take(&mut self.resend).into_iter();
        let (kept, given_up): (Vec<_>, Vec<_>) = all.partition(|stamped| stamped.maybe_written);
        self.resend = kept.into();
        for stamped in &given_up {
            self.break_line(stamped);
        }
        given_up
    }

    /// Batches in flight, to look at their deadlines and report their outcome early.
    pub(crate) fn in_flight_mut(&mut self) -> impl Iterator<Item = &mut Stamped<B>> {
        self.in_flight.iter_mut()
    }

    pub(crate) fn resend(&self) -> impl Iterator<Item = &Stamped<B>> {
        self.resend.iter()
    }
}

/// `sequence + count` in the space of sequence numbers, where 0 follows `i32::MAX`.
const fn add(sequence: i32, count: i32) -> i32 {
    sequence.wrapping_add(count) & i32::MAX
}

#[cfg(test)]
mod tests;
