//! What can go wrong while compressing and decompressing.

use thiserror::Error;

use super::Compression;

/// A name that is none of Kafka's compression types.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("unknown compression type {0:?}: expected none, gzip, snappy, lz4 or zstd")]
pub struct ParseCompressionError(pub(super) String);

/// Why a batch could not be compressed: the level given is wrong, or the codec's library failed.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CompressError {
    /// The codec has no such level.
    #[error("level {level} is out of range for {codec}: expected {range}")]
    LevelOutOfRange {
        /// The codec asked for.
        codec: Compression,
        /// The level asked for.
        level: i32,
        /// The levels there are.
        range: &'static str,
    },
    /// The codec has no levels at all.
    #[error("{codec} has no compression levels: leave the level out")]
    LevelUnsupported {
        /// The codec asked for.
        codec: Compression,
    },
    /// The codec's library refused the data.
    #[error("{codec} could not compress the records: {detail}")]
    Failed {
        /// The codec that failed.
        codec: Compression,
        /// What its library said.
        detail: String,
    },
}

/// Why a batch could not be decompressed: the peer sent something malformed, or too large.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DecompressError {
    /// The batch names a codec that Kafka does not have (yet).
    #[error(
        "unknown compression codec {id}: none (0), gzip (1), snappy (2), lz4 (3) and zstd (4) are known"
    )]
    UnknownCodec {
        /// The id in the batch's attributes.
        id: u8,
    },
    /// The data would decompress to more than the caller allows.
    #[error("the records decompress to more than the limit of {limit} bytes")]
    LimitExceeded {
        /// The limit given by the caller.
        limit: usize,
    },
    /// The data ends before it is complete.
    #[error("the {codec} data ends too early")]
    Truncated {
        /// The codec of the data.
        codec: Compression,
    },
    /// The data is not what the codec's format allows.
    #[error("the {codec} data is malformed: {detail}")]
    Corrupt {
        /// The codec of the data.
        codec: Compression,
        /// What is wrong with it.
        detail: String,
    },
}
