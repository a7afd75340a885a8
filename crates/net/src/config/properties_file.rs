//! The text of a Java properties file (`java.util.Properties.load`), so that one file serves Java's tools and klamm.
//!
//! Two steps, as in Java: logical lines (comments dropped, continuations joined), then key and value of each. The
//! odd corners are Java's too: a comment cannot be continued, a continuation may start with `#`, a backslash before
//! the end of the text vanishes.

use std::iter::Peekable;
use std::str::Chars;

use super::error::{ConfigError, Findings, Problem};

/// All properties in the order of the text; of several with one key, Java keeps the last.
pub(super) fn read(text: &str) -> Result<Vec<(String, String)>, ConfigError> {
    let mut findings = Findings::new();
    let mut properties = Vec::new();
    for line in (LogicalLines {
        rest: text.chars().peekable(),
        line: 1,
    }) {
        let (key, value) = split(&line.text);
        match (unescape(key), unescape(value)) {
            (Ok(key), Ok(value)) => properties.push((key, value)),
            (Err(detail), _) | (_, Err(detail)) => {
                findings.problem(Problem::malformed(line.number, detail));
            }
        }
    }
    findings.finish()?;
    Ok(properties)
}

struct LogicalLine {
    text: Vec<char>,
    /// Where it starts, counted from 1.
    number: usize,
}

struct LogicalLines<'a> {
    rest: Peekable<Chars<'a>>,
    line: usize,
}

impl LogicalLines<'_> {
    /// The next character, with `\r\n` and `\r` as `\n`.
    fn next_char(&mut self) -> Option<char> {
        let c = match self.rest.next()? {
            '\r' => {
                self.rest.next_if_eq(&'\n');
                '\n'
            }
            c => c,
        };
        self.line += usize::from(c == '\n');
        Some(c)
    }

    fn skip_comment(&mut self) {
        while self.next_char().is_some_and(|c| c != '\n') {}
    }
}

impl Iterator for LogicalLines<'_> {
    type Item = LogicalLine;

    fn next(&mut self) -> Option<LogicalLine> {
        let mut text: Vec<char> = Vec::new();
        let mut number = self.line;
        let mut skip_blanks = true;
        let mut continued = false;
        let mut escaped = false;
        while let Some(c) = self.next_char() {
            if skip_blanks {
                if is_blank(c) || (c == '\n' && !continued) {
                    continue;
                }
                skip_blanks = false;
                continued = false;
            }
            if text.is_empty() && matches!(c, '#' | '!') {
                self.skip_comment();
                skip_blanks = true;
                continue;
            }
            if c != '\n' {
                if text.is_empty() {
                    number = self.line;
                }
                text.push(c);
                escaped = c == '\\' && !escaped;
            } else if text.is_empty() {
                skip_blanks = true;
            } else if escaped {
                text.pop();
                skip_blanks = true;
                continued = true;
                escaped = false;
            } else {
                return Some(LogicalLine { text, number });
            }
        }
        if text.is_empty() {
            return None;
        }
        if escaped {
            text.pop();
        }
        Some(LogicalLine { text, number })
    }
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\u{c}')
}

/// Key and value: the key ends at the first `=`, `:` or blank that is not escaped, blanks around `=` do not count.
fn split(line: &[char]) -> (&[char], &[char]) {
    let mut escaped = false;
    let key_end = line
        .iter()
        .position(|&c| {
            let ends = !escaped && (is_blank(c) || matches!(c, '=' | ':'));
            escaped = c == '\\' && !escaped;
            ends
        })
        .unwrap_or(line.len());
    let (key, mut value) = line.split_at(key_end);
    value = after_blanks(value);
    if let ['=' | ':', rest @ ..] = value {
        value = after_blanks(rest);
    }
    (key, value)
}

fn after_blanks(text: &[char]) -> &[char] {
    let blanks = text.iter().take_while(|c| is_blank(**c)).count();
    &text[blanks..]
}

fn unescape(text: &[char]) -> Result<String, &'static str> {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let [c, after @ ..] = rest {
        rest = after;
        if *c != '\\' {
            plain.push(*c);
            continue;
        }
        // A backslash at the very end: `LogicalLines` drops it there, so nothing is lost.
        let [c, after @ ..] = rest else { break };
        rest = after;
        plain.push(match c {
            't' => '\t',
            'n' => '\n',
            'r' => '\r',
            'f' => '\u{c}',
            'u' => {
                let (c, after) = code_point(rest)?;
                rest = after;
                c
            }
            c => *c,
        });
    }
    Ok(plain)
}

/// What follows `\u`: four digits, and another `\uXXXX` for the second half of a surrogate pair.
fn code_point(text: &[char]) -> Result<(char, &[char]), &'static str> {
    let (first, rest) = code_unit(text)?;
    if let Some(c) = char::from_u32(first) {
        return Ok((c, rest));
    }
    let ['\\', 'u', rest @ ..] = rest else {
        return Err(LONE_SURROGATE);
    };
    let (second, rest) = code_unit(rest)?;
    let pair = [first as u16, second as u16];
    match char::decode_utf16(pair).next() {
        Some(Ok(c)) => Ok((c, rest)),
        _ => Err(LONE_SURROGATE),
    }
}

fn code_unit(text: &[char]) -> Result<(u32, &[char]), &'static str> {
    let (digits, rest) = text.split_at_checked(4).ok_or(MALFORMED_ESCAPE)?;
    let unit = digits
        .iter()
        .try_fold(0, |unit, digit| Some(unit * 16 + digit.to_digit(16)?))
        .ok_or(MALFORMED_ESCAPE)?;
    Ok((unit, rest))
}

const MALFORMED_ESCAPE: &str = "\\u must be followed by four hexadecimal digits";
const LONE_SURROGATE: &str = "\\u names half of a surrogate pair";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Loaded = Option<&'static [(&'static str, &'static str)]>;

    /// What `java.util.Properties.load` (Java 17) made of each text; `None` where it threw.
    const JAVA: &[(&str, Loaded)] = &[
        ("a=b", Some(&[("a", "b")])),
        ("a = b ", Some(&[("a", "b ")])),
        ("a:b", Some(&[("a", "b")])),
        ("a b", Some(&[("a", "b")])),
        ("a  :  = b", Some(&[("a", "= b")])),
        ("a==b", Some(&[("a", "=b")])),
        ("# c\n! d\n  # e\na=1", Some(&[("a", "1")])),
        ("a=b\\\n   c", Some(&[("a", "bc")])),
        ("a=b\\\\\nc=d", Some(&[("a", "b\\"), ("c", "d")])),
        ("a=x\\\r\n  y\rz=1", Some(&[("a", "xy"), ("z", "1")])),
        ("a=b\\\n\nc=d", Some(&[("a", "b"), ("c", "d")])),
        (
            "a=b\\\n# no comment\nd=e",
            Some(&[("a", "b# no comment"), ("d", "e")]),
        ),
        ("a\\ b=c", Some(&[("a b", "c")])),
        ("a\\=b=c", Some(&[("a=b", "c")])),
        ("a\\:b:c", Some(&[("a:b", "c")])),
        ("k", Some(&[("k", "")])),
        ("k=", Some(&[("k", "")])),
        ("=v", Some(&[("", "v")])),
        ("a=\\t\\n\\r\\f\\q\\\\", Some(&[("a", "\t\n\r\u{c}q\\")])),
        ("a=\\u00e9\\u4E2d", Some(&[("a", "\u{e9}\u{4e2d}")])),
        ("a=\\ud83d\\ude00", Some(&[("a", "\u{1f600}")])),
        ("a=x\\", Some(&[("a", "x")])),
        ("\\\n# c\nb=1", Some(&[("b", "1")])),
        ("a\tb", Some(&[("a", "b")])),
        ("a\u{c}b", Some(&[("a", "b")])),
        ("\u{c} a=1", Some(&[("a", "1")])),
        ("a=b\t ", Some(&[("a", "b\t ")])),
        ("# c \\\na=1", Some(&[("a", "1")])),
        ("\\", Some(&[("", "")])),
        ("a=  \\  b", Some(&[("a", "  b")])),
        ("a=\"q\"", Some(&[("a", "\"q\"")])),
        ("a=1\r\n\r\nb=2", Some(&[("a", "1"), ("b", "2")])),
        ("a\\\n  =b", Some(&[("a", "b")])),
        ("a=x\\\\\\\n  y", Some(&[("a", "x\\y")])),
        ("\\u0061=1", Some(&[("a", "1")])),
        ("a=b # c", Some(&[("a", "b # c")])),
        ("a\u{a0}b=c", Some(&[("a\u{a0}b", "c")])),
        ("x=\\\n", Some(&[("x", "")])),
        ("a=\\u004", None),
        ("a=\\uxyzw", None),
        ("a=\\u+123", None),
        ("a=\\U0041", Some(&[("a", "U0041")])),
    ];

    #[test]
    fn text_is_read_as_java_reads_it() {
        for (text, expected) in JAVA {
            let read = read(text).ok();
            let expected = expected.map(|all| {
                all.iter()
                    .map(|(k, v)| ((*k).into(), (*v).into()))
                    .collect::<Vec<_>>()
            });
            assert_eq!(read, expected, "{text:?}");
        }
    }

    #[test]
    fn repeated_keys_are_all_returned_in_order() {
        let read = read("a=1\na=2").unwrap();
        assert_eq!(
            read,
            [
                ("a".to_owned(), "1".to_owned()),
                ("a".to_owned(), "2".to_owned())
            ]
        );
    }

    #[test]
    fn every_malformed_line_is_reported_with_its_number() {
        let error = read("# c\n\na=\\u12\nb=ok\r\nc=x\\\n  \\uzzzz\nd=\\ud800").unwrap_err();
        let lines: Vec<_> = error.problems().iter().map(Problem::property).collect();
        assert_eq!(lines, ["line 3", "line 5", "line 7"]);
    }

    #[test]
    fn a_secret_in_a_malformed_line_is_not_shown() {
        let error = read("ssl.key.password=hunter2\\u12").unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "(?s)[\\\\ua-f0-9=: #!\t\r\n]{0,60}|.{0,60}") {
            let _ = read(&text);
        }
    }
}
