//! Share groups in `klamm groups describe`.

use std::collections::HashMap;

use klamm::admin::{OffsetSpec, ShareGroup, ShareGroupOffsets};
use klamm::{Admin, ErrorCode, Results};
use serde_json::Value;

use super::progress::not_there;
use crate::failure::{Failure, explain};
use crate::output::{Output, Row, object, objects, row};

/// Prints share groups; gives them as JSON, and what is not known.
pub(super) async fn describe(
    admin: &Admin,
    names: Vec<String>,
    out: &Output,
) -> Result<(Vec<Value>, Vec<String>), Failure> {
    let (mut documents, mut failed) = (Vec::new(), Vec::new());
    if names.is_empty() {
        return Ok((documents, failed));
    }
    let described = match admin.describe_share_groups(&names).await {
        // From before there were such groups: what is named is no group at all.
        Err(error) if error.is_unsupported() => {
            let missing = names.iter().map(|name| not_there(name));
            return Ok((documents, missing.collect()));
        }
        // What is known of other groups is not to be lost.
        Err(error) => return Ok((documents, vec![explain(&error)])),
        Ok(described) => described,
    };
    for (name, group) in described {
        let group = match group {
            Ok(group) => group,
            Err(error) if error.code() == Some(ErrorCode::GROUP_ID_NOT_FOUND) => {
                failed.push(not_there(&name));
                continue;
            }
            Err(error) => {
                failed.push(explain(&error));
                continue;
            }
        };
        let starts = admin.list_share_group_offsets([&name]).await;
        let starts = match starts.and_then(Results::all) {
            Ok(starts) => starts,
            Err(error) => {
                failed.push(explain(&error));
                continue;
            }
        };
        let rows = rows(admin, &group, starts, &mut failed).await;
        let coordinator = group.coordinator.map(|node| node.0);
        if out.is_json() {
            let mut document = row!(
                group: name,
                type: "share",
                state: group.state.to_string(),
                assignor: group.assignor.as_str(),
                coordinator: coordinator,
                members: group.members.len(),
            );
            document.push(("partitions", objects(rows)));
            documents.push(object(document));
            continue;
        }
        let at = coordinator.map_or_else(String::new, |node| format!(", coordinator {node}"));
        out.heading(&format!(
            "{name}: {}, share group{at}, members {}",
            group.state,
            group.members.len()
        ))?;
        out.rows(rows, &format!("group {name} has not begun to read"))?;
    }
    Ok((documents, failed))
}

/// A row for each partition: where the group starts, and where the partition ends.
async fn rows(
    admin: &Admin,
    group: &ShareGroup,
    starts: Vec<ShareGroupOffsets>,
    failed: &mut Vec<String>,
) -> Vec<Row> {
    let mut offsets = Vec::new();
    for (partition, start) in starts.into_iter().flatten() {
        match start {
            Ok(start) => offsets.push((partition, start.map(|start| start.start_offset))),
            Err(error) => failed.push(explain(&error)),
        }
    }
    let asked = offsets
        .iter()
        .map(|(it, _)| (it.clone(), OffsetSpec::Latest));
    let asked: Vec<_> = asked.collect();
    let mut ends: HashMap<_, _> = HashMap::new();
    if !asked.is_empty() {
        match admin.list_offsets(asked).await {
            Ok(listed) => ends.extend(listed),
            Err(error) => failed.push(explain(&error)),
        }
    }
    let rows = offsets.into_iter().map(|(partition, start)| {
        let readers = group.members.iter();
        let readers = readers.filter(|member| member.assignment.contains(&partition));
        let end = match ends.get(&partition) {
            Some(Ok(listed)) => listed.offset,
            Some(Err(_)) | None => None,
        };
        row!(
            group: group.group_id.as_str(),
            topic: &*partition.topic,
            partition: partition.partition,
            start_offset: start,
            end: end,
            members: readers.count(),
        )
    });
    rows.collect()
}
