//! A client that speaks the protocol with nothing in between, for tests of the broker.

#![allow(dead_code, reason = "each test file uses a part of it")]

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::fetch_response::PartitionData;
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{
    FetchRequest, FetchResponse, GroupId, JoinGroupRequest, MetadataRequest, ProduceRequest,
    ProduceResponse, RequestHeader, ResponseHeader, TopicName,
};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};
use klamm_codec::batch::{BatchBuilder, Batches, ProducerIdentity};
use klamm_codec::compress::Decompressor;
use klamm_testbroker::TestBroker;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

pub(crate) struct Client {
    stream: DuplexStream,
    correlation_id: i32,
}

impl Client {
    pub(crate) fn new(stream: DuplexStream) -> Self {
        Self {
            stream,
            correlation_id: 0,
        }
    }

    /// Sends a request and awaits its response.
    pub(crate) async fn call<R: Request>(&mut self, version: i16, request: &R) -> R::Response {
        let response = self.try_call(version, request).await;
        response.expect("the broker closed the connection")
    }

    /// None if the broker closes the connection instead of answering.
    pub(crate) async fn try_call<R: Request>(
        &mut self,
        version: i16,
        request: &R,
    ) -> Option<R::Response> {
        self.send(version, request).await;
        self.receive::<R>(version).await
    }

    pub(crate) async fn send<R: Request>(&mut self, version: i16, request: &R) {
        self.correlation_id += 1;
        let mut frame = BytesMut::new();
        RequestHeader::default()
            .with_request_api_key(R::KEY)
            .with_request_api_version(version)
            .with_correlation_id(self.correlation_id)
            .with_client_id(Some(StrBytes::from_static_str("test")))
            .encode(&mut frame, R::header_version(version))
            .unwrap();
        request.encode(&mut frame, version).unwrap();
        self.send_frame(&frame).await;
    }

    pub(crate) async fn send_frame(&mut self, frame: &[u8]) {
        let length = i32::try_from(frame.len()).unwrap().to_be_bytes();
        self.stream.write_all(&length).await.unwrap();
        self.stream.write_all(frame).await.unwrap();
    }

    pub(crate) async fn receive<R: Request>(&mut self, version: i16) -> Option<R::Response> {
        let mut frame = self.receive_frame().await?;
        let header =
            ResponseHeader::decode(&mut frame, R::Response::header_version(version)).unwrap();
        assert!(header.correlation_id <= self.correlation_id);
        let response = R::Response::decode(&mut frame, version).unwrap();
        assert!(frame.is_empty(), "bytes after the response");
        Some(response)
    }

    pub(crate) async fn receive_frame(&mut self) -> Option<Bytes> {
        let length = self.stream.read_i32().await.ok()?;
        let mut frame = vec![0; usize::try_from(length).unwrap()];
        self.stream.read_exact(&mut frame).await.ok()?;
        Some(frame.into())
    }

    pub(crate) async fn send_raw(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }
}

pub(crate) fn topic(name: &str) -> TopicName {
    TopicName(StrBytes::from_string(name.to_owned()))
}

/// A batch with one record per value, a millisecond apart.
pub(crate) fn batch(values: &[&str], identity: ProducerIdentity) -> Bytes {
    let mut builder = BatchBuilder::new(Vec::new());
    for (index, value) in (0..).zip(values) {
        builder.append(1_000 + index, None, Some(value.as_bytes()), &[]);
    }
    builder.seal(identity, false, None).unwrap().bytes
}

pub(crate) fn identity(
    producer_id: i64,
    producer_epoch: i16,
    base_sequence: i32,
) -> ProducerIdentity {
    ProducerIdentity {
        producer_id,
        producer_epoch,
        base_sequence,
    }
}

/// Version 12 at most, which names topics.
pub(crate) fn produce_request(name: &str, partition: i32, records: Bytes) -> ProduceRequest {
    let data = PartitionProduceData::default()
        .with_index(partition)
        .with_records(Some(records));
    let data = TopicProduceData::default()
        .with_name(topic(name))
        .with_partition_data(vec![data]);
    ProduceRequest::default()
        .with_acks(-1)
        .with_timeout_ms(1000)
        .with_topic_data(vec![data])
}

/// Error code and base offset of the only partition.
pub(crate) fn produced(response: &ProduceResponse) -> (i16, i64) {
    let partition = &response.responses[0].partition_responses[0];
    (partition.error_code, partition.base_offset)
}

pub(crate) const NONE: ProducerIdentity = ProducerIdentity::NONE;
pub(crate) const FETCH: i16 = 12;
pub(crate) const PRODUCE: i16 = 12;

pub(crate) async fn start() -> (TestBroker, Client) {
    let broker = TestBroker::builder()
        .topic("orders", 2)
        .start()
        .await
        .unwrap();
    let client = Client::new(broker.connect(1).unwrap());
    (broker, client)
}

pub(crate) fn fetch_request(offset: i64, max_wait_ms: i32) -> FetchRequest {
    let partition = FetchPartition::default()
        .with_partition(0)
        .with_fetch_offset(offset)
        .with_current_leader_epoch(-1)
        .with_last_fetched_epoch(-1)
        .with_partition_max_bytes(1 << 20);
    FetchRequest::default()
        .with_max_wait_ms(max_wait_ms)
        .with_min_bytes(1)
        .with_max_bytes(1 << 20)
        .with_session_epoch(-1)
        .with_topics(vec![
            FetchTopic::default()
                .with_topic(topic("orders"))
                .with_partitions(vec![partition]),
        ])
}

pub(crate) fn only_partition(response: &FetchResponse) -> &PartitionData {
    &response.responses[0].partitions[0]
}

pub(crate) fn values(records: &Bytes) -> Vec<(i64, String)> {
    let mut values = Vec::new();
    for batch in Batches::new(records.clone()) {
        let batch = batch.unwrap();
        batch.verify_crc().unwrap();
        let records = batch
            .into_records(&mut Decompressor::default(), 1 << 20)
            .unwrap();
        for record in records.records() {
            let record = record.unwrap();
            values.push((
                record.offset,
                String::from_utf8_lossy(record.value.unwrap()).into(),
            ));
        }
    }
    values
}

pub(crate) fn text(value: &str) -> StrBytes {
    StrBytes::from_string(value.to_owned())
}

pub(crate) fn group(id: &str) -> GroupId {
    GroupId(text(id))
}

pub(crate) fn join_request(group_id: &str, member_id: &str) -> JoinGroupRequest {
    let protocol = JoinGroupRequestProtocol::default()
        .with_name(text("range"))
        .with_metadata(Bytes::from_static(b"meta"));
    JoinGroupRequest::default()
        .with_group_id(group(group_id))
        .with_session_timeout_ms(10_000)
        .with_rebalance_timeout_ms(60_000)
        .with_member_id(text(member_id))
        .with_protocol_type(text("consumer"))
        .with_protocols(vec![protocol])
}

pub(crate) fn named(names: &[&str]) -> MetadataRequest {
    let by_name = |name: &&str| MetadataRequestTopic::default().with_name(Some(topic(name)));
    MetadataRequest::default().with_topics(Some(names.iter().map(by_name).collect()))
}
