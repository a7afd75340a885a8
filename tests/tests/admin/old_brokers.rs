//! Brokers of long ago: the same calls with the same results, by older requests; and what they do not know is said to
//! be theirs to learn.

use klamm::admin::{GroupState, GroupType};
use klamm::{ErrorCode, NewTopic, Record, TopicPartition};
use klamm_tests::Kafka;

use super::until;
use crate::support::{blocking, connect};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "fetches other versions of Kafka: `just admin-old`"]
async fn old_brokers_are_asked_what_they_can_answer() {
    // Metadata instead of pages, one group a request, groups of the classic protocol alone.
    for version in ["2.4.1", "2.8.2", "3.5.2"] {
        let kafka = blocking(|| Kafka::builder().version(version).start()).unwrap();
        let client = connect(&kafka.bootstrap()).await;
        let admin = client.admin();
        let topic = kafka.unique_topic("old");
        let new = NewTopic::new(&topic).partitions(3).replication_factor(1);
        admin.create_topics([new]).await.unwrap().all().unwrap();
        let described = until("the topic", || async {
            let described = admin.describe_topics([&topic, "nowhere"]).await.unwrap();
            described.get(&*topic)?.is_ok().then_some(described)
        })
        .await;
        let found = described.get(&*topic).unwrap().as_ref().unwrap();
        assert_eq!(found.partitions.len(), 3, "{version}");
        let nowhere = described.get("nowhere").unwrap().as_ref().unwrap_err();
        assert_eq!(nowhere.code(), Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));

        let producer = client.producer().build().unwrap();
        let record = Record::to(&topic).partition(0).value("x");
        producer.send(record).await.unwrap().await.unwrap();
        let groups = ["billing", "audit", "shop"];
        for group in groups {
            let offset = [(TopicPartition::new(topic.as_str(), 0), 1)];
            let altered = admin.alter_group_offsets(group, offset).await.unwrap();
            altered.all().unwrap();
        }
        let listed = admin
            .list_group_offsets(groups)
            .await
            .unwrap()
            .all()
            .unwrap();
        for offsets in listed {
            let committed = offsets.all().unwrap().remove(0).unwrap();
            assert_eq!(committed.offset, 1, "{version}");
        }
        let described = admin.describe_consumer_groups(groups.iter().copied().chain(["nobody"]));
        let described = described.await.unwrap();
        let billing = described.get("billing").unwrap().as_ref().unwrap();
        assert_eq!(billing.group_type, GroupType::Classic);
        assert_eq!(billing.state, GroupState::Empty);
        let nobody = described.get("nobody").unwrap().as_ref().unwrap_err();
        assert_eq!(
            nobody.code(),
            Some(ErrorCode::GROUP_ID_NOT_FOUND),
            "{version}"
        );
        let lag = admin.group_lag("billing").await.unwrap();
        assert_eq!(lag.total(), 0, "{version}");
        let cluster = admin.describe_cluster().await.unwrap();
        assert_eq!(cluster.brokers.len(), 1);

        for error in [
            admin
                .describe_share_groups(["sharers"])
                .await
                .map(drop)
                .unwrap_err(),
            admin.list_config_resources([]).await.map(drop).unwrap_err(),
        ] {
            assert!(error.is_unsupported(), "{version}: {error}");
        }
        let deleted = admin.delete_groups(groups).await.unwrap();
        deleted.all().unwrap();
        admin.delete_topics([topic]).await.unwrap().all().unwrap();
    }
}
