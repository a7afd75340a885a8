use bytes::Bytes;
use kafka_protocol::records::RecordBatchDecoder;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::*;
use crate::compress::Decompressor;
use crate::primitive::DecodeError;

const IDENTITY: ProducerIdentity = ProducerIdentity {
    producer_id: 4711,
    producer_epoch: 3,
    base_sequence: 100,
};

#[derive(Clone, Debug)]
struct OwnedRecord {
    timestamp: i64,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<(String, Option<Vec<u8>>)>,
}

fn headers(record: &OwnedRecord) -> Vec<Header<'_>> {
    let headers = record.headers.iter();
    headers
        .map(|(key, value)| Header {
            key: key.as_bytes(),
            value: value.as_deref(),
        })
        .collect()
}

fn build(records: &[OwnedRecord]) -> Bytes {
    let mut builder = BatchBuilder::new(Vec::new());
    for (index, record) in records.iter().enumerate() {
        let headers = headers(record);
        let (key, value) = (record.key.as_deref(), record.value.as_deref());
        let before = builder.batch_bytes();
        let appended = builder.append(record.timestamp, key, value, &headers);
        assert_eq!(appended as usize, index);
        assert!(builder.batch_bytes() - before <= record_bytes_max(key, value, &headers));
    }
    builder.seal(IDENTITY, false, None).unwrap().bytes
}

fn read_all(bytes: Bytes) -> Vec<RecordBatch> {
    Batches::new(bytes)
        .map(|batch| {
            let batch = batch.unwrap();
            batch.verify_crc().unwrap();
            batch
                .into_records(&mut Decompressor::default(), 1 << 20)
                .unwrap()
        })
        .collect()
}

fn simple(count: usize) -> Bytes {
    let record = |index| OwnedRecord {
        timestamp: 1_700_000_000_000 + index as i64,
        key: Some(format!("key-{index}").into_bytes()),
        value: Some(vec![index as u8; 100]),
        headers: Vec::new(),
    };
    build(&(0..count).map(record).collect::<Vec<_>>())
}

fn any_record() -> impl Strategy<Value = OwnedRecord> {
    let bytes = || option::of(vec(any::<u8>(), 0..200));
    let headers = vec((".{0,10}", bytes()), 0..4);
    (0..i64::MAX, bytes(), bytes(), headers).prop_map(|(timestamp, key, value, headers)| {
        OwnedRecord {
            timestamp,
            key,
            value,
            headers,
        }
    })
}

proptest! {
    #[test]
    fn records_read_back_as_they_were_written(records in vec(any_record(), 1..50)) {
        let batches = read_all(build(&records));
        prop_assert_eq!(batches.len(), 1);
        let header = batches[0].header();
        prop_assert_eq!(header.record_count as usize, records.len());
        prop_assert_eq!(header.last_offset_delta as usize, records.len() - 1);
        prop_assert_eq!(header.base_sequence, IDENTITY.base_sequence);
        prop_assert_eq!(header.max_timestamp, records.iter().map(|r| r.timestamp).max().unwrap());
        let read: Vec<_> = batches[0].records().collect::<Result<_, _>>().unwrap();
        prop_assert_eq!(read.len(), records.len());
        for (index, (read, written)) in read.iter().zip(&records).enumerate() {
            prop_assert_eq!(read.offset, index as i64);
            prop_assert_eq!(read.timestamp, written.timestamp);
            prop_assert_eq!(read.key, written.key.as_deref());
            prop_assert_eq!(read.value, written.value.as_deref());
            prop_assert_eq!(read.headers.iter().collect::<Vec<_>>(), headers(written));
        }
    }

    // Around the borders of varints.
    #[test]
    fn lengths_and_deltas_of_all_sizes_are_written_as_the_message_crate_reads_them(
        records in vec((0_u32..22, 0_u32..40, -1_i64..2), 1..20),
    ) {
        let records: Vec<_> = records
            .iter()
            .map(|(length, delta, jitter)| {
                let value = vec![b'v'; ((1_i64 << length) + jitter) as usize];
                ((1_i64 << 41) + jitter - (1_i64 << delta), value)
            })
            .collect();
        let build = |capacity| {
            let mut builder = BatchBuilder::new(Vec::new());
            builder.grow_to(capacity);
            for (timestamp, value) in &records {
                builder.append(*timestamp, Some(b"k"), Some(value), &[]);
            }
            builder
        };
        let builder = build(0);
        // Memory is accounted for by capacity: a buffer that is just large enough must not grow.
        let exact = build(builder.batch_bytes());
        prop_assert_eq!(exact.capacity(), builder.batch_bytes());
        for builder in [builder, exact] {
            let mut bytes = builder.seal(IDENTITY, false, None).unwrap().bytes;
            let theirs = RecordBatchDecoder::decode(&mut bytes).unwrap().records;
            let theirs: Vec<_> = theirs.iter().map(|r| (r.timestamp, r.value.clone().unwrap().to_vec())).collect();
            prop_assert!(theirs == records);
        }
    }

    #[test]
    fn the_message_crate_reads_what_we_write(
        records in vec(any_record().prop_map(|mut record| { record.headers.truncate(1); record }), 1..20),
    ) {
        let mut bytes = build(&records);
        let theirs = RecordBatchDecoder::decode(&mut bytes).unwrap().records;
        prop_assert_eq!(theirs.len(), records.len());
        for (theirs, written) in theirs.iter().zip(&records) {
            prop_assert_eq!(theirs.timestamp, written.timestamp);
            prop_assert_eq!(theirs.key.as_deref(), written.key.as_deref());
            prop_assert_eq!(theirs.value.as_deref(), written.value.as_deref());
            prop_assert_eq!(theirs.producer_id, IDENTITY.producer_id);
            prop_assert_eq!(theirs.headers.len(), written.headers.len());
        }
    }

    #[test]
    fn any_mutation_gives_records_or_an_error(
        count in 1_usize..5,
        flips in vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = simple(count).to_vec();
        for (at, value) in flips {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        bytes.truncate(cut.index(bytes.len() + 1));
        for batch in Batches::new(Bytes::from(bytes)).flatten() {
            if let Ok(batch) = batch.into_records(&mut Decompressor::default(), 1 << 20) {
                let read = batch.records().flatten().count();
                prop_assert!(read <= batch.header().record_count.max(0) as usize);
            }
        }
    }

    #[test]
    fn a_flipped_bit_behind_the_checksum_is_noticed(at in any::<prop::sample::Index>(), bit in 0..8) {
        let mut bytes = simple(3).to_vec();
        let at = 21 + at.index(bytes.len() - 21);
        bytes[at] ^= 1_u8 << bit;
        prop_assert!(!crc_is_valid(&bytes));
    }
}

#[test]
fn null_and_empty_are_different_and_duplicate_headers_keep_their_order() {
    let mut builder = BatchBuilder::new(Vec::new());
    let headers = [
        Header::new("a", "1"),
        Header::null("a"),
        Header::new("a", ""),
    ];
    builder.append(5, None, Some(b""), &headers);
    builder.append(5, Some(b""), None, &[]);
    let batches = read_all(
        builder
            .seal(ProducerIdentity::NONE, false, None)
            .unwrap()
            .bytes,
    );
    let records: Vec<_> = batches[0].records().map(Result::unwrap).collect();
    assert_eq!((records[0].key, records[0].value), (None, Some(&b""[..])));
    assert_eq!((records[1].key, records[1].value), (Some(&b""[..]), None));
    assert_eq!(records[0].headers.iter().collect::<Vec<_>>(), headers);
    assert_eq!(records[0].headers.last("a"), Some(headers[2]));
    assert!(records[1].headers.is_empty());
}

#[test]
fn several_batches_are_walked_and_a_partial_one_at_the_end_is_dropped() {
    let whole = [simple(2), simple(3)].concat();
    let cut = [&whole[..], &simple(4)[..70]].concat();
    let counts: Vec<_> = read_all(Bytes::from(cut))
        .iter()
        .map(|batch| batch.records().count())
        .collect();
    assert_eq!(counts, [2, 3]);
}

#[test]
fn reading_goes_on_from_a_cursor() {
    let batch = read_all(simple(10)).remove(0);
    let mut records = batch.records();
    assert_eq!(records.nth(3).unwrap().unwrap().offset, 3);
    let cursor = records.cursor();
    assert_eq!(cursor.records_left(), 6);
    let rest: Vec<_> = batch
        .records_from(cursor)
        .map(|r| r.unwrap().offset)
        .collect();
    assert_eq!(rest, [4, 5, 6, 7, 8, 9]);
}

#[test]
fn with_log_append_time_every_record_has_the_batch_timestamp() {
    let mut bytes = simple(3).to_vec();
    bytes[22] |= 1 << 3;
    bytes[35..43].copy_from_slice(&99_i64.to_be_bytes());
    let batch = Batches::new(Bytes::from(bytes)).next().unwrap().unwrap();
    let batch = batch.into_records(&mut Decompressor::default(), 0).unwrap();
    assert!(
        batch
            .records()
            .all(|record| record.unwrap().timestamp == 99)
    );
}

#[test]
fn a_restamped_batch_has_the_new_identity_and_a_valid_checksum() {
    let batch = simple(3);
    let held = batch.clone();
    let identity = ProducerIdentity {
        producer_epoch: 4,
        base_sequence: 0,
        ..IDENTITY
    };
    for stamped in [identity.restamp(batch), identity.restamp(simple(3))] {
        assert!(crc_is_valid(&stamped));
        let header = BatchHeader::parse(&stamped).unwrap();
        assert_eq!((header.producer_epoch, header.base_sequence), (4, 0));
    }
    // Bytes that somebody still holds, such as a connection, stay as they were.
    assert_eq!(BatchHeader::parse(&held).unwrap().producer_epoch, 3);
}

#[test]
fn forged_lengths_and_counts_are_errors() {
    let batch = simple(2);
    let forged = |at: usize, value: i32| {
        let mut bytes = batch.to_vec();
        bytes[at..at + 4].copy_from_slice(&value.to_be_bytes());
        Batches::new(Bytes::from(bytes)).next()
    };
    assert!(matches!(
        forged(8, -1),
        Some(Err(DecodeError::Invalid { .. }))
    ));
    assert!(matches!(
        forged(8, 10),
        Some(Err(DecodeError::Invalid { .. }))
    ));
    assert!(forged(8, i32::MAX).is_none());
    assert!(matches!(
        forged(57, -1),
        Some(Err(DecodeError::Invalid { .. }))
    ));
    // A count of two thousand million in a batch of two: two records, then an error.
    let batch = forged(57, i32::MAX).unwrap().unwrap();
    let batch = batch.into_records(&mut Decompressor::default(), 0).unwrap();
    let read: Vec<_> = batch.records().collect();
    assert_eq!(read.len(), 3);
    assert!(read[2].is_err());
}

#[test]
fn a_format_that_is_not_known_yet_is_named_in_the_error() {
    let mut bytes = simple(1).to_vec();
    bytes[16] = 3;
    let error = Batches::new(Bytes::from(bytes))
        .next()
        .unwrap()
        .unwrap_err();
    assert!(matches!(
        error,
        DecodeError::UnsupportedMagic { magic: 3, .. }
    ));
}
