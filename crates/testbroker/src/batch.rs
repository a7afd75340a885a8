//! What a leader does to a record batch besides storing it.
//!
//! Owns: the fields that a broker writes, and looking into the records. Does not: parse headers
//! (`klamm_codec`), or judge whether a batch may be appended (`topic`).

use bytes::Bytes;
use klamm_codec::batch::{
    Attributes, BatchBuilder, BatchHeader, Batches, ProducerIdentity, RecordBatch, TimestampType,
};
use klamm_codec::compress::Decompressor;

use crate::transaction::Producer;

const LEADER_EPOCH_AT: usize = 12;
const ATTRIBUTES_AT: usize = 21;
const MAX_TIMESTAMP_AT: usize = 35;
const LOG_APPEND_TIME: i16 = 1 << 3;
const TRANSACTIONAL: i16 = 1 << 4;
const CONTROL: i16 = 1 << 5;
/// What the records of one batch may decompress to.
const RECORDS_BYTES_MAX: usize = 100 * 1024 * 1024;

/// Writes where the batch stands and in which epoch. Neither is under the CRC.
pub(crate) fn assign(batch: &mut [u8], base_offset: i64, leader_epoch: i32) {
    batch[..8].copy_from_slice(&base_offset.to_be_bytes());
    batch[LEADER_EPOCH_AT..LEADER_EPOCH_AT + 4].copy_from_slice(&leader_epoch.to_be_bytes());
}

/// Gives all records the broker's time, as `message.timestamp.type=LogAppendTime` asks for;
/// `header` is that of `batch`.
pub(crate) fn set_append_time(header: &mut BatchHeader, batch: &mut [u8], timestamp: i64) {
    header.attributes = Attributes(header.attributes.0 | LOG_APPEND_TIME);
    header.max_timestamp = timestamp;
    batch[ATTRIBUTES_AT..ATTRIBUTES_AT + 2].copy_from_slice(&header.attributes.0.to_be_bytes());
    batch[MAX_TIMESTAMP_AT..MAX_TIMESTAMP_AT + 8].copy_from_slice(&timestamp.to_be_bytes());
}

/// The batch with its CRC computed anew.
pub(crate) fn reseal(header: &BatchHeader, batch: Bytes) -> Bytes {
    let identity = ProducerIdentity {
        producer_id: header.producer_id,
        producer_epoch: header.producer_epoch,
        base_sequence: header.base_sequence,
    };
    identity.restamp(batch)
}

/// Coordinators never die here.
pub(crate) const COORDINATOR_EPOCH: i32 = 0;

/// The control batch that ends a transaction; it is placed when it is appended.
pub(crate) fn marker(producer: Producer, commit: bool, now: i64) -> Bytes {
    const ABORT: i16 = 0;
    const COMMIT: i16 = 1;
    let mut builder = BatchBuilder::new(Vec::new());
    let version = [0, 0];
    let kind = if commit { COMMIT } else { ABORT }.to_be_bytes();
    let coordinator_epoch = COORDINATOR_EPOCH.to_be_bytes();
    let key = [version, kind].concat();
    let value = [&version[..], &coordinator_epoch].concat();
    builder.append(now, Some(&key), Some(&value), &[]);
    let identity = ProducerIdentity {
        producer_id: producer.id,
        producer_epoch: producer.epoch,
        base_sequence: -1,
    };
    let sealed = builder
        .seal(identity, true, None)
        .map(|sealed| sealed.bytes);
    // Only a compressor can fail.
    let mut batch = sealed.unwrap_or_default().to_vec();
    let attributes = TRANSACTIONAL | CONTROL;
    batch[ATTRIBUTES_AT..ATTRIBUTES_AT + 2].copy_from_slice(&attributes.to_be_bytes());
    identity.restamp(batch.into())
}

/// Why records cannot be read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Unreadable {
    Batch,
    Compression,
}

/// The batch with its records readable.
pub(crate) fn open(batch: &Bytes) -> Result<RecordBatch, Unreadable> {
    let batch = Batches::new(batch.clone()).next().and_then(Result::ok);
    let batch = batch.ok_or(Unreadable::Batch)?;
    batch
        .into_records(&mut Decompressor::default(), RECORDS_BYTES_MAX)
        .map_err(|_| Unreadable::Compression)
}

/// Whether the records are what the header says: as many, one after the other.
pub(crate) fn records_are_valid(batch: &RecordBatch) -> bool {
    let base_offset = batch.header().base_offset;
    let mut records = batch.records().zip(base_offset..);
    records.all(|(record, offset)| record.is_ok_and(|record| record.offset == offset))
}

/// One record's place in time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Stamped {
    pub(crate) offset: i64,
    pub(crate) timestamp: i64,
}

/// The first record of the batch for whose timestamp `wanted` holds.
pub(crate) fn first_record(
    header: &BatchHeader,
    batch: &Bytes,
    wanted: impl Fn(i64) -> bool,
) -> Option<Stamped> {
    if header.attributes.timestamp_type() == TimestampType::LogAppendTime {
        let (offset, timestamp) = (header.base_offset, header.max_timestamp);
        return wanted(timestamp).then_some(Stamped { offset, timestamp });
    }
    let opened = open(batch).ok()?;
    let found = opened
        .records()
        .filter_map(Result::ok)
        .find(|record| wanted(record.timestamp))?;
    Some(Stamped {
        offset: found.offset,
        timestamp: found.timestamp,
    })
}
