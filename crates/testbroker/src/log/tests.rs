use klamm_codec::batch::{Batches, ProducerIdentity};

use super::*;
use crate::testing::batch;

fn log(bytes_max: usize, batches: &[&[i64]]) -> Log {
    let mut log = Log::new(bytes_max);
    for timestamps in batches {
        append(&mut log, timestamps, 0);
    }
    log
}

fn append(log: &mut Log, timestamps: &[i64], epoch: i32) -> i64 {
    let data = batch(timestamps, ProducerIdentity::NONE);
    log.append(&BatchHeader::parse(&data).unwrap(), &data, epoch, None)
}

#[test]
fn batches_get_consecutive_offsets_and_keep_a_valid_crc() {
    let mut log = log(usize::MAX, &[]);
    assert_eq!(
        [
            append(&mut log, &[1, 2, 3], 0),
            append(&mut log, &[4], 7),
            log.end()
        ],
        [0, 3, 4]
    );
    let stored: Vec<_> = log
        .batches()
        .map(|data| Batches::new(data.clone()).next().unwrap().unwrap())
        .inspect(|batch| batch.verify_crc().unwrap())
        .map(|batch| {
            (
                batch.header().base_offset,
                batch.header().partition_leader_epoch,
            )
        })
        .collect();
    assert_eq!(stored, [(0, 0), (3, 7)]);
}

#[test]
fn reading_begins_with_the_batch_that_holds_the_offset() {
    let log = log(usize::MAX, &[&[1, 2], &[3], &[4, 5]]);
    let sizes: Vec<_> = log.batches().map(Bytes::len).collect();
    let read = |offset| {
        log.read(offset, i64::MAX, usize::MAX, true)
            .map(|bytes| bytes.len())
    };
    let whole: usize = sizes.iter().sum();
    assert_eq!(read(0), Ok(whole));
    assert_eq!(read(1), Ok(whole));
    assert_eq!(read(2), Ok(whole - sizes[0]));
    assert_eq!(read(5), Ok(0));
    assert_eq!(read(6), Err(OutOfRange));
    assert_eq!(read(-1), Err(OutOfRange));
}

#[test]
fn a_batch_larger_than_the_limit_comes_whole_or_not_at_all() {
    let log = log(usize::MAX, &[&[1], &[2]]);
    let size = log.batches().next().unwrap().len();
    assert_eq!(log.read(0, i64::MAX, size - 1, true).unwrap().len(), size);
    assert_eq!(log.read(0, i64::MAX, size - 1, false).unwrap().len(), 0);
    assert_eq!(log.read(0, i64::MAX, size, false).unwrap().len(), size);
    assert_eq!(
        log.read(0, i64::MAX, size + 1, false).unwrap().len(),
        size + 1,
        "the second is cut"
    );
}

#[test]
fn the_oldest_batches_go_when_there_are_too_many_bytes_but_never_the_last() {
    let size = batch(&[1], ProducerIdentity::NONE).len();
    let mut log = log(2 * size, &[&[1], &[2], &[3]]);
    assert_eq!((log.start(), log.end(), log.batches().count()), (1, 3, 2));
    append(&mut log, &[7; 100], 0);
    assert_eq!((log.start(), log.end(), log.batches().count()), (3, 103, 1));
    assert_eq!(log.read(2, i64::MAX, 1, true), Err(OutOfRange));
}

#[test]
fn records_are_found_by_time() {
    let log = log(usize::MAX, &[&[10, 30, 20], &[5, 40], &[40, 40]]);
    let first = |timestamp| {
        log.first_at_or_after(timestamp)
            .map(|found| (found.offset, found.timestamp))
    };
    assert_eq!(first(0), Some((0, 10)));
    assert_eq!(first(11), Some((1, 30)));
    assert_eq!(first(31), Some((4, 40)));
    assert_eq!(first(41), None);
    assert_eq!(
        log.latest_in_time(),
        Some(Stamped {
            offset: 4,
            timestamp: 40
        })
    );
}

#[test]
fn epochs_end_where_the_next_one_wrote() {
    let mut log = log(usize::MAX, &[]);
    for (epoch, timestamps) in [(0, &[1, 2][..]), (3, &[3][..]), (5, &[4][..])] {
        append(&mut log, timestamps, epoch);
    }
    assert_eq!(
        [0, 1, 2, 3].map(|offset| log.epoch_of(offset)),
        [0, 0, 3, 5].map(Some)
    );
    assert_eq!(log.end_of_epoch(0), Some((0, 2)));
    assert_eq!(log.end_of_epoch(4), Some((3, 3)));
    assert_eq!(log.end_of_epoch(5), Some((5, 4)));
    assert_eq!(log.end_of_epoch(-1), None);
}
