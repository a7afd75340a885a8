//! `klamm groups` and `klamm lag`.

use serde_json::Value;

use crate::harness::{Broker, Ended, interrupt, json, until};

/// A broker with 20 records in `orders`, 5 of which, some of each partition, the group `billing` has read.
fn broker_with_a_group() -> Broker {
    let broker = Broker::start();
    for (partition, records) in [("0", "a\nb\n"), ("1", "c\nd\n"), ("2", "e\n")] {
        broker.stdout(&["produce", "orders", "-p", partition], records);
    }
    broker.stdout(&["consume", "orders", "-G", "billing", "-e"], "");
    for partition in ["0", "1", "2"] {
        let records = "1\n2\n3\n4\n5\n";
        broker.stdout(&["produce", "orders", "-p", partition], records);
    }
    broker
}

fn lag(broker: &Broker) -> i64 {
    let described = json(&broker.stdout(&["groups", "describe", "billing", "--json"], ""));
    described[0]["lag"].as_i64().unwrap()
}

/// Sum of a field over all rows.
fn sum(rows: &Value, field: &str) -> i64 {
    let rows = rows.as_array().unwrap().iter();
    rows.map(|row| row[field].as_i64().unwrap_or(0)).sum()
}

#[test]
fn groups_are_listed_and_described_with_their_lag() {
    let broker = broker_with_a_group();
    let listed = broker.stdout(&["groups"], "");
    assert!(listed.starts_with("billing\t"), "{listed}");
    for (filter, is_listed) in [
        (["--state", "empty"], true),
        (["--state", "Stable"], false),
        (["--type", "classic"], true),
        (["--type", "share"], false),
    ] {
        let listed = broker.stdout(&[&["groups", "list"][..], &filter].concat(), "");
        assert_eq!(
            listed.starts_with("billing\t"),
            is_listed,
            "{filter:?}: {listed}"
        );
    }
    let odd = broker.run(&["groups", "list", "--state", "odd"], "");
    assert_eq!(odd.code, Some(2), "{odd:?}");
    assert!(odd.stderr.contains("not one of Stable, "), "{odd:?}");
    let described = json(&broker.stdout(&["groups", "describe", "--json"], ""));
    let group = &described[0];
    assert_eq!(group["group"], "billing");
    assert_eq!(group["state"], "Empty");
    assert_eq!(group["lag"], 15);
    let partitions = &group["partitions"];
    assert_eq!(
        sum(partitions, "committed") + sum(partitions, "lag"),
        sum(partitions, "end")
    );
    assert_eq!(sum(partitions, "lag"), 15);
    assert_eq!(partitions[0]["topic"], "orders");
    let lag = broker.stdout(&["lag", "billing"], "");
    let fields: Vec<_> = lag.trim_end().split('\t').collect();
    assert_eq!(fields[..3], ["billing", "Empty", "0"]);
    assert_eq!(fields[4], "15");
}

#[test]
fn a_group_that_is_not_there_is_said_to_be_missing() {
    let broker = broker_with_a_group();
    for command in [&["groups", "describe", "nobody"][..], &["lag", "nobody"]] {
        let ended = broker.run(command, "");
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert_eq!(ended.stdout, "");
        assert!(ended.stderr.contains("no group nobody"), "{ended:?}");
    }
}

#[test]
fn a_reset_is_shown_first_and_done_on_request() {
    let broker = broker_with_a_group();
    let reset = [
        "groups",
        "reset",
        "billing",
        "--topic",
        "orders",
        "--to",
        "beginning",
    ];
    let ended = broker.run(&[&reset[..], &["--json"]].concat(), "");
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let plan = json(&ended.stdout);
    assert_eq!(sum(&plan, "new_offset"), 0);
    assert_eq!(sum(&plan, "change"), -5);
    assert!(ended.stderr.contains("nothing was changed"), "{ended:?}");
    assert_eq!(lag(&broker), 15);
    let done = json(&broker.stdout(&[&reset[..], &["--json", "--execute"]].concat(), ""));
    assert_eq!(done[0]["done"], true);
    assert_eq!(lag(&broker), 20);
}

#[test]
fn a_reset_goes_where_it_is_told_and_never_beyond_what_is_there() {
    let broker = broker_with_a_group();
    for (to, left) in [
        (&["--to", "end"][..], 0),
        (&["--to", "-1"], 3),
        (&["--shift-by", "-1"], 6),
        (&["--shift-by", "1000"], 0),
        (&["--to", "@0"], 20),
        (&["--to", "@2200-01-01"], 0),
        (&["--to", "1"], 17),
    ] {
        let reset = [
            "groups",
            "reset",
            "billing",
            "--topic",
            "orders",
            "--execute",
        ];
        broker.stdout(&[&reset[..], to].concat(), "");
        assert_eq!(lag(&broker), left, "{to:?}");
    }
    // Only one partition, by all the ways to say so.
    let reset = [
        "groups",
        "reset",
        "billing",
        "--topic",
        "orders:1",
        "--to",
        "0",
        "--execute",
    ];
    assert_eq!(broker.stdout(&reset, "").lines().count(), 1);
    assert_eq!(lag(&broker), 18);
    let reset = [
        "groups", "reset", "billing", "--topic", "orders:7", "--to", "0",
    ];
    let ended = broker.run(&reset, "");
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("no partition 7"), "{ended:?}");
}

#[test]
fn a_group_with_members_is_described_and_neither_reset_nor_deleted() {
    let broker = broker_with_a_group();
    let consume = ["consume", "orders", "-G", "billing"];
    let child = broker.command(&consume).spawn().unwrap();
    let described = || json(&broker.stdout(&["groups", "describe", "billing", "--json"], ""));
    let member = until("a member has partitions", || {
        let described = described();
        let group = &described[0];
        let member = group["partitions"][0]["client_id"].as_str()?;
        (group["state"] == "Stable").then(|| member.to_owned())
    });
    assert_eq!(member, "klamm");
    let members = json(&broker.stdout(&["groups", "members", "billing", "--json"], ""));
    assert_eq!(members[0]["partitions"], 3);
    assert_eq!(members[0]["assignment"][0], "orders:0,1,2");
    let reset = [
        "groups",
        "reset",
        "billing",
        "--all-topics",
        "--to",
        "beginning",
    ];
    let ended = broker.run(&reset, "");
    assert!(ended.stderr.contains("1 member now"), "{ended:?}");
    let ended = broker.run(&[&reset[..], &["--execute"]].concat(), "");
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("stop them first"), "{ended:?}");
    let ended = broker.run(&["groups", "delete", "-y", "billing"], "");
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("stop them first"), "{ended:?}");
    interrupt(&child);
    let ended = Ended::from(child.wait_with_output().unwrap());
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let deleted = broker.stdout(&["groups", "delete", "-y", "billing"], "");
    assert_eq!(deleted, "deleted billing\n");
    assert_eq!(broker.stdout(&["groups"], ""), "");
}

#[test]
fn lag_is_watched_as_lines_of_json() {
    let broker = broker_with_a_group();
    let watch = ["lag", "--watch", "-n", "10ms", "-c", "3", "--json"];
    let watched = broker.stdout(&watch, "");
    let lines: Vec<_> = watched.lines().map(json).collect();
    assert_eq!(lines.len(), 3, "{watched}");
    for line in &lines {
        assert_eq!(line["group"], "billing");
        assert_eq!(line["lag"], 15);
        assert!(line["time"].as_str().unwrap().ends_with('Z'));
    }
    assert_eq!(lines[0]["read_per_s"], Value::Null);
    assert_eq!(lines[2]["read_per_s"], 0);
}

#[test]
fn watching_ends_with_ctrl_c() {
    use std::io::{BufRead as _, BufReader};
    let broker = broker_with_a_group();
    let watch = ["lag", "--watch", "-n", "10ms"];
    let mut child = broker.command(&watch).spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    stdout.read_line(&mut String::new()).unwrap();
    interrupt(&child);
    let ended = Ended::from(child.wait_with_output().unwrap());
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(ended.stderr, "");
}
