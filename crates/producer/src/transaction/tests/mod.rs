//! The manager by hand: what follows from what, in both protocols.

mod trouble;

use std::sync::Arc;
use std::time::Duration;

use klamm_codec::{ApiKey, ErrorCode};
use klamm_net::{Backoff, GroupMetadata, OffsetAndMetadata, TopicPartition};
use tokio::time::Instant;

use super::exchange::{Answer, ClusterView, Protocol, Request};
use super::manager::{Batches, Manager};
use super::state::State;
use crate::error::{Error, Outcome};
use crate::idempotence::{Gap, ProducerKey};

const FIRST: ProducerKey = ProducerKey { id: 7, epoch: 0 };
const NEXT: ProducerKey = ProducerKey { id: 7, epoch: 1 };
const BOTH: [Protocol; 2] = [Protocol::V1, Protocol::V2];
const SETTLED: Batches = Batches {
    settled: true,
    gap: Gap::None,
};

struct World {
    manager: Manager,
    view: ClusterView,
    now: Instant,
}

impl World {
    fn new(protocol: Protocol) -> Self {
        let backoff = Backoff {
            initial: Duration::from_millis(100),
            max: Duration::from_secs(1),
        };
        Self {
            manager: Manager::new(Arc::from("t"), backoff),
            view: ClusterView {
                protocol,
                can_bump: Some(true),
            },
            now: Instant::now(),
        }
    }

    fn ready(protocol: Protocol) -> Self {
        let mut world = Self::new(protocol);
        world.manager.initialize().unwrap();
        assert_eq!(world.request(), Request::InitProducerId { known: None });
        world.answer(FIRST);
        assert_eq!(world.manager.state(), State::Ready);
        world
    }

    /// In a transaction that has written to one partition.
    fn writing(protocol: Protocol) -> Self {
        let mut world = Self::ready(protocol);
        world.begin_writing(FIRST);
        world
    }

    fn begin_writing(&mut self, producer: ProducerKey) {
        self.manager.begin().unwrap();
        if !self.manager.admits(&orders(0)) {
            let partitions = vec![orders(0)];
            assert_eq!(
                self.request(),
                Request::AddPartitions {
                    producer,
                    partitions
                }
            );
            self.succeed();
        }
        assert!(self.manager.admits(&orders(0)));
    }

    fn poll(&mut self) -> Option<Request> {
        self.manager.poll_request(self.now, SETTLED)
    }

    fn request(&mut self) -> Request {
        self.poll().expect("a request")
    }

    fn later(&mut self) {
        self.now = self.manager.poll_timeout().expect("a pause").max(self.now);
    }

    fn handle(&mut self, answer: Result<Answer, klamm_net::Error>) {
        self.manager.handle_answer(self.now, answer, self.view);
    }

    fn answer(&mut self, producer: ProducerKey) {
        self.handle(Ok(Answer {
            producer: Some(producer),
            ..Answer::default()
        }));
    }

    fn succeed(&mut self) {
        self.handle(Ok(Answer::default()));
    }

    fn refuse(&mut self, code: ErrorCode) {
        self.handle(Ok(Answer {
            refused: vec![("t".to_owned(), code)],
            producer: None,
        }));
    }

    fn lose(&mut self) {
        self.handle(Err(klamm_net::Error::Disconnected {
            api: ApiKey::END_TXN,
            broker: "b".to_owned(),
            reason: "gone".to_owned(),
            may_have_been_processed: true,
        }));
    }

    fn unsent(&mut self) {
        self.handle(Err(klamm_net::Error::Disconnected {
            api: ApiKey::END_TXN,
            broker: "b".to_owned(),
            reason: "gone".to_owned(),
            may_have_been_processed: false,
        }));
    }

    /// The answer to `EndTxn`, with the next epoch where the protocol tells one.
    fn ended(&mut self) {
        match self.view.protocol {
            Protocol::V1 => self.succeed(),
            Protocol::V2 => self.answer(NEXT),
        }
    }
}

fn orders(partition: i32) -> TopicPartition {
    TopicPartition::new("orders", partition)
}

fn group() -> GroupMetadata {
    GroupMetadata::of_group("g").member("m", 3)
}

fn offsets() -> Vec<(TopicPartition, OffsetAndMetadata)> {
    vec![(orders(0), OffsetAndMetadata::new(5))]
}

fn failed_record() -> Error {
    Error::Fatal(ErrorCode::MESSAGE_TOO_LARGE)
}

fn end(producer: ProducerKey, commit: bool) -> Request {
    Request::End { producer, commit }
}

#[tokio::test]
async fn a_transaction_ends_when_all_of_it_is_settled() {
    for protocol in BOTH {
        for commit in [true, false] {
            let mut world = World::writing(protocol);
            if commit {
                world.manager.commit().unwrap();
            } else {
                world.manager.abort().unwrap();
            }
            let unsettled = Batches::default();
            assert_eq!(world.manager.poll_request(world.now, unsettled), None);
            assert_eq!(world.request(), end(FIRST, commit));
            assert_eq!(world.poll(), None, "one at a time");
            world.ended();
            assert_eq!(world.manager.state(), State::Ready);
            assert_eq!(world.manager.ended(1), Some(commit));
            let next = match protocol {
                Protocol::V1 => FIRST,
                Protocol::V2 => NEXT,
            };
            assert_eq!(world.manager.producer(), Some(next));
        }
    }
}

#[tokio::test]
async fn a_transaction_of_nothing_asks_nobody() {
    for protocol in BOTH {
        let mut world = World::ready(protocol);
        world.manager.begin().unwrap();
        world.manager.commit().unwrap();
        assert_eq!(world.poll(), None);
        assert_eq!(world.manager.ended(1), Some(true));
        world.manager.begin().unwrap();
        world.manager.abort().unwrap();
        assert_eq!(world.poll(), None);
        assert_eq!(world.manager.ended(2), Some(false));
        assert_eq!(world.manager.state(), State::Ready);
    }
}

#[tokio::test]
async fn a_call_that_does_not_fit_is_an_error_and_changes_nothing() {
    type Call = fn(&mut Manager) -> Result<(), Error>;
    type Make = fn() -> World;
    let calls: [(&str, Call); 5] = [
        ("initialize", Manager::initialize),
        ("begin", |manager| manager.begin().map(|_| ())),
        ("send offsets", |manager| {
            manager.send_offsets(group(), offsets()).map(|_| ())
        }),
        ("commit", Manager::commit),
        ("abort", Manager::abort),
    ];
    let states: [(Make, &[&str]); 7] = [
        (|| World::new(Protocol::V1), &["initialize"]),
        (
            || {
                let mut world = World::new(Protocol::V1);
                world.manager.initialize().unwrap();
                world
            },
            &[],
        ),
        (|| World::ready(Protocol::V1), &["begin"]),
        (
            || World::writing(Protocol::V1),
            &["send offsets", "commit", "abort"],
        ),
        (
            || {
                let mut world = World::writing(Protocol::V1);
                world.manager.commit().unwrap();
                world
            },
            &[],
        ),
        (
            || {
                let mut world = World::writing(Protocol::V1);
                world.manager.abort().unwrap();
                world
            },
            &[],
        ),
        (
            || {
                let mut world = World::writing(Protocol::V1);
                world.manager.handle_batch_failure(failed_record());
                world
            },
            &["abort"],
        ),
    ];
    for (make, allowed) in states {
        for (name, call) in calls {
            let mut world = make();
            let before = world.manager.state();
            let result = call(&mut world.manager);
            assert_eq!(result.is_ok(), allowed.contains(&name), "{name}: {before}");
            if let Err(error) = result {
                assert_eq!(world.manager.state(), before, "{name}");
                assert!(!error.is_fatal(), "{error}");
            }
        }
    }
}

#[tokio::test]
async fn an_answer_that_does_not_fit_ends_the_producer() {
    let mut world = World::writing(Protocol::V1);
    world.manager.commit().unwrap();
    assert_eq!(world.request(), end(FIRST, true));
    // As if the transaction had ended on another way meanwhile.
    world.manager.abort().unwrap_err();
    world.refuse(ErrorCode::INVALID_TXN_STATE);
    assert_eq!(world.manager.state(), State::Fatal);
    assert!(world.manager.begin().unwrap_err().is_fatal());
    // A late answer to a producer that has failed changes nothing.
    world.succeed();
    assert_eq!(world.manager.state(), State::Fatal);
}

#[tokio::test]
async fn before_kip_890_partitions_and_groups_are_added_one_request_at_a_time() {
    let mut world = World::ready(Protocol::V1);
    world.manager.begin().unwrap();
    assert!(!world.manager.admits(&orders(1)) && !world.manager.admits(&orders(0)));
    let asked = world.manager.send_offsets(group(), offsets()).unwrap();
    let producer = FIRST;
    let partitions = vec![orders(0), orders(1)];
    assert_eq!(
        world.request(),
        Request::AddPartitions {
            producer,
            partitions
        }
    );
    assert!(!world.manager.admits(&orders(0)), "not before the answer");
    world.succeed();
    assert!(world.manager.admits(&orders(0)) && world.manager.admits(&orders(1)));
    let group_id = "g".to_owned();
    assert_eq!(
        world.request(),
        Request::AddOffsets {
            producer,
            group: group_id
        }
    );
    world.succeed();
    let commit = Request::CommitOffsets {
        producer,
        group: group(),
        offsets: offsets(),
    };
    assert_eq!(world.request(), commit);
    assert!(world.manager.offsets_done() < asked);
    world.succeed();
    assert_eq!(world.manager.offsets_done(), asked);
    // The group is part of it by now.
    world.manager.send_offsets(group(), offsets()).unwrap();
    assert_eq!(world.request(), commit);
}

#[tokio::test]
async fn with_kip_890_partitions_and_groups_are_added_by_being_used() {
    let mut world = World::ready(Protocol::V2);
    world.manager.begin().unwrap();
    assert!(world.manager.admits(&orders(0)));
    world.manager.send_offsets(group(), offsets()).unwrap();
    assert!(matches!(world.request(), Request::CommitOffsets { .. }));
    world.succeed();
    world.manager.commit().unwrap();
    assert_eq!(world.request(), end(FIRST, true));
}

#[tokio::test]
async fn a_commit_takes_the_offsets_along_that_were_sent_before_it() {
    for protocol in BOTH {
        let mut world = World::ready(protocol);
        world.manager.begin().unwrap();
        world.manager.send_offsets(group(), offsets()).unwrap();
        world.manager.commit().unwrap();
        let mut asked = Vec::new();
        while world.manager.ended(1).is_none() {
            let request = world.request();
            asked.push(request.api());
            if matches!(request, Request::End { .. }) {
                world.ended();
            } else {
                world.succeed();
            }
        }
        let expected: &[ApiKey] = match protocol {
            Protocol::V1 => &[
                ApiKey::ADD_OFFSETS_TO_TXN,
                ApiKey::TXN_OFFSET_COMMIT,
                ApiKey::END_TXN,
            ],
            Protocol::V2 => &[ApiKey::TXN_OFFSET_COMMIT, ApiKey::END_TXN],
        };
        assert_eq!(asked, expected);
    }
}

#[tokio::test]
async fn a_transaction_that_nobody_holds_is_aborted() {
    let mut world = World::writing(Protocol::V2);
    world.manager.release();
    assert_eq!(world.request(), end(FIRST, false));
    world.answer(NEXT);
    // A commit that failed while nobody waited for it.
    world.manager.begin().unwrap();
    world.manager.commit().unwrap();
    world.manager.handle_batch_failure(failed_record());
    assert_eq!(world.manager.state(), State::AbortableError);
    world.manager.abort_if_released();
    assert_eq!(world.manager.state(), State::Aborting);
}
