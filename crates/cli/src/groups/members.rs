//! `klamm groups members`.

use std::collections::BTreeMap;

use clap::Args;
use klamm::{Admin, TopicPartition};

use crate::failure::Failure;
use crate::output::{Output, row};

#[derive(Args, Debug)]
pub(crate) struct MembersArgs {
    /// Id of the group
    group: String,
}

pub(super) async fn run(admin: &Admin, args: MembersArgs, out: &Output) -> Result<(), Failure> {
    let groups = admin.describe_consumer_groups([&args.group]).await?.all()?;
    let members = groups.into_iter().flat_map(|group| group.members);
    let rows = members.map(|member| {
        row!(
            member: member.member_id,
            instance_id: member.instance_id,
            client_id: member.client_id,
            host: member.host,
            epoch: member.epoch,
            subscribed: member.subscribed_topics,
            partitions: member.assignment.len(),
            assignment: by_topic(&member.assignment),
        )
    });
    let nothing = format!("group {} has no members", args.group);
    out.rows(rows.collect(), &nothing)
}

/// `orders:0,2`, as in arguments.
fn by_topic(partitions: &[TopicPartition]) -> Vec<String> {
    let mut topics: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
    for partition in partitions {
        let indexes = topics.entry(&partition.topic).or_default();
        indexes.push(partition.partition);
    }
    let topics = topics.into_iter().map(|(topic, mut indexes)| {
        indexes.sort_unstable();
        let indexes: Vec<_> = indexes.iter().map(ToString::to_string).collect();
        format!("{topic}:{}", indexes.join(","))
    });
    topics.collect()
}
