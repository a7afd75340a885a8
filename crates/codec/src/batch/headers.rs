//! The headers of a record, read in place.

use super::encode::Header;
use crate::primitive::{DecodeError, Reader};

/// The headers of a record, in order; they were checked when the record was read.
///
/// They are equal where their keys and values are, however their lengths were written: a varint may have bytes to spare.
#[derive(Clone, Copy, Debug, Default)]
pub struct Headers<'a> {
    bytes: &'a [u8],
    count: i32,
}

impl PartialEq for Headers<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.count == other.count && self.iter().eq(other.iter())
    }
}

impl Eq for Headers<'_> {}

impl<'a> Headers<'a> {
    /// Out of line, to keep the way of records without headers short enough for its callers to take in.
    #[inline(never)]
    pub(super) fn read_all(bytes: &'a [u8]) -> Option<Self> {
        Self::read(&mut Reader::new(bytes)).ok()
    }

    /// Checks all headers once, so that iterating cannot fail.
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let count = reader.varint("header count")?;
        if count == 0 && reader.left() == 0 {
            return Ok(Self::default());
        }
        if count < 0 {
            return Err(DecodeError::Invalid {
                what: "header count",
                value: count.into(),
            });
        }
        let bytes = reader.take(reader.left(), "headers")?;
        let mut check = Reader::new(bytes);
        for _ in 0..count {
            read_header(&mut check)?;
        }
        if check.left() > 0 {
            return Err(DecodeError::Invalid {
                what: "bytes after the last header",
                value: check.left() as i64,
            });
        }
        Ok(Self { bytes, count })
    }

    /// Number of headers.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.count as usize
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The headers in the order they were written.
    pub fn iter(&self) -> impl Iterator<Item = Header<'a>> + use<'a> {
        let mut reader = Reader::new(self.bytes);
        (0..self.count).map_while(move |_| read_header(&mut reader).ok())
    }

    /// The last header named `key`, as Java's `Headers.lastHeader`.
    #[must_use]
    pub fn last(&self, key: &str) -> Option<Header<'a>> {
        let named = |header: &Header<'a>| header.key == key.as_bytes();
        self.iter().filter(named).last()
    }
}

fn read_header<'a>(reader: &mut Reader<'a>) -> Result<Header<'a>, DecodeError> {
    let Some(key) = reader.varint_bytes("header key")? else {
        return Err(DecodeError::Invalid {
            what: "header key length",
            value: -1,
        });
    };
    Ok(Header {
        key,
        value: reader.varint_bytes("header value")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_equal_however_their_lengths_are_written() {
        let headers = |bytes| Headers::read_all(bytes).unwrap();
        assert_eq!(headers(&[2, 2, b'k', 0]), headers(&[2, 2, b'k', 0x80, 0]));
        assert_ne!(headers(&[2, 2, b'k', 0]), headers(&[2, 2, b'k', 1]));
        assert_ne!(headers(&[2, 2, b'k', 0]), headers(&[0]));
    }
}
