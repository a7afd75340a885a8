//! Classic groups and committed offsets, end to end over connections in memory.

mod client;

use std::time::Duration;

use bytes::Bytes;
use client::{Client, group, join_request, start, text, topic};
use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::list_groups_response::ListedGroup;
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::{
    DeleteGroupsRequest, DeleteTopicsRequest, DescribeGroupsRequest, FindCoordinatorRequest,
    HeartbeatRequest, LeaveGroupRequest, ListGroupsRequest, OffsetCommitRequest,
    OffsetFetchRequest, SyncGroupRequest,
};
use kafka_protocol::protocol::StrBytes;
use klamm_testbroker::TestBroker;
use tokio::time::Instant;

/// Joins a new group alone; returns the member id.
async fn join(client: &mut Client, version: i16, id: &str) -> StrBytes {
    let mut join = join_request(id, "");
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
    assert_eq!((joined.error_code, joined.generation_id), (0, 1));
    assert_eq!(joined.members.len(), 1);
    assert!(joined.member_id.starts_with("test-"));
    joined.member_id
}

/// Asserts that the group is listed, and described in this state.
async fn describe(client: &mut Client, version: i16, id: &str, state: &str) {
    let describe = DescribeGroupsRequest::default().with_groups(vec![group(id)]);
    let described = client.call(version.min(6), &describe).await;
    assert_eq!(described.groups[0].group_state.as_str(), state);
    let members = usize::from(state == "Stable");
    assert_eq!(described.groups[0].members.len(), members);
    let list = ListGroupsRequest::default();
    let listed = client.call(version.min(5), &list).await;
    let is_listed = |listed: &ListedGroup| *listed.group_id == *group(id);
    assert!(listed.groups.iter().any(is_listed));
}

/// Leaves; returns the error code.
async fn leave(client: &mut Client, version: i16, id: &str, member_id: &StrBytes) -> i16 {
    let leave = if version < 3 {
        LeaveGroupRequest::default().with_member_id(member_id.clone())
    } else {
        let member = MemberIdentity::default().with_member_id(member_id.clone());
        LeaveGroupRequest::default().with_members(vec![member])
    };
    let leave = leave.with_group_id(group(id));
    let left = client.call(version.min(5), &leave).await;
    let members = left.members.first();
    members.map_or(left.error_code, |member| member.error_code)
}

#[tokio::test]
async fn every_version_of_every_group_api_is_answered_readably() {
    let (_broker, mut client) = start().await;
    for version in 0..=9 {
        let id = format!("g{version}");
        let member_id = join(&mut client, version, &id).await;
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
            describe(&mut client, version, &id, state).await;
            let code = leave(&mut client, version, &id, &member_id).await;
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
async fn offsets_are_committed_in_every_version() {
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
}

#[tokio::test]
async fn committed_offsets_are_fetched_in_every_version() {
    let (_broker, mut client) = start().await;
    let committed = OffsetCommitRequestPartition::default()
        .with_partition_index(1)
        .with_committed_offset(9)
        .with_committed_metadata(Some(text("note")));
    let committed = OffsetCommitRequestTopic::default()
        .with_name(topic("orders"))
        .with_partitions(vec![committed]);
    let commit = OffsetCommitRequest::default()
        .with_group_id(group("g"))
        .with_topics(vec![committed]);
    client.call(9, &commit).await;
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

#[tokio::test]
async fn a_deleted_topic_takes_its_committed_offsets_along() {
    let (_broker, mut client) = start().await;
    let partition = OffsetCommitRequestPartition::default().with_committed_offset(5);
    let commit = OffsetCommitRequest::default()
        .with_group_id(group("g"))
        .with_topics(vec![
            OffsetCommitRequestTopic::default()
                .with_name(topic("orders"))
                .with_partitions(vec![partition]),
        ]);
    assert_eq!(
        client.call(5, &commit).await.topics[0].partitions[0].error_code,
        0
    );
    let fetch = OffsetFetchRequest::default()
        .with_group_id(group("g"))
        .with_topics(None);
    assert_eq!(client.call(7, &fetch).await.topics.len(), 1);
    client
        .call(
            5,
            &DeleteTopicsRequest::default().with_topic_names(vec![topic("orders")]),
        )
        .await;
    assert_eq!(client.call(7, &fetch).await.topics.len(), 0);
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
