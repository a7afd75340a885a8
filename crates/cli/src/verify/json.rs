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

    /// One that begins with this field instead, and without a timestamp.
    pub(super) fn of(field: &str, value: &str) -> Self {
        let mut line = format!("{{\"{field}\":");
        quote(&mut line, value);
        Self { line }
    }

    /// The time of day, as some of Kafka's programs print it, in UTC.
    pub(super) fn time_of_day(self, field: &str) -> Self {
        self.text(field, Some(&calendar(now_ms())))
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

    pub(super) fn truth(self, field: &str, value: bool) -> Self {
        self.number(field, value)
    }

    /// An object to be part of an event.
    pub(super) fn part() -> Self {
        Self {
            line: String::new(),
        }
    }

    /// A list of such objects.
    pub(super) fn parts(mut self, field: &str, parts: impl Iterator<Item = Self>) -> Self {
        let object = |part: Self| format!("{{{}}}", part.line.trim_start_matches(','));
        let objects: Vec<_> = parts.map(object).collect();
        let _ = write!(self.line, ",\"{field}\":[{}]", objects.join(","));
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

/// `yyyy/MM/dd HH:mm:ss:SSS` for milliseconds since 1970.
fn calendar(millis: i64) -> String {
    let (days, millis) = (millis.div_euclid(86_400_000), millis.rem_euclid(86_400_000));
    // Years that begin in March, in eras of 400 years: Howard Hinnant's civil_from_days.
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let seconds = millis / 1000;
    format!(
        "{year:04}/{month:02}/{day:02} {:02}:{:02}:{:02}:{:03}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60,
        millis % 1000
    )
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
    fn parts_are_objects_in_a_list() {
        let place = |number: i32| Event::part().text("topic", Some("t")).number("p", number);
        let event = Event::new("e").parts("of", [place(0), place(1)].into_iter());
        let line = event
            .parts("none", std::iter::empty())
            .truth("good", true)
            .line;
        let expected = r#","of":[{"topic":"t","p":0},{"topic":"t","p":1}],"none":[],"good":true"#;
        assert!(line.ends_with(expected), "{line}");
    }

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

    #[test]
    fn the_calendar_has_leap_days() {
        assert_eq!(calendar(0), "1970/01/01 00:00:00:000");
        assert_eq!(calendar(951_782_400_000), "2000/02/29 00:00:00:000");
        assert_eq!(calendar(1_709_251_199_999), "2024/02/29 23:59:59:999");
        assert_eq!(calendar(1_764_115_200_001), "2025/11/26 00:00:00:001");
    }
}
