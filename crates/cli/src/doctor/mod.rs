//! `klamm doctor`: step by step, what works between here and the cluster and what does not.
//!
//! Owns: the order of the steps, and the likely cause of each failure with what can be done. Changes
//! nothing: no topic, no record, no offset.
//!
//! Invariant: a step that fails ends only the steps that need it.

mod bootstrap;
mod cluster;
mod reach;
mod steps;

use std::time::Duration;

use clap::Args;
use klamm::config::{PropertySet, Role};

use self::steps::Steps;
use crate::args::ClusterArgs;
use crate::failure::Failure;
use crate::output::Output;
use crate::session::{borrowed, properties};
use crate::time;

#[derive(Args, Debug)]
pub(crate) struct DoctorArgs {
    /// Limit for each step, such as 500ms or 10s
    #[arg(short, long, value_name = "DURATION", default_value = "10s", value_parser = time::interval)]
    timeout: Duration,
}

pub(crate) async fn run(
    cluster: ClusterArgs,
    args: DoctorArgs,
    out: &Output,
) -> Result<(), Failure> {
    let mut steps = Steps::new(out);
    examine(cluster, args.timeout, &mut steps).await?;
    steps.finish()
}

async fn examine(
    cluster: ClusterArgs,
    timeout: Duration,
    steps: &mut Steps<'_>,
) -> Result<(), Failure> {
    let properties = match properties(cluster, Role::Client, Vec::new()) {
        Ok(properties) => properties,
        Err(Failure::Usage(reason) | Failure::Failed(reason)) => {
            return steps.failed("configuration", "properties", &reason);
        }
        Err(failure) => return Err(failure),
    };
    let set = PropertySet::parse(Role::Client, borrowed(&properties))?;
    let security = Security::of(&set);
    let addresses = match set.list("bootstrap.servers") {
        Some(addresses) if !addresses.is_empty() => addresses,
        _ => return steps.failed("configuration", "bootstrap.servers", "it names no address"),
    };
    let told = format!("{} with {}", addresses.join(","), security.protocol);
    steps.ok("configuration", "properties", &told)?;
    let mut client = None;
    for address in &addresses {
        let connected = bootstrap::examine(&properties, address, &security, timeout, steps).await?;
        client = client.or(connected);
    }
    match client {
        Some(client) => cluster::examine(&client, &addresses, timeout, steps).await,
        None => steps.skipped("cluster", "", "no address of the cluster could be used"),
    }
}

/// What the properties say of security.
struct Security {
    protocol: String,
    tls: bool,
    /// The mechanism.
    sasl: Option<String>,
}

impl Security {
    fn of(set: &PropertySet) -> Self {
        let protocol = set.string("security.protocol");
        let protocol = protocol.unwrap_or_else(|| "PLAINTEXT".to_owned());
        let mechanism = || {
            let mechanism = set.string("sasl.mechanism");
            mechanism.unwrap_or_else(|| "GSSAPI".to_owned())
        };
        Self {
            tls: protocol.ends_with("SSL"),
            sasl: protocol.starts_with("SASL").then(mechanism),
            protocol,
        }
    }
}
