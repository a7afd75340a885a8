//! The arguments of `klamm produce`.

use clap::Args;

use crate::consume::format::unescape;

#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ProduceArgs {
    /// Topic to send to
    pub(crate) topic: String,
    /// Splits each record at the first of these into key and value; \t and the like are understood
    #[arg(short = 'K', long, value_name = "DELIM", value_parser = delimiter)]
    pub(crate) key_delimiter: Option<Bytes>,
    /// What ends a record
    #[arg(short = 'D', long, value_name = "DELIM", value_parser = delimiter, default_value = r"\n")]
    pub(crate) delimiter: Bytes,
    /// The key of every record that has no other
    #[arg(short, long, value_parser = bytes)]
    pub(crate) key: Option<Bytes>,
    /// A header of every record; repeatable
    #[arg(short = 'H', long = "header", value_name = "NAME=VALUE", value_parser = header)]
    pub(crate) headers: Vec<HeaderArg>,
    /// Partition [default: by the key, or where there is room]
    #[arg(short, long, value_parser = clap::value_parser!(i32).range(0..))]
    pub(crate) partition: Option<i32>,
    /// Empty keys and values are sent as null; a null value is a tombstone on compacted topics
    #[arg(short = 'Z', long)]
    pub(crate) empty_is_null: bool,
    /// Each record is JSON with the fields that consume --json prints; its topic, partition and offset are not used
    #[arg(long, conflicts_with_all = ["key_delimiter", "key", "empty_is_null"])]
    pub(crate) json_input: bool,
    /// End after so many records
    #[arg(short, long)]
    pub(crate) count: Option<u64>,
    /// Send all records in one transaction of this id: those who read what is committed see all of them at the end, or
    /// none after Ctrl-C or a failure; takes no longer than transaction.timeout.ms
    #[arg(long, value_name = "ID")]
    pub(crate) transactional_id: Option<String>,
    #[command(flatten)]
    pub(crate) producer: ProducerArgs,
}

const EXAMPLES: &str = "\
Ctrl-C sends what was read, and says how much that was; a transaction it aborts.

Examples:
  klamm produce orders < lines.txt
  echo 'customer-7:{\"total\": 12}' | klamm produce orders -K : -H source=shell
  klamm consume orders -e --json | klamm produce copy --json-input";

/// Bytes, `\\t` and the like replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bytes(pub(crate) Vec<u8>);

/// A header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HeaderArg {
    pub(crate) name: String,
    pub(crate) value: Vec<u8>,
}

/// Settings of a producer that have options of their own.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Producer")]
pub(crate) struct ProducerArgs {
    /// Who must have a record before it counts as sent: all, 1 or 0 [default: all]
    #[arg(long)]
    acks: Option<String>,
    /// How many milliseconds a record may wait for others to share its batch [default: 5; 0 where latency is measured]
    #[arg(long, value_name = "MS")]
    linger_ms: Option<String>,
    /// Largest batch in bytes, before compression [default: 131072]
    #[arg(long, value_name = "BYTES")]
    batch_size: Option<String>,
    /// none, gzip, snappy, lz4 or zstd [default: none]
    #[arg(short = 'z', long, value_name = "CODEC")]
    compression: Option<String>,
}

impl ProducerArgs {
    /// As properties.
    pub(crate) fn properties(&self) -> Vec<(String, String)> {
        [
            ("acks", &self.acks),
            ("linger.ms", &self.linger_ms),
            ("batch.size", &self.batch_size),
            ("compression.type", &self.compression),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value.clone()?)))
        .collect()
    }
}

fn bytes(text: &str) -> Result<Bytes, String> {
    unescape(text).map(Bytes).map_err(|error| error.to_string())
}

fn delimiter(text: &str) -> Result<Bytes, String> {
    let bytes = bytes(text)?;
    if bytes.0.is_empty() {
        return Err("a delimiter has at least one byte".to_owned());
    }
    Ok(bytes)
}

fn header(text: &str) -> Result<HeaderArg, String> {
    let (name, value) = text.split_once('=').ok_or("write name=value")?;
    Ok(HeaderArg {
        name: name.to_owned(),
        value: bytes(value)?.0,
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::args::{Cli, Command};

    #[test]
    fn options_of_the_producer_are_properties() {
        let line = "klamm produce t --acks 1 --linger-ms 3 --batch-size 9 -z lz4";
        let Command::Produce(produce) = Cli::parse_from(line.split(' ')).command else {
            panic!("produce");
        };
        let properties = produce.producer.properties();
        let properties = properties
            .iter()
            .map(|(name, value)| format!("{name}={value}"));
        assert_eq!(
            properties.collect::<Vec<_>>(),
            [
                "acks=1",
                "linger.ms=3",
                "batch.size=9",
                "compression.type=lz4"
            ]
        );
    }

    #[test]
    fn a_delimiter_may_be_escaped_and_is_never_empty() {
        assert_eq!(delimiter(r"\t"), Ok(Bytes(vec![b'\t'])));
        assert_eq!(delimiter("::"), Ok(Bytes(b"::".to_vec())));
        assert!(delimiter("").is_err());
    }
}
