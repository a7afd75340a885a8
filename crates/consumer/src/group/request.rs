//! The requests of a member, in the version the coordinator speaks, and what their answers say.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use klamm_codec::ErrorCode;
use klamm_codec::messages::consumer_group_heartbeat_request::TopicPartitions as OwnedPartitions;
use klamm_codec::messages::join_group_request::JoinGroupRequestProtocol;
use klamm_codec::messages::leave_group_request::MemberIdentity;
use klamm_codec::messages::metadata_request::MetadataRequestTopic;
use klamm_codec::messages::sync_group_request::SyncGroupRequestAssignment;
use klamm_codec::messages::{
    ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse, GroupId, HeartbeatRequest,
    JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest, MetadataRequest, MetadataResponse,
    StrBytes, SyncGroupRequest, TopicName, Uuid,
};
use klamm_net::TopicId;

use super::action::{Beat, Beaten, Failure, Generation, Joined, MemberSettings, Topics};

/// What the members of a consumer group have in common with those of no other kind of group.
const PROTOCOL_TYPE: &str = "consumer";

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

fn group(settings: &MemberSettings) -> GroupId {
    GroupId(text(&settings.group_id))
}

fn instance_id(settings: &MemberSettings) -> Option<StrBytes> {
    settings.instance_id.as_deref().map(text)
}

fn millis(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX)
}

fn shared(text: &StrBytes) -> Arc<str> {
    Arc::from(text.as_str())
}

pub(super) fn join(
    settings: &MemberSettings,
    member_id: &str,
    protocols: &[(Arc<str>, Bytes)],
    reason: &'static str,
    version: i16,
) -> JoinGroupRequest {
    let protocol = |(name, subscription): &(Arc<str>, Bytes)| {
        JoinGroupRequestProtocol::default()
            .with_name(text(name))
            .with_metadata(subscription.clone())
    };
    let mut request = JoinGroupRequest::default()
        .with_group_id(group(settings))
        .with_session_timeout_ms(millis(settings.session_timeout))
        .with_member_id(text(member_id))
        .with_protocol_type(StrBytes::from_static_str(PROTOCOL_TYPE))
        .with_protocols(protocols.iter().map(protocol).collect())
        .with_group_instance_id(instance_id(settings));
    if version >= 1 {
        request = request.with_rebalance_timeout_ms(millis(settings.max_poll_interval));
    }
    if version >= 8 {
        request = request.with_reason(Some(StrBytes::from_static_str(reason)));
    }
    request
}

pub(super) fn joined(response: &JoinGroupResponse) -> Result<Joined, Failure> {
    if response.error_code != 0 {
        let member_id = shared(&response.member_id);
        return Err(Failure::Code(
            ErrorCode(response.error_code),
            Some(member_id),
        ));
    }
    let members = response.members.iter().map(|member| {
        (
            shared(&member.member_id),
            member.group_instance_id.as_ref().map(shared),
            member.metadata.clone(),
        )
    });
    Ok(Joined {
        generation: response.generation_id,
        protocol: response.protocol_name.as_ref().map(shared),
        leader: shared(&response.leader),
        member_id: shared(&response.member_id),
        members: members.collect(),
        skip_assignment: response.skip_assignment,
    })
}

pub(super) fn sync(
    settings: &MemberSettings,
    generation: &Generation,
    protocol: &str,
    assignments: &[(Arc<str>, Bytes)],
    version: i16,
) -> SyncGroupRequest {
    let assignment = |(member_id, bytes): &(Arc<str>, Bytes)| {
        SyncGroupRequestAssignment::default()
            .with_member_id(text(member_id))
            .with_assignment(bytes.clone())
    };
    let request = SyncGroupRequest::default()
        .with_group_id(group(settings))
        .with_generation_id(generation.id)
        .with_member_id(text(&generation.member_id))
        .with_group_instance_id(instance_id(settings))
        .with_assignments(assignments.iter().map(assignment).collect());
    if version >= 5 {
        return request
            .with_protocol_type(Some(StrBytes::from_static_str(PROTOCOL_TYPE)))
            .with_protocol_name(Some(text(protocol)));
    }
    request
}

pub(super) fn heartbeat(settings: &MemberSettings, generation: &Generation) -> HeartbeatRequest {
    HeartbeatRequest::default()
        .with_group_id(group(settings))
        .with_generation_id(generation.id)
        .with_member_id(text(&generation.member_id))
        .with_group_instance_id(instance_id(settings))
}

pub(super) fn leave(
    settings: &MemberSettings,
    member_id: &str,
    reason: &'static str,
    version: i16,
) -> LeaveGroupRequest {
    let request = LeaveGroupRequest::default().with_group_id(group(settings));
    if version < 3 {
        return request.with_member_id(text(member_id));
    }
    let mut member = MemberIdentity::default()
        .with_member_id(text(member_id))
        .with_group_instance_id(instance_id(settings));
    if version >= 5 {
        member = member.with_reason(Some(StrBytes::from_static_str(reason)));
    }
    request.with_members(vec![member])
}

/// A heartbeat of the consumer protocol (KIP-848).
pub(super) fn beat(settings: &MemberSettings, beat: &Beat) -> ConsumerGroupHeartbeatRequest {
    let mut request = goodbye(settings, &beat.member_id, beat.epoch)
        .with_server_assignor(beat.assignor.as_deref().map(text));
    if beat.everything {
        request = request
            .with_rebalance_timeout_ms(millis(settings.max_poll_interval))
            .with_rack_id(settings.rack.as_deref().map(text));
    }
    request = match &beat.topics {
        Some(Topics::Named(topics)) => {
            let names = topics.iter().map(|topic| TopicName(text(topic)));
            request.with_subscribed_topic_names(Some(names.collect()))
        }
        Some(Topics::Matching(pattern)) => request
            .with_subscribed_topic_names(Some(Vec::new()))
            .with_subscribed_topic_regex(Some(text(pattern))),
        None => request,
    };
    let owned = beat.owned.as_ref().map(|topics| {
        let topic = |(id, partitions): (&TopicId, &Vec<i32>)| {
            OwnedPartitions::default()
                .with_topic_id(Uuid::from_bytes(id.0))
                .with_partitions(partitions.clone())
        };
        topics.iter().map(topic).collect()
    });
    request.with_topic_partitions(owned)
}

/// One that says no more than who it is from.
pub(super) fn goodbye(
    settings: &MemberSettings,
    member_id: &str,
    epoch: i32,
) -> ConsumerGroupHeartbeatRequest {
    ConsumerGroupHeartbeatRequest::default()
        .with_group_id(group(settings))
        .with_member_id(text(member_id))
        .with_member_epoch(epoch)
        .with_instance_id(instance_id(settings))
}

pub(super) fn beaten(response: &ConsumerGroupHeartbeatResponse) -> Result<Beaten, Failure> {
    if response.error_code != 0 {
        if let Some(message) = &response.error_message {
            tracing::debug!(%message, code = response.error_code, "heartbeat refused");
        }
        return Err(Failure::Code(ErrorCode(response.error_code), None));
    }
    let assignment = response.assignment.as_ref().map(|assignment| {
        let topics = assignment.topic_partitions.iter();
        let of_topic = topics.flat_map(|topic| {
            let id = TopicId(topic.topic_id.into_bytes());
            topic.partitions.iter().map(move |index| (id, *index))
        });
        of_topic.collect()
    });
    let interval = u64::try_from(response.heartbeat_interval_ms).unwrap_or_default();
    Ok(Beaten {
        member_id: response.member_id.as_ref().map(shared),
        epoch: response.member_epoch,
        // A broker that says nothing sensible is not to be flooded.
        interval: Duration::from_millis(interval.max(10)),
        assignment,
    })
}

/// Asks for topics by id (version 12).
pub(super) fn topics_by_id(ids: &[TopicId]) -> MetadataRequest {
    let topic = |id: &TopicId| {
        MetadataRequestTopic::default()
            .with_name(None)
            .with_topic_id(Uuid::from_bytes(id.0))
    };
    MetadataRequest::default()
        .with_topics(Some(ids.iter().map(topic).collect()))
        .with_allow_auto_topic_creation(false)
}

/// The topics that are there.
pub(super) fn names(response: &MetadataResponse) -> Vec<(TopicId, Arc<str>)> {
    let usable = response.topics.iter().filter(|topic| topic.error_code == 0);
    usable
        .filter_map(|topic| {
            let name = Arc::from(topic.name.as_ref()?.as_str());
            Some((TopicId(topic.topic_id.into_bytes()), name))
        })
        .collect()
}

/// Asks for all topics.
pub(super) fn all_topics(version: i16) -> MetadataRequest {
    let request = MetadataRequest::default();
    // Version 0 has no null: none means all.
    let request = request.with_topics((version == 0).then(Vec::new));
    if version >= 4 {
        request.with_allow_auto_topic_creation(false)
    } else {
        request
    }
}

/// The names of those that are there, but for Kafka's own.
pub(super) fn listed(response: &MetadataResponse) -> Vec<Arc<str>> {
    let usable = response
        .topics
        .iter()
        .filter(|topic| topic.error_code == 0 && !topic.is_internal);
    usable
        .filter_map(|topic| Some(Arc::from(topic.name.as_ref()?.as_str())))
        .collect()
}

#[cfg(test)]
mod tests {
    use klamm_codec::ApiKey;
    use klamm_codec::api::Request;
    use klamm_codec::messages::encode_request;
    use klamm_net::Backoff;

    use super::*;

    fn settings(instance_id: Option<&str>) -> MemberSettings {
        MemberSettings {
            group_id: "g".to_owned(),
            instance_id: instance_id.map(str::to_owned),
            rack: None,
            session_timeout: Duration::from_secs(45),
            heartbeat_interval: Duration::from_secs(3),
            max_poll_interval: Duration::from_secs(300),
            retry_backoff: Backoff {
                initial: Duration::from_millis(100),
                max: Duration::from_secs(1),
            },
        }
    }

    fn encodes<R: Request>(
        api: ApiKey,
        instance_since: i16,
        build: impl Fn(&MemberSettings, i16) -> R,
    ) {
        let versions = api.versions().unwrap();
        for version in versions.min..=versions.max {
            let plain = build(&settings(None), version);
            encode_request(&plain, version, 1, "c").unwrap();
            if version >= instance_since {
                let instance = build(&settings(Some("i")), version);
                encode_request(&instance, version, 1, "c").unwrap();
            }
        }
    }

    #[test]
    fn every_request_encodes_in_every_version() {
        let generation = Generation {
            id: 4,
            member_id: "m".into(),
        };
        let bytes = Bytes::from_static(b"bytes");
        encodes(ApiKey::JOIN_GROUP, 5, |settings, version| {
            let protocols = [
                ("range".into(), bytes.clone()),
                ("sticky".into(), bytes.clone()),
            ];
            join(settings, "m", &protocols, "because", version)
        });
        encodes(ApiKey::SYNC_GROUP, 3, |settings, version| {
            sync(
                settings,
                &generation,
                "range",
                &[("m".into(), bytes.clone())],
                version,
            )
        });
        encodes(ApiKey::HEARTBEAT, 3, |settings, _| {
            heartbeat(settings, &generation)
        });
        encodes(ApiKey::LEAVE_GROUP, 3, |settings, version| {
            leave(settings, "m", "closing", version)
        });
    }
}
