//! Three real nodes whose leaders move, and who come back after they were killed.

use klamm::admin::ElectionType;
use klamm::{Client, NodeId, TopicPartition};
use klamm_tests::{Kafka, KafkaBuilder};

use super::blocking;

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
pub(crate) fn restart(kafka: &Kafka, topics: &[&str]) -> klamm_tests::Result<()> {
    blocking(|| {
        let nodes = kafka.nodes().iter();
        for node in nodes.filter(|node| !node.is_running()) {
            node.restart()?;
        }
        kafka.wait_until_ready()?;
        topics
            .iter()
            .try_for_each(|topic| kafka.wait_until_in_sync(topic))
    })
}
