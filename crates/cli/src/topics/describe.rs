//! `klamm topics describe`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use clap::Args;
use klamm::admin::{ConfigResource, ConfigSource, TopicDescription};
use klamm::{Admin, ErrorCode, NodeId};
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
        configs(admin, &topics, &mut failed).await
    };
    let (mut documents, mut rows) = (Vec::new(), Vec::new());
    for topic in topics {
        let partitions = partitions(&topic, &args);
        if filtered {
            rows.extend(partitions);
            continue;
        }
        let configs = configs.remove(&topic.name);
        if out.is_json() {
            let mut document = row!(
                topic: topic.name,
                id: (!topic.id.is_zero()).then(|| topic.id.to_string()),
                internal: topic.is_internal,
            );
            let configs = configs.map(|configs| {
                let configs = configs.into_iter();
                Value::Object(configs.map(|(name, it)| (name, it.into())).collect())
            });
            document.push(("configs", configs.into()));
            document.push(("partitions", objects(partitions)));
            documents.push(object(document));
            continue;
        }
        out.heading(&format!(
            "{}{}",
            topic.name,
            summary(&topic, configs.as_ref())
        ))?;
        out.rows(partitions, "no partitions")?;
    }
    if filtered {
        out.rows(rows, "no such partitions: all is well in this respect")?;
    } else if out.is_json() {
        out.document(&Value::Array(documents))?;
    }
    failures(failed)
}

/// What is set of a topic's own.
type Configs = BTreeMap<String, Option<String>>;

/// What topics have set of their own, as far as it is known. Whoever may describe topics need not be permitted to see
/// it, and not every broker can tell, which is no failure.
async fn configs(
    admin: &Admin,
    topics: &[TopicDescription],
    failed: &mut Vec<String>,
) -> BTreeMap<String, Configs> {
    let mut known = BTreeMap::new();
    let resources = topics
        .iter()
        .map(|topic| ConfigResource::topic(&topic.name));
    let described = match admin.describe_configs(resources).await {
        Ok(described) => described,
        Err(error) if error.is_unsupported() => return known,
        Err(error) => {
            failed.push(explain(&error));
            return known;
        }
    };
    for (resource, configs) in described {
        match configs {
            Ok(configs) => {
                let own = configs.into_iter();
                let own = own.filter(|(_, entry)| entry.source == ConfigSource::Topic);
                let own = own.map(|(name, entry)| (name, entry.value));
                known.insert(resource.name, own.collect());
            }
            Err(error) if error.code() == Some(ErrorCode::TOPIC_AUTHORIZATION_FAILED) => {}
            Err(error) => failed.push(explain(&error)),
        }
    }
    known
}

fn summary(topic: &TopicDescription, configs: Option<&Configs>) -> String {
    let mut summary = format!(": {}", counted(topic.partitions.len() as u64, "partition"));
    if !topic.id.is_zero() {
        let _ = write!(summary, ", id {}", topic.id);
    }
    if topic.is_internal {
        summary += ", internal";
    }
    let Some(configs) = configs else {
        return summary + ", configuration not known";
    };
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
