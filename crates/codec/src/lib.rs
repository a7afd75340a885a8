//! Bytes to Kafka record batches and protocol frames, and back.
//!
//! Owns: the record batch format (v2) written in place and read as borrowed views, compression,
//! frame headers, the table of API versions that klamm speaks, what the members of a group send each other,
//! Kafka's error codes, murmur2.
//!
//! Does not: do I/O, read a clock, allocate per record, or know about connections.
//!
//! Invariants
//! - no input makes it panic; every length is checked against what is left before it is used
//! - a record is never copied on the way in: keys, values and headers borrow from the frame

pub mod api;
pub mod api_versions;
pub mod batch;
mod buffer_supplier;
pub mod compress;
pub mod error_code;
pub mod fetch_response;
pub mod frame;
pub mod group_protocol;
pub mod guard;
pub mod key_hash;
mod legacy;
pub mod messages;
pub mod murmur2;
pub mod primitive;
pub mod produce_request;
#[cfg(test)]
mod testing;
mod throttle;
mod unregister_controller;

pub use api::{ApiKey, VersionRange};
pub use buffer_supplier::BufferSupplier;
pub use error_code::ErrorCode;
pub use primitive::DecodeError;
pub use throttle::throttle_time;
