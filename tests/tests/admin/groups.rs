//! Groups of either protocol, share groups, and their offsets.

use std::time::Duration;

use klamm::admin::{CommittedOffset, GroupState, GroupType, MemberToRemove, ShareGroup};
use klamm::{Admin, Consumer, ErrorCode, OffsetReset, Record, TopicPartition};
use klamm_tests::Tool;

use super::{GROUP_COMMAND, admin, client, kafka, refused, tools, until};
use crate::support::{blocking, within};

const SHARE_GROUP_COMMAND: &str = "org.apache.kafka.tools.consumer.group.ShareGroupCommand";

fn partition(topic: &str, index: i32) -> TopicPartition {
    TopicPartition::new(topic, index)
}

#[tokio::test(flavor = "multi_thread")]
async fn offsets_of_a_group_are_set_listed_and_deleted_as_kafkas_tool_sees_them() {
    let admin = admin().await;
    let topic = kafka().create_topic("offsets", 3).unwrap();
    let group = kafka().unique_topic("billing");
    let with_metadata = CommittedOffset {
        offset: 0,
        leader_epoch: Some(0),
        metadata: "by hand".to_owned(),
    };
    let offsets = [
        (partition(&topic, 0), with_metadata.clone()),
        (partition(&topic, 1), 0.into()),
    ];
    let altered = admin.alter_group_offsets(&group, offsets).await.unwrap();
    altered.all().unwrap();

    let listed = admin
        .list_group_offsets([&group])
        .await
        .unwrap()
        .all()
        .unwrap()
        .remove(0);
    assert_eq!(listed.len(), 2);
    let first = listed.get(&partition(&topic, 0)).unwrap().as_ref().unwrap();
    assert_eq!(first.as_ref(), Some(&with_metadata));
    let only = admin.list_group_offsets([&group]).require_stable(true);
    let only = only
        .partitions([partition(&topic, 1), partition(&topic, 2)])
        .await
        .unwrap();
    let only = only.all().unwrap().remove(0).all().unwrap();
    assert_eq!(only, [Some(CommittedOffset::from(0)), None]);
    let groups = admin
        .list_groups()
        .states([GroupState::Empty])
        .await
        .unwrap()
        .all()
        .unwrap();
    let found = groups.iter().find(|it| it.group_id == group).unwrap();
    assert_eq!(found.group_type, Some(GroupType::Classic));

    let printed = tools(|tools| {
        let describe = format!("--describe --group {group}");
        tools
            .tool(GROUP_COMMAND, &describe)
            .tool(GROUP_COMMAND, "--list")
    });
    assert!(printed[1].text.lines().any(|line| line == group));
    let mut rows = printed[0].text.lines().filter(|line| line.contains(&topic));
    for index in 0..2 {
        let columns: Vec<&str> = rows.next().unwrap().split_whitespace().collect();
        assert_eq!(
            columns[2..4],
            [index.to_string().as_str(), "0"],
            "{}",
            printed[0].text
        );
    }
    assert_eq!(rows.next(), None);

    let deleted = admin
        .delete_group_offsets(&group, [partition(&topic, 1)])
        .await
        .unwrap();
    deleted.all().unwrap();
    let left = admin
        .list_group_offsets([&group])
        .await
        .unwrap()
        .all()
        .unwrap()
        .remove(0);
    assert_eq!(
        left.iter().map(|(it, _)| it).collect::<Vec<_>>(),
        [&partition(&topic, 0)]
    );
    let nowhere = [(partition(&topic, 9), 0), (partition("nowhere", 0), 0)];
    let results = admin.alter_group_offsets(&group, nowhere).await.unwrap();
    for (partition, result) in results {
        assert_eq!(
            refused(result),
            ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
            "{partition}"
        );
    }

    admin.delete_groups([&group]).await.unwrap().all().unwrap();
    a_group_is_gone(&admin, &group, partition(&topic, 0)).await;
}

async fn a_group_is_gone(admin: &Admin, group: &str, partition: TopicPartition) {
    let gone = admin.delete_groups([group]).await.unwrap();
    assert_eq!(refused(gone.all()), ErrorCode::GROUP_ID_NOT_FOUND);
    let gone = admin.describe_consumer_groups([group]).await.unwrap();
    assert_eq!(refused(gone.all()), ErrorCode::GROUP_ID_NOT_FOUND);
    let gone = admin.describe_classic_groups([group]).await.unwrap();
    assert_eq!(refused(gone.all()), ErrorCode::GROUP_ID_NOT_FOUND);
    let gone = admin.describe_share_groups([group]).await.unwrap();
    assert_eq!(refused(gone.all()), ErrorCode::GROUP_ID_NOT_FOUND);
    let nothing = admin
        .list_group_offsets([group])
        .await
        .unwrap()
        .all()
        .unwrap();
    assert!(nothing[0].is_empty());
    let gone = admin
        .delete_group_offsets(group, [partition])
        .await
        .unwrap();
    assert_eq!(refused(gone.all()), ErrorCode::GROUP_ID_NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_classic_group_is_described_with_its_members_who_can_be_removed() {
    let client = client().await;
    let admin = client.admin();
    let topic = kafka().create_topic("members", 2).unwrap();
    let group = kafka().unique_topic("classic");
    let consumer = client.consumer().group(&group).topics([&topic]);
    let mut consumer = consumer
        .offset_reset(OffsetReset::Earliest)
        .build()
        .await
        .unwrap();
    let producer = client.producer().build().unwrap();
    producer
        .send(Record::to(&topic).value("x"))
        .await
        .unwrap()
        .await
        .unwrap();
    let records = within(60, "the first record", consumer.poll())
        .await
        .unwrap();
    assert_eq!(records.len(), 1);
    drop(records);
    consumer.commit().await.unwrap();

    let described = admin
        .describe_consumer_groups([&group])
        .authorized_operations(true);
    let described = described.await.unwrap().all().unwrap().remove(0);
    assert_eq!(described.group_type, GroupType::Classic);
    assert_eq!(described.state, GroupState::Stable);
    assert_eq!(described.coordinator.unwrap().0, kafka().node(0).id());
    assert!(!described.authorized_operations.unwrap().is_empty());
    let [member] = described.members.as_slice() else {
        panic!("{:?}", described.members);
    };
    assert_eq!(
        member.assignment,
        [partition(&topic, 0), partition(&topic, 1)]
    );
    assert_eq!(member.subscribed_topics, [topic.as_str()]);
    let classic = admin
        .describe_classic_groups([&group])
        .await
        .unwrap()
        .all()
        .unwrap();
    assert_eq!(classic[0].protocol_type, "consumer");

    let printed = tools(|tools| {
        let group = format!("--describe --group {group}");
        tools
            .tool(GROUP_COMMAND, &format!("{group} --members --verbose"))
            .tool(GROUP_COMMAND, &format!("{group} --state"))
    });
    let row = printed[0]
        .text
        .lines()
        .find(|line| line.contains(&member.member_id))
        .unwrap();
    assert!(
        row.contains(&member.host) && row.contains(&member.client_id),
        "{row}"
    );
    assert!(
        row.contains(&format!("{topic}:0,1")) || row.contains(&format!("{topic}(0,1)")),
        "{row}"
    );
    let row = printed[1]
        .text
        .lines()
        .find(|line| line.contains(&group))
        .unwrap();
    assert!(
        row.contains(&described.assignor) && row.contains("Stable"),
        "{row}"
    );

    a_group_with_members_is_left_alone(&admin, &group, partition(&topic, 0)).await;
    members_are_removed(&admin, &group, &mut consumer).await;
    consumer.close(Duration::from_secs(10)).await.unwrap();
}

async fn a_group_with_members_is_left_alone(admin: &Admin, group: &str, partition: TopicPartition) {
    let busy = admin.delete_groups([group]).await.unwrap();
    assert_eq!(refused(busy.all()), ErrorCode::NON_EMPTY_GROUP);
    let busy = admin
        .alter_group_offsets(group, [(partition.clone(), 0)])
        .await
        .unwrap();
    let error = busy.all().unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::UNKNOWN_MEMBER_ID));
    assert!(error.to_string().contains("stop them"), "{error}");
    let busy = admin
        .delete_group_offsets(group, [partition])
        .await
        .unwrap();
    assert_eq!(refused(busy.all()), ErrorCode::GROUP_SUBSCRIBED_TO_TOPIC);
}

async fn members_are_removed(admin: &Admin, group: &str, consumer: &mut Consumer) {
    let member = || async {
        let described = admin.describe_consumer_groups([group]).await.unwrap();
        let members = described.all().unwrap().remove(0).members;
        members.first().map(|member| member.member_id.clone())
    };
    let before = member().await.unwrap();
    let nobody = [MemberToRemove::InstanceId("nobody".to_owned())];
    let removed = admin.remove_members(group, nobody, "").await.unwrap();
    assert_eq!(refused(removed.all()), ErrorCode::UNKNOWN_MEMBER_ID);
    let itself = [MemberToRemove::MemberId(before.clone())];
    let removed = admin.remove_members(group, itself, "a test").await.unwrap();
    removed.all().unwrap();
    // It comes back by another id.
    let again = async {
        while member().await.is_none_or(|member| member == before) {
            let _ = consumer.poll_timeout(Duration::from_millis(50)).await;
        }
    };
    within(60, "the member's return", again).await;
    let removed = admin.remove_all_members(group, "a test").await.unwrap();
    assert_eq!(removed.len(), 1);
    removed.all().unwrap();
}

fn console_consumer(class: &str, group: &str, topic: &str, arguments: &[&str]) -> Tool {
    let bootstrap = kafka().bootstrap();
    let arguments: Vec<&str> = [
        "--bootstrap-server",
        &bootstrap,
        "--topic",
        topic,
        "--group",
        group,
    ]
    .into_iter()
    .chain(arguments.iter().copied())
    .collect();
    kafka().tool(class).unwrap().args(arguments)
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_of_the_newer_protocols_are_described_too() {
    let admin = admin().await;
    let topic = kafka().create_topic("newer", 2).unwrap();
    let [consumers, sharers] = ["consumers", "sharers"].map(|it| kafka().unique_topic(it));
    let console = "org.apache.kafka.tools.consumer.ConsoleConsumer";
    let protocol = ["--consumer-property", "group.protocol=consumer"];
    let share = "org.apache.kafka.tools.consumer.ConsoleShareConsumer";
    let running = blocking(|| {
        let running = console_consumer(console, &consumers, &topic, &protocol)
            .spawn()
            .unwrap();
        (
            running,
            console_consumer(share, &sharers, &topic, &[])
                .spawn()
                .unwrap(),
        )
    });

    let group = until("a member of the consumer group", || async {
        let described = admin.describe_consumer_groups([&consumers]).await.unwrap();
        let group = described.all().ok()?.remove(0);
        (group.state == GroupState::Stable && !group.members[0].assignment.is_empty())
            .then_some(group)
    })
    .await;
    assert_eq!(group.group_type, GroupType::Consumer);
    let member = &group.members[0];
    assert_eq!(
        member.assignment,
        [partition(&topic, 0), partition(&topic, 1)]
    );
    assert_eq!(member.target_assignment.as_ref(), Some(&member.assignment));
    assert_eq!(member.epoch, group.group_epoch);
    assert_eq!(member.is_classic, Some(false));

    let group_of_sharers: ShareGroup = until("a member of the share group", || async {
        let described = admin.describe_share_groups([&sharers]).await.unwrap();
        let group = described.all().ok()?.remove(0);
        (!group.members.is_empty() && !group.members[0].assignment.is_empty()).then_some(group)
    })
    .await;
    let sharer = &group_of_sharers.members[0];
    assert_eq!(sharer.subscribed_topics, [topic.as_str()]);
    let listed = admin
        .list_groups()
        .types([GroupType::Share])
        .await
        .unwrap()
        .all()
        .unwrap();
    assert!(listed.iter().any(|it| it.group_id == sharers));
    assert!(!listed.iter().any(|it| it.group_id == consumers));
    // A share group is none of consumers.
    let other = admin.describe_consumer_groups([&sharers]).await.unwrap();
    assert_eq!(refused(other.all()), ErrorCode::GROUP_ID_NOT_FOUND);

    let busy = admin
        .alter_share_group_offsets(&sharers, [(partition(&topic, 0), 0)])
        .await
        .unwrap();
    assert_eq!(refused(busy.all()), ErrorCode::NON_EMPTY_GROUP);

    let printed = tools(|tools| {
        let of_consumers = format!("--describe --group {consumers} --members --verbose");
        let of_sharers = format!("--describe --group {sharers} --members");
        tools
            .tool(GROUP_COMMAND, &of_consumers)
            .tool(SHARE_GROUP_COMMAND, &of_sharers)
    });
    let members = [&member.member_id, &group_of_sharers.members[0].member_id];
    for (printed, member) in printed.iter().zip(members) {
        let row = printed.text.lines().find(|line| line.contains(member));
        assert!(row.is_some(), "{member} is not in {}", printed.text);
    }
    blocking(|| {
        running.0.kill().unwrap();
        running.1.kill().unwrap();
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn offsets_of_a_share_group_are_set_listed_and_deleted_as_kafkas_tool_sees_them() {
    let admin = admin().await;
    let topic = kafka().create_topic("shared", 2).unwrap();
    let group = kafka().unique_topic("sharers");
    let offsets = [(partition(&topic, 0), 0), (partition(&topic, 1), 0)];
    let share = "org.apache.kafka.tools.consumer.ConsoleShareConsumer";
    // It ends by itself; a group that is left has no members.
    let timeout = ["--timeout-ms", "3000"];
    blocking(|| {
        console_consumer(share, &group, &topic, &timeout)
            .run()
            .unwrap()
    });
    until("the end of the member", || async {
        let altered = admin
            .alter_share_group_offsets(&group, offsets.clone())
            .await
            .unwrap();
        altered.all().ok()
    })
    .await;
    let listed = admin
        .list_share_group_offsets([&group])
        .await
        .unwrap()
        .all()
        .unwrap()
        .remove(0);
    let first = listed.get(&partition(&topic, 0)).unwrap().as_ref().unwrap();
    assert_eq!(first.unwrap().start_offset, 0);
    let printed = tools(|tools| {
        let group = format!("--describe --group {group} --offsets");
        tools.tool(SHARE_GROUP_COMMAND, &group)
    });
    let rows = printed[0].text.lines().filter(|line| line.contains(&topic));
    assert_eq!(rows.count(), listed.len(), "{}", printed[0].text);

    let nowhere = admin
        .alter_share_group_offsets(&group, [(partition("nowhere", 0), 0)])
        .await;
    assert_eq!(
        refused(nowhere.unwrap().all()),
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
    );
    let deleted = admin
        .delete_share_group_offsets(&group, [&topic])
        .await
        .unwrap();
    deleted.all().unwrap();
    let missing = admin
        .delete_share_group_offsets("nobody", [&topic])
        .await
        .unwrap();
    assert_eq!(refused(missing.all()), ErrorCode::GROUP_ID_NOT_FOUND);
}
