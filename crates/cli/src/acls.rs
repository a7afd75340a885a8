//! `klamm acls`.

use clap::{Args, Subcommand};
use klamm::Admin;
use klamm::admin::{Acl, AclFilter, AclOperation, AclResourceKind, PatternKind};

use crate::args::{ClusterArgs, Consent};
use crate::confirm::confirm;
use crate::failure::{Failure, note};
use crate::output::{Output, Report, Row, row};
use crate::session;

const KINDS: &str =
    "Kind of resource: topic, group, cluster, transactional_id, delegation_token or user";

#[derive(Debug, Subcommand)]
pub(crate) enum AclsCommand {
    /// Who is allowed, or denied, what (as without a command)
    List(FilterArgs),
    /// Allow, or deny, operations
    Add(AddArgs),
    /// Take back what filters match; without any, all
    Delete(DeleteArgs),
}

/// Which ACLs; what is not said is not restricted.
#[derive(Args, Debug, Default)]
pub(crate) struct FilterArgs {
    /// Only of this one, such as User:alice
    #[arg(long)]
    principal: Option<String>,
    #[arg(help = KINDS, long, value_name = "KIND")]
    kind: Option<AclResourceKind>,
    /// Only on the resource of this name
    #[arg(long)]
    name: Option<String>,
    /// With --name: all that hold for it, also by prefixes and *
    #[arg(long, requires = "name")]
    matching: bool,
    /// With --name: the name is that of a prefix
    #[arg(long, requires = "name", conflicts_with = "matching")]
    prefixed: bool,
    /// Only this operation, such as read
    #[arg(long)]
    operation: Option<AclOperation>,
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  klamm acls add User:alice topic orders --operation read --operation describe
  klamm acls add User:billing group billing- --prefixed --operation read
  klamm acls add User:shop cluster --operation describe --host 10.0.0.7")]
pub(crate) struct AddArgs {
    /// Who, such as User:alice; User:* is everybody
    principal: String,
    #[arg(help = KINDS)]
    kind: AclResourceKind,
    /// Its name; * is all of them. Not for the cluster
    name: Option<String>,
    /// What, such as read, write, describe or all; repeatable
    #[arg(long = "operation", required = true)]
    operations: Vec<AclOperation>,
    /// Deny it, whatever else allows it
    #[arg(long)]
    deny: bool,
    /// The name is a prefix of names
    #[arg(long)]
    prefixed: bool,
    /// Only from this address; repeatable [default: any]
    #[arg(long = "host")]
    hosts: Vec<String>,
}

#[derive(Args, Debug)]
pub(crate) struct DeleteArgs {
    #[command(flatten)]
    filter: FilterArgs,
    #[command(flatten)]
    consent: Consent,
}

pub(crate) async fn run(
    cluster: ClusterArgs,
    command: Option<AclsCommand>,
    out: &Output,
) -> Result<(), Failure> {
    let admin = session::admin(cluster).await?;
    match command.unwrap_or(AclsCommand::List(FilterArgs::default())) {
        AclsCommand::List(args) => list(&admin, &args, out).await,
        AclsCommand::Add(args) => add(&admin, args, out).await,
        AclsCommand::Delete(args) => delete(&admin, args, out).await,
    }
}

impl FilterArgs {
    fn filter(&self) -> AclFilter {
        let mut filter = AclFilter::any();
        if let Some(kind) = self.kind {
            filter = filter.resource(kind);
        }
        if let Some(name) = &self.name {
            filter = match (self.matching, self.prefixed) {
                (true, _) => filter.matching(name),
                (false, true) => filter.named(PatternKind::Prefixed, name),
                (false, false) => filter.named(PatternKind::Literal, name),
            };
        }
        if let Some(principal) = &self.principal {
            filter = filter.principal(principal);
        }
        if let Some(operation) = self.operation {
            filter = filter.operation(operation);
        }
        filter
    }
}

fn fields(acl: &Acl) -> Row {
    row!(
        principal: acl.principal.as_str(),
        permission: acl.permission.to_string(),
        operation: acl.operation.to_string(),
        kind: acl.resource.to_string(),
        pattern: acl.pattern.to_string(),
        name: acl.name.as_str(),
        host: acl.host.as_str(),
    )
}

async fn list(admin: &Admin, args: &FilterArgs, out: &Output) -> Result<(), Failure> {
    let mut acls = admin.describe_acls(args.filter()).await?;
    acls.sort();
    out.rows(acls.iter().map(fields).collect(), "there are no such ACLs")
}

async fn add(admin: &Admin, args: AddArgs, out: &Output) -> Result<(), Failure> {
    let name = match (&args.name, args.kind) {
        (Some(name), _) => name.as_str(),
        (None, AclResourceKind::Cluster) => "",
        (None, kind) => {
            let told = format!(
                "which {}? Name it behind its kind; * is all of them",
                kind.to_string().to_lowercase()
            );
            return Err(Failure::Usage(told));
        }
    };
    let mut acls = Vec::new();
    for operation in args.operations {
        let acl = if args.deny {
            Acl::deny(&args.principal, operation)
        } else {
            Acl::allow(&args.principal, operation)
        };
        let acl = match (args.kind, args.prefixed) {
            (AclResourceKind::Cluster, _) => acl.on_cluster(),
            (kind, true) => acl.on_prefix(kind, name),
            (kind, false) => acl.on(kind, name),
        };
        if args.hosts.is_empty() {
            acls.push(acl);
            continue;
        }
        acls.extend(args.hosts.iter().map(|host| acl.clone().from_host(host)));
    }
    let mut report = Report::new(out);
    for (acl, result) in admin.create_acls(acls).await? {
        match result {
            Ok(()) => report.done(fields(&acl), &format!("added: {acl}"))?,
            Err(error) => report.failed(fields(&acl), &error),
        }
    }
    report.finish()
}

async fn delete(admin: &Admin, args: DeleteArgs, out: &Output) -> Result<(), Failure> {
    let filter = args.filter.filter();
    let found = admin.describe_acls(filter.clone()).await?;
    if found.is_empty() {
        note("there are no such ACLs");
        return Report::new(out).finish();
    }
    confirm(
        args.consent,
        &format!("delete {} ACLs: {filter}", found.len()),
    )
    .await?;
    let mut report = Report::new(out);
    for (_, deleted) in admin.delete_acls([filter]).await? {
        for (acl, result) in deleted? {
            match result {
                Ok(_) => report.done(fields(&acl), &format!("deleted: {acl}"))?,
                Err(error) => report.failed(fields(&acl), &error),
            }
        }
    }
    report.finish()
}
