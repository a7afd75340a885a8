//! `klamm quotas`.

use clap::{ArgGroup, Args, Subcommand};
use klamm::Admin;
use klamm::admin::{QuotaEntity, QuotaFilter};

use crate::args::{ClusterArgs, property};
use crate::failure::Failure;
use crate::output::{Output, Report, counted, row};
use crate::session;

/// What can be limited.
const QUOTAS: &str = "producer_byte_rate, consumer_byte_rate (bytes a second), request_percentage, \
     controller_mutation_rate or connection_creation_rate, with their values";
/// The name that stands for all who have no quota of their own, as Kafka's tools print it.
const DEFAULT: &str = "<default>";

#[derive(Debug, Subcommand)]
pub(crate) enum QuotasCommand {
    /// Every quota (as without a command)
    List,
    /// Set quotas
    Set(SetArgs),
    /// Take quotas away
    Delete(DeleteArgs),
}

/// Whose quotas.
#[derive(Args, Debug)]
#[command(group = ArgGroup::new("entity").required(true).multiple(true).args(["user", "client_id", "ip"]))]
pub(crate) struct EntityArgs {
    #[arg(
        help = "A user; <default> is all who have none of their own",
        long,
        conflicts_with = "ip"
    )]
    user: Option<String>,
    #[arg(
        help = "A client id, with --user only that user's; <default> is all who have none of their own",
        long,
        conflicts_with = "ip"
    )]
    client_id: Option<String>,
    #[arg(
        help = "An address; <default> is all that have none of their own",
        long
    )]
    ip: Option<String>,
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  klamm quotas set --user alice producer_byte_rate=1048576
  klamm quotas set --user '<default>' --client-id shop request_percentage=200")]
pub(crate) struct SetArgs {
    #[command(flatten)]
    entity: EntityArgs,
    #[arg(help = QUOTAS, required = true, value_name = "NAME=VALUE", value_parser = quota)]
    quotas: Vec<(String, f64)>,
}

#[derive(Args, Debug)]
pub(crate) struct DeleteArgs {
    #[command(flatten)]
    entity: EntityArgs,
    /// Names of the quotas
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
}

fn quota(text: &str) -> Result<(String, f64), String> {
    let (name, value) = property(text)?;
    let number = value
        .parse::<f64>()
        .ok()
        .filter(|number| number.is_finite());
    Ok((
        name,
        number.ok_or_else(|| format!("{value:?} is no number"))?,
    ))
}

impl EntityArgs {
    fn entity(&self) -> QuotaEntity {
        let own = |name: &str| (name != DEFAULT).then(|| name.to_owned());
        if let Some(ip) = &self.ip {
            return own(ip).map_or_else(QuotaEntity::default_ip, QuotaEntity::ip);
        }
        let client_id = self.client_id.as_deref().map(own);
        let Some(user) = &self.user else {
            let client_id = client_id.flatten();
            return client_id.map_or_else(QuotaEntity::default_client_id, QuotaEntity::client_id);
        };
        let user = own(user).map_or_else(QuotaEntity::default_user, QuotaEntity::user);
        match client_id {
            None => user,
            Some(None) => user.and_default_client_id(),
            Some(Some(client_id)) => user.and_client_id(client_id),
        }
    }
}

pub(crate) async fn run(
    cluster: ClusterArgs,
    command: Option<QuotasCommand>,
    out: &Output,
) -> Result<(), Failure> {
    let admin = session::admin(cluster).await?;
    match command.unwrap_or(QuotasCommand::List) {
        QuotasCommand::List => list(&admin, out).await,
        QuotasCommand::Set(args) => {
            let changes = args
                .quotas
                .into_iter()
                .map(|(name, value)| (name, Some(value)));
            alter(&admin, &args.entity, changes.collect(), out).await
        }
        QuotasCommand::Delete(args) => {
            let changes = args.names.into_iter().map(|name| (name, None));
            alter(&admin, &args.entity, changes.collect(), out).await
        }
    }
}

async fn list(admin: &Admin, out: &Output) -> Result<(), Failure> {
    let mut rows = Vec::new();
    for (entity, quotas) in admin.describe_quotas(QuotaFilter::any()).await? {
        let part = |kind: &str| {
            let mut parts = entity.parts();
            let (_, name) = parts.find(|(of, _)| *of == kind)?;
            Some(name.unwrap_or(DEFAULT).to_owned())
        };
        for (name, value) in &quotas {
            rows.push(row!(
                user: part("user"),
                client_id: part("client-id"),
                ip: part("ip"),
                quota: name.as_str(),
                value: *value,
            ));
        }
    }
    out.rows(rows, "there are no quotas")
}

async fn alter(
    admin: &Admin,
    entity: &EntityArgs,
    changes: Vec<(String, Option<f64>)>,
    out: &Output,
) -> Result<(), Failure> {
    let count = changes.len();
    let results = admin.alter_quotas([(entity.entity(), changes)]).await?;
    let mut report = Report::new(out);
    report.results("entity", results, |entity, ()| {
        format!("{entity}: {} changed", counted(count as u64, "quota"))
    })?;
    report.finish()
}
