//! Bodies built from the guard's own tables; that the message crate reads and writes the same bytes proves the tables.

use crate::guard::walk::{Field, Response};
use crate::primitive::put_unsigned_varint;

/// A tag that no schema has.
const UNKNOWN_TAG: u32 = 1000;

/// What a body's writer has to choose.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Choice {
    /// How many strings or structs an array has, at this depth of arrays.
    Elements(usize),
    /// How many numbers an array of them has.
    Numbers,
    /// How long a string is.
    StringBytes,
    /// Whether a nullable struct, or a tagged field that the schema knows, is there.
    Present,
    /// How many unknown tagged fields a struct has, at this depth of arrays.
    UnknownTags(usize),
}

/// The body of `response` that `choose` asks for.
pub(super) fn body(response: &Response, choose: &mut dyn FnMut(Choice) -> usize) -> Vec<u8> {
    let mut writer = Writer {
        body: Vec::new(),
        flexible: response.flexible,
        depth: 0,
        choose,
    };
    writer.fields(response.body.fields, 0);
    writer.body
}

struct Writer<'a> {
    body: Vec<u8>,
    flexible: bool,
    depth: usize,
    choose: &'a mut dyn FnMut(Choice) -> usize,
}

impl Writer<'_> {
    /// Strings and arrays get `length_min` elements at least: an empty tagged field would not be written again.
    fn fields(&mut self, fields: &[Field], length_min: usize) {
        for field in fields {
            match *field {
                // 1 is a valid flag, and the default of nothing.
                Field::Fixed(bytes) => self.ones(bytes),
                Field::String(_) => self.string(length_min),
                Field::Bytes(_) => {
                    let length = length_min.max((self.choose)(Choice::StringBytes));
                    self.count(length, 4);
                    self.ones(length);
                }
                Field::FixedArray(_, bytes) => {
                    let count = length_min.max((self.choose)(Choice::Numbers));
                    self.count(count, 4);
                    self.ones(count * bytes);
                }
                Field::StringArray(_) => {
                    for _ in 0..self.array(length_min) {
                        self.string(0);
                    }
                }
                Field::StructArray(_, shape) => {
                    let count = self.array(length_min);
                    self.depth += 1;
                    for _ in 0..count {
                        self.fields(shape.fields, 0);
                    }
                    self.depth -= 1;
                }
                Field::NullableStruct(_, fields) => {
                    if length_min.max((self.choose)(Choice::Present)) > 0 {
                        self.body.push(1);
                        self.fields(fields, 0);
                    } else {
                        self.body.push(0xff);
                    }
                }
                Field::Tags(known) => self.tags(known),
            }
        }
    }

    fn tags(&mut self, known: &[(u32, &[Field])]) {
        let mut tags = Vec::new();
        for (tag, fields) in known {
            if (self.choose)(Choice::Present) > 0 {
                let outer = std::mem::take(&mut self.body);
                self.fields(fields, 1);
                tags.push((*tag, std::mem::replace(&mut self.body, outer)));
            }
        }
        for index in 0..(self.choose)(Choice::UnknownTags(self.depth)) {
            tags.push((UNKNOWN_TAG + index as u32, Vec::new()));
        }
        put_unsigned_varint(&mut self.body, tags.len() as u32);
        for (tag, value) in tags {
            put_unsigned_varint(&mut self.body, tag);
            put_unsigned_varint(&mut self.body, value.len() as u32);
            self.body.extend_from_slice(&value);
        }
    }

    fn array(&mut self, length_min: usize) -> usize {
        let count = length_min.max((self.choose)(Choice::Elements(self.depth)));
        self.count(count, 4);
        count
    }

    fn string(&mut self, length_min: usize) {
        let length = length_min.max((self.choose)(Choice::StringBytes));
        self.count(length, 2);
        self.ones(length);
    }

    fn count(&mut self, count: usize, bytes: usize) {
        if self.flexible {
            put_unsigned_varint(&mut self.body, count as u32 + 1);
        } else {
            self.body
                .extend_from_slice(&(count as u32).to_be_bytes()[4 - bytes..]);
        }
    }

    fn ones(&mut self, count: usize) {
        self.body.resize(self.body.len() + count, 1);
    }
}
