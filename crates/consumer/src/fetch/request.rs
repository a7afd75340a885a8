//! The fetch request of a plan.

use klamm_codec::messages::fetch_request::{FetchPartition, FetchTopic, ForgottenTopic};
use klamm_codec::messages::{FetchRequest, StrBytes, TopicName, Uuid};

use super::plan::{FetchPlan, by_topic};
use super::session::Wanted;
use super::state::FetchSettings;

/// Sessions are spoken of from this version on (KIP-227). Brokers from 2.1 have it.
const SESSIONS_SINCE: i16 = 7;
/// Leader epochs are sent from this version on (KIP-320).
const LEADER_EPOCH_SINCE: i16 = 9;
/// The client's rack is sent from this version on (KIP-392).
const RACK_SINCE: i16 = 11;
/// Topics are named by id from this version on (KIP-516).
const TOPIC_IDS_SINCE: i16 = 13;
/// The newest version that klamm reads answers of.
const VERSION_MAX: i16 = 17;
/// The epoch of the request that ends a session.
const FINAL_EPOCH: i32 = -1;

/// The version to use where the broker and klamm share `negotiated`: topic ids only if all have one.
pub(super) fn version(by_id: bool, negotiated: i16) -> i16 {
    let max = if by_id {
        VERSION_MAX
    } else {
        TOPIC_IDS_SINCE - 1
    };
    negotiated.min(max)
}

/// The request of `version`.
pub(super) fn request(plan: &FetchPlan, settings: &FetchSettings, version: i16) -> FetchRequest {
    let int = |bytes: usize| i32::try_from(bytes).unwrap_or(i32::MAX);
    let partition = |(index, wanted): (i32, Wanted)| {
        let partition = FetchPartition::default()
            .with_partition(index)
            .with_fetch_offset(wanted.offset)
            .with_partition_max_bytes(int(settings.partition_fetch_max_bytes));
        if version >= LEADER_EPOCH_SINCE {
            partition.with_current_leader_epoch(wanted.leader_epoch)
        } else {
            partition
        }
    };
    let tell = plan.session.tell.iter().map(|(partition, wanted)| {
        let told = (partition.partition, *wanted);
        (partition.clone(), wanted.topic_id, told)
    });
    let topics = by_topic(tell).into_iter().map(|topic| {
        let partitions = topic.partitions.into_iter().map(partition).collect();
        let told = FetchTopic::default().with_partitions(partitions);
        if version >= TOPIC_IDS_SINCE {
            told.with_topic_id(Uuid::from_bytes(topic.id.0))
        } else {
            told.with_topic(name(&topic.name))
        }
    });
    let wait_ms = i32::try_from(settings.fetch_max_wait.as_millis()).unwrap_or(i32::MAX);
    let mut request = FetchRequest::default()
        .with_isolation_level(settings.isolation_level.on_wire())
        .with_max_wait_ms(wait_ms)
        .with_min_bytes(int(settings.fetch_min_bytes))
        .with_max_bytes(int(plan.bytes_max))
        .with_topics(topics.collect());
    if version >= SESSIONS_SINCE {
        request = request
            .with_session_id(plan.session.id)
            .with_session_epoch(plan.session.epoch)
            .with_forgotten_topics_data(forgotten(plan, version));
    }
    if version >= RACK_SINCE
        && let Some(rack) = &settings.client_rack
    {
        request = request.with_rack_id(StrBytes::from_string(rack.clone()));
    }
    request
}

fn forgotten(plan: &FetchPlan, version: i16) -> Vec<ForgottenTopic> {
    let forget = plan.session.forget.iter();
    let forget = forget.map(|(partition, id)| (partition.clone(), *id, partition.partition));
    let topics = by_topic(forget).into_iter().map(|topic| {
        let forgotten = ForgottenTopic::default().with_partitions(topic.partitions);
        if version >= TOPIC_IDS_SINCE {
            forgotten.with_topic_id(Uuid::from_bytes(topic.id.0))
        } else {
            forgotten.with_topic(name(&topic.name))
        }
    });
    topics.collect()
}

/// The request that ends the session `id`.
pub(super) fn closing(id: i32) -> FetchRequest {
    FetchRequest::default()
        .with_session_id(id)
        .with_session_epoch(FINAL_EPOCH)
}

fn name(name: &str) -> TopicName {
    TopicName(StrBytes::from_string(name.to_owned()))
}

#[cfg(test)]
mod tests {
    use klamm_codec::ApiKey;
    use klamm_codec::messages::encode_request;
    use klamm_net::{NodeId, TopicId, TopicPartition};

    use super::*;
    use crate::fetch::partition::Epoch;
    use crate::fetch::session::SessionRequest;
    use crate::fetch::testing::settings;

    #[test]
    fn a_request_encodes_in_every_version() {
        let partition = TopicPartition::new("t", 3);
        let wanted = Wanted {
            topic_id: TopicId([7; 16]),
            offset: 5,
            leader_epoch: 2,
            epoch: Epoch(1),
            turn: 0,
        };
        let plan = FetchPlan {
            node: NodeId(1),
            bytes_max: 1000,
            session: SessionRequest {
                id: 9,
                epoch: 2,
                by_id: true,
                tell: vec![(partition.clone(), wanted)],
                forget: vec![(partition, TopicId([8; 16]))],
            },
        };
        let mut settings = settings(crate::OffsetReset::Latest);
        settings.client_rack = Some("here".to_owned());
        let versions = ApiKey::FETCH.versions().unwrap();
        for version in versions.min..=VERSION_MAX {
            let request = request(&plan, &settings, version);
            encode_request(&request, version, 1, "c").unwrap();
            if version >= SESSIONS_SINCE {
                encode_request(&closing(9), version, 1, "c").unwrap();
            }
        }
    }
}
