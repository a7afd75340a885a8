//! The fetch request of a plan.
//!
//! For now every request is a full one, outside of any session (id 0, epoch -1, KIP-227); sessions
//! will be kept here.

use klamm_codec::messages::fetch_request::{FetchPartition, FetchTopic};
use klamm_codec::messages::{FetchRequest, StrBytes, TopicName, Uuid};

use super::plan::{FetchPlan, PlannedPartition, PlannedTopic};
use super::state::FetchSettings;

/// Topics are named by id from this version on (KIP-516).
const TOPIC_IDS_SINCE: i16 = 13;
/// The newest version that klamm reads answers of.
const VERSION_MAX: i16 = 17;
/// Leader epochs are sent from this version on (KIP-320).
const LEADER_EPOCH_SINCE: i16 = 9;

/// The version to use where the broker and klamm share `negotiated`: topic ids only if all have one.
pub(super) fn version(plan: &FetchPlan, negotiated: i16) -> i16 {
    let has_ids = plan.topics.iter().all(|topic| !topic.id.is_zero());
    let max = if has_ids {
        VERSION_MAX
    } else {
        TOPIC_IDS_SINCE - 1
    };
    negotiated.min(max)
}

/// The request of `version`.
pub(super) fn request(plan: &FetchPlan, settings: &FetchSettings, version: i16) -> FetchRequest {
    let int = |bytes: usize| i32::try_from(bytes).unwrap_or(i32::MAX);
    let partition = |planned: &PlannedPartition| {
        let partition = FetchPartition::default()
            .with_partition(planned.partition)
            .with_fetch_offset(planned.offset)
            .with_partition_max_bytes(int(settings.partition_fetch_max_bytes));
        if version >= LEADER_EPOCH_SINCE {
            partition.with_current_leader_epoch(planned.leader_epoch)
        } else {
            partition
        }
    };
    let topic = |planned: &PlannedTopic| {
        let partitions = planned.partitions.iter().map(partition).collect();
        let topic = FetchTopic::default().with_partitions(partitions);
        if version >= TOPIC_IDS_SINCE {
            topic.with_topic_id(Uuid::from_bytes(planned.id.0))
        } else {
            topic.with_topic(TopicName(StrBytes::from_string(planned.name.to_string())))
        }
    };
    let wait_ms = i32::try_from(settings.fetch_max_wait.as_millis()).unwrap_or(i32::MAX);
    FetchRequest::default()
        .with_isolation_level(settings.isolation_level.on_wire())
        .with_max_wait_ms(wait_ms)
        .with_min_bytes(int(settings.fetch_min_bytes))
        .with_max_bytes(int(plan.bytes_max))
        .with_topics(plan.topics.iter().map(topic).collect())
}
