//! Describing classic groups: consumers, Kafka Connect and whoever else shares work that way.

use std::sync::Arc;

use bytes::Bytes;
use klamm_codec::ErrorCode;
use klamm_codec::group_protocol::{Assignment, Subscription};
use klamm_codec::messages::{DescribeGroupsRequest, DescribeGroupsResponse};
use klamm_net::{NodeId, TopicPartition};

use super::state::GroupState;
use super::{Describable, DescribeGroups};
use crate::acl::{AclOperation, authorized_operations};
use crate::admin::Admin;
use crate::driver::{Answers, Batch, Call, Target};
use crate::error::Error;
use crate::wire::{group_id, optional_text};

/// The first version of `DescribeGroups` that tells of permissions (KIP-430).
const AUTHORIZED_OPERATIONS_VERSION: i16 = 3;
/// The first version that says so when there is no such group (KIP-1043); before it was `Dead`.
const NOT_FOUND_VERSION: i16 = 6;

/// A classic group.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClassicGroup {
    /// Its id.
    pub group_id: String,
    /// What its members do with each other: `consumer`, `connect`, ...; empty without members.
    pub protocol_type: String,
    /// The protocol that the members agreed on; of consumers the assignor, such as `range`.
    pub protocol: String,
    /// What it is doing.
    pub state: GroupState,
    /// Its members.
    pub members: Vec<ClassicMember>,
    /// The broker that coordinates it.
    pub coordinator: Option<NodeId>,
    /// What this client may do with it, if that was asked for.
    pub authorized_operations: Option<Vec<AclOperation>>,
}

/// A member of a classic group.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClassicMember {
    /// Its id.
    pub member_id: String,
    /// Its name that outlives restarts (`group.instance.id`), if it has one.
    pub instance_id: Option<String>,
    /// Its `client.id`.
    pub client_id: String,
    /// Its address, as the broker sees it.
    pub host: String,
    /// What it has said about itself, in the group's protocol.
    pub metadata: Bytes,
    /// What it was assigned, in the group's protocol.
    pub assignment: Bytes,
}

impl ClassicMember {
    /// The partitions that a consumer was assigned; `None` if the assignment is not one of
    /// consumers.
    #[must_use]
    pub fn assigned_partitions(&self) -> Option<Vec<TopicPartition>> {
        let assignment = Assignment::decode(&self.assignment).ok()?;
        let topics = assignment.partitions.iter();
        let partitions = topics.flat_map(|(topic, indexes)| {
            let indexes = indexes.iter();
            indexes.map(|index| TopicPartition::new(Arc::clone(topic), *index))
        });
        Some(partitions.collect())
    }

    /// The topics that a consumer is subscribed to; `None` if it is none.
    #[must_use]
    pub fn subscribed_topics(&self) -> Option<Vec<String>> {
        let subscription = Subscription::decode(&self.metadata).ok()?;
        let topics = subscription.topics.iter();
        Some(topics.map(ToString::to_string).collect())
    }
}

impl Admin {
    /// Classic groups, whatever their members do with each other (KIP-1043).
    ///
    /// # Errors
    /// [`Error::Net`] if nothing is known about any of the groups; what befalls one group is in its
    /// result, [`ErrorCode::GROUP_ID_NOT_FOUND`] if it is not there or no classic group.
    pub fn describe_classic_groups<S: Into<String>>(
        &self,
        groups: impl IntoIterator<Item = S>,
    ) -> DescribeGroups<ClassicGroup> {
        DescribeGroups::new(self, groups)
    }
}

impl Describable for ClassicGroup {
    fn call(authorized_operations: bool) -> impl Call<Key = String, Value = Self> {
        Describe(authorized_operations)
    }
}

/// With whether permissions are asked for.
struct Describe(bool);

impl Call for Describe {
    const NOUN: &'static str = "group";
    type Key = String;
    type Value = ClassicGroup;
    type Request = DescribeGroupsRequest;

    fn target(&self, group: &String) -> Target {
        Target::Group(group.clone())
    }

    fn request(&self, batch: &Batch<String>) -> Result<DescribeGroupsRequest, Error> {
        let groups = batch.keys.iter().map(|group| group_id(group));
        let request = DescribeGroupsRequest::default().with_groups(groups.collect());
        Ok(if batch.version >= AUTHORIZED_OPERATIONS_VERSION {
            request.with_include_authorized_operations(self.0)
        } else {
            request
        })
    }

    fn read(
        &self,
        batch: &Batch<String>,
        response: DescribeGroupsResponse,
        answers: &mut Answers<String, ClassicGroup>,
    ) {
        answers.throttled(response.throttle_time_ms);
        for group in response.groups {
            let id = group.group_id.to_string();
            let state = GroupState::of(&group.group_state);
            if group.error_code == 0
                && state == GroupState::Dead
                && batch.version < NOT_FOUND_VERSION
            {
                answers.refused(id, ErrorCode::GROUP_ID_NOT_FOUND.0, None);
                continue;
            }
            let members = group.members.into_iter().map(|member| ClassicMember {
                member_id: member.member_id.to_string(),
                instance_id: optional_text(member.group_instance_id.as_ref()),
                client_id: member.client_id.to_string(),
                host: member.client_host.to_string(),
                metadata: member.member_metadata,
                assignment: member.member_assignment,
            });
            let described = || ClassicGroup {
                group_id: id.clone(),
                protocol_type: group.protocol_type.to_string(),
                protocol: group.protocol_data.to_string(),
                state,
                members: members.collect(),
                coordinator: batch.node,
                authorized_operations: authorized_operations(group.authorized_operations),
            };
            answers.answer(id.clone(), group.error_code, group.error_message, described);
        }
    }
}
