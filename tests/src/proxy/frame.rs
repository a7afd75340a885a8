//! Frames as the proxy sees them: a size, and at fixed places API, version and correlation id.

use std::io::{self, Read};

use super::rule::Direction;

/// Bytes of the size field.
pub(super) const SIZE: usize = 4;
/// Nobody under test sends larger ones.
const BYTES_MAX: usize = 256 << 20;

/// A whole frame, its size field included.
#[derive(Debug)]
pub(super) struct Frame {
    /// Key of its API; -1 if unknown.
    pub(super) api: i16,
    pub(super) bytes: Vec<u8>,
}

impl Frame {
    /// Reads a frame whose first four bytes are `size`.
    pub(super) fn read(size: [u8; SIZE], stream: &mut impl Read) -> io::Result<Self> {
        let length = usize::try_from(i32::from_be_bytes(size)).unwrap_or(usize::MAX);
        if length > BYTES_MAX {
            let text = format!("no frame begins with {size:02x?}");
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        let mut bytes = vec![0; SIZE + length];
        bytes[..SIZE].copy_from_slice(&size);
        stream.read_exact(&mut bytes[SIZE..])?;
        Ok(Self { api: -1, bytes })
    }

    /// The API key of a request.
    pub(super) fn request_api(&self) -> Option<i16> {
        Some(i16::from_be_bytes(self.at(SIZE)?))
    }

    /// Its correlation id.
    pub(super) fn id(&self, direction: Direction) -> Option<i32> {
        Some(i32::from_be_bytes(self.at(id_at(direction))?))
    }

    fn at<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        self.bytes.get(at..)?.first_chunk().copied()
    }
}

/// Where a frame's correlation id is: a request's API key and version come before it.
pub(super) fn id_at(direction: Direction) -> usize {
    match direction {
        Direction::Request => SIZE + 4,
        Direction::Response => SIZE,
    }
}

/// Whether a stream that begins so is TLS: a handshake record of version 3.x.
pub(super) fn is_tls(first: [u8; SIZE]) -> bool {
    first[0] == 22 && first[1] == 3
}
