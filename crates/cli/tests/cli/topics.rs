//! `klamm topics`.

use serde_json::json;

use crate::harness::{Broker, json};

#[test]
fn topics_are_created_listed_described_and_deleted() {
    let broker = Broker::start();
    let create = [
        "topics",
        "create",
        "audit",
        "-p",
        "2",
        "-r",
        "1",
        "-c",
        "retention.ms=1000",
    ];
    assert_eq!(
        broker.stdout(&create, ""),
        "created audit with 2 partitions\n"
    );
    for list in [&["topics"][..], &["topics", "list"]] {
        let listed = broker.stdout(list, "");
        let names: Vec<_> = listed
            .lines()
            .map(|line| line.split('\t').take(3).collect::<Vec<_>>())
            .collect();
        assert_eq!(names, [["audit", "2", "no"], ["orders", "3", "no"]]);
    }
    let described = broker.stdout(&["topics", "describe", "audit"], "");
    assert_eq!(described, "audit\t0\t1\t1\t1\t\naudit\t1\t1\t1\t1\t\n");
    assert_eq!(
        broker.stdout(&["topics", "delete", "--yes", "audit", "orders"], ""),
        "deleted audit\ndeleted orders\n"
    );
    assert_eq!(broker.stdout(&["topics"], ""), "");
}

#[test]
fn json_has_the_same_as_one_document() {
    let broker = Broker::start();
    let listed = json(&broker.stdout(&["topics", "--json"], ""));
    assert_eq!(listed[0]["topic"], "orders");
    assert_eq!(listed[0]["partitions"], 3);
    assert_eq!(listed[0]["internal"], false);
    let described = json(&broker.stdout(&["topics", "describe", "orders", "--json"], ""));
    assert_eq!(described[0]["topic"], "orders");
    assert_eq!(
        described[0]["partitions"][2],
        json!({"topic": "orders", "partition": 2, "leader": 1, "replicas": [1], "in_sync": [1], "offline": []})
    );
    broker.stdout(&["topics", "delete", "-y", "orders"], "");
    assert_eq!(json(&broker.stdout(&["topics", "--json"], "")), json!([]));
}

#[test]
fn validating_creates_nothing() {
    let broker = Broker::start();
    let create = ["topics", "create", "audit", "--validate-only"];
    assert!(broker.stdout(&create, "").starts_with("could create audit"));
    assert_eq!(broker.topics(), ["orders"]);
}

#[test]
fn a_topic_that_is_there_can_be_fine() {
    let broker = Broker::start();
    let ended = broker.run(&["topics", "create", "orders"], "");
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let create = ["topics", "create", "orders", "audit", "--if-not-exists"];
    assert_eq!(
        broker.stdout(&create, ""),
        "orders is there already\ncreated audit with 1 partition\n"
    );
}

#[test]
fn partitions_are_added() {
    let broker = Broker::start();
    let alter = ["topics", "alter", "orders", "-p", "5"];
    // They can't be taken away again.
    let ended = broker.run(&alter, "");
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.stderr.contains("--yes"), "{ended:?}");
    let alter = [&alter[..], &["--yes"]].concat();
    assert_eq!(
        broker.stdout(&alter, ""),
        "orders enlarged to 5 partitions\n"
    );
    let described = broker.stdout(&["topics", "describe", "orders"], "");
    assert_eq!(described.lines().count(), 5);
    let ended = broker.run(&alter, "");
    assert_eq!(ended.code, Some(1), "{ended:?}");
}

#[test]
fn what_was_done_is_told_where_what_comes_after_it_fails() {
    let broker = Broker::start();
    // The test broker has no configurations to alter.
    let alter = "topics alter orders -p 5 -c retention.ms=5000 --yes --json";
    let ended = broker.run(&alter.split(' ').collect::<Vec<_>>(), "");
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let rows = json(&ended.stdout);
    assert_eq!(rows[0]["what"], "partitions", "{rows:#}");
    assert_eq!(rows[0]["error"], serde_json::Value::Null);
    assert_eq!(rows[1]["what"], "configs", "{rows:#}");
    assert!(rows[1]["error"].is_string(), "{rows:#}");
}

#[test]
fn whether_a_topic_exists_is_told_by_the_exit_code() {
    let broker = Broker::start();
    assert_eq!(broker.stdout(&["topics", "exists", "orders"], ""), "yes\n");
    let ended = broker.run(&["topics", "exists", "nowhere"], "");
    assert_eq!((ended.code, &*ended.stdout), (Some(3), "no\n"));
    assert_eq!(ended.stderr, "");
    assert_eq!(broker.topics(), ["orders"]);
}

#[test]
fn what_fails_does_not_keep_the_rest_from_being_done() {
    let broker = Broker::start();
    let ended = broker.run(&["topics", "delete", "-y", "nowhere", "orders"], "");
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert_eq!(ended.stdout, "deleted orders\n");
    assert!(ended.stderr.contains("nowhere"), "{ended:?}");
    assert!(
        ended.stderr.contains("UNKNOWN_TOPIC_OR_PARTITION"),
        "{ended:?}"
    );
    assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
}

#[test]
fn without_consent_and_a_terminal_nothing_is_deleted() {
    let broker = Broker::start();
    let ended = broker.run(&["topics", "delete", "orders"], "y\n");
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.stderr.contains("--yes"), "{ended:?}");
    assert_eq!(broker.topics(), ["orders"]);
}
