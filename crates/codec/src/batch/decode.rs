//! Reading record batches as borrowed views of the bytes that came off the socket.

use bytes::Bytes;

use super::header::{
    AT_LENGTH, AT_MAGIC, BATCH_HEADER_BYTES, BatchHeader, LENGTH_PREFIX_BYTES, TimestampType,
    verify_crc,
};
use super::headers::Headers;
use super::small::SmallRecord;
use crate::compress::{Compression, DecompressError, Decompressor};
use crate::legacy;
use crate::primitive::{DecodeError, Reader};

/// Bytes of a record without key, value and headers: seven fields of at least one byte.
const RECORD_BYTES_MIN: usize = 7;

/// Walks the batches in the records field of a fetch response.
///
/// A partial batch at the end is normal (brokers cut at the byte limit) and is dropped. After an
/// error the walk ends. Messages of the formats before Kafka 0.11 (magic 0 and 1) are batches too.
#[derive(Clone, Debug)]
pub struct Batches {
    bytes: Bytes,
}

impl Batches {
    /// The batches in `bytes`.
    #[must_use]
    pub const fn new(bytes: Bytes) -> Self {
        Self { bytes }
    }

    fn next_batch(&mut self) -> Result<Option<Batch>, DecodeError> {
        let Some(prefix) = self.bytes.get(..LENGTH_PREFIX_BYTES) else {
            return Ok(None);
        };
        let length = Reader::starting_at(prefix, AT_LENGTH).int32("batch length")?;
        let Some(batch_bytes) = usize::try_from(length)
            .ok()
            .and_then(|length| length.checked_add(LENGTH_PREFIX_BYTES))
        else {
            return Err(DecodeError::Invalid {
                what: "batch length",
                value: length.into(),
            });
        };
        if batch_bytes > self.bytes.len() {
            return Ok(None);
        }
        let header = match self.bytes.get(AT_MAGIC) {
            Some(&magic) if legacy::is_legacy(magic) => {
                legacy::parse_header(&self.bytes[..batch_bytes])?
            }
            _ => BatchHeader::parse(&self.bytes)?,
        };
        let bytes = self.bytes.split_to(batch_bytes);
        Ok(Some(Batch { header, bytes }))
    }
}

impl Iterator for Batches {
    type Item = Result<Batch, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.next_batch().transpose();
        if !matches!(next, Some(Ok(_))) {
            self.bytes = Bytes::new();
        }
        next
    }
}

/// One whole batch as it came off the socket; its records may be compressed.
///
/// A compressed message of magic 0 or 1 tells how many records it holds, and the offset of its first, only as a
/// [`RecordBatch`]; until then its header says 1 and the offset of its last.
#[derive(Clone, Debug)]
pub struct Batch {
    header: BatchHeader,
    bytes: Bytes,
}

impl Batch {
    /// The header.
    #[must_use]
    pub const fn header(&self) -> &BatchHeader {
        &self.header
    }

    /// The bytes of the whole batch.
    #[must_use]
    pub const fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Compares the stored CRC-32C (of a legacy message: CRC-32) with that of the bytes.
    ///
    /// # Errors
    /// [`DecodeError::Crc`] if they differ.
    pub fn verify_crc(&self) -> Result<(), DecodeError> {
        if self.header.magic < 2 {
            return legacy::verify_crc(&self.bytes, &self.header);
        }
        verify_crc(&self.bytes, &self.header)
    }

    /// The batch with its records readable: decompressed if need be, into at most `limit` bytes.
    ///
    /// # Errors
    /// [`DecompressError`] if the codec is unknown, the stream is broken, or it passes `limit`.
    pub fn into_records(
        self,
        decompressor: &mut Decompressor,
        limit: usize,
    ) -> Result<RecordBatch, DecompressError> {
        if self.header.magic < 2 {
            let (header, payload) =
                legacy::into_records(self.header, &self.bytes, decompressor, limit)?;
            return Ok(RecordBatch { header, payload });
        }
        let id = self.header.attributes.compression_id();
        let compression = Compression::from_id(id).ok_or(DecompressError::UnknownCodec { id })?;
        let payload = self.bytes.slice(BATCH_HEADER_BYTES..);
        let payload = if compression == Compression::None {
            payload
        } else {
            decompressor.decompress_to_bytes(compression, &payload, limit)?
        };
        Ok(RecordBatch {
            header: self.header,
            payload,
        })
    }
}

/// A batch whose records can be read.
#[derive(Clone, Debug)]
pub struct RecordBatch {
    header: BatchHeader,
    payload: Bytes,
}

/// A place between two records of a [`RecordBatch`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordCursor {
    position: usize,
    left: i32,
}

impl RecordCursor {
    /// Records after this place.
    #[must_use]
    pub const fn records_left(self) -> i32 {
        self.left
    }

    /// The same place, with at most `most` records after it.
    #[must_use]
    pub fn take(self, most: usize) -> Self {
        let most = i32::try_from(most).unwrap_or(i32::MAX);
        Self {
            left: self.left.min(most),
            ..self
        }
    }
}

impl RecordBatch {
    /// The header.
    #[must_use]
    pub const fn header(&self) -> &BatchHeader {
        &self.header
    }

    /// The decompressed records, which every key and value of this batch borrows from.
    #[must_use]
    pub const fn payload(&self) -> &Bytes {
        &self.payload
    }

    /// All records, in order.
    #[must_use]
    pub fn records(&self) -> Records<'_> {
        self.records_from(self.start())
    }

    /// Checks that as many records as the header announces can be here, as far as its size tells.
    ///
    /// # Errors
    /// [`DecodeError::Invalid`] if there is no room for them.
    pub fn check_count(&self) -> Result<(), DecodeError> {
        let count = self.header.record_count;
        if usize::try_from(count).is_ok_and(|count| count <= self.payload.len() / RECORD_BYTES_MIN)
        {
            return Ok(());
        }
        Err(DecodeError::Invalid {
            what: "record count",
            value: count.into(),
        })
    }

    /// The place before the first record.
    #[must_use]
    pub const fn start(&self) -> RecordCursor {
        RecordCursor {
            position: 0,
            left: self.header.record_count,
        }
    }

    /// The records after `cursor`, a place in this same batch.
    #[must_use]
    pub fn records_from(&self, cursor: RecordCursor) -> Records<'_> {
        let append_time = match self.header.attributes.timestamp_type() {
            TimestampType::CreateTime => None,
            TimestampType::LogAppendTime => Some(self.header.max_timestamp),
        };
        Records {
            reader: Reader::starting_at(&self.payload, cursor.position),
            left: cursor.left,
            base_offset: self.header.base_offset,
            base_timestamp: self.header.base_timestamp,
            append_time,
        }
    }
}

/// The records of a batch, read one by one as they are asked for.
#[derive(Clone, Debug)]
pub struct Records<'a> {
    reader: Reader<'a>,
    left: i32,
    base_offset: i64,
    base_timestamp: i64,
    append_time: Option<i64>,
}

impl<'a> Records<'a> {
    /// The place that has been reached.
    #[must_use]
    pub const fn cursor(&self) -> RecordCursor {
        RecordCursor {
            position: self.reader.position(),
            left: self.left,
        }
    }

    #[expect(
        clippy::inline_always,
        reason = "a record handed over in memory costs half its reading again"
    )]
    #[inline(always)]
    fn read_small(&mut self) -> Option<Record<'a>> {
        let record = SmallRecord::read(self.reader.rest())?;
        let headers = match record.headers {
            [0] => Headers::default(),
            bytes => Headers::read_all(bytes)?,
        };
        self.reader.go_on_at(record.rest);
        Some(Record {
            offset: self.offset(record.offset_delta),
            timestamp: self.timestamp(record.timestamp_delta.into()),
            key: record.key,
            value: record.value,
            headers,
        })
    }

    #[inline]
    fn offset(&self, delta: i32) -> i64 {
        self.base_offset.wrapping_add(delta.into())
    }

    #[inline]
    fn timestamp(&self, delta: i64) -> i64 {
        match self.append_time {
            Some(timestamp) => timestamp,
            None => self.base_timestamp.wrapping_add(delta),
        }
    }

    /// By value, as a reader whose address is taken lives in memory instead of registers.
    #[cold]
    fn read(mut self) -> (Self, Result<Record<'a>, DecodeError>) {
        let record = self.read_any();
        self.left = if record.is_ok() { self.left - 1 } else { 0 };
        (self, record)
    }

    fn read_any(&mut self) -> Result<Record<'a>, DecodeError> {
        let record_bytes = self.reader.varint("record length")?;
        let Ok(record_bytes) = usize::try_from(record_bytes) else {
            return Err(DecodeError::Invalid {
                what: "record length",
                value: record_bytes.into(),
            });
        };
        let mut reader = Reader::new(self.reader.take(record_bytes, "record")?);
        reader.int8("record attributes")?;
        let timestamp_delta = reader.varlong("timestamp delta")?;
        let offset_delta = reader.varint("offset delta")?;
        let key = reader.varint_bytes("record key")?;
        let value = reader.varint_bytes("record value")?;
        let headers = Headers::read(&mut reader)?;
        Ok(Record {
            offset: self.offset(offset_delta),
            timestamp: self.timestamp(timestamp_delta),
            key,
            value,
            headers,
        })
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, DecodeError>;

    #[expect(clippy::inline_always, reason = "as for `read_small`")]
    #[inline(always)]
    fn next(&mut self) -> Option<Self::Item> {
        if self.left <= 0 {
            return None;
        }
        if let Some(record) = self.read_small() {
            self.left -= 1;
            return Some(Ok(record));
        }
        let (rest, record) = self.clone().read();
        *self = rest;
        Some(record)
    }

    /// Goes past `n` records by their lengths alone: what is wrong inside of them is not seen.
    #[inline]
    fn nth(&mut self, n: usize) -> Option<Self::Item> {
        for _ in 0..n.min(usize::try_from(self.left).unwrap_or_default()) {
            let bytes = self.reader.rest();
            let Some(rest) = SmallRecord::skip(bytes).or_else(|| skip_large(bytes)) else {
                // Its length leads out of the batch, and reading it says so.
                return self.next();
            };
            self.reader.go_on_at(rest);
            self.left -= 1;
        }
        self.next()
    }
}

/// What follows the record at the start of `bytes`, if it is whole.
#[cold]
fn skip_large(bytes: &[u8]) -> Option<&[u8]> {
    let mut reader = Reader::new(bytes);
    let record_bytes = reader.varint("record length").ok()?;
    reader.rest().get(usize::try_from(record_bytes).ok()?..)
}

/// One record, borrowed from its batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Offset in the partition.
    pub offset: i64,
    /// Milliseconds since the Unix epoch.
    pub timestamp: i64,
    /// The key; null and empty are different.
    pub key: Option<&'a [u8]>,
    /// The value; null is a tombstone on compacted topics.
    pub value: Option<&'a [u8]>,
    /// The headers.
    pub headers: Headers<'a>,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn records(bytes: &[u8]) -> Records<'_> {
        Records {
            reader: Reader::new(bytes),
            left: 1,
            base_offset: 1000,
            base_timestamp: -1,
            append_time: None,
        }
    }

    proptest! {
        // Bytes that are often records: length, attributes, deltas, key, value, headers.
        #[test]
        fn what_is_read_as_a_small_record_is_what_the_general_way_reads(
            start in proptest::collection::vec(prop_oneof![0_u8..8, any::<u8>()], 0..12),
            value in proptest::collection::vec(any::<u8>(), 0..200),
            headers in prop_oneof![Just(0), 0_u8..3],
            length in -2..2_i32,
        ) {
            let body = [&[0][..], &start, &value, &[headers]].concat();
            let mut bytes = vec![0; 5];
            let end = crate::primitive::write_varint(&mut bytes, 0, body.len() as i32 + length);
            bytes.truncate(end);
            bytes.extend(&body);
            let (mut small, mut general) = (records(&bytes), records(&bytes));
            if let Some(record) = small.read_small() {
                prop_assert_eq!(Ok(record), general.read_any());
                prop_assert_eq!(small.cursor(), general.cursor());
            }
        }
    }

    proptest! {
        #[test]
        fn skipped_records_are_those_that_would_have_been_read(
            sizes in proptest::collection::vec(prop_oneof![0_usize..100, Just(9000), Just(1 << 20)], 1..6),
            n in 0_usize..8,
        ) {
            let mut builder = crate::batch::BatchBuilder::new(Vec::new());
            for size in &sizes {
                builder.append(5, None, Some(&vec![7; *size]), &[]);
            }
            let sealed = builder.seal(crate::batch::ProducerIdentity::NONE, false, None);
            let payload = sealed.unwrap().bytes.slice(BATCH_HEADER_BYTES..);
            let all = || Records { left: sizes.len() as i32, ..records(&payload) };
            let (mut skips, mut reads) = (all(), all());
            let read = (0..=n).map(|_| reads.next()).last();
            prop_assert_eq!(Some(skips.nth(n)), read);
            prop_assert_eq!(skips.cursor(), reads.cursor());
        }
    }

    #[test]
    fn a_length_that_leads_out_of_the_batch_is_an_error_even_of_a_record_that_is_skipped() {
        let first = [14, 0, 0, 0, 1, 2, b'v', 0];
        let bytes = [&first[..], &[40, 0, 0]].concat();
        let all = || Records {
            left: 3,
            ..records(&bytes)
        };
        let error = DecodeError::Truncated {
            what: "record",
            needed: 20,
            left: 2,
        };
        assert_eq!(all().nth(2), Some(Err(error)));
        assert!(matches!(all().next(), Some(Ok(_))));
    }

    #[test]
    fn a_record_with_three_byte_varints_is_small_and_one_with_more_is_not() {
        for (bytes, is_small) in [(8000, true), (1 << 19, true), (1 << 20, false)] {
            let mut builder = crate::batch::BatchBuilder::new(Vec::new());
            builder.append(0, None, Some(&vec![7; bytes]), &[]);
            let sealed = builder.seal(crate::batch::ProducerIdentity::NONE, false, None);
            let payload = sealed.unwrap().bytes.slice(BATCH_HEADER_BYTES..);
            assert_eq!(records(&payload).read_small().is_some(), is_small);
            assert_eq!(
                records(&payload).read_any().unwrap().value.unwrap().len(),
                bytes
            );
        }
    }
}
