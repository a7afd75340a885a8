//! `klamm configs set` and `klamm configs delete`.

use clap::{ArgGroup, Args};
use klamm::Admin;
use klamm::admin::ConfigChange;

use super::ResourceArgs;
use crate::args::property;
use crate::failure::Failure;
use crate::output::{Output, Report, properties, row};

/// What is changed, and whether it is.
#[derive(Args, Debug)]
struct OfArgs {
    #[command(flatten)]
    resource: ResourceArgs,
    /// Only check whether it could be done; nothing is changed
    #[arg(long)]
    validate_only: bool,
}

#[derive(Args, Debug)]
#[command(group = ArgGroup::new("changes").required(true).multiple(true).args(["set", "append", "subtract"]))]
pub(crate) struct SetArgs {
    #[command(flatten)]
    of: OfArgs,
    /// Properties and their values, such as retention.ms=86400000
    #[arg(value_name = "PROPERTY=VALUE", value_parser = property)]
    set: Vec<(String, String)>,
    /// Adds values, separated by commas, to a property that is a list
    #[arg(long, value_name = "PROPERTY=VALUES", value_parser = property)]
    append: Vec<(String, String)>,
    /// Takes values, separated by commas, from a property that is a list
    #[arg(long, value_name = "PROPERTY=VALUES", value_parser = property)]
    subtract: Vec<(String, String)>,
}

#[derive(Args, Debug)]
pub(crate) struct DeleteArgs {
    #[command(flatten)]
    of: OfArgs,
    /// Properties to set back
    #[arg(required = true, value_name = "PROPERTY")]
    names: Vec<String>,
}

pub(super) async fn set(admin: &Admin, args: SetArgs, out: &Output) -> Result<(), Failure> {
    let sets = args
        .set
        .iter()
        .map(|(name, value)| ConfigChange::set(name, value));
    let appends = args
        .append
        .iter()
        .map(|(name, it)| ConfigChange::append(name, it));
    let subtracts = args
        .subtract
        .iter()
        .map(|(name, it)| ConfigChange::subtract(name, it));
    let changes = sets.chain(appends).chain(subtracts).collect();
    alter(admin, &args.of, changes, out).await
}

pub(super) async fn delete(admin: &Admin, args: DeleteArgs, out: &Output) -> Result<(), Failure> {
    let changes = args.names.iter().map(ConfigChange::delete).collect();
    alter(admin, &args.of, changes, out).await
}

async fn alter(
    admin: &Admin,
    of: &OfArgs,
    changes: Vec<ConfigChange>,
    out: &Output,
) -> Result<(), Failure> {
    let count = changes.len();
    let alter = admin.alter_configs([(of.resource.resource(), changes)]);
    let mut report = Report::new(out);
    for (resource, result) in alter.validate_only(of.validate_only).await? {
        let status = if of.validate_only {
            "could be changed"
        } else {
            "changed"
        };
        let shown = resource.to_string();
        match result {
            Ok(()) => {
                let row = row!(resource: shown.as_str(), status: status, properties: count);
                report.done(row, &format!("{shown}: {} {status}", properties(count)))?;
            }
            Err(error) => report.failed(row!(resource: shown, status: "failed"), &error),
        }
    }
    report.finish()
}
