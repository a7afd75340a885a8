//! Compression codecs of record batches.

/// A codec.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Compression {
    /// Not compressed.
    #[default]
    None,
}

impl Compression {
    /// Id.
    pub const fn id(self) -> u8 {
        0
    }
    /// From id.
    pub const fn from_id(id: u8) -> Option<Self> {
        if id == 0 { Some(Self::None) } else { None }
    }
}

/// Error.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("compress")]
pub struct CompressError;

/// Error.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecompressError {
    /// Unknown codec.
    #[error("unknown compression codec {id}")]
    UnknownCodec {
        /// Id.
        id: u8,
    },
}

/// Compressor.
#[derive(Debug)]
pub struct Compressor;

impl Compressor {
    /// Codec.
    pub const fn compression(&self) -> Compression {
        Compression::None
    }
    /// Compress.
    pub fn compress(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<(), CompressError> {
        out.extend_from_slice(input);
        Ok(())
    }
}

/// Decompressor.
#[derive(Debug, Default)]
pub struct Decompressor;

impl Decompressor {
    /// Decompress.
    pub fn decompress(
        &mut self,
        _codec: Compression,
        input: &[u8],
        _limit: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), DecompressError> {
        out.extend_from_slice(input);
        Ok(())
    }
}
