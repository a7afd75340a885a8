//! Removing members from groups.

use std::fmt;

use klamm_codec::messages::leave_group_request::MemberIdentity;
use klamm_codec::messages::{LeaveGroupRequest, LeaveGroupResponse};

use crate::admin::Admin;
use crate::driver::{Answers, Batch, Call, Target, drive};
use crate::error::Error;
use crate::results::Results;
use crate::wire::{group_id, text};

/// The first versions of `LeaveGroup` that remove others (KIP-345), and that take a reason (KIP-800).
const MEMBERS_VERSION: i16 = 3;
const REASON_VERSION: i16 = 5;

/// A member to remove from a group.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MemberToRemove {
    /// By the name that outlives restarts (`group.instance.id`).
    InstanceId(String),
    /// By the id that the coordinator gave it.
    MemberId(String),
}

impl fmt::Display for MemberToRemove {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InstanceId(id) => write!(f, "instance {id}"),
            Self::MemberId(id) => f.write_str(id),
        }
    }
}

impl Admin {
    /// Removes members from a group at once, instead of when their session ends: of static members
    /// that do not come back, for example (KIP-345, Kafka 2.4). A member that lives joins again.
    /// `reason` is written to the broker's log.
    ///
    /// # Errors
    /// [`Error::Net`] if nothing is known about any of the members; what befalls one is in its
    /// result: `UNKNOWN_MEMBER_ID` if the group has no such member.
    pub async fn remove_members(
        &self,
        group: &str,
        members: impl IntoIterator<Item = MemberToRemove>,
        reason: &str,
    ) -> Result<Results<MemberToRemove, ()>, Error> {
        let call = Remove {
            group: group.to_owned(),
            reason: reason.to_owned(),
        };
        drive(self, call, members).await
    }

    /// As [`Admin::remove_members`] for all members that the group has now.
    ///
    /// # Errors
    /// As there, and the failure of describing the group.
    pub async fn remove_all_members(
        &self,
        group: &str,
        reason: &str,
    ) -> Result<Results<MemberToRemove, ()>, Error> {
        let described = self.describe_consumer_groups([group]).await?.all()?;
        let members = described.into_iter().flat_map(|group| group.members);
        let members = members.map(|member| match member.instance_id {
            Some(id) => MemberToRemove::InstanceId(id),
            None => MemberToRemove::MemberId(member.member_id),
        });
        self.remove_members(group, members, reason).await
    }
}

struct Remove {
    group: String,
    reason: String,
}

impl Call for Remove {
    const NOUN: &'static str = "member";
    type Key = MemberToRemove;
    type Value = ();
    type Request = LeaveGroupRequest;

    fn target(&self, _: &MemberToRemove) -> Target {
        Target::Group(self.group.clone())
    }

    fn request(&self, batch: &Batch<MemberToRemove>) -> Result<LeaveGroupRequest, Error> {
        batch.needs(
            MEMBERS_VERSION,
            "removing members of a group",
            "2.4 (KIP-345)",
        )?;
        let member = |member: &MemberToRemove| {
            let identity = match member {
                MemberToRemove::InstanceId(id) => {
                    MemberIdentity::default().with_group_instance_id(Some(text(id)))
                }
                MemberToRemove::MemberId(id) => MemberIdentity::default().with_member_id(text(id)),
            };
            if batch.version >= REASON_VERSION {
                identity.with_reason(Some(text(&self.reason)))
            } else {
                identity
            }
        };
        Ok(LeaveGroupRequest::default()
            .with_group_id(group_id(&self.group))
            .with_members(batch.keys.iter().map(member).collect()))
    }

    fn read(
        &self,
        batch: &Batch<MemberToRemove>,
        response: LeaveGroupResponse,
        answers: &mut Answers<MemberToRemove, ()>,
    ) {
        answers.throttled(response.throttle_time_ms);
        if !answers.all_accepted(batch, response.error_code, None) {
            return;
        }
        for member in response.members {
            let key = match member.group_instance_id {
                Some(id) => MemberToRemove::InstanceId(id.to_string()),
                None => MemberToRemove::MemberId(member.member_id.to_string()),
            };
            answers.answer(key, member.error_code, None, || ());
        }
    }
}
