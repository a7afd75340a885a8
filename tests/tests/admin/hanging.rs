//! A transaction that hangs: open in a partition, and known to no coordinator.

use klamm::admin::{
    ConfigChange, ConfigResource, HangingTransaction, IsolationLevel, OffsetSpec, TopicPartition,
};
use klamm::{Admin, NodeId};

use super::{admin, kafka, tools, until};
use crate::support::blocking;

const TRANSACTIONS: &str = "org.apache.kafka.tools.TransactionsCommand";
/// Of no coordinator's making.
const PRODUCER_ID: i64 = 4_711_000;

/// Where whoever reads only what is committed comes to an end.
async fn end_of_the_committed(admin: &Admin, partition: &TopicPartition) -> i64 {
    let ends = admin
        .list_offsets([(partition.clone(), OffsetSpec::Latest)])
        .isolation(IsolationLevel::ReadCommitted);
    ends.await.unwrap().all().unwrap()[0].offset.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_hangs_is_found_and_aborted_and_readers_go_on() {
    let admin = admin().await;
    let topic = kafka().create_topic("hung", 1).unwrap();
    let partition = TopicPartition::new(topic.as_str(), 0);
    // Brokers ask the coordinator before they write, unless told not to, and before they had KIP-890.
    let broker = ConfigResource::broker(NodeId(kafka().node(0).id()));
    let verification = "transaction.partition.verification.enable";
    let off = vec![ConfigChange::set(verification, "false")];
    let altered = admin.alter_configs([(broker.clone(), off)]).await.unwrap();
    altered.all().unwrap();
    until("a record that nobody asks about", || async {
        let node = kafka().node(0);
        let written = blocking(|| node.hang_transaction(&topic, 0, PRODUCER_ID));
        written.unwrap().then_some(())
    })
    .await;
    let on = vec![ConfigChange::delete(verification)];
    let altered = admin.alter_configs([(broker, on)]).await.unwrap();
    altered.all().unwrap();

    assert_eq!(end_of_the_committed(&admin, &partition).await, 0);
    let producers = admin.describe_producers([partition.clone()]).await.unwrap();
    let producer = producers.all().unwrap().remove(0).remove(0);
    assert_eq!(producer.producer_id, PRODUCER_ID);
    assert_eq!(producer.transaction_start_offset, Some(0));
    let known = admin.list_transactions().producer_ids([PRODUCER_ID]);
    assert!(known.await.unwrap().all().unwrap().is_empty());
    let find = format!("find-hanging --topic {topic} --partition 0 --max-transaction-timeout 15");
    let found = tools(|tools| tools.tool(TRANSACTIONS, &find));
    assert!(
        found[0].text.contains(&PRODUCER_ID.to_string()),
        "{}",
        found[0].text
    );

    let hanging = HangingTransaction {
        partition: partition.clone(),
        producer_id: PRODUCER_ID,
        producer_epoch: 0,
        coordinator_epoch: producer.coordinator_epoch,
    };
    admin.abort_transaction(hanging).await.unwrap();
    // The record and the marker.
    until("the end of the transaction", || async {
        (end_of_the_committed(&admin, &partition).await == 2).then_some(())
    })
    .await;
    let producers = admin.describe_producers([partition]).await.unwrap();
    let producer = producers.all().unwrap().remove(0).remove(0);
    assert_eq!(producer.transaction_start_offset, None);
    let found = tools(|tools| tools.tool(TRANSACTIONS, &find));
    assert!(
        !found[0].text.contains(&PRODUCER_ID.to_string()),
        "{}",
        found[0].text
    );
}
