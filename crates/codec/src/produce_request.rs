//! Produce requests written around the batches: no record byte is copied into the frame.

use bytes::Bytes;
use kafka_protocol::messages::ProduceRequest;
use kafka_protocol::protocol::HeaderVersion;

use crate::api::ApiKey;
use crate::frame;
use crate::primitive::put_unsigned_varint;

/// The batch of one partition in a produce request.
#[derive(Clone, Debug)]
pub struct PartitionBatch {
    /// Partition index.
    pub partition: i32,
    /// One sealed record batch: brokers refuse more than one a partition and request.
    pub batch: Bytes,
}

/// The batches of one topic in a produce request.
#[derive(Clone, Debug)]
pub struct TopicBatches<'a> {
    /// Name, sent up to version 12.
    pub topic: &'a str,
    /// Topic id, sent from version 13 on.
    pub topic_id: [u8; 16],
    /// Batches by partition.
    pub partitions: &'a [PartitionBatch],
}

/// The fields of a produce request apart from its batches.
#[derive(Clone, Copy, Debug)]
pub struct ProduceHeader<'a> {
    /// Set for a transactional producer.
    pub transactional_id: Option<&'a str>,
    /// 0, 1, or -1 for all in-sync replicas.
    pub acks: i16,
    /// How long the broker waits for replicas, in milliseconds.
    pub timeout_ms: i32,
}

/// Encodes a produce request of `version` (3 to 13) as the pieces of its frame, in order: bytes
/// written here and the batches themselves, for one vectored write.
#[must_use]
pub fn encode(
    version: i16,
    correlation_id: i32,
    client_id: &str,
    header: &ProduceHeader<'_>,
    topics: &[TopicBatches<'_>],
) -> Vec<Bytes> {
    let flexible = version >= 9;
    let mut own = Vec::with_capacity(64 + client_id.len());
    // (end of own bytes, batch that follows them)
    let mut splits: Vec<(usize, &Bytes)> = Vec::new();
    let header_version = ProduceRequest::header_version(version);
    frame::put_request_header(
        &mut own,
        ApiKey::PRODUCE,
        version,
        header_version,
        correlation_id,
        client_id,
    );
    put_nullable_string(&mut own, flexible, header.transactional_id);
    own.extend_from_slice(&header.acks.to_be_bytes());
    own.extend_from_slice(&header.timeout_ms.to_be_bytes());
    put_length(&mut own, flexible, topics.len());
    for topic in topics {
        if version >= 13 {
            own.extend_from_slice(&topic.topic_id);
        } else {
            put_nullable_string(&mut own, flexible, Some(topic.topic));
        }
        put_length(&mut own, flexible, topic.partitions.len());
        for partition in topic.partitions {
            own.extend_from_slice(&partition.partition.to_be_bytes());
            put_length(&mut own, flexible, partition.batch.len());
            splits.push((own.len(), &partition.batch));
            put_no_tagged_fields(&mut own, flexible);
        }
        put_no_tagged_fields(&mut own, flexible);
    }
    put_no_tagged_fields(&mut own, flexible);

    let batch_bytes: usize = splits.iter().map(|(_, batch)| batch.len()).sum();
    let size = (own.len() + batch_bytes - frame::SIZE_BYTES) as i32;
    own[..frame::SIZE_BYTES].copy_from_slice(&size.to_be_bytes());
    interleave(&Bytes::from(own), &splits)
}

fn interleave(own: &Bytes, splits: &[(usize, &Bytes)]) -> Vec<Bytes> {
    let mut pieces = Vec::with_capacity(2 * splits.len() + 1);
    let mut start = 0;
    for (end, batch) in splits {
        pieces.push(own.slice(start..*end));
        pieces.push((*batch).clone());
        start = *end;
    }
    if start < own.len() {
        pieces.push(own.slice(start..));
    }
    pieces
}

/// An array or byte length: count + 1 as unsigned varint if `flexible`, else `int32`.
fn put_length(into: &mut Vec<u8>, flexible: bool, length: usize) {
    if flexible {
        put_unsigned_varint(into, length as u32 + 1);
    } else {
        into.extend_from_slice(&(length as i32).to_be_bytes());
    }
}

fn put_nullable_string(into: &mut Vec<u8>, flexible: bool, string: Option<&str>) {
    match (flexible, string) {
        (true, None) => into.push(0),
        (true, Some(string)) => put_unsigned_varint(into, string.len() as u32 + 1),
        (false, None) => into.extend_from_slice(&(-1_i16).to_be_bytes()),
        (false, Some(string)) => into.extend_from_slice(&(string.len() as i16).to_be_bytes()),
    }
    into.extend_from_slice(string.unwrap_or_default().as_bytes());
}

fn put_no_tagged_fields(into: &mut Vec<u8>, flexible: bool) {
    if flexible {
        into.push(0);
    }
}

#[cfg(test)]
mod tests {
    use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
    use kafka_protocol::messages::{TopicName, TransactionalId};
    use kafka_protocol::protocol::StrBytes;

    use super::*;
    use crate::messages::{Uuid, encode_request};

    fn theirs(version: i16, transactional: bool) -> ProduceRequest {
        let topics = ["orders", "bills"].map(|name| {
            let partitions = (0..3)
                .map(|index| {
                    PartitionProduceData::default()
                        .with_index(index)
                        .with_records(Some(Bytes::from(vec![index as u8; 300])))
                })
                .collect();
            let topic = TopicProduceData::default().with_partition_data(partitions);
            if version >= 13 {
                topic.with_topic_id(Uuid::from_bytes([name.len() as u8; 16]))
            } else {
                topic.with_name(TopicName(StrBytes::from_static_str(name)))
            }
        });
        ProduceRequest::default()
            .with_transactional_id(
                transactional.then(|| TransactionalId(StrBytes::from_static_str("tx"))),
            )
            .with_acks(-1)
            .with_timeout_ms(30_000)
            .with_topic_data(topics.into())
    }

    #[test]
    fn the_frame_equals_the_message_crates_in_every_version() {
        let partitions: Vec<_> = (0..3)
            .map(|partition| PartitionBatch {
                partition,
                batch: Bytes::from(vec![partition as u8; 300]),
            })
            .collect();
        let topics = ["orders", "bills"].map(|topic| TopicBatches {
            topic,
            topic_id: [topic.len() as u8; 16],
            partitions: &partitions,
        });
        let versions = ApiKey::PRODUCE.versions().unwrap();
        for version in versions.min..=versions.max {
            for transactional in [false, true] {
                let header = ProduceHeader {
                    transactional_id: transactional.then_some("tx"),
                    acks: -1,
                    timeout_ms: 30_000,
                };
                let ours = encode(version, 77, "client", &header, &topics).concat();
                let request = theirs(version, transactional);
                let expected = encode_request(&request, version, 77, "client").unwrap();
                assert_eq!(ours, expected, "version {version}");
            }
        }
    }
}
