//! The sticky assignors: even shares, and everybody keeps what it had as far as that allows.
//!
//! `sticky` is eager: members give everything up before they join, and say in their user data what
//! they had (`[topic, [partition]]`, since version 1 followed by the generation; there is no version
//! number). `cooperative-sticky` is cooperative: what they own is in the subscription, and their
//! user data is the generation alone, for leaders that know only older subscriptions.

use bytes::Bytes;
use klamm_codec::group_protocol::StickyUserData;
use klamm_net::TopicPartition;

use super::balance::{Claim, balance};
use super::{AssignableTopics, Assignor, GroupMember, LastAssignment};
use crate::group::partitions::{flattened, grouped};

/// The generation of those that do not tell one.
const NO_GENERATION: i32 = -1;

/// Kafka's `sticky`: even shares, with as few partitions moved as possible. Eager: everybody stops
/// while the group rebalances, see [`CooperativeStickyAssignor`].
#[derive(Clone, Copy, Debug, Default)]
pub struct StickyAssignor;

impl Assignor for StickyAssignor {
    fn name(&self) -> &'static str {
        "sticky"
    }

    fn user_data(&self, last: Option<&LastAssignment>) -> Option<Bytes> {
        let last = last?;
        let user_data = StickyUserData {
            partitions: grouped(last.partitions.iter().cloned()),
            generation: last.generation,
        };
        Some(user_data.encode())
    }

    fn assign(
        &self,
        members: &[GroupMember],
        topics: &AssignableTopics,
    ) -> Vec<Vec<TopicPartition>> {
        let claims: Vec<Claim> = members
            .iter()
            .map(|member| claim_of_user_data(member.user_data.as_deref()))
            .collect();
        balance(members, topics, &claims)
    }
}

/// Kafka's `cooperative-sticky`: as [`StickyAssignor`], and members go on with what they keep while
/// the group rebalances (KIP-429).
#[derive(Clone, Copy, Debug, Default)]
pub struct CooperativeStickyAssignor;

impl Assignor for CooperativeStickyAssignor {
    fn name(&self) -> &'static str {
        "cooperative-sticky"
    }

    fn is_cooperative(&self) -> bool {
        true
    }

    fn user_data(&self, last: Option<&LastAssignment>) -> Option<Bytes> {
        let generation = last.map_or(NO_GENERATION, |last| last.generation);
        Some(Bytes::copy_from_slice(&generation.to_be_bytes()))
    }

    fn assign(
        &self,
        members: &[GroupMember],
        topics: &AssignableTopics,
    ) -> Vec<Vec<TopicPartition>> {
        let claims: Vec<Claim> = members.iter().map(claim_of_subscription).collect();
        balance(members, topics, &claims)
    }
}

fn claim_of_subscription(member: &GroupMember) -> Claim {
    let told = || {
        let user_data = member.user_data.as_deref()?;
        Some(i32::from_be_bytes(user_data.get(..4)?.try_into().ok()?))
    };
    Claim {
        partitions: member.owned.clone(),
        generation: member.generation.or_else(told).unwrap_or(NO_GENERATION),
    }
}

/// No user data, or none that can be read, claims nothing.
fn claim_of_user_data(user_data: Option<&[u8]>) -> Claim {
    let read = |bytes: &[u8]| {
        let user_data = StickyUserData::decode(bytes).ok()?;
        Some(Claim {
            partitions: flattened(user_data.partitions),
            generation: user_data.generation,
        })
    };
    user_data.and_then(read).unwrap_or(Claim {
        partitions: Vec::new(),
        generation: NO_GENERATION,
    })
}
