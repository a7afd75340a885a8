//! Groups, topics, metadata and misbehaving clients, end to end over connections in memory.

mod client;

use std::time::Duration;

use bytes::Bytes;
use client::{Client, batch, produce_request, produced, topic};
use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::*;
use kafka_protocol::protocol::StrBytes;
use klamm_codec::batch::ProducerIdentity;
use klamm_testbroker::{ApiKey, ErrorCode, Fault, TestBroker};
use tokio::io::AsyncReadExt;
use tokio::time::Instant;

async fn start() -> (TestBroker, Client) {
    let broker = TestBroker::builder()
        .topic("orders", 2)
        .start()
        .await
        .unwrap();
    let client = Client::new(broker.connect(1).unwrap());
    (broker, client)
}

fn text(value: &str) -> StrBytes {
    StrBytes::from_string(value.to_owned())
}

fn group(id: &str) -> GroupId {
    GroupId(text(id))
}

fn join_request(group_id: &str, member_id: &str) -> JoinGroupRequest {
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

fn named(names: &[&str]) -> MetadataRequest {
    let by_name = |name: &&str| MetadataRequestTopic::default().with_name(Some(topic(name)));
    MetadataRequest::default().with_topics(Some(names.iter().map(by_name).collect()))
}

#[tokio::test]
async fn every_version_of_every_group_api_is_answered_readably() {
    let (_broker, mut client) = start().await;
    for version in 0..=9 {
        let id = format!("g{version}");
        let mut join = join_request(&id, "");
        if version == 0 {
            join.rebalance_timeout_ms = -1;
        }
        let mut joined = client.call(version, &join).await;
        if version >= 4 {
            assert_eq!(
                (joined.error_code, joined.generation_id),
                (79, -1),
                "version {version}"
            );
            join.member_id = joined.member_id;
            joined = client.call(version, &join).await;
        }
        assert_eq!(
            (
                joined.error_code,
                joined.generation_id,
                joined.members.len()
            ),
            (0, 1, 1)
        );
        let member_id = joined.member_id;
        assert!(member_id.starts_with("test-"));

        let assignment = SyncGroupRequestAssignment::default()
            .with_member_id(member_id.clone())
            .with_assignment(Bytes::from_static(b"mine"));
        let mut sync = SyncGroupRequest::default()
            .with_group_id(group(&id))
            .with_generation_id(1)
            .with_member_id(member_id.clone())
            .with_assignments(vec![assignment]);
        let sync_version = version.min(5);
        if sync_version == 5 {
            sync = sync
                .with_protocol_type(Some(text("consumer")))
                .with_protocol_name(Some(text("range")));
        }
        let synced = client.call(sync_version, &sync).await;
        assert_eq!(
            (synced.error_code, &synced.assignment[..]),
            (0, &b"mine"[..])
        );

        let heartbeat = HeartbeatRequest::default()
            .with_group_id(group(&id))
            .with_member_id(member_id.clone());
        for (generation, code) in [(1, 0), (2, 22)] {
            let request = heartbeat.clone().with_generation_id(generation);
            assert_eq!(client.call(version.min(4), &request).await.error_code, code);
        }

        for state in ["Stable", "Empty"] {
            let describe = DescribeGroupsRequest::default().with_groups(vec![group(&id)]);
            let described = client.call(version.min(6), &describe).await;
            assert_eq!(described.groups[0].group_state.as_str(), state);
            assert_eq!(
                described.groups[0].members.len(),
                usize::from(state == "Stable")
            );
            let listed = client
                .call(version.min(5), &ListGroupsRequest::default())
                .await;
            assert!(
                listed
                    .groups
                    .iter()
                    .any(|listed| *listed.group_id == *group(&id))
            );
            let leave = if version < 3 {
                LeaveGroupRequest::default().with_member_id(member_id.clone())
            } else {
                let member = MemberIdentity::default().with_member_id(member_id.clone());
                LeaveGroupRequest::default().with_members(vec![member])
            };
            let left = client
                .call(version.min(5), &leave.with_group_id(group(&id)))
                .await;
            let code = left
                .members
                .first()
                .map_or(left.error_code, |member| member.error_code);
            assert_eq!(code, if state == "Stable" { 0 } else { 25 });
        }
        let delete = DeleteGroupsRequest::default().with_groups_names(vec![group(&id)]);
        assert_eq!(
            client.call(version.min(2), &delete).await.results[0].error_code,
            0
        );
        assert_eq!(
            client.call(version.min(2), &delete).await.results[0].error_code,
            69
        );
    }
}

#[tokio::test]
async fn committed_offsets_are_fetched_in_every_version() {
    let (_broker, mut client) = start().await;
    for version in 2..=9 {
        let partition = |index, offset| {
            OffsetCommitRequestPartition::default()
                .with_partition_index(index)
                .with_committed_offset(offset)
                .with_committed_leader_epoch(if version >= 6 { 3 } else { -1 })
                .with_committed_metadata(Some(text("note")))
        };
        let commit = OffsetCommitRequest::default()
            .with_group_id(group("g"))
            .with_topics(vec![
                OffsetCommitRequestTopic::default()
                    .with_name(topic("orders"))
                    .with_partitions(vec![partition(1, i64::from(version)), partition(9, 1)]),
            ]);
        let response = client.call(version, &commit).await;
        let codes: Vec<_> = response.topics[0]
            .partitions
            .iter()
            .map(|partition| partition.error_code)
            .collect();
        assert_eq!(codes, [0, 3]);
        let stranger = commit
            .with_generation_id_or_member_epoch(5)
            .with_group_id(group("unknown"));
        assert_eq!(
            client.call(version, &stranger).await.topics[0].partitions[0].error_code,
            22
        );
    }
    for version in 1..=7 {
        let wanted = OffsetFetchRequestTopic::default()
            .with_name(topic("orders"))
            .with_partition_indexes(vec![0, 1]);
        for (group_id, wanted, expected) in [
            ("g", Some(vec![wanted.clone()]), vec![-1, 9]),
            ("g", None, vec![9]),
            ("other", Some(vec![wanted]), vec![-1, -1]),
        ] {
            if wanted.is_none() && version < 2 {
                continue;
            }
            let request = OffsetFetchRequest::default()
                .with_group_id(group(group_id))
                .with_topics(wanted);
            let response = client.call(version, &request).await;
            let offsets: Vec<_> = response.topics[0]
                .partitions
                .iter()
                .map(|partition| partition.committed_offset)
                .collect();
            assert_eq!(offsets, expected, "version {version}");
        }
    }
    for version in 8..=9 {
        let wanted = OffsetFetchRequestTopics::default()
            .with_name(topic("orders"))
            .with_partition_indexes(vec![0, 1]);
        let one = OffsetFetchRequestGroup::default()
            .with_group_id(group("g"))
            .with_topics(Some(vec![wanted]));
        let all = OffsetFetchRequestGroup::default()
            .with_group_id(group("g"))
            .with_topics(None);
        let response = client
            .call(
                version,
                &OffsetFetchRequest::default().with_groups(vec![one, all]),
            )
            .await;
        let of = |index: usize| {
            let partitions = &response.groups[index].topics[0].partitions;
            partitions
                .iter()
                .map(|partition| partition.committed_offset)
                .collect::<Vec<_>>()
        };
        assert_eq!((of(0), of(1)), (vec![-1, 9], vec![9]));
        assert_eq!(
            response.groups[1].topics[0].partitions[0]
                .metadata
                .as_deref(),
            Some("note")
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_member_that_vanishes_is_given_up_when_its_session_ends() {
    let (broker, mut first) = start().await;
    let joined = first.call(3, &join_request("g", "")).await;
    let mut second = Client::new(broker.connect(1).unwrap());
    let started = Instant::now();
    // The first never joins again, so the second waits for the end of its session.
    let answer = second.call(3, &join_request("g", "")).await;
    assert_eq!(started.elapsed(), Duration::from_secs(10));
    assert_eq!(
        (
            answer.error_code,
            answer.generation_id,
            answer.members.len()
        ),
        (0, 2, 1)
    );
    let heartbeat = HeartbeatRequest::default()
        .with_group_id(group("g"))
        .with_generation_id(2)
        .with_member_id(joined.member_id);
    assert_eq!(first.call(4, &heartbeat).await.error_code, 25);
}

#[tokio::test]
async fn a_group_is_served_by_its_coordinator_alone() {
    let broker = TestBroker::builder().nodes(3).start().await.unwrap();
    let mut clients = Vec::new();
    for node in 1..=3 {
        clients.push(Client::new(broker.connect(node).unwrap()));
    }
    for version in 0..=6 {
        let find = if version < 4 {
            FindCoordinatorRequest::default().with_key(text("g"))
        } else {
            FindCoordinatorRequest::default().with_coordinator_keys(vec![text("g")])
        };
        let response = clients[0].call(version, &find).await;
        let found = response
            .coordinators
            .first()
            .map_or(response.node_id, |found| found.node_id);
        assert_eq!(found.0, broker.coordinator("g"));
    }
    for (node, client) in (1..).zip(&mut clients) {
        let code = client.call(3, &join_request("g", "")).await.error_code;
        assert_eq!(
            code,
            if node == broker.coordinator("g") {
                0
            } else {
                16
            }
        );
        if code == 0 {
            break;
        }
    }
}

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
async fn topics_are_created_grown_and_deleted() {
    let (broker, mut client) = start().await;
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
    for version in 0..=3 {
        for (name, count, code) in [
            ("t2", 5 + i32::from(version), 0),
            ("t2", 2, 37),
            ("none", 2, 3),
        ] {
            let grow = create_partitions_request::CreatePartitionsTopic::default()
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
    for version in 1..=5 {
        let name = format!("t{}", version + 1);
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
    let id = client.call(12, &named(&["t7"])).await.topics[0].topic_id;
    for code in [0, 100] {
        let by_id = DeleteTopicState::default()
            .with_name(None)
            .with_topic_id(id);
        let response = client
            .call(6, &DeleteTopicsRequest::default().with_topics(vec![by_id]))
            .await;
        assert_eq!(response.responses[0].error_code, code);
    }
    assert_eq!(broker.leader("t7", 0), None);
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
async fn api_versions_tells_what_is_served_and_survives_unknown_versions() {
    let broker = TestBroker::builder()
        .transaction_version(2)
        .start()
        .await
        .unwrap();
    let mut client = Client::new(broker.connect(1).unwrap());
    let request = ApiVersionsRequest::default()
        .with_client_software_name(text("klamm"))
        .with_client_software_version(text("0.1.0"));
    for version in 0..=4 {
        let response = client.call(version, &request).await;
        assert_eq!(response.error_code, 0);
        let produce = response
            .api_keys
            .iter()
            .find(|api| api.api_key == ApiKey::PRODUCE.0)
            .unwrap();
        assert_eq!((produce.min_version, produce.max_version), (0, 13));
        assert_eq!(response.finalized_features.len(), usize::from(version >= 3));
    }
    let nameless = request.clone().with_client_software_name(text("-klamm"));
    assert_eq!(client.call(3, &nameless).await.error_code, 42);
    // KIP-511: version 99 is answered as version 0, with error 35 and this API's versions.
    client
        .send_frame(&[0, 18, 0, 99, 0, 0, 0, 77, 1, 2, 3])
        .await;
    let answer = client.receive_frame().await.unwrap();
    assert_eq!(
        answer[..],
        [0, 0, 0, 77, 0, 35, 0, 0, 0, 1, 0, 18, 0, 0, 0, 4]
    );
    assert_eq!(
        client.call(3, &request).await.error_code,
        0,
        "the connection lives"
    );
}

#[tokio::test]
async fn a_client_that_breaks_the_protocol_loses_its_connection_only() {
    let (broker, mut witness) = start().await;
    let frames: [&[u8]; 7] = [
        &[0, 0, 0, 3, 1, 2, 3],
        &[0xff, 0xff, 0xff, 0xff],
        &[0x7f, 0, 0, 0],
        &[0, 0, 0, 10, 0, 99, 0, 0, 0, 0, 0, 1, 0xff, 0xff],
        &[0, 0, 0, 10, 0, 0, 0, 2, 0, 0, 0, 1, 0xff, 0xff],
        &[0, 0, 0, 10, 0, 3, 0, 9, 0, 0, 0, 1, 0xff, 0xff],
        &[
            0, 0, 0, 20, 0, 3, 0, 1, 0, 0, 0, 1, 0xff, 0xff, 0, 0, 0, 0, 9, 9, 9, 9, 9, 9,
        ],
    ];
    for frame in frames {
        let mut stream = broker.connect(1).unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut stream, frame)
            .await
            .unwrap();
        assert_eq!(stream.read(&mut [0; 64]).await.unwrap(), 0, "{frame:?}");
    }
    assert_eq!(
        witness.call(12, &named(&["orders"])).await.topics[0].error_code,
        0
    );
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
        PRODUCE: produce_request("orders", 0, Bytes::new()), 3..=12;
    }
}

#[tokio::test]
async fn a_broker_that_is_shut_down_or_dropped_closes_its_connections() {
    for drops in [false, true] {
        let broker = TestBroker::builder().start().await.unwrap();
        let address = broker.bootstrap();
        let mut tcp = tokio::net::TcpStream::connect(&address).await.unwrap();
        let mut memory = broker.connect(1).unwrap();
        if drops {
            drop(broker);
        } else {
            broker.shutdown().await;
        }
        assert_eq!(memory.read(&mut [0; 8]).await.unwrap_or(0), 0);
        assert_eq!(tcp.read(&mut [0; 8]).await.unwrap_or(0), 0);
        assert!(tokio::net::TcpStream::connect(&address).await.is_err());
    }
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
