//! `klamm topics alter`.

use clap::{ArgGroup, Args};
use klamm::Admin;
use klamm::admin::{ConfigChange, ConfigResource, NewPartitions};

use crate::args::property;
use crate::failure::Failure;
use crate::output::{Output, Report, counted, row};

#[derive(Args, Debug)]
#[command(group = ArgGroup::new("changes").required(true).multiple(true).args(["partitions", "configs", "delete_configs"]))]
pub(crate) struct AlterArgs {
    /// Name of the topic
    topic: String,
    /// Adds partitions until there are so many. Records with a key go to other partitions than before
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
}

pub(super) async fn run(admin: &Admin, args: AlterArgs, out: &Output) -> Result<(), Failure> {
    let mut report = Report::new(out);
    let would = if args.validate_only { "could be " } else { "" };
    if let Some(count) = args.partitions {
        let more = NewPartitions::increase_to(&args.topic, count);
        let create = admin.create_partitions([more]);
        let results = create.validate_only(args.validate_only).await?;
        for (topic, result) in results {
            let row = row!(topic: topic.as_str(), what: "partitions", value: count);
            match result {
                Ok(()) => {
                    let line = format!(
                        "{topic} {would}enlarged to {}",
                        counted(count.unsigned_abs(), "partition")
                    );
                    report.done(row, &line)?;
                }
                Err(error) => report.failed(row, &error),
            }
        }
    }
    let sets = args
        .configs
        .iter()
        .map(|(name, value)| ConfigChange::set(name, value));
    let deletes = args.delete_configs.iter().map(ConfigChange::delete);
    let changes: Vec<_> = sets.chain(deletes).collect();
    if !changes.is_empty() {
        let count = changes.len();
        let alter = admin.alter_configs([(ConfigResource::topic(&args.topic), changes)]);
        for (topic, result) in alter.validate_only(args.validate_only).await? {
            let row = row!(topic: topic.name.as_str(), what: "configs", value: count);
            match result {
                Ok(()) => {
                    report.done(row, &format!("{topic}: {count} properties {would}changed"))?;
                }
                Err(error) => report.failed(row, &error),
            }
        }
    }
    report.finish()
}
