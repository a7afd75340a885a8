//! What services ask: is the topic there, is it as it should be, how far behind is the group, is the
//! cluster well.

use std::time::Duration;

use klamm::admin::EnsuredTopic;
use klamm::{Client, ErrorCode, NewTopic, Record, TopicPartition};

use super::{GROUP_COMMAND, client, kafka, tools, until};

#[tokio::test(flavor = "multi_thread")]
async fn topics_are_ensured_and_what_differs_is_told() {
    let client = client().await;
    let name = kafka().unique_topic("ensured");
    let old = kafka().create_topic("ensured", 2).unwrap();
    assert!(!client.topic_exists(&name).await.unwrap());
    assert!(client.topic_exists(&old).await.unwrap());
    let wanted = || {
        let new = NewTopic::new(&name).partitions(3).replication_factor(1);
        let old = NewTopic::new(&old)
            .partitions(4)
            .config("retention.ms", "5000");
        [new.config("retention.ms", "5000"), old]
    };
    let ensured = client.ensure_topics(wanted()).await.unwrap();
    assert_eq!(
        *ensured.get(&name).unwrap().as_ref().unwrap(),
        EnsuredTopic::Created
    );
    let Ok(EnsuredTopic::Present(differences)) = ensured.get(&old).unwrap() else {
        panic!("{ensured:?}");
    };
    let differences: Vec<_> = differences.iter().map(ToString::to_string).collect();
    assert_eq!(
        differences,
        ["partitions is 2, not 4", "retention.ms is -1, not 5000"]
    );
    until("the new topic as it should be", || async {
        let ensured = client.ensure_topics(wanted()).await.unwrap();
        let same = EnsuredTopic::Present(Vec::new());
        (*ensured.get(&name).unwrap().as_ref().ok()? == same).then_some(())
    })
    .await;
    let odd = client
        .ensure_topics([NewTopic::new("no such name!")])
        .await
        .unwrap();
    let error = odd.all().unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::INVALID_TOPIC_EXCEPTION));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lag_of_a_group_is_what_kafkas_tool_says() {
    let client = client().await;
    let admin = client.admin();
    let topic = kafka().create_topic("behind", 3).unwrap();
    let group = kafka().unique_topic("billing");
    let producer = client.producer().build().unwrap();
    for partition in [0, 0, 0, 0, 0, 1, 1] {
        let record = Record::to(&topic).partition(partition).value("x");
        producer.send(record).await.unwrap().await.unwrap();
    }
    let [first, second] = [0, 1].map(|index| TopicPartition::new(topic.as_str(), index));
    let offsets = [(first.clone(), 2), (second.clone(), 2)];
    admin
        .alter_group_offsets(&group, offsets)
        .await
        .unwrap()
        .all()
        .unwrap();
    let lag = client.group_lag(&group).await.unwrap();
    assert_eq!(lag.total(), 3);
    let records = |partition| {
        lag.partitions
            .get(partition)
            .unwrap()
            .as_ref()
            .unwrap()
            .records()
    };
    assert_eq!((records(&first), records(&second)), (Some(3), Some(0)));
    let printed = tools(|tools| tools.tool(GROUP_COMMAND, &format!("--describe --group {group}")));
    for (partition, lag) in lag.partitions.iter() {
        let lag = lag.as_ref().unwrap();
        let index = partition.partition.to_string();
        let row = printed[0].text.lines().filter(|line| line.contains(&topic));
        let mut rows = row.map(|line| line.split_whitespace().collect::<Vec<_>>());
        let row = rows.find(|columns| columns[2] == index).unwrap();
        let ours = [
            lag.committed.unwrap(),
            lag.end,
            lag.records().unwrap() as i64,
        ];
        assert_eq!(row[3..6], ours.map(|number| number.to_string()));
    }
    let error = client.group_lag("nobody").await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::GROUP_ID_NOT_FOUND));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_is_well_says_so_and_one_that_is_not_there_says_why() {
    let client = client().await;
    client.ping(Duration::from_secs(10)).await.unwrap();
    let health = client.admin().health().await.unwrap();
    assert!(health.is_healthy(), "{:?}", health.problems);
    assert_eq!(health.brokers.len(), 1);
    let snapshot = client.cluster_snapshot();
    assert_eq!(snapshot.brokers.len(), 1);

    let error = Client::connect("127.0.0.1:1").await.unwrap_err();
    assert!(error.to_string().contains("127.0.0.1:1"), "{error}");
}
