//! The guard before the message crate: a walk over the body of a response that checks every length and count.
//!
//! The message crate reserves memory for as many elements as an array claims to have: a body of nine bytes makes it
//! ask for 412 GB, which ends the process. So a body is walked over first, led by tables made from Kafka's message
//! schemas, and what the walk refuses never reaches the message crate.
//!
//! Owns: the tables of the responses in [`ApiKey::ALL`] in the versions that klamm speaks, the walk.
//! Does not: build anything, check UTF-8 or nulls that the schema forbids (the message crate refuses both without
//! reserving for them), guard the readers of this crate that are written by hand: they check as they read.
//!
//! Invariants
//! - what passes holds all bytes and elements that its strings, arrays, tagged fields and structs claim, and ends where
//!   its message ends: a broker sends no more in a version that was asked for (seen with 2.8 and 4.4, all APIs)
//! - decoding what passes takes [`memory_max`] at most: `16 x body + 4 MiB`
//! - the walk reads lengths, skips the rest, goes as deep as the schema, and allocates nothing but an error
//!
//! About the bound: elements are larger in memory than on the wire. A result of `CreateAcls` without error takes 4 bytes
//! and becomes 64; a tagged field that the message crate does not know takes 3 and becomes a map of 416. So 4 x body
//! can't hold, and without a bound it would be 120 x body for an array of the densest elements. What brokers really send
//! mostly stays below 8 x body where it is large; 16 and the constant leave room for small dense answers and for a
//! newer broker's tagged field in each of many thousand partitions.
//!
//! Cost: 84 us for metadata of 1000 topics with 12 partitions of 3 replicas (version 12, 548 kB); the message crate
//! then takes 825 us to decode it and 310 us to drop it. With 1 replica each it is 84 beside 1510 us. Measured on
//! 2 busy cores of an AMD EPYC, rustc 1.95, release with thin LTO, median of 201 runs on the same body.

// Made with a line per struct.
#[rustfmt::skip]
mod tables;
mod walk;

use crate::api::ApiKey;
use crate::primitive::DecodeError;

/// Why a response is not handed to the message crate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GuardError {
    /// A length or count that the bytes can't hold.
    #[error(transparent)]
    Malformed(#[from] DecodeError),
    /// A tagged field or message is longer than what it should hold.
    #[error("{what} should have ended: {count} bytes follow it")]
    TrailingBytes {
        /// What should have ended.
        what: &'static str,
        /// Bytes that are left.
        count: usize,
    },
    /// The elements would need too much memory.
    #[error(
        "the elements of a body of {body_bytes} bytes would take more than {memory_max} bytes of memory"
    )]
    TooDense {
        /// Bytes of the body.
        body_bytes: usize,
        /// The bound.
        memory_max: usize,
    },
    /// klamm does not speak this version.
    #[error("version {version} of {api} is not spoken")]
    NotSpoken {
        /// API of the response.
        api: ApiKey,
        /// Version asked for.
        version: i16,
    },
}

/// The memory that decoding a body of `body_bytes` may take at most.
#[must_use]
pub const fn memory_max(body_bytes: usize) -> usize {
    body_bytes.saturating_mul(16).saturating_add(4 << 20)
}

/// Checks every length and count in the `body` of a response, which starts after the response header.
///
/// # Errors
/// [`GuardError`] if the message crate must not decode it.
pub fn check(api: ApiKey, version: i16, body: &[u8]) -> Result<(), GuardError> {
    let response = response(api, version).ok_or(GuardError::NotSpoken { api, version })?;
    walk::walk(response, body, memory_max(body.len()))
        .map(drop)
        .map_err(|error| *error)
}

fn response(api: ApiKey, version: i16) -> Option<&'static walk::Response> {
    let after = tables::RESPONSES.partition_point(|row| (row.api, row.min) <= (api.0, version));
    let row = &tables::RESPONSES[after.checked_sub(1)?];
    (row.api == api.0 && version <= row.max).then_some(row)
}

#[cfg(test)]
mod tests;
