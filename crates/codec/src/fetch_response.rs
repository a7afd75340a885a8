//! Fetch responses read without copying: the records of each partition are slices of the frame.
//!
//! Invariant: what is read takes at most 8 x the bytes of its fields in memory. So a topic without a partition, which says
//! nothing and may take 3 bytes, is left out.

use bytes::Bytes;

use crate::error_code::ErrorCode;
use crate::primitive::{DecodeError, Reader};

/// Bytes that the shortest partition of `version` takes, for checking counts: its fields, the arrays of aborted transactions and
/// records, tagged fields.
const fn partition_bytes_min(version: i16) -> usize {
    let fields = 4 + 2 + 8 + 8;
    let log_start_offset = if version >= 5 { 8 } else { 0 };
    let preferred_read_replica = if version >= 11 { 4 } else { 0 };
    let rest = if version >= 12 { 1 + 1 + 1 } else { 4 + 4 };
    fields + log_start_offset + preferred_read_replica + rest
}

/// A fetch response.
#[derive(Clone, Debug, Default)]
pub struct FetchResponse {
    /// How long the broker asks the client to wait, in milliseconds (KIP-219).
    pub throttle_time_ms: i32,
    /// Error of the whole request.
    pub error_code: ErrorCode,
    /// Fetch session (KIP-227), or 0.
    pub session_id: i32,
    /// What each topic brought.
    pub topics: Vec<FetchedTopic>,
    /// Addresses of the leaders named in `current_leader` (KIP-951).
    pub node_endpoints: Vec<NodeEndpoint>,
}

/// The part of a response that belongs to one topic.
#[derive(Clone, Debug, Default)]
pub struct FetchedTopic {
    /// Name, up to version 12.
    pub topic: String,
    /// Topic id, from version 13 on.
    pub topic_id: [u8; 16],
    /// What each partition brought.
    pub partitions: Vec<FetchedPartition>,
}

/// The part of a response that belongs to one partition.
#[derive(Clone, Debug)]
pub struct FetchedPartition {
    /// Partition index.
    pub partition: i32,
    /// Error of this partition.
    pub error_code: ErrorCode,
    /// First offset not replicated to all in-sync replicas.
    pub high_watermark: i64,
    /// First offset of an open transaction, or the high watermark.
    pub last_stable_offset: i64,
    /// First offset of the log, or -1 before version 5.
    pub log_start_offset: i64,
    /// Where the log diverges from the fetcher's epoch (KIP-320): epoch and end offset.
    pub diverging_epoch: Option<(i32, i64)>,
    /// Leader id and epoch, when the broker is not the leader (KIP-951).
    pub current_leader: Option<(i32, i32)>,
    /// Aborted transactions in `records`: producer id and first offset.
    pub aborted_transactions: Vec<(i64, i64)>,
    /// Replica that should be read instead (KIP-392), or -1.
    pub preferred_read_replica: i32,
    /// Record batches, as they stand in the frame.
    pub records: Bytes,
}

/// Where a broker listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeEndpoint {
    /// Broker id.
    pub node_id: i32,
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: i32,
}

impl FetchResponse {
    /// Reads the body of a response of `version` (4 to 17).
    ///
    /// # Errors
    /// [`DecodeError`] if the bytes are not such a response.
    pub fn decode(body: &Bytes, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 12;
        let mut reader = Reader::new(body);
        let mut response = Self {
            throttle_time_ms: reader.int32("throttle time")?,
            ..Self::default()
        };
        if version >= 7 {
            response.error_code = ErrorCode(reader.int16("fetch error code")?);
            response.session_id = reader.int32("fetch session id")?;
        }
        let count = reader.array_length(flexible, 3, "fetched topics")?;
        let partitions_max = reader.left() / partition_bytes_min(version);
        response.topics.reserve(count.min(partitions_max));
        for _ in 0..count {
            let topic = read_topic(&mut reader, body, version)?;
            if !topic.partitions.is_empty() {
                response.topics.push(topic);
            }
        }
        if flexible {
            reader.tagged_fields(|tag, bytes| {
                if tag == 0 {
                    response.node_endpoints = read_node_endpoints(bytes)?;
                }
                Ok(())
            })?;
        }
        Ok(response)
    }
}

fn read_topic(
    reader: &mut Reader<'_>,
    body: &Bytes,
    version: i16,
) -> Result<FetchedTopic, DecodeError> {
    let flexible = version >= 12;
    let mut topic = FetchedTopic::default();
    if version >= 13 {
        topic.topic_id = reader.uuid("topic id")?;
    } else {
        let name = reader.nullable_string(flexible, "topic")?;
        topic.topic = String::from_utf8_lossy(name.unwrap_or_default()).into_owned();
    }
    let count =
        reader.array_length(flexible, partition_bytes_min(version), "fetched partitions")?;
    topic.partitions.reserve(count);
    for _ in 0..count {
        topic
            .partitions
            .push(read_partition(reader, body, version)?);
    }
    if flexible {
        reader.skip_tagged_fields()?;
    }
    Ok(topic)
}

fn read_partition(
    reader: &mut Reader<'_>,
    body: &Bytes,
    version: i16,
) -> Result<FetchedPartition, DecodeError> {
    let flexible = version >= 12;
    let mut partition = FetchedPartition {
        partition: reader.int32("partition")?,
        error_code: ErrorCode(reader.int16("partition error code")?),
        high_watermark: reader.int64("high watermark")?,
        last_stable_offset: reader.int64("last stable offset")?,
        log_start_offset: -1,
        diverging_epoch: None,
        current_leader: None,
        aborted_transactions: Vec::new(),
        preferred_read_replica: -1,
        records: Bytes::new(),
    };
    if version >= 5 {
        partition.log_start_offset = reader.int64("log start offset")?;
    }
    let aborted = reader.array_length(flexible, 16, "aborted transactions")?;
    partition.aborted_transactions.reserve_exact(aborted);
    for _ in 0..aborted {
        let producer_id = reader.int64("aborted producer id")?;
        let first_offset = reader.int64("aborted first offset")?;
        if flexible {
            reader.skip_tagged_fields()?;
        }
        partition
            .aborted_transactions
            .push((producer_id, first_offset));
    }
    if version >= 11 {
        partition.preferred_read_replica = reader.int32("preferred read replica")?;
    }
    // An array of one-byte elements, as far as its length goes.
    let records_bytes = reader.array_length(flexible, 1, "records")?;
    let start = reader.position();
    reader.take(records_bytes, "records")?;
    partition.records = body.slice(start..start + records_bytes);
    if flexible {
        reader.tagged_fields(|tag, bytes| read_partition_tag(&mut partition, tag, bytes))?;
    }
    Ok(partition)
}

fn read_partition_tag(
    partition: &mut FetchedPartition,
    tag: u32,
    bytes: &[u8],
) -> Result<(), DecodeError> {
    let mut field = Reader::new(bytes);
    match tag {
        0 => {
            let epoch = field.int32("diverging epoch")?;
            partition.diverging_epoch = Some((epoch, field.int64("diverging end offset")?));
        }
        1 => {
            let leader = field.int32("current leader")?;
            partition.current_leader = Some((leader, field.int32("current leader epoch")?));
        }
        _ => {}
    }
    Ok(())
}

fn read_node_endpoints(bytes: &[u8]) -> Result<Vec<NodeEndpoint>, DecodeError> {
    let mut reader = Reader::new(bytes);
    let count = reader.array_length(true, 11, "node endpoints")?;
    let mut endpoints = Vec::with_capacity(count);
    for _ in 0..count {
        let node_id = reader.int32("node id")?;
        let host = reader.nullable_string(true, "host")?.unwrap_or_default();
        let port = reader.int32("port")?;
        reader.nullable_string(true, "rack")?;
        reader.skip_tagged_fields()?;
        endpoints.push(NodeEndpoint {
            node_id,
            host: String::from_utf8_lossy(host).into_owned(),
            port,
        });
    }
    Ok(endpoints)
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use kafka_protocol::messages::fetch_response::{
        AbortedTransaction, EpochEndOffset, FetchableTopicResponse, LeaderIdAndEpoch,
        NodeEndpoint as TheirEndpoint, PartitionData,
    };
    use kafka_protocol::messages::{self, BrokerId, ProducerId, TopicName};
    use kafka_protocol::protocol::{Encodable, StrBytes};
    use proptest::prelude::*;

    use super::*;
    use crate::api::ApiKey;
    use crate::messages::Uuid;

    fn encoded(version: i16) -> Bytes {
        let aborted = AbortedTransaction::default()
            .with_producer_id(ProducerId(9))
            .with_first_offset(40);
        let mut partition = PartitionData::default()
            .with_partition_index(3)
            .with_high_watermark(77)
            .with_last_stable_offset(70)
            .with_aborted_transactions(Some(vec![aborted]))
            .with_records(Some(Bytes::from_static(b"batches")));
        let mut topic = FetchableTopicResponse::default();
        let mut response = messages::FetchResponse::default().with_throttle_time_ms(11);
        if version >= 5 {
            partition = partition.with_log_start_offset(2);
        }
        if version >= 7 {
            response = response.with_session_id(1234);
        }
        if version >= 11 {
            partition = partition.with_preferred_read_replica(BrokerId(5));
        }
        if version >= 12 {
            partition = partition
                .with_error_code(6)
                .with_diverging_epoch(EpochEndOffset::default().with_epoch(4).with_end_offset(60))
                .with_current_leader(
                    LeaderIdAndEpoch::default()
                        .with_leader_id(BrokerId(2))
                        .with_leader_epoch(8),
                );
        }
        if version >= 13 {
            topic = topic.with_topic_id(Uuid::from_bytes([7; 16]));
        } else {
            topic = topic.with_topic(TopicName(StrBytes::from_static_str("orders")));
        }
        if version >= 16 {
            let endpoint = TheirEndpoint::default()
                .with_node_id(BrokerId(2))
                .with_host(StrBytes::from_static_str("host"))
                .with_port(9092);
            response = response.with_node_endpoints(vec![endpoint]);
        }
        let empty = PartitionData::default()
            .with_partition_index(4)
            .with_records(None);
        let topic = topic.with_partitions(vec![partition, empty]);
        let mut buffer = BytesMut::new();
        response
            .with_responses(vec![topic])
            .encode(&mut buffer, version)
            .unwrap();
        buffer.freeze()
    }

    #[test]
    fn every_version_decodes_to_what_the_message_crate_encoded() {
        let versions = ApiKey::FETCH.versions().unwrap();
        for version in versions.min..=versions.max {
            let body = encoded(version);
            let response = FetchResponse::decode(&body, version).unwrap();
            assert_eq!(response.throttle_time_ms, 11);
            assert_eq!(response.session_id, if version >= 7 { 1234 } else { 0 });
            let [topic] = &response.topics[..] else {
                panic!("{response:?}")
            };
            if version >= 13 {
                assert_eq!(topic.topic_id, [7; 16]);
            } else {
                assert_eq!(topic.topic, "orders");
            }
            let [partition, empty] = &topic.partitions[..] else {
                panic!("{topic:?}")
            };
            assert_eq!(partition.partition, 3);
            assert_eq!(partition.high_watermark, 77);
            assert_eq!(partition.last_stable_offset, 70);
            assert_eq!(
                partition.log_start_offset,
                if version >= 5 { 2 } else { -1 }
            );
            assert_eq!(partition.aborted_transactions, [(9, 40)]);
            assert_eq!(
                partition.preferred_read_replica,
                if version >= 11 { 5 } else { -1 }
            );
            assert_eq!(partition.records, &b"batches"[..]);
            // A slice of the frame, not a copy of it.
            assert!(body.as_ptr_range().contains(&partition.records.as_ptr()));
            assert!(empty.records.is_empty());
            if version >= 12 {
                assert_eq!(partition.diverging_epoch, Some((4, 60)));
                assert_eq!(partition.current_leader, Some((2, 8)));
            }
            assert_eq!(response.node_endpoints.len(), usize::from(version >= 16));
        }
    }

    #[test]
    fn topics_without_partitions_take_no_memory() {
        for version in [4, 12, 17] {
            let topics = vec![FetchableTopicResponse::default(); 20_000];
            let mut body = BytesMut::new();
            let response = messages::FetchResponse::default().with_responses(topics);
            response.encode(&mut body, version).unwrap();
            let body = body.freeze();
            let mut topics = Vec::new();
            let taken = allocation_counter::measure(|| {
                topics = FetchResponse::decode(&body, version).unwrap().topics;
            });
            assert!(topics.is_empty());
            assert!(
                taken.bytes_max <= 4 * body.len() as u64,
                "version {version}"
            );
        }
    }

    #[test]
    fn a_response_cut_anywhere_is_an_error() {
        let body = encoded(17);
        for length in 0..body.len() {
            assert!(
                FetchResponse::decode(&body.slice(..length), 17).is_err(),
                "{length}"
            );
        }
    }

    proptest! {
        #[test]
        fn any_bytes_decode_or_fail(body: Vec<u8>, version in 4_i16..18) {
            let _ = FetchResponse::decode(&Bytes::from(body), version);
        }
    }
}
