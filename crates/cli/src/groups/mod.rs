//! `klamm groups`.

mod delete;
mod describe;
mod list;
mod members;
mod offsets;
pub(crate) mod progress;
mod remove_members;
mod reset;
mod share;

use clap::Subcommand;

use self::delete::DeleteArgs;
use self::describe::DescribeArgs;
use self::list::ListArgs;
use self::members::MembersArgs;
use self::offsets::DeleteOffsetsArgs;
use self::remove_members::RemoveMembersArgs;
use self::reset::ResetArgs;
use crate::args::ClusterArgs;
use crate::failure::Failure;
use crate::output::Output;
use crate::session;

#[derive(Debug, Subcommand)]
pub(crate) enum GroupsCommand {
    /// Every group with its type and state (as without a command)
    List(ListArgs),
    /// How far groups are in each partition, and who reads it
    Describe(DescribeArgs),
    /// Who is in a group
    Members(MembersArgs),
    /// Set where a group goes on; shows what would happen unless --execute is given
    Reset(ResetArgs),
    /// Delete groups and their offsets
    Delete(DeleteArgs),
    /// Forget the offsets of topics that a group does not read any more
    DeleteOffsets(DeleteOffsetsArgs),
    /// Put members out of a group; those that still run come back
    RemoveMembers(RemoveMembersArgs),
}

pub(crate) async fn run(
    cluster: ClusterArgs,
    command: Option<GroupsCommand>,
    out: &Output,
) -> Result<(), Failure> {
    let admin = session::admin(cluster).await?;
    match command.unwrap_or(GroupsCommand::List(ListArgs::default())) {
        GroupsCommand::List(args) => list::run(&admin, args, out).await,
        GroupsCommand::Describe(args) => describe::run(&admin, args, out).await,
        GroupsCommand::Members(args) => members::run(&admin, args, out).await,
        GroupsCommand::Reset(args) => reset::run(&admin, args, out).await,
        GroupsCommand::Delete(args) => delete::run(&admin, args, out).await,
        GroupsCommand::DeleteOffsets(args) => offsets::delete(&admin, args, out).await,
        GroupsCommand::RemoveMembers(args) => remove_members::run(&admin, args, out).await,
    }
}
