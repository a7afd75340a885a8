//! How far groups are behind.

use std::collections::BTreeSet;

use klamm_codec::ApiKey;
use klamm_net::TopicPartition;

use crate::admin::Admin;
use crate::error::Error;
use crate::offset::OffsetSpec;
use crate::results::Results;

/// How far a group is behind.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct GroupLag {
    /// By partition: all that the group has an offset of, or that a member has.
    pub partitions: Results<TopicPartition, PartitionLag>,
}

/// How far a group is behind in a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PartitionLag {
    /// The next offset that the group reads; `None` if it has committed none.
    pub committed: Option<i64>,
    /// The offset after the last record.
    pub end: i64,
}

impl PartitionLag {
    /// Records that the group has still to read; `None` if it has committed no offset, so that where
    /// it will begin is its consumers' choice.
    #[must_use]
    pub fn records(&self) -> Option<u64> {
        // A topic that was made anew has fewer records than its predecessor's offset says.
        let records = self.end - self.committed?;
        Some(u64::try_from(records).unwrap_or(0))
    }
}

impl GroupLag {
    /// Records that the group has still to read in all partitions together, those left out whose end
    /// is not known or of which it has committed no offset.
    #[must_use]
    pub fn total(&self) -> u64 {
        let known = self
            .partitions
            .iter()
            .filter_map(|(_, lag)| lag.as_ref().ok());
        known.filter_map(PartitionLag::records).sum()
    }
}

impl Admin {
    /// How far a group is behind, whole and by partition, as `kafka-consumer-groups` tells.
    ///
    /// # Errors
    /// [`Error::Refused`]: `GROUP_ID_NOT_FOUND`, or without permission; [`Error::Net`]. A partition
    /// whose end is not known, because its topic was deleted for example, has its own failure.
    ///
    /// # Examples
    /// ```
    /// # async fn show(admin: klamm_admin::Admin) -> Result<(), klamm_admin::Error> {
    /// let lag = admin.group_lag("billing").await?;
    /// println!("{} records to go", lag.total());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn group_lag(&self, group: &str) -> Result<GroupLag, Error> {
        let groups = self.describe_consumer_groups([group]).await?.all()?;
        let members = groups.iter().flat_map(|group| &group.members);
        let assigned = members.flat_map(|member| member.assignment.iter().cloned());
        let mut partitions: BTreeSet<TopicPartition> = assigned.collect();
        let offsets = self.list_group_offsets([group]).await?.all()?;
        let offsets = offsets.into_iter().next();
        if let Some(offsets) = &offsets {
            partitions.extend(offsets.iter().map(|(partition, _)| partition.clone()));
        }
        let asked = partitions.into_iter().map(|it| (it, OffsetSpec::Latest));
        let ends = self.list_offsets(asked).await?;
        let partitions = ends.map(|partition, end| {
            let committed = match offsets.as_ref().and_then(|offsets| offsets.get(partition)) {
                Some(Err(error)) => return Err(error.clone()),
                Some(Ok(committed)) => committed.as_ref().map(|it| it.offset),
                None => None,
            };
            let end = end?.offset.ok_or_else(|| Error::Unanswered {
                api: ApiKey::LIST_OFFSETS,
                what: format!("the end of partition {partition}"),
            })?;
            Ok(PartitionLag { committed, end })
        });
        Ok(GroupLag { partitions })
    }
}
