//! Offsets of partitions and the deletion of records.

use klamm::admin::{OffsetSpec, RecordsToDelete};
use klamm::{ErrorCode, Record, TopicPartition};

use super::{admin, client, kafka, refused, tools};

const OFFSETS: &str = "org.apache.kafka.tools.GetOffsetShell";

#[tokio::test(flavor = "multi_thread")]
async fn offsets_are_listed_and_records_deleted_as_kafkas_tool_sees_it() {
    let client = client().await;
    let admin = client.admin();
    let name = kafka().create_topic("records", 2).unwrap();
    let producer = client.producer().build().unwrap();
    for number in 0..20 {
        // The greatest timestamp is not the last one.
        let timestamp = if number == 12 {
            9_000_000
        } else {
            1_000_000 + number
        };
        let record = Record::to(&name)
            .partition(0)
            .timestamp(timestamp)
            .value("x");
        producer.send(record).await.unwrap().await.unwrap();
    }
    let partition = TopicPartition::new(name.as_str(), 0);
    let empty = TopicPartition::new(name.as_str(), 1);
    let list = async |spec| {
        let listed = admin
            .list_offsets([(partition.clone(), spec)])
            .await
            .unwrap();
        listed.all().unwrap().remove(0)
    };
    assert_eq!(list(OffsetSpec::Earliest).await.offset, Some(0));
    assert_eq!(list(OffsetSpec::Latest).await.offset, Some(20));
    assert_eq!(list(OffsetSpec::EarliestLocal).await.offset, Some(0));
    let by_time = list(OffsetSpec::Timestamp(1_000_007)).await;
    assert_eq!(
        (by_time.offset, by_time.timestamp),
        (Some(7), Some(1_000_007))
    );
    assert_eq!(list(OffsetSpec::Timestamp(9_000_001)).await.offset, None);
    let greatest = list(OffsetSpec::MaxTimestamp).await;
    assert_eq!(
        (greatest.offset, greatest.timestamp),
        (Some(12), Some(9_000_000))
    );

    let deleted = admin.delete_records([
        (partition.clone(), RecordsToDelete::Before(15)),
        (empty.clone(), RecordsToDelete::All),
    ]);
    assert_eq!(deleted.await.unwrap().all().unwrap(), [15, 0]);
    let both = [partition.clone(), empty].map(|it| (it, OffsetSpec::Earliest));
    let first = admin.list_offsets(both).await.unwrap().all().unwrap();
    let printed = tools(|tools| {
        let topic = format!("--topic {name}");
        tools
            .tool(OFFSETS, &format!("{topic} --time earliest"))
            .tool(OFFSETS, &format!("{topic} --time latest"))
    });
    for (index, listed) in first.iter().enumerate() {
        let line = format!("{name}:{index}:{}", listed.offset.unwrap());
        assert!(
            printed[0].text.contains(&line),
            "{line} is not in {}",
            printed[0].text
        );
    }
    assert!(
        printed[1].text.contains(&format!("{name}:0:20")),
        "{}",
        printed[1].text
    );

    let beyond = admin
        .delete_records([(partition.clone(), 21)])
        .await
        .unwrap();
    assert_eq!(refused(beyond.all()), ErrorCode::OFFSET_OUT_OF_RANGE);
    let nowhere = TopicPartition::new("nowhere", 0);
    let missing = TopicPartition::new(name.as_str(), 7);
    let unknown = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
    for lost in [nowhere, missing] {
        let both = [partition.clone(), lost.clone()].map(|it| (it, OffsetSpec::Latest));
        let listed = admin.list_offsets(both).await.unwrap();
        assert_eq!(
            listed.get(&partition).unwrap().as_ref().unwrap().offset,
            Some(20)
        );
        assert_eq!(refused(listed.get(&lost).unwrap().clone()), unknown);
        let deleted = admin.delete_records([(lost, 1)]).await.unwrap();
        assert_eq!(refused(deleted.all()), unknown);
    }
    let negative = admin.delete_records([(partition, -1)]).await.unwrap_err();
    assert!(
        matches!(negative, klamm::admin::Error::Invalid { .. }),
        "{negative}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn records_of_a_compacted_topic_are_not_deleted() {
    let admin = admin().await;
    let compacted = [("cleanup.policy", "compact")];
    let name = kafka()
        .create_topic_with("compacted", 1, &compacted)
        .unwrap();
    let partition = TopicPartition::new(name.as_str(), 0);
    let deleted = admin.delete_records([(partition, 0)]).await.unwrap();
    assert_eq!(refused(deleted.all()), ErrorCode::POLICY_VIOLATION);
}
