//! Snappy in the framing of the Java library (xerial), which Kafka made its format.
//!
//! ```text
//! 82 'SNAPPY' 00 | i32 version 1 | i32 compatible version 1 | (i32 length, raw snappy block)*
//! ```
//! Read too: one bare snappy block without framing (librdkafka and old Go clients wrote it), and several
//! streams in a row. The versions are not checked: there has only ever been version 1, and some clients
//! wrote it in the wrong byte order.

use snap::raw;

use super::output::Output;
use super::{CompressError, Compression, DecompressError};

const MAGIC: [u8; 8] = *b"\x82SNAPPY\0";
const HEADER: [u8; 16] = *b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01";
/// What snappy-java writes by default.
const BLOCK: usize = 32 << 10;

/// Keeps a scratch block of the worst case (38 KiB): compressing into it and copying the result measured as
/// fast as zeroing that much at the end of the output, and the output stays as small as its content.
pub(super) struct Encoder {
    encoder: Box<raw::Encoder>,
    scratch: Box<[u8]>,
}

impl Encoder {
    pub(super) fn new() -> Self {
        Self {
            encoder: Box::new(raw::Encoder::new()),
            scratch: vec![0; raw::max_compress_len(BLOCK)].into_boxed_slice(),
        }
    }

    pub(super) fn compress(
        &mut self,
        input: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), CompressError> {
        out.extend_from_slice(&HEADER);
        for block in input.chunks(BLOCK) {
            let length = self
                .encoder
                .compress(block, &mut self.scratch)
                .map_err(|error| CompressError::Failed {
                    codec: Compression::Snappy,
                    detail: error.to_string(),
                })?;
            out.extend_from_slice(&(length as u32).to_be_bytes());
            out.extend_from_slice(&self.scratch[..length]);
        }
        Ok(())
    }
}

pub(super) fn decompress(
    input: &[u8],
    limit: usize,
    out: &mut Output<'_>,
) -> Result<(), DecompressError> {
    if !input.starts_with(&MAGIC) {
        let length = declared_len(input, limit)?;
        out.reserve(length);
        return decompress_block(input, length, out);
    }

    // All declared lengths are added up first: nothing is reserved or decoded when they pass the limit.
    let mut total = 0;
    for block in Blocks(input) {
        total += declared_len(block?, limit - total).map_err(|error| match error {
            DecompressError::LimitExceeded { .. } => DecompressError::LimitExceeded { limit },
            error => error,
        })?;
    }
    out.reserve(total);
    for block in Blocks(input) {
        let block = block?;
        decompress_block(block, declared_len(block, limit)?, out)?;
    }
    Ok(())
}

/// The blocks of xerial streams; an error ends them.
struct Blocks<'a>(&'a [u8]);

impl<'a> Iterator for Blocks<'a> {
    type Item = Result<&'a [u8], DecompressError>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.0.starts_with(&MAGIC) {
            let Some(rest) = self.0.get(HEADER.len()..) else {
                return Some(Err(self.truncated()));
            };
            self.0 = rest;
        }
        if self.0.is_empty() {
            return None;
        }
        let Some((length, rest)) = self.0.split_first_chunk() else {
            return Some(Err(self.truncated()));
        };
        // A negative length reads as one that no input can have.
        let Some((block, rest)) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)
        else {
            return Some(Err(self.truncated()));
        };
        self.0 = rest;
        Some(Ok(block))
    }
}

impl Blocks<'_> {
    fn truncated(&mut self) -> DecompressError {
        self.0 = &[];
        DecompressError::Truncated {
            codec: Compression::Snappy,
        }
    }
}

/// The size that a block says it has, if both the limit and the format allow it.
fn declared_len(block: &[u8], limit: usize) -> Result<usize, DecompressError> {
    let length = raw::decompress_len(block).map_err(|error| corrupt(&error))?;
    if length > limit {
        return Err(DecompressError::LimitExceeded { limit });
    }
    // The densest element is a copy of 64 bytes in 3.
    if length / 32 > block.len() {
        return Err(corrupt(
            &"declared length is beyond what the block can hold",
        ));
    }
    Ok(length)
}

fn decompress_block(
    block: &[u8],
    length: usize,
    out: &mut Output<'_>,
) -> Result<(), DecompressError> {
    raw::Decoder::new()
        .decompress(block, out.room(length).1)
        .map_err(|error| corrupt(&error))?;
    out.advance(length);
    Ok(())
}

fn corrupt(detail: &dyn ToString) -> DecompressError {
    DecompressError::Corrupt {
        codec: Compression::Snappy,
        detail: detail.to_string(),
    }
}
