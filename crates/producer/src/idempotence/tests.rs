use proptest::prelude::*;

use super::*;

const KEY: ProducerKey = ProducerKey { id: 7, epoch: 0 };

/// A partition whose broker has written something of this producer.
fn known() -> Sequences<u32> {
    Sequences {
        known_to_broker: true,
        ..Sequences::default()
    }
}

/// Sends a new batch of `count` records; gives back its epoch and sequence.
fn send_new(
    sequences: &mut Sequences<u32>,
    ids: &mut ProducerIds,
    batch: u32,
    count: i32,
) -> (i16, i32) {
    assert!(sequences.prepare_new(ids));
    let identity = sequences.place_for_new(count);
    sequences.sent(Stamped::new(batch, identity, count));
    let (key, sequence) = identity.unwrap();
    (key.epoch, sequence)
}

fn resend(sequences: &mut Sequences<u32>, ids: &mut ProducerIds) -> Option<(u32, i16, i32)> {
    let stamped = sequences.next_resend(ids)?;
    let (key, sequence) = stamped.identity.unwrap();
    let sent = (stamped.batch, key.epoch, sequence);
    sequences.sent(stamped);
    Some(sent)
}

#[test]
fn sequences_count_records_and_wrap_to_zero() {
    let mut sequences = known();
    let mut ids = ProducerIds::Known(KEY);
    assert_eq!(send_new(&mut sequences, &mut ids, 0, 3), (0, 0));
    assert_eq!(send_new(&mut sequences, &mut ids, 1, 2), (0, 3));
    sequences.next_sequence = i32::MAX - 1;
    assert_eq!(send_new(&mut sequences, &mut ids, 2, 4), (0, i32::MAX - 1));
    assert_eq!(send_new(&mut sequences, &mut ids, 3, 1), (0, 2));
}

#[test]
fn until_the_broker_has_written_something_one_batch_is_in_flight() {
    let mut sequences = Sequences::default();
    let mut ids = ProducerIds::Known(KEY);
    for answer in [Answer::Retry, Answer::Lost] {
        send_or_resend(&mut sequences, &mut ids);
        assert!(!sequences.may_send() && !sequences.prepare_new(&mut ids));
        sequences.answered(answer);
    }
    send_or_resend(&mut sequences, &mut ids);
    assert!(sequences.answered(Answer::Written).is_some());
    for batch in 1..3 {
        send_new(&mut sequences, &mut ids, batch, 10);
    }
}

fn send_or_resend(sequences: &mut Sequences<u32>, ids: &mut ProducerIds) {
    if sequences.has_resend() {
        assert_eq!(resend(sequences, ids), Some((0, 0, 0)));
    } else {
        send_new(sequences, ids, 0, 10);
    }
}

#[test]
fn after_a_lost_answer_all_settle_and_are_sent_again_with_the_same_sequences() {
    let mut sequences = known();
    let mut ids = ProducerIds::Known(KEY);
    for batch in 0..3 {
        send_new(&mut sequences, &mut ids, batch, 10);
    }
    assert!(sequences.answered(Answer::Lost).is_none());
    assert!(!sequences.may_send());
    assert_eq!(resend(&mut sequences, &mut ids), None);
    assert!(sequences.answered(Answer::OutOfOrder).is_none());
    assert!(sequences.answered(Answer::Lost).is_none());
    assert_eq!(resend(&mut sequences, &mut ids), Some((0, 0, 0)));
    assert_eq!(resend(&mut sequences, &mut ids), Some((1, 0, 10)));
    assert_eq!(resend(&mut sequences, &mut ids), Some((2, 0, 20)));
    // Nothing new follows an unknown outcome.
    assert!(!sequences.prepare_new(&mut ids));
    for batch in 0..3 {
        assert_eq!(sequences.answered(Answer::Written).unwrap().batch, batch);
    }
    assert_eq!(send_new(&mut sequences, &mut ids, 3, 1), (0, 30));
}

#[test]
fn a_batch_that_could_not_be_written_leaves_the_answers_to_the_older_ones() {
    let mut sequences = known();
    let mut ids = ProducerIds::Known(KEY);
    for batch in 0..3 {
        send_new(&mut sequences, &mut ids, batch, 10);
    }
    assert_eq!(sequences.unsent().unwrap().batch, 2);
    assert_eq!(sequences.answered(Answer::Written).unwrap().batch, 0);
    assert_eq!(resend(&mut sequences, &mut ids), None);
    assert!(sequences.answered(Answer::Lost).is_none());
    assert_eq!(resend(&mut sequences, &mut ids), Some((1, 0, 10)));
    assert_eq!(resend(&mut sequences, &mut ids), Some((2, 0, 20)));
    assert!(!sequences.in_flight[1].maybe_written);
}

#[test]
fn a_refused_batch_makes_the_next_ones_go_on_in_a_new_epoch() {
    let mut sequences = known();
    let mut ids = ProducerIds::Known(KEY);
    for batch in 0..3 {
        send_new(&mut sequences, &mut ids, batch, 10);
    }
    assert_eq!(sequences.answered(Answer::Refused).unwrap().batch, 0);
    sequences.answered(Answer::OutOfOrder);
    sequences.answered(Answer::OutOfOrder);
    assert_eq!(resend(&mut sequences, &mut ids), Some((1, 1, 0)));
    assert_eq!(resend(&mut sequences, &mut ids), Some((2, 1, 10)));
    assert_eq!(send_new(&mut sequences, &mut ids, 3, 5), (1, 20));
}

#[test]
fn an_unknown_outcome_is_settled_under_its_old_identity_before_the_epoch_ends() {
    let mut sequences = known();
    let mut ids = ProducerIds::Known(KEY);
    for batch in 0..3 {
        send_new(&mut sequences, &mut ids, batch, 10);
    }
    for _ in 0..3 {
        sequences.answered(Answer::Lost);
    }
    // The oldest is given up although it may be in the log.
    let given_up = sequences.give_up_resend(|stamped| stamped.batch == 0);
    assert!(given_up[0].maybe_written);
    assert_eq!(resend(&mut sequences, &mut ids), Some((1, 0, 10)));
    assert_eq!(resend(&mut sequences, &mut ids), Some((2, 0, 20)));
    // The first was in the log after all, the second was not.
    assert_eq!(sequences.answered(Answer::Written).unwrap().batch, 1);
    sequences.answered(Answer::OutOfOrder);
    assert_eq!(resend(&mut sequences, &mut ids), Some((2, 1, 0)));
}

#[test]
fn a_batch_given_up_in_flight_breaks_the_line_only_if_it_was_not_written() {
    for (answer, epoch, sequence) in [(Answer::Written, 0, 10), (Answer::Lost, 1, 0)] {
        let mut sequences = known();
        let mut ids = ProducerIds::Known(KEY);
        send_new(&mut sequences, &mut ids, 0, 10);
        sequences
            .in_flight_mut()
            .for_each(|stamped| stamped.given_up = true);
        assert!(sequences.answered(answer).is_some());
        assert_eq!(send_new(&mut sequences, &mut ids, 1, 1), (epoch, sequence));
    }
}

/// Of a transactional producer, which has only the epochs that its coordinator gives it.
fn given(newest: ProducerKey) -> ProducerIds {
    ProducerIds::Given {
        newest,
        strict: false,
    }
}

#[test]
fn without_another_epoch_a_partition_goes_back_to_what_its_broker_is_known_to_expect() {
    let mut sequences = known();
    let mut ids = given(KEY);
    send_new(&mut sequences, &mut ids, 0, 10);
    send_new(&mut sequences, &mut ids, 1, 5);
    sequences.answered(Answer::Written);
    assert_eq!(sequences.answered(Answer::Refused).unwrap().batch, 1);
    assert_eq!(sequences.gap(&ids), Gap::Known);
    assert_eq!(send_new(&mut sequences, &mut ids, 2, 1), (0, 10));
    assert_eq!(sequences.gap(&ids), Gap::None);
}

#[test]
fn without_another_epoch_nothing_follows_an_unknown_outcome_that_was_given_up() {
    let mut sequences = known();
    let mut ids = given(KEY);
    send_new(&mut sequences, &mut ids, 0, 10);
    sequences.answered(Answer::Lost);
    assert_eq!(sequences.give_up_resend(|_| true).len(), 1);
    assert_eq!(sequences.gap(&ids), Gap::Unknown);
    assert!(!sequences.prepare_new(&mut ids));
    let next = ProducerKey { epoch: 1, ..KEY };
    let mut ids = given(next);
    assert_eq!(sequences.gap(&ids), Gap::None);
    assert_eq!(send_new(&mut sequences, &mut ids, 1, 1), (1, 0));
}

#[test]
fn a_broker_that_has_forgotten_the_producer_gets_all_again_from_0_in_the_same_epoch() {
    let mut sequences = known();
    let mut ids = given(KEY);
    for batch in 0..3 {
        send_new(&mut sequences, &mut ids, batch, 10);
    }
    sequences.answered(Answer::Written);
    for _ in 0..2 {
        sequences.correct(Some(0));
        assert!(sequences.answered(Answer::OutOfOrder).is_none());
    }
    assert_eq!(resend(&mut sequences, &mut ids), Some((1, 0, 0)));
    // To a broker that does not know the producer one goes alone.
    assert_eq!(resend(&mut sequences, &mut ids), None);
    sequences.answered(Answer::Written);
    assert_eq!(resend(&mut sequences, &mut ids), Some((2, 0, 10)));
    sequences.answered(Answer::Written);
    assert_eq!(send_new(&mut sequences, &mut ids, 3, 1), (0, 20));
}

#[test]
fn another_partition_takes_the_newest_epoch_instead_of_bumping_again() {
    let mut ids = ProducerIds::Known(KEY);
    assert_eq!(ids.after(KEY), Some(ProducerKey { id: 7, epoch: 1 }));
    assert_eq!(ids.after(KEY), Some(ProducerKey { id: 7, epoch: 1 }));
}

#[test]
fn after_the_last_epoch_a_new_producer_id_is_wanted() {
    let last = ProducerKey {
        epoch: i16::MAX,
        ..KEY
    };
    let mut ids = ProducerIds::Known(last);
    assert_eq!(ids.after(last), None);
    assert_eq!(ids, ProducerIds::Wanted);
    let mut sequences = Sequences::<u32>::default();
    assert!(!sequences.prepare_new(&mut ids));
}

/// The log of a broker and what it remembers of the producer, as Kafka's `ProducerStateManager`.
#[derive(Default)]
struct Broker {
    log: Vec<u32>,
    /// Nothing is known of the producer before it has written something: any sequence will do.
    is_known: bool,
    epoch: i16,
    next: i32,
    /// The last five batches: first sequence and batch.
    remembered: VecDeque<(i32, u32)>,
}

impl Broker {
    fn knows(&self, epoch: i16, sequence: i32) -> bool {
        epoch == self.epoch && self.remembered.iter().any(|(first, _)| *first == sequence)
    }

    fn append(&mut self, batch: u32, epoch: i16, sequence: i32, count: i32) -> Answer {
        if epoch < self.epoch {
            return Answer::Refused;
        }
        if self.knows(epoch, sequence) {
            return Answer::Written;
        }
        let expected = if epoch > self.epoch { 0 } else { self.next };
        if self.is_known && sequence != expected {
            return Answer::OutOfOrder;
        }
        self.is_known = true;
        if epoch > self.epoch {
            self.epoch = epoch;
            self.remembered.clear();
        }
        self.next = add(sequence, count);
        self.remembered.push_back((sequence, batch));
        if self.remembered.len() > 5 {
            self.remembered.pop_front();
        }
        self.log.push(batch);
        Answer::Written
    }
}

#[derive(Clone, Debug)]
enum Step {
    /// Send what may be sent.
    Send,
    /// The broker takes the oldest request that it has not seen, and answers so.
    Process(Fate),
    /// The connection dies: what is in flight is lost, the broker may have seen the first `seen`.
    Cut { seen: usize },
    /// The oldest batch is given up.
    Expire,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    Answer,
    /// Appended, then answered as timed out.
    TimedOut,
    /// Not appended: not leader, not enough replicas.
    NotNow,
    /// Not appended, never will be.
    Refuse,
}

fn any_step() -> impl Strategy<Value = Step> {
    let fate = prop_oneof![
        6 => Just(Fate::Answer),
        2 => Just(Fate::TimedOut),
        2 => Just(Fate::NotNow),
        1 => Just(Fate::Refuse),
    ];
    prop_oneof![
        5 => Just(Step::Send),
        6 => fate.prop_map(Step::Process),
        1 => (0_usize..6).prop_map(|seen| Step::Cut { seen }),
        1 => Just(Step::Expire),
    ]
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Reported {
    Written,
    NotWritten,
    Unknown,
}

struct World {
    sequences: Sequences<u32>,
    ids: ProducerIds,
    broker: Broker,
    next_batch: u32,
    reported: Vec<Option<Reported>>,
}

impl World {
    fn send(&mut self) {
        while self.sequences.may_send() && self.sequences.in_flight() < 5 {
            let stamped = if self.sequences.has_resend() {
                self.sequences.next_resend(&mut self.ids)
            } else {
                let count = 1 + self.next_batch as i32 % 3;
                self.sequences.prepare_new(&mut self.ids).then(|| {
                    self.next_batch += 1;
                    self.reported.push(None);
                    let identity = self.sequences.place_for_new(count);
                    Stamped::new(self.next_batch - 1, identity, count)
                })
            };
            let Some(stamped) = stamped else { return };
            self.sequences.sent(stamped);
        }
    }

    fn process(&mut self, fate: Fate) {
        let Some(stamped) = self.sequences.in_flight.front() else {
            return;
        };
        let (key, sequence) = stamped.identity.unwrap();
        let (batch, count) = (stamped.batch, stamped.record_count);
        let broker = &mut self.broker;
        let mut append = || broker.append(batch, key.epoch, sequence, count);
        let answer = match fate {
            Fate::Answer => append(),
            Fate::TimedOut => match append() {
                Answer::Written => Answer::Lost,
                other => other,
            },
            Fate::NotNow => Answer::Retry,
            // A broker that has the batch recognises it; what it refuses now it refused before.
            Fate::Refuse if broker.knows(key.epoch, sequence) => Answer::Written,
            Fate::Refuse => Answer::Refused,
        };
        self.answer(answer);
    }

    fn answer(&mut self, answer: Answer) {
        if let Some(finished) = self.sequences.answered(answer) {
            let outcome = match answer {
                Answer::Written => Reported::Written,
                _ if finished.maybe_written => Reported::Unknown,
                _ => Reported::NotWritten,
            };
            self.report(finished.batch, outcome);
        }
    }

    fn report(&mut self, batch: u32, outcome: Reported) {
        let reported = &mut self.reported[batch as usize];
        if reported.is_none() {
            *reported = Some(outcome);
        }
    }

    fn expire(&mut self) {
        let mut first = true;
        let given_up = self
            .sequences
            .give_up_resend(|_| std::mem::take(&mut first));
        if let Some(stamped) = given_up.first() {
            let outcome = if stamped.maybe_written {
                Reported::Unknown
            } else {
                Reported::NotWritten
            };
            self.report(stamped.batch, outcome);
            return;
        }
        let mut in_flight = self.sequences.in_flight_mut();
        let Some(stamped) = in_flight.find(|stamped| !stamped.given_up) else {
            return;
        };
        stamped.given_up = true;
        let batch = stamped.batch;
        drop(in_flight);
        self.report(batch, Reported::Unknown);
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Send => self.send(),
            Step::Process(fate) => self.process(*fate),
            Step::Cut { seen } => {
                for index in 0..self.sequences.in_flight() {
                    let fate = if index < *seen {
                        Fate::TimedOut
                    } else {
                        Fate::NotNow
                    };
                    if fate == Fate::TimedOut {
                        let stamped = &self.sequences.in_flight[0];
                        let (key, sequence) = stamped.identity.unwrap();
                        let (batch, count) = (stamped.batch, stamped.record_count);
                        self.broker.append(batch, key.epoch, sequence, count);
                    }
                    self.answer(Answer::Lost);
                }
            }
            Step::Expire => self.expire(),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]
    #[test]
    fn nothing_is_lost_doubled_or_reordered_whatever_fails(steps in prop::collection::vec(any_step(), 0..120)) {
        let mut world = World {
            sequences: Sequences::default(),
            ids: ProducerIds::Known(KEY),
            broker: Broker::default(),
            next_batch: 0,
            reported: Vec::new(),
        };
        for step in &steps {
            world.step(step);
        }
        // The world heals: everything that was started ends.
        let last = world.next_batch;
        for _ in 0..1000 {
            if (0..last as usize).all(|batch| world.reported[batch].is_some()) {
                break;
            }
            world.send();
            world.process(Fate::Answer);
        }
        for (batch, reported) in world.reported.iter().take(last as usize).enumerate() {
            let copies = world.broker.log.iter().filter(|b| **b == batch as u32).count();
            match reported {
                Some(Reported::Written) => prop_assert_eq!(copies, 1, "acknowledged {}", batch),
                Some(Reported::NotWritten) => prop_assert_eq!(copies, 0, "failed {}", batch),
                Some(Reported::Unknown) => prop_assert!(copies <= 1, "unknown {}", batch),
                None => prop_assert!(false, "batch {} never ended", batch),
            }
        }
        prop_assert!(world.broker.log.is_sorted(), "order: {:?}", world.broker.log);
    }
}

#[test]
fn parts_take_over_the_sequences_of_the_whole_and_go_before_what_followed_it() {
    let mut sequences = known();
    let mut ids = ProducerIds::Known(KEY);
    for batch in 0..3 {
        send_new(&mut sequences, &mut ids, batch, 10);
    }
    assert!(sequences.divisible().is_some());
    sequences.split(|whole| vec![(whole + 100, 4), (whole + 200, 6)]);
    // The broker expected what is cut now.
    for _ in 1..3 {
        assert!(sequences.answered(Answer::OutOfOrder).is_none());
    }
    let order = [(100, 0), (200, 4), (1, 10), (2, 20)];
    for (batch, sequence) in order {
        let sent = resend(&mut sequences, &mut ids);
        assert_eq!(sent, Some((batch, 0, sequence)));
    }
    for (batch, _) in order {
        assert_eq!(sequences.answered(Answer::Written).unwrap().batch, batch);
    }
    assert_eq!(send_new(&mut sequences, &mut ids, 3, 1), (0, 30));
}

#[test]
fn parts_cross_the_end_of_the_sequence_numbers() {
    let mut sequences = known();
    let mut ids = ProducerIds::Known(KEY);
    sequences.next_sequence = i32::MAX - 2;
    send_new(&mut sequences, &mut ids, 0, 10);
    sequences.split(|_| vec![(1, 5), (2, 5)]);
    assert_eq!(resend(&mut sequences, &mut ids), Some((1, 0, i32::MAX - 2)));
    assert_eq!(resend(&mut sequences, &mut ids), Some((2, 0, 2)));
}

#[test]
fn what_may_be_in_the_log_is_not_split() {
    let mut sequences = known();
    let mut ids = ProducerIds::Known(KEY);
    send_new(&mut sequences, &mut ids, 0, 10);
    sequences.answered(Answer::Lost);
    resend(&mut sequences, &mut ids);
    assert!(sequences.divisible().is_none());
    sequences.answered(Answer::Refused);
    send_new(&mut sequences, &mut ids, 1, 1);
    assert!(sequences.divisible().is_none(), "a single record");
}

#[test]
fn parts_keep_their_order_without_idempotence() {
    let mut sequences = Sequences::default();
    let mut ids = ProducerIds::Off;
    assert!(sequences.prepare_new(&mut ids));
    sequences.sent(Stamped::new(0, None, 9));
    sequences.split(|_| vec![(1, 3), (2, 3), (3, 3)]);
    for answer in [Answer::Retry, Answer::Lost, Answer::Written] {
        let first = sequences.next_resend(&mut ids).unwrap();
        assert_eq!(first.batch, 1);
        sequences.sent(first);
        sequences.answered(answer);
    }
    assert_eq!(sequences.next_resend(&mut ids).unwrap().batch, 2);
}
