//! `klamm perf`: what producing and consuming cost on this machine, one line a run.
//!
//! CPU is user and system time of the whole process over the same span as `seconds`; memory is the
//! most the process ever had. A run that did not do all it should is marked ` partial=true`.

mod args;
mod consume;
mod end_to_end;
mod latency;
mod pace;
mod payload;
mod produce;
mod usage;

use std::io::Write as _;

use klamm::{Producer, Record};
use serde_json::{Map, Value};

pub(crate) use self::args::PerfCommand;
use crate::args::ClusterArgs;
use crate::failure::Failure;
use crate::output::Output;

pub(crate) async fn run(
    cluster: ClusterArgs,
    command: PerfCommand,
    out: &Output,
) -> Result<(), Failure> {
    match command {
        PerfCommand::Produce(args) => produce::run(cluster, args, out).await,
        PerfCommand::Consume(args) => {
            // A task, as consumers are in services: what a connection's task has read is consumed on the same core.
            let run = tokio::spawn(consume::run(cluster, args, out.clone())).await;
            run.unwrap_or_else(|panicked| std::panic::resume_unwind(panicked.into_panic()))
        }
        PerfCommand::Latency(args) => latency::run(cluster, args, out).await,
        PerfCommand::EndToEnd(args) => end_to_end::run(cluster, args, out).await,
    }
}

/// Sends one record that does not count: connections, metadata and producer id are there then.
async fn warm_up(producer: &Producer, topic: &str, value: &[u8]) -> Result<(), Failure> {
    let delivery = producer.send(Record::to(topic).value(value)).await?;
    producer.flush().await;
    delivery.await?;
    Ok(())
}

/// Prints a result line; `done` of `wanted` records are in it. In JSON its fields are numbers, but for what it is of.
fn print_result(out: &Output, line: &str, done: u64, wanted: u64) -> Result<(), Failure> {
    if out.is_json() {
        return out.document(&json(line, done < wanted));
    }
    let partial = if done < wanted { " partial=true" } else { "" };
    writeln!(std::io::stdout(), "{line}{partial}").map_err(|error| Failure::output(&error))
}

/// `klamm VERB name=number ...` as an object.
fn json(line: &str, partial: bool) -> Value {
    let mut fields = Map::new();
    if let Some(verb) = line.split(' ').nth(1) {
        fields.insert("measured".to_owned(), verb.into());
    }
    for (name, value) in line.split(' ').filter_map(|field| field.split_once('=')) {
        let number: Option<Value> = serde_json::from_str(value).ok();
        let value = number.unwrap_or_else(|| value.into());
        fields.insert(name.to_owned(), value);
    }
    fields.insert("partial".to_owned(), partial.into());
    Value::Object(fields)
}
