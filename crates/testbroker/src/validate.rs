//! Which record batches a producer may append.
//!
//! Owns: the checks of Kafka's `ProduceRequest.validateRecords`, `UnifiedLog` and `LogValidator`,
//! in their order, because the first that fails is the error that a client sees. Does not: know
//! sequences (`producer_state`), or look at keys and values.

use bytes::Bytes;
use kafka_protocol::ResponseError;
use klamm_codec::DecodeError;
use klamm_codec::batch::{BatchHeader, crc_is_valid};

use crate::batch::{self, Unreadable};
use crate::topic::TopicConfig;

/// Kafka's default of `message.timestamp.after.max.ms`: an hour.
const TIMESTAMP_AHEAD_MAX_MS: i64 = 3_600_000;

/// A refused batch.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Refused {
    pub(crate) error: ResponseError,
    pub(crate) reason: &'static str,
}

/// The header of the one batch in `records`, if it may be appended; `now` is in milliseconds since
/// 1970.
pub(crate) fn validate(
    records: &Bytes,
    config: &TopicConfig,
    now: i64,
) -> Result<BatchHeader, Refused> {
    let header = parse(records)?;
    if header.batch_bytes > config.batch_bytes_max {
        return refuse(
            ResponseError::MessageTooLarge,
            "record batch is larger than max.message.bytes",
        );
    }
    let batch = records.slice(..header.batch_bytes);
    if !crc_is_valid(&batch) {
        return refuse(
            ResponseError::CorruptMessage,
            "record batch has a wrong CRC",
        );
    }
    let invalid = |reason| refuse(ResponseError::InvalidRecord, reason);
    if header.record_count <= 0 || header.record_count - 1 != header.last_offset_delta {
        return invalid("record count does not match the last offset delta");
    }
    if header.attributes.is_control() {
        return invalid("clients are not allowed to write control records");
    }
    if header.producer_id >= 0 && header.base_sequence < 0 {
        return invalid("record batch has a producer id but no sequence");
    }
    match batch::open(&batch) {
        Ok(opened) if batch::records_are_valid(&opened) => {}
        Err(Unreadable::Compression) => {
            return refuse(
                ResponseError::UnknownServerError,
                "record batch cannot be decompressed",
            );
        }
        Ok(_) | Err(Unreadable::Batch) => {
            return invalid("records are not what the batch header says");
        }
    }
    if !config.log_append_time && header.max_timestamp.saturating_sub(now) > TIMESTAMP_AHEAD_MAX_MS
    {
        return refuse(
            ResponseError::InvalidTimestamp,
            "timestamp is more than message.timestamp.after.max.ms ahead",
        );
    }
    Ok(header)
}

/// The header, if there is exactly one whole batch of magic 2, based at 0.
fn parse(records: &Bytes) -> Result<BatchHeader, Refused> {
    let invalid = |reason| refuse(ResponseError::InvalidRecord, reason);
    let one_batch = "a partition must have exactly one whole record batch";
    let header = match BatchHeader::parse(records) {
        Ok(header) => header,
        Err(DecodeError::UnsupportedMagic { magic: 0 | 1, .. }) => {
            return invalid("only record batches with magic version 2 are allowed");
        }
        Err(DecodeError::Truncated { .. }) => return invalid(one_batch),
        Err(
            DecodeError::Invalid {
                what: "batch length",
                ..
            }
            | DecodeError::UnsupportedMagic { .. },
        ) => {
            return refuse(
                ResponseError::CorruptMessage,
                "record batch has an impossible length or magic",
            );
        }
        // Kafka comes upon these after the CRC, which is the likelier culprit.
        Err(_) if !crc_is_valid(records) => {
            return refuse(
                ResponseError::CorruptMessage,
                "record batch has a wrong CRC",
            );
        }
        Err(_) => return invalid("record batch header contradicts itself"),
    };
    let Some(rest) = records.get(header.batch_bytes..) else {
        return invalid(one_batch);
    };
    if BatchHeader::parse(rest).is_ok_and(|next| next.batch_bytes <= rest.len()) {
        return invalid(one_batch);
    }
    if header.base_offset == 0 {
        Ok(header)
    } else {
        invalid("the base offset of a record batch must be 0")
    }
}

fn refuse<T>(error: ResponseError, reason: &'static str) -> Result<T, Refused> {
    Err(Refused { error, reason })
}
