//! `klamm topics describe`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use clap::Args;
use klamm::admin::{ConfigResource, ConfigSource, TopicDescription};
use klamm::{Admin, NodeId};
use serde_json::Value;

use crate::failure::{Failure, explain};
use crate::output::{Output, Row, counted, failures, object, objects, row};

#[derive(Args, Debug)]
pub(crate) struct DescribeArgs {
    /// Names of the topics; all if there are none
    #[arg(value_name = "TOPIC")]
    topics: Vec<String>,
    /// Only partitions without a leader
    #[arg(long)]
    unavailable: bool,
    /// Only partitions with replicas that are behind
    #[arg(long)]
    under_replicated: bool,
}

pub(super) async fn run(admin: &Admin, args: DescribeArgs, out: &Output) -> Result<(), Failure> {
    let names = match args.topics.as_slice() {
        [] => {
            let listed = admin.list_topics().await?;
            listed.into_iter().map(|topic| topic.name).collect()
        }
        names => names.to_vec(),
    };
    let filtered = args.unavailable || args.under_replicated;
    let (mut topics, mut failed) = (Vec::new(), Vec::new());
    for (_, result) in admin.describe_topics(names).await? {
        match result {
            Ok(topic) => topics.push(topic),
            Err(error) => failed.push(explain(&error)),
        }
    }
    let mut configs = if filtered {
        BTreeMap::new()
    } else {
        configs(admin, &topics).await
    };
    let (mut documents, mut rows) = (Vec::new(), Vec::new());
    for topic in topics {
        let partitions = partitions(&topic, &args);
        if filtered {
            rows.extend(partitions);
            continue;
        }
        let configs = configs.remove(&topic.name).unwrap_or_default();
        if out.is_json() {
            let mut document = row!(
                topic: topic.name,
                id: (!topic.id.is_zero()).then(|| topic.id.to_string()),
                internal: topic.is_internal,
            );
            let configs = configs
                .into_iter()
                .map(|(name, value)| (name, Value::from(value)));
            document.push(("configs", Value::Object(configs.collect())));
            document.push(("partitions", objects(partitions)));
            documents.push(object(document));
            continue;
        }
        out.heading(&format!("{}{}", topic.name, summary(&topic, &configs)))?;
        out.rows(partitions, "no partitions")?;
    }
    if filtered {
        out.rows(rows, "no such partitions: all is well in this respect")?;
    } else if out.is_json() {
        out.document(&Value::Array(documents))?;
    }
    failures(failed)
}

/// What topics have set of their own. Whoever may describe topics need not be permitted to see it.
async fn configs(
    admin: &Admin,
    topics: &[TopicDescription],
) -> BTreeMap<String, BTreeMap<String, Option<String>>> {
    let resources = topics
        .iter()
        .map(|topic| ConfigResource::topic(&topic.name));
    let Ok(described) = admin.describe_configs(resources).await else {
        return BTreeMap::new();
    };
    let topics = described.into_iter().filter_map(|(resource, configs)| {
        let configs = configs.ok()?.into_iter();
        let own = configs.filter(|(_, entry)| entry.source == ConfigSource::Topic);
        let own = own.map(|(name, entry)| (name, entry.value));
        Some((resource.name, own.collect()))
    });
    topics.collect()
}

fn summary(topic: &TopicDescription, configs: &BTreeMap<String, Option<String>>) -> String {
    let mut summary = format!(": {}", counted(topic.partitions.len() as u64, "partition"));
    if !topic.id.is_zero() {
        let _ = write!(summary, ", id {}", topic.id);
    }
    if topic.is_internal {
        summary += ", internal";
    }
    for (name, value) in configs {
        let _ = write!(
            summary,
            ", {name}={}",
            value.as_deref().unwrap_or("(hidden)")
        );
    }
    summary
}

fn partitions(topic: &TopicDescription, args: &DescribeArgs) -> Vec<Row> {
    let nodes = |nodes: &[NodeId]| nodes.iter().map(|node| node.0).collect::<Vec<_>>();
    let shown = topic.partitions.iter().filter(|partition| {
        let behind = partition.in_sync_replicas.len() < partition.replicas.len();
        (!args.unavailable || partition.leader.is_none()) && (!args.under_replicated || behind)
    });
    let rows = shown.map(|partition| {
        row!(
            topic: topic.name.as_str(),
            partition: partition.index,
            leader: partition.leader.map(|leader| leader.0),
            replicas: nodes(&partition.replicas),
            in_sync: nodes(&partition.in_sync_replicas),
            offline: nodes(&partition.offline_replicas),
        )
    });
    rows.collect()
}
