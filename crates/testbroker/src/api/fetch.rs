//! Fetch.

use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::fetch_response::{
    AbortedTransaction, FetchableTopicResponse, LeaderIdAndEpoch, NodeEndpoint, PartitionData,
};
use kafka_protocol::messages::{FetchRequest, FetchResponse, ProducerId};
use klamm_codec::batch::BatchHeader;
use tokio::time::{Instant, sleep_until};

use super::{Call, Reply, Serve, millis, text};
use crate::cluster::Cluster;
use crate::fault::Target;
use crate::fetch_session::Reading as SessionReading;
use crate::producer_state::Aborted;
use crate::topic::{Partition, TopicId};

/// Kafka's default of `fetch.max.bytes` on brokers.
const RESPONSE_BYTES_MAX: i32 = 57_671_680;
const READ_COMMITTED: i8 = 1;

impl Serve for FetchRequest {
    async fn serve(self, call: &Call<'_>) -> Reply<FetchResponse> {
        let begun = {
            let sessions = &mut call.shared.cluster().fetch_sessions;
            sessions.begin(call.peer.node, call.version, &self)
        };
        let reading = match begun {
            Ok(reading) => reading,
            Err(error) => {
                return Reply::Answer(FetchResponse::default().with_error_code(error.code()));
            }
        };
        let request = self.with_topics(reading.topics.clone());
        let deadline = Instant::now() + millis(request.max_wait_ms);
        loop {
            let mut changed = std::pin::pin!(call.shared.changed.notified());
            // From here on no change is missed, also one between the reading and the waiting.
            changed.as_mut().enable();
            let is_late = Instant::now() >= deadline;
            if let Some(response) = answer(call, &request, &reading, is_late) {
                return Reply::Answer(response);
            }
            tokio::select! {
                () = changed => {}
                () = sleep_until(deadline) => {}
            }
        }
    }

    fn refuse(&self, call: &Call<'_>, code: i16) -> FetchResponse {
        let refused = |topic: &FetchTopic| {
            let partitions = topic
                .partitions
                .iter()
                .map(|partition| failed(partition.partition, code));
            topic_response(topic).with_partitions(partitions.collect())
        };
        let topics = self.all_topics(&call.shared.cluster());
        let response =
            FetchResponse::default().with_responses(topics.iter().map(refused).collect());
        // These are said of sessions, not of partitions.
        let of_session = [
            ResponseError::FetchSessionIdNotFound.code(),
            ResponseError::InvalidFetchSessionEpoch.code(),
            ResponseError::FetchSessionTopicIdError.code(),
        ];
        if call.version >= 7 && of_session.contains(&code) {
            return FetchResponse::default().with_error_code(code);
        }
        response
    }

    fn touches(&self, cluster: &Cluster, target: &Target) -> bool {
        self.all_topics(cluster).iter().any(|topic| {
            let is_named = topic.topic.as_str() == target.topic
                || cluster.topic_name(TopicId(topic.topic_id.into_bytes())) == Some(&target.topic);
            is_named
                && topic
                    .partitions
                    .iter()
                    .any(|partition| partition.partition == target.partition)
        })
    }
}

/// What a request reads besides what it names.
trait InSession {
    /// The topics it names, and those of its session.
    fn all_topics(&self, cluster: &Cluster) -> Vec<FetchTopic>;
}

impl InSession for FetchRequest {
    fn all_topics(&self, cluster: &Cluster) -> Vec<FetchTopic> {
        let mut topics = self.topics.clone();
        if self.session_epoch > 0 {
            topics.extend(cluster.fetch_sessions.topics(self.session_id));
        }
        topics
    }
}

/// The answer, if there is nothing to wait for.
fn answer(
    call: &Call<'_>,
    request: &FetchRequest,
    reading: &SessionReading,
    is_late: bool,
) -> Option<FetchResponse> {
    let mut cluster = call.shared.cluster();
    let read = read(&cluster, call, request);
    if !read.is_enough && !is_late {
        return None;
    }
    let mut response = read.response;
    let sessions = &mut cluster.fetch_sessions;
    sessions.end(reading, &mut response.responses);
    if call.version >= 7 {
        response.session_id = reading.session;
    }
    Some(response)
}

struct Read {
    response: FetchResponse,
    /// Nothing is gained by waiting.
    is_enough: bool,
}

fn read(cluster: &Cluster, call: &Call<'_>, request: &FetchRequest) -> Read {
    let bytes_max = request.max_bytes.clamp(0, RESPONSE_BYTES_MAX) as usize;
    let bytes_min = (request.min_bytes.max(0) as usize).min(bytes_max);
    let mut room = bytes_max;
    let mut found = 0;
    let mut has_error = false;
    let mut response = FetchResponse::default();
    for topic in &request.topics {
        let name = if call.version >= 13 {
            cluster.topic_name(TopicId(topic.topic_id.into_bytes()))
        } else {
            Some(topic.topic.as_str())
        };
        let mut answer = topic_response(topic);
        for partition in &topic.partitions {
            let limit = room.min(partition.partition_max_bytes.max(0) as usize);
            let data = match name {
                Some(name) => {
                    let read = Reading {
                        bytes_max: limit,
                        is_first: found == 0,
                        committed: request.isolation_level == READ_COMMITTED,
                    };
                    read_partition(cluster, call, name, partition, &read)
                }
                None => failed(partition.partition, ResponseError::UnknownTopicId.code()),
            };
            let bytes = data.records.as_ref().map_or(0, Bytes::len);
            found += bytes;
            room = room.saturating_sub(bytes);
            has_error |= data.error_code != 0;
            answer.partitions.push(data);
        }
        response.responses.push(answer);
    }
    if call.version >= 16 {
        response.node_endpoints = hinted_nodes(cluster, &response);
    }
    Read {
        is_enough: has_error || found >= bytes_min || request.topics.is_empty(),
        response,
    }
}

/// How a partition is read.
struct Reading {
    bytes_max: usize,
    /// A batch that is too large comes whole.
    is_first: bool,
    /// Only up to the last stable offset.
    committed: bool,
}

fn read_partition(
    cluster: &Cluster,
    call: &Call<'_>,
    topic: &str,
    request: &FetchPartition,
    reading: &Reading,
) -> PartitionData {
    let index = request.partition;
    if let Some(fault) = call.fault_of(topic, index) {
        return failed(index, fault.code);
    }
    let partition = match cluster.partition(topic, index) {
        Ok(partition) => partition,
        Err(error) => return failed(index, error.code()),
    };
    // Since version 11 consumers may read from any replica (KIP-392).
    let may_read = partition.leader == call.peer.node
        || call.version >= 11 && partition.replicas.contains(&call.peer.node);
    let allowed = match partition.check_epoch(request.current_leader_epoch) {
        Ok(()) if !may_read => Err(ResponseError::NotLeaderOrFollower),
        checked => checked,
    };
    if let Err(error) = allowed {
        let data = failed(index, error.code());
        // KIP-951: only for errors that a newer leader cures.
        if call.version < 12 || error == ResponseError::UnknownLeaderEpoch {
            return data;
        }
        let leader = LeaderIdAndEpoch::default().with_leader_id(partition.leader);
        return data.with_current_leader(leader.with_leader_epoch(partition.leader_epoch));
    }
    let log = &partition.log;
    let from = request.fetch_offset;
    let stable = partition.last_stable_offset();
    let before = if reading.committed { stable } else { log.end() };
    let Ok(records) = log.read(from, before, reading.bytes_max, reading.is_first) else {
        return failed(index, ResponseError::OffsetOutOfRange.code());
    };
    // What does not begin with a whole batch is of no use to a client.
    let starts_whole =
        BatchHeader::parse(&records).is_ok_and(|header| header.batch_bytes <= records.len());
    let records = if starts_whole { records } else { Bytes::new() };
    PartitionData::default()
        .with_partition_index(index)
        .with_high_watermark(log.end())
        .with_last_stable_offset(stable)
        .with_log_start_offset(log.start())
        .with_aborted_transactions(reading.committed.then(|| aborted(partition, from, before)))
        .with_records(Some(records))
}

/// What a reader of committed records has to leave out.
fn aborted(partition: &Partition, from: i64, before: i64) -> Vec<AbortedTransaction> {
    let aborted = partition.aborted_between(from, before);
    let entry = |aborted: &Aborted| {
        AbortedTransaction::default()
            .with_producer_id(ProducerId(aborted.producer_id))
            .with_first_offset(aborted.first_offset)
    };
    aborted.map(entry).collect()
}

/// The response of a topic without its partitions.
fn topic_response(topic: &FetchTopic) -> FetchableTopicResponse {
    FetchableTopicResponse::default()
        .with_topic(topic.topic.clone())
        .with_topic_id(topic.topic_id)
}

fn failed(index: i32, code: i16) -> PartitionData {
    PartitionData::default()
        .with_partition_index(index)
        .with_error_code(code)
        .with_high_watermark(-1)
        .with_aborted_transactions(None)
        .with_records(Some(Bytes::new()))
}

/// Addresses of the leaders that the response names (KIP-951).
fn hinted_nodes(cluster: &Cluster, response: &FetchResponse) -> Vec<NodeEndpoint> {
    let topics = response.responses.iter();
    let partitions = topics.flat_map(|topic| &topic.partitions);
    let leaders = partitions.map(|partition| partition.current_leader.leader_id);
    let endpoint = |node: &crate::cluster::Node| {
        let endpoint = NodeEndpoint::default().with_node_id(node.id);
        endpoint
            .with_host(text(&node.host))
            .with_port(i32::from(node.port))
    };
    cluster.distinct_nodes(leaders).map(endpoint).collect()
}
