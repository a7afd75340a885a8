//! Three real nodes whose leaders move, and who come back after they were killed.

use std::time::Duration;

use klamm::admin::ElectionType;
use klamm::{Client, NodeId, TopicPartition};
use klamm_tests::{Kafka, KafkaBuilder};

use super::{blocking, within};

/// Behind proxies, with elections that do not take long.
pub(crate) fn builder() -> KafkaBuilder {
    let builder = Kafka::builder().nodes(3).proxied();
    let builder = builder.property("broker.session.timeout.ms", 3000);
    let builder = builder.property("min.insync.replicas", 2);
    // A follower that asked the old leader would otherwise wait a second before it asks the new one, and longer
    // than one leader stays; nothing that needs all replicas could be acknowledged by anybody.
    builder.property("replica.fetch.backoff.ms", 20)
}

/// Makes `node` the leader of a partition.
pub(crate) async fn lead(client: &Client, partition: &TopicPartition, node: i32) {
    let admin = client.admin();
    let replicas = (0..3)
        .map(|step| NodeId((node - 1 + step) % 3 + 1))
        .collect();
    let change = [(partition.clone(), Some(replicas))];
    let changed = admin.alter_reassignments(change).await.unwrap();
    changed.all().unwrap();
    let elected = admin.elect_leaders(ElectionType::Preferred, [partition.clone()]);
    let _ = elected.await.unwrap();
}

/// Starts the nodes that are down, and waits until all replicas of `topics` are in sync: an election needs one.
pub(crate) async fn restart(
    kafka: &Kafka,
    client: &Client,
    topics: &[&str],
) -> klamm_tests::Result<()> {
    blocking(|| {
        let nodes = kafka.nodes().iter();
        for node in nodes.filter(|node| !node.is_running()) {
            node.restart()?;
        }
        kafka.wait_until_ready()
    })?;
    let wait = async {
        loop {
            let described = client.admin().describe_topics(topics.iter().copied()).await;
            let described = described.unwrap().all().unwrap();
            let mut partitions = described.iter().flat_map(|topic| &topic.partitions);
            if partitions.all(|partition| partition.in_sync_replicas.len() == 3) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    within(60, "all replicas in sync", wait).await;
    Ok(())
}
