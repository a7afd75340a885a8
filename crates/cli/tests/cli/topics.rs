//! `klamm topics`.

use crate::harness::Broker;

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
    let listed = "audit\t2\norders\t3\n";
    assert_eq!(broker.stdout(&["topics"], ""), listed);
    assert_eq!(broker.stdout(&["topics", "list"], ""), listed);
    let described = broker.stdout(&["topics", "describe", "audit"], "");
    let lines: Vec<_> = described.lines().collect();
    assert!(lines[0].starts_with("audit\tid="), "{described}");
    assert_eq!(
        lines[1..],
        [
            "audit\t0\tleader=1\treplicas=1\tisr=1",
            "audit\t1\tleader=1\treplicas=1\tisr=1"
        ]
    );
    assert_eq!(
        broker.stdout(&["topics", "delete", "audit", "orders"], ""),
        "deleted audit\ndeleted orders\n"
    );
    assert_eq!(broker.stdout(&["topics"], ""), "");
}

#[test]
fn validating_creates_nothing() {
    let broker = Broker::start();
    let create = ["topics", "create", "audit", "--validate-only"];
    assert!(broker.stdout(&create, "").starts_with("could create audit"));
    assert_eq!(broker.stdout(&["topics"], ""), "orders\t3\n");
}

#[test]
fn what_fails_does_not_keep_the_rest_from_being_done() {
    let broker = Broker::start();
    let ended = broker.run(&["topics", "delete", "nowhere", "orders"], "");
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert_eq!(ended.stdout, "deleted orders\n");
    assert!(ended.stderr.contains("nowhere"), "{ended:?}");
    assert!(
        ended.stderr.contains("UNKNOWN_TOPIC_OR_PARTITION"),
        "{ended:?}"
    );
}
