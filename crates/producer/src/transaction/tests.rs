//! The manager by hand: what follows from what, in both protocols.

use std::sync::Arc;
use std::sync::atomic::Ordering;
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
async fn an_end_that_was_lost_is_repeated_and_never_followed_by_the_same_epoch() {
    for commit in [true, false] {
        let mut world = World::writing(Protocol::V1);
        if commit {
            world.manager.commit().unwrap();
        } else {
            world.manager.abort().unwrap();
        }
        assert_eq!(world.request(), end(FIRST, commit));
        world.lose();
        assert_eq!(world.poll(), None, "a pause first");
        assert!(world.manager.take_stale().is_some());
        world.later();
        assert_eq!(world.request(), end(FIRST, commit));
        world.succeed();
        // Its outcome is known, so whoever waits for it need not wait for the bump.
        assert_eq!(world.manager.ended(1), Some(commit));
        assert_eq!(world.manager.state(), State::Initializing);
        assert!(world.manager.begin().is_err());
        let known = Some(FIRST);
        assert_eq!(world.request(), Request::InitProducerId { known });
        world.answer(NEXT);
        world.begin_writing(NEXT);
    }
}

#[tokio::test]
async fn with_kip_890_the_end_itself_bumps() {
    let mut world = World::writing(Protocol::V2);
    world.manager.commit().unwrap();
    assert_eq!(world.request(), end(FIRST, true));
    world.lose();
    world.later();
    assert_eq!(world.request(), end(FIRST, true));
    world.answer(NEXT);
    assert_eq!(world.manager.state(), State::Ready);
    world.begin_writing(NEXT);
}

#[tokio::test]
async fn what_was_not_sent_is_repeated_without_a_bump() {
    let mut world = World::writing(Protocol::V1);
    world.manager.commit().unwrap();
    assert_eq!(world.request(), end(FIRST, true));
    world.unsent();
    world.later();
    assert_eq!(world.request(), end(FIRST, true));
    world.succeed();
    assert_eq!(world.manager.state(), State::Ready);
}

#[tokio::test]
async fn a_lost_addition_is_settled_before_the_abort_and_bumps_the_epoch() {
    let mut world = World::ready(Protocol::V1);
    world.manager.begin().unwrap();
    assert!(!world.manager.admits(&orders(0)));
    let add = world.request();
    world.lose();
    world.manager.abort().unwrap();
    world.later();
    assert_eq!(world.request(), add);
    world.succeed();
    assert_eq!(world.request(), end(FIRST, false));
    world.succeed();
    let known = Some(FIRST);
    assert_eq!(world.request(), Request::InitProducerId { known });
}

#[tokio::test]
async fn an_addition_that_nobody_saw_is_forgotten_by_the_abort() {
    let mut world = World::ready(Protocol::V1);
    world.manager.begin().unwrap();
    assert!(!world.manager.admits(&orders(0)));
    world.request();
    world.unsent();
    world.manager.abort().unwrap();
    assert_eq!(world.poll(), None);
    assert_eq!(world.manager.ended(1), Some(false));
    assert_eq!(world.manager.state(), State::Ready);
}

#[tokio::test]
async fn a_gap_in_a_partition_bumps_the_epoch_after_the_abort() {
    let mut world = World::writing(Protocol::V1);
    world.manager.handle_batch_failure(failed_record());
    world.manager.abort().unwrap();
    let batches = Batches {
        settled: true,
        gap: Gap::Known,
    };
    let request = world.manager.poll_request(world.now, batches);
    assert_eq!(request, Some(end(FIRST, false)));
    world.succeed();
    assert_eq!(world.manager.state(), State::Initializing);
}

#[tokio::test]
async fn where_no_epoch_can_be_bumped_only_a_gap_of_unknown_extent_ends_the_producer() {
    for (gap, expected) in [(Gap::Known, State::Ready), (Gap::Unknown, State::Fatal)] {
        let mut world = World::ready(Protocol::V1);
        world.view.can_bump = Some(false);
        world.begin_writing(FIRST);
        world.manager.handle_batch_failure(failed_record());
        world.manager.abort().unwrap();
        let batches = Batches { settled: true, gap };
        let request = world.manager.poll_request(world.now, batches);
        assert_eq!(request, Some(end(FIRST, false)));
        world.succeed();
        assert_eq!(world.manager.ended(1), Some(false));
        assert_eq!(world.manager.state(), expected);
    }
}

#[tokio::test]
async fn a_failed_record_leaves_nothing_but_the_abort() {
    for committing in [false, true] {
        let mut world = World::writing(Protocol::V2);
        if committing {
            world.manager.commit().unwrap();
        }
        let accepting = world.manager.accepting();
        world.manager.handle_batch_failure(failed_record());
        assert_eq!(accepting.load(Ordering::Acquire), 0);
        assert!(world.manager.discards().is_some());
        assert_eq!(world.poll(), None);
        assert!(world.manager.commit().unwrap_err().is_abortable());
        world.manager.abort().unwrap();
        assert_eq!(world.request(), end(FIRST, false));
        world.answer(NEXT);
        let number = world.manager.begin().unwrap();
        assert_eq!(accepting.load(Ordering::Acquire), number);
        assert!(world.manager.discards().is_none());
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

#[tokio::test]
async fn a_refusal_of_offsets_fails_the_transaction_and_not_the_producer() {
    for protocol in BOTH {
        let mut world = World::writing(protocol);
        world.manager.send_offsets(group(), offsets()).unwrap();
        if protocol == Protocol::V1 {
            world.request();
            world.succeed();
        }
        world.request();
        world.refuse(ErrorCode::ILLEGAL_GENERATION);
        let error = world.manager.error().unwrap();
        assert!(error.is_abortable(), "{error}");
        assert_eq!(error.code(), Some(ErrorCode::ILLEGAL_GENERATION));
        world.manager.abort().unwrap();
        assert_eq!(world.request(), end(FIRST, false));
        world.ended();
        assert_eq!(world.manager.state(), State::Ready);
    }
}

#[tokio::test]
async fn whoever_is_fenced_can_do_nothing_and_knows_what_became_of_the_commit() {
    for lost in [false, true] {
        let mut world = World::writing(Protocol::V2);
        world.manager.commit().unwrap();
        world.request();
        if lost {
            world.lose();
            world.later();
            world.request();
        }
        world.refuse(ErrorCode::PRODUCER_FENCED);
        assert_eq!(world.manager.state(), State::Fatal);
        let error = world.manager.error().unwrap();
        assert!(error.is_fenced() && error.is_fatal());
        let expected = if lost {
            Outcome::Unknown
        } else {
            Outcome::NotWritten
        };
        assert_eq!(world.manager.outcome(), expected);
        assert!(world.manager.abort().unwrap_err().is_fatal());
    }
}

#[tokio::test]
async fn a_cluster_that_goes_over_to_kip_890_gets_a_new_epoch_first() {
    let mut world = World::writing(Protocol::V1);
    world.manager.commit().unwrap();
    assert_eq!(world.request(), end(FIRST, true));
    world.view.protocol = Protocol::V2;
    world.succeed();
    let known = Some(FIRST);
    assert_eq!(world.request(), Request::InitProducerId { known });
    world.answer(NEXT);
    world.manager.begin().unwrap();
    assert!(world.manager.admits(&orders(0)), "by being used");
    assert_eq!(world.manager.producer(), Some(NEXT));
    assert_eq!(world.manager.protocol(), Protocol::V2);
}

#[tokio::test]
async fn a_coordinator_that_cannot_bump_ends_the_producer_where_a_bump_is_needed() {
    let mut world = World::ready(Protocol::V1);
    world.view.can_bump = Some(false);
    world.begin_writing(FIRST);
    world.manager.commit().unwrap();
    world.request();
    world.lose();
    world.later();
    world.request();
    world.succeed();
    assert_eq!(world.manager.ended(1), Some(true), "it is committed");
    assert_eq!(world.manager.state(), State::Fatal);
}

#[tokio::test]
async fn a_coordinator_that_is_busy_is_asked_again_soon() {
    let mut world = World::ready(Protocol::V1);
    world.manager.begin().unwrap();
    assert!(!world.manager.admits(&orders(0)));
    let add = world.request();
    world.refuse(ErrorCode::CONCURRENT_TRANSACTIONS);
    let pause = world.manager.poll_timeout().unwrap() - world.now;
    assert!(pause < Duration::from_millis(50), "{pause:?}");
    assert_eq!(world.manager.take_stale(), None);
    world.later();
    assert_eq!(world.request(), add);
    world.refuse(ErrorCode::NOT_COORDINATOR);
    assert!(world.manager.take_stale().is_some());
    let pause = world.manager.poll_timeout().unwrap() - world.now;
    assert!(pause > Duration::from_millis(80), "{pause:?}");
}

#[tokio::test]
async fn an_initialization_that_is_not_allowed_can_be_tried_again() {
    let mut world = World::new(Protocol::V1);
    world.manager.initialize().unwrap();
    world.request();
    world.refuse(ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
    assert_eq!(world.manager.state(), State::Uninitialized);
    assert!(world.manager.error().unwrap().code().is_some());
    world.manager.initialize().unwrap();
    world.request();
    world.answer(FIRST);
    assert_eq!(world.manager.state(), State::Ready);
}
