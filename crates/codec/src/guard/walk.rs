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
    /// An array of numbers, each of so many bytes, in memory as on the wire.
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

/// Walks over `body`; returns the memory that its elements may take.
pub(super) fn walk(
    response: &Response,
    body: &[u8],
    memory_max: usize,
) -> Result<usize, GuardError> {
    if response.flexible {
        Walk::<true>::run(response.body, body, memory_max)
    } else {
        Walk::<false>::run(response.body, body, memory_max)
    }
}

struct Walk<'a, const FLEXIBLE: bool> {
    reader: Reader<'a>,
    body_bytes: usize,
    memory: usize,
    memory_max: usize,
}

impl<'a, const FLEXIBLE: bool> Walk<'a, FLEXIBLE> {
    fn run(
        message: &'static Shape,
        body: &'a [u8],
        memory_max: usize,
    ) -> Result<usize, GuardError> {
        let mut walk = Self {
            reader: Reader::new(body),
            body_bytes: body.len(),
            memory: 0,
            memory_max,
        };
        walk.fields(message.name, message.fields)?;
        walk.end(message.name)?;
        Ok(walk.memory)
    }

    /// `name` is that of the struct.
    fn fields(&mut self, name: &'static str, fields: &'static [Field]) -> Result<(), GuardError> {
        for field in fields {
            match *field {
                Field::Fixed(bytes) => self.skip(bytes, name)?,
                Field::String(name) => self.string(name)?,
                Field::Bytes(name) => {
                    // An array of one-byte elements, as far as its length goes.
                    let bytes = self.count(1, name)?;
                    self.skip(bytes, name)?;
                }
                Field::FixedArray(name, bytes) => {
                    let bytes = self.count(bytes, name)? * bytes;
                    self.charge(bytes)?;
                    self.skip(bytes, name)?;
                }
                Field::StringArray(name) => {
                    let count = self.count(if FLEXIBLE { 1 } else { 2 }, name)?;
                    self.charge(count.saturating_mul(STRING_MEMORY))?;
                    for _ in 0..count {
                        self.string(name)?;
                    }
                }
                Field::StructArray(name, shape) => {
                    let count = self.count(shape.bytes_min, name)?;
                    self.charge(count.saturating_mul(shape.memory))?;
                    for _ in 0..count {
                        self.fields(shape.name, shape.fields)?;
                    }
                }
                Field::NullableStruct(name, fields) => match self.reader.int8(name)? {
                    1 => self.fields(name, fields)?,
                    -1 => {}
                    value => {
                        let value = value.into();
                        return Err(DecodeError::Invalid { what: name, value }.into());
                    }
                },
                Field::Tags(known) => self.tags(name, known)?,
            }
        }
        Ok(())
    }

    /// The message crate reads a tagged field that it knows by its type and not by its size: the two must agree.
    fn tags(
        &mut self,
        name: &'static str,
        known: &'static [(u32, &'static [Field])],
    ) -> Result<(), GuardError> {
        for _ in 0..self.reader.unsigned_varint(name)? {
            let tag = self.reader.unsigned_varint(name)?;
            let size = self.reader.unsigned_varint(name)?;
            let value = self.reader.take(size as usize, name)?;
            match known.iter().find(|(known, _)| *known == tag) {
                Some((_, fields)) => {
                    let outer = std::mem::replace(&mut self.reader, Reader::new(value));
                    self.fields(name, fields)?;
                    self.end(name)?;
                    self.reader = outer;
                }
                None => self.charge(UNKNOWN_TAG_MEMORY)?,
            }
        }
        Ok(())
    }

    fn string(&mut self, name: &'static str) -> Result<(), GuardError> {
        self.reader.nullable_string(FLEXIBLE, name)?;
        Ok(())
    }

    fn count(&mut self, bytes_min: usize, name: &'static str) -> Result<usize, GuardError> {
        Ok(self.reader.array_length(FLEXIBLE, bytes_min, name)?)
    }

    fn skip(&mut self, bytes: usize, name: &'static str) -> Result<(), GuardError> {
        self.reader.take(bytes, name)?;
        Ok(())
    }

    fn charge(&mut self, memory: usize) -> Result<(), GuardError> {
        self.memory = self.memory.saturating_add(memory);
        if self.memory > self.memory_max {
            return Err(GuardError::TooDense {
                body_bytes: self.body_bytes,
                memory_max: self.memory_max,
            });
        }
        Ok(())
    }

    fn end(&self, what: &'static str) -> Result<(), GuardError> {
        match self.reader.left() {
            0 => Ok(()),
            count => Err(GuardError::TrailingBytes { what, count }),
        }
    }
}
