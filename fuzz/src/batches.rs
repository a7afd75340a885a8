//! The readers of record batches and of the message sets before them.

use bytes::Bytes;
use klamm_codec::batch::{
    BATCH_HEADER_BYTES, Batch, BatchBuilder, Batches, ProducerIdentity, RecordBatch,
};
use klamm_codec::compress::{Compression, Decompressor};

use crate::compression::memory_max;
use crate::{SLACK, take, within};

const DECOMPRESSED_BYTES_MAX: usize = 256 << 10;
const RECORDS_CHECKED_MAX: usize = 2000;

/// Record batches and message sets as they lie in a fetch response.
pub fn batches(data: &[u8]) {
    read(Bytes::copy_from_slice(data));
}

/// One record batch of each codec: two bytes of attributes, two of a record count, the records.
pub fn batch(mut data: &[u8]) {
    let attributes = take::<2>(&mut data);
    let count = take::<2>(&mut data);
    let mut bytes = vec![0; BATCH_HEADER_BYTES];
    bytes[8..12].copy_from_slice(&((BATCH_HEADER_BYTES - 12 + data.len()) as i32).to_be_bytes());
    bytes[16] = 2;
    bytes[21..23].copy_from_slice(&attributes);
    bytes[25..27].copy_from_slice(&count);
    bytes[59..61].copy_from_slice(&count);
    bytes.extend_from_slice(data);
    read(Bytes::from(bytes));
}

/// One message of magic 0 or 1 whose lengths are right: a byte of magic and attributes, two of the offset, the value.
pub fn legacy(mut data: &[u8]) {
    let [choice] = take(&mut data);
    let offset = u16::from_be_bytes(take(&mut data));
    let magic = choice >> 7;
    let mut message = vec![0, 0, 0, 0, magic, choice & 0b1111];
    if magic == 1 {
        message.extend_from_slice(&1_700_000_000_000_i64.to_be_bytes());
    }
    message.extend_from_slice(&(-1_i32).to_be_bytes());
    message.extend_from_slice(&(data.len() as i32).to_be_bytes());
    message.extend_from_slice(data);
    let mut bytes = i64::from(offset).to_be_bytes().to_vec();
    bytes.extend_from_slice(&(message.len() as i32).to_be_bytes());
    bytes.extend_from_slice(&message);
    read(Bytes::from(bytes));
}

fn read(bytes: Bytes) {
    let mut left = bytes.len();
    let mut decompressor = Decompressor::new();
    // Headers and slices alone: nothing is made of them.
    for batch in within(SLACK, || Batches::new(bytes).collect::<Vec<_>>()) {
        let Ok(batch) = batch else { return };
        left = left
            .checked_sub(batch.bytes().len())
            .expect("batches of the bytes");
        let _ = within(SLACK, || {
            batch.verify_crc().map_err(|error| error.to_string())
        });
        if let Some(records) = open(batch, &mut decompressor) {
            read_records(&records);
        }
    }
}

fn open(batch: Batch, decompressor: &mut Decompressor) -> Option<RecordBatch> {
    let codec = Compression::from_id(batch.header().attributes.compression_id());
    let memory_max = match codec {
        None => SLACK,
        // A message set is written anew in the format of batches, which is no longer.
        Some(Compression::None) => 4 * batch.bytes().len() + SLACK,
        Some(codec) => {
            memory_max(codec, batch.bytes().len(), DECOMPRESSED_BYTES_MAX) + DECOMPRESSED_BYTES_MAX
        }
    };
    within(memory_max, || {
        let opened = batch.into_records(decompressor, DECOMPRESSED_BYTES_MAX);
        opened.map_err(|error| error.to_string()).ok()
    })
}

/// Reading what can be read, from any place, gives the same; written again it is read as the same.
fn read_records(batch: &RecordBatch) {
    let header = batch.header();
    assert!(header.last_offset() >= header.base_offset);
    // Reading takes no memory at all, an error's text apart.
    let (count, whole) = within(0, || {
        let (mut count, mut whole) = (0, true);
        for record in batch.records() {
            match record {
                Ok(record) => assert_eq!(record.headers.iter().count(), record.headers.len()),
                Err(_) => whole = false,
            }
            count += usize::from(whole);
        }
        (count, whole)
    });
    assert!(count <= header.record_count as usize);
    assert_eq!(whole, count == header.record_count as usize);
    if header.record_count == 0 {
        return;
    }

    let mut builder = BatchBuilder::new(Vec::new());
    let mut records = batch.records();
    for _ in 0..count.min(RECORDS_CHECKED_MAX) {
        let again = batch.records_from(records.cursor()).next();
        let record = records.next();
        assert_eq!(again, record);
        let Some(Ok(record)) = record else {
            panic!("{record:?} was read before")
        };
        let headers: Vec<_> = record.headers.iter().collect();
        builder.append(record.timestamp, record.key, record.value, &headers);
    }
    if builder.record_count() == 0 {
        return;
    }
    let sealed = builder.seal(ProducerIdentity::NONE, false, None);
    let bytes = sealed.expect("no compressor can fail").bytes;
    let written = Batches::new(bytes).next().expect("one").expect("valid");
    written.verify_crc().expect("just computed");
    let written = written
        .into_records(&mut Decompressor::new(), 0)
        .expect("not compressed");
    for (written, record) in written.records().zip(batch.records()) {
        let (written, record) = (written.expect("written"), record.expect("read"));
        assert_eq!(
            (
                written.timestamp,
                written.key,
                written.value,
                written.headers
            ),
            (record.timestamp, record.key, record.value, record.headers),
        );
    }
}
