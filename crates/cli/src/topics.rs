//! `klamm topics`.

use std::fmt::Write as _;
use std::io::Write as _;

use klamm::config::Role;
use klamm::{Admin, NewTopic, Results};

use crate::args::{ClusterArgs, CreateArgs, TopicsCommand};
use crate::failure::{Failure, note};
use crate::session::Session;

pub(crate) async fn run(
    cluster: ClusterArgs,
    command: Option<TopicsCommand>,
) -> Result<(), Failure> {
    let session = Session::open(cluster, Role::Admin, Vec::new()).await?;
    let admin = session.client.admin();
    match command.unwrap_or(TopicsCommand::List) {
        TopicsCommand::List => list(&admin).await,
        TopicsCommand::Create(args) => create(&admin, args).await,
        TopicsCommand::Delete { topics } => {
            let results = admin.delete_topics(topics).await?;
            report(results, |name, ()| format!("deleted {name}\n"))
        }
        TopicsCommand::Describe { topics } => describe(&admin, topics).await,
    }
}

async fn list(admin: &Admin) -> Result<(), Failure> {
    let topics = admin.list_topics().await?;
    let mut lines = String::new();
    for topic in topics {
        let internal = if topic.is_internal { "\tinternal" } else { "" };
        let _ = writeln!(lines, "{}\t{}{internal}", topic.name, topic.partitions);
    }
    print(&lines)
}

async fn create(admin: &Admin, args: CreateArgs) -> Result<(), Failure> {
    let mut topic = NewTopic::new(args.topic);
    if let Some(partitions) = args.partitions {
        topic = topic.partitions(partitions);
    }
    if let Some(replication_factor) = args.replication_factor {
        topic = topic.replication_factor(replication_factor);
    }
    for (name, value) in args.configs {
        topic = topic.config(name, value);
    }
    let create = admin.create_topics([topic]);
    let results = create.validate_only(args.validate_only).await?;
    report(results, |name, created| {
        let verb = if args.validate_only {
            "could create"
        } else {
            "created"
        };
        match created.partitions {
            Some(partitions) => format!("{verb} {name} with {partitions} partitions\n"),
            None => format!("{verb} {name}\n"),
        }
    })
}

async fn describe(admin: &Admin, topics: Vec<String>) -> Result<(), Failure> {
    let results = admin.describe_topics(topics).await?;
    report(results, |name, topic| {
        let mut text = format!(
            "{name}\tid={:?}\tpartitions={}\n",
            topic.id,
            topic.partitions.len()
        );
        for partition in &topic.partitions {
            let leader = partition
                .leader
                .map_or_else(|| "none".to_owned(), |leader| leader.to_string());
            let nodes = |nodes: &[klamm::NodeId]| {
                let nodes: Vec<_> = nodes.iter().map(ToString::to_string).collect();
                nodes.join(",")
            };
            let _ = writeln!(
                text,
                "{name}\t{}\tleader={leader}\treplicas={}\tisr={}",
                partition.index,
                nodes(&partition.replicas),
                nodes(&partition.in_sync_replicas),
            );
        }
        text
    })
}

/// Prints what became of each topic; fails if one failed, after all have been told of.
fn report<T>(
    results: Results<String, T>,
    mut line: impl FnMut(&str, T) -> String,
) -> Result<(), Failure> {
    let mut failures = Vec::new();
    for (name, result) in results {
        match result {
            Ok(value) => print(&line(&name, value))?,
            Err(error) => failures.push(error.to_string()),
        }
    }
    let Some(last) = failures.pop() else {
        return Ok(());
    };
    for failure in failures {
        note(failure);
    }
    Err(Failure::Failed(last))
}

fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
        .map_err(|error| Failure::output(&error))
}
