//! Groups of the consumer protocol (KIP-848) and their offsets, end to end over connections in memory.

mod client;

use client::{Client, group, join_request, start, text, topic};
use kafka_protocol::messages::consumer_group_heartbeat_request::TopicPartitions;
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestGroup;
use kafka_protocol::messages::{
    ConsumerGroupDescribeRequest, ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse,
    DeleteGroupsRequest, DescribeGroupsRequest, ListGroupsRequest, OffsetCommitRequest,
    OffsetFetchRequest,
};
use kafka_protocol::protocol::StrBytes;

fn heartbeat(member_id: &str, epoch: i32) -> ConsumerGroupHeartbeatRequest {
    ConsumerGroupHeartbeatRequest::default()
        .with_group_id(group("g"))
        .with_member_id(text(member_id))
        .with_member_epoch(epoch)
}

async fn join(client: &mut Client, version: i16, id: &str) -> ConsumerGroupHeartbeatResponse {
    let request = heartbeat(id, 0)
        .with_rebalance_timeout_ms(60_000)
        .with_subscribed_topic_names(Some(vec![topic("orders")]))
        .with_topic_partitions(Some(Vec::new()));
    client.call(version, &request).await
}

#[tokio::test]
async fn every_version_of_every_api_is_answered_readably() {
    for version in 0..=1 {
        let (_broker, mut client) = start().await;
        let joined = join(&mut client, version, if version == 0 { "" } else { "m" }).await;
        assert_eq!((joined.error_code, joined.member_epoch), (0, 1));
        assert_eq!(joined.heartbeat_interval_ms, 5000);
        let member_id = joined.member_id.unwrap();
        assert!(!member_id.is_empty());
        let given = joined.assignment.unwrap().topic_partitions;
        assert_eq!(given[0].partitions, [0, 1]);
        let owned = TopicPartitions::default()
            .with_topic_id(given[0].topic_id)
            .with_partitions(vec![0, 1]);
        let request = heartbeat(&member_id, 1).with_topic_partitions(Some(vec![owned]));
        let beaten = client.call(version, &request).await;
        assert_eq!((beaten.error_code, beaten.assignment), (0, None));

        let describe = ConsumerGroupDescribeRequest::default();
        let describe = describe.with_group_ids(vec![group("g"), group("none")]);
        let described = client.call(version, &describe).await.groups;
        assert_eq!(described[1].error_code, 69);
        assert_eq!(
            (described[0].error_code, described[0].group_state.as_str()),
            (0, "Stable")
        );
        assert_eq!(described[0].assignor_name.as_str(), "uniform");
        let member = &described[0].members[0];
        assert_eq!(member.member_type, if version == 0 { -1 } else { 1 });
        let assigned = &member.assignment.topic_partitions[0];
        assert_eq!(assigned.topic_name, topic("orders"));
        assert_eq!(assigned.partitions, [0, 1]);

        let left = client.call(version, &heartbeat(&member_id, -1)).await;
        assert_eq!((left.error_code, left.member_epoch), (0, -1));
        let unknown = client.call(version, &heartbeat(&member_id, 1)).await;
        assert_eq!(unknown.error_code, 25);
    }
}

async fn commit(client: &mut Client, member_id: &str, epoch: i32, offset: i64) -> i16 {
    let partition = OffsetCommitRequestPartition::default().with_committed_offset(offset);
    let of_topic = OffsetCommitRequestTopic::default()
        .with_name(topic("orders"))
        .with_partitions(vec![partition]);
    let request = OffsetCommitRequest::default()
        .with_group_id(group("g"))
        .with_member_id(text(member_id))
        .with_generation_id_or_member_epoch(epoch)
        .with_topics(vec![of_topic]);
    let response = client.call(9, &request).await;
    response.topics[0].partitions[0].error_code
}

/// Error code, and what is committed for the first partition.
async fn committed(client: &mut Client, member_id: &str, epoch: i32) -> (i16, Option<i64>) {
    let asked = OffsetFetchRequestGroup::default()
        .with_group_id(group("g"))
        .with_member_id(Some(text(member_id)))
        .with_member_epoch(epoch)
        .with_topics(None);
    let request = OffsetFetchRequest::default().with_groups(vec![asked]);
    let answer = client.call(9, &request).await.groups.remove(0);
    let topic = answer.topics.first();
    let offset = topic.map(|topic| topic.partitions[0].committed_offset);
    (answer.error_code, offset)
}

#[tokio::test]
async fn offsets_are_committed_and_read_by_members_in_their_epoch_and_survive_them() {
    let (_broker, mut client) = start().await;
    // Before there is a member: as one who manages partitions without the group.
    assert_eq!(commit(&mut client, "", -1, 1).await, 0);
    assert_eq!(join(&mut client, 1, "m").await.member_epoch, 1);
    assert_eq!(committed(&mut client, "m", 1).await, (0, Some(1)));
    assert_eq!(commit(&mut client, "m", 1, 2).await, 0);
    assert_eq!(commit(&mut client, "m", 0, 3).await, 113);
    assert_eq!(commit(&mut client, "n", 1, 3).await, 25);
    assert_eq!(commit(&mut client, "", -1, 3).await, 25);
    assert_eq!(committed(&mut client, "m", 7).await, (113, None));
    assert_eq!(committed(&mut client, "", -1).await, (0, Some(2)));
}

#[tokio::test]
async fn a_group_has_one_protocol_while_it_has_members() {
    let (_broker, mut client) = start().await;
    assert_eq!(join(&mut client, 1, "m").await.error_code, 0);
    let list = ListGroupsRequest::default().with_types_filter(vec![text("consumer")]);
    let listed = client.call(5, &list).await.groups.remove(0);
    let told = [
        &listed.group_type,
        &listed.protocol_type,
        &listed.group_state,
    ];
    assert_eq!(
        told.map(StrBytes::as_str),
        ["consumer", "consumer", "Stable"]
    );
    let classic = client.call(5, &join_request("g", "")).await;
    assert_eq!(classic.error_code, 23);
    let describe = DescribeGroupsRequest::default().with_groups(vec![group("g")]);
    assert_eq!(client.call(6, &describe).await.groups[0].error_code, 69);
    let delete = DeleteGroupsRequest::default().with_groups_names(vec![group("g")]);
    assert_eq!(client.call(2, &delete).await.results[0].error_code, 68);

    assert_eq!(client.call(1, &heartbeat("m", -1)).await.error_code, 0);
    let joined = client.call(3, &join_request("g", "")).await;
    assert_eq!((joined.error_code, joined.generation_id), (0, 1));
    assert_eq!(join(&mut client, 1, "m").await.error_code, 69);
}
