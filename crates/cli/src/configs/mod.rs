//! `klamm configs`.

mod change;
mod describe;

use clap::{Args, Subcommand, ValueEnum};
use klamm::admin::{ConfigResource, ConfigResourceKind};

use self::change::{DeleteArgs, SetArgs};
use self::describe::DescribeArgs;
use crate::args::ClusterArgs;
use crate::failure::Failure;
use crate::output::Output;
use crate::session;

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigsCommand {
    /// What is set and where, and with --all what has its default
    Describe(DescribeArgs),
    /// Set properties
    Set(SetArgs),
    /// Set properties back to their defaults
    Delete(DeleteArgs),
}

/// Whose configuration.
#[derive(Args, Clone, Debug)]
pub(crate) struct ResourceArgs {
    /// What has the configuration
    #[arg(value_enum)]
    kind: Kind,
    /// Its name: of a topic or group, id of a broker; "default" stands for all brokers
    name: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// A topic, by name
    Topic,
    /// A broker, by id
    Broker,
    /// The log levels of a broker, by id
    BrokerLogger,
    /// A group, by id
    Group,
    /// A subscription of client metrics, by name
    ClientMetrics,
}

impl ResourceArgs {
    fn resource(&self) -> ConfigResource {
        let kind = match self.kind {
            Kind::Topic => ConfigResourceKind::Topic,
            Kind::Broker if self.name == "default" => return ConfigResource::all_brokers(),
            Kind::Broker => ConfigResourceKind::Broker,
            Kind::BrokerLogger => ConfigResourceKind::BrokerLogger,
            Kind::Group => ConfigResourceKind::Group,
            Kind::ClientMetrics => ConfigResourceKind::ClientMetrics,
        };
        ConfigResource::new(kind, &self.name)
    }
}

pub(crate) async fn run(
    cluster: ClusterArgs,
    command: ConfigsCommand,
    out: &Output,
) -> Result<(), Failure> {
    let admin = session::admin(cluster).await?;
    match command {
        ConfigsCommand::Describe(args) => describe::run(&admin, args, out).await,
        ConfigsCommand::Set(args) => change::set(&admin, args, out).await,
        ConfigsCommand::Delete(args) => change::delete(&admin, args, out).await,
    }
}
