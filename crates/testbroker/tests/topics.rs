//! Metadata and the making and ending of topics, end to end over connections in memory.

mod client;

use client::{Client, batch, join_request, named, produce_request, produced, start, text, topic};
use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{
    CreatePartitionsRequest, CreateTopicsRequest, CreateTopicsResponse, DeleteTopicsRequest,
    DescribeClusterRequest, MetadataRequest,
};
use klamm_codec::batch::ProducerIdentity;
use klamm_testbroker::TestBroker;

#[tokio::test]
async fn metadata_names_topics_by_name_and_id_in_every_version() {
    let (_broker, mut client) = start().await;
    for version in 0..=13 {
        let response = client
            .call(
                version,
                &named(&["orders"]).with_allow_auto_topic_creation(version < 4),
            )
            .await;
        assert_eq!(response.topics[0].error_code, 0);
        assert_eq!(response.topics[0].partitions.len(), 2);
        assert_eq!(response.brokers[0].node_id.0, 1);
        let all =
            MetadataRequest::default().with_topics(if version == 0 { Some(vec![]) } else { None });
        assert_eq!(
            client.call(version, &all).await.topics.len(),
            1,
            "version {version}"
        );
        if version >= 1 {
            let none = MetadataRequest::default().with_topics(Some(vec![]));
            assert_eq!(
                client.call(version, &none).await.topics.len(),
                0,
                "version {version}"
            );
        }
        let invalid = client.call(version, &named(&["not a name"])).await;
        assert_eq!(invalid.topics[0].error_code, 17);
    }
    let id = client.call(12, &named(&["orders"])).await.topics[0].topic_id;
    let by_id = MetadataRequestTopic::default()
        .with_name(None)
        .with_topic_id(id);
    let request = MetadataRequest::default().with_topics(Some(vec![by_id.clone()]));
    assert_eq!(
        client.call(12, &request).await.topics[0].name,
        Some(topic("orders"))
    );
    let mut other = by_id;
    other.topic_id = MetadataRequestTopic::default().topic_id;
    let request = MetadataRequest::default().with_topics(Some(vec![other]));
    assert_eq!(client.call(12, &request).await.topics[0].error_code, 100);
}

#[tokio::test]
async fn unknown_topics_are_created_on_request_and_seen_by_the_next_one() {
    let broker = TestBroker::builder()
        .default_partitions(3)
        .start()
        .await
        .unwrap();
    let mut client = Client::new(broker.connect(1).unwrap());
    let request = named(&["new"]).with_allow_auto_topic_creation(false);
    assert_eq!(client.call(12, &request).await.topics[0].error_code, 3);
    assert_eq!(client.call(12, &request).await.topics[0].error_code, 3);
    let request = named(&["new"]).with_allow_auto_topic_creation(true);
    assert_eq!(client.call(12, &request).await.topics[0].error_code, 3);
    assert_eq!(
        client.call(12, &request).await.topics[0].partitions.len(),
        3
    );

    let broker = TestBroker::builder()
        .auto_create_topics(false)
        .start()
        .await
        .unwrap();
    let mut client = Client::new(broker.connect(1).unwrap());
    for _ in 0..2 {
        assert_eq!(client.call(12, &request).await.topics[0].error_code, 3);
    }
}

#[tokio::test]
async fn topics_are_created_once_and_only_if_they_can_be() {
    let (_broker, mut client) = start().await;
    let new = |name: &str, partitions| {
        CreatableTopic::default()
            .with_name(topic(name))
            .with_num_partitions(partitions)
            .with_replication_factor(-1)
    };
    let config = CreatableTopicConfig::default()
        .with_name(text("no.such.config"))
        .with_value(Some(text("1")));
    for version in 2..=7 {
        let name = format!("t{version}");
        let topics = vec![
            new(&name, 4),
            new("orders", 1),
            new("zero", 0),
            new("bad name", 1),
            new("configured", 1).with_configs(vec![config.clone()]),
            new("replicated", 1).with_replication_factor(2),
        ];
        let request = CreateTopicsRequest::default().with_topics(topics);
        let codes = |response: CreateTopicsResponse| {
            response
                .topics
                .iter()
                .map(|topic| topic.error_code)
                .collect::<Vec<_>>()
        };
        let expected = [0, 36, 37, 17, 40, 38];
        assert_eq!(
            codes(
                client
                    .call(version, &request.clone().with_validate_only(true))
                    .await
            ),
            expected
        );
        assert_eq!(
            codes(client.call(version, &request.clone()).await),
            expected
        );
        assert_eq!(codes(client.call(version, &request).await)[0], 36);
        let metadata = client.call(12, &named(&[&name])).await;
        assert_eq!(metadata.topics[0].partitions.len(), 4);
    }
}

#[tokio::test]
async fn topics_grow_but_do_not_shrink() {
    let (_broker, mut client) = start().await;
    for version in 0..=3 {
        for (name, count, code) in [
            ("orders", 3 + i32::from(version), 0),
            ("orders", 2, 37),
            ("none", 2, 3),
        ] {
            let grow = CreatePartitionsTopic::default()
                .with_name(topic(name))
                .with_count(count)
                .with_assignments(None);
            let request = CreatePartitionsRequest::default().with_topics(vec![grow]);
            assert_eq!(
                client.call(version, &request).await.results[0].error_code,
                code
            );
        }
    }
    let metadata = client.call(12, &named(&["orders"])).await;
    assert_eq!(metadata.topics[0].partitions.len(), 6);
}

#[tokio::test]
async fn topics_are_deleted_by_name_and_by_id() {
    let mut builder = TestBroker::builder();
    for version in 1..=6 {
        builder = builder.topic(format!("t{version}"), 1);
    }
    let broker = builder.start().await.unwrap();
    let mut client = Client::new(broker.connect(1).unwrap());
    for version in 1..=5 {
        let name = format!("t{version}");
        let request =
            DeleteTopicsRequest::default().with_topic_names(vec![topic(&name), topic("none")]);
        let response = client.call(version, &request).await;
        assert_eq!(
            [
                response.responses[0].error_code,
                response.responses[1].error_code
            ],
            [0, 3]
        );
    }
    let id = client.call(12, &named(&["t6"])).await.topics[0].topic_id;
    for code in [0, 100] {
        let by_id = DeleteTopicState::default()
            .with_name(None)
            .with_topic_id(id);
        let response = client
            .call(6, &DeleteTopicsRequest::default().with_topics(vec![by_id]))
            .await;
        assert_eq!(response.responses[0].error_code, code);
    }
    assert_eq!(broker.leader("t6", 0), None);
}

#[tokio::test]
async fn the_cluster_describes_itself() {
    let (_broker, mut client) = start().await;
    for version in 0..=2 {
        let response = client
            .call(
                version,
                &DescribeClusterRequest::default().with_endpoint_type(1),
            )
            .await;
        assert_eq!((response.error_code, response.brokers.len()), (0, 1));
    }
}

#[tokio::test]
async fn a_recreated_topic_has_a_new_id_and_no_records() {
    let (broker, mut client) = start().await;
    let before = client.call(12, &named(&["orders"])).await.topics[0].topic_id;
    let records = batch(&["a"], ProducerIdentity::NONE);
    let mut request = produce_request("orders", 0, records);
    assert_eq!(produced(&client.call(12, &request).await).0, 0);
    client
        .call(
            5,
            &DeleteTopicsRequest::default().with_topic_names(vec![topic("orders")]),
        )
        .await;
    client
        .call(12, &named(&["orders"]).with_allow_auto_topic_creation(true))
        .await;
    assert!(broker.log("orders", 0).is_empty());
    request.topic_data[0].topic_id = before;
    request.topic_data[0].name = topic("");
    assert_eq!(produced(&client.call(13, &request).await).0, 100);
}

#[tokio::test]
async fn a_seed_makes_ids_repeatable() {
    let mut ids = Vec::new();
    for seed in [1, 1, 2] {
        let broker = TestBroker::builder()
            .seed(seed)
            .topic("orders", 1)
            .start()
            .await
            .unwrap();
        let mut client = Client::new(broker.connect(1).unwrap());
        let metadata = client.call(12, &named(&["orders"])).await;
        let joined = client.call(3, &join_request("g", "")).await;
        ids.push((
            metadata.cluster_id,
            metadata.topics[0].topic_id,
            joined.member_id,
        ));
    }
    assert_eq!(ids[0], ids[1]);
    assert_ne!(ids[0], ids[2]);
}
