//! Batches of every compression: what was written comes back, the message crate agrees, and no damage does harm.
//!
//! `PROPTEST_CASES` says how many cases each property gets.

use bytes::{Bytes, BytesMut};
use kafka_protocol::indexmap::IndexMap;
use kafka_protocol::protocol::StrBytes;
use kafka_protocol::records::{
    Compression as TheirCompression, Record as TheirRecord, RecordBatchDecoder, RecordBatchEncoder,
    RecordEncodeOptions, TimestampType,
};
use klamm_codec::batch::{BatchBuilder, Batches, Header, ProducerIdentity, RecordBatch};
use klamm_codec::compress::{Compression, Compressor, Decompressor};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::Index;

const DECOMPRESSED_BYTES_MAX: usize = 1 << 20;
/// What a codec and an error's text take, whatever the input.
const SLACK: usize = 1 << 20;

#[derive(Clone, Debug)]
struct Written {
    timestamp: i64,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<(String, Option<Vec<u8>>)>,
}

/// Bytes that shrink, and bytes that don't.
fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        vec(any::<u8>(), 0..100),
        (any::<u8>(), 0..3000_usize).prop_map(|(byte, count)| vec![byte; count]),
        (0..50_usize).prop_map(|count| r#"{"user":17,"state":"paid"}"#.repeat(count).into_bytes()),
    ]
}

fn any_record() -> impl Strategy<Value = Written> {
    let headers = vec((".{0,10}", option::of(vec(any::<u8>(), 0..20))), 0..4);
    let timestamp = prop_oneof![0..i64::MAX, 1_700_000_000_000..1_700_000_001_000_i64];
    (
        timestamp,
        option::of(any_bytes()),
        option::of(any_bytes()),
        headers,
    )
        .prop_map(|(timestamp, key, value, headers)| Written {
            timestamp,
            key,
            value,
            headers,
        })
}

fn headers(record: &Written) -> Vec<Header<'_>> {
    let headers = record.headers.iter();
    headers
        .map(|(key, value)| Header {
            key: key.as_bytes(),
            value: value.as_deref(),
        })
        .collect()
}

fn build(codec: Compression, records: &[Written]) -> Bytes {
    let mut builder = BatchBuilder::new(Vec::new());
    for record in records {
        let (key, value) = (record.key.as_deref(), record.value.as_deref());
        builder.append(record.timestamp, key, value, &headers(record));
    }
    let mut compressor = Compressor::new(codec, None).unwrap();
    let compressor = (codec != Compression::None).then_some(&mut compressor);
    let identity = ProducerIdentity {
        producer_id: 4711,
        producer_epoch: 3,
        base_sequence: 100,
    };
    builder.seal(identity, true, compressor).unwrap().bytes
}

fn open(bytes: Bytes) -> RecordBatch {
    let mut batches = Batches::new(bytes);
    let batch = batches.next().unwrap().unwrap();
    assert!(batches.next().is_none());
    batch.verify_crc().unwrap();
    let opened = batch.into_records(&mut Decompressor::new(), DECOMPRESSED_BYTES_MAX);
    opened.unwrap()
}

fn codecs() -> impl Strategy<Value = Compression> {
    proptest::sample::select(&Compression::ALL[..])
}

fn their_codec(codec: Compression) -> TheirCompression {
    match codec {
        Compression::Gzip => TheirCompression::Gzip,
        Compression::Snappy => TheirCompression::Snappy,
        Compression::Lz4 => TheirCompression::Lz4,
        Compression::Zstd => TheirCompression::Zstd,
        _ => TheirCompression::None,
    }
}

/// The message crate keeps one header of each name.
fn their_headers(record: &Written) -> IndexMap<StrBytes, Option<Bytes>> {
    let headers = record.headers.iter();
    headers
        .map(|(key, value)| {
            (
                StrBytes::from_string(key.clone()),
                value.clone().map(Bytes::from),
            )
        })
        .collect()
}

/// Everything that can be read of damaged bytes, in bounded memory.
fn read_damaged(bytes: Vec<u8>) -> Result<(), TestCaseError> {
    let bound = 4 * bytes.len() + 3 * DECOMPRESSED_BYTES_MAX + SLACK;
    let mut counts_hold = true;
    let taken = allocation_counter::measure(|| {
        let mut decompressor = Decompressor::new();
        for batch in Batches::new(Bytes::from(bytes)).flatten() {
            if let Ok(batch) = batch.into_records(&mut decompressor, DECOMPRESSED_BYTES_MAX) {
                let read = batch.records().flatten().count();
                counts_hold &= read <= batch.header().record_count as usize;
            }
        }
    });
    prop_assert!(counts_hold);
    prop_assert!(
        taken.bytes_max <= bound as u64,
        "{} > {bound}",
        taken.bytes_max
    );
    Ok(())
}

proptest! {
    #[test]
    fn records_come_back_from_a_batch_of_any_compression(
        codec in codecs(),
        records in vec(any_record(), 1..40),
    ) {
        let batch = open(build(codec, &records));
        let header = batch.header();
        prop_assert_eq!(header.attributes.compression_id(), codec.id());
        prop_assert!(header.attributes.is_transactional());
        prop_assert_eq!(header.record_count as usize, records.len());
        let read: Vec<_> = batch.records().collect::<Result<_, _>>().unwrap();
        prop_assert_eq!(read.len(), records.len());
        for (index, (read, written)) in read.iter().zip(&records).enumerate() {
            prop_assert_eq!(read.offset, index as i64);
            prop_assert_eq!(read.timestamp, written.timestamp);
            prop_assert_eq!(read.key, written.key.as_deref());
            prop_assert_eq!(read.value, written.value.as_deref());
            prop_assert_eq!(read.headers.iter().collect::<Vec<_>>(), headers(written));
        }
    }

    #[test]
    fn the_message_crate_reads_every_compression_that_we_write(
        codec in codecs(),
        records in vec(any_record(), 1..20),
    ) {
        let mut bytes = build(codec, &records);
        let theirs = RecordBatchDecoder::decode(&mut bytes).unwrap();
        prop_assert_eq!(theirs.records.len(), records.len());
        for (theirs, written) in theirs.records.iter().zip(&records) {
            prop_assert_eq!(theirs.timestamp, written.timestamp);
            prop_assert_eq!(theirs.key.as_deref(), written.key.as_deref());
            prop_assert_eq!(theirs.value.as_deref(), written.value.as_deref());
            prop_assert_eq!(&theirs.headers, &their_headers(written));
        }
    }

    #[test]
    fn we_read_every_compression_that_the_message_crate_writes(
        codec in codecs(),
        records in vec(any_record(), 1..20),
    ) {
        let theirs: Vec<_> = records.iter().enumerate().map(|(index, record)| TheirRecord {
            transactional: false,
            control: false,
            delete_horizon: false,
            partition_leader_epoch: -1,
            producer_id: 1,
            producer_epoch: 0,
            timestamp_type: TimestampType::Creation,
            offset: index as i64,
            sequence: index as i32,
            timestamp: record.timestamp,
            key: record.key.clone().map(Bytes::from),
            value: record.value.clone().map(Bytes::from),
            headers: their_headers(record),
        }).collect();
        let mut bytes = BytesMut::new();
        let options = RecordEncodeOptions { version: 2, compression: their_codec(codec) };
        RecordBatchEncoder::encode(&mut bytes, &theirs, &options).unwrap();
        let batch = open(bytes.freeze());
        let read: Vec<_> = batch.records().collect::<Result<_, _>>().unwrap();
        prop_assert_eq!(read.len(), theirs.len());
        for (read, theirs) in read.iter().zip(&theirs) {
            prop_assert_eq!(read.timestamp, theirs.timestamp);
            prop_assert_eq!(read.key, theirs.key.as_deref());
            prop_assert_eq!(read.value, theirs.value.as_deref());
            prop_assert_eq!(read.headers.len(), theirs.headers.len());
        }
    }

    #[test]
    fn damage_to_a_batch_of_any_compression_gives_records_or_an_error(
        codec in codecs(),
        records in vec(any_record(), 1..5),
        changes in vec((any::<Index>(), any::<u8>()), 1..8),
        cut in option::of(any::<Index>()),
    ) {
        let mut bytes = build(codec, &records).to_vec();
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len() + 1));
        }
        read_damaged(bytes)?;
    }
}

#[test]
fn a_batch_cut_or_with_a_byte_changed_at_any_place_gives_records_or_an_error() {
    let record = |index: u8| Written {
        timestamp: 1_700_000_000_000 + i64::from(index),
        key: Some(vec![index; 3]),
        value: Some(b"value value value value".repeat(2)),
        headers: vec![("a".to_owned(), Some(vec![index])), ("a".to_owned(), None)],
    };
    let records: Vec<_> = (0..3).map(record).collect();
    for codec in Compression::ALL {
        let bytes = build(codec, &records);
        for at in 0..bytes.len() {
            read_damaged(bytes[..at].to_vec()).unwrap();
            for change in [0x01, 0x80, 0xff, bytes[at]] {
                let mut changed = bytes.to_vec();
                changed[at] ^= change;
                read_damaged(changed).unwrap();
            }
        }
    }
}
