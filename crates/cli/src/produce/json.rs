//! Records as `klamm consume --json` prints them.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value};

/// What is sent of such a record.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Parsed {
    pub(super) key: Option<Vec<u8>>,
    pub(super) value: Option<Vec<u8>>,
    pub(super) headers: Vec<(String, Option<Vec<u8>>)>,
    pub(super) timestamp: Option<i64>,
}

pub(super) fn parse(line: &[u8]) -> Result<Parsed, String> {
    let value: Value = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    let Value::Object(fields) = value else {
        return Err("not an object, such as {\"key\": \"k\", \"value\": \"v\"}".to_owned());
    };
    let timestamp = match fields.get("timestamp") {
        None | Some(Value::Null) => None,
        Some(timestamp) => Some(
            timestamp
                .as_i64()
                .filter(|it| *it >= 0)
                .ok_or("timestamp is no time in ms")?,
        ),
    };
    let headers = match fields.get("headers") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(headers)) => headers.iter().map(header).collect::<Result<_, _>>()?,
        Some(_) => return Err("headers is no array".to_owned()),
    };
    Ok(Parsed {
        key: bytes(&fields, "key")?,
        value: bytes(&fields, "value")?,
        headers,
        timestamp,
    })
}

fn header(header: &Value) -> Result<(String, Option<Vec<u8>>), String> {
    let fields = header.as_object();
    let fields =
        fields.ok_or("a header is no object, such as {\"name\": \"n\", \"value\": \"v\"}")?;
    let name = fields.get("name").and_then(Value::as_str);
    let name = name.ok_or("a header has no name that is text")?;
    Ok((name.to_owned(), bytes(fields, "value")?))
}

/// A field as text, or in base64 under its other name.
fn bytes(fields: &Map<String, Value>, name: &str) -> Result<Option<Vec<u8>>, String> {
    let base64 = format!("{name}_base64");
    match (fields.get(name), fields.get(&base64)) {
        (None | Some(Value::Null), None) => Ok(None),
        (Some(Value::String(text)), None) => Ok(Some(text.clone().into_bytes())),
        (None, Some(Value::String(text))) => {
            let decoded = BASE64_STANDARD.decode(text);
            decoded
                .map(Some)
                .map_err(|error| format!("{base64}: {error}"))
        }
        (Some(_), Some(_)) => Err(format!("both {name} and {base64}")),
        _ => Err(format!("{name} is neither text nor null")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_consume_prints_is_read_again() {
        let line = br#"{"topic":"t","offset":3,"timestamp":7,"key":null,"value_base64":"/w==","headers":[{"name":"a","value":"b"},{"name":"n","value":null}]}"#;
        let parsed = parse(line).unwrap();
        assert_eq!(parsed.key, None);
        assert_eq!(parsed.value, Some(vec![0xff]));
        assert_eq!(parsed.timestamp, Some(7));
        let headers = [
            ("a".to_owned(), Some(b"b".to_vec())),
            ("n".to_owned(), None),
        ];
        assert_eq!(parsed.headers, headers);
    }

    #[test]
    fn what_is_no_record_says_why() {
        for line in [
            "",
            "[]",
            "{",
            r#"{"value": 1}"#,
            r#"{"value": "a", "value_base64": "YQ=="}"#,
            r#"{"value_base64": "?"}"#,
            r#"{"timestamp": -1}"#,
            r#"{"headers": {}}"#,
            r#"{"headers": [{"value": "v"}]}"#,
        ] {
            assert!(parse(line.as_bytes()).is_err(), "{line}");
        }
    }
}
