//! `klamm verify`: the programs by which Apache Kafka's system tests judge a client.
//!
//! Each keeps to the contract of the Java program that it stands in for: its flags, newline JSON with its
//! field names on standard output, all else on standard error, and a clean end on SIGINT and SIGTERM.

mod consumer;
mod copier;
mod json;
mod producer;

pub(crate) use self::consumer::VerifyConsumerArgs;
pub(crate) use self::copier::CopierArgs;

use crate::args::{ClusterArgs, VerifyCommand};
use crate::failure::Failure;

pub(crate) async fn run(cluster: ClusterArgs, command: VerifyCommand) -> Result<(), Failure> {
    match command {
        VerifyCommand::Producer(args) => producer::run(cluster, args).await,
        VerifyCommand::Consumer(args) => consumer::run(cluster, args).await,
        VerifyCommand::Copier(args) => copier::run(cluster, args).await,
    }
}

/// The properties in a Java properties file (`--command-config`).
fn read_properties(path: &std::path::Path) -> Result<Vec<(String, String)>, Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::Usage(format!("cannot read {}: {error}", path.display())))?;
    Ok(klamm::config::PropertySet::read_file_text(&text)?)
}
