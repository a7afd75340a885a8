//! `klamm transactions`.

use klamm::producer::Transaction;
use klamm::{Client, Record, TransactionalProducer};
use klamm_testbroker::{ApiKey, ErrorCode, Fault};

use crate::harness::{Broker, json};

const HANGING: [&str; 5] = ["transactions", "hanging", "orders", "--longer-than", "0s"];

/// A transactional id that this node coordinates.
fn coordinated_by(broker: &Broker, node: i32) -> String {
    let mut names = (0..).map(|number| format!("billing-{number}"));
    let name = names.find(|name| broker.broker.coordinator(name) == node);
    name.unwrap()
}

/// Each of three nodes coordinates a transaction that is open in a partition of its own.
async fn open_one_at_each(broker: &Broker) -> Vec<(TransactionalProducer, Transaction)> {
    let client = Client::connect(&broker.broker.bootstrap()).await.unwrap();
    let mut opened = Vec::new();
    for node in 1..=3 {
        let producer = client.producer();
        let producer = producer.transactional_id(coordinated_by(broker, node));
        let producer = producer.build_transactional().await.unwrap();
        let transaction = producer.begin().await.unwrap();
        let record = Record::to("orders").partition(node - 1).value("open");
        let sent = transaction.send(record).await.unwrap();
        sent.await.unwrap();
        opened.push((producer, transaction));
    }
    opened
}

#[test]
fn a_transaction_is_shown_by_its_coordinator_and_by_its_partition() {
    let broker = Broker::of_nodes(3);
    let _opened = broker.runtime.block_on(open_one_at_each(&broker));
    let listed = json(&broker.stdout(&["transactions", "list", "--ongoing", "--json"], ""));
    let mut coordinators: Vec<_> = listed.as_array().unwrap().iter().collect();
    coordinators.sort_by_key(|row| row["coordinator"].as_i64());
    for (row, node) in coordinators.iter().zip(1..) {
        let id = coordinated_by(&broker, node);
        assert_eq!(row["transactional_id"], *id, "{listed}");
        let describe = ["transactions", "describe", &id, "--json"];
        let described = json(&broker.stdout(&describe, ""));
        let row = &described[0];
        assert_eq!(
            (&row["state"], &row["coordinator"]),
            (&"Ongoing".into(), &node.into())
        );
        let partition = format!("orders-{}", node - 1);
        assert_eq!(row["partitions"], serde_json::json!([partition]));
    }
    assert_eq!(coordinators.len(), 3);
    let stdout = broker.stdout(&[&HANGING[..], &["--json"]].concat(), "");
    assert_eq!(json(&stdout), serde_json::json!([]));
}

/// Each coordinator knows a transaction of its own, which would seem to hang without its word.
#[test]
fn nothing_is_said_to_hang_unless_every_coordinator_has_answered() {
    let broker = Broker::of_nodes(3);
    let _opened = broker.runtime.block_on(open_one_at_each(&broker));
    for api in [ApiKey::LIST_TRANSACTIONS, ApiKey::DESCRIBE_TRANSACTIONS] {
        let refused = Fault::Error(ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
        broker.broker.inject(api, refused).unwrap();
        let ended = broker.run(&HANGING, "");
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert_eq!(ended.stdout, "");
        let told = "it can't be told what hangs";
        assert!(ended.stderr.contains(told), "{ended:?}");
    }
}
