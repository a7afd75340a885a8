//! `klamm perf`: what producing and consuming cost on this machine, one line a run.
//!
//! CPU is user and system time of the whole process over the same span as `seconds`; memory is the
//! most the process ever had. A run that did not do all it should is marked ` partial=true`.

mod args;
mod consume;
mod latency;
mod payload;
mod produce;
mod usage;

use std::io::Write as _;

use klamm::{Producer, Record};

pub(crate) use self::args::PerfCommand;
use crate::args::ClusterArgs;
use crate::failure::Failure;

pub(crate) async fn run(cluster: ClusterArgs, command: PerfCommand) -> Result<(), Failure> {
    match command {
        PerfCommand::Produce(args) => produce::run(cluster, args).await,
        PerfCommand::Consume(args) => consume::run(cluster, args).await,
        PerfCommand::Latency(args) => latency::run(cluster, args).await,
    }
}

/// Sends one record that does not count: connections, metadata and producer id are there then.
async fn warm_up(producer: &Producer, topic: &str, value: &[u8]) -> Result<(), Failure> {
    let delivery = producer.send(Record::to(topic).value(value)).await?;
    producer.flush().await;
    delivery.await?;
    Ok(())
}

/// Prints a result line; `done` of `wanted` records are in it.
fn print_result(line: &str, done: u64, wanted: u64) -> Result<(), Failure> {
    let partial = if done < wanted { " partial=true" } else { "" };
    writeln!(std::io::stdout(), "{line}{partial}").map_err(|error| Failure::output(&error))
}
