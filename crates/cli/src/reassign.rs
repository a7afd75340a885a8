//! `klamm reassign`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{ArgGroup, Args, Subcommand};
use klamm::{Admin, NodeId, TopicPartition};
use serde_json::Value;

use crate::args::{ClusterArgs, Consent};
use crate::confirm::confirm;
use crate::failure::{Failure, note};
use crate::output::{Output, Report, counted, row};
use crate::partitions::{self, Partitions};
use crate::{progress, session};

/// Pause between looks at what is under way.
const LOOK: Duration = Duration::from_millis(500);

#[derive(Debug, Subcommand)]
pub(crate) enum ReassignCommand {
    /// Moves that are under way (as without a command)
    List,
    /// Move partitions to other brokers
    Start(StartArgs),
    /// Take moves back that are under way: partitions stay where they were
    Cancel(CancelArgs),
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  klamm reassign start orders --to 1,2,3 --wait
  klamm reassign start --file plan.json, in which is
    {\"version\": 1, \"partitions\": [{\"topic\": \"orders\", \"partition\": 0, \"replicas\": [1, 2]}]}")]
#[command(group = ArgGroup::new("plan").required(true).args(["partitions", "file"]))]
pub(crate) struct StartArgs {
    /// Topics, or some of their partitions, such as orders or orders:0,2; they go to the brokers of --to
    #[arg(value_name = "TOPIC[:0,2,4-6]", requires = "to")]
    partitions: Vec<Partitions>,
    /// Ids of the brokers that shall have the replicas. The first of them is the preferred leader of the first
    /// partition, the second that of the next, and so on
    #[arg(long, value_name = "ID,ID,...", value_delimiter = ',')]
    to: Vec<i32>,
    /// A plan as kafka-reassign-partitions.sh reads it
    #[arg(long, value_name = "FILE", conflicts_with = "to")]
    file: Option<PathBuf>,
    /// Wait until all replicas are where they should be
    #[arg(short, long)]
    wait: bool,
    #[command(flatten)]
    consent: Consent,
}

#[derive(Args, Debug)]
pub(crate) struct CancelArgs {
    /// Topics, or some of their partitions; all that move if there are none
    #[arg(value_name = "TOPIC[:0,2,4-6]")]
    partitions: Vec<Partitions>,
    #[command(flatten)]
    consent: Consent,
}

type Plan = Vec<(TopicPartition, Vec<NodeId>)>;

pub(crate) async fn run(
    cluster: ClusterArgs,
    command: Option<ReassignCommand>,
    out: &Output,
) -> Result<(), Failure> {
    let admin = session::admin(cluster).await?;
    match command.unwrap_or(ReassignCommand::List) {
        ReassignCommand::List => list(&admin, out).await,
        ReassignCommand::Start(args) => start(&admin, args, out).await,
        ReassignCommand::Cancel(args) => cancel(&admin, args, out).await,
    }
}

fn ids(nodes: &[NodeId]) -> Vec<i32> {
    nodes.iter().map(|node| node.0).collect()
}

async fn list(admin: &Admin, out: &Output) -> Result<(), Failure> {
    let under_way = admin.list_reassignments(None).await?;
    let rows = under_way.iter().map(|(partition, it)| {
        row!(
            topic: &*partition.topic,
            partition: partition.partition,
            replicas: ids(&it.replicas),
            adding: ids(&it.adding),
            removing: ids(&it.removing),
        )
    });
    out.rows(rows.collect(), "nothing is under way")
}

async fn start(admin: &Admin, args: StartArgs, out: &Output) -> Result<(), Failure> {
    let plan = match &args.file {
        Some(file) => read_plan(file)?,
        None => {
            let partitions = partitions::resolve(admin, &args.partitions).await?;
            spread(partitions, &args.to)
        }
    };
    confirm(
        args.consent,
        &format!("move {}", counted(plan.len() as u64, "partition")),
    )
    .await?;
    let changes = plan
        .into_iter()
        .map(|(partition, nodes)| (partition, Some(nodes)));
    let results = admin.alter_reassignments(changes).await?;
    let begun = results.iter().filter(|(_, result)| result.is_ok());
    let begun: Vec<_> = begun.map(|(partition, _)| partition.clone()).collect();
    let mut report = Report::new(out);
    report.results("partition", results, |partition, ()| {
        format!("{partition} is moving")
    })?;
    let finished = report.finish();
    if args.wait && !begun.is_empty() {
        wait(admin, &begun).await?;
    }
    finished
}

/// Each partition's replicas begin with another broker, so that they share leading.
fn spread(partitions: Vec<TopicPartition>, to: &[i32]) -> Plan {
    let plan = partitions.into_iter().enumerate().map(|(at, partition)| {
        let mut nodes: Vec<_> = to.iter().map(|id| NodeId(*id)).collect();
        let by = at % nodes.len().max(1);
        nodes.rotate_left(by);
        (partition, nodes)
    });
    plan.collect()
}

/// `{"version": 1, "partitions": [{"topic": "orders", "partition": 0, "replicas": [1, 2]}]}`
fn read_plan(file: &Path) -> Result<Plan, Failure> {
    let shown = file.display();
    let text = std::fs::read_to_string(file)
        .map_err(|error| Failure::Usage(format!("cannot read {shown}: {error}")))?;
    parse_plan(&text).map_err(|error| Failure::Usage(format!("{shown} is no plan: {error}")))
}

fn parse_plan(text: &str) -> Result<Plan, String> {
    let document: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let partitions = document.get("partitions").and_then(Value::as_array);
    let partitions = partitions.ok_or("there is no list named partitions")?;
    let number = |value: &Value| value.as_i64().and_then(|it| i32::try_from(it).ok());
    let planned = partitions.iter().map(|it| {
        let topic = it.get("topic").and_then(Value::as_str)?;
        let index = it.get("partition").and_then(number)?;
        let replicas = it.get("replicas").and_then(Value::as_array)?;
        let nodes = replicas.iter().map(|id| number(id).map(NodeId));
        Some((
            TopicPartition::new(topic, index),
            nodes.collect::<Option<Vec<_>>>()?,
        ))
    });
    let plan: Option<Plan> = planned.collect();
    plan.ok_or_else(|| {
        "each partition has topic, partition and replicas, which are ids of brokers".to_owned()
    })
}

async fn wait(admin: &Admin, partitions: &[TopicPartition]) -> Result<(), Failure> {
    let bar = progress::bar(Some(partitions.len() as u64), "partitions moved");
    loop {
        let left = admin.list_reassignments(Some(partitions)).await?.len();
        bar.set_position((partitions.len() - left.min(partitions.len())) as u64);
        if left == 0 {
            bar.finish_and_clear();
            let moved = counted(partitions.len() as u64, "partition");
            note(format_args!("{moved} moved, with all replicas in place"));
            return Ok(());
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn cancel(admin: &Admin, args: CancelArgs, out: &Output) -> Result<(), Failure> {
    let under_way = admin.list_reassignments(None).await?;
    let partitions: Vec<_> = if args.partitions.is_empty() {
        under_way.into_keys().collect()
    } else {
        partitions::resolve(admin, &args.partitions).await?
    };
    let mut report = Report::new(out);
    if partitions.is_empty() {
        note("nothing is under way");
        return report.finish();
    }
    let moves = counted(partitions.len() as u64, "move");
    confirm(args.consent, &format!("cancel {moves}")).await?;
    let changes = partitions.into_iter().map(|partition| (partition, None));
    let results = admin.alter_reassignments(changes).await?;
    report.results("partition", results, |partition, ()| {
        format!("{partition} stays")
    })?;
    report.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans_of_kafkas_tool_are_read() {
        let text = r#"{"version":1,"partitions":[{"topic":"orders","partition":1,"replicas":[2,3],"log_dirs":["any","any"]}]}"#;
        let plan = parse_plan(text).unwrap();
        let orders = TopicPartition::new("orders", 1);
        assert_eq!(plan, [(orders, vec![NodeId(2), NodeId(3)])]);
        for text in [
            "",
            "{}",
            r#"{"partitions":[{}]}"#,
            r#"{"partitions":[{"topic":"a","partition":0,"replicas":["1"]}]}"#,
        ] {
            assert!(parse_plan(text).is_err(), "{text}");
        }
    }

    #[test]
    fn partitions_share_their_leaders() {
        let partitions = (0..3).map(|index| TopicPartition::new("orders", index));
        let plan = spread(partitions.collect(), &[1, 2]);
        let leaders: Vec<_> = plan.iter().map(|(_, nodes)| nodes[0].0).collect();
        assert_eq!(leaders, [1, 2, 1]);
    }
}
