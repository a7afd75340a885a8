//! `klamm groups describe`.

use clap::Args;
use klamm::Admin;
use serde_json::Value;

use super::progress::{self, Progress};
use super::share;
use crate::failure::Failure;
use crate::output::{Output, Row, counted, failures, object, objects, row};

#[derive(Args, Debug)]
pub(crate) struct DescribeArgs {
    /// Ids of the groups; all of consumers and all share groups if there are none
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
                without_lag: progress.without_lag(),
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
        let unknown = match progress.without_lag() {
            0 => String::new(),
            count => format!(
                " beside {} without a known one",
                counted(count as u64, "partition")
            ),
        };
        out.heading(&format!(
            "{}: {}, {} protocol{assignor}{at}, members {}, lag {lag}{unknown}",
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
    let (shares, failed) = share::describe(admin, found.others, out).await?;
    if out.is_json() {
        documents.extend(shares);
        out.document(&Value::Array(documents))?;
    }
    failures(found.failures.into_iter().chain(failed).collect())
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
