//! Batches for the tests of this crate.

use std::time::Duration;

use bytes::Bytes;
use klamm_codec::batch::{
    Batch, BatchBuilder, BatchHeader, Batches, ProducerIdentity, RecordBatch,
};
use klamm_codec::compress::Decompressor;
use klamm_net::Backoff;

use super::state::FetchSettings;
use crate::config::{IsolationLevel, OffsetReset};

pub(crate) fn settings(offset_reset: OffsetReset) -> FetchSettings {
    FetchSettings {
        offset_reset,
        isolation_level: IsolationLevel::ReadUncommitted,
        stores_offsets: true,
        client_rack: None,
        fetch_min_bytes: 1,
        fetch_max_wait: Duration::from_millis(500),
        fetch_max_bytes: 1 << 20,
        partition_fetch_max_bytes: 1000,
        prefetch_bytes: 10_000,
        metadata_max_age: Duration::from_secs(300),
        retry_backoff: Backoff {
            initial: Duration::from_millis(100),
            max: Duration::from_secs(1),
        },
    }
}

/// `count` records `key-<n>`, `value-<n>` from `base_offset` on.
pub(crate) fn batch(base_offset: i64, count: i64) -> Bytes {
    let mut builder = BatchBuilder::new(Vec::new());
    for offset in base_offset..base_offset + count {
        let (key, value) = (format!("key-{offset}"), format!("value-{offset}"));
        builder.append(offset, Some(key.as_bytes()), Some(value.as_bytes()), &[]);
    }
    let bytes = builder.seal(ProducerIdentity::NONE, false, None);
    at_offset(bytes.expect("nothing to compress").bytes, base_offset)
}

/// As a broker stores it: base offset and leader epoch are outside of the CRC.
fn at_offset(bytes: Bytes, base_offset: i64) -> Bytes {
    let mut bytes = Vec::from(bytes);
    bytes[..8].copy_from_slice(&base_offset.to_be_bytes());
    bytes[12..16].copy_from_slice(&7_i32.to_be_bytes());
    bytes.into()
}

/// A transaction marker at `offset`.
pub(crate) fn control_batch(offset: i64) -> Bytes {
    let mut bytes = batch(offset, 1).to_vec();
    bytes[22] |= 1 << 5;
    with_crc(bytes)
}

/// Records of a transaction.
pub(crate) fn transactional(producer_id: i64, base_offset: i64, count: i64) -> Bytes {
    let mut bytes = batch(base_offset, count).to_vec();
    bytes[22] |= 1 << 4;
    bytes[43..51].copy_from_slice(&producer_id.to_be_bytes());
    with_crc(bytes)
}

/// What ends an aborted transaction.
pub(crate) fn abort_marker(producer_id: i64, offset: i64) -> Bytes {
    marker(producer_id, offset, 0)
}

/// What ends a committed transaction.
pub(crate) fn commit_marker(producer_id: i64, offset: i64) -> Bytes {
    marker(producer_id, offset, 1)
}

fn marker(producer_id: i64, offset: i64, kind: u8) -> Bytes {
    let mut builder = BatchBuilder::new(Vec::new());
    builder.append(offset, Some(&[0, 0, 0, kind]), Some(&[0; 6]), &[]);
    let bytes = builder.seal(ProducerIdentity::NONE, false, None);
    let bytes = at_offset(bytes.expect("nothing to compress").bytes, offset);
    let mut bytes = bytes.to_vec();
    bytes[22] |= 1 << 4 | 1 << 5;
    bytes[43..51].copy_from_slice(&producer_id.to_be_bytes());
    with_crc(bytes)
}

pub(crate) fn header_of(batch: &Bytes) -> BatchHeader {
    first(batch.clone()).header().clone()
}

/// What compaction leaves of a batch from `first` to `last`.
pub(crate) fn empty_batch(first: i64, last: i64) -> Bytes {
    let mut bytes = batch(first, 1).to_vec();
    bytes.truncate(61);
    bytes[8..12].copy_from_slice(&49_i32.to_be_bytes());
    bytes[23..27].copy_from_slice(&((last - first) as i32).to_be_bytes());
    bytes[57..61].copy_from_slice(&0_i32.to_be_bytes());
    with_crc(bytes)
}

/// `bytes`, one batch, with the checksum that belongs to them.
pub(crate) fn with_crc(mut bytes: Vec<u8>) -> Bytes {
    let Err(klamm_codec::DecodeError::Crc { computed, .. }) =
        first(bytes.clone().into()).verify_crc()
    else {
        return bytes.into();
    };
    bytes[17..21].copy_from_slice(&computed.to_be_bytes());
    bytes.into()
}

pub(crate) fn joined(batches: &[Bytes]) -> Bytes {
    batches.concat().into()
}

fn first(bytes: Bytes) -> Batch {
    Batches::new(bytes).next().expect("whole").expect("valid")
}

pub(crate) fn open(bytes: Bytes) -> RecordBatch {
    let opened = first(bytes).into_records(&mut Decompressor::default(), 0);
    opened.expect("not compressed")
}

pub(crate) fn record_batch(base_offset: i64, count: i64) -> RecordBatch {
    open(batch(base_offset, count))
}

pub(crate) fn lookup(topic: &str, partition: i32) -> super::PlannedLookup {
    super::PlannedLookup {
        partition: klamm_net::TopicPartition::new(topic, partition),
        epoch: super::partition::Epoch(1),
        leader_epoch: 4,
    }
}
