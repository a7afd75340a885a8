//! Fetching and looking up offsets, end to end over connections in memory.

mod client;

use std::time::Duration;

use client::{
    Client, FETCH, NONE, PRODUCE, batch, fetch_request, only_partition, produce_request, produced,
    start, topic, values,
};
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::{FetchRequest, ListOffsetsRequest, MetadataRequest, ProduceRequest};
use klamm_testbroker::{ApiKey, ErrorCode, Fault, TestBroker};
use tokio::time::Instant;

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

#[tokio::test(start_paused = true)]
async fn a_fetch_that_meets_an_error_does_not_wait() {
    let (broker, mut client) = start().await;
    let started = Instant::now();
    let response = client.call(FETCH, &fetch_request(5, 10_000)).await;
    assert_eq!(only_partition(&response).error_code, 1);
    broker
        .inject(ApiKey::FETCH, Fault::Error(ErrorCode(56)).on("orders", 0))
        .unwrap();
    let response = client.call(FETCH, &fetch_request(0, 10_000)).await;
    assert_eq!(only_partition(&response).error_code, 56);
    assert_eq!(started.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_waiting_fetch_learns_that_its_leader_moved() {
    let broker = TestBroker::builder()
        .nodes(2)
        .topic("orders", 1)
        .start()
        .await
        .unwrap();
    let mut client = Client::new(broker.connect(1).unwrap());
    let mut request = fetch_request(0, 10_000);
    request.topics[0].partitions[0].current_leader_epoch = 0;
    client.send(FETCH, &request).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let moved = Instant::now();
    broker.move_leader("orders", 0, 2).unwrap();
    let response = client.receive::<FetchRequest>(FETCH).await.unwrap();
    let partition = only_partition(&response);
    assert_eq!(
        (partition.error_code, partition.current_leader.leader_id.0),
        (74, 2)
    );
    assert_eq!(moved.elapsed(), Duration::ZERO);
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
