//! What Java's builder can't make; what it can is in `tests/fixtures.rs`.

use bytes::Bytes;
use flate2::Crc;

use crate::batch::{Batch, Batches, RecordBatch};
use crate::compress::{Compression, Compressor, DecompressError, Decompressor};
use crate::primitive::DecodeError;

const TIMESTAMP: i64 = 1_700_000_000_000;

fn message(magic: i8, attributes: u8, offset: i64, value: Option<&[u8]>) -> Vec<u8> {
    let mut covered = vec![magic as u8, attributes];
    if magic == 1 {
        covered.extend(TIMESTAMP.to_be_bytes());
    }
    covered.extend((-1_i32).to_be_bytes());
    covered.extend(value.map_or(-1, |value| value.len() as i32).to_be_bytes());
    covered.extend(value.unwrap_or_default());
    let mut crc = Crc::new();
    crc.update(&covered);
    let length = 4 + covered.len() as i32;
    let mut bytes = offset.to_be_bytes().to_vec();
    bytes.extend(length.to_be_bytes());
    bytes.extend(crc.sum().to_be_bytes());
    bytes.extend(covered);
    bytes
}

fn wrapper(magic: i8, offset: i64, set: &[u8]) -> Vec<u8> {
    let mut compressed = Vec::new();
    let mut compressor = Compressor::new(Compression::Gzip, None).unwrap();
    compressor.compress(set, &mut compressed).unwrap();
    message(magic, Compression::Gzip.id(), offset, Some(&compressed))
}

/// A set of messages with these offsets.
fn set(magic: i8, offsets: &[i64]) -> Vec<u8> {
    let messages = offsets.iter();
    messages
        .flat_map(|offset| message(magic, 0, *offset, Some(b"value")))
        .collect()
}

/// One message, longer by a byte.
fn with_more(mut message: Vec<u8>) -> Vec<u8> {
    message.push(0);
    message[11] += 1;
    message
}

fn first(bytes: Vec<u8>) -> Batch {
    Batches::new(Bytes::from(bytes)).next().unwrap().unwrap()
}

fn open(bytes: Vec<u8>) -> Result<RecordBatch, DecompressError> {
    let batch = first(bytes);
    batch.verify_crc().unwrap();
    batch.into_records(&mut Decompressor::new(), 1 << 20)
}

fn offsets(batch: &RecordBatch) -> Vec<i64> {
    batch
        .records()
        .map(|record| record.unwrap().offset)
        .collect()
}

#[test]
fn a_wrapper_counts_its_records_once_it_is_open() {
    let bytes = wrapper(1, 107, &set(1, &[0, 1, 4]));
    assert_eq!(first(bytes.clone()).header().last_offset(), 107);
    let batch = open(bytes).unwrap();
    let header = batch.header();
    assert_eq!((header.record_count, header.base_offset), (3, 103));
    assert_eq!(header.last_offset(), 107);
    assert_eq!(offsets(&batch), [103, 104, 107]);
}

#[test]
fn a_wrapper_that_a_producer_left_at_offset_0_holds_absolute_offsets() {
    assert_eq!(
        offsets(&open(wrapper(1, 0, &set(1, &[0, 1, 2]))).unwrap()),
        [0, 1, 2]
    );
}

#[test]
fn contradictions_inside_a_wrapper_are_errors() {
    let gzip = Compression::Gzip.id();
    for (what, bytes) in [
        (
            "last offset above the wrapper's",
            wrapper(1, 5, &set(1, &[0, 9])),
        ),
        (
            "first offset above the wrapper's",
            wrapper(0, 5, &set(0, &[9])),
        ),
        (
            "offsets too far apart",
            wrapper(0, 1 << 40, &set(0, &[0, 1 << 40])),
        ),
        ("negative offset", wrapper(0, 5, &set(0, &[-1, 5]))),
        (
            "compressed inside",
            wrapper(1, 5, &wrapper(1, 5, &set(1, &[5]))),
        ),
        ("nothing inside", wrapper(1, 5, &[])),
        (
            "a record batch inside",
            wrapper(1, 5, &message(2, 0, 5, None)),
        ),
        (
            "bytes after the value",
            wrapper(1, 5, &with_more(set(1, &[5]))),
        ),
        ("no value", message(1, gzip, 5, None)),
        ("zstd", message(1, Compression::Zstd.id(), 5, Some(b"x"))),
        ("unknown codec", message(1, 7, 5, Some(b"x"))),
    ] {
        assert!(open(bytes).is_err(), "{what}");
    }
}

#[test]
fn the_limit_holds_for_wrappers() {
    let batch = first(wrapper(1, 99, &set(1, &(0..100).collect::<Vec<_>>())));
    let error = batch
        .into_records(&mut Decompressor::new(), 1000)
        .unwrap_err();
    assert_eq!(error, DecompressError::LimitExceeded { limit: 1000 });
}

#[test]
fn bits_that_had_no_meaning_make_no_control_records() {
    for magic in [0, 1] {
        let attributes = first(message(magic, 0b1111_0000, 5, None))
            .header()
            .attributes;
        assert_eq!(attributes.0, 0);
    }
}

#[test]
fn a_flipped_bit_is_noticed_by_the_checksum_if_not_before() {
    let whole = message(1, 0, 5, Some(b"value"));
    let mut by_checksum = 0;
    for at in 16..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        if let Ok(batch) = Batches::new(Bytes::from(bytes)).next().unwrap() {
            let error = batch.verify_crc();
            assert!(matches!(error, Err(DecodeError::Crc { .. })), "byte {at}");
            by_checksum += 1;
        }
    }
    // All but magic and the two lengths.
    assert_eq!(by_checksum, whole.len() - 16 - 9);
}

#[test]
fn a_message_too_short_for_its_fields_is_an_error() {
    let mut bytes = message(1, 0, 5, None);
    bytes.truncate(20);
    bytes[8..12].copy_from_slice(&8_i32.to_be_bytes());
    let error = Batches::new(Bytes::from(bytes)).next().unwrap();
    assert!(matches!(error, Err(DecodeError::Truncated { .. })));
}
