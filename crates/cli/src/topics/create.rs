//! `klamm topics create`.

use clap::Args;
use klamm::{Admin, ErrorCode, NewTopic};

use crate::args::property;
use crate::failure::Failure;
use crate::output::{Output, Report, counted, row};

#[derive(Args, Debug)]
pub(crate) struct CreateArgs {
    /// Names of the topics
    #[arg(required = true, value_name = "TOPIC")]
    topics: Vec<String>,
    /// Number of partitions [default: the broker's]
    #[arg(short, long)]
    partitions: Option<i32>,
    /// Replicas of each partition [default: the broker's]
    #[arg(short, long)]
    replication_factor: Option<i16>,
    /// A property of the topics, such as retention.ms=86400000; repeatable
    #[arg(short, long = "config", value_name = "NAME=VALUE", value_parser = property)]
    configs: Vec<(String, String)>,
    /// Only check whether they could be created
    #[arg(long)]
    validate_only: bool,
    /// A topic that is there already is no failure, however it is configured
    #[arg(long)]
    if_not_exists: bool,
}

pub(super) async fn run(admin: &Admin, args: CreateArgs, out: &Output) -> Result<(), Failure> {
    let topics = args.topics.iter().map(|name| {
        let mut topic = NewTopic::new(name);
        if let Some(partitions) = args.partitions {
            topic = topic.partitions(partitions);
        }
        if let Some(replication_factor) = args.replication_factor {
            topic = topic.replication_factor(replication_factor);
        }
        let configs = args.configs.iter();
        configs.fold(topic, |topic, (name, value)| topic.config(name, value))
    });
    let create = admin.create_topics(topics);
    let results = create.validate_only(args.validate_only).await?;
    let mut report = Report::new(out);
    for (name, result) in results {
        match result {
            Ok(created) => {
                let status = if args.validate_only {
                    "could create"
                } else {
                    "created"
                };
                let line = match created.partitions {
                    Some(partitions) => {
                        let partitions = counted(partitions.unsigned_abs(), "partition");
                        format!("{status} {name} with {partitions}")
                    }
                    None => format!("{status} {name}"),
                };
                let row = row!(
                    topic: name,
                    status: status,
                    partitions: created.partitions,
                    replication_factor: created.replication_factor,
                );
                report.done(row, &line)?;
            }
            Err(error)
                if args.if_not_exists && error.code() == Some(ErrorCode::TOPIC_ALREADY_EXISTS) =>
            {
                let line = format!("{name} is there already");
                report.done(row!(topic: name, status: "there already"), &line)?;
            }
            Err(error) => report.failed(row!(topic: name, status: "failed"), &error),
        }
    }
    report.finish()
}
