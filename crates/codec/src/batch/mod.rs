//! The record batch, format version 2 (KIP-98): the unit that producers write, brokers store and
//! consumers read.
//!
//! | offset | field | type |
//! |---|---|---|
//! | 0 | base offset | i64 |
//! | 8 | length of what follows | i32 |
//! | 12 | partition leader epoch (outside the CRC) | i32 |
//! | 16 | magic = 2 | i8 |
//! | 17 | CRC-32C of all that follows | u32 |
//! | 21 | attributes | i16 |
//! | 23 | last offset delta | i32 |
//! | 27 | base timestamp | i64 |
//! | 35 | max timestamp | i64 |
//! | 43 | producer id | i64 |
//! | 51 | producer epoch | i16 |
//! | 53 | base sequence | i32 |
//! | 57 | record count | i32 |
//! | 61 | records, or the compressed stream of them | |
//!
//! [`BatchBuilder`] writes one in place, [`Batches`] walks a slice of them without copying.

mod decode;
mod encode;
mod header;
mod headers;
mod small;

pub use decode::{Batch, Batches, Record, RecordBatch, RecordCursor, Records};
pub use encode::{BatchBuilder, Header, ProducerIdentity, SealedBatch, record_bytes_max};
pub use header::{Attributes, BATCH_HEADER_BYTES, BatchHeader, TimestampType, crc_is_valid};
pub use headers::Headers;

#[cfg(test)]
mod tests;
