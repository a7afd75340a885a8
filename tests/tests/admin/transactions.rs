//! Transactions, their producers, and how they are ended.

use std::time::Duration;

use klamm::admin::{
    HangingTransaction, ProducerState, TopicPartition, TransactionListing, TransactionState,
};
use klamm::{Admin, ErrorCode, NodeId};
use klamm_tests::{OracleRecord, OracleStep};

use super::{admin, kafka, refused, tools, until};
use crate::support::blocking;

const TRANSACTIONS: &str = "org.apache.kafka.tools.TransactionsCommand";

/// A transaction that wrote one record and was aborted; gives its topic.
fn aborted_transaction(id: &str) -> String {
    let topic = kafka().create_topic("open", 1).unwrap();
    let record = OracleRecord {
        value: Some(b"x".to_vec()),
        ..OracleRecord::default()
    };
    let java = kafka().java_oracle().unwrap();
    let steps = [OracleStep::Begin, OracleStep::Send(record)];
    let properties = [
        ("transactional.id", id),
        ("transaction.timeout.ms", "600000"),
    ];
    // What is open when a producer is closed is aborted.
    let produced = java.produce_steps(&kafka().bootstrap(), &topic, &steps, &properties);
    produced.unwrap();
    topic
}

#[tokio::test(flavor = "multi_thread")]
async fn transactions_are_listed_described_and_ended_as_kafkas_tool_sees_them() {
    let admin = admin().await;
    let id = kafka().unique_topic("transfer");
    let topic = blocking(|| aborted_transaction(&id));
    let partition = TopicPartition::new(topic.as_str(), 0);

    let listed = until("the end of the transaction", || async {
        let ended = admin
            .list_transactions()
            .states([TransactionState::CompleteAbort]);
        let ended = ended.await.unwrap().all().unwrap();
        ended.into_iter().find(|it| it.transactional_id == id)
    })
    .await;
    let described = admin
        .describe_transactions([&id])
        .await
        .unwrap()
        .all()
        .unwrap()
        .remove(0);
    assert_eq!(described.state, listed.state);
    assert_eq!(described.producer_id, listed.producer_id);
    assert_eq!(described.timeout, Duration::from_secs(600));
    assert_eq!(described.coordinator, Some(listed.coordinator));
    let same = admin
        .list_transactions()
        .producer_ids([listed.producer_id])
        .id_pattern(format!("{id}.*"));
    assert_eq!(same.await.unwrap().all().unwrap()[0], listed);
    let none = admin
        .list_transactions()
        .running_longer_than(Duration::from_secs(3600));
    assert!(
        none.await
            .unwrap()
            .all()
            .unwrap()
            .iter()
            .all(|it| it.transactional_id != id)
    );
    let odd = admin
        .list_transactions()
        .states([TransactionState::Ongoing]);
    assert!(
        odd.await
            .unwrap()
            .all()
            .unwrap()
            .iter()
            .all(|it| it.state == TransactionState::Ongoing)
    );

    let producers = admin.describe_producers([partition.clone()]).await.unwrap();
    let producers = producers.all().unwrap().remove(0);
    assert_eq!(producers[0].producer_id, listed.producer_id);
    let of_node = admin
        .describe_producers_of(listed.coordinator, [partition.clone()])
        .await
        .unwrap();
    assert_eq!(of_node.all().unwrap()[0], producers);
    let printed = tools(|tools| {
        tools
            .tool(TRANSACTIONS, "list")
            .tool(TRANSACTIONS, &format!("describe --transactional-id {id}"))
            .tool(
                TRANSACTIONS,
                &format!("describe-producers --topic {topic} --partition 0"),
            )
    });
    let row = printed[0]
        .text
        .lines()
        .find(|line| line.contains(&id))
        .unwrap();
    let columns: Vec<&str> = row.split_whitespace().collect();
    let coordinator = listed.coordinator.to_string();
    let producer = listed.producer_id.to_string();
    assert_eq!(
        columns,
        [&id, &coordinator, &producer, listed.state.as_str()]
    );
    let row = printed[1]
        .text
        .lines()
        .find(|line| line.contains(&id))
        .unwrap();
    assert!(row.contains(&producer) && row.contains("600000"), "{row}");
    let mut rows = printed[2].text.lines();
    let found = rows.any(|line| line.starts_with(&producer));
    assert!(found, "{}", printed[2].text);
    ends(&admin, &id, &listed, &partition, &producers[0]).await;
}

/// Ends the transaction of `id` in each way that there is.
async fn ends(
    admin: &Admin,
    id: &str,
    listed: &TransactionListing,
    partition: &TopicPartition,
    producer: &ProducerState,
) {
    let marker = |producer_epoch| HangingTransaction {
        partition: partition.clone(),
        producer_id: listed.producer_id,
        producer_epoch,
        coordinator_epoch: producer.coordinator_epoch,
    };
    let epoch = i16::try_from(producer.producer_epoch).unwrap();
    admin.abort_transaction(marker(epoch)).await.unwrap();
    let older = admin.abort_transaction(marker(epoch - 1)).await;
    assert_eq!(refused(older), ErrorCode::INVALID_PRODUCER_EPOCH);

    let fenced = admin
        .fence_producers([id])
        .await
        .unwrap()
        .all()
        .unwrap()
        .remove(0);
    assert_eq!(fenced.producer_id, listed.producer_id);
    assert!(fenced.producer_epoch > epoch);
    until("the end of the transaction", || async {
        let described = admin
            .describe_transactions([id])
            .await
            .unwrap()
            .all()
            .unwrap();
        (described[0].start_timestamp.is_none()).then_some(())
    })
    .await;
    admin.force_terminate_transaction(id).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_is_not_there_is_neither_described_nor_aborted() {
    let admin = admin().await;
    let described = admin.describe_transactions(["nobody"]).await.unwrap();
    assert_eq!(
        refused(described.all()),
        ErrorCode::TRANSACTIONAL_ID_NOT_FOUND
    );
    let nowhere = TopicPartition::new("nowhere", 0);
    let producers = admin.describe_producers([nowhere.clone()]).await.unwrap();
    assert_eq!(
        refused(producers.all()),
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
    );
    let nobody = admin.describe_producers_of(NodeId(1), [nowhere.clone()]);
    let nobody = nobody.await.unwrap().all();
    assert_eq!(refused(nobody), ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    let odd = admin.list_transactions().id_pattern("(").await.unwrap();
    let odd = refused(odd.all());
    assert_eq!(odd, ErrorCode::INVALID_REGULAR_EXPRESSION);
    let hanging = HangingTransaction {
        partition: nowhere,
        producer_id: 7,
        producer_epoch: 0,
        coordinator_epoch: None,
    };
    let aborted = admin.abort_transaction(hanging).await;
    assert_eq!(refused(aborted), ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
}
