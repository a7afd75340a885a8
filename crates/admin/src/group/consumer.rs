//! Describing groups of consumers, of either protocol.

use klamm_codec::ErrorCode;
use klamm_codec::messages::consumer_group_describe_response::{Assignment, Member};
use klamm_codec::messages::{ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse};
use klamm_net::{NodeId, TopicPartition};

use super::classic::ClassicMember;
use super::state::{GroupState, GroupType};
use super::{ClassicGroup, Describable, DescribeGroups};
use crate::acl::{AclOperation, authorized_operations};
use crate::admin::Admin;
use crate::driver::{Answers, Batch, Call, Target, drive};
use crate::error::Error;
use crate::results::Results;
use crate::wire::{group_id, optional_text};

/// What the protocol type of consumers is.
const CONSUMER: &str = "consumer";

/// A group of consumers.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConsumerGroup {
    /// Its id.
    pub group_id: String,
    /// By which protocol it works: [`GroupType::Classic`] or [`GroupType::Consumer`].
    pub group_type: GroupType,
    /// What it is doing.
    pub state: GroupState,
    /// How partitions are spread, such as `range` or `uniform`; empty without members.
    pub assignor: String,
    /// Its members.
    pub members: Vec<ConsumerGroupMember>,
    /// The broker that coordinates it.
    pub coordinator: Option<NodeId>,
    /// How often its members or topics have changed; `None` for the classic protocol.
    pub group_epoch: Option<i32>,
    /// The group's epoch that the newest assignment was made for; `None` for the classic protocol.
    pub assignment_epoch: Option<i32>,
    /// What this client may do with it, if that was asked for.
    pub authorized_operations: Option<Vec<AclOperation>>,
}

/// A member of a group of consumers.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConsumerGroupMember {
    /// Its id.
    pub member_id: String,
    /// Its name that outlives restarts (`group.instance.id`), if it has one.
    pub instance_id: Option<String>,
    /// Its rack (`client.rack`), if it has said one; `None` for the classic protocol.
    pub rack: Option<String>,
    /// Its `client.id`.
    pub client_id: String,
    /// Its address, as the broker sees it.
    pub host: String,
    /// The epoch of the assignment that it has; `None` for the classic protocol.
    pub epoch: Option<i32>,
    /// Topics that it is subscribed to by name.
    pub subscribed_topics: Vec<String>,
    /// The expression by which it is subscribed to topics (KIP-848), if it has one.
    pub subscribed_regex: Option<String>,
    /// Partitions that it has.
    pub assignment: Vec<TopicPartition>,
    /// Partitions that it shall have; `None` for the classic protocol.
    pub target_assignment: Option<Vec<TopicPartition>>,
    /// Whether it speaks the classic protocol in a group of the consumer protocol (KIP-1099); `None`
    /// if the broker does not say.
    pub is_classic: Option<bool>,
}

impl Admin {
    /// Groups of consumers, of either protocol, with members and assignments.
    ///
    /// # Errors
    /// [`Error::Net`] if nothing is known about any of the groups; what befalls one group is in its
    /// result: [`ErrorCode::GROUP_ID_NOT_FOUND`] if there is none, [`Error::Invalid`] if it is one
    /// of others than consumers.
    pub fn describe_consumer_groups<S: Into<String>>(
        &self,
        groups: impl IntoIterator<Item = S>,
    ) -> DescribeGroups<ConsumerGroup> {
        DescribeGroups::new(self, groups)
    }
}

impl Describable for ConsumerGroup {
    fn call(authorized_operations: bool) -> impl Call<Key = String, Value = Self> {
        Describe(authorized_operations)
    }

    /// Asked by the newer protocol first, as Java does: most answer that it is none of theirs, or
    /// that the broker is too old.
    async fn describe(
        admin: Admin,
        groups: Vec<String>,
        authorized_operations: bool,
    ) -> Result<Results<String, Self>, Error> {
        let described = drive(&admin, Self::call(authorized_operations), groups.clone()).await;
        let mut described = match described {
            Err(error) if error.is_unsupported() => {
                Results::of(groups.into_iter().map(|group| (group, Err(error.clone()))))
            }
            described => described?,
        };
        let classic = described.iter().filter(|(_, result)| match result {
            Ok(_) => false,
            Err(error) => {
                error.is_unsupported() || error.code() == Some(ErrorCode::GROUP_ID_NOT_FOUND)
            }
        });
        let classic: Vec<String> = classic.map(|(group, _)| group.clone()).collect();
        if !classic.is_empty() {
            let classic = ClassicGroup::describe(admin, classic, authorized_operations).await?;
            described.replace_with(classic.map(|_, group| of_consumers(group?)));
        }
        Ok(described)
    }
}

fn of_consumers(group: ClassicGroup) -> Result<ConsumerGroup, Error> {
    if !group.protocol_type.is_empty() && group.protocol_type != CONSUMER {
        let what = format!("group {}", group.group_id);
        let protocol = group.protocol_type;
        let reason = format!("not a group of consumers but of type {protocol}");
        return Err(Error::invalid(what, reason));
    }
    Ok(ConsumerGroup {
        group_id: group.group_id,
        group_type: GroupType::Classic,
        state: group.state,
        assignor: group.protocol,
        members: group.members.into_iter().map(classic_member).collect(),
        coordinator: group.coordinator,
        group_epoch: None,
        assignment_epoch: None,
        authorized_operations: group.authorized_operations,
    })
}

fn classic_member(member: ClassicMember) -> ConsumerGroupMember {
    ConsumerGroupMember {
        subscribed_topics: member.subscribed_topics().unwrap_or_default(),
        assignment: member.assigned_partitions().unwrap_or_default(),
        member_id: member.member_id,
        instance_id: member.instance_id,
        rack: None,
        client_id: member.client_id,
        host: member.host,
        epoch: None,
        subscribed_regex: None,
        target_assignment: None,
        is_classic: None,
    }
}

/// With whether permissions are asked for.
struct Describe(bool);

impl Call for Describe {
    const NOUN: &'static str = "group";
    type Key = String;
    type Value = ConsumerGroup;
    type Request = ConsumerGroupDescribeRequest;

    fn target(&self, group: &String) -> Target {
        Target::Group(group.clone())
    }

    fn request(&self, batch: &Batch<String>) -> Result<ConsumerGroupDescribeRequest, Error> {
        let groups = batch.keys.iter().map(|group| group_id(group));
        Ok(ConsumerGroupDescribeRequest::default()
            .with_group_ids(groups.collect())
            .with_include_authorized_operations(self.0))
    }

    fn read(
        &self,
        batch: &Batch<String>,
        response: ConsumerGroupDescribeResponse,
        answers: &mut Answers<String, ConsumerGroup>,
    ) {
        answers.throttled(response.throttle_time_ms);
        for group in response.groups {
            let id = group.group_id.to_string();
            let described = || ConsumerGroup {
                group_id: id.clone(),
                group_type: GroupType::Consumer,
                state: GroupState::of(&group.group_state),
                assignor: group.assignor_name.to_string(),
                members: group.members.iter().map(member).collect(),
                coordinator: batch.node,
                group_epoch: Some(group.group_epoch),
                assignment_epoch: Some(group.assignment_epoch),
                authorized_operations: authorized_operations(group.authorized_operations),
            };
            answers.answer(id.clone(), group.error_code, group.error_message, described);
        }
    }
}

fn member(member: &Member) -> ConsumerGroupMember {
    let topics = member.subscribed_topic_names.iter();
    ConsumerGroupMember {
        member_id: member.member_id.to_string(),
        instance_id: optional_text(member.instance_id.as_ref()),
        rack: optional_text(member.rack_id.as_ref()),
        client_id: member.client_id.to_string(),
        host: member.client_host.to_string(),
        epoch: Some(member.member_epoch),
        subscribed_topics: topics.map(|topic| topic.to_string()).collect(),
        subscribed_regex: optional_text(member.subscribed_topic_regex.as_ref())
            .filter(|regex| !regex.is_empty()),
        assignment: assignment(&member.assignment),
        target_assignment: Some(assignment(&member.target_assignment)),
        is_classic: match member.member_type {
            0 => Some(true),
            1 => Some(false),
            _ => None,
        },
    }
}

fn assignment(assignment: &Assignment) -> Vec<TopicPartition> {
    let topics = assignment.topic_partitions.iter();
    let partitions = topics.flat_map(|topic| {
        let partitions = topic.partitions.iter();
        partitions.map(|index| TopicPartition::new(topic.topic_name.as_str(), *index))
    });
    partitions.collect()
}
