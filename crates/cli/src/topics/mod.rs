//! `klamm topics`.

mod alter;
mod create;
mod delete;
mod describe;
mod list;

use clap::{Args, Subcommand};

use self::alter::AlterArgs;
use self::create::CreateArgs;
use self::delete::DeleteArgs;
use self::describe::DescribeArgs;
use crate::args::ClusterArgs;
use crate::failure::Failure;
use crate::output::{Output, row};
use crate::session;

#[derive(Debug, Subcommand)]
pub(crate) enum TopicsCommand {
    /// Name and number of partitions of every topic (as without a command)
    List,
    /// Create topics
    Create(CreateArgs),
    /// Partitions, leaders and replicas of topics
    Describe(DescribeArgs),
    /// Add partitions to a topic, or change its configuration
    Alter(AlterArgs),
    /// Delete topics and all their records
    Delete(DeleteArgs),
    /// Whether a topic is there: exit code 0 if it is, 3 if not
    Exists(ExistsArgs),
}

#[derive(Args, Debug)]
pub(crate) struct ExistsArgs {
    /// Name of the topic
    topic: String,
}

pub(crate) async fn run(
    cluster: ClusterArgs,
    command: Option<TopicsCommand>,
    out: &Output,
) -> Result<(), Failure> {
    let admin = session::admin(cluster).await?;
    match command.unwrap_or(TopicsCommand::List) {
        TopicsCommand::List => list::run(&admin, out).await,
        TopicsCommand::Create(args) => create::run(&admin, args, out).await,
        TopicsCommand::Describe(args) => describe::run(&admin, args, out).await,
        TopicsCommand::Alter(args) => alter::run(&admin, args, out).await,
        TopicsCommand::Delete(args) => delete::run(&admin, args, out).await,
        TopicsCommand::Exists(ExistsArgs { topic }) => {
            let topics = admin.list_topics().await?;
            let exists = topics.iter().any(|listed| listed.name == topic);
            let answer = row!(topic: topic.as_str(), exists: exists);
            if out.is_json() {
                out.document(&crate::output::object(answer))?;
            } else {
                out.line(if exists { "yes" } else { "no" })?;
            }
            if exists { Ok(()) } else { Err(Failure::No) }
        }
    }
}
