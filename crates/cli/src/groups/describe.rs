//! `klamm groups describe`.

use clap::Args;
use klamm::Admin;
use serde_json::Value;

use super::progress::{self, Progress};
use crate::failure::Failure;
use crate::output::{Output, Row, failures, object, objects, row};

#[derive(Args, Debug)]
pub(crate) struct DescribeArgs {
    /// Ids of the groups; all of consumers if there are none
    #[arg(value_name = "GROUP")]
    groups: Vec<String>,
}

pub(super) async fn run(admin: &Admin, args: DescribeArgs, out: &Output) -> Result<(), Failure> {
    let found = progress::of(admin, &args.groups).await?;
    let mut documents = Vec::new();
    for progress in &found.groups {
        let (group, lag) = (&progress.group, progress.lag());
        let partitions = partitions(progress);
        let coordinator = group.coordinator.map(|node| node.0);
        if out.is_json() {
            let mut document = row!(
                group: group.group_id.as_str(),
                type: group.group_type.to_string().to_lowercase(),
                state: group.state.to_string(),
                assignor: group.assignor.as_str(),
                coordinator: coordinator,
                members: group.members.len(),
                lag: lag,
            );
            document.push(("partitions", objects(partitions)));
            documents.push(object(document));
            continue;
        }
        let assignor = match group.assignor.as_str() {
            "" => String::new(),
            assignor => format!(", assignor {assignor}"),
        };
        let at = coordinator.map_or_else(String::new, |node| format!(", coordinator {node}"));
        out.heading(&format!(
            "{}: {}, {} protocol{assignor}{at}, members {}, lag {lag}",
            group.group_id,
            group.state,
            group.group_type.to_string().to_lowercase(),
            group.members.len(),
        ))?;
        let nothing = format!(
            "group {} has neither offsets nor partitions",
            group.group_id
        );
        out.rows(partitions, &nothing)?;
    }
    if out.is_json() {
        out.document(&Value::Array(documents))?;
    }
    failures(found.failures)
}

fn partitions(progress: &Progress) -> Vec<Row> {
    let rows = progress.partitions.iter().map(|(partition, at)| {
        let member = at
            .member
            .and_then(|index| progress.group.members.get(index));
        row!(
            group: progress.group.group_id.as_str(),
            topic: &*partition.topic,
            partition: partition.partition,
            committed: at.committed,
            end: at.end,
            lag: at.lag(),
            member: member.map(|member| member.member_id.as_str()),
            host: member.map(|member| member.host.as_str()),
            client_id: member.map(|member| member.client_id.as_str()),
        )
    });
    rows.collect()
}
