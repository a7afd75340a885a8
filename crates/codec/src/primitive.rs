//! Kafka's primitive types: big-endian integers, zigzag varints, strings and tagged fields.
//!
//! [`Reader`] reads them from a slice; every read is checked against what is left, so a forged
//! length is an error and never a panic or an allocation.

/// Why bytes from the network or a disk could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The bytes end before the value does.
    #[error("{what} ends early: {needed} bytes needed, {left} left")]
    Truncated {
        /// What was being read.
        what: &'static str,
        /// Bytes the value needs.
        needed: usize,
        /// Bytes that are left.
        left: usize,
    },
    /// A value that the format does not allow.
    #[error("{what} is invalid: {value}")]
    Invalid {
        /// What was being read.
        what: &'static str,
        /// The offending value.
        value: i64,
    },
    /// The checksum in a record batch does not match its bytes.
    #[error(
        "record batch at offset {base_offset} is corrupt: its CRC says {stored:#010x}, its bytes say {computed:#010x}"
    )]
    Crc {
        /// Base offset of the batch.
        base_offset: i64,
        /// Checksum stored in the batch.
        stored: u32,
        /// Checksum of the bytes received.
        computed: u32,
    },
    /// A record batch of a format that is not read, or not where it was found.
    #[error(
        "record batch at offset {base_offset} has format version {magic}, which is not supported here"
    )]
    UnsupportedMagic {
        /// Base offset of the batch.
        base_offset: i64,
        /// The format version found.
        magic: i8,
    },
}

/// Longest encoding of a 32-bit varint, in bytes.
pub const VARINT_BYTES_MAX: usize = 5;
/// Longest encoding of a 64-bit varint, in bytes.
pub const VARLONG_BYTES_MAX: usize = 10;

/// Zigzag: small magnitudes, negative or not, become small unsigned numbers.
#[inline]
pub(crate) const fn zigzag32(value: i32) -> u32 {
    ((value << 1) ^ (value >> 31)) as u32
}

#[inline]
pub(crate) const fn zigzag64(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

/// Bytes that `value` takes as a varint.
#[inline]
#[must_use]
pub const fn varint_size(value: i32) -> usize {
    // 7 bits a byte: ceil(bits / 7), at least 1.
    (38 - (zigzag32(value) | 1).leading_zeros() as usize) / 7
}

/// Bytes that `value` takes as a varlong.
#[inline]
#[must_use]
pub const fn varlong_size(value: i64) -> usize {
    (70 - (zigzag64(value) | 1).leading_zeros() as usize) / 7
}

/// Writes `value` as a varint at `at`; returns the position after it.
#[inline]
pub(crate) fn write_varint(into: &mut [u8], at: usize, value: i32) -> usize {
    write_unsigned(into, at, u64::from(zigzag32(value)))
}

/// Writes `value` as a varlong at `at`; returns the position after it.
#[inline]
pub(crate) fn write_varlong(into: &mut [u8], at: usize, value: i64) -> usize {
    write_unsigned(into, at, zigzag64(value))
}

#[inline]
fn write_unsigned(into: &mut [u8], mut at: usize, mut value: u64) -> usize {
    while value >= 0x80 {
        into[at] = value as u8 | 0x80;
        value >>= 7;
        at += 1;
    }
    into[at] = value as u8;
    at + 1
}

/// Appends `value` as an unsigned varint (lengths and tags of flexible versions, KIP-482).
#[inline]
pub fn put_unsigned_varint(into: &mut Vec<u8>, value: u32) {
    let mut scratch = [0; VARINT_BYTES_MAX];
    let end = write_unsigned(&mut scratch, 0, u64::from(value));
    into.extend_from_slice(&scratch[..end]);
}

/// Reads primitive values from a slice, front to back.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// Reads from the start of `bytes`.
    #[inline]
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Reads from position `at` of `bytes`.
    #[inline]
    #[must_use]
    pub const fn starting_at(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at }
    }

    /// Bytes read so far, counted from the start of the slice.
    #[inline]
    #[must_use]
    pub const fn position(&self) -> usize {
        self.at
    }

    /// Bytes not read yet.
    #[inline]
    #[must_use]
    pub const fn left(&self) -> usize {
        self.bytes.len().saturating_sub(self.at)
    }

    /// What was not read yet.
    #[inline]
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// Goes on where `rest`, an end of this reader's bytes, begins.
    #[inline]
    pub(crate) fn go_on_at(&mut self, rest: &[u8]) {
        self.at = self.bytes.len() - rest.len();
    }

    /// The next `count` bytes.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] if fewer are left.
    #[inline]
    pub fn take(&mut self, count: usize, what: &'static str) -> Result<&'a [u8], DecodeError> {
        let left = self.left();
        if count > left {
            return Err(DecodeError::Truncated {
                what,
                needed: count,
                left,
            });
        }
        let taken = &self.bytes[self.at..self.at + count];
        self.at += count;
        Ok(taken)
    }

    #[inline]
    fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], DecodeError> {
        match self.bytes.get(self.at..).and_then(<[u8]>::first_chunk) {
            Some(chunk) => {
                self.at += N;
                Ok(*chunk)
            }
            None => Err(DecodeError::Truncated {
                what,
                needed: N,
                left: self.left(),
            }),
        }
    }

    /// A signed byte.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`].
    #[inline]
    pub fn int8(&mut self, what: &'static str) -> Result<i8, DecodeError> {
        Ok(i8::from_be_bytes(self.array(what)?))
    }

    /// A 16-bit integer.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`].
    #[inline]
    pub fn int16(&mut self, what: &'static str) -> Result<i16, DecodeError> {
        Ok(i16::from_be_bytes(self.array(what)?))
    }

    /// A 32-bit integer.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`].
    #[inline]
    pub fn int32(&mut self, what: &'static str) -> Result<i32, DecodeError> {
        Ok(i32::from_be_bytes(self.array(what)?))
    }

    /// A 64-bit integer.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`].
    #[inline]
    pub fn int64(&mut self, what: &'static str) -> Result<i64, DecodeError> {
        Ok(i64::from_be_bytes(self.array(what)?))
    }

    /// The 16 bytes of a UUID (topic ids).
    ///
    /// # Errors
    /// [`DecodeError::Truncated`].
    #[inline]
    pub fn uuid(&mut self, what: &'static str) -> Result<[u8; 16], DecodeError> {
        self.array(what)
    }

    /// An unsigned varint of at most 32 bits.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`], or [`DecodeError::Invalid`] if it takes more than five bytes.
    #[inline]
    pub fn unsigned_varint(&mut self, what: &'static str) -> Result<u32, DecodeError> {
        // Nearly all varints of records are one byte.
        if let Some(&first) = self.bytes.get(self.at)
            && first < 0x80
        {
            self.at += 1;
            return Ok(u32::from(first));
        }
        let value = self.unsigned_long(VARINT_BYTES_MAX, what)?;
        u32::try_from(value).map_err(|_| DecodeError::Invalid {
            what,
            value: value as i64,
        })
    }

    /// A zigzag varint of 32 bits.
    ///
    /// # Errors
    /// As [`Reader::unsigned_varint`].
    #[inline]
    pub fn varint(&mut self, what: &'static str) -> Result<i32, DecodeError> {
        let value = self.unsigned_varint(what)?;
        Ok((value >> 1) as i32 ^ -((value & 1) as i32))
    }

    /// A zigzag varint of 64 bits.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`], or [`DecodeError::Invalid`] if it takes more than ten bytes.
    #[inline]
    pub fn varlong(&mut self, what: &'static str) -> Result<i64, DecodeError> {
        let value = self.unsigned_long(VARLONG_BYTES_MAX, what)?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    #[inline]
    fn unsigned_long(&mut self, bytes_max: usize, what: &'static str) -> Result<u64, DecodeError> {
        let mut value = 0_u64;
        for index in 0..bytes_max {
            let Some(&byte) = self.bytes.get(self.at) else {
                return Err(DecodeError::Truncated {
                    what,
                    needed: 1,
                    left: 0,
                });
            };
            self.at += 1;
            value |= u64::from(byte & 0x7f) << (7 * index);
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(DecodeError::Invalid {
            what,
            value: value as i64,
        })
    }

    /// Bytes behind a varint length, where -1 means null (record keys, values, header values).
    ///
    /// # Errors
    /// [`DecodeError::Truncated`], or [`DecodeError::Invalid`] for a length below -1.
    #[inline]
    pub fn varint_bytes(&mut self, what: &'static str) -> Result<Option<&'a [u8]>, DecodeError> {
        match self.varint(what)? {
            -1 => Ok(None),
            length @ 0.. => Ok(Some(self.take(length as usize, what)?)),
            length => Err(DecodeError::Invalid {
                what,
                value: length.into(),
            }),
        }
    }

    /// The element count of an array: `flexible` ones store count + 1 as unsigned varint, others an
    /// `int32`. A null array counts 0. A count that cannot fit into what is left, at
    /// `element_bytes_min` bytes an element, is refused before anything is allocated for it.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] or [`DecodeError::Invalid`].
    pub fn array_length(
        &mut self,
        flexible: bool,
        element_bytes_min: usize,
        what: &'static str,
    ) -> Result<usize, DecodeError> {
        let count = if flexible {
            self.unsigned_varint(what)?.saturating_sub(1) as usize
        } else {
            match self.int32(what)? {
                -1 => 0,
                count @ 0.. => count as usize,
                count => {
                    return Err(DecodeError::Invalid {
                        what,
                        value: count.into(),
                    });
                }
            }
        };
        let needed = count.saturating_mul(element_bytes_min);
        let left = self.left();
        if needed > left {
            return Err(DecodeError::Truncated { what, needed, left });
        }
        Ok(count)
    }

    /// A nullable string or byte field with an `int16` length, or a compact one if `flexible`.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] or [`DecodeError::Invalid`].
    pub fn nullable_string(
        &mut self,
        flexible: bool,
        what: &'static str,
    ) -> Result<Option<&'a [u8]>, DecodeError> {
        let length = if flexible {
            i64::from(self.unsigned_varint(what)?) - 1
        } else {
            self.int16(what)?.into()
        };
        match usize::try_from(length) {
            Ok(length) => Ok(Some(self.take(length, what)?)),
            Err(_) if length == -1 => Ok(None),
            Err(_) => Err(DecodeError::Invalid {
                what,
                value: length,
            }),
        }
    }

    /// Hands every tagged field to `field` as tag and bytes (KIP-482).
    ///
    /// # Errors
    /// [`DecodeError::Truncated`], or what `field` returns.
    pub fn tagged_fields(
        &mut self,
        mut field: impl FnMut(u32, &'a [u8]) -> Result<(), DecodeError>,
    ) -> Result<(), DecodeError> {
        for _ in 0..self.unsigned_varint("tagged field count")? {
            let tag = self.unsigned_varint("tag")?;
            let size = self.unsigned_varint("tagged field size")?;
            field(tag, self.take(size as usize, "tagged field")?)?;
        }
        Ok(())
    }

    /// Skips all tagged fields.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`].
    pub fn skip_tagged_fields(&mut self) -> Result<(), DecodeError> {
        self.tagged_fields(|_, _| Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_varint_reads_back_and_takes_the_size_it_announces(value: i32) {
            let mut bytes = [0; VARINT_BYTES_MAX];
            let end = write_varint(&mut bytes, 0, value);
            prop_assert_eq!(end, varint_size(value));
            let mut reader = Reader::new(&bytes[..end]);
            prop_assert_eq!(reader.varint("test"), Ok(value));
            prop_assert_eq!(reader.left(), 0);
        }

        #[test]
        fn a_varlong_reads_back_and_takes_the_size_it_announces(value: i64) {
            let mut bytes = [0; VARLONG_BYTES_MAX];
            let end = write_varlong(&mut bytes, 0, value);
            prop_assert_eq!(end, varlong_size(value));
            prop_assert_eq!(Reader::new(&bytes[..end]).varlong("test"), Ok(value));
        }

        #[test]
        fn any_bytes_read_as_a_value_or_an_error(bytes: Vec<u8>) {
            let _ = Reader::new(&bytes).varint("test");
            let _ = Reader::new(&bytes).varlong("test");
            let _ = Reader::new(&bytes).varint_bytes("test");
            let _ = Reader::new(&bytes).nullable_string(true, "test");
            let _ = Reader::new(&bytes).array_length(false, 4, "test");
            let _ = Reader::new(&bytes).skip_tagged_fields();
        }
    }

    #[test]
    fn small_varints_have_the_bytes_of_the_specification() {
        for (value, bytes) in [
            (0, &[0][..]),
            (-1, &[1]),
            (1, &[2]),
            (63, &[0x7e]),
            (-64, &[0x7f]),
            (64, &[0x80, 1]),
        ] {
            let mut out = [0; VARINT_BYTES_MAX];
            let end = write_varint(&mut out, 0, value);
            assert_eq!(&out[..end], bytes, "{value}");
        }
    }

    #[test]
    fn an_array_count_that_cannot_fit_is_refused() {
        let bytes = [0x7f, 0xff, 0xff, 0xff, 0];
        let error = Reader::new(&bytes).array_length(false, 4, "topics");
        assert!(
            matches!(error, Err(DecodeError::Truncated { .. })),
            "{error:?}"
        );
    }

    #[test]
    fn a_varint_that_never_ends_is_refused() {
        let error = Reader::new(&[0xff; 16]).varint("length");
        assert!(
            matches!(error, Err(DecodeError::Invalid { .. })),
            "{error:?}"
        );
    }
}
