//! The command line.

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::format::{Format, unescape};
use crate::verify::{CopierArgs, VerifyConsumerArgs};

/// Produce to and consume from Apache Kafka, look after its topics, and measure.
#[derive(Debug, Parser)]
#[command(name = "klamm", version, propagate_version = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) cluster: ClusterArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Which cluster, and how.
#[derive(Args, Debug)]
pub(crate) struct ClusterArgs {
    /// Addresses to find the cluster through, separated by commas [default: localhost:9092]
    #[arg(
        short,
        long,
        alias = "broker-list",
        global = true,
        value_name = "HOST:PORT"
    )]
    pub(crate) bootstrap_server: Option<String>,
    /// A property by the name that every Kafka client knows, such as request.timeout.ms=5000; repeatable, and wins over
    /// other options
    #[arg(short = 'X', long = "property", global = true, value_name = "NAME=VALUE", value_parser = property)]
    pub(crate) properties: Vec<(String, String)>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Send the lines of standard input as records
    Produce(ProduceArgs),
    /// Print records
    Consume(ConsumeArgs),
    /// List, create, delete and describe topics
    Topics {
        #[command(subcommand)]
        command: Option<TopicsCommand>,
    },
    /// Measure throughput, latency, CPU and memory
    #[command(subcommand)]
    Perf(PerfCommand),
    /// Stand in for the programs of Apache Kafka's system tests
    #[command(subcommand)]
    Verify(VerifyCommand),
}

#[derive(Args, Debug)]
pub(crate) struct ProduceArgs {
    /// Topic to send to
    pub(crate) topic: String,
    /// Splits each line at the first of these into key and value; \t and the like are understood
    #[arg(short = 'K', long, value_name = "DELIM", value_parser = delimiter)]
    pub(crate) key_delimiter: Option<Delimiter>,
    #[command(flatten)]
    pub(crate) producer: ProducerArgs,
}

/// The bytes between key and value; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Delimiter(pub(crate) Vec<u8>);

/// Settings of a producer that have options of their own.
#[derive(Args, Clone, Debug)]
pub(crate) struct ProducerArgs {
    /// Who must have a record before it counts as sent: all, 1 or 0 [default: all]
    #[arg(long)]
    pub(crate) acks: Option<String>,
    /// How long a record may wait for others to share its batch
    #[arg(long, value_name = "MS")]
    pub(crate) linger_ms: Option<String>,
    /// Largest batch, before compression
    #[arg(long, value_name = "BYTES")]
    pub(crate) batch_size: Option<String>,
    /// none, gzip, snappy, lz4 or zstd [default: none]
    #[arg(short = 'z', long, value_name = "CODEC")]
    pub(crate) compression: Option<String>,
}

#[derive(Args, Debug)]
pub(crate) struct ConsumeArgs {
    /// Topic to read
    pub(crate) topic: String,
    /// Read as a member of this group, and commit what was printed
    #[arg(short = 'G', long)]
    pub(crate) group: Option<String>,
    /// Where to start; with a group, only where it has committed nothing
    #[arg(long, value_enum, default_value_t = From::Beginning)]
    pub(crate) from: From,
    /// What to print of each record: %t topic, %p partition, %o offset, %k key, %K key length, %s value, %S value
    /// length, %T timestamp in ms, %h headers, %%, and \n, \t, \xHH
    #[arg(short, long, default_value = r"%s\n", value_parser = Format::parse)]
    pub(crate) format: Format,
    /// End after so many records
    #[arg(short, long)]
    pub(crate) count: Option<u64>,
    /// End when there are no more records for now
    #[arg(short, long)]
    pub(crate) exit: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum From {
    /// The oldest record there is
    Beginning,
    /// What is written from now on
    End,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TopicsCommand {
    /// Name and number of partitions of every topic (as without a command)
    List,
    /// Create a topic
    Create(CreateArgs),
    /// Delete topics and all their records
    Delete {
        #[arg(required = true, value_name = "TOPIC")]
        topics: Vec<String>,
    },
    /// Partitions, leaders and replicas of topics
    Describe {
        #[arg(required = true, value_name = "TOPIC")]
        topics: Vec<String>,
    },
}

#[derive(Args, Debug)]
pub(crate) struct CreateArgs {
    /// Name of the topic
    pub(crate) topic: String,
    /// Number of partitions [default: the broker's]
    #[arg(short, long)]
    pub(crate) partitions: Option<i32>,
    /// Replicas of each partition [default: the broker's]
    #[arg(short, long)]
    pub(crate) replication_factor: Option<i16>,
    /// A property of the topic, such as retention.ms=86400000; repeatable
    #[arg(short, long = "config", value_name = "NAME=VALUE", value_parser = property)]
    pub(crate) configs: Vec<(String, String)>,
    /// Only check whether it could be created
    #[arg(long)]
    pub(crate) validate_only: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PerfCommand {
    /// Send records as fast as they are acknowledged; the clock runs from the first send to the last
    /// acknowledgement (one more record goes first, so that connecting is not measured)
    Produce(PerfProduceArgs),
    /// Read records from the beginning; the clock starts with the first of them
    Consume(PerfConsumeArgs),
    /// Send records at a steady rate; measures from each send to its acknowledgement (one more record
    /// goes first), and as due_* from the moment it was due
    Latency(PerfLatencyArgs),
}

#[derive(Args, Debug)]
pub(crate) struct PerfProduceArgs {
    /// Topic to send to
    #[arg(long)]
    pub(crate) topic: String,
    /// How many records
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) records: u64,
    /// Bytes of each value; there are no keys
    #[arg(long, default_value_t = 100, value_name = "BYTES")]
    pub(crate) record_size: usize,
    /// Tasks that share the producer and the records
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub(crate) tasks: u64,
    #[command(flatten)]
    pub(crate) producer: ProducerArgs,
}

#[derive(Args, Debug)]
pub(crate) struct PerfConsumeArgs {
    /// Topic to read
    #[arg(long)]
    pub(crate) topic: String,
    /// How many records
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) records: u64,
    /// Read as a member of this group; without, all partitions are read
    #[arg(short = 'G', long)]
    pub(crate) group: Option<String>,
}

#[derive(Args, Debug)]
pub(crate) struct PerfLatencyArgs {
    /// Topic to send to
    #[arg(long)]
    pub(crate) topic: String,
    /// Records a second
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    pub(crate) rate: u64,
    /// How long
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(crate) seconds: u64,
    /// Bytes of each value; there are no keys
    #[arg(long, default_value_t = 100, value_name = "BYTES")]
    pub(crate) record_size: usize,
    /// As with perf produce; but records do not wait for others [default linger: 0]
    #[command(flatten)]
    pub(crate) producer: ProducerArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum VerifyCommand {
    /// Send the numbers from 0 and tell of each what became of it (`VerifiableProducer`)
    Producer(VerifyProducerArgs),
    /// Read a topic as a member of a group and tell all that happens (`VerifiableConsumer`)
    Consumer(VerifyConsumerArgs),
    /// Copy records from a topic to another in transactions (`TransactionalMessageCopier`)
    Copier(CopierArgs),
}

#[derive(Args, Debug)]
pub(crate) struct VerifyProducerArgs {
    /// Topic to send to
    #[arg(long)]
    pub(crate) topic: String,
    /// How many records; -1 is without end
    #[arg(long, default_value_t = -1, allow_negative_numbers = true)]
    pub(crate) max_messages: i64,
    /// Most records a second, about; -1 is without limit
    #[arg(long, default_value_t = -1, allow_negative_numbers = true)]
    pub(crate) throughput: i64,
    /// Who must have a record before it counts as sent: 0, 1 or -1 for all
    #[arg(long, default_value_t = -1, allow_negative_numbers = true, value_parser = clap::value_parser!(i16).range(-1..=1))]
    pub(crate) acks: i16,
    /// Timestamp of the first record in ms since the epoch; later ones grow; -1 is the time of sending
    #[arg(
        long,
        default_value_t = -1,
        allow_negative_numbers = true,
        value_name = "MS"
    )]
    pub(crate) message_create_time: i64,
    /// Written before each value, with a dot
    #[arg(long, allow_negative_numbers = true)]
    pub(crate) value_prefix: Option<i32>,
    /// Keys from 0 up to this number, over and over; without, there are none
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) repeating_keys: Option<u64>,
    /// Java properties file; wins over the options
    #[arg(long, alias = "producer.config", value_name = "FILE")]
    pub(crate) command_config: Option<std::path::PathBuf>,
}

impl ConsumeArgs {
    /// As properties.
    pub(crate) fn properties(&self) -> Vec<(String, String)> {
        let reset = match self.from {
            From::Beginning => "earliest",
            From::End => "latest",
        };
        consumer_properties(reset, self.group.as_deref())
    }
}

impl PerfConsumeArgs {
    /// As properties.
    pub(crate) fn properties(&self) -> Vec<(String, String)> {
        consumer_properties("earliest", self.group.as_deref())
    }
}

fn consumer_properties(reset: &str, group: Option<&str>) -> Vec<(String, String)> {
    let mut properties = vec![("auto.offset.reset".to_owned(), reset.to_owned())];
    properties.extend(group.map(|group| ("group.id".to_owned(), group.to_owned())));
    properties
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

fn property(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => {
            Ok((name.trim().to_owned(), value.trim().to_owned()))
        }
        _ => Err("write name=value".to_owned()),
    }
}

fn delimiter(text: &str) -> Result<Delimiter, String> {
    let bytes = unescape(text).map_err(|error| error.to_string())?;
    if bytes.is_empty() {
        return Err("a delimiter has at least one byte".to_owned());
    }
    Ok(Delimiter(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(std::iter::once("klamm").chain(line.split_whitespace()))
    }

    #[test]
    fn the_definition_of_the_command_line_is_sound() {
        use clap::CommandFactory as _;
        Cli::command().debug_assert();
    }

    #[test]
    fn global_options_stand_before_or_after_the_command() {
        for line in [
            "-b kafka:1 -X acks=1 produce orders",
            "produce orders --bootstrap-server kafka:1 --property acks=1",
        ] {
            let cli = parse(line).unwrap();
            assert_eq!(cli.cluster.bootstrap_server.as_deref(), Some("kafka:1"));
            let acks = ("acks".to_owned(), "1".to_owned());
            assert_eq!(cli.cluster.properties, [acks]);
            assert!(matches!(cli.command, Command::Produce(produce) if produce.topic == "orders"));
        }
    }

    #[test]
    fn plain_topics_is_a_command() {
        let cli = parse("topics").unwrap();
        assert!(matches!(cli.command, Command::Topics { command: None }));
    }

    #[test]
    fn consume_prints_values_from_the_beginning_unless_told_otherwise() {
        let Command::Consume(consume) = parse("consume orders").unwrap().command else {
            panic!("consume");
        };
        assert_eq!(consume.from, From::Beginning);
        assert_eq!(consume.format, Format::parse("%s\n").unwrap());
        assert_eq!((consume.count, consume.exit), (None, false));
    }

    #[test]
    fn options_of_the_producer_are_properties() {
        let line = "perf produce --topic t --acks 1 --linger-ms 3 --batch-size 9 -z lz4";
        let Command::Perf(PerfCommand::Produce(produce)) = parse(line).unwrap().command else {
            panic!("perf produce");
        };
        let properties = produce.producer.properties();
        let properties: Vec<_> = properties
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        assert_eq!(
            properties,
            [
                "acks=1",
                "linger.ms=3",
                "batch.size=9",
                "compression.type=lz4"
            ]
        );
    }

    #[test]
    fn what_is_malformed_is_refused() {
        for line in [
            "",
            "produce",
            "produce orders -X acks",
            "produce orders -X =1",
            "consume orders --from middle",
            "consume orders --format %q",
            "consume orders -c -1",
            "topics delete",
            "perf produce",
            "perf produce --topic t --records 0",
            "perf produce --topic t --tasks 0",
            "perf latency --topic t --rate 0",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }

    #[test]
    fn a_delimiter_may_be_escaped_and_is_never_empty() {
        assert_eq!(delimiter(r"\t"), Ok(Delimiter(vec![b'\t'])));
        assert_eq!(delimiter("::"), Ok(Delimiter(b"::".to_vec())));
        assert!(delimiter("").is_err());
    }
}
