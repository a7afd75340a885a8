//! The command line: what all commands share; the arguments of each command are beside it.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::acls::AclsCommand;
use crate::cluster::ClusterCommand;
use crate::completions::CompletionsArgs;
use crate::configs::ConfigsCommand;
use crate::consume::ConsumeArgs;
use crate::doctor::DoctorArgs;
use crate::elect::ElectArgs;
use crate::groups::GroupsCommand;
use crate::lag::LagArgs;
use crate::perf::PerfCommand;
use crate::produce::ProduceArgs;
use crate::quotas::QuotasCommand;
use crate::reassign::ReassignCommand;
use crate::records::RecordsCommand;
use crate::secure::SecurityArgs;
use crate::topics::TopicsCommand;
use crate::transactions::TransactionsCommand;
use crate::users::UsersCommand;
use crate::verify::{CopierArgs, VerifyConsumerArgs};

/// Look after Apache Kafka, produce, consume, and measure.
#[derive(Debug, Parser)]
#[command(name = "klamm", version, propagate_version = true, after_help = AFTER_HELP)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) cluster: ClusterArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const AFTER_HELP: &str = "\
Output: tables on a terminal; lines of fields separated by tabs, without headings, through a pipe; JSON with --json. \
Everything else goes to standard error.

Exit codes: 0 done, 1 failed, in whole or in part, 2 misused, 3 the answer is no (topics exists), 130 interrupted \
before it was done. Ctrl-C and SIGTERM end a command cleanly, and say what it came to; a second one ends it at once.

Environment: KLAMM_BOOTSTRAP stands for --bootstrap-server and KLAMM_CONFIG for --config-file, where these are not \
given; KLAMM_SASL_PASSWORD is the password of --sasl-user. NO_COLOR turns colours off.

Examples:
  klamm -b kafka:9092 topics
  klamm -F client.properties groups describe billing
  klamm consume orders --from -10 --exit --json";

const VERIFY: &str = "\
Each takes the options of the Java program in brackets. What happens is told as lines of JSON on standard output, with or \
without --json. Ctrl-C and SIGTERM end them cleanly, with exit code 0.";

/// Which cluster, and how.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Cluster")]
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
    /// Addresses of controllers instead of brokers, for what those take themselves: cluster, configs, acls, reassign
    #[arg(
        long,
        global = true,
        value_name = "HOST:PORT",
        conflicts_with = "bootstrap_server"
    )]
    pub(crate) bootstrap_controller: Option<String>,
    /// A properties file, as those of Java's and librdkafka's clients
    #[arg(short = 'F', long, global = true, value_name = "FILE")]
    pub(crate) config_file: Option<PathBuf>,
    /// A property by the name that every Kafka client knows, such as request.timeout.ms=5000; repeatable, and wins over
    /// other options and the file
    #[arg(short = 'X', long = "property", global = true, value_name = "NAME=VALUE", value_parser = property)]
    pub(crate) properties: Vec<(String, String)>,
    #[command(flatten)]
    pub(crate) security: SecurityArgs,
}

/// How results are printed.
#[derive(Args, Clone, Copy, Debug)]
#[command(next_help_heading = "Output")]
pub(crate) struct OutputArgs {
    /// Prints results as JSON: one document, or a line for each of a stream
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

/// Consent to what can't be undone.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Consent {
    /// Does not ask; needed where there is no terminal to ask on
    #[arg(short, long)]
    pub(crate) yes: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Send the lines of standard input as records
    Produce(ProduceArgs),
    /// Print records
    Consume(ConsumeArgs),
    /// List, create, change, delete and describe topics
    Topics {
        #[command(subcommand)]
        command: Option<TopicsCommand>,
    },
    /// List, describe, reset and delete groups
    Groups {
        #[command(subcommand)]
        command: Option<GroupsCommand>,
    },
    /// How far groups are behind
    Lag(LagArgs),
    /// Show and change configurations of topics, brokers, groups and client metrics
    #[command(subcommand)]
    Configs(ConfigsCommand),
    /// Brokers, features, the quorum of controllers, and what is wrong
    Cluster {
        #[command(subcommand)]
        command: Option<ClusterCommand>,
    },
    /// Find out why a connection does not work: step by step, from the properties to every broker; exit code 1 if a step
    /// failed
    Doctor(DoctorArgs),
    /// Delete records
    #[command(subcommand)]
    Records(RecordsCommand),
    /// List, describe and abort transactions
    Transactions {
        #[command(subcommand)]
        command: Option<TransactionsCommand>,
    },
    /// Move partitions between brokers
    Reassign {
        #[command(subcommand)]
        command: Option<ReassignCommand>,
    },
    /// Give partitions back to their preferred leaders, or a leader to those that have none
    Elect(ElectArgs),
    /// Who is allowed, or denied, what
    Acls {
        #[command(subcommand)]
        command: Option<AclsCommand>,
    },
    /// Users that authenticate by SCRAM
    Users {
        #[command(subcommand)]
        command: Option<UsersCommand>,
    },
    /// Limits of what users, client ids and addresses may use
    Quotas {
        #[command(subcommand)]
        command: Option<QuotasCommand>,
    },
    /// Measure throughput, latency, CPU and memory
    #[command(subcommand)]
    Perf(PerfCommand),
    /// Stand in for the programs of Apache Kafka's system tests
    #[command(subcommand, after_help = VERIFY)]
    Verify(VerifyCommand),
    /// Completions for a shell
    Completions(CompletionsArgs),
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
    /// A properties file, which wins over the options
    #[arg(long, alias = "producer.config", value_name = "FILE")]
    pub(crate) command_config: Option<std::path::PathBuf>,
}

/// `name=value`.
pub(crate) fn property(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => {
            Ok((name.trim().to_owned(), value.trim().to_owned()))
        }
        _ => Err("write name=value".to_owned()),
    }
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
            "-b kafka:1 -X acks=1 --json produce orders",
            "produce orders --bootstrap-server kafka:1 --property acks=1 --json",
        ] {
            let cli = parse(line).unwrap();
            assert_eq!(cli.cluster.bootstrap_server.as_deref(), Some("kafka:1"));
            let acks = ("acks".to_owned(), "1".to_owned());
            assert_eq!(cli.cluster.properties, [acks]);
            assert!(cli.output.json);
            assert!(matches!(cli.command, Command::Produce(produce) if produce.topic == "orders"));
        }
    }

    #[test]
    fn a_noun_alone_lists() {
        let cli = parse("topics").unwrap();
        assert!(matches!(cli.command, Command::Topics { command: None }));
        let cli = parse("groups").unwrap();
        assert!(matches!(cli.command, Command::Groups { command: None }));
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
            "topics alter orders",
            "groups reset billing --topic orders",
            "groups reset billing --to end",
            "groups reset billing --all-topics --to end --shift-by 1",
            "groups remove-members billing",
            "configs describe nonsense orders",
            "configs set topic orders",
            "lag --interval 0s",
            "acls add User:alice topic orders",
            "acls add User:alice nonsense orders --operation read",
            "quotas set producer_byte_rate=1",
            "quotas set --user alice producer_byte_rate=fast",
            "quotas set --user alice --ip ::1 connection_creation_rate=1",
            "records delete orders",
            "reassign start orders",
            "elect",
            "elect orders --all",
            "transactions abort orders:0",
            "doctor --timeout 0s",
            "completions cobol",
            "perf produce",
            "perf produce --topic t --records 0",
            "perf produce --topic t --tasks 0",
            "perf latency --topic t --rate 0",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
