//! `ListOffsets` and `OffsetForLeaderEpoch` (KIP-79, KIP-320, KIP-734).

use std::cmp::Ordering;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
};
use kafka_protocol::messages::offset_for_leader_epoch_request::OffsetForLeaderPartition;
use kafka_protocol::messages::offset_for_leader_epoch_response::{
    EpochEndOffset, OffsetForLeaderTopicResult,
};
use kafka_protocol::messages::{
    ListOffsetsRequest, ListOffsetsResponse, OffsetForLeaderEpochRequest,
    OffsetForLeaderEpochResponse,
};

use super::{Call, Reply, Serve};
use crate::batch::Stamped;
use crate::cluster::Cluster;
use crate::log::Log;
use crate::topic::Partition;

const READ_COMMITTED: i8 = 1;
const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const MAX_TIMESTAMP: i64 = -3;
const EARLIEST_LOCAL: i64 = -4;
const LATEST_TIERED: i64 = -5;

impl Serve for ListOffsetsRequest {
    async fn serve(self, call: &Call<'_>) -> Reply<ListOffsetsResponse> {
        let cluster = call.shared.cluster();
        let committed = self.isolation_level == READ_COMMITTED;
        let list = |topic: &ListOffsetsTopic| {
            let partitions = topic
                .partitions
                .iter()
                .map(|partition| list(&cluster, call, &topic.name, partition, committed));
            ListOffsetsTopicResponse::default()
                .with_name(topic.name.clone())
                .with_partitions(partitions.collect())
        };
        Reply::Answer(
            ListOffsetsResponse::default().with_topics(self.topics.iter().map(list).collect()),
        )
    }

    fn refuse(&self, _: &Call<'_>, code: i16) -> ListOffsetsResponse {
        let refused = |topic: &ListOffsetsTopic| {
            let partitions = topic
                .partitions
                .iter()
                .map(|partition| failed(partition.partition_index, code));
            ListOffsetsTopicResponse::default()
                .with_name(topic.name.clone())
                .with_partitions(partitions.collect())
        };
        ListOffsetsResponse::default().with_topics(self.topics.iter().map(refused).collect())
    }
}

fn list(
    cluster: &Cluster,
    call: &Call<'_>,
    topic: &str,
    request: &ListOffsetsPartition,
    committed: bool,
) -> ListOffsetsPartitionResponse {
    let index = request.partition_index;
    let partition = match led_here(cluster, call, topic, index, request.current_leader_epoch) {
        Ok(partition) => partition,
        Err(error) => return failed(index, error.code()),
    };
    let oldest_version = match request.timestamp {
        LATEST_TIERED => 9,
        EARLIEST_LOCAL => 8,
        MAX_TIMESTAMP => 7,
        EARLIEST.. => 1,
        _ => i16::MAX,
    };
    if call.version < oldest_version {
        return failed(index, ResponseError::UnsupportedVersion.code());
    }
    let log = &partition.log;
    let at = |offset, timestamp, epoch: Option<i32>| {
        let response = ListOffsetsPartitionResponse::default().with_partition_index(index);
        let response = response.with_offset(offset).with_timestamp(timestamp);
        if call.version >= 4 {
            response.with_leader_epoch(epoch.unwrap_or(-1))
        } else {
            response
        }
    };
    let at_record = |found: Option<Stamped>, log: &Log| match found {
        Some(Stamped { offset, timestamp }) => at(offset, timestamp, log.epoch_of(offset)),
        None => at(-1, -1, None),
    };
    match request.timestamp {
        LATEST if committed => at(partition.last_stable_offset(), -1, log.latest_epoch()),
        LATEST => at(log.end(), -1, log.latest_epoch()),
        EARLIEST | EARLIEST_LOCAL => at(log.start(), -1, log.epoch_of(log.start())),
        LATEST_TIERED => at(-1, -1, None),
        MAX_TIMESTAMP => at_record(log.latest_in_time(), log),
        timestamp => at_record(log.first_at_or_after(timestamp), log),
    }
}

fn failed(index: i32, code: i16) -> ListOffsetsPartitionResponse {
    ListOffsetsPartitionResponse::default()
        .with_partition_index(index)
        .with_error_code(code)
        .with_offset(-1)
        .with_timestamp(-1)
}

impl Serve for OffsetForLeaderEpochRequest {
    async fn serve(self, call: &Call<'_>) -> Reply<OffsetForLeaderEpochResponse> {
        let cluster = call.shared.cluster();
        let topics = self.topics.iter().map(|topic| {
            let end = |partition: &OffsetForLeaderPartition| {
                epoch_end(&cluster, call, &topic.topic, partition)
            };
            OffsetForLeaderTopicResult::default()
                .with_topic(topic.topic.clone())
                .with_partitions(topic.partitions.iter().map(end).collect())
        });
        Reply::Answer(OffsetForLeaderEpochResponse::default().with_topics(topics.collect()))
    }

    fn refuse(&self, _: &Call<'_>, code: i16) -> OffsetForLeaderEpochResponse {
        let topics = self.topics.iter().map(|topic| {
            let refused = |partition: &OffsetForLeaderPartition| {
                EpochEndOffset::default()
                    .with_partition(partition.partition)
                    .with_error_code(code)
            };
            OffsetForLeaderTopicResult::default()
                .with_topic(topic.topic.clone())
                .with_partitions(topic.partitions.iter().map(refused).collect())
        });
        OffsetForLeaderEpochResponse::default().with_topics(topics.collect())
    }
}

fn epoch_end(
    cluster: &Cluster,
    call: &Call<'_>,
    topic: &str,
    request: &OffsetForLeaderPartition,
) -> EpochEndOffset {
    let answer = EpochEndOffset::default().with_partition(request.partition);
    let partition = match led_here(
        cluster,
        call,
        topic,
        request.partition,
        request.current_leader_epoch,
    ) {
        Ok(partition) => partition,
        Err(error) => return answer.with_error_code(error.code()),
    };
    // The current epoch ends where the log does, also if it has written nothing yet.
    let end = match request.leader_epoch.cmp(&partition.leader_epoch) {
        Ordering::Equal => Some((partition.leader_epoch, partition.log.end())),
        Ordering::Greater => None,
        Ordering::Less => partition.log.end_of_epoch(request.leader_epoch),
    };
    match end {
        Some((epoch, offset)) => answer.with_leader_epoch(epoch).with_end_offset(offset),
        None => answer,
    }
}

/// The partition, if this node leads it in the epoch that the client believes in.
pub(super) fn led_here<'a>(
    cluster: &'a Cluster,
    call: &Call<'_>,
    topic: &str,
    index: i32,
    epoch: i32,
) -> Result<&'a Partition, ResponseError> {
    let partition = cluster.partition(topic, index)?;
    partition.check_epoch(epoch)?;
    if partition.leader == call.peer.node {
        Ok(partition)
    } else {
        Err(ResponseError::NotLeaderOrFollower)
    }
}
