use super::*;

const TIMEOUT: Duration = Duration::from_secs(60);

fn orders(partition: i32) -> (String, i32) {
    ("orders".to_owned(), partition)
}

fn ready(transactions: &mut Transactions, known: Option<Producer>) -> Producer {
    match transactions.initialize("t", TIMEOUT, known) {
        Ok(Initialized::Ready(producer)) => producer,
        other => panic!("{other:?}"),
    }
}

fn begin(transactions: &mut Transactions, producer: Producer) {
    let now = Instant::now();
    let added = transactions.add(now, "t", producer, [orders(0)], []);
    added.unwrap();
}

#[tokio::test]
async fn every_holder_gets_its_own_epoch_and_fences_the_one_before() {
    let mut transactions = Transactions::default();
    let first = ready(&mut transactions, None);
    let second = ready(&mut transactions, None);
    assert_eq!((second.id, second.epoch), (first.id, first.epoch + 1));
    let now = Instant::now();
    let added = transactions.add(now, "t", first, [orders(0)], []);
    assert_eq!(added, Err(ResponseError::ProducerFenced));
    let ended = transactions.end("t", first, true, false);
    assert_eq!(ended, Err(ResponseError::ProducerFenced));
    assert_eq!(
        transactions.initialize("t", TIMEOUT, Some(first)),
        Err(ResponseError::ProducerFenced)
    );
}

#[tokio::test]
async fn a_new_holder_aborts_what_is_open_and_asks_again() {
    let mut transactions = Transactions::default();
    let first = ready(&mut transactions, None);
    begin(&mut transactions, first);
    let Ok(Initialized::Aborting(ending)) = transactions.initialize("t", TIMEOUT, None) else {
        panic!("the transaction was open");
    };
    assert!(!ending.commit && ending.partitions.contains(&orders(0)));
    assert!(ending.producer.epoch > first.epoch);
    assert!(ready(&mut transactions, None).epoch > ending.producer.epoch);
}

#[tokio::test]
async fn before_kip_890_an_end_keeps_the_epoch_and_may_be_repeated() {
    let mut transactions = Transactions::default();
    let producer = ready(&mut transactions, None);
    let empty = transactions.end("t", producer, true, false);
    assert_eq!(empty, Err(ResponseError::InvalidTxnState));
    begin(&mut transactions, producer);
    let ended = transactions.end("t", producer, true, false).unwrap();
    assert_eq!(ended.producer, producer);
    assert_eq!(ended.ending.unwrap().producer, producer);
    let repeated = transactions.end("t", producer, true, false).unwrap();
    assert_eq!(repeated.ending, None);
    let other = transactions.end("t", producer, false, false);
    assert_eq!(other, Err(ResponseError::InvalidTxnState));
}

#[tokio::test]
async fn with_kip_890_every_end_bumps_and_a_late_one_hits_nothing() {
    let mut transactions = Transactions::default();
    let producer = ready(&mut transactions, None);
    begin(&mut transactions, producer);
    let ended = transactions.end("t", producer, true, true).unwrap();
    let next = ended.producer;
    assert_eq!((next.id, next.epoch), (producer.id, producer.epoch + 1));
    assert_eq!(ended.ending.unwrap().producer, next);
    // The same again: it was the answer that was lost.
    let repeated = transactions.end("t", producer, true, true).unwrap();
    assert_eq!((repeated.producer, repeated.ending), (next, None));
    begin(&mut transactions, next);
    let late = transactions.end("t", producer, true, true);
    assert_eq!(late, Err(ResponseError::ProducerFenced));
}

#[tokio::test]
async fn with_kip_890_an_abort_of_nothing_is_allowed_and_a_commit_is_not() {
    let mut transactions = Transactions::default();
    let producer = ready(&mut transactions, None);
    let commit = transactions.end("t", producer, true, true);
    assert_eq!(commit, Err(ResponseError::InvalidTxnState));
    let ended = transactions.end("t", producer, false, true).unwrap();
    assert_eq!(ended.producer.epoch, producer.epoch + 1);
    assert!(ended.ending.unwrap().partitions.is_empty());
}

#[tokio::test]
async fn a_bump_that_was_answered_already_is_answered_again() {
    let mut transactions = Transactions::default();
    let producer = ready(&mut transactions, None);
    let next = ready(&mut transactions, Some(producer));
    assert_eq!(next.epoch, producer.epoch + 1);
    assert_eq!(ready(&mut transactions, Some(producer)), next);
    assert_ne!(ready(&mut transactions, None), next);
    let fenced = transactions.initialize("t", TIMEOUT, Some(next));
    assert_eq!(fenced, Err(ResponseError::ProducerFenced));
}

#[tokio::test]
async fn a_producer_whose_epochs_are_used_up_gets_another_id() {
    let mut transactions = Transactions::default();
    let first = ready(&mut transactions, None);
    let last = Producer {
        epoch: EPOCH_MAX,
        ..first
    };
    transactions.ids.get_mut("t").unwrap().producer = last;
    begin(&mut transactions, last);
    let ended = transactions.end("t", last, true, true).unwrap();
    assert_eq!(ended.ending.unwrap().producer.epoch, i16::MAX);
    assert_ne!(ended.producer.id, first.id);
    assert_eq!(ended.producer.epoch, 0);
    let repeated = transactions.end("t", last, true, true).unwrap();
    assert_eq!((repeated.producer, repeated.ending), (ended.producer, None));
    assert_ne!(transactions.new_producer_id(), ended.producer.id);
}

#[tokio::test]
async fn what_is_open_for_too_long_is_aborted_and_its_producer_fenced() {
    let mut transactions = Transactions::default();
    let producer = ready(&mut transactions, None);
    begin(&mut transactions, producer);
    let deadline = transactions.poll_timeout().unwrap();
    assert!(
        transactions
            .handle_timeout(deadline - TIMEOUT / 2)
            .is_empty()
    );
    let aborted = transactions.handle_timeout(deadline);
    assert!(!aborted[0].commit);
    assert_eq!(transactions.poll_timeout(), None);
    let late = transactions.end("t", producer, true, false);
    assert_eq!(late, Err(ResponseError::ProducerFenced));
    // With KIP-890 it is as if the producer had aborted it itself.
    let late = transactions.end("t", producer, true, true);
    assert_eq!(late, Err(ResponseError::InvalidTxnState));
    let late = transactions.end("t", producer, false, true).unwrap();
    assert_eq!(late.producer.epoch, producer.epoch + 1);
}
