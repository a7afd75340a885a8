//! Describing share groups (KIP-932).

use klamm_codec::messages::{ShareGroupDescribeRequest, ShareGroupDescribeResponse};
use klamm_net::{NodeId, TopicPartition};

use super::state::GroupState;
use super::{Describable, DescribeGroups};
use crate::acl::{AclOperation, authorized_operations};
use crate::admin::Admin;
use crate::driver::{Answers, Batch, Call, Target};
use crate::error::Error;
use crate::wire::{group_id, optional_text};

/// A share group.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShareGroup {
    /// Its id.
    pub group_id: String,
    /// What it is doing.
    pub state: GroupState,
    /// How partitions are spread over members.
    pub assignor: String,
    /// Its members.
    pub members: Vec<ShareGroupMember>,
    /// The broker that coordinates it.
    pub coordinator: Option<NodeId>,
    /// How often its members or topics have changed.
    pub group_epoch: i32,
    /// The group's epoch that the newest assignment was made for.
    pub assignment_epoch: i32,
    /// What this client may do with it, if that was asked for.
    pub authorized_operations: Option<Vec<AclOperation>>,
}

/// A member of a share group.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShareGroupMember {
    /// Its id.
    pub member_id: String,
    /// Its rack (`client.rack`), if it has said one.
    pub rack: Option<String>,
    /// Its `client.id`.
    pub client_id: String,
    /// Its address, as the broker sees it.
    pub host: String,
    /// The epoch of the assignment that it has.
    pub epoch: i32,
    /// Topics that it is subscribed to.
    pub subscribed_topics: Vec<String>,
    /// Partitions that it shares.
    pub assignment: Vec<TopicPartition>,
}

impl Admin {
    /// Share groups (KIP-932, Kafka 4.1).
    ///
    /// # Errors
    /// [`Error::Net`] if nothing is known about any of the groups; what befalls one group is in its
    /// result, `GROUP_ID_NOT_FOUND` if it is not there or no share group.
    pub fn describe_share_groups<S: Into<String>>(
        &self,
        groups: impl IntoIterator<Item = S>,
    ) -> DescribeGroups<ShareGroup> {
        DescribeGroups::new(self, groups)
    }
}

impl Describable for ShareGroup {
    fn call(authorized_operations: bool) -> impl Call<Key = String, Value = Self> {
        Describe(authorized_operations)
    }
}

/// With whether permissions are asked for.
struct Describe(bool);

impl Call for Describe {
    const NOUN: &'static str = "group";
    type Key = String;
    type Value = ShareGroup;
    type Request = ShareGroupDescribeRequest;

    fn target(&self, group: &String) -> Target {
        Target::Group(group.clone())
    }

    fn request(&self, batch: &Batch<String>) -> Result<ShareGroupDescribeRequest, Error> {
        let groups = batch.keys.iter().map(|group| group_id(group));
        Ok(ShareGroupDescribeRequest::default()
            .with_group_ids(groups.collect())
            .with_include_authorized_operations(self.0))
    }

    fn read(
        &self,
        batch: &Batch<String>,
        response: ShareGroupDescribeResponse,
        answers: &mut Answers<String, ShareGroup>,
    ) {
        answers.throttled(response.throttle_time_ms);
        for group in response.groups {
            let id = group.group_id.to_string();
            let members = group.members.into_iter().map(|member| {
                let topics = member.subscribed_topic_names.iter();
                let assigned = member.assignment.topic_partitions.iter();
                let assigned = assigned.flat_map(|topic| {
                    let partitions = topic.partitions.iter();
                    partitions.map(|index| TopicPartition::new(topic.topic_name.as_str(), *index))
                });
                ShareGroupMember {
                    member_id: member.member_id.to_string(),
                    rack: optional_text(member.rack_id.as_ref()),
                    client_id: member.client_id.to_string(),
                    host: member.client_host.to_string(),
                    epoch: member.member_epoch,
                    subscribed_topics: topics.map(|topic| topic.to_string()).collect(),
                    assignment: assigned.collect(),
                }
            });
            let described = || ShareGroup {
                group_id: id.clone(),
                state: GroupState::of(&group.group_state),
                assignor: group.assignor_name.to_string(),
                members: members.collect(),
                coordinator: batch.node,
                group_epoch: group.group_epoch,
                assignment_epoch: group.assignment_epoch,
                authorized_operations: authorized_operations(group.authorized_operations),
            };
            answers.answer(id.clone(), group.error_code, group.error_message, described);
        }
    }
}
