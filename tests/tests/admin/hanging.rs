//! A transaction that hangs: open in a partition, and known to no coordinator.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use klamm::admin::{
    ConfigChange, ConfigResource, HangingTransaction, IsolationLevel, OffsetSpec, TopicPartition,
};
use klamm::net::{ClientConfig, Cluster, Lane};
use klamm::{Admin, ErrorCode, NodeId};
use klamm_codec::batch::{BatchBuilder, ProducerIdentity};
use klamm_codec::messages::produce_request::{PartitionProduceData, TopicProduceData};
use klamm_codec::messages::{ProduceRequest, StrBytes, TopicName, TransactionalId};
use tokio::time::Instant;

use super::{admin, kafka, tools, until};

const TRANSACTIONS: &str = "org.apache.kafka.tools.TransactionsCommand";
/// The newest version of `Produce` that does not itself add the partition to the transaction (KIP-890).
const OLD_VERSION: i16 = 9;
/// Of no coordinator's making.
const PRODUCER_ID: i64 = 4_711_000;

/// Writes a record of a transaction that was never begun, an hour ago; gives the error code.
async fn write(cluster: &Cluster, partition: &TopicPartition) -> ErrorCode {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let an_hour_ago = i64::try_from(now.as_millis()).unwrap() - 3_600_000;
    let mut batch = BatchBuilder::new(Vec::new());
    batch.append(an_hour_ago, None, Some(b"lost"), &[]);
    let identity = ProducerIdentity {
        producer_id: PRODUCER_ID,
        producer_epoch: 0,
        base_sequence: 0,
    };
    let batch: Bytes = batch.seal(identity, true, None).unwrap().bytes;
    let text = |text: &str| StrBytes::from_string(text.to_owned());
    let data = PartitionProduceData::default()
        .with_index(partition.partition)
        .with_records(Some(batch));
    let topic = TopicProduceData::default()
        .with_name(TopicName(text(&partition.topic)))
        .with_partition_data(vec![data]);
    let request = ProduceRequest::default()
        .with_transactional_id(Some(TransactionalId(text("ghost"))))
        .with_acks(-1)
        .with_timeout_ms(10_000)
        .with_topic_data(vec![topic]);
    let node = NodeId(kafka().node(0).id());
    let limit = Duration::from_secs(20);
    let connection = cluster.connection(node, Lane::Produce, Instant::now() + limit);
    let connection = connection.await.unwrap();
    let response = connection
        .request(&request, OLD_VERSION, limit)
        .await
        .unwrap();
    ErrorCode(response.responses[0].partition_responses[0].error_code)
}

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
    let cluster = Cluster::connect(ClientConfig::new(&kafka().bootstrap()).unwrap());
    let cluster = cluster.await.unwrap();
    // Brokers ask the coordinator before they write, unless told not to, and before they had KIP-890.
    let broker = ConfigResource::broker(NodeId(kafka().node(0).id()));
    let verification = "transaction.partition.verification.enable";
    let off = vec![ConfigChange::set(verification, "false")];
    let altered = admin.alter_configs([(broker.clone(), off)]).await.unwrap();
    altered.all().unwrap();
    until("a record that nobody asks about", || async {
        write(&cluster, &partition).await.is_none().then_some(())
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
