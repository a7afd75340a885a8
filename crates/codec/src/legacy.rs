//! Message sets, the formats before record batches (magic 0 and 1): read, never written.
//!
//! Brokers hand out what lies on their disks, and that may be from before Kafka 0.11 (KIP-724).
//!
//! | offset | field | type |
//! |---|---|---|
//! | 0 | offset | i64 |
//! | 8 | length of what follows | i32 |
//! | 12 | CRC-32 (not 32C) of all that follows | u32 |
//! | 16 | magic | i8 |
//! | 17 | attributes: bits 0 to 2 codec, with magic 1 bit 3 timestamp type | i8 |
//! | 18 | timestamp, with magic 1 only | i64 |
//! | 18 or 26 | key and value, each a length (-1 is null) and bytes | i32, … |
//!
//! A compressed set is the value of a wrapper, a message that has the offset of the last one inside. With magic 1 the offsets
//! inside are relative (KIP-31).
//!
//! Each message that is not inside a wrapper becomes a batch, as in Java. Its records are written anew as those of a
//! record batch, so that nothing else in klamm knows of these formats: old data may cost a copy.
//!
//! Invariant: the records written anew are no longer than the set that was read.

use bytes::Bytes;
use flate2::Crc;

use crate::batch::{Attributes, BatchHeader};
use crate::compress::{Compression, DecompressError, Decompressor};
use crate::primitive::{
    DecodeError, Reader, VARINT_BYTES_MAX, VARLONG_BYTES_MAX, varint_size, varlong_size,
    write_varint, write_varlong,
};

const LENGTH_PREFIX_BYTES: usize = 12;
/// CRC, magic, attributes, and the lengths of key and value.
const LENGTH_MIN: usize = 14;
const CRC_START: usize = 16;
const NO_TIMESTAMP: i64 = -1;

/// Whether `magic` is that of a message set.
pub(crate) const fn is_legacy(magic: u8) -> bool {
    magic < 2
}

/// The header of a batch for `message`, one whole message. How many records a wrapper holds shows when it is opened;
/// until then it says 1, and that the first has the offset of the last.
pub(crate) fn parse_header(message: &[u8]) -> Result<BatchHeader, DecodeError> {
    let fixed = Message::parse(message)?.fixed;
    if fixed.offset < 0 {
        return Err(DecodeError::Invalid {
            what: "message offset",
            value: fixed.offset,
        });
    }
    Ok(BatchHeader {
        base_offset: fixed.offset,
        batch_bytes: message.len(),
        partition_leader_epoch: -1,
        magic: fixed.magic,
        crc: fixed.crc,
        attributes: fixed.attributes,
        last_offset_delta: 0,
        base_timestamp: fixed.timestamp,
        max_timestamp: fixed.timestamp,
        producer_id: -1,
        producer_epoch: -1,
        base_sequence: -1,
        record_count: 1,
    })
}

/// Compares the CRC-32 of a whole message with the stored one.
pub(crate) fn verify_crc(message: &[u8], header: &BatchHeader) -> Result<(), DecodeError> {
    let mut crc = Crc::new();
    crc.update(message.get(CRC_START..).unwrap_or_default());
    if crc.sum() == header.crc {
        return Ok(());
    }
    Err(DecodeError::Crc {
        base_offset: header.base_offset,
        stored: header.crc,
        computed: crc.sum(),
    })
}

/// The records of a whole message, decompressed if it is a wrapper, in the format of record batches; and the header that
/// goes with them.
pub(crate) fn into_records(
    header: BatchHeader,
    message: &[u8],
    decompressor: &mut Decompressor,
    limit: usize,
) -> Result<(BatchHeader, Bytes), DecompressError> {
    let id = header.attributes.compression_id();
    let codec = Compression::from_id(id).ok_or(DecompressError::UnknownCodec { id })?;
    let corrupt = |detail: String| DecompressError::Corrupt { codec, detail };
    let wrapper = Message::parse(message).map_err(|error| corrupt(error.to_string()))?;
    let mut plain = Vec::new();
    let messages = match codec {
        Compression::None => message,
        Compression::Zstd => return Err(corrupt("message sets know no zstd".to_owned())),
        _ => {
            let Some(compressed) = wrapper.value else {
                return Err(corrupt("the wrapper has no value".to_owned()));
            };
            if (codec, header.magic) == (Compression::Lz4, 0) {
                decompressor.decompress_lz4_legacy(compressed, limit, &mut plain)?;
            } else {
                decompressor.decompress(codec, compressed, limit, &mut plain)?;
            }
            &plain
        }
    };
    rewrite(header, messages, codec != Compression::None)
        .map_err(|error| corrupt(error.to_string()))
}

fn rewrite(
    mut header: BatchHeader,
    messages: &[u8],
    inside_wrapper: bool,
) -> Result<(BatchHeader, Bytes), DecodeError> {
    let last_offset = header.base_offset;
    let shift = if inside_wrapper && header.magic == 1 {
        relative_to(last_offset, messages)?
    } else {
        0
    };
    let mut records = Vec::with_capacity(messages.len());
    let mut count = 0;
    for message in (Messages { bytes: messages }) {
        let message = message?;
        if inside_wrapper && message.fixed.attributes.compression_id() != 0 {
            return Err(DecodeError::Invalid {
                what: "codec of a message inside a compressed message",
                value: message.fixed.attributes.compression_id().into(),
            });
        }
        let invalid = DecodeError::Invalid {
            what: "offset of a message inside a compressed message",
            value: message.fixed.offset,
        };
        let offset = message.fixed.offset.checked_add(shift);
        let offset = offset
            .filter(|offset| *offset >= 0)
            .ok_or(invalid.clone())?;
        if count == 0 {
            header.base_offset = offset;
            header.last_offset_delta = last_offset
                .checked_sub(offset)
                .and_then(|delta| i32::try_from(delta).ok())
                .filter(|delta| *delta >= 0)
                .ok_or(invalid.clone())?;
        }
        let offset_delta = i32::try_from(offset - header.base_offset).map_err(|_| invalid)?;
        message.write_record(offset_delta, header.base_timestamp, &mut records);
        count += 1;
    }
    if count == 0 {
        return Err(DecodeError::Truncated {
            what: "message inside a compressed message",
            needed: LENGTH_PREFIX_BYTES + LENGTH_MIN,
            left: messages.len(),
        });
    }
    header.record_count = count;
    Ok((header, Bytes::from(records)))
}

/// What relative offsets are relative to.
fn relative_to(last_offset: i64, messages: &[u8]) -> Result<i64, DecodeError> {
    // Java: versions of librdkafka left the wrapper's offset at 0.
    if last_offset == 0 {
        return Ok(0);
    }
    let mut last = 0;
    for message in (Messages { bytes: messages }) {
        last = message?.fixed.offset;
    }
    match last_offset.checked_sub(last) {
        Some(base @ 0..) => Ok(base),
        _ => Err(DecodeError::Invalid {
            what: "offset of the last message inside a compressed message",
            value: last,
        }),
    }
}

/// What stands before the key.
#[derive(Clone, Copy, Debug)]
struct Fixed {
    offset: i64,
    crc: u32,
    magic: i8,
    attributes: Attributes,
    timestamp: i64,
}

impl Fixed {
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let offset = reader.int64("message offset")?;
        reader.int32("message length")?;
        let crc = reader.int32("message crc")? as u32;
        let magic = reader.int8("magic")?;
        // Bits that were never used mean something in record batches.
        let (attribute_bits, timestamp_bytes) = match magic {
            0 => (0b0111, 0),
            1 => (0b1111, 8),
            _ => {
                let base_offset = offset;
                return Err(DecodeError::UnsupportedMagic { base_offset, magic });
            }
        };
        let attributes = reader.int8("message attributes")?;
        Ok(Self {
            offset,
            crc,
            magic,
            attributes: Attributes(i16::from(attributes) & attribute_bits),
            timestamp: if timestamp_bytes == 0 {
                NO_TIMESTAMP
            } else {
                reader.int64("message timestamp")?
            },
        })
    }
}

#[derive(Clone, Copy, Debug)]
struct Message<'a> {
    fixed: Fixed,
    key: Option<&'a [u8]>,
    value: Option<&'a [u8]>,
}

impl<'a> Message<'a> {
    fn parse(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let message = Self {
            fixed: Fixed::read(&mut reader)?,
            key: nullable(&mut reader, "message key")?,
            value: nullable(&mut reader, "message value")?,
        };
        if reader.left() > 0 {
            return Err(DecodeError::Invalid {
                what: "bytes after the message value",
                value: reader.left() as i64,
            });
        }
        Ok(message)
    }

    /// As a record of a record batch.
    fn write_record(&self, offset_delta: i32, base_timestamp: i64, into: &mut Vec<u8>) {
        let timestamp_delta = self.fixed.timestamp.wrapping_sub(base_timestamp);
        let length = |bytes: Option<&[u8]>| bytes.map_or(-1, |bytes| bytes.len() as i32);
        let (key_length, value_length) = (length(self.key), length(self.value));
        let (key, value) = (self.key.unwrap_or_default(), self.value.unwrap_or_default());
        let record_bytes = 1
            + varlong_size(timestamp_delta)
            + varint_size(offset_delta)
            + varint_size(key_length)
            + key.len()
            + varint_size(value_length)
            + value.len()
            + 1;
        let mut scratch = [0; 3 * VARINT_BYTES_MAX + VARLONG_BYTES_MAX + 1];
        let mut at = write_varint(&mut scratch, 0, record_bytes as i32);
        at += 1; // attributes
        at = write_varlong(&mut scratch, at, timestamp_delta);
        at = write_varint(&mut scratch, at, offset_delta);
        at = write_varint(&mut scratch, at, key_length);
        into.extend_from_slice(&scratch[..at]);
        into.extend_from_slice(key);
        at = write_varint(&mut scratch, 0, value_length);
        into.extend_from_slice(&scratch[..at]);
        into.extend_from_slice(value);
        into.push(0); // headers
    }
}

/// Walks a message set; one that is cut at the end is dropped, as Java does.
struct Messages<'a> {
    bytes: &'a [u8],
}

impl<'a> Iterator for Messages<'a> {
    type Item = Result<Message<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        let prefix = self.bytes.get(..LENGTH_PREFIX_BYTES)?;
        let length = i32::from_be_bytes(*prefix.last_chunk()?);
        let Some(length) = usize::try_from(length)
            .ok()
            .filter(|length| *length >= LENGTH_MIN)
        else {
            self.bytes = &[];
            return Some(Err(DecodeError::Invalid {
                what: "message length",
                value: length.into(),
            }));
        };
        let (message, rest) = self.bytes.split_at_checked(LENGTH_PREFIX_BYTES + length)?;
        self.bytes = rest;
        Some(Message::parse(message))
    }
}

fn nullable<'a>(
    reader: &mut Reader<'a>,
    what: &'static str,
) -> Result<Option<&'a [u8]>, DecodeError> {
    match reader.int32(what)? {
        -1 => Ok(None),
        length @ 0.. => reader.take(length as usize, what).map(Some),
        length => Err(DecodeError::Invalid {
            what,
            value: length.into(),
        }),
    }
}

#[cfg(test)]
mod tests;
