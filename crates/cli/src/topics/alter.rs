//! `klamm topics alter`.

use clap::{ArgGroup, Args};
use klamm::Admin;
use klamm::admin::{ConfigChange, ConfigResource, NewPartitions};

use crate::args::{Consent, property};
use crate::confirm::confirm;
use crate::failure::Failure;
use crate::output::{Output, Report, counted, properties, row};

#[derive(Args, Debug)]
#[command(group = ArgGroup::new("changes").required(true).multiple(true).args(["partitions", "configs", "delete_configs"]))]
pub(crate) struct AlterArgs {
    /// Name of the topic
    topic: String,
    /// Adds partitions until there are so many, which can't be undone; records with a key go to other partitions than
    /// before
    #[arg(short, long)]
    partitions: Option<i32>,
    /// Sets a property, such as retention.ms=86400000; repeatable
    #[arg(short, long = "config", value_name = "NAME=VALUE", value_parser = property)]
    configs: Vec<(String, String)>,
    /// Sets a property back to its default; repeatable
    #[arg(short, long = "delete-config", value_name = "NAME")]
    delete_configs: Vec<String>,
    /// Only check whether it could be done
    #[arg(long)]
    validate_only: bool,
    #[command(flatten)]
    consent: Consent,
}

pub(super) async fn run(admin: &Admin, args: AlterArgs, out: &Output) -> Result<(), Failure> {
    if let Some(count) = args.partitions.filter(|_| !args.validate_only) {
        let topic = &args.topic;
        let what = format!("enlarge {topic} to {count} partitions, which can't be undone");
        confirm(args.consent, &what).await?;
    }
    let mut report = Report::new(out);
    if let Some(count) = args.partitions {
        enlarge(admin, &args, count, &mut report).await?;
    }
    configure(admin, &args, &mut report).await?;
    report.finish()
}

fn would(args: &AlterArgs) -> &'static str {
    if args.validate_only { "could be " } else { "" }
}

async fn enlarge(
    admin: &Admin,
    args: &AlterArgs,
    count: i32,
    report: &mut Report<'_>,
) -> Result<(), Failure> {
    let more = NewPartitions::increase_to(&args.topic, count);
    let create = admin.create_partitions([more]);
    let partitions = counted(count.unsigned_abs(), "partition");
    for (topic, result) in create.validate_only(args.validate_only).await? {
        let line = format!("{topic} {}enlarged to {partitions}", would(args));
        let row = row!(topic: topic, what: "partitions", value: count);
        report.result(row, result, &line)?;
    }
    Ok(())
}

async fn configure(
    admin: &Admin,
    args: &AlterArgs,
    report: &mut Report<'_>,
) -> Result<(), Failure> {
    let sets = args
        .configs
        .iter()
        .map(|(name, value)| ConfigChange::set(name, value));
    let deletes = args.delete_configs.iter().map(ConfigChange::delete);
    let changes: Vec<_> = sets.chain(deletes).collect();
    if changes.is_empty() {
        return Ok(());
    }
    let count = changes.len();
    let row = || row!(topic: args.topic.as_str(), what: "configs", value: count);
    let alter = admin.alter_configs([(ConfigResource::topic(&args.topic), changes)]);
    let results = match alter.validate_only(args.validate_only).await {
        Ok(results) => results,
        // What was done before it is to be told all the same.
        Err(error) => {
            report.failed(row(), &error);
            return Ok(());
        }
    };
    for (_, result) in results {
        let line = format!(
            "{}: {} {}changed",
            args.topic,
            properties(count),
            would(args)
        );
        report.result(row(), result, &line)?;
    }
    Ok(())
}
