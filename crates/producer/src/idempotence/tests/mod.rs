mod property;

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
fn without_another_epoch_an_older_batch_that_ends_later_takes_nothing_back() {
    for (newer, gap, next) in [
        (Answer::Written, Gap::Known, Some((0, 20))),
        (Answer::Refused, Gap::Unknown, None),
    ] {
        let mut sequences = known();
        let mut ids = given(KEY);
        for batch in 0..2 {
            send_new(&mut sequences, &mut ids, batch, 10);
        }
        for _ in 0..2 {
            sequences.answered(Answer::Lost);
        }
        for batch in 0..2 {
            assert_eq!(resend(&mut sequences, &mut ids).unwrap().0, batch);
        }
        // The older one for a moment only: it ends after the newer.
        assert!(sequences.answered(Answer::Retry).is_none());
        assert_eq!(sequences.answered(newer).unwrap().batch, 1);
        assert_eq!(resend(&mut sequences, &mut ids), Some((0, 0, 0)));
        assert_eq!(sequences.answered(Answer::Written).unwrap().batch, 0);
        if newer == Answer::Written {
            send_new(&mut sequences, &mut ids, 2, 5);
            sequences.answered(Answer::Refused);
        }
        assert_eq!(sequences.gap(&ids), gap);
        let prepared = sequences.prepare_new(&mut ids);
        let sent = prepared.then_some(sequences.next_sequence);
        assert_eq!(sent.map(|sequence| (0, sequence)), next);
    }
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
