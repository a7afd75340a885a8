//! zstd by the C library, with feature `zstd-c`: all levels.
//!
//! The one-pass calls decode straight into the output, which serves as the window, so a frame's window
//! size costs no memory of its own.

use std::io::Cursor;

use zstd::zstd_safe::{self, CCtx, CParameter, DCtx};

use super::{CompressError, Compression, DecompressError};

/// Java's default level.
const LEVEL_DEFAULT: i32 = 3;
/// `ZSTD_error_dstSize_tooSmall`, as the library returns it.
const OUTPUT_TOO_SMALL: usize = 0usize.wrapping_sub(70);
/// `ZSTD_error_srcSize_wrong`: the input ends early.
const INPUT_TOO_SHORT: usize = 0usize.wrapping_sub(72);

pub(super) struct Encoder {
    context: CCtx<'static>,
    /// Room for the worst case, so that `out` stays as small as its content.
    scratch: Vec<u8>,
}

impl Encoder {
    pub(super) fn new(level: Option<i32>) -> Result<Self, CompressError> {
        let level = match level {
            None | Some(0) => LEVEL_DEFAULT,
            Some(level @ -131_072..=22) => level,
            Some(level) => {
                return Err(CompressError::LevelOutOfRange {
                    codec: Compression::Zstd,
                    level,
                    range: "-131072 to 22",
                });
            }
        };
        let mut context = CCtx::create();
        context
            .set_parameter(CParameter::CompressionLevel(level))
            .map_err(failed)?;
        Ok(Self {
            context,
            scratch: Vec::new(),
        })
    }

    pub(super) fn compress(
        &mut self,
        input: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), CompressError> {
        self.scratch.clear();
        self.scratch.reserve(zstd_safe::compress_bound(input.len()));
        self.context
            .compress2(&mut self.scratch, input)
            .map_err(failed)?;
        out.extend_from_slice(&self.scratch);
        Ok(())
    }
}

fn failed(code: usize) -> CompressError {
    CompressError::Failed {
        codec: Compression::Zstd,
        detail: zstd_safe::get_error_name(code).to_owned(),
    }
}

pub(super) struct Decoder(DCtx<'static>);

impl Default for Decoder {
    fn default() -> Self {
        Self(DCtx::create())
    }
}

impl Decoder {
    /// Frames need not say their size (Java's don't), so the room is guessed and quadrupled while too small.
    pub(super) fn decompress(
        &mut self,
        input: &[u8],
        limit: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), DecompressError> {
        let codec = Compression::Zstd;
        let start = out.len();
        let mut room = match zstd_safe::get_frame_content_size(input) {
            Ok(Some(size)) if size > limit as u64 => {
                return Err(DecompressError::LimitExceeded { limit });
            }
            Ok(Some(size)) => size as usize,
            _ => input.len().saturating_mul(8).min(limit),
        };
        loop {
            out.reserve(room);
            let mut target = Cursor::new(&mut *out);
            target.set_position(start as u64);
            match self.0.decompress(&mut target, input) {
                // `out` may have had more room than the limit.
                Ok(_) if out.len() - start > limit => {
                    return Err(DecompressError::LimitExceeded { limit });
                }
                Ok(_) => return Ok(()),
                Err(OUTPUT_TOO_SMALL) if room >= limit => {
                    return Err(DecompressError::LimitExceeded { limit });
                }
                Err(OUTPUT_TOO_SMALL) => room = room.max(1024).saturating_mul(4).min(limit),
                Err(INPUT_TOO_SHORT) => return Err(DecompressError::Truncated { codec }),
                Err(code) => {
                    return Err(DecompressError::Corrupt {
                        codec,
                        detail: zstd_safe::get_error_name(code).to_owned(),
                    });
                }
            }
        }
    }
}
