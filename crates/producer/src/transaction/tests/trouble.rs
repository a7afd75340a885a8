//! What is lost, refused or too late, and what the producer can still do after it.

use std::sync::atomic::Ordering;
use std::time::Duration;

use klamm_codec::ErrorCode;

use super::*;

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
async fn where_no_epoch_can_be_bumped_only_a_gap_of_unknown_extent_asks_for_one() {
    for (gap, expected) in [
        (Gap::Known, State::Ready),
        (Gap::Unknown, State::Initializing),
    ] {
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

/// In a transaction whose end was lost and repeated, and after which a coordinator before 2.5 is asked for
/// another epoch.
fn taking_an_epoch() -> World {
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
    assert_eq!(world.manager.state(), State::Initializing);
    world.request();
    world
}

#[tokio::test]
async fn an_epoch_that_is_for_whoever_asks_is_used_only_if_nobody_was_in_between() {
    let mut world = taking_an_epoch();
    world.answer(NEXT);
    world.begin_writing(NEXT);
    let later = ProducerKey { epoch: 2, ..FIRST };
    let of_another_id = ProducerKey { id: 8, epoch: 0 };
    for taken in [later, of_another_id] {
        let mut world = taking_an_epoch();
        world.answer(taken);
        assert_eq!(world.manager.state(), State::Fatal, "{taken:?}");
        assert!(world.manager.error().unwrap().is_fenced());
        assert_eq!(world.manager.ended(1), Some(true));
    }
}

#[tokio::test]
async fn an_epoch_that_is_for_whoever_asks_is_not_taken_from_somebody_unknown() {
    let mut world = World::ready(Protocol::V1);
    world.view.can_bump = Some(false);
    world.manager.begin().unwrap();
    assert!(!world.manager.admits(&orders(0)));
    world.request();
    world.lose();
    world.later();
    world.request();
    world.refuse(ErrorCode::TOPIC_AUTHORIZATION_FAILED);
    world.manager.abort().unwrap();
    // No coordinator has said by now that this is still its producer.
    assert_eq!(world.poll(), None);
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
