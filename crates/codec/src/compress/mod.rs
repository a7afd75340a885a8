//! The compression codecs of record batches: `none`, `gzip`, `snappy`, `lz4`, `zstd`.
//!
//! Owns: the codec ids and names of Kafka, the framing that Java writes for each codec, every framing
//! that other clients are known to write, and the limit on decompressed size.
//!
//! Does not: know batches or records, verify a batch's CRC-32C (do that first), choose a limit.
//!
//! Invariants
//! - on error the output vector has its old length, on success at most `limit` bytes more
//! - decompression never holds more than the limit and a small constant; where a vector grows step by
//!   step its capacity may be twice its length
//! - a decompressor keeps little memory of outputs that nobody holds any more, for the next ones
//! - no length read from the input is reserved before it was compared with the limit
//! - no input makes a codec panic or loop without consuming

mod error;
mod gzip;
mod lz4;
mod output;
mod snappy;
mod xxh32;
#[cfg(not(feature = "zstd-c"))]
#[path = "zstd.rs"]
mod zstd_codec;
#[cfg(feature = "zstd-c")]
#[path = "zstd_c.rs"]
mod zstd_codec;

#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;

use self::output::Output;
use crate::buffer_supplier::BufferSupplier;

pub use error::{CompressError, DecompressError, ParseCompressionError};

/// A codec of record batches: bits 0 to 2 of a batch's attributes, `compression.type` in properties.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Compression {
    /// Records as they are.
    #[default]
    None,
    /// RFC 1952.
    Gzip,
    /// Snappy blocks in the framing of the Java library (xerial).
    Snappy,
    /// The LZ4 frame format.
    Lz4,
    /// Zstandard (KIP-110): brokers from 2.1, Produce from version 7 and Fetch from version 10.
    Zstd,
}

impl Compression {
    /// All codecs, in the order of their ids.
    pub const ALL: [Self; 5] = [Self::None, Self::Gzip, Self::Snappy, Self::Lz4, Self::Zstd];

    /// The codec with this id in the attributes of a batch (bits 0 to 2, already masked).
    pub const fn from_id(id: u8) -> Option<Self> {
        match id {
            0 => Some(Self::None),
            1 => Some(Self::Gzip),
            2 => Some(Self::Snappy),
            3 => Some(Self::Lz4),
            4 => Some(Self::Zstd),
            _ => None,
        }
    }

    /// The id in the attributes of a batch.
    pub const fn id(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Gzip => 1,
            Self::Snappy => 2,
            Self::Lz4 => 3,
            Self::Zstd => 4,
        }
    }

    /// Kafka's name, as in `compression.type`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Snappy => "snappy",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Compression {
    type Err = ParseCompressionError;

    /// Reads Kafka's name in any case, as the Java client does.
    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|codec| codec.name().eq_ignore_ascii_case(name))
            .ok_or_else(|| ParseCompressionError(name.to_owned()))
    }
}

/// Compresses batch after batch with one codec at one level, reusing its tables and scratch buffers.
#[derive(Debug)]
pub struct Compressor {
    codec: Compression,
    encoder: Encoder,
}

enum Encoder {
    None,
    Gzip(gzip::Encoder),
    Snappy(snappy::Encoder),
    Lz4(lz4::Encoder),
    Zstd(Box<zstd_codec::Encoder>),
}

impl fmt::Debug for Encoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Encoder")
    }
}

impl Compressor {
    /// Prepares `codec` at `level`, where `None` is Kafka's default:
    ///
    /// | codec | levels (KIP-780) | default | note |
    /// |---|---|---|---|
    /// | gzip | 1 to 9, and -1 for the default | -1 (zlib's 6) | |
    /// | lz4 | 1 to 17 | 9 | all use the fast compressor, as Java does at 9 |
    /// | zstd | -131072 to 22 | 3 | 0 is 3; above 4 is 4 and below -7 is -7, except with feature `zstd-c` |
    /// | none, snappy | no levels | | |
    ///
    /// # Errors
    ///
    /// [`CompressError::LevelOutOfRange`] names the range; [`CompressError::LevelUnsupported`] when the
    /// codec has no levels.
    pub fn new(codec: Compression, level: Option<i32>) -> Result<Self, CompressError> {
        let encoder = match codec {
            Compression::None | Compression::Snappy if level.is_some() => {
                return Err(CompressError::LevelUnsupported { codec });
            }
            Compression::None => Encoder::None,
            Compression::Gzip => Encoder::Gzip(gzip::Encoder::new(level)?),
            Compression::Snappy => Encoder::Snappy(snappy::Encoder::new()),
            Compression::Lz4 => Encoder::Lz4(lz4::Encoder::new(level)?),
            Compression::Zstd => Encoder::Zstd(Box::new(zstd_codec::Encoder::new(level)?)),
        };
        Ok(Self { codec, encoder })
    }

    /// The codec given to [`new`](Self::new).
    pub fn codec(&self) -> Compression {
        self.codec
    }

    /// Appends `input`, compressed, to `out`.
    ///
    /// # Errors
    ///
    /// [`CompressError::Failed`] when the codec library refuses, which no known input causes; `out` then has its
    /// old length.
    pub fn compress(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<(), CompressError> {
        let start = out.len();
        let result = match &mut self.encoder {
            Encoder::None => {
                out.extend_from_slice(input);
                Ok(())
            }
            Encoder::Gzip(encoder) => encoder.compress(input, out),
            Encoder::Snappy(encoder) => encoder.compress(input, out),
            Encoder::Lz4(encoder) => encoder.compress(input, out),
            Encoder::Zstd(encoder) => encoder.compress(input, out),
        };
        if result.is_err() {
            out.truncate(start);
        }
        result
    }
}

/// Most memory of outputs that a decompressor keeps for the next ones.
const IDLE_BYTES_MAX: usize = 8 << 20;

/// Decompresses batches of any codec, keeping each codec's state (made at first use) for the next batch.
pub struct Decompressor {
    gzip: Option<gzip::Decoder>,
    zstd: Option<zstd_codec::Decoder>,
    outputs: BufferSupplier,
    /// Size of the largest of the last outputs: the next is often like them.
    expected: usize,
}

impl fmt::Debug for Decompressor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decompressor").finish_non_exhaustive()
    }
}

impl Default for Decompressor {
    fn default() -> Self {
        Self {
            gzip: None,
            zstd: None,
            outputs: BufferSupplier::new(IDLE_BYTES_MAX),
            expected: 0,
        }
    }
}

impl Decompressor {
    /// A decompressor that has allocated nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends the decompressed `input` to `out`, at most `limit` bytes.
    ///
    /// All of `input` must belong to the compressed data, which may be several gzip members, xerial
    /// streams, lz4 frames or zstd frames one after the other.
    ///
    /// # Errors
    ///
    /// [`DecompressError::LimitExceeded`] as soon as the output would pass `limit`, and
    /// [`DecompressError::Truncated`] or [`DecompressError::Corrupt`] for malformed input. `out` then has its
    /// old length.
    pub fn decompress(
        &mut self,
        codec: Compression,
        input: &[u8],
        limit: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), DecompressError> {
        let start = out.len();
        let mut output = Output::behind(start, out);
        let result = self.decompress_to(codec, input, limit, &mut output);
        let end = output.len();
        out.truncate(if result.is_ok() { end } else { start });
        result
    }

    /// The decompressed `input`, in memory that is used again when nobody holds it any more.
    ///
    /// # Errors
    ///
    /// As [`decompress`](Self::decompress).
    pub fn decompress_to_bytes(
        &mut self,
        codec: Compression,
        input: &[u8],
        limit: usize,
    ) -> Result<Bytes, DecompressError> {
        let mut buffer = self.outputs.get(self.expected.min(limit));
        let mut output = Output::behind(0, &mut buffer);
        match self.decompress_to(codec, input, limit, &mut output) {
            Ok(()) => {
                let length = output.len();
                self.expected = length.max(self.expected - self.expected / 8);
                Ok(self.outputs.freeze(buffer, length))
            }
            Err(error) => {
                self.outputs.put_back(buffer);
                Err(error)
            }
        }
    }

    fn decompress_to(
        &mut self,
        codec: Compression,
        input: &[u8],
        limit: usize,
        out: &mut Output<'_>,
    ) -> Result<(), DecompressError> {
        match codec {
            Compression::None if input.len() > limit => {
                Err(DecompressError::LimitExceeded { limit })
            }
            Compression::None => {
                out.put(input);
                Ok(())
            }
            _ if input.is_empty() => Err(DecompressError::Truncated { codec }),
            Compression::Gzip => {
                let gzip = self.gzip.get_or_insert_default();
                out.append(|out| gzip.decompress(input, limit, out))
            }
            Compression::Snappy => snappy::decompress(input, limit, out),
            Compression::Lz4 => lz4::decompress(input, lz4::HeaderChecksum::Verified, limit, out),
            Compression::Zstd => {
                let zstd = self.zstd.get_or_insert_default();
                out.append(|out| zstd.decompress(input, limit, out))
            }
        }
    }

    /// Like [`decompress`](Self::decompress) with [`Compression::Lz4`], for message sets of magic 0.
    ///
    /// Their writers computed the frame's header checksum over the magic number too (KAFKA-3160), so it is
    /// not verified here, as Java does not.
    ///
    /// # Errors
    ///
    /// As [`decompress`](Self::decompress).
    pub fn decompress_lz4_legacy(
        &mut self,
        input: &[u8],
        limit: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), DecompressError> {
        let start = out.len();
        let mut output = Output::behind(start, out);
        let ignored = lz4::HeaderChecksum::Ignored;
        let result = lz4::decompress(input, ignored, limit, &mut output);
        let end = output.len();
        out.truncate(if result.is_ok() { end } else { start });
        result
    }
}
