//! Kafka's own Java client, whose word is compared with ours.
//!
//! `java/Oracle.java` produces and consumes exactly the bytes, nulls, headers and timestamps that it is given, against
//! any broker: a real one, or klamm's test broker. The text format between us and it is described there.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::str::FromStr;

use crate::error::{Error, Result};
use crate::jars::Jars;
use crate::run_dir::RunDir;
use crate::tool::{RunningTool, Tool};

const SOURCE: &str = include_str!("../java/Oracle.java");

/// A header: a name and a value that may be null. Names may repeat and their order counts.
pub type OracleHeader = (String, Option<Vec<u8>>);

/// A record as Java sees it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct OracleRecord {
    /// The partition to produce to (`None`: the default partitioner chooses), or consumed from.
    pub partition: Option<i32>,
    /// Where it was consumed from; ignored when producing.
    pub offset: Option<i64>,
    /// Milliseconds since 1970; `None` takes Java's clock when producing.
    pub timestamp: Option<i64>,
    /// Whether the timestamp is the broker's (`LogAppendTime`); ignored when producing.
    pub log_append_time: bool,
    /// The epoch of the leader that wrote it; ignored when producing.
    pub leader_epoch: Option<i32>,
    /// The key, null or bytes.
    pub key: Option<Vec<u8>>,
    /// The value, null or bytes.
    pub value: Option<Vec<u8>>,
    /// The headers, in order.
    pub headers: Vec<OracleHeader>,
}

/// Where a produced record went.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct OraclePosition {
    /// The partition.
    pub partition: i32,
    /// The offset in it; -1 with `acks=0`.
    pub offset: i64,
}

/// What a Java producer does, one after the other.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum OracleStep {
    /// Sends a record.
    Send(OracleRecord),
    /// Begins a transaction; needs the property `transactional.id`.
    Begin,
    /// Commits it.
    Commit,
    /// Writes what was sent, then aborts it.
    Abort,
}

/// A Java client of one version of Kafka. Each call runs a JVM (2 to 3 s).
#[derive(Debug)]
pub struct JavaOracle {
    jars: Jars,
    source: PathBuf,
    /// Holds the source.
    _run_dir: RunDir,
}

impl JavaOracle {
    /// A client of the version that the jars are.
    ///
    /// # Errors
    /// Its directory can't be created.
    pub fn new(jars: &Jars) -> Result<Self> {
        let run_dir = RunDir::create("oracle")?;
        let source = run_dir.path().join("Oracle.java");
        fs::write(&source, SOURCE).map_err(|error| Error::io("write", &source, &error))?;
        Ok(Self {
            jars: jars.clone(),
            source,
            _run_dir: run_dir,
        })
    }

    /// Produces records in order and gives where each went.
    ///
    /// # Errors
    /// A record was not acknowledged, or Java did not end in time; with what Java said.
    pub fn produce(
        &self,
        bootstrap: &str,
        topic: &str,
        records: &[OracleRecord],
        properties: &[(&str, &str)],
    ) -> Result<Vec<OraclePosition>> {
        let steps: Vec<OracleStep> = records.iter().cloned().map(OracleStep::Send).collect();
        self.produce_steps(bootstrap, topic, &steps, properties)
    }

    /// As [`produce`](Self::produce), with transactions between the records.
    ///
    /// # Errors
    /// As for `produce`.
    pub fn produce_steps(
        &self,
        bootstrap: &str,
        topic: &str,
        steps: &[OracleStep],
        properties: &[(&str, &str)],
    ) -> Result<Vec<OraclePosition>> {
        let lines: Vec<String> = steps.iter().map(step_line).collect();
        let tool = self
            .tool(&["produce", bootstrap, topic], properties)
            .stdin(lines.join("\n"));
        let positions = tool
            .run()?
            .text()
            .lines()
            .map(position)
            .collect::<Result<Vec<_>>>()?;
        let sent = steps
            .iter()
            .filter(|step| matches!(step, OracleStep::Send(_)))
            .count();
        if positions.len() == sent {
            Ok(positions)
        } else {
            Err(Error::new(format!(
                "Java told {} positions for {sent} records",
                positions.len()
            )))
        }
    }

    /// Consumes from the beginning until it has at least `count` records, and gives them in order within each partition.
    ///
    /// More come when the last poll brought more. With the property `group.id` it subscribes as a member of the group
    /// and commits what it read.
    ///
    /// # Errors
    /// Java did not get so many in time; with what it said.
    pub fn consume(
        &self,
        bootstrap: &str,
        topic: &str,
        count: usize,
        properties: &[(&str, &str)],
    ) -> Result<Vec<OracleRecord>> {
        self.spawn_consume(bootstrap, topic, count, properties)?
            .wait()?
            .text()
            .lines()
            .map(str::parse)
            .collect()
    }

    /// Starts consuming; the lines of the tool's output parse as [`OracleRecord`]s.
    ///
    /// # Errors
    /// Java can't be started.
    pub fn spawn_consume(
        &self,
        bootstrap: &str,
        topic: &str,
        count: usize,
        properties: &[(&str, &str)],
    ) -> Result<RunningTool> {
        self.tool(
            &["consume", bootstrap, topic, &count.to_string()],
            properties,
        )
        .spawn()
    }

    /// The partition that Java's default partitioner picks for each key in a topic of `count` partitions.
    ///
    /// # Errors
    /// Java failed; with what it said.
    pub fn partitions(&self, count: usize, keys: &[&[u8]]) -> Result<Vec<i32>> {
        let lines: Vec<String> = keys.iter().map(|key| hex(Some(key)) + "\n").collect();
        let output = self
            .tool(&["partitions", &count.to_string()], &[])
            .stdin(lines.concat())
            .run()?;
        output.text().lines().map(number).collect()
    }

    fn tool(&self, arguments: &[&str], properties: &[(&str, &str)]) -> Tool {
        let properties = properties
            .iter()
            .map(|(name, value)| format!("{name}={value}"));
        Tool::new(&self.jars, &self.source)
            .args(arguments)
            .args(properties)
    }
}

impl FromStr for OracleRecord {
    type Err = Error;

    fn from_str(line: &str) -> Result<Self> {
        let fields: Vec<&str> = line.split('\t').collect();
        let &[
            partition,
            offset,
            timestamp,
            timestamp_type,
            leader_epoch,
            key,
            value,
            headers,
        ] = fields.as_slice()
        else {
            return Err(strange(line));
        };
        let header = |header: &str| {
            let (name, value) = header.split_once('=').ok_or_else(|| strange(line))?;
            let name = bytes(name)?
                .and_then(|name| String::from_utf8(name).ok())
                .ok_or_else(|| strange(line))?;
            Ok((name, bytes(value)?))
        };
        let headers = headers
            .split(',')
            .filter(|text| !text.is_empty())
            .map(header)
            .collect::<Result<_>>()?;
        let known = |number: i64| (number >= 0).then_some(number);
        Ok(Self {
            partition: Some(number(partition)?),
            offset: Some(number(offset)?),
            timestamp: known(number(timestamp)?),
            log_append_time: timestamp_type == "1",
            leader_epoch: known(number(leader_epoch)?).map(|epoch| epoch as i32),
            key: bytes(key)?,
            value: bytes(value)?,
            headers,
        })
    }
}

fn step_line(step: &OracleStep) -> String {
    let record = match step {
        OracleStep::Begin => return "begin".to_owned(),
        OracleStep::Commit => return "commit".to_owned(),
        OracleStep::Abort => return "abort".to_owned(),
        OracleStep::Send(record) => record,
    };
    let header = |(name, value): &OracleHeader| {
        format!("{}={}", hex(Some(name.as_bytes())), hex(value.as_deref()))
    };
    let headers: Vec<String> = record.headers.iter().map(header).collect();
    let (partition, timestamp) = (
        record.partition.unwrap_or(-1),
        record.timestamp.unwrap_or(-1),
    );
    let (key, value) = (hex(record.key.as_deref()), hex(record.value.as_deref()));
    format!(
        "{partition}\t{timestamp}\t{key}\t{value}\t{}",
        headers.join(",")
    )
}

fn position(line: &str) -> Result<OraclePosition> {
    let (partition, offset) = line.split_once('\t').ok_or_else(|| strange(line))?;
    Ok(OraclePosition {
        partition: number(partition)?,
        offset: number(offset)?,
    })
}

fn hex(bytes: Option<&[u8]>) -> String {
    let Some(bytes) = bytes else {
        return "null".to_owned();
    };
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String takes everything");
        text
    })
}

fn bytes(text: &str) -> Result<Option<Vec<u8>>> {
    if text == "null" {
        return Ok(None);
    }
    let byte = |at: usize| {
        text.get(at..at + 2)
            .and_then(|pair| u8::from_str_radix(pair, 16).ok())
            .ok_or_else(|| strange(text))
    };
    (0..text.len())
        .step_by(2)
        .map(byte)
        .collect::<Result<_>>()
        .map(Some)
}

fn number<T: FromStr>(text: &str) -> Result<T> {
    text.parse().map_err(|_| strange(text))
}

fn strange(text: &str) -> Error {
    Error::new(format!(
        "Java printed {text:?}, which is not what it was asked for"
    ))
}
