//! Topics and partitions.

use klamm::admin::{Error, NewPartitions, TopicDescription};
use klamm::{ErrorCode, NewTopic, NodeId, TopicId};

use super::{TOPIC_COMMAND, admin, field, kafka, refused, tools, until};

#[tokio::test(flavor = "multi_thread")]
async fn topics_are_created_described_grown_and_deleted_as_kafkas_tool_sees_them() {
    let admin = admin().await;
    let name = kafka().unique_topic("orders");
    let new = NewTopic::new(&name)
        .partitions(3)
        .replication_factor(1)
        .config("retention.ms", "86400000");
    let created = admin.create_topics([new.clone()]).await.unwrap();
    let created = created.all().unwrap().remove(0);
    assert_eq!(
        (created.partitions, created.replication_factor),
        (Some(3), Some(1))
    );

    let more = NewPartitions::increase_to(&name, 5).assignments([vec![NodeId(1)], vec![NodeId(1)]]);
    let validated = admin.create_partitions([more.clone()]).validate_only(true);
    validated.await.unwrap().all().unwrap();
    assert_eq!(described(&admin, &name).await.partitions.len(), 3);
    admin
        .create_partitions([more])
        .await
        .unwrap()
        .all()
        .unwrap();
    let topic = until("the fifth partition", || async {
        let topic = described(&admin, &name).await;
        (topic.partitions.len() == 5).then_some(topic)
    })
    .await;
    assert_eq!(topic.id, created.id);
    let by_id = admin.describe_topics_by_id([topic.id]).await.unwrap();
    assert_eq!(by_id.all().unwrap()[0].name, name);
    let listed = admin.list_topics().await.unwrap();
    let listed = listed.iter().find(|it| it.name == name).unwrap();
    assert_eq!((listed.partitions, listed.id), (5, topic.id));

    let printed = tools(|tools| {
        let describe = format!("--describe --topic {name}");
        tools
            .tool(TOPIC_COMMAND, &describe)
            .tool(TOPIC_COMMAND, "--list")
    });
    assert!(printed[1].text.lines().any(|line| line == name));
    let lines: Vec<&str> = printed[0]
        .text
        .lines()
        .filter(|line| line.contains(&name))
        .collect();
    assert_eq!(field(lines[0], "TopicId:"), topic.id.to_string());
    assert_eq!(field(lines[0], "PartitionCount:"), "5");
    assert!(lines[0].contains("retention.ms=86400000"), "{}", lines[0]);
    for (line, partition) in lines[1..].iter().zip(&topic.partitions) {
        let list = |nodes: &[NodeId]| {
            let nodes: Vec<_> = nodes.iter().map(ToString::to_string).collect();
            nodes.join(",")
        };
        assert_eq!(field(line, "Partition:"), partition.index.to_string());
        assert_eq!(
            field(line, "Leader:"),
            partition.leader.unwrap().to_string()
        );
        assert_eq!(field(line, "Replicas:"), list(&partition.replicas));
        assert_eq!(field(line, "Isr:"), list(&partition.in_sync_replicas));
    }
    assert_eq!(lines.len(), 6);

    admin
        .delete_topics_by_id([topic.id])
        .await
        .unwrap()
        .all()
        .unwrap();
    until("the end of the topic", || async {
        let gone = admin.describe_topics([&name]).await.unwrap().all();
        gone.is_err_and(|error| error.code() == Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION))
            .then_some(())
    })
    .await;
}

async fn described(admin: &klamm::Admin, name: &str) -> TopicDescription {
    until("the topic", || async {
        let described = admin.describe_topics([name]).await.unwrap();
        described.all().ok().map(|mut topics| topics.remove(0))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_one_topic_is_told_of_that_topic() {
    let admin = admin().await;
    let name = kafka().unique_topic("orders");
    let topics = [
        NewTopic::new(&name).partitions(1),
        NewTopic::new("no such name!").partitions(1),
        NewTopic::new(kafka().unique_topic("copies")).replication_factor(7),
        NewTopic::new(kafka().unique_topic("odd")).config("retention.ms", "long"),
        NewTopic::new(kafka().unique_topic("unknown")).config("no.such.config", "1"),
    ];
    let results = admin.create_topics(topics).await.unwrap();
    let codes: Vec<_> = results
        .iter()
        .map(|(_, result)| result.as_ref().err().and_then(Error::code))
        .collect();
    let expected = [
        ErrorCode::INVALID_TOPIC_EXCEPTION,
        ErrorCode::INVALID_REPLICATION_FACTOR,
        ErrorCode::INVALID_CONFIG,
        ErrorCode::INVALID_CONFIG,
    ];
    assert_eq!(codes[0], None);
    assert_eq!(codes[1..], expected.map(Some));

    let fewer = admin.create_partitions([NewPartitions::increase_to(&name, 0)]);
    assert_eq!(
        refused(fewer.await.unwrap().all()),
        ErrorCode::INVALID_PARTITIONS
    );
    let missing = admin.create_partitions([NewPartitions::increase_to("nowhere", 9)]);
    let unknown = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
    assert_eq!(refused(missing.await.unwrap().all()), unknown);
    assert_eq!(
        refused(admin.delete_topics(["nowhere"]).await.unwrap().all()),
        unknown
    );
    let nobody = TopicId([7; 16]);
    let unknown = ErrorCode::UNKNOWN_TOPIC_ID;
    assert_eq!(
        refused(admin.delete_topics_by_id([nobody]).await.unwrap().all()),
        unknown
    );
    assert_eq!(
        refused(admin.describe_topics_by_id([nobody]).await.unwrap().all()),
        unknown
    );

    let twice = [NewTopic::new("twice"), NewTopic::new("twice")];
    let error = admin.create_topics(twice).await.unwrap_err();
    assert!(matches!(error, Error::Invalid { .. }), "{error}");
    admin.delete_topics([name]).await.unwrap().all().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_of_more_partitions_than_a_page_is_described_whole() {
    let admin = admin().await;
    let names = [
        kafka().unique_topic("a-wide"),
        kafka().unique_topic("b-wide"),
    ];
    for name in &names {
        let wide = NewTopic::new(name).partitions(80);
        admin.create_topics([wide]).await.unwrap().all().unwrap();
    }
    let topics = until("all partitions", || async {
        let described = admin.describe_topics(&names).await.unwrap().all().ok()?;
        let all = |topic: &TopicDescription| topic.partitions.len() == 80;
        described.iter().all(all).then_some(described)
    })
    .await;
    for (topic, name) in topics.iter().zip(&names) {
        assert_eq!(&topic.name, name);
        let indexes = topic.partitions.iter().map(|partition| partition.index);
        assert!(indexes.eq(0..80));
    }
    admin.delete_topics(names).await.unwrap().all().unwrap();
}
