use klamm_codec::batch::ProducerIdentity;

use super::*;
use crate::testing::batch;

fn header(
    producer_id: i64,
    producer_epoch: i16,
    base_sequence: i32,
    records: usize,
) -> BatchHeader {
    let identity = ProducerIdentity {
        producer_id,
        producer_epoch,
        base_sequence,
    };
    BatchHeader::parse(&batch(&vec![1; records], identity)).unwrap()
}

/// Judges a batch of producer 1, and notes it if it is next.
fn write(
    states: &mut ProducerStates,
    epoch: i16,
    sequence: i32,
    records: usize,
    offset: i64,
) -> Verdict {
    let header = header(1, epoch, sequence, records);
    let verdict = states.judge(&header, Newcomer::AnySequence);
    if verdict == Verdict::Next {
        states.appended(&header, offset, None);
    }
    verdict
}

fn duplicate(base_offset: i64) -> Verdict {
    Verdict::Duplicate {
        base_offset,
        timestamp: 1,
    }
}

#[test]
fn sequences_must_follow_each_other() {
    let mut states = ProducerStates::default();
    assert_eq!(write(&mut states, 0, 0, 3, 0), Verdict::Next);
    assert_eq!(write(&mut states, 0, 3, 2, 3), Verdict::Next);
    assert_eq!(write(&mut states, 0, 6, 1, 5), Verdict::OutOfOrder);
    assert_eq!(write(&mut states, 0, 4, 1, 5), Verdict::OutOfOrder);
    assert_eq!(write(&mut states, 0, 5, 1, 5), Verdict::Next);
}

#[test]
fn the_last_five_batches_are_known_as_duplicates() {
    let mut states = ProducerStates::default();
    for index in 0..6 {
        assert_eq!(
            write(&mut states, 0, index, 1, 100 + i64::from(index)),
            Verdict::Next
        );
    }
    assert_eq!(
        write(&mut states, 0, 0, 1, 0),
        Verdict::OutOfOrder,
        "forgotten"
    );
    for index in 1..6 {
        assert_eq!(
            write(&mut states, 0, index, 1, 0),
            duplicate(100 + i64::from(index))
        );
    }
    assert_eq!(
        write(&mut states, 0, 5, 2, 0),
        Verdict::OutOfOrder,
        "same start, other end"
    );
}

#[test]
fn a_new_epoch_starts_at_sequence_0_and_shuts_out_the_old_one() {
    let mut states = ProducerStates::default();
    assert_eq!(write(&mut states, 3, 0, 1, 0), Verdict::Next);
    assert_eq!(write(&mut states, 4, 1, 1, 1), Verdict::OutOfOrder);
    assert_eq!(write(&mut states, 4, 0, 1, 1), Verdict::Next);
    assert_eq!(
        write(&mut states, 3, 0, 1, 2),
        Verdict::OldEpoch,
        "though written in its time"
    );
    assert_eq!(write(&mut states, 4, 0, 1, 2), duplicate(1));
}

#[test]
fn sequences_go_on_at_0_after_the_largest() {
    let mut states = ProducerStates::default();
    assert_eq!(write(&mut states, 0, i32::MAX - 1, 2, 0), Verdict::Next);
    assert_eq!(write(&mut states, 0, 0, 1, 2), Verdict::Next);

    let mut states = ProducerStates::default();
    assert_eq!(
        write(&mut states, 0, i32::MAX, 3, 0),
        Verdict::Next,
        "MAX, 0, 1"
    );
    assert_eq!(write(&mut states, 0, i32::MAX, 3, 9), duplicate(0));
    assert_eq!(write(&mut states, 0, 1, 1, 3), Verdict::OutOfOrder);
    assert_eq!(write(&mut states, 0, 2, 1, 3), Verdict::Next);
}

#[test]
fn an_unknown_producer_may_start_anywhere() {
    assert_eq!(
        write(&mut ProducerStates::default(), 7, 42, 1, 0),
        Verdict::Next
    );
}

#[test]
fn before_kip_360_a_producer_without_records_is_unknown_and_begins_at_0() {
    let judge = |states: &ProducerStates, sequence| {
        states.judge(&header(1, 0, sequence, 1), Newcomer::ZeroOfUnknown)
    };
    let mut states = ProducerStates::default();
    assert_eq!(judge(&states, 1), Verdict::Unknown);
    assert_eq!(judge(&states, 0), Verdict::Next);
    assert_eq!(write(&mut states, 0, 0, 1, 7), Verdict::Next);
    states.forget_producers_before(7);
    assert_eq!(judge(&states, 1), Verdict::Next);
    states.forget_producers_before(8);
    assert_eq!(judge(&states, 1), Verdict::Unknown);
}

#[test]
fn the_producer_that_wrote_longest_ago_is_forgotten() {
    let mut states = ProducerStates::default();
    for id in 0..=PRODUCERS_MAX as i64 {
        states.appended(&header(id, 0, 0, 1), id, None);
        // Producer 0 stays because it writes on.
        states.appended(&header(0, 0, id as i32 + 1, 1), id, None);
    }
    assert_eq!(states.producers.len(), PRODUCERS_MAX);
    assert!(states.producers.contains_key(&0));
    assert!(!states.producers.contains_key(&1));
}

fn transactional(states: &mut ProducerStates, epoch: i16, sequence: i32, offset: i64) -> Verdict {
    let mut header = header(1, epoch, sequence, 1);
    header.attributes.0 |= 1 << 4;
    let verdict = states.judge(&header, Newcomer::Zero);
    if verdict == Verdict::Next {
        states.appended(&header, offset, None);
    }
    verdict
}

#[test]
fn a_transaction_is_open_from_its_first_batch_to_its_marker() {
    let mut states = ProducerStates::default();
    let producer = Producer { id: 1, epoch: 0 };
    assert_eq!(transactional(&mut states, 0, 1, 7), Verdict::OutOfOrder);
    assert_eq!(transactional(&mut states, 0, 0, 7), Verdict::Next);
    assert_eq!(transactional(&mut states, 0, 1, 8), Verdict::Next);
    assert_eq!(write(&mut states, 0, 2, 1, 9), Verdict::NotTransactional);
    assert_eq!(states.first_open(), Some(7));
    assert!(states.end_transaction(producer, false, 9));
    assert_eq!(states.first_open(), None);
    let aborted = Aborted {
        producer_id: 1,
        first_offset: 7,
        last_offset: 9,
    };
    let between = |from, to| {
        let found: Vec<_> = states.aborted_between(from, to).copied().collect();
        found
    };
    assert_eq!(between(9, 10), [aborted]);
    assert_eq!(between(0, 8), [aborted]);
    assert_eq!(between(10, 20), []);
    assert_eq!(between(0, 7), []);
    assert_eq!(transactional(&mut states, 0, 2, 10), Verdict::Next);
    assert!(states.end_transaction(producer, true, 11));
    assert_eq!(states.aborted_between(0, 20).count(), 1);
}

#[test]
fn a_marker_of_a_newer_epoch_shuts_out_what_comes_late() {
    let mut states = ProducerStates::default();
    assert_eq!(transactional(&mut states, 0, 0, 0), Verdict::Next);
    let next = Producer { id: 1, epoch: 1 };
    assert!(states.end_transaction(next, true, 1));
    assert_eq!(transactional(&mut states, 0, 1, 2), Verdict::OldEpoch);
    assert_eq!(transactional(&mut states, 1, 1, 2), Verdict::OutOfOrder);
    assert_eq!(transactional(&mut states, 1, 0, 2), Verdict::Next);
    assert!(!states.end_transaction(Producer { id: 1, epoch: 0 }, true, 3));
}
