//! How far groups are.
//!
//! Owns: what brokers say of groups, offsets and ends, put together. Does not: print.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use klamm::admin::{ConsumerGroup, Error, GroupState, OffsetSpec};
use klamm::{Admin, ErrorCode, TopicPartition};

use crate::failure::{Failure, explain};
use crate::output::missing;

/// A group, and how far it is in each partition that it reads or has read.
pub(crate) struct Progress {
    pub(crate) group: ConsumerGroup,
    pub(crate) partitions: BTreeMap<TopicPartition, PartitionProgress>,
}

/// How far a group is in a partition.
#[derive(Default)]
pub(crate) struct PartitionProgress {
    /// The next offset to read, if the group has committed one.
    pub(crate) committed: Option<i64>,
    /// The offset behind the last record, if it is known.
    pub(crate) end: Option<i64>,
    /// Which of the members reads it.
    pub(crate) member: Option<usize>,
}

impl PartitionProgress {
    /// Records to go; `None` where no offset is committed or the end is not known.
    pub(crate) fn lag(&self) -> Option<i64> {
        Some((self.end? - self.committed?).max(0))
    }
}

impl Progress {
    /// Partitions of which nobody knows how far the group is, so that they are in no lag: it has committed nothing
    /// there, or their end is not known.
    pub(crate) fn without_lag(&self) -> usize {
        let lags = self.partitions.values().map(PartitionProgress::lag);
        lags.filter(Option::is_none).count()
    }

    /// Records to go in all partitions whose lag is known.
    pub(crate) fn lag(&self) -> i64 {
        let lags = self.partitions.values().filter_map(PartitionProgress::lag);
        lags.sum()
    }
}

/// Groups as far as they are known, and what is not.
pub(crate) struct Found {
    pub(crate) groups: Vec<Progress>,
    pub(crate) failures: Vec<String>,
    /// What may be share groups: listed as such, or named and no groups of consumers.
    pub(crate) others: Vec<String>,
}

impl Found {
    /// That no group is there by the names that are no groups of consumers.
    pub(crate) fn missing(&self) -> impl Iterator<Item = String> {
        self.others.iter().map(|name| not_there(name))
    }
}

/// How far the groups are, those by name or all of consumers if there are no names.
pub(crate) async fn of(admin: &Admin, names: &[String]) -> Result<Found, Failure> {
    let (mut failures, mut others) = (Vec::new(), Vec::new());
    let names = if names.is_empty() {
        let listed = admin.list_groups().await?;
        failures.extend(missing(&listed.failures));
        let mut names = Vec::new();
        for group in listed.found {
            match group.protocol_type.as_str() {
                "consumer" | "" => names.push(group.group_id),
                "share" => others.push(group.group_id),
                _ => {}
            }
        }
        names.sort();
        names
    } else {
        names.to_vec()
    };
    if names.is_empty() {
        return Ok(Found {
            groups: Vec::new(),
            failures,
            others,
        });
    }
    let described = admin.describe_consumer_groups(&names).await?;
    let mut offsets = admin
        .list_group_offsets(&names)
        .await?
        .into_iter()
        .collect::<HashMap<_, _>>();
    let mut groups = Vec::new();
    for (name, group) in described {
        let group = group.and_then(|group| {
            let offsets = offsets.remove(&name).transpose()?;
            Ok((group, offsets))
        });
        match group {
            Ok((group, offsets)) => {
                let mut committed = HashMap::new();
                for (partition, offset) in offsets.into_iter().flatten() {
                    match offset {
                        Ok(offset) => {
                            committed.insert(partition, offset);
                        }
                        Err(error) => failures.push(explain(&error)),
                    }
                }
                // Older brokers describe what is not there as dead.
                if group.state == GroupState::Dead && committed.is_empty() {
                    others.push(name);
                    continue;
                }
                let mut partitions: BTreeMap<_, PartitionProgress> = BTreeMap::new();
                for (partition, offset) in committed {
                    let progress = partitions.entry(partition).or_default();
                    progress.committed = offset.map(|it| it.offset);
                }
                for (index, member) in group.members.iter().enumerate() {
                    for partition in &member.assignment {
                        partitions.entry(partition.clone()).or_default().member = Some(index);
                    }
                }
                groups.push(Progress { group, partitions });
            }
            Err(error) if error.code() == Some(ErrorCode::GROUP_ID_NOT_FOUND) => {
                others.push(name);
            }
            Err(error) => failures.push(explain(&error)),
        }
    }
    add_ends(admin, &mut groups, &mut failures).await?;
    Ok(Found {
        groups,
        failures,
        others,
    })
}

pub(super) fn not_there(group: &str) -> String {
    format!("there is no group {group} of consumers; klamm groups lists those that are there")
}

/// Asks once for the end of each partition, however many groups read it.
async fn add_ends(
    admin: &Admin,
    groups: &mut [Progress],
    failures: &mut Vec<String>,
) -> Result<(), Error> {
    let read = groups
        .iter()
        .flat_map(|group| group.partitions.keys().cloned());
    let read: BTreeSet<_> = read.collect();
    if read.is_empty() {
        return Ok(());
    }
    let asked = read
        .into_iter()
        .map(|partition| (partition, OffsetSpec::Latest));
    let mut ends = HashMap::new();
    for (partition, listed) in admin.list_offsets(asked).await? {
        match listed {
            Ok(listed) => {
                ends.insert(partition, listed.offset);
            }
            // Deleted; the offset stays until it expires.
            Err(error) if error.code() == Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION) => {}
            Err(error) => failures.push(explain(&error)),
        }
    }
    for group in groups {
        for (partition, progress) in &mut group.partitions {
            progress.end = ends.get(partition).copied().flatten();
        }
    }
    Ok(())
}
