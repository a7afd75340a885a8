//! Lengths of time as ISO 8601 has them, such as `PT1H30M` or `P3DT0.5S`: what Java's
//! `Duration.parse` takes, but not below zero.

use std::time::Duration;

/// Reads `text`, none if it is no such length of time or it is below zero.
///
/// # Examples
/// ```
/// use std::time::Duration;
///
/// use klamm_net::config::iso_duration;
///
/// assert_eq!(iso_duration("P1DT12H"), Some(Duration::from_secs(36 * 3600)));
/// assert_eq!(iso_duration("1 day"), None);
/// ```
#[must_use]
pub fn iso_duration(text: &str) -> Option<Duration> {
    let text = text.to_ascii_uppercase();
    let text = text.strip_prefix('+').unwrap_or(&text).strip_prefix('P')?;
    let (days, time) = match text.split_once('T') {
        Some((_, "")) => return None,
        Some((days, time)) => (days, time),
        None => (text, ""),
    };
    if days.is_empty() && time.is_empty() {
        return None;
    }
    let mut total = Duration::ZERO;
    let rest = part(days, 'D', 86_400, &mut total)?;
    if !rest.is_empty() {
        return None;
    }
    let rest = part(time, 'H', 3600, &mut total)?;
    let rest = part(rest, 'M', 60, &mut total)?;
    let Some(seconds) = rest.strip_suffix('S') else {
        return rest.is_empty().then_some(total);
    };
    let (whole, fraction) = seconds.split_once('.').unwrap_or((seconds, ""));
    let nanoseconds = fraction.bytes().all(|byte| byte.is_ascii_digit()) && fraction.len() <= 9;
    if !nanoseconds {
        return None;
    }
    let nanoseconds = format!("{fraction:0<9}").parse().ok()?;
    total.checked_add(Duration::new(number(whole)?, nanoseconds))
}

/// Adds the number before `unit`, if there is one, and returns what follows.
fn part<'a>(text: &'a str, unit: char, seconds: u64, total: &mut Duration) -> Option<&'a str> {
    let Some((count, rest)) = text.split_once(unit) else {
        return Some(text);
    };
    let seconds = number(count)?.checked_mul(seconds)?;
    *total = total.checked_add(Duration::from_secs(seconds))?;
    Some(rest)
}

fn number(text: &str) -> Option<u64> {
    let text = text.strip_prefix('+').unwrap_or(text);
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_are_read_as_java_reads_them() {
        for (text, milliseconds) in [
            ("PT0S", 0),
            ("PT1H", 3_600_000),
            ("P3DT4H59M", 277_140_000),
            ("PT20.345S", 20_345),
            ("pt15m", 900_000),
            ("P2D", 172_800_000),
            ("PT1.S", 1000),
            ("+PT+5S", 5000),
        ] {
            let read = iso_duration(text);
            assert_eq!(read, Some(Duration::from_millis(milliseconds)), "{text}");
        }
        for bad in [
            "",
            "P",
            "PT",
            "P1",
            "1H",
            "PT1",
            "P1H",
            "PT-1H",
            "-PT1H",
            "PT1S1H",
            "PT1HS",
            "P1M",
            "PT1.5H",
            "PTxS",
            "P1DT",
            "PT0.1234567891S",
            "PT99999999999999999999S",
            "P999999999999999999D",
        ] {
            assert_eq!(iso_duration(bad), None, "{bad}");
        }
    }
}
