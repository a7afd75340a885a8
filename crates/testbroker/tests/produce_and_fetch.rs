//! Producing and fetching, end to end over connections in memory.

mod client;

use std::time::Duration;

use bytes::Bytes;
use client::{Client, batch, identity, produce_request, produced, topic};
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::fetch_response::PartitionData;
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::{
    FetchRequest, FetchResponse, InitProducerIdRequest, ListOffsetsRequest, MetadataRequest,
    ProduceRequest,
};
use klamm_codec::batch::BatchBuilder;
use klamm_codec::batch::{Batches, ProducerIdentity, TimestampType, crc_is_valid};
use klamm_codec::compress::{Compression, Compressor, Decompressor};
use klamm_testbroker::{ApiKey, ErrorCode, Fault, TestBroker};
use tokio::time::Instant;

const NONE: ProducerIdentity = ProducerIdentity::NONE;
const FETCH: i16 = 12;
const PRODUCE: i16 = 12;

async fn start() -> (TestBroker, Client) {
    let broker = TestBroker::builder()
        .topic("orders", 2)
        .start()
        .await
        .unwrap();
    let client = Client::new(broker.connect(1).unwrap());
    (broker, client)
}

fn fetch_request(offset: i64, max_wait_ms: i32) -> FetchRequest {
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

fn only_partition(response: &FetchResponse) -> &PartitionData {
    &response.responses[0].partitions[0]
}

fn values(records: &Bytes) -> Vec<(i64, String)> {
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

#[tokio::test]
async fn what_is_produced_is_fetched_at_the_offsets_that_were_acknowledged() {
    let (_broker, mut client) = start().await;
    for (values, expected) in [(&["a", "b"][..], 0), (&["c"][..], 2)] {
        let response = client
            .call(PRODUCE, &produce_request("orders", 0, batch(values, NONE)))
            .await;
        assert_eq!(produced(&response), (0, expected));
    }
    let response = client.call(FETCH, &fetch_request(1, 0)).await;
    let partition = only_partition(&response);
    assert_eq!(
        (
            partition.error_code,
            partition.high_watermark,
            partition.log_start_offset
        ),
        (0, 3, 0)
    );
    let all = [
        (0, "a".to_owned()),
        (1, "b".to_owned()),
        (2, "c".to_owned()),
    ];
    assert_eq!(
        values(partition.records.as_ref().unwrap()),
        all,
        "the whole first batch comes"
    );
}

#[tokio::test]
async fn every_version_of_produce_and_fetch_is_answered_readably() {
    let (broker, mut client) = start().await;
    let metadata = MetadataRequest::default().with_topics(None);
    let metadata = client.call(12, &metadata).await;
    let id = metadata.topics[0].topic_id;
    for version in 3..=13 {
        for records in [batch(&["x"], NONE), Bytes::from_static(b"bad")] {
            let good = records.len() > 3;
            let mut request = produce_request("orders", 0, records);
            if version >= 13 {
                request.topic_data[0].topic_id = id;
                request.topic_data[0].name = topic("");
            }
            let response = client.call(version, &request).await;
            assert_eq!(
                produced(&response).0,
                if good { 0 } else { 87 },
                "version {version}"
            );
        }
    }
    for version in 4..=18 {
        for (offset, code) in [(0, 0), (99, 1)] {
            let mut request = fetch_request(offset, 0);
            if version < 7 {
                request.session_epoch = -1;
            }
            if version >= 13 {
                request.topics[0].topic_id = id;
                request.topics[0].topic = topic("");
            }
            let response = client.call(version, &request).await;
            assert_eq!(
                only_partition(&response).error_code,
                code,
                "version {version}"
            );
        }
    }
    assert_eq!(broker.requests(ApiKey::PRODUCE), 22);
    assert_eq!(broker.log("orders", 0).len(), 11);
}

#[tokio::test]
async fn a_repeated_batch_is_acknowledged_at_its_first_offset_and_stored_once() {
    let (broker, mut client) = start().await;
    let response = client
        .call(
            5,
            &InitProducerIdRequest::default().with_transactional_id(None),
        )
        .await;
    assert_eq!((response.error_code, response.producer_epoch), (0, 0));
    let id = *response.producer_id;
    client
        .call(
            PRODUCE,
            &produce_request("orders", 0, batch(&["other"], NONE)),
        )
        .await;
    for sequence in [0, 0, 2, 0] {
        let records = batch(&["a", "b"], identity(id, 0, sequence));
        let response = client
            .call(PRODUCE, &produce_request("orders", 0, records))
            .await;
        assert_eq!(produced(&response), (0, 1 + i64::from(sequence)));
    }
    let records = batch(&["a", "b"], identity(id, 0, 9));
    let response = client
        .call(PRODUCE, &produce_request("orders", 0, records))
        .await;
    assert_eq!(produced(&response), (45, -1));
    assert_eq!(broker.log("orders", 0).len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_fetch_waits_and_is_woken_by_an_append() {
    let (broker, mut consumer) = start().await;
    let mut producer = Client::new(broker.connect(1).unwrap());
    let started = Instant::now();
    consumer.send(FETCH, &fetch_request(0, 10_000)).await;
    // A request behind the waiting fetch is answered behind it.
    consumer
        .send(12, &MetadataRequest::default().with_topics(None))
        .await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    producer
        .call(PRODUCE, &produce_request("orders", 0, batch(&["a"], NONE)))
        .await;
    let response = consumer.receive::<FetchRequest>(FETCH).await.unwrap();
    assert_eq!(
        values(only_partition(&response).records.as_ref().unwrap()).len(),
        1
    );
    assert_eq!(started.elapsed(), Duration::from_secs(3));
    assert_eq!(
        consumer
            .receive::<MetadataRequest>(12)
            .await
            .unwrap()
            .topics
            .len(),
        1
    );
}

#[tokio::test(start_paused = true)]
async fn a_fetch_of_nothing_returns_empty_after_its_wait() {
    let (_broker, mut client) = start().await;
    let started = Instant::now();
    let response = client.call(FETCH, &fetch_request(0, 500)).await;
    assert_eq!(only_partition(&response).records.as_deref(), Some(&[][..]));
    assert_eq!(started.elapsed(), Duration::from_millis(500));
}

#[tokio::test]
async fn bytes_limits_cut_the_answer_but_never_the_first_batch() {
    let (_broker, mut client) = start().await;
    let one = batch(&["a"], NONE);
    for _ in 0..3 {
        client
            .call(PRODUCE, &produce_request("orders", 0, one.clone()))
            .await;
    }
    let size = one.len();
    for (limit, expected) in [
        (1, size),
        (size, size),
        (size + 10, size + 10),
        (1 << 20, 3 * size),
    ] {
        let mut request = fetch_request(0, 0);
        request.topics[0].partitions[0].partition_max_bytes = i32::try_from(limit).unwrap();
        let response = client.call(FETCH, &request).await;
        assert_eq!(
            only_partition(&response).records.as_ref().unwrap().len(),
            expected,
            "limit {limit}"
        );
    }
}

#[tokio::test]
async fn bad_batches_are_refused_with_kafkas_errors() {
    let (broker, mut client) = start().await;
    let good = batch(&["a"], NONE);
    let with = |at: usize, value: u8| {
        let mut bytes = good.to_vec();
        bytes[at] = value;
        Bytes::from(bytes)
    };
    let large = "x".repeat(1_048_588);
    let cases = [
        ("wrong crc", with(65, 0xff), 2),
        ("magic 1", with(16, 1), 87),
        ("base offset", with(7, 1), 87),
        ("two batches", [&good[..], &good[..]].concat().into(), 87),
        ("cut short", good.slice(..good.len() - 1), 87),
        ("nothing", Bytes::new(), 87),
        ("too large", batch(&[&large], NONE), 10),
    ];
    for (case, records, code) in cases {
        let response = client
            .call(PRODUCE, &produce_request("orders", 0, records))
            .await;
        assert_eq!(produced(&response), (code, -1), "{case}");
    }
    let response = client
        .call(PRODUCE, &produce_request("orders", 2, good.clone()))
        .await;
    assert_eq!(produced(&response).0, 3, "unknown partition");
    let response = client
        .call(PRODUCE, &produce_request("orders", 0, good).with_acks(2))
        .await;
    assert_eq!(produced(&response).0, 21, "acks");
    assert!(broker.log("orders", 0).is_empty());
}

#[tokio::test]
async fn acks_0_is_not_answered_and_a_failure_closes_the_connection() {
    let (broker, mut client) = start().await;
    let request = produce_request("orders", 0, batch(&["a"], NONE)).with_acks(0);
    client.send(PRODUCE, &request).await;
    client.call(12, &MetadataRequest::default()).await;
    assert_eq!(broker.log("orders", 0).len(), 1);
    let request = produce_request("orders", 7, batch(&["a"], NONE)).with_acks(0);
    assert!(client.try_call(PRODUCE, &request).await.is_none());
}

#[tokio::test]
async fn faults_befall_as_many_requests_as_asked_for() {
    let (broker, mut client) = start().await;
    let request = produce_request("orders", 0, batch(&["a"], NONE));
    broker
        .inject(ApiKey::PRODUCE, Fault::Error(ErrorCode(7)).times(2))
        .unwrap();
    broker
        .inject(ApiKey::PRODUCE, Fault::ErrorAfter(ErrorCode(20)))
        .unwrap();
    let mut codes = Vec::new();
    for _ in 0..4 {
        codes.push(produced(&client.call(PRODUCE, &request).await).0);
    }
    assert_eq!(codes, [7, 7, 20, 0]);
    assert_eq!(broker.log("orders", 0).len(), 2);

    broker.inject(ApiKey::PRODUCE, Fault::DropBefore).unwrap();
    assert!(client.try_call(PRODUCE, &request).await.is_none());
    let mut client = Client::new(broker.connect(1).unwrap());
    broker.inject(ApiKey::PRODUCE, Fault::DropAfter).unwrap();
    assert!(client.try_call(PRODUCE, &request).await.is_none());
    assert_eq!(broker.log("orders", 0).len(), 3);
    assert_eq!(broker.requests(ApiKey::PRODUCE), 6);
}

#[tokio::test(start_paused = true)]
async fn a_fault_on_a_partition_leaves_the_others_alone() {
    let (broker, mut client) = start().await;
    let mut request = produce_request("orders", 0, batch(&["a"], NONE));
    let mut second = request.topic_data[0].partition_data[0].clone();
    second.index = 1;
    request.topic_data[0].partition_data.push(second);
    broker
        .inject(ApiKey::PRODUCE, Fault::Error(ErrorCode(6)).on("orders", 1))
        .unwrap();
    let only_first = produce_request("orders", 0, batch(&["a"], NONE));
    assert_eq!(produced(&client.call(PRODUCE, &only_first).await).0, 0);
    let response = client.call(PRODUCE, &request).await;
    let codes: Vec<_> = response.responses[0]
        .partition_responses
        .iter()
        .map(|partition| partition.error_code)
        .collect();
    assert_eq!(codes, [0, 6]);

    broker
        .inject(ApiKey::PRODUCE, Fault::Delay(Duration::from_secs(5)))
        .unwrap();
    let started = Instant::now();
    client.call(PRODUCE, &request).await;
    assert_eq!(started.elapsed(), Duration::from_secs(5));
}

#[tokio::test]
async fn a_moved_leader_is_told_to_those_who_ask_the_old_one() {
    let broker = TestBroker::builder()
        .nodes(3)
        .topic("orders", 3)
        .start()
        .await
        .unwrap();
    assert_eq!(
        [0, 1, 2].map(|index| broker.leader("orders", index)),
        [1, 2, 3].map(|node| Some((node, 0)))
    );
    let mut client = Client::new(broker.connect(1).unwrap());
    broker.move_leader("orders", 0, 3).unwrap();
    let request = produce_request("orders", 0, batch(&["a"], NONE));
    let response = client.call(PRODUCE, &request).await;
    let partition = &response.responses[0].partition_responses[0];
    assert_eq!(partition.error_code, 6);
    assert_eq!(
        (
            partition.current_leader.leader_id.0,
            partition.current_leader.leader_epoch
        ),
        (3, 1)
    );
    assert_eq!(response.node_endpoints[0].node_id.0, 3);
    assert!(
        broker
            .bootstrap()
            .ends_with(&format!(":{}", response.node_endpoints[0].port))
    );
    for version in 3..10 {
        assert_eq!(
            produced(&client.call(version, &request).await).0,
            6,
            "version {version}"
        );
    }

    let mut leader = Client::new(broker.connect(3).unwrap());
    assert_eq!(produced(&leader.call(PRODUCE, &request).await), (0, 0));
    let stored = &broker.log("orders", 0)[0];
    assert_eq!(
        stored[12..16],
        1_i32.to_be_bytes(),
        "the leader epoch is in the batch"
    );
    assert!(crc_is_valid(stored));

    let metadata = client
        .call(12, &MetadataRequest::default().with_topics(None))
        .await;
    let id = metadata.topics[0].topic_id;
    for (epoch, code) in [(0, 74), (1, 0), (2, 75)] {
        let mut request = fetch_request(0, 0);
        request.topics[0].partitions[0].current_leader_epoch = epoch;
        request.topics[0].topic_id = id;
        request.topics[0].topic = topic("");
        let response = leader.call(16, &request).await;
        assert_eq!(only_partition(&response).error_code, code);
        assert_eq!(response.node_endpoints.len(), usize::from(code == 74));
    }
}

#[tokio::test]
async fn offsets_are_listed_by_end_and_by_time() {
    let (_broker, mut client) = start().await;
    for values in [&["a", "b"][..], &["c", "d", "e"][..]] {
        client
            .call(PRODUCE, &produce_request("orders", 0, batch(values, NONE)))
            .await;
    }
    for version in 1..=10 {
        for (timestamp, expected) in [
            (-1, (5, -1)),
            (-2, (0, -1)),
            (1001, (1, 1001)),
            (1002, (4, 1002)),
            (0, (0, 1000)),
            (1003, (-1, -1)),
        ] {
            let partition = ListOffsetsPartition::default()
                .with_timestamp(timestamp)
                .with_current_leader_epoch(-1);
            let topic = ListOffsetsTopic::default()
                .with_name(topic("orders"))
                .with_partitions(vec![partition]);
            let request = ListOffsetsRequest::default()
                .with_replica_id((-1).into())
                .with_topics(vec![topic]);
            let response = client.call(version, &request).await;
            let partition = &response.topics[0].partitions[0];
            assert_eq!(partition.error_code, 0);
            assert_eq!(
                (partition.offset, partition.timestamp),
                expected,
                "version {version}, time {timestamp}"
            );
        }
    }
    let latest_in_time = ListOffsetsPartition::default()
        .with_timestamp(-3)
        .with_current_leader_epoch(-1);
    let topic = ListOffsetsTopic::default()
        .with_name(topic("orders"))
        .with_partitions(vec![latest_in_time]);
    let request = ListOffsetsRequest::default()
        .with_replica_id((-1).into())
        .with_topics(vec![topic]);
    assert_eq!(
        client.call(7, &request).await.topics[0].partitions[0].offset,
        4
    );
    assert_eq!(
        client.call(6, &request).await.topics[0].partitions[0].error_code,
        35
    );
}

#[tokio::test]
async fn append_time_topics_give_records_the_brokers_time() {
    let config = [("message.timestamp.type", "LogAppendTime")];
    let broker = TestBroker::builder()
        .topic_with("orders", 1, config)
        .start()
        .await
        .unwrap();
    let mut client = Client::new(broker.connect(1).unwrap());
    let response = client
        .call(PRODUCE, &produce_request("orders", 0, batch(&["a"], NONE)))
        .await;
    let appended = response.responses[0].partition_responses[0].log_append_time_ms;
    assert!(appended > 1_600_000_000_000);
    let stored = Batches::new(broker.log("orders", 0)[0].clone())
        .next()
        .unwrap()
        .unwrap();
    stored.verify_crc().unwrap();
    assert_eq!(
        stored.header().attributes.timestamp_type(),
        TimestampType::LogAppendTime
    );
    assert_eq!(stored.header().max_timestamp, appended);
}

#[tokio::test]
async fn a_full_partition_forgets_its_oldest_batches() {
    let size = batch(&["a"], NONE).len();
    let builder = TestBroker::builder()
        .topic("orders", 1)
        .max_partition_bytes(3 * size);
    let broker = builder.start().await.unwrap();
    let mut client = Client::new(broker.connect(1).unwrap());
    let mut request: ProduceRequest = produce_request("orders", 0, batch(&["a"], NONE));
    for _ in 0..10 {
        client.call(PRODUCE, &request).await;
    }
    request.topic_data[0].partition_data[0].index = 0;
    assert_eq!(broker.log("orders", 0).len(), 3);
    let response = client.call(FETCH, &fetch_request(6, 0)).await;
    assert_eq!(only_partition(&response).error_code, 1);
    let response = client.call(FETCH, &fetch_request(7, 0)).await;
    assert_eq!(
        (
            only_partition(&response).error_code,
            only_partition(&response).log_start_offset
        ),
        (0, 7)
    );
}

#[tokio::test]
async fn compressed_batches_are_checked_and_searched_like_others() {
    for codec in Compression::ALL {
        let (broker, mut client) = start().await;
        let mut builder = BatchBuilder::new(Vec::new());
        for index in 0..10 {
            builder.append(100 + index, None, Some(b"value"), &[]);
        }
        let mut compressor = Compressor::new(codec, None).unwrap();
        let records = builder.seal(NONE, false, Some(&mut compressor)).unwrap();
        let request = produce_request("orders", 0, records.clone());
        assert_eq!(produced(&client.call(PRODUCE, &request).await), (0, 0));
        let partition = ListOffsetsPartition::default()
            .with_timestamp(107)
            .with_current_leader_epoch(-1);
        let topics = ListOffsetsTopic::default()
            .with_name(topic("orders"))
            .with_partitions(vec![partition]);
        let list = ListOffsetsRequest::default()
            .with_replica_id((-1).into())
            .with_topics(vec![topics]);
        assert_eq!(
            client.call(7, &list).await.topics[0].partitions[0].offset,
            7,
            "{codec:?}"
        );
        let response = client.call(FETCH, &fetch_request(0, 0)).await;
        assert_eq!(
            values(only_partition(&response).records.as_ref().unwrap()).len(),
            10
        );

        // Zstd came with version 7 (KIP-110).
        let expected = if codec == Compression::Zstd { 76 } else { 0 };
        assert_eq!(produced(&client.call(6, &request).await).0, expected);
        drop(broker);
    }
}
