//! The arguments of `klamm perf`.

use clap::{Args, Subcommand};

use crate::consume::consumer_properties;
use crate::produce::ProducerArgs;

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
    /// Send records at a steady rate and read them in the same process; measures from each send to the
    /// poll that hands the record out (the topic must get no others meanwhile; two records go first)
    EndToEnd(PerfLatencyArgs),
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
    #[command(flatten)]
    pub(crate) producer: ProducerArgs,
}

impl PerfLatencyArgs {
    /// How many records that makes.
    pub(crate) fn records(&self) -> u64 {
        self.rate * self.seconds
    }
}

impl PerfConsumeArgs {
    /// As properties.
    pub(crate) fn properties(&self) -> Vec<(String, String)> {
        consumer_properties("earliest", self.group.as_deref())
    }
}
