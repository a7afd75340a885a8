//! A record as a line of JSON.

use klamm::ConsumerRecord;
use serde_json::{Map, Value};

use crate::output::bytes_field;

pub(super) fn write(out: &mut Vec<u8>, record: &ConsumerRecord<'_>) {
    let mut fields = Map::new();
    fields.insert("topic".to_owned(), record.topic.into());
    fields.insert("partition".to_owned(), record.partition.into());
    fields.insert("offset".to_owned(), record.offset.into());
    fields.insert("timestamp".to_owned(), record.timestamp.into());
    bytes_field(&mut fields, "key", record.key);
    bytes_field(&mut fields, "value", record.value);
    let headers = record.headers.iter().map(|header| {
        let mut fields = Map::new();
        bytes_field(&mut fields, "name", Some(header.key));
        bytes_field(&mut fields, "value", header.value);
        Value::Object(fields)
    });
    fields.insert("headers".to_owned(), headers.collect());
    out.extend_from_slice(Value::Object(fields).to_string().as_bytes());
    out.push(b'\n');
}
