//! The fixed first 61 bytes of a record batch.

use crate::primitive::{DecodeError, Reader};

/// Bytes of a batch before its records.
pub const BATCH_HEADER_BYTES: usize = 61;
/// Bytes before what the length field counts.
pub(super) const LENGTH_PREFIX_BYTES: usize = 12;
/// Where the bytes begin that the CRC covers.
pub(super) const CRC_START: usize = 21;

pub(super) const AT_LENGTH: usize = 8;
pub(super) const AT_MAGIC: usize = 16;
pub(super) const AT_CRC: usize = 17;
pub(super) const AT_PRODUCER_ID: usize = 43;

/// Who set the timestamps of a batch's records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TimestampType {
    /// The producer (`message.timestamp.type=CreateTime`).
    CreateTime,
    /// The broker; every record of the batch has the batch's maximum timestamp.
    LogAppendTime,
}

/// The attribute bits of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attributes(pub i16);

impl Attributes {
    pub(super) const TRANSACTIONAL: i16 = 1 << 4;

    /// Id of the compression codec, bits 0 to 2.
    #[must_use]
    pub const fn compression_id(self) -> u8 {
        (self.0 & 0b111) as u8
    }

    /// Bit 3.
    #[must_use]
    pub const fn timestamp_type(self) -> TimestampType {
        if self.0 & (1 << 3) == 0 {
            TimestampType::CreateTime
        } else {
            TimestampType::LogAppendTime
        }
    }

    /// Whether the batch belongs to a transaction.
    #[must_use]
    pub const fn is_transactional(self) -> bool {
        self.0 & Self::TRANSACTIONAL != 0
    }

    /// Whether the batch holds control records (transaction markers), which users never see.
    #[must_use]
    pub const fn is_control(self) -> bool {
        self.0 & (1 << 5) != 0
    }

    /// Whether the base timestamp is the delete horizon that the log cleaner set (KIP-534).
    #[must_use]
    pub const fn has_delete_horizon(self) -> bool {
        self.0 & (1 << 6) != 0
    }
}

/// The header of a record batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchHeader {
    /// Offset of the first record; kept when compaction removes that record.
    pub base_offset: i64,
    /// Bytes of the whole batch, this header included.
    pub batch_bytes: usize,
    /// Epoch of the leader that appended it; -1 from a producer.
    pub partition_leader_epoch: i32,
    /// Format version: 2 in every header that [`BatchHeader::parse`] returns, 0 or 1 of legacy messages.
    pub magic: i8,
    /// CRC-32C of the bytes from the attributes to the end; of legacy messages the CRC-32 from the magic.
    pub crc: u32,
    /// Codec, timestamp type, transactional and control bits.
    pub attributes: Attributes,
    /// Offset of the last record less the base offset; kept by compaction.
    pub last_offset_delta: i32,
    /// Timestamp, in milliseconds, that record timestamps are relative to.
    pub base_timestamp: i64,
    /// Largest timestamp of a record, in milliseconds.
    pub max_timestamp: i64,
    /// Id of the idempotent producer, or -1.
    pub producer_id: i64,
    /// Epoch of that producer, or -1.
    pub producer_epoch: i16,
    /// Sequence number of the first record, or -1.
    pub base_sequence: i32,
    /// Records in the batch; 0 is legal after compaction.
    pub record_count: i32,
}

impl BatchHeader {
    /// Reads the header at the start of `bytes`; the records need not be there.
    ///
    /// # Errors
    /// [`DecodeError`] if the bytes end inside the header, the format version is not 2, or a length
    /// or count contradicts the format.
    pub fn parse(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let base_offset = reader.int64("base offset")?;
        let length = reader.int32("batch length")?;
        let partition_leader_epoch = reader.int32("partition leader epoch")?;
        let magic = reader.int8("magic")?;
        if magic != 2 {
            return Err(DecodeError::UnsupportedMagic { base_offset, magic });
        }
        if length < (BATCH_HEADER_BYTES - LENGTH_PREFIX_BYTES) as i32 {
            return Err(DecodeError::Invalid {
                what: "batch length",
                value: length.into(),
            });
        }
        let header = Self {
            base_offset,
            batch_bytes: LENGTH_PREFIX_BYTES + length as usize,
            partition_leader_epoch,
            magic,
            crc: reader.int32("crc")? as u32,
            attributes: Attributes(reader.int16("attributes")?),
            last_offset_delta: reader.int32("last offset delta")?,
            base_timestamp: reader.int64("base timestamp")?,
            max_timestamp: reader.int64("max timestamp")?,
            producer_id: reader.int64("producer id")?,
            producer_epoch: reader.int16("producer epoch")?,
            base_sequence: reader.int32("base sequence")?,
            record_count: reader.int32("record count")?,
        };
        for (what, value) in [
            ("last offset delta", header.last_offset_delta),
            ("record count", header.record_count),
        ] {
            if value < 0 {
                return Err(DecodeError::Invalid {
                    what,
                    value: value.into(),
                });
            }
        }
        if base_offset < 0
            || base_offset
                .checked_add(header.last_offset_delta.into())
                .is_none()
        {
            return Err(DecodeError::Invalid {
                what: "base offset",
                value: base_offset,
            });
        }
        Ok(header)
    }

    /// Offset of the last record; reading goes on after it, whatever compaction left in between.
    #[must_use]
    pub const fn last_offset(&self) -> i64 {
        self.base_offset + self.last_offset_delta as i64
    }
}

/// Whether the CRC-32C stored in `batch`, one whole batch, is that of its bytes.
#[must_use]
pub fn crc_is_valid(batch: &[u8]) -> bool {
    match (stored_crc(batch), batch.get(CRC_START..)) {
        (Some(stored), Some(covered)) => stored == crc32c::crc32c(covered),
        _ => false,
    }
}

fn stored_crc(batch: &[u8]) -> Option<u32> {
    let bytes = batch.get(AT_CRC..CRC_START)?.first_chunk()?;
    Some(u32::from_be_bytes(*bytes))
}

/// As [`crc_is_valid`], with the error that names offset and checksums.
pub(super) fn verify_crc(batch: &[u8], header: &BatchHeader) -> Result<(), DecodeError> {
    let covered = batch.get(CRC_START..).unwrap_or_default();
    let computed = crc32c::crc32c(covered);
    if computed == header.crc {
        return Ok(());
    }
    Err(DecodeError::Crc {
        base_offset: header.base_offset,
        stored: header.crc,
        computed,
    })
}
