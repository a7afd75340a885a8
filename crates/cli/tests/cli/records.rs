//! `klamm produce` and `klamm consume`.

use std::io::{BufRead as _, BufReader};

use klamm_testbroker::{ApiKey, ErrorCode, Fault};

use crate::harness::{Broker, Ended, interrupt, json};

fn sorted(text: &str) -> Vec<&str> {
    let mut lines: Vec<_> = text.lines().collect();
    lines.sort_unstable();
    lines
}

#[test]
fn lines_that_are_produced_are_consumed() {
    let broker = Broker::start();
    broker.stdout(
        &["produce", "orders"],
        "one\n\nthree\r\nlast without newline",
    );
    let consumed = broker.stdout(&["consume", "orders", "-e", "--format", r"%s|%K;"], "");
    let mut values: Vec<_> = consumed.split_terminator(';').collect();
    values.sort_unstable();
    assert_eq!(
        values,
        ["last without newline|-1", "one|-1", "three\r|-1", "|-1"]
    );
}

#[test]
fn keys_are_split_off_and_keep_their_records_in_order() {
    let broker = Broker::start();
    let input = "a\t1\nb\t1\na\t2\nno key\na\t3\tx\n";
    broker.stdout(&["produce", "orders", "-K", r"\t"], input);
    let consumed = broker.stdout(&["consume", "orders", "-e", "--format", r"%k=%s\n"], "");
    let of_a: Vec<_> = consumed
        .lines()
        .filter(|line| line.starts_with("a="))
        .collect();
    assert_eq!(of_a, ["a=1", "a=2", "a=3\tx"]);
    assert_eq!(sorted(&consumed)[..1], ["=no key"]);
    assert_eq!(consumed.lines().count(), 5);
}

#[test]
fn every_record_has_its_place() {
    let broker = Broker::start();
    broker.stdout(&["produce", "orders", "-K", ":"], "k:1\nk:2\n");
    let format = r"%t %o %k %s %S\n";
    let consumed = broker.stdout(&["consume", "orders", "-e", "-f", format], "");
    assert_eq!(consumed, "orders 0 k 1 1\norders 1 k 2 1\n");
}

#[test]
fn consuming_an_empty_topic_to_its_end_prints_nothing() {
    let broker = Broker::start();
    assert_eq!(broker.stdout(&["consume", "orders", "-e"], ""), "");
}

#[test]
fn a_group_goes_on_behind_what_was_printed() {
    let broker = Broker::start();
    let input: Vec<_> = (0..20).map(|number| format!("{number:02}\n")).collect();
    broker.stdout(&["produce", "orders"], &input.concat());
    let group = ["consume", "orders", "--group", "billing"];
    let first = broker.stdout(&[&group[..], &["-c", "5"]].concat(), "");
    assert_eq!(first.lines().count(), 5, "{first}");
    let rest = broker.stdout(&[&group[..], &["-e"]].concat(), "");
    let both = first + &rest;
    assert_eq!(sorted(&both), sorted(&input.concat()));
}

#[test]
fn records_that_fail_are_counted_and_the_others_are_sent() {
    let broker = Broker::start();
    let refused = Fault::Error(ErrorCode::TOPIC_AUTHORIZATION_FAILED);
    broker.broker.inject(ApiKey::PRODUCE, refused).unwrap();
    let ended = broker.run(&["produce", "orders"], "one\ntwo\nthree\n");
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
    assert!(ended.stderr.contains("3 of 3 records failed"), "{ended:?}");
    assert!(
        ended.stderr.contains("TOPIC_AUTHORIZATION_FAILED"),
        "{ended:?}"
    );
}

#[test]
fn from_the_end_only_what_comes_later_is_printed() {
    let broker = Broker::start();
    broker.stdout(&["produce", "orders"], "before\n");
    let end = broker.stdout(&["consume", "orders", "--from", "end", "-e"], "");
    assert_eq!(end, "");
}

#[test]
fn ctrl_c_is_how_endless_consuming_ends() {
    let broker = Broker::start();
    broker.stdout(&["produce", "orders"], "one\n");
    let mut child = broker.command(&["consume", "orders"]).spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    assert_eq!(line, "one\n");
    interrupt(&child);
    let ended = Ended::from(child.wait_with_output().unwrap());
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(ended.stderr, "klamm: 1 record\n");
}

#[test]
fn ctrl_c_sends_what_was_read() {
    use std::io::Write as _;
    let broker = Broker::start();
    let mut child = broker.command(&["produce", "orders"]).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"one\n").unwrap();
    // Once the broker has the record, the command waits for more input.
    while broker.broker.requests(ApiKey::PRODUCE) == 0 {
        std::thread::yield_now();
        assert!(child.try_wait().unwrap().is_none());
    }
    interrupt(&child);
    let ended = Ended::from(child.wait_with_output().unwrap());
    drop(stdin);
    assert_eq!(ended.code, Some(130), "{ended:?}");
    assert_eq!(ended.stderr, "klamm: interrupted after 1 record\n");
    assert_eq!(broker.stdout(&["consume", "orders", "-e"], ""), "one\n");
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let broker = Broker::start();
    // More than a pipe holds.
    let lines = "a line of some length, as lines are\n".repeat(20_000);
    broker.stdout(&["produce", "orders"], &lines);
    let mut child = broker
        .command(&["consume", "orders", "-e"])
        .spawn()
        .unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    stdout.read_line(&mut String::new()).unwrap();
    drop(stdout);
    let ended = Ended::from(child.wait_with_output().unwrap());
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(!ended.stderr.contains("panic"), "{ended:?}");
}

#[test]
fn properties_win_over_options() {
    let broker = Broker::start();
    broker.stdout(&["produce", "orders"], "before\n");
    let latest = ["consume", "orders", "-e", "-X", "auto.offset.reset=latest"];
    assert_eq!(broker.stdout(&latest, ""), "");
    // A group is a group, by whatever name it is given.
    let group = ["consume", "orders", "-e", "-X", "group.id=billing"];
    assert_eq!(broker.stdout(&group, ""), "before\n");
    assert_eq!(broker.stdout(&group, ""), "");
}

#[test]
fn places_and_partitions_are_chosen() {
    let broker = Broker::start();
    for partition in ["0", "2"] {
        let lines: Vec<_> = (0..5)
            .map(|number| format!("{partition}/{number}\n"))
            .collect();
        let input = lines.concat();
        broker.stdout(&["produce", "orders", "-p", partition], &input);
    }
    for (arguments, expected) in [
        (&["-o", "-1", "-e"][..], &["0/4", "2/4"][..]),
        (&["-p", "2", "-o", "3", "-e"], &["2/3", "2/4"]),
        (&["-p", "0", "--from", "1", "--to", "3"], &["0/1", "0/2"]),
        (&["-p", "0,2", "--to", "1"], &["0/0", "2/0"]),
        (&["-p", "0", "-o", "99", "-e"], &[]),
        (&["-p", "1", "-e"], &[]),
        (&["-o", "@2200-01-01", "-e"], &[]),
        (&["-p", "0", "-o", "@-1h", "-c", "1"], &["0/0"]),
        (&["-p", "0", "--to", "@-1h"], &[]),
    ] {
        let consumed = broker.stdout(&[&["consume", "orders"], arguments].concat(), "");
        assert_eq!(sorted(&consumed), expected, "{arguments:?}");
    }
    let ended = broker.run(&["consume", "orders", "-p", "7", "-e"], "");
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("no partition 7"), "{ended:?}");
    let ended = broker.run(&["consume", "orders", "-G", "billing", "-o", "5"], "");
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.stderr.contains("groups reset"), "{ended:?}");
}

#[test]
fn json_goes_out_and_in_again_without_loss() {
    let broker = Broker::start();
    broker.stdout(&["topics", "create", "copy", "-p", "1"], "");
    let produce = [
        "produce",
        "orders",
        "-p",
        "1",
        "-K",
        ":",
        "-Z",
        "-H",
        "source=shell",
        "-H",
        "empty=",
    ];
    let ended = broker.run(
        &[&produce[..], &["--json"]].concat(),
        "k:v\nno key\ngone:\n",
    );
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let told = json(&ended.stdout);
    assert_eq!(
        (&told["acknowledged"], &told["partial"]),
        (&3.into(), &false.into())
    );
    let printed = broker.stdout(&["consume", "orders", "-e", "--json"], "");
    let first = json(printed.lines().next().unwrap());
    assert_eq!(first["topic"], "orders");
    assert_eq!(
        (&first["partition"], &first["offset"]),
        (&1.into(), &0.into())
    );
    assert_eq!((&first["key"], &first["value"]), (&"k".into(), &"v".into()));
    assert_eq!(first["headers"][0]["name"], "source");
    assert_eq!(first["headers"][0]["value"], "shell");
    let last = json(printed.lines().last().unwrap());
    assert_eq!(
        (&last["key"], &last["value"]),
        (&"gone".into(), &serde_json::Value::Null)
    );
    broker.stdout(&["produce", "copy", "--json-input"], &printed);
    let copied = broker.stdout(&["consume", "copy", "-e", "--json"], "");
    let without_place = |text: &str| {
        let records = text.lines().map(json).map(|mut record| {
            let fields = record.as_object_mut().unwrap();
            for name in ["topic", "partition", "offset"] {
                fields.remove(name).unwrap();
            }
            record
        });
        records.collect::<Vec<_>>()
    };
    assert_eq!(without_place(&copied), without_place(&printed));
    let ended = broker.run(
        &["produce", "copy", "--json-input"],
        "{\"value\": \"fine\"}\n{\"value\": 1}\n",
    );
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("record 2"), "{ended:?}");
}

#[test]
fn records_end_where_they_are_told_to() {
    let broker = Broker::start();
    broker.stdout(
        &["produce", "orders", "-p", "0", "-D", r"==\n", "-c", "2"],
        "a\nb==\n-c==\nd",
    );
    let consumed = broker.stdout(&["consume", "orders", "-e", "-f", "%s|"], "");
    assert_eq!(consumed, "a\nb|-c|");
}
