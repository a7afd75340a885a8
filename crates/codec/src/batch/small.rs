//! Records whose numbers are small, read and written in registers.
//!
//! Nearly all records are: shorter than 1 MiB, close to their batch's first in offset and time. Reading one takes no step that
//! carries an error, and writing one puts all that stands before the key together before it touches memory.
//! Every other record, and every broken one, goes the general way, which tells what is wrong.

use crate::primitive::{zigzag32, zigzag64};

/// A record as it lies in its batch.
pub(super) struct SmallRecord<'a> {
    pub(super) timestamp_delta: i32,
    pub(super) offset_delta: i32,
    pub(super) key: Option<&'a [u8]>,
    pub(super) value: Option<&'a [u8]>,
    /// Headers, not looked at yet, with their count.
    pub(super) headers: &'a [u8],
    /// Bytes that follow it.
    pub(super) rest: &'a [u8],
}

impl<'a> SmallRecord<'a> {
    /// The record at the start of `bytes`, if it is whole and small and not within the last few bytes.
    ///
    /// What stands before the key takes at most 13 bytes, so two loads bring all of it, whose bounds are checked once.
    #[expect(
        clippy::inline_always,
        reason = "handed over in memory, the parts of a record cost 5 ns of 14"
    )]
    #[inline(always)]
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        let window: &[u8; 16] = bytes.first_chunk()?;
        let mut start = Varints::load(window, 0)?;
        let record_bytes = usize::try_from(start.next()?).ok()?;
        let (record, rest) = bytes.split_at_checked(start.at + record_bytes)?;
        start.skip_byte(); // attributes, unused by every version so far
        let timestamp_delta = start.next()?;
        let mut middle = Varints::load(window, start.at)?;
        let offset_delta = middle.next()?;
        let key_length = middle.next()?;
        let (key, record) = nullable(key_length, record.get(middle.at..)?)?;
        let (value_length, record) = varint(record)?;
        let (value, record) = nullable(value_length, record)?;
        Some(Self {
            timestamp_delta,
            offset_delta,
            key,
            value,
            headers: record,
            rest,
        })
    }

    /// What follows the record at the start of `bytes`, if it is whole and small.
    #[inline]
    pub(super) fn skip(bytes: &'a [u8]) -> Option<&'a [u8]> {
        let (record_bytes, record) = varint(bytes)?;
        record.get(usize::try_from(record_bytes).ok()?..)
    }
}

/// Zigzag varints of at most three bytes, taken from eight bytes in a register.
struct Varints {
    word: u64,
    /// Where the next one lies.
    at: usize,
}

impl Varints {
    #[inline]
    fn load(window: &[u8; 16], at: usize) -> Option<Self> {
        let word = u64::from_le_bytes(*window.get(at..)?.first_chunk()?);
        Some(Self { word, at })
    }

    #[inline]
    fn skip_byte(&mut self) {
        self.word >>= 8;
        self.at += 1;
    }

    #[inline]
    fn next(&mut self) -> Option<i32> {
        let word = self.word;
        let (value, bytes) = if word & 0x80 == 0 {
            (word & 0x7f, 1)
        } else if word & 0x8000 == 0 {
            (word & 0x7f | word >> 1 & 0x3f80, 2)
        } else if word & 0x80_0000 == 0 {
            (word & 0x7f | word >> 1 & 0x3f80 | word >> 2 & 0x1f_c000, 3)
        } else {
            return None;
        };
        self.word >>= 8 * bytes;
        self.at += bytes;
        Some(unzigzag(value as u32))
    }
}

#[inline]
const fn unzigzag(value: u32) -> i32 {
    (value >> 1) as i32 ^ -((value & 1) as i32)
}

/// A zigzag varint of at most three bytes, and what follows.
#[inline]
fn varint(bytes: &[u8]) -> Option<(i32, &[u8])> {
    let (value, rest) = match bytes {
        [a @ 0..0x80, rest @ ..] => (u32::from(*a), rest),
        [a, b @ 0..0x80, rest @ ..] => (u32::from(*a & 0x7f) | u32::from(*b) << 7, rest),
        [a, b, c @ 0..0x80, rest @ ..] => (
            u32::from(*a & 0x7f) | u32::from(*b & 0x7f) << 7 | u32::from(*c) << 14,
            rest,
        ),
        _ => return None,
    };
    Some((unzigzag(value), rest))
}

/// The bytes that a length announced, where -1 means null, and what follows.
#[inline]
fn nullable(length: i32, bytes: &[u8]) -> Option<(Option<&[u8]>, &[u8])> {
    if length == -1 {
        return Some((None, bytes));
    }
    let (taken, rest) = bytes.split_at_checked(usize::try_from(length).ok()?)?;
    Some((Some(taken), rest))
}

/// A few bytes, the first lowest.
#[derive(Clone, Copy)]
pub(super) struct Word {
    bits: u64,
    bytes: usize,
}

impl Word {
    /// Room that [`Word::append_to`] needs.
    pub(super) const ROOM: usize = 8;

    #[inline]
    pub(super) fn int(value: i32) -> Option<Self> {
        Self::varint(zigzag32(value).into())
    }

    /// A varint of at most three bytes. Branches, as neighbours are alike and the shifts that would replace them wait for
    /// each other.
    #[inline]
    fn varint(value: u64) -> Option<Self> {
        let (bits, bytes) = match value {
            0..0x80 => (value, 1),
            0x80..0x4000 => (value & 0x7f | 0x80 | value >> 7 << 8, 2),
            0x4000..0x20_0000 => (
                value & 0x7f | (value & 0x3f80) << 1 | 0x8080 | value >> 14 << 16,
                3,
            ),
            _ => return None,
        };
        Some(Self { bits, bytes })
    }

    /// Both, which take at most eight bytes.
    #[inline]
    fn then(self, next: Self) -> Self {
        Self {
            bits: self.bits | next.bits << (8 * self.bytes),
            bytes: self.bytes + next.bytes,
        }
    }

    /// Appends it; where there is less room the buffer would grow. A copy of a fixed length takes a few instructions, one of a variable
    /// length a call.
    #[inline]
    pub(super) fn append_to(self, into: &mut Vec<u8>) {
        let end = into.len() + self.bytes;
        into.extend_from_slice(&self.bits.to_le_bytes());
        into.truncate(end);
    }

    #[inline]
    pub(super) fn bytes(self) -> usize {
        self.bytes
    }
}

/// What stands before a record's key: length, attributes and timestamp delta; offset delta and length of the key.
pub(super) struct Prefix(Word, Word);

impl Prefix {
    /// Room that [`Prefix::append_to`] needs.
    pub(super) const ROOM: usize = 2 * Word::ROOM;

    /// For a record with `body_bytes` behind the key's length.
    #[inline]
    pub(super) fn new(
        timestamp_delta: i64,
        offset_delta: i32,
        key_length: i32,
        body_bytes: usize,
    ) -> Option<Self> {
        let timestamp_delta = Word::varint(zigzag64(timestamp_delta))?;
        let offset_and_key = Word::int(offset_delta)?.then(Word::int(key_length)?);
        let record_bytes = 1 + timestamp_delta.bytes + offset_and_key.bytes + body_bytes;
        let length = Word::varint((record_bytes as u64) << 1)?;
        let attributes = Word { bits: 0, bytes: 1 }; // unused by every version so far
        let start = length.then(attributes).then(timestamp_delta);
        Some(Self(start, offset_and_key))
    }

    #[inline]
    pub(super) fn bytes(&self) -> usize {
        self.0.bytes + self.1.bytes
    }

    #[inline]
    pub(super) fn append_to(&self, into: &mut Vec<u8>) {
        self.0.append_to(into);
        self.1.append_to(into);
    }
}
