//! Writing a record batch in place.
//!
//! A record is written once, in wire format, into one growing buffer behind room for the header;
//! [`BatchBuilder::seal`] patches the header and computes the CRC. The buffer doubles as it fills,
//! so memory follows what was written; a caller who passes a used buffer pays for no growth at all.

use bytes::Bytes;

use super::header::{
    AT_CRC, AT_LENGTH, AT_MAGIC, AT_PRODUCER_ID, Attributes, BATCH_HEADER_BYTES, CRC_START,
    LENGTH_PREFIX_BYTES,
};
use super::small::{Prefix, Word};
use crate::compress::{CompressError, Compressor};
use crate::primitive::{
    VARINT_BYTES_MAX, VARLONG_BYTES_MAX, varint_size, varlong_size, write_varint, write_varlong,
};

/// A record header: keys may repeat, and their order is kept (KIP-82).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    /// The key; UTF-8 by Kafka's rules, yet not every client keeps to them.
    pub key: &'a [u8],
    /// The value; null and empty are different.
    pub value: Option<&'a [u8]>,
}

impl<'a> Header<'a> {
    /// A header with a value.
    #[must_use]
    pub fn new(key: &'a str, value: &'a (impl AsRef<[u8]> + ?Sized)) -> Self {
        Self {
            key: key.as_bytes(),
            value: Some(value.as_ref()),
        }
    }

    /// A header whose value is null.
    #[must_use]
    pub const fn null(key: &'a str) -> Self {
        Self {
            key: key.as_bytes(),
            value: None,
        }
    }
}

/// Who wrote a batch, for idempotence: stamped when it is sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerIdentity {
    /// Producer id, or -1 without idempotence.
    pub producer_id: i64,
    /// Producer epoch, or -1.
    pub producer_epoch: i16,
    /// Sequence number of the first record, or -1.
    pub base_sequence: i32,
}

impl ProducerIdentity {
    /// A producer without idempotence.
    pub const NONE: Self = Self {
        producer_id: -1,
        producer_epoch: -1,
        base_sequence: -1,
    };
}

/// Most bytes that a record can add to a batch: what `max.request.size` is compared with.
#[must_use]
#[inline]
pub fn record_bytes_max(key: Option<&[u8]>, value: Option<&[u8]>, headers: &[Header<'_>]) -> usize {
    // Java's upper bound: length and offset varints, attributes, and the longest timestamp delta.
    const OVERHEAD: usize = VARINT_BYTES_MAX + 1 + VARLONG_BYTES_MAX + VARINT_BYTES_MAX;
    OVERHEAD + body_bytes(key, value, headers)
}

/// Key, value and headers with their lengths.
#[inline]
fn body_bytes(key: Option<&[u8]>, value: Option<&[u8]>, headers: &[Header<'_>]) -> usize {
    nullable_bytes(key) + nullable_bytes(value) + headers_bytes(headers)
}

#[inline]
fn headers_bytes(headers: &[Header<'_>]) -> usize {
    let mut bytes = varint_size(headers.len() as i32);
    for header in headers {
        bytes += nullable_bytes(Some(header.key)) + nullable_bytes(header.value);
    }
    bytes
}

/// As on the wire: -1 is null.
#[inline]
fn length(bytes: Option<&[u8]>) -> i32 {
    bytes.map_or(-1, |bytes| bytes.len() as i32)
}

#[inline]
fn nullable_bytes(bytes: Option<&[u8]>) -> usize {
    bytes.map_or(1, |bytes| varint_size(bytes.len() as i32) + bytes.len())
}

/// A record batch that is being written.
///
/// Invariants: the buffer always holds room for the header and whole records; offset deltas are
/// 0, 1, 2, …, as brokers demand from producers.
#[derive(Debug)]
pub struct BatchBuilder {
    bytes: Vec<u8>,
    record_count: i32,
    base_timestamp: i64,
    max_timestamp: i64,
}

impl BatchBuilder {
    /// An empty batch that writes into `buffer`; what it held is dropped, its capacity is kept.
    #[must_use]
    pub fn new(mut buffer: Vec<u8>) -> Self {
        buffer.clear();
        buffer.resize(BATCH_HEADER_BYTES, 0);
        Self {
            bytes: buffer,
            record_count: 0,
            base_timestamp: 0,
            max_timestamp: 0,
        }
    }

    /// Records written so far.
    #[must_use]
    pub const fn record_count(&self) -> i32 {
        self.record_count
    }

    /// Bytes written so far, header included.
    #[must_use]
    pub fn batch_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Bytes of memory held.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Makes the buffer `capacity` bytes large, if it is smaller.
    pub fn grow_to(&mut self, capacity: usize) {
        let additional = capacity.saturating_sub(self.bytes.len());
        self.bytes.reserve_exact(additional);
    }

    /// Whether a record of at most `record_bytes_max` bytes fits without the batch passing
    /// `batch_bytes_max`. The first record always fits.
    #[must_use]
    pub fn has_room_for(&self, record_bytes_max: usize, batch_bytes_max: usize) -> bool {
        self.record_count == 0
            || (self.bytes.len() + record_bytes_max <= batch_bytes_max
                && self.record_count < i32::MAX)
    }

    /// Writes a record; returns its index in the batch. `timestamp` is in milliseconds since the
    /// Unix epoch.
    #[inline]
    pub fn append(
        &mut self,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[Header<'_>],
    ) -> u32 {
        let index = self.record_count;
        if index == 0 {
            self.base_timestamp = timestamp;
            self.max_timestamp = timestamp;
        } else if timestamp > self.max_timestamp {
            self.max_timestamp = timestamp;
        }
        let timestamp_delta = timestamp.wrapping_sub(self.base_timestamp);
        if self
            .append_small(timestamp_delta, key, value, headers)
            .is_none()
        {
            self.append_large(timestamp_delta, key, value, headers);
        }
        self.append_headers(headers);

        self.record_count += 1;
        index as u32
    }

    /// Appends what stands before the headers, if the record is small and there is room to write in fixed steps.
    #[inline]
    fn append_small(
        &mut self,
        timestamp_delta: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[Header<'_>],
    ) -> Option<()> {
        let value_length = Word::int(length(value))?;
        let (key_length, index) = (length(key), self.record_count);
        let (key, value) = (key.unwrap_or_default(), value.unwrap_or_default());
        let body_bytes = key.len() + value_length.bytes() + value.len() + headers_bytes(headers);
        let prefix = Prefix::new(timestamp_delta, index, key_length, body_bytes)?;
        let bytes = &mut self.bytes;
        bytes.reserve(prefix.bytes() + body_bytes);
        let room = bytes.capacity() - bytes.len();
        if room < Prefix::ROOM || room < prefix.bytes() + key.len() + Word::ROOM {
            return None;
        }
        prefix.append_to(bytes);
        if !key.is_empty() {
            bytes.extend_from_slice(key);
        }
        value_length.append_to(bytes);
        bytes.extend_from_slice(value);
        Some(())
    }

    /// Appends what stands before the headers.
    #[inline(never)]
    fn append_large(
        &mut self,
        timestamp_delta: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[Header<'_>],
    ) {
        let index = self.record_count;
        let record_bytes = 1
            + varlong_size(timestamp_delta)
            + varint_size(index)
            + body_bytes(key, value, headers);

        // One reservation, then copies that cannot grow the buffer.
        self.bytes
            .reserve(varint_size(record_bytes as i32) + record_bytes);
        let mut prefix = [0; 4 * VARINT_BYTES_MAX + VARLONG_BYTES_MAX + 1];
        let mut at = write_varint(&mut prefix, 0, record_bytes as i32);
        at += 1; // attributes, unused by every version so far
        at = write_varlong(&mut prefix, at, timestamp_delta);
        at = write_varint(&mut prefix, at, index);
        at = write_varint(&mut prefix, at, length(key));
        if let Some(key) = key
            && !key.is_empty()
        {
            self.bytes.extend_from_slice(&prefix[..at]);
            self.bytes.extend_from_slice(key);
            at = 0;
        }
        at = write_varint(&mut prefix, at, length(value));
        self.bytes.extend_from_slice(&prefix[..at]);
        self.bytes.extend_from_slice(value.unwrap_or_default());
    }

    #[inline]
    fn append_headers(&mut self, headers: &[Header<'_>]) {
        if headers.is_empty() {
            self.bytes.push(0);
            return;
        }
        let mut scratch = [0; VARINT_BYTES_MAX];
        let mut put = |bytes: &mut Vec<u8>, length: i32, content: &[u8]| {
            let end = write_varint(&mut scratch, 0, length);
            bytes.extend_from_slice(&scratch[..end]);
            bytes.extend_from_slice(content);
        };
        put(&mut self.bytes, headers.len() as i32, &[]);
        for header in headers {
            put(&mut self.bytes, header.key.len() as i32, header.key);
            match header.value {
                None => put(&mut self.bytes, -1, &[]),
                Some(value) => put(&mut self.bytes, value.len() as i32, value),
            }
        }
    }

    /// Finishes the batch: patches the header and computes the CRC. With a `compressor` the records
    /// are compressed first, into another buffer; the old one comes back with the batch.
    ///
    /// # Errors
    /// [`CompressError`] if the compressor fails; the records are lost with the builder, as they
    /// could not be sent either way.
    pub fn seal(
        self,
        identity: ProducerIdentity,
        transactional: bool,
        compressor: Option<&mut Compressor>,
    ) -> Result<SealedBatch, CompressError> {
        let mut attributes = 0;
        let mut bytes = self.bytes;
        let mut used_buffer = None;
        if let Some(compressor) = compressor {
            let mut compressed = Vec::with_capacity(bytes.len() / 2 + BATCH_HEADER_BYTES);
            compressed.resize(BATCH_HEADER_BYTES, 0);
            compressor.compress(&bytes[BATCH_HEADER_BYTES..], &mut compressed)?;
            attributes |= i16::from(compressor.codec().id());
            used_buffer = Some(std::mem::replace(&mut bytes, compressed));
        }
        if transactional {
            attributes |= Attributes::TRANSACTIONAL;
        }
        let length = (bytes.len() - LENGTH_PREFIX_BYTES) as i32;
        bytes[AT_LENGTH..AT_LENGTH + 4].copy_from_slice(&length.to_be_bytes());
        // The leader epoch is the broker's to set.
        bytes[12..16].copy_from_slice(&(-1_i32).to_be_bytes());
        bytes[AT_MAGIC] = 2;
        bytes[21..23].copy_from_slice(&attributes.to_be_bytes());
        bytes[23..27].copy_from_slice(&(self.record_count - 1).to_be_bytes());
        bytes[27..35].copy_from_slice(&self.base_timestamp.to_be_bytes());
        bytes[35..43].copy_from_slice(&self.max_timestamp.to_be_bytes());
        bytes[57..61].copy_from_slice(&self.record_count.to_be_bytes());
        identity.stamp(&mut bytes);
        Ok(SealedBatch {
            bytes: Bytes::from(bytes),
            used_buffer,
        })
    }
}

/// A batch ready to be sent.
#[derive(Debug)]
pub struct SealedBatch {
    /// Its bytes.
    pub bytes: Bytes,
    /// The buffer that the records were written into, if they were compressed out of it.
    pub used_buffer: Option<Vec<u8>>,
}

impl ProducerIdentity {
    /// Writes this identity into a sealed batch and computes its CRC.
    fn stamp(self, batch: &mut [u8]) {
        let at = AT_PRODUCER_ID;
        batch[at..at + 8].copy_from_slice(&self.producer_id.to_be_bytes());
        batch[at + 8..at + 10].copy_from_slice(&self.producer_epoch.to_be_bytes());
        batch[at + 10..at + 14].copy_from_slice(&self.base_sequence.to_be_bytes());
        let crc = crc32c::crc32c(&batch[CRC_START..]);
        batch[AT_CRC..CRC_START].copy_from_slice(&crc.to_be_bytes());
    }

    /// A sealed `batch` with this identity instead of its own: in place if nobody else holds the
    /// bytes, in a copy otherwise.
    #[must_use]
    pub fn restamp(self, batch: Bytes) -> Bytes {
        match batch.try_into_mut() {
            Ok(mut unique) => {
                self.stamp(&mut unique);
                unique.freeze()
            }
            Err(shared) => {
                let mut copy = shared.to_vec();
                self.stamp(&mut copy);
                Bytes::from(copy)
            }
        }
    }
}
