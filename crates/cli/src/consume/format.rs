//! The format language of `klamm consume`: kcat's letters.
//!
//! Owns: parsing a format, writing a record by it. Does not: print, or know where records come from.
//!
//! Invariant: a format that was parsed can write any record; nothing here panics.

use std::io::Write as _;

/// A parsed format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Format {
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(Vec<u8>),
    Field(Field),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Topic,
    Partition,
    Offset,
    Timestamp,
    Key,
    KeyLength,
    Value,
    ValueLength,
    Headers,
}

/// What is wrong with a format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FormatError {
    #[error(
        "%{0} is no field; there are %t topic, %p partition, %o offset, %k key, %K key length, %s value, %S value length, %T timestamp, %h headers and %%"
    )]
    UnknownField(char),
    #[error("a lone % ends the format; write %% for the character itself")]
    LonePercent,
    #[error(transparent)]
    Escape(#[from] EscapeError),
}

/// What is wrong with a backslash in a text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EscapeError {
    #[error("\\{0} is no escape; there are \\n, \\r, \\t, \\0, \\xHH and \\\\")]
    Unknown(char),
    #[error("a lone \\ ends the text; write \\\\ for the character itself")]
    Lone,
    #[error("\\x needs two hexadecimal digits")]
    Hex,
}

/// A record as the format sees it.
pub(crate) struct Shown<'a, F> {
    pub(crate) topic: &'a str,
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) timestamp: i64,
    pub(crate) key: Option<&'a [u8]>,
    pub(crate) value: Option<&'a [u8]>,
    /// Gives names and values, in order.
    pub(crate) headers: F,
}

impl Format {
    pub(crate) fn parse(text: &str) -> Result<Self, FormatError> {
        let mut pieces = Vec::new();
        let mut literal = Vec::new();
        let mut characters = text.chars();
        while let Some(character) = characters.next() {
            match character {
                '%' => match characters.next().ok_or(FormatError::LonePercent)? {
                    '%' => literal.push(b'%'),
                    letter => {
                        if !literal.is_empty() {
                            pieces.push(Piece::Text(std::mem::take(&mut literal)));
                        }
                        pieces.push(Piece::Field(Field::of(letter)?));
                    }
                },
                '\\' => literal.push(escaped(&mut characters)?),
                other => push_char(&mut literal, other),
            }
        }
        if !literal.is_empty() {
            pieces.push(Piece::Text(literal));
        }
        Ok(Self { pieces })
    }

    /// Appends `record` to `out`.
    pub(crate) fn write<'a, F, H>(&self, out: &mut Vec<u8>, record: &Shown<'a, F>)
    where
        F: Fn() -> H,
        H: Iterator<Item = (&'a [u8], Option<&'a [u8]>)>,
    {
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => out.extend_from_slice(text),
                Piece::Field(Field::Topic) => out.extend_from_slice(record.topic.as_bytes()),
                Piece::Field(Field::Partition) => push_number(out, record.partition.into()),
                Piece::Field(Field::Offset) => push_number(out, record.offset),
                Piece::Field(Field::Timestamp) => push_number(out, record.timestamp),
                Piece::Field(Field::Key) => out.extend_from_slice(record.key.unwrap_or_default()),
                Piece::Field(Field::KeyLength) => push_number(out, length(record.key)),
                Piece::Field(Field::Value) => {
                    out.extend_from_slice(record.value.unwrap_or_default());
                }
                Piece::Field(Field::ValueLength) => push_number(out, length(record.value)),
                Piece::Field(Field::Headers) => push_headers(out, (record.headers)()),
            }
        }
    }
}

impl Field {
    fn of(letter: char) -> Result<Self, FormatError> {
        Ok(match letter {
            't' => Self::Topic,
            'p' => Self::Partition,
            'o' => Self::Offset,
            'T' => Self::Timestamp,
            'k' => Self::Key,
            'K' => Self::KeyLength,
            's' => Self::Value,
            'S' => Self::ValueLength,
            'h' => Self::Headers,
            other => return Err(FormatError::UnknownField(other)),
        })
    }
}

/// A text in which `\t` and the like stand for the bytes they name.
pub(crate) fn unescape(text: &str) -> Result<Vec<u8>, EscapeError> {
    let mut bytes = Vec::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => bytes.push(escaped(&mut characters)?),
            other => push_char(&mut bytes, other),
        }
    }
    Ok(bytes)
}

/// The byte that the characters after a backslash name.
fn escaped(characters: &mut impl Iterator<Item = char>) -> Result<u8, EscapeError> {
    match characters.next().ok_or(EscapeError::Lone)? {
        'n' => Ok(b'\n'),
        'r' => Ok(b'\r'),
        't' => Ok(b'\t'),
        '0' => Ok(0),
        '\\' => Ok(b'\\'),
        'x' => {
            let mut digit = || {
                let digit = characters.next()?.to_digit(16)?;
                u8::try_from(digit).ok()
            };
            let (high, low) = (digit(), digit());
            Ok(high.ok_or(EscapeError::Hex)? << 4 | low.ok_or(EscapeError::Hex)?)
        }
        other => Err(EscapeError::Unknown(other)),
    }
}

fn push_char(bytes: &mut Vec<u8>, character: char) {
    bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
}

fn push_number(out: &mut Vec<u8>, number: i64) {
    write!(out, "{number}").expect("a vector takes everything");
}

/// As in kcat, -1 for null.
fn length(bytes: Option<&[u8]>) -> i64 {
    bytes.map_or(-1, |bytes| bytes.len() as i64)
}

/// As in kcat, `name=value,name=value`, with `NULL` for a null value.
fn push_headers<'a>(
    out: &mut Vec<u8>,
    headers: impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)>,
) {
    for (index, (name, value)) in headers.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.extend_from_slice(name);
        out.push(b'=');
        out.extend_from_slice(value.unwrap_or(b"NULL"));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn write(format: &Format, key: Option<&[u8]>, value: Option<&[u8]>) -> Vec<u8> {
        let mut out = Vec::new();
        let headers: [(&[u8], Option<&[u8]>); 2] = [(b"trace", Some(b"abc")), (b"gone", None)];
        let record = Shown {
            topic: "orders",
            partition: 3,
            offset: 42,
            timestamp: 1_700_000_000_000,
            key,
            value,
            headers: || headers.into_iter(),
        };
        format.write(&mut out, &record);
        out
    }

    fn formatted(format: &str, key: Option<&[u8]>, value: Option<&[u8]>) -> String {
        String::from_utf8(write(&Format::parse(format).unwrap(), key, value)).unwrap()
    }

    #[test]
    fn every_letter_stands_for_its_field() {
        let text = formatted("%t %p %o %T %k %K %s %S %h %%", Some(b"k"), Some(b"value"));
        assert_eq!(
            text,
            "orders 3 42 1700000000000 k 1 value 5 trace=abc,gone=NULL %"
        );
    }

    #[test]
    fn null_has_the_length_minus_one_and_prints_as_nothing() {
        assert_eq!(formatted("[%k|%K|%s|%S]", None, Some(b"")), "[|-1||0]");
    }

    #[test]
    fn escapes_stand_for_the_bytes_they_name() {
        assert_eq!(formatted(r"a\tb\n\x41\\", None, None), "a\tb\nA\\");
        assert_eq!(unescape(r"\x1f").unwrap(), [0x1f]);
        assert_eq!(unescape("§").unwrap(), "§".as_bytes());
    }

    #[test]
    fn a_malformed_format_says_what_is_wrong() {
        for (format, error) in [
            ("%q", FormatError::UnknownField('q')),
            ("100%", FormatError::LonePercent),
            (r"\q", EscapeError::Unknown('q').into()),
            ("\\", EscapeError::Lone.into()),
            (r"\x4", EscapeError::Hex.into()),
            (r"\xzz", EscapeError::Hex.into()),
        ] {
            assert_eq!(Format::parse(format), Err(error), "{format}");
        }
    }

    proptest! {
        #[test]
        fn no_format_and_no_record_panics(
            format in r"(%[tpokKsSTh%x]|\\[nrtx0\\q]|.){0,12}",
            key in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..8)),
            value in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..8)),
        ) {
            if let Ok(format) = Format::parse(&format) {
                write(&format, key.as_deref(), value.as_deref());
            }
        }

        #[test]
        fn text_without_percent_and_backslash_is_itself(text in r"[^%\\]{0,40}") {
            prop_assert_eq!(formatted(&text, None, None), text);
        }
    }
}
