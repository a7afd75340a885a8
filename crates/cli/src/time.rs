//! Times as people write and read them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970, now.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    })
}

/// A point in time: milliseconds since 1970, `2026-11-26T10:00:00Z` (a date alone, and a blank instead of
/// the T are fine, too; always UTC), or `-2h30m`, which is before now.
pub(crate) fn timestamp(text: &str) -> Result<i64, String> {
    let text = text.trim();
    if let Some(ago) = text.strip_prefix('-') {
        let ago = duration(ago)?;
        return Ok(now().saturating_sub(i64::try_from(ago.as_millis()).unwrap_or(i64::MAX)));
    }
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().map_err(|_| format!("{text} is too large"));
    }
    let whole = match text.len() {
        10 => format!("{text}T00:00:00Z"),
        16 => format!("{text}:00Z"),
        _ => text.to_owned(),
    };
    let parsed = humantime::parse_rfc3339_weak(&whole).map_err(|_| {
        format!(
            "{text:?} is no time: write milliseconds since 1970, 2026-11-26T10:00:00Z (UTC), or -2h30m for a time ago"
        )
    })?;
    let since = parsed
        .duration_since(UNIX_EPOCH)
        .map_err(|_| format!("{text} is before 1970"))?;
    i64::try_from(since.as_millis()).map_err(|_| format!("{text} is too late"))
}

/// A duration such as `500ms`, `30s` or `2h30m`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text)
        .map_err(|error| format!("{text:?} is no duration such as 500ms, 30s or 2h30m: {error}"))
}

/// A duration above zero.
pub(crate) fn interval(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err("an interval is longer than nothing".to_owned()),
        interval => Ok(interval),
    }
}

/// As [`timestamp`] reads it; in milliseconds where a calendar does not reach.
pub(crate) fn shown(timestamp: i64) -> String {
    /// The end of the year 9999.
    const LAST: i64 = 253_402_300_799_999;
    match u64::try_from(timestamp) {
        Ok(millis) if timestamp <= LAST => {
            humantime::format_rfc3339_millis(UNIX_EPOCH + Duration::from_millis(millis)).to_string()
        }
        _ => timestamp.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_all_forms_that_are_promised() {
        for (text, millis) in [
            ("0", 0),
            ("1700000000000", 1_700_000_000_000),
            ("2023-11-14T22:13:20Z", 1_700_000_000_000),
            ("2023-11-14 22:13:20", 1_700_000_000_000),
            ("2023-11-14T22:13:20.250Z", 1_700_000_000_250),
            ("2023-11-14T22:13", 1_699_999_980_000),
            ("2023-11-14", 1_699_920_000_000),
        ] {
            assert_eq!(timestamp(text), Ok(millis), "{text}");
        }
        let ago = now() - timestamp("-2h").unwrap();
        assert!((7_140_000..=7_200_000).contains(&ago), "{ago}");
        for text in [
            "",
            "-",
            "yesterday",
            "2023-13-01",
            "99999999999999999999",
            "1969-01-01",
        ] {
            assert!(timestamp(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_shown_can_be_read_again() {
        for millis in [0, 1_700_000_000_250, 253_402_300_799_999] {
            assert_eq!(timestamp(&shown(millis)), Ok(millis));
        }
        assert_eq!(shown(-1), "-1");
        assert_eq!(shown(i64::MAX), i64::MAX.to_string());
    }
}
