//! What the suites against a real broker share.

#![allow(dead_code, reason = "each test file uses a part of it")]

pub(crate) mod ledger;
pub(crate) mod probe;
pub(crate) mod stretch;
pub(crate) mod three_nodes;

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use klamm::{Client, Compression};
use klamm_tests::{Kafka, OracleRecord};

/// Whatever fails in a test.
pub(crate) type Outcome = Result<(), Box<dyn std::error::Error>>;

pub(crate) const CODECS: [Compression; 5] = [
    Compression::None,
    Compression::Gzip,
    Compression::Snappy,
    Compression::Lz4,
    Compression::Zstd,
];

/// Fails the test when `future` takes too long.
pub(crate) async fn within<T>(seconds: u64, what: &str, future: impl Future<Output = T>) -> T {
    let ended = tokio::time::timeout(Duration::from_secs(seconds), future).await;
    ended.unwrap_or_else(|_| panic!("{what} took longer than {seconds} s"))
}

/// Runs what blocks, as the harness does, beside the runtime's tasks.
pub(crate) fn blocking<T>(act: impl FnOnce() -> T) -> T {
    tokio::task::block_in_place(act)
}

pub(crate) async fn connect(bootstrap: &str) -> Client {
    within(30, "connecting", Client::connect(bootstrap))
        .await
        .unwrap()
}

/// How many records each partition holds, as Kafka's own tool tells.
pub(crate) fn end_offsets(kafka: &Kafka, topic: &str) -> klamm_tests::Result<BTreeMap<i32, i64>> {
    let output = kafka
        .tool("org.apache.kafka.tools.GetOffsetShell")?
        .args(["--bootstrap-server", &kafka.bootstrap(), "--topic", topic])
        .run()?;
    let text = output.text();
    let end = |line: &str| {
        let mut fields = line.rsplit(':').map(str::parse::<i64>);
        let offset = fields.next()?.ok()?;
        Some((fields.next()?.ok()? as i32, offset))
    };
    Ok(text.lines().filter_map(end).collect())
}

/// All that a topic holds, from the beginning to its end, as Java reads it.
pub(crate) fn read_to_end(kafka: &Kafka, topic: &str) -> klamm_tests::Result<Vec<OracleRecord>> {
    let count: i64 = end_offsets(kafka, topic)?.values().sum();
    let java = kafka.java_oracle()?;
    let records = java.consume(&kafka.bootstrap(), topic, count as usize, &[])?;
    assert_eq!(records.len() as i64, count, "{topic} has grown meanwhile");
    Ok(records)
}

/// Records that try what a record can hold: nulls, nothing, duplicate header keys, bytes that are not
/// text, timestamps out of order; each in a partition of its own choice.
pub(crate) fn every_kind_of_record() -> Vec<OracleRecord> {
    let not_text = || Some(vec![0xff, 0x00, 0xfe, b'\n', b'\t', b',']);
    let empty = || Some(Vec::new());
    let headers = vec![
        ("trace".to_owned(), Some(b"one".to_vec())),
        (String::new(), None),
        ("trace".to_owned(), empty()),
        ("naïve=,\t".to_owned(), not_text()),
        ("trace".to_owned(), Some(b"one".to_vec())),
    ];
    let long = Some(b"long enough to be worth compressing, ".repeat(500));
    let kinds = [
        (0, 1_700_000_000_123, None, None, Vec::new()),
        (0, 1_700_000_000_001, empty(), empty(), headers.clone()),
        (2, 1_700_000_000_002, not_text(), not_text(), headers),
        (1, 0, Some(b"k".to_vec()), None, Vec::new()),
        (
            2,
            1_700_000_000_000,
            None,
            empty(),
            vec![("null".to_owned(), None)],
        ),
        (2, 1_700_000_000_004, long.clone(), long, Vec::new()),
    ];
    let record = |(partition, timestamp, key, value, headers)| OracleRecord {
        partition: Some(partition),
        timestamp: Some(timestamp),
        key,
        value,
        headers,
        ..OracleRecord::default()
    };
    kinds.into_iter().map(record).collect()
}

/// By partition and offset.
pub(crate) fn in_log_order(mut records: Vec<OracleRecord>) -> Vec<OracleRecord> {
    records.sort_by_key(|record| (record.partition, record.offset));
    records
}
