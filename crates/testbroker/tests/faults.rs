//! Faults on request.

mod client;

use std::time::Duration;

use bytes::Bytes;
use client::{
    Client, NONE, PRODUCE, batch, group, join_request, named, produce_request, produced, start,
    text, topic,
};
use kafka_protocol::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::describe_producers_request::TopicRequest;
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic,
};
use kafka_protocol::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use kafka_protocol::messages::{
    AddOffsetsToTxnRequest, AddPartitionsToTxnRequest, ApiVersionsRequest, CreateTopicsRequest,
    DeleteGroupsRequest, DeleteTopicsRequest, DescribeClusterRequest, DescribeGroupsRequest,
    DescribeProducersRequest, DescribeTransactionsRequest, EndTxnRequest, FindCoordinatorRequest,
    HeartbeatRequest, InitProducerIdRequest, LeaveGroupRequest, ListGroupsRequest,
    ListTransactionsRequest, OffsetCommitRequest, OffsetFetchRequest, SyncGroupRequest,
    TransactionalId, TxnOffsetCommitRequest,
};
use klamm_testbroker::{ApiKey, ErrorCode, Fault};
use tokio::time::Instant;

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
async fn injected_errors_are_readable_in_every_api_and_version() {
    let (broker, mut client) = start().await;
    macro_rules! refused {
        ($($api:ident: $request:expr, $versions:expr;)*) => {$(
            for version in $versions {
                broker.inject(ApiKey::$api, Fault::Error(ErrorCode(14))).unwrap();
                let response = client.try_call(version, &$request).await;
                assert!(response.is_some(), "{} version {version}", stringify!($api));
                assert!(format!("{response:?}").contains("error_code: 14"), "{response:?}");
            }
        )*};
    }
    let commit = OffsetCommitRequest::default().with_topics(vec![
        OffsetCommitRequestTopic::default()
            .with_partitions(vec![OffsetCommitRequestPartition::default()]),
    ]);
    let old_fetch = OffsetFetchRequest::default().with_topics(Some(vec![
        OffsetFetchRequestTopic::default()
            .with_name(topic("orders"))
            .with_partition_indexes(vec![0]),
    ]));
    let fetch = OffsetFetchRequest::default().with_groups(vec![OffsetFetchRequestGroup::default()]);
    let new = CreateTopicsRequest::default()
        .with_topics(vec![CreatableTopic::default().with_name(topic("x"))]);
    let producers = DescribeProducersRequest::default().with_topics(vec![
        TopicRequest::default().with_partition_indexes(vec![0]),
    ]);
    let described = DescribeTransactionsRequest::default()
        .with_transactional_ids(vec![TransactionalId(text("t"))]);
    refused! {
        API_VERSIONS: ApiVersionsRequest::default(), 0..=4;
        METADATA: named(&["orders"]), 0..=13;
        CREATE_TOPICS: new, 2..=7;
        DELETE_TOPICS: DeleteTopicsRequest::default().with_topic_names(vec![topic("x")]), 1..=5;
        DELETE_TOPICS: DeleteTopicsRequest::default().with_topics(vec![DeleteTopicState::default()]), 6..=6;
        FIND_COORDINATOR: FindCoordinatorRequest::default().with_key(text("k")), 0..=3;
        FIND_COORDINATOR: FindCoordinatorRequest::default().with_coordinator_keys(vec![text("k")]), 4..=6;
        INIT_PRODUCER_ID: InitProducerIdRequest::default(), 0..=5;
        JOIN_GROUP: join_request("g", ""), 1..=9;
        SYNC_GROUP: SyncGroupRequest::default(), 0..=5;
        HEARTBEAT: HeartbeatRequest::default(), 0..=4;
        LEAVE_GROUP: LeaveGroupRequest::default(), 0..=5;
        OFFSET_COMMIT: commit, 2..=9;
        OFFSET_FETCH: old_fetch, 1..=7;
        OFFSET_FETCH: fetch, 8..=9;
        LIST_GROUPS: ListGroupsRequest::default(), 0..=5;
        DESCRIBE_GROUPS: DescribeGroupsRequest::default().with_groups(vec![group("g")]), 0..=6;
        DELETE_GROUPS: DeleteGroupsRequest::default().with_groups_names(vec![group("g")]), 0..=2;
        DESCRIBE_CLUSTER: DescribeClusterRequest::default(), 0..=2;
        DESCRIBE_PRODUCERS: producers, 0..=0;
        LIST_TRANSACTIONS: ListTransactionsRequest::default(), 0..=2;
        DESCRIBE_TRANSACTIONS: described, 0..=0;
        PRODUCE: produce_request("orders", 0, Bytes::new()), 3..=12;
        ADD_PARTITIONS_TO_TXN: AddPartitionsToTxnRequest::default().with_v3_and_below_topics(vec![
            AddPartitionsToTxnTopic::default().with_partitions(vec![0]),
        ]), 0..=3;
        ADD_OFFSETS_TO_TXN: AddOffsetsToTxnRequest::default(), 0..=4;
        TXN_OFFSET_COMMIT: TxnOffsetCommitRequest::default().with_topics(vec![
            TxnOffsetCommitRequestTopic::default()
                .with_partitions(vec![TxnOffsetCommitRequestPartition::default()]),
        ]), 0..=5;
        END_TXN: EndTxnRequest::default(), 0..=5;
    }
}
