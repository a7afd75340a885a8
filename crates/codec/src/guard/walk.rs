//! The walk over one body, and the shape of the tables that lead it.

use super::GuardError;
use crate::primitive::{DecodeError, Reader};

/// What an unknown tagged field takes in memory at most: the message crate keeps them in a B-tree, whose first node comes
/// with the first field and has room for eleven.
const UNKNOWN_TAG_MEMORY: usize = 416;
/// A string in memory is a `Bytes`.
const STRING_MEMORY: usize = size_of::<bytes::Bytes>();

/// A response in a row of versions in which it looks alike.
pub(super) struct Response {
    pub(super) api: i16,
    pub(super) min: i16,
    pub(super) max: i16,
    /// Whether lengths are varints and structs end with tagged fields (KIP-482).
    pub(super) flexible: bool,
    pub(super) body: &'static Shape,
}

/// A message, or the element of an array.
pub(super) struct Shape {
    /// As the schema names it.
    pub(super) name: &'static str,
    /// Bytes on the wire, at least; never 0, so that a count is bounded by the bytes left.
    pub(super) bytes_min: usize,
    /// Bytes of the message crate's struct, at most.
    pub(super) memory: usize,
    pub(super) fields: &'static [Field],
}

/// A step of the walk. Null is allowed everywhere: it takes no memory, and the message crate refuses it where the schema does.
pub(super) enum Field {
    /// Numbers, flags and UUIDs in a row: the sum of their bytes.
    Fixed(usize),
    /// A string.
    String(&'static str),
    /// Bytes or record batches.
    Bytes(&'static str),
    /// An array of numbers, each of so many bytes (a power of two), in memory as on the wire.
    FixedArray(&'static str, usize),
    /// An array of strings.
    StringArray(&'static str),
    /// An array of structs.
    StructArray(&'static str, &'static Shape),
    /// A struct behind a byte that says whether it is there. One that is always there has no step: its fields stand in its place.
    NullableStruct(&'static str, &'static [Field]),
    /// The tagged fields at the end of a flexible struct, with those that the schema knows.
    Tags(&'static [(u32, &'static [Field])]),
}

/// Boxed, an error fits into a register: the walk is a tenth faster.
type Step<T> = Result<T, Box<GuardError>>;

/// Walks over `body`; returns the memory that its elements may take, `memory_max` at most.
pub(super) fn walk(response: &Response, body: &[u8], memory_max: usize) -> Step<usize> {
    let mut budget = Budget {
        body_bytes: body.len(),
        // Arrays of numbers take in memory what they take on the wire.
        memory: body.len(),
        memory_max,
    };
    let message = response.body;
    if response.flexible {
        let rest = Rest::<true>(body);
        let rest = structs(1, message.name, message.fields, rest, &mut budget)?;
        rest.end(message.name)?;
    } else {
        let rest = Rest::<false>(body);
        let rest = structs(1, message.name, message.fields, rest, &mut budget)?;
        rest.end(message.name)?;
    }
    Ok(budget.memory)
}

/// Walks over `count` structs in a row; returns what follows them. Where the walk is goes in and out by value, so that it
/// stays in registers.
fn structs<'a, const FLEXIBLE: bool>(
    count: usize,
    name: &'static str,
    fields: &'static [Field],
    mut rest: Rest<'a, FLEXIBLE>,
    budget: &mut Budget,
) -> Step<Rest<'a, FLEXIBLE>> {
    for _ in 0..count {
        for field in fields {
            match *field {
                Field::Fixed(bytes) => rest.skip(bytes, name)?,
                Field::String(name) => rest.string(name)?,
                // An array of one-byte elements, as far as its length goes.
                Field::Bytes(name) => rest.fixed_array(1, name)?,
                Field::FixedArray(name, bytes) => rest.fixed_array(bytes, name)?,
                Field::StringArray(name) => {
                    let count = rest.count(if FLEXIBLE { 1 } else { 2 }, name)?;
                    budget.charge(count, STRING_MEMORY)?;
                    for _ in 0..count {
                        rest.string(name)?;
                    }
                }
                Field::StructArray(name, shape) => {
                    let count = rest.count(shape.bytes_min, name)?;
                    budget.charge(count, shape.memory)?;
                    rest = structs(count, shape.name, shape.fields, rest, budget)?;
                }
                Field::NullableStruct(name, fields) => {
                    let [present] = rest.take(name)?;
                    match i8::from_be_bytes([present]) {
                        1 => rest = structs(1, name, fields, rest, budget)?,
                        -1 => {}
                        other => return invalid(name, other.into()),
                    }
                }
                Field::Tags(known) => {
                    let count = rest.varint(name)?;
                    if count > 0 {
                        rest = tags(count, name, known, rest, budget)?;
                    }
                }
            }
        }
    }
    Ok(rest)
}

/// The message crate reads a tagged field that it knows by its type and not by its size: the two must agree.
fn tags<'a, const FLEXIBLE: bool>(
    count: u32,
    name: &'static str,
    known: &'static [(u32, &'static [Field])],
    mut rest: Rest<'a, FLEXIBLE>,
    budget: &mut Budget,
) -> Step<Rest<'a, FLEXIBLE>> {
    for _ in 0..count {
        let tag = rest.varint(name)?;
        let size = rest.varint(name)? as usize;
        let value = Rest::<FLEXIBLE>(rest.0.get(..size).unwrap_or_default());
        rest.skip(size, name)?;
        match known.iter().find(|(known, _)| *known == tag) {
            Some((_, fields)) => structs(1, name, fields, value, budget)?.end(name)?,
            None => budget.charge(1, UNKNOWN_TAG_MEMORY)?,
        }
    }
    Ok(rest)
}

/// The memory that decoding will take.
struct Budget {
    body_bytes: usize,
    memory: usize,
    memory_max: usize,
}

impl Budget {
    fn charge(&mut self, count: usize, memory: usize) -> Step<()> {
        self.memory = self.memory.saturating_add(count.saturating_mul(memory));
        if self.memory > self.memory_max {
            return Err(Box::new(GuardError::TooDense {
                body_bytes: self.body_bytes,
                memory_max: self.memory_max,
            }));
        }
        Ok(())
    }
}

/// What is left of the message, or of the tagged field that is walked over.
struct Rest<'a, const FLEXIBLE: bool>(&'a [u8]);

impl<const FLEXIBLE: bool> Rest<'_, FLEXIBLE> {
    #[inline]
    fn string(&mut self, name: &'static str) -> Step<()> {
        let bytes = if FLEXIBLE {
            self.varint(name)?.saturating_sub(1) as usize
        } else {
            length(i16::from_be_bytes(self.take(name)?).into(), name)?
        };
        self.skip(bytes, name)
    }

    /// The number of elements that an array claims to have, if what is left can hold them.
    #[inline]
    fn count(&mut self, bytes_min: usize, name: &'static str) -> Step<usize> {
        let count = self.claimed(name)?;
        let needed = count.saturating_mul(bytes_min);
        if needed > self.0.len() {
            return truncated(name, needed, self.0.len());
        }
        Ok(count)
    }

    #[inline]
    fn claimed(&mut self, name: &'static str) -> Step<usize> {
        if FLEXIBLE {
            match self.varint(name)? {
                // Null, and empty.
                0 | 1 => Ok(0),
                more => Ok(more as usize - 1),
            }
        } else {
            length(i32::from_be_bytes(self.take(name)?), name)
        }
    }

    /// Skips an array of numbers.
    #[inline]
    fn fixed_array(&mut self, bytes: usize, name: &'static str) -> Step<()> {
        let count = self.claimed(name)?;
        // Where the next field begins hangs on this count. A predicted branch lets the processor go on without waiting for
        // it, and a shift makes it wait less than a multiplication.
        if count == 0 {
            return Ok(());
        }
        let bytes = (count as u64) << bytes.trailing_zeros();
        self.skip(usize::try_from(bytes).unwrap_or(usize::MAX), name)
    }

    #[inline]
    fn varint(&mut self, name: &'static str) -> Step<u32> {
        // Nearly all are one byte.
        if let [first @ ..0x80, rest @ ..] = self.0 {
            self.0 = rest;
            return Ok((*first).into());
        }
        let (value, bytes) = long_varint(self.0, name)?;
        self.skip(bytes, name)?;
        Ok(value)
    }

    #[inline]
    fn take<const N: usize>(&mut self, name: &'static str) -> Step<[u8; N]> {
        match self.0.split_first_chunk() {
            Some((chunk, rest)) => {
                self.0 = rest;
                Ok(*chunk)
            }
            None => truncated(name, N, self.0.len()),
        }
    }

    #[inline]
    fn skip(&mut self, bytes: usize, name: &'static str) -> Step<()> {
        match self.0.get(bytes..) {
            Some(rest) => {
                self.0 = rest;
                Ok(())
            }
            None => truncated(name, bytes, self.0.len()),
        }
    }

    fn end(&self, what: &'static str) -> Step<()> {
        match self.0.len() {
            0 => Ok(()),
            count => Err(Box::new(GuardError::TrailingBytes { what, count })),
        }
    }
}

/// A varint and the bytes that it takes.
#[cold]
fn long_varint(bytes: &[u8], name: &'static str) -> Step<(u32, usize)> {
    let mut reader = Reader::new(bytes);
    match reader.unsigned_varint(name) {
        Ok(value) => Ok((value, reader.position())),
        Err(error) => malformed(error),
    }
}

/// A length that is no varint; -1 is null.
#[inline]
fn length(length: i32, name: &'static str) -> Step<usize> {
    match usize::try_from(length) {
        Ok(length) => Ok(length),
        Err(_) if length == -1 => Ok(0),
        Err(_) => invalid(name, length.into()),
    }
}

#[cold]
fn truncated<T>(what: &'static str, needed: usize, left: usize) -> Step<T> {
    malformed(DecodeError::Truncated { what, needed, left })
}

#[cold]
fn invalid<T>(what: &'static str, value: i64) -> Step<T> {
    malformed(DecodeError::Invalid { what, value })
}

fn malformed<T>(error: DecodeError) -> Step<T> {
    Err(Box::new(GuardError::Malformed(error)))
}
