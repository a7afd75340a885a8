//! Produce and `InitProducerId` requests, and their answers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use klamm_codec::messages::produce_response::PartitionProduceResponse;
use klamm_codec::messages::{
    InitProducerIdRequest, InitProducerIdResponse, ProduceRequest, StrBytes, decode_response,
};
use klamm_codec::produce_request::{PartitionBatch, ProduceHeader, TopicBatches, encode};
use klamm_codec::{ApiKey, ErrorCode, VersionRange};
use klamm_net::{Broker, Connection, Error, NodeId, PendingResponse, Route, TopicId, Verdict};
use tokio::time::Instant;

use super::answer::PartitionAnswer;
use super::drain::{PartitionBytes, ProduceBatches};
use crate::accumulator::PartitionQueue;
use crate::config::{Acks, Settings};
use crate::delivery::Written;
use crate::idempotence::ProducerKey;
use crate::shared::Shared;
use crate::transaction::Protocol;

/// From this version on topics go by their ids (KIP-516).
const TOPIC_IDS_SINCE: i16 = 13;
/// From this version on the client is to wait when it is throttled (KIP-219).
const THROTTLED_BY_CLIENT_SINCE: i16 = 6;
/// From this version on a batch adds its partition to the transaction (KIP-890).
const ADDS_PARTITIONS_SINCE: i16 = 12;
/// The last version that names them.
const TOPIC_NAMES_UNTIL: i16 = 12;

/// Sends one request; gives back the version of its answer, `None` if there will be none (acks=0).
pub(super) fn send(
    connection: &Connection,
    settings: &Settings,
    protocol: Option<Protocol>,
    batches: &ProduceBatches,
) -> Result<Option<(i16, PendingResponse)>, Error> {
    let mut version = version(connection, protocol)?;
    let has_ids = |batch: &PartitionBytes| !batch.queue.topic_id.is_zero();
    if version >= TOPIC_IDS_SINCE && !batches.batches.iter().all(has_ids) {
        version = TOPIC_NAMES_UNTIL;
    }
    let mut by_topic: BTreeMap<(&str, TopicId), Vec<PartitionBatch>> = BTreeMap::new();
    for batch in &batches.batches {
        let partition = &batch.queue.partition;
        let topic = by_topic.entry((&partition.topic, batch.queue.topic_id));
        topic.or_default().push(PartitionBatch {
            partition: partition.partition,
            batch: batch.bytes.clone(),
        });
    }
    let topics: Vec<_> = by_topic
        .iter()
        .map(|((topic, id), partitions)| TopicBatches {
            topic,
            topic_id: id.0,
            partitions,
        })
        .collect();
    let header = ProduceHeader {
        transactional_id: settings.config.transactional_id.as_deref(),
        acks: settings.config.acks.code(),
        timeout_ms: i32::try_from(settings.request_timeout.as_millis()).unwrap_or(i32::MAX),
    };
    let encode = |correlation_id, client_id: &str| {
        Ok(encode(version, correlation_id, client_id, &header, &topics))
    };
    if settings.config.acks == Acks::None {
        connection.send_oneway(ApiKey::PRODUCE, encode)?;
        return Ok(None);
    }
    let pending = connection.send(ApiKey::PRODUCE, settings.request_timeout, encode)?;
    Ok(Some((version, pending)))
}

/// The version to use; each protocol of transactions has its own.
fn version(connection: &Connection, protocol: Option<Protocol>) -> Result<i16, Error> {
    let version = connection.version(ApiKey::PRODUCE)?;
    match protocol {
        Some(Protocol::V1) => Ok(version.min(ADDS_PARTITIONS_SINCE - 1)),
        Some(Protocol::V2) if version < ADDS_PARTITIONS_SINCE => Err(Error::UnsupportedVersion {
            api: ApiKey::PRODUCE,
            broker: connection.address().to_owned(),
            ours: VersionRange {
                min: ADDS_PARTITIONS_SINCE,
                max: i16::MAX,
            },
            theirs: Some(VersionRange {
                min: 0,
                max: version,
            }),
        }),
        Some(Protocol::V2) | None => Ok(version),
    }
}

/// The answers in a produce response.
pub(super) struct Response {
    /// How long the broker wants to be left alone (KIP-219).
    pub(super) throttle: Duration,
    /// Where the leaders are that it names (KIP-951).
    pub(super) endpoints: Vec<Broker>,
    topics: Vec<TopicAnswers>,
}

struct TopicAnswers {
    /// Empty from version 13 on.
    name: String,
    /// Zero up to version 12.
    id: TopicId,
    /// By partition.
    partitions: BTreeMap<i32, PartitionAnswer>,
}

impl Response {
    /// What the broker said about the batch of `queue`.
    pub(super) fn answer(&self, queue: &PartitionQueue) -> Option<&PartitionAnswer> {
        let named = |topic: &&TopicAnswers| {
            if topic.id.is_zero() {
                *topic.name == *queue.partition.topic
            } else {
                topic.id == queue.topic_id
            }
        };
        let topic = self.topics.iter().find(named)?;
        topic.partitions.get(&queue.partition.partition)
    }
}

/// Reads a response of `version`.
pub(super) fn read(connection: &Connection, version: i16, frame: Bytes) -> Result<Response, Error> {
    let response =
        decode_response::<ProduceRequest>(frame, version).map_err(|error| Error::Protocol {
            api: ApiKey::PRODUCE,
            broker: connection.address().to_owned(),
            reason: error.reason,
        })?;
    // Up to version 5 the broker has waited before it answered.
    let throttle_ms = if version >= THROTTLED_BY_CLIENT_SINCE {
        response.throttle_time_ms
    } else {
        0
    };
    let throttle = Duration::from_millis(u64::try_from(throttle_ms).unwrap_or(0));
    let topics = response.responses.into_iter().map(|topic| TopicAnswers {
        name: topic.name.to_string(),
        id: TopicId(topic.topic_id.into_bytes()),
        partitions: topic.partition_responses.into_iter().map(answer).collect(),
    });
    let endpoints = response.node_endpoints.iter();
    let endpoints = endpoints
        .filter_map(|it| Broker::told(it.node_id.0, &it.host, it.port, it.rack.as_deref()))
        .collect();
    Ok(Response {
        throttle,
        endpoints,
        topics: topics.collect(),
    })
}

fn answer(partition: PartitionProduceResponse) -> (i32, PartitionAnswer) {
    let text = |message: Option<StrBytes>| message.map(|message| Arc::from(message.as_str()));
    let known = |value: i64| (value >= 0).then_some(value);
    let refused = partition.record_errors.into_iter().map(|record| {
        let index = record.batch_index.unsigned_abs();
        (index, text(record.batch_index_error_message))
    });
    let leader = &partition.current_leader;
    let answer = PartitionAnswer {
        code: ErrorCode(partition.error_code),
        written: Written {
            base_offset: known(partition.base_offset),
            log_append_time: known(partition.log_append_time_ms),
        },
        message: text(partition.error_message),
        log_start: known(partition.log_start_offset),
        leader: (leader.leader_id.0 >= 0)
            .then_some((NodeId(leader.leader_id.0), leader.leader_epoch)),
        refused_records: refused.collect(),
    };
    (partition.index, answer)
}

/// Asks any broker for a producer id.
pub(super) async fn producer_id(shared: &Shared) -> Result<ProducerKey, Error> {
    let deadline = Instant::now() + shared.settings.request_timeout;
    // The message crate's default is an empty id, which brokers refuse.
    let request = |_| {
        InitProducerIdRequest::default()
            .with_transactional_id(None)
            .with_transaction_timeout_ms(i32::MAX)
    };
    let check = |response: &InitProducerIdResponse| {
        Verdict::of(ErrorCode(response.error_code), "the idempotent producer")
    };
    let route = Route::Any;
    let response = shared
        .cluster
        .call(&route, deadline, request, check)
        .await?;
    Ok(ProducerKey {
        id: response.producer_id.0,
        epoch: response.producer_epoch,
    })
}
