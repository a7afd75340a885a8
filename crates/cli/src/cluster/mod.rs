//! `klamm cluster`.

mod brokers;
mod features;
mod health;
mod quorum;

use clap::Subcommand;

use crate::args::ClusterArgs;
use crate::failure::Failure;
use crate::output::Output;
use crate::session;

#[derive(Debug, Subcommand)]
pub(crate) enum ClusterCommand {
    /// Id of the cluster, its brokers and which of them is the controller (as without a command); with
    /// --bootstrap-controller its controllers, and which of them is active
    Brokers,
    /// Versions of features such as metadata.version: in force, and what the brokers can do
    Features,
    /// The quorum of controllers, and how far each of them is
    Quorum,
    /// What is wrong: brokers that do not answer, partitions without leader or with replicas behind; exit code 1 if
    /// something is
    Health,
}

pub(crate) async fn run(
    cluster: ClusterArgs,
    command: Option<ClusterCommand>,
    out: &Output,
) -> Result<(), Failure> {
    let admin = session::admin(cluster).await?;
    match command.unwrap_or(ClusterCommand::Brokers) {
        ClusterCommand::Brokers => brokers::run(&admin, out).await,
        ClusterCommand::Features => features::run(&admin, out).await,
        ClusterCommand::Quorum => quorum::run(&admin, out).await,
        ClusterCommand::Health => health::run(&admin, out).await,
    }
}
