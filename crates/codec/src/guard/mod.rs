//! The guard before the message crate: a walk over the body of a response that checks every length and count.
//!
//! The message crate reserves memory for as many elements as an array claims to have: a body of nine bytes makes it
//! ask for 412 GB, which ends the process. So a body is walked over first, by tables made from Kafka's message
//! schemas, and whatever the walk refuses never reaches the message crate.
//!
//! Owns: the tables of the responses in [`ApiKey::ALL`](crate::ApiKey::ALL) in the versions that klamm speaks, the walk.
//! Does not: build anything, check UTF-8 or misplaced nulls (the message crate does, and needs no memory for it), guard
//! the readers in this crate that are written by hand: they check as they read.
//!
//! Invariants
//! - a body that passes holds as many elements and bytes as it claims, in every array, string, tagged field and struct,
//!   and ends where its message ends: no broker sends more for a version it was asked in
//! - decoding what passes reserves at most `16 x body + 4 MiB` ([`memory_max`])
//! - the walk allocates nothing, reads each byte of a length once and skips the rest; its depth is that of the schema
//!
//! About the bound: elements are larger in memory than on the wire. A row of `CreateAcls` that says "done" takes 4 bytes
//! and becomes 64, and a tagged field that the message crate does not know takes a map of 416 bytes from the 3 that it
//! may have on the wire. Answers that brokers really give stay below a factor of 8 where they are large and carry no unknown tagged
//! fields; the factor leaves room for one such field in each partition, should a later broker send it, and the constant
//! for small answers that are dense.

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
