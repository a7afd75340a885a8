//! Producing, end to end over connections in memory.

mod client;

use bytes::Bytes;
use client::{
    Client, FETCH, NONE, PRODUCE, batch, fetch_request, identity, only_partition, produce_request,
    produced, start, topic, values,
};
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::{InitProducerIdRequest, ListOffsetsRequest, MetadataRequest};
use klamm_codec::batch::{BatchBuilder, Batches, TimestampType, crc_is_valid};
use klamm_codec::compress::{Compression, Compressor};
use klamm_testbroker::{ApiKey, TestBroker};

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
async fn compressed_batches_are_checked_and_searched_like_others() {
    for codec in Compression::ALL {
        let (broker, mut client) = start().await;
        let mut builder = BatchBuilder::new(Vec::new());
        for index in 0..10 {
            builder.append(100 + index, None, Some(b"value"), &[]);
        }
        let mut compressor = Compressor::new(codec, None).unwrap();
        let sealed = builder.seal(NONE, false, Some(&mut compressor)).unwrap();
        let records = sealed.bytes;
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
