//! The sequences of one partition against a model of its broker, whatever fails.

use proptest::prelude::*;

use super::*;

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

    fn answer(&mut self, mut answer: Answer) {
        // As the sender does where only a coordinator gives out epochs.
        if matches!(self.ids, ProducerIds::Given { .. })
            && answer == Answer::OutOfOrder
            && self.sequences.is_first_in_line()
        {
            self.sequences.correct(None);
            answer = Answer::Refused;
        }
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

    /// The coordinator gives out the next epoch, where nothing else helps any more.
    fn renew(&mut self) {
        let sequences = &self.sequences;
        let unsettled = sequences.in_flight() > 0 || sequences.resend().any(|at| at.maybe_written);
        if let ProducerIds::Given { newest, .. } = &mut self.ids
            && !unsettled
            && sequences.gap(&given(*newest)) == Gap::Unknown
        {
            newest.epoch += 1;
        }
    }

    fn step(&mut self, step: &Step) {
        self.renew();
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
    fn nothing_is_lost_doubled_or_reordered_whatever_fails(
        steps in prop::collection::vec(any_step(), 0..120),
        is_given in any::<bool>(),
    ) {
        let mut world = World {
            sequences: Sequences::default(),
            ids: if is_given { given(KEY) } else { ProducerIds::Known(KEY) },
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
            world.renew();
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
