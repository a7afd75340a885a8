//! What a property may hold, and the reading of it.

use std::fmt;

use super::iso_duration::iso_duration;

/// A value read according to its property's [`Kind`]. May hold a secret: print it only by way of the property's name.
#[derive(Clone, PartialEq)]
pub(super) enum Value {
    Text(String),
    Bool(bool),
    Int(i64),
    Double(f64),
    List(Vec<String>),
}

/// The type and range of a property.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Text,
    NonEmpty,
    Bool,
    Int {
        min: i64,
        max: i64,
    },
    /// A range and one value outside of it.
    IntOr {
        other: i64,
        min: i64,
        max: i64,
    },
    Double {
        min: f64,
        max: f64,
    },
    Choice(&'static [&'static str]),
    ChoiceAnyCase(&'static [&'static str]),
    /// One of the choices, or the prefix and a length of time as in ISO 8601.
    ChoiceOrDuration(&'static [&'static str], &'static str),
    List,
    ListOf(&'static [&'static str]),
    /// At least one `host`, `host:port` or `[v6]:port`.
    Addresses,
}

impl Kind {
    /// Reads a value, or `None` if it is not one of this kind. Surrounding blanks do not count.
    pub(super) fn read(self, text: &str) -> Option<Value> {
        let text = text.trim();
        match self {
            Kind::Text => Some(Value::Text(text.to_owned())),
            Kind::NonEmpty => (!text.is_empty()).then(|| Value::Text(text.to_owned())),
            Kind::Bool if text.eq_ignore_ascii_case("true") => Some(Value::Bool(true)),
            Kind::Bool if text.eq_ignore_ascii_case("false") => Some(Value::Bool(false)),
            Kind::Bool => None,
            Kind::Int { min, max } => integer(text)
                .filter(|n| (min..=max).contains(n))
                .map(Value::Int),
            Kind::IntOr { other, min, max } => integer(text)
                .filter(|n| *n == other || (min..=max).contains(n))
                .map(Value::Int),
            Kind::Double { min, max } => text
                .parse()
                .ok()
                .filter(|n| (min..=max).contains(n))
                .map(Value::Double),
            Kind::Choice(choices) => choices
                .contains(&text)
                .then(|| Value::Text(text.to_owned())),
            Kind::ChoiceAnyCase(choices) => choices
                .iter()
                .find(|c| c.eq_ignore_ascii_case(text))
                .map(|c| Value::Text((*c).to_owned())),
            Kind::ChoiceOrDuration(choices, prefix) => {
                let duration = text.strip_prefix(prefix).and_then(iso_duration);
                (choices.contains(&text) || duration.is_some())
                    .then(|| Value::Text(text.to_owned()))
            }
            Kind::List => entries(text).map(Value::List),
            Kind::ListOf(choices) => non_empty_entries(text)
                .filter(|entries| {
                    entries
                        .iter()
                        .all(|entry| choices.contains(&entry.as_str()))
                })
                .map(Value::List),
            Kind::Addresses => non_empty_entries(text)
                .filter(|entries| entries.iter().all(|entry| is_address(entry)))
                .map(Value::List),
        }
    }

    pub(super) fn is_list(self) -> bool {
        matches!(self, Kind::List | Kind::ListOf(_) | Kind::Addresses)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kind::Text => f.write_str("text"),
            Kind::NonEmpty => f.write_str("text that is not empty"),
            Kind::Bool => f.write_str("true or false"),
            Kind::Int { min, max: i64::MAX } => write!(f, "a whole number, at least {min}"),
            Kind::Int { min, max } => write!(f, "a whole number from {min} to {max}"),
            Kind::IntOr { other, min, max } => {
                write!(f, "a whole number from {min} to {max}, or {other}")
            }
            Kind::Double { min, max } => write!(f, "a number from {min} to {max}"),
            Kind::Choice(choices) => write!(f, "one of {}", choices.join(", ")),
            Kind::ChoiceAnyCase(choices) => {
                write!(f, "one of {} (in any case)", choices.join(", "))
            }
            Kind::ChoiceOrDuration(choices, prefix) => {
                let choices = choices.join(", ");
                write!(
                    f,
                    "one of {choices}, or {prefix} and a length of time (such as {prefix}P1DT12H)"
                )
            }
            Kind::List => f.write_str("a list, entries separated by commas and none of them empty"),
            Kind::ListOf(choices) => {
                write!(f, "a list, separated by commas, of {}", choices.join(", "))
            }
            Kind::Addresses => f.write_str(
                "a list of host:port separated by commas (IPv6 as [address]:port, port 1 to 65535)",
            ),
        }
    }
}

fn integer(text: &str) -> Option<i64> {
    text.parse().ok()
}

/// The entries of a list, `None` if one is empty. Empty text is the empty list, as in Java.
pub(super) fn entries(text: &str) -> Option<Vec<String>> {
    if text.is_empty() {
        return Some(Vec::new());
    }
    text.split(',')
        .map(str::trim)
        .map(|entry| (!entry.is_empty()).then(|| entry.to_owned()))
        .collect()
}

fn non_empty_entries(text: &str) -> Option<Vec<String>> {
    entries(text).filter(|entries| !entries.is_empty())
}

fn is_address(text: &str) -> bool {
    let (host, port) = if let Some(rest) = text.strip_prefix('[') {
        let Some((host, port)) = rest.split_once(']') else {
            return false;
        };
        // A zone (`fe80::1%eth0`) is not part of what the standard library reads.
        let address = host
            .split_once('%')
            .map_or(host, |(address, _zone)| address);
        if address.parse::<std::net::Ipv6Addr>().is_err() {
            return false;
        }
        match port.strip_prefix(':') {
            Some(port) => (host, Some(port)),
            None if port.is_empty() => (host, None),
            None => return false,
        }
    } else {
        let (host, port) = text
            .split_once(':')
            .map_or((text, None), |(host, port)| (host, Some(port)));
        if !host
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_'))
        {
            return false;
        }
        (host, port)
    };
    let port_is_valid = |port: &str| {
        port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|p| p > 0)
    };
    !host.is_empty() && port.is_none_or(port_is_valid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_hosts_with_or_without_port() {
        for good in [
            "h",
            "h:1",
            "broker-1.example_x.com:65535",
            "10.0.0.1:9092",
            "[::1]:9092",
            "[fe80::1%eth0]:9092",
            "[::1]",
        ] {
            assert!(is_address(good), "{good}");
        }
        for bad in [
            "",
            ":9092",
            "h:",
            "h:0",
            "h:65536",
            "h:+1",
            "h:x",
            "::1",
            "[::1",
            "[::1]9092",
            "[h]:1",
            "h:1:2",
            "a b:1",
        ] {
            assert!(!is_address(bad), "{bad}");
        }
        for url in ["PLAINTEXT://h:9092", "http://h"] {
            assert!(!is_address(url), "{url}");
        }
    }

    #[test]
    fn lists_are_trimmed_and_refuse_empty_entries() {
        assert!(
            Kind::List.read(" a , b ") == Some(Value::List(vec!["a".to_owned(), "b".to_owned()]))
        );
        assert!(Kind::List.read("  ") == Some(Value::List(vec![])));
        assert!(Kind::List.read("a,,b").is_none());
        assert!(Kind::List.read("a,").is_none());
        assert!(Kind::Addresses.read("").is_none());
    }

    #[test]
    fn numbers_that_are_none_are_refused() {
        let double = Kind::Double { min: 0.5, max: 1.0 };
        assert!(double.read("NaN").is_none());
        assert!(double.read("inf").is_none());
        assert!(double.read("0.8") == Some(Value::Double(0.8)));
        let int = Kind::Int {
            min: 0,
            max: i64::MAX,
        };
        for bad in [
            "",
            "1.5",
            "1_000",
            "0x10",
            "9223372036854775808",
            "-1",
            "one",
        ] {
            assert!(int.read(bad).is_none(), "{bad}");
        }
        assert!(int.read("+5") == Some(Value::Int(5)));
    }
}
