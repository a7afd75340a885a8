//! The fields of a version 2 record batch that a broker reads and writes.
//!
//! Owns: the offsets of the fields, CRC-32C, and the walk over the records of an uncompressed batch for their timestamps.
//! Does not: decompress, or judge whether a batch may be appended (`validate.rs`).
//!
//! Invariant: a [`Header`] that exists describes exactly the bytes it was parsed from; all of them are there.

/// Bytes before the first record.
pub(crate) const HEADER_BYTES: usize = 61;
/// Base offset and length: what stands before the bytes that the length counts.
pub(crate) const LENGTH_END: usize = 12;
/// Only magic 2 is written since Kafka 0.11; brokers from 4.0 refuse the older ones.
pub(crate) const MAGIC: i8 = 2;

const EPOCH_AT: usize = 12;
const CRC_AT: usize = 17;
const ATTRIBUTES_AT: usize = 21;
const MAX_TIMESTAMP_AT: usize = 35;

const COMPRESSION_MASK: i16 = 0b111;
const LOG_APPEND_TIME: i16 = 1 << 3;
const CONTROL: i16 = 1 << 5;

/// Why bytes are not a record batch.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum BatchError {
    /// Fewer bytes than a header, or than the batch says it has.
    #[error("batch is cut short: {have} bytes")]
    Truncated { have: usize },
    /// The length field cannot be.
    #[error("batch has the impossible length {length}")]
    Length { length: i32 },
}

/// The header of one batch.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Header {
    pub(crate) base_offset: i64,
    /// Size of the whole batch.
    pub(crate) batch_bytes: usize,
    pub(crate) partition_leader_epoch: i32,
    pub(crate) magic: i8,
    pub(crate) crc: u32,
    pub(crate) attributes: i16,
    pub(crate) last_offset_delta: i32,
    pub(crate) base_timestamp: i64,
    pub(crate) max_timestamp: i64,
    pub(crate) producer_id: i64,
    pub(crate) producer_epoch: i16,
    pub(crate) base_sequence: i32,
    pub(crate) record_count: i32,
}

impl Header {
    /// Reads the header of the batch that `data` begins with.
    pub(crate) fn parse(data: &[u8]) -> Result<Self, BatchError> {
        let truncated = BatchError::Truncated { have: data.len() };
        let length = i32::from_be_bytes(bytes_at(data, 8).ok_or(truncated)?);
        let body = usize::try_from(length).map_err(|_| BatchError::Length { length })?;
        if body < HEADER_BYTES - LENGTH_END {
            return Err(BatchError::Length { length });
        }
        let batch_bytes = body + LENGTH_END;
        if data.len() < batch_bytes {
            return Err(truncated);
        }
        let read = || {
            Some(Self {
                base_offset: i64::from_be_bytes(bytes_at(data, 0)?),
                batch_bytes,
                partition_leader_epoch: i32::from_be_bytes(bytes_at(data, EPOCH_AT)?),
                magic: i8::from_be_bytes(bytes_at(data, 16)?),
                crc: u32::from_be_bytes(bytes_at(data, CRC_AT)?),
                attributes: i16::from_be_bytes(bytes_at(data, ATTRIBUTES_AT)?),
                last_offset_delta: i32::from_be_bytes(bytes_at(data, 23)?),
                base_timestamp: i64::from_be_bytes(bytes_at(data, 27)?),
                max_timestamp: i64::from_be_bytes(bytes_at(data, MAX_TIMESTAMP_AT)?),
                producer_id: i64::from_be_bytes(bytes_at(data, 43)?),
                producer_epoch: i16::from_be_bytes(bytes_at(data, 51)?),
                base_sequence: i32::from_be_bytes(bytes_at(data, 53)?),
                record_count: i32::from_be_bytes(bytes_at(data, 57)?),
            })
        };
        read().ok_or(truncated)
    }

    pub(crate) fn last_offset(&self) -> i64 {
        self.base_offset
            .saturating_add(i64::from(self.last_offset_delta))
    }

    pub(crate) fn is_control(&self) -> bool {
        self.attributes & CONTROL != 0
    }

    pub(crate) fn has_producer_id(&self) -> bool {
        self.producer_id >= 0
    }

    /// The number of its codec, 0 for none.
    pub(crate) fn compression(&self) -> i16 {
        self.attributes & COMPRESSION_MASK
    }

    fn is_log_append_time(&self) -> bool {
        self.attributes & LOG_APPEND_TIME != 0
    }
}

/// Whether the CRC-32C of the batch that `header` was parsed from is right.
pub(crate) fn crc_is_valid(header: &Header, data: &[u8]) -> bool {
    data.get(ATTRIBUTES_AT..header.batch_bytes)
        .is_some_and(|checked| crc32c(checked) == header.crc)
}

/// Writes what a leader decides: where the batch stands, and in which epoch. Neither is under the CRC.
pub(crate) fn assign(batch: &mut [u8], base_offset: i64, leader_epoch: i32) {
    batch[..8].copy_from_slice(&base_offset.to_be_bytes());
    batch[EPOCH_AT..EPOCH_AT + 4].copy_from_slice(&leader_epoch.to_be_bytes());
}

/// Gives all records of the batch the broker's time, as `message.timestamp.type=LogAppendTime` asks for, and seals it anew.
pub(crate) fn set_append_time(batch: &mut [u8], attributes: i16, timestamp: i64) {
    batch[ATTRIBUTES_AT..ATTRIBUTES_AT + 2]
        .copy_from_slice(&(attributes | LOG_APPEND_TIME).to_be_bytes());
    batch[MAX_TIMESTAMP_AT..MAX_TIMESTAMP_AT + 8].copy_from_slice(&timestamp.to_be_bytes());
    let crc = crc32c(&batch[ATTRIBUTES_AT..]);
    batch[CRC_AT..CRC_AT + 4].copy_from_slice(&crc.to_be_bytes());
}

/// One record's place in time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Stamped {
    pub(crate) offset: i64,
    pub(crate) timestamp: i64,
}

/// The first record of the batch for which `wanted` holds.
///
/// A compressed batch is not opened: it answers with its first offset and the header's times, so it is exact to the batch only.
pub(crate) fn first_record(
    header: &Header,
    data: &[u8],
    wanted: impl Fn(i64) -> bool,
) -> Option<Stamped> {
    if header.is_log_append_time() || header.compression() != 0 {
        return wanted(header.max_timestamp).then_some(Stamped {
            offset: header.base_offset,
            timestamp: header.max_timestamp,
        });
    }
    let mut rest = data.get(HEADER_BYTES..header.batch_bytes)?;
    for _ in 0..header.record_count {
        let length = usize::try_from(varint(&mut rest)?).ok()?;
        let (mut record, after) = rest.split_at_checked(length)?;
        rest = after;
        record = record.get(1..)?;
        let timestamp = header.base_timestamp.saturating_add(varint(&mut record)?);
        let offset = header.base_offset.saturating_add(varint(&mut record)?);
        if wanted(timestamp) {
            return Some(Stamped { offset, timestamp });
        }
    }
    None
}

fn bytes_at<const N: usize>(data: &[u8], at: usize) -> Option<[u8; N]> {
    data.get(at..at + N)?.try_into().ok()
}

/// A zigzag varint of up to 64 bits, as records use it.
fn varint(data: &mut &[u8]) -> Option<i64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = data.split_first()?;
        *data = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some((value >> 1) as i64 ^ -((value & 1) as i64));
        }
    }
    None
}

fn crc32c(data: &[u8]) -> u32 {
    const TABLE: [u32; 256] = {
        let mut table = [0; 256];
        let mut index = 0;
        while index < 256 {
            let mut value = index as u32;
            let mut bit = 0;
            while bit < 8 {
                value = if value & 1 == 0 {
                    value >> 1
                } else {
                    value >> 1 ^ 0x82f6_3b78
                };
                bit += 1;
            }
            table[index] = value;
            index += 1;
        }
        table
    };
    !data.iter().fold(!0, |crc, byte| {
        crc >> 8 ^ TABLE[usize::from(crc as u8 ^ byte)]
    })
}
