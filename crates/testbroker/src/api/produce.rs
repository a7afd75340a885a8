//! Produce.

use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::produce_response::{
    LeaderIdAndEpoch, NodeEndpoint, PartitionProduceResponse, TopicProduceResponse,
};
use kafka_protocol::messages::{ProduceRequest, ProduceResponse};

use klamm_codec::batch::BatchHeader;
use klamm_codec::compress::Compression;
use tokio::time::Instant;

use super::{Call, Reply, Serve, text};
use crate::cluster::Cluster;
use crate::fault::Target;
use crate::producer_state::Newcomer;
use crate::topic::TopicId;
use crate::transaction::Producer;

/// From this version on a batch adds its partition to the transaction (KIP-890).
const ADDS_PARTITIONS_SINCE: i16 = 12;

impl Serve for ProduceRequest {
    async fn serve(self, call: &Call<'_>) -> Reply<ProduceResponse> {
        if !(-1..=1).contains(&self.acks) {
            return Reply::Answer(self.refuse(call, ResponseError::InvalidRequiredAcks.code()));
        }
        let mut response = ProduceResponse::default();
        {
            let mut cluster = call.shared.cluster();
            for topic in &self.topic_data {
                let name = name_of(&cluster, call.version, topic);
                let answer = |partition: &PartitionProduceData| {
                    let records = partition.records.clone().unwrap_or_default();
                    let target = Destination {
                        topic: name.as_deref(),
                        index: partition.index,
                        transactional_id: self.transactional_id.as_deref().map(|id| &**id),
                    };
                    append(&mut cluster, call, &target, &records)
                };
                let partitions = topic.partition_data.iter().map(answer).collect();
                response
                    .responses
                    .push(topic_response(topic).with_partition_responses(partitions));
            }
            if call.version >= 10 {
                response.node_endpoints = hinted_nodes(&cluster, &response);
            }
        }
        call.shared.changed.notify_waiters();
        if self.transactional_id.is_some() {
            // A transaction may have begun.
            call.shared.timers_moved.notify_one();
        }
        if self.awaits_answer() {
            return Reply::Answer(response);
        }
        let mut partitions = response
            .responses
            .iter()
            .flat_map(|topic| &topic.partition_responses);
        if partitions.any(|partition| partition.error_code != 0) {
            Reply::Close
        } else {
            Reply::Nothing
        }
    }

    fn refuse(&self, _: &Call<'_>, code: i16) -> ProduceResponse {
        let refused = |topic: &TopicProduceData| {
            let partitions = topic
                .partition_data
                .iter()
                .map(|partition| failed(partition.index, code));
            topic_response(topic).with_partition_responses(partitions.collect())
        };
        ProduceResponse::default().with_responses(self.topic_data.iter().map(refused).collect())
    }

    fn touches(&self, cluster: &Cluster, target: &Target) -> bool {
        self.topic_data.iter().any(|topic| {
            let is_named = topic.name.as_str() == target.topic
                || cluster.topic_name(TopicId(topic.topic_id.into_bytes())) == Some(&target.topic);
            is_named
                && topic
                    .partition_data
                    .iter()
                    .any(|partition| partition.index == target.partition)
        })
    }

    fn awaits_answer(&self) -> bool {
        self.acks != 0
    }
}

fn name_of(cluster: &Cluster, version: i16, topic: &TopicProduceData) -> Option<String> {
    if version >= 13 {
        cluster
            .topic_name(TopicId(topic.topic_id.into_bytes()))
            .map(str::to_owned)
    } else {
        Some(topic.name.to_string())
    }
}

/// The response of a topic without its partitions.
fn topic_response(topic: &TopicProduceData) -> TopicProduceResponse {
    TopicProduceResponse::default()
        .with_name(topic.name.clone())
        .with_topic_id(topic.topic_id)
}

/// Where a batch is to go, and in whose transaction.
struct Destination<'a> {
    topic: Option<&'a str>,
    index: i32,
    transactional_id: Option<&'a str>,
}

fn append(
    cluster: &mut Cluster,
    call: &Call<'_>,
    destination: &Destination<'_>,
    records: &Bytes,
) -> PartitionProduceResponse {
    let index = destination.index;
    let Some(topic) = destination.topic else {
        return failed(index, ResponseError::UnknownTopicId.code());
    };
    let fault = call.fault_of(topic, index);
    if let Some(fault) = fault.filter(|fault| !fault.apply) {
        let log_start = cluster.partition(topic, index);
        let log_start = log_start.map_or(-1, |partition| partition.log.start());
        return failed(index, fault.code).with_log_start_offset(log_start);
    }
    // KIP-110: older clients could not read the batch back.
    if call.version < 7
        && BatchHeader::parse(records)
            .is_ok_and(|header| header.attributes.compression_id() == Compression::Zstd.id())
    {
        return failed(index, ResponseError::UnsupportedCompressionType.code());
    }
    let partition = match cluster.partition(topic, index) {
        Ok(found) => found,
        Err(error) => return failed(index, error.code()),
    };
    if partition.leader != call.peer.node {
        let leader = LeaderIdAndEpoch::default().with_leader_id(partition.leader);
        let response = failed(index, ResponseError::NotLeaderOrFollower.code());
        if call.version < 10 {
            return response;
        }
        return response.with_current_leader(leader.with_leader_epoch(partition.leader_epoch));
    }
    if let Err(error) = admit(cluster, call, topic, destination, records) {
        return failed(index, error.code());
    }
    let newcomer = if cluster.options.before_kip_360 {
        Newcomer::ZeroOfUnknown
    } else if destination.transactional_id.is_some() && call.version >= ADDS_PARTITIONS_SINCE {
        Newcomer::Zero
    } else {
        Newcomer::AnySequence
    };
    let (partition, config, now) = match cluster.partition_mut(topic, index) {
        Ok(found) => found,
        Err(error) => return failed(index, error.code()),
    };
    let result = partition.append(records, &config, newcomer, now);
    if let Some(fault) = fault {
        return failed(index, fault.code);
    }
    let log_start = partition.log.start();
    match result {
        Ok(appended) => PartitionProduceResponse::default()
            .with_index(index)
            .with_base_offset(appended.base_offset)
            .with_log_append_time_ms(appended.append_time.unwrap_or(-1))
            .with_log_start_offset(log_start),
        Err(refused) => {
            let response =
                failed(index, refused.error.code()).with_error_message(Some(text(refused.reason)));
            // Kafka tells where the log starts unless the failure is one of these everyday ones.
            match refused.error {
                ResponseError::CorruptMessage | ResponseError::MessageTooLarge => response,
                _ => response.with_log_start_offset(log_start),
            }
        }
    }
}

/// Whether a transactional batch belongs to an open transaction; since version 12 it makes its
/// partition part of it (KIP-890).
fn admit(
    cluster: &mut Cluster,
    call: &Call<'_>,
    topic: &str,
    destination: &Destination<'_>,
    records: &Bytes,
) -> Result<(), ResponseError> {
    // What cannot be read is refused when it is appended.
    let Ok(header) = BatchHeader::parse(records) else {
        return Ok(());
    };
    if !header.attributes.is_transactional() {
        return Ok(());
    }
    let Some(name) = destination.transactional_id else {
        return Err(ResponseError::InvalidTxnState);
    };
    let producer = Producer {
        id: header.producer_id,
        epoch: header.producer_epoch,
    };
    if cluster
        .partition(topic, destination.index)?
        .has_open_transaction(producer)
    {
        return Ok(());
    }
    let partition = (topic.to_owned(), destination.index);
    let transactions = &mut cluster.transactions;
    let admitted = if call.version >= ADDS_PARTITIONS_SINCE {
        transactions.add(Instant::now(), name, producer, [partition], [])
    } else {
        transactions
            .has_partition(name, producer, &partition)
            .and_then(|has| {
                // KIP-1050: older clients do not know the newer error.
                let refusal = if call.version >= 11 {
                    ResponseError::TransactionAbortable
                } else {
                    ResponseError::InvalidTxnState
                };
                has.then_some(()).ok_or(refusal)
            })
    };
    // So says the leader of a partition what the coordinator told it.
    admitted.map_err(|error| match error {
        ResponseError::ProducerFenced => ResponseError::InvalidProducerEpoch,
        other => other,
    })
}

fn failed(index: i32, code: i16) -> PartitionProduceResponse {
    PartitionProduceResponse::default()
        .with_index(index)
        .with_error_code(code)
        .with_base_offset(-1)
}

/// Addresses of the leaders that the response names (KIP-951).
fn hinted_nodes(cluster: &Cluster, response: &ProduceResponse) -> Vec<NodeEndpoint> {
    let topics = response.responses.iter();
    let partitions = topics.flat_map(|topic| &topic.partition_responses);
    let leaders = partitions.map(|partition| partition.current_leader.leader_id);
    let endpoint = |node: &crate::cluster::Node| {
        let endpoint = NodeEndpoint::default().with_node_id(node.id);
        endpoint
            .with_host(text(&node.host))
            .with_port(i32::from(node.port))
    };
    cluster.distinct_nodes(leaders).map(endpoint).collect()
}
