//! Events as lines of JSON, in the order that Kafka's programs write their fields in.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::time::{SystemTime, UNIX_EPOCH};

/// A line of JSON that is being written.
pub(super) struct Event {
    line: String,
}

impl Event {
    pub(super) fn new(name: &str) -> Self {
        let event = Self {
            line: format!("{{\"timestamp\":{}", now_ms()),
        };
        event.text("name", Some(name))
    }

    /// A text; `None` is null.
    pub(super) fn text(mut self, field: &str, value: Option<&str>) -> Self {
        let _ = write!(self.line, ",\"{field}\":");
        match value {
            Some(value) => quote(&mut self.line, value),
            None => self.line.push_str("null"),
        }
        self
    }

    pub(super) fn number(mut self, field: &str, value: impl std::fmt::Display) -> Self {
        let _ = write!(self.line, ",\"{field}\":{value}");
        self
    }

    /// Writes the line to standard output; whoever reads it may be gone, which is their affair.
    pub(super) fn print(mut self) {
        self.line.push_str("}\n");
        let mut out = io::stdout().lock();
        let _ = out.write_all(self.line.as_bytes());
        let _ = out.flush();
    }
}

pub(super) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_millis() as i64
}

fn quote(line: &mut String, text: &str) {
    line.push('"');
    for character in text.chars() {
        match character {
            '"' => line.push_str("\\\""),
            '\\' => line.push_str("\\\\"),
            '\n' => line.push_str("\\n"),
            control if control.is_control() => {
                let _ = write!(line, "\\u{:04x}", u32::from(control));
            }
            other => line.push(other),
        }
    }
    line.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_quoted_and_nothing_is_null() {
        let event = Event::new("a \"name\"")
            .text("key", None)
            .text("value", Some("back\\slash\nline\u{1}é"))
            .number("offset", -1);
        let line = event.line;
        assert!(line.starts_with("{\"timestamp\":1"), "{line}");
        let expected =
            r#","name":"a \"name\"","key":null,"value":"back\\slash\nline\u0001é","offset":-1"#;
        assert!(line.ends_with(expected), "{line}");
    }
}
