//! `klamm verify` beside Kafka's own programs: the same flags, on the same broker.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use klamm_tests::Kafka;
use serde_json::Value;

/// A line: its name, and its fields, those of objects in lists as well.
type Shape = (String, BTreeSet<String>);

/// What is run, with which flags, up to a line with this in it; then it is told to stop.
struct Case {
    ours: &'static str,
    theirs: &'static str,
    flags: &'static str,
    until: Option<&'static str>,
}

const CASES: &[Case] = &[
    Case {
        ours: "producer",
        theirs: "VerifiableProducer",
        flags: "--bootstrap-server BROKER --topic in --max-messages 8 --acks -1 --value-prefix 7 --repeating-keys 2",
        until: None,
    },
    Case {
        ours: "producer",
        theirs: "VerifiableProducer",
        flags: "--bootstrap-server BROKER --topic in --throughput 5",
        until: Some("producer_send_success"),
    },
    Case {
        ours: "consumer",
        theirs: "VerifiableConsumer",
        flags: "--bootstrap-server BROKER --topic in --group-id NAME --verbose --session-timeout 10000",
        until: Some("offsets_committed"),
    },
    Case {
        ours: "consumer",
        theirs: "VerifiableConsumer",
        flags: "--bootstrap-server BROKER --topic in --group-id NAME --verbose --group-protocol consumer",
        until: Some("offsets_committed"),
    },
    Case {
        ours: "consumer",
        theirs: "VerifiableConsumer",
        flags: "--bootstrap-server BROKER --topic in --group-id NAME --enable-autocommit --group-instance-id one --assignment-strategy org.apache.kafka.clients.consumer.CooperativeStickyAssignor",
        until: Some("records_consumed"),
    },
    Case {
        ours: "copier",
        theirs: "TransactionalMessageCopier",
        flags: "--broker-list BROKER --consumer-group NAME --input-topic in --input-partition 0 --output-topic out --transactional-id NAME --transaction-size 2 --max-messages 4 --use-group-metadata",
        until: None,
    },
];

impl Case {
    fn arguments(&self, kafka: &Kafka, name: &str) -> Vec<String> {
        let flags = self.flags.replace("BROKER", &kafka.bootstrap());
        let flags = flags.replace("NAME", name);
        flags.split_whitespace().map(str::to_owned).collect()
    }

    fn ours(&self, kafka: &Kafka, name: &str) -> Vec<String> {
        let child = Command::new(env!("CARGO_BIN_EXE_klamm"))
            .args(["verify", self.ours])
            .args(self.arguments(kafka, name))
            .stdout(Stdio::piped())
            .spawn();
        let mut child = child.unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let mut lines = Vec::new();
        let mut until = self.until;
        for line in stdout.lines() {
            lines.push(line.unwrap());
            if until.is_some_and(|until| lines[lines.len() - 1].contains(until)) {
                until = None;
                terminate(&child);
            }
        }
        assert!(child.wait().unwrap().success());
        lines
    }

    fn theirs(&self, kafka: &Kafka, name: &str) -> Vec<String> {
        let class = format!("org.apache.kafka.tools.{}", self.theirs);
        let tool = kafka.tool(&class).unwrap();
        let mut running = tool.args(self.arguments(kafka, name)).spawn().unwrap();
        let output = match self.until {
            Some(until) => {
                running.wait_for_line(|line| line.contains(until)).unwrap();
                running.stop().unwrap()
            }
            None => running.wait().unwrap(),
        };
        output.text().lines().map(str::to_owned).collect()
    }
}

fn terminate(child: &Child) {
    let killed = Command::new("kill").arg(child.id().to_string()).status();
    assert!(killed.unwrap().success());
}

/// What kinds of lines there are, in the order in which they first come.
fn shapes(lines: &[String]) -> Vec<Shape> {
    let mut shapes: Vec<Shape> = Vec::new();
    for line in lines.iter().filter(|line| line.starts_with('{')) {
        let value: Value = serde_json::from_str(line).unwrap();
        let name = value.get("name").or(value.get("stage")).unwrap();
        let mut fields = BTreeSet::new();
        collect_fields(&value, "", &mut fields);
        let shape = (name.as_str().unwrap().to_owned(), fields);
        if !shapes.contains(&shape) {
            shapes.push(shape);
        }
    }
    shapes
}

/// Fields and the kinds of their values.
fn collect_fields(value: &Value, path: &str, fields: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            for (name, value) in object {
                collect_fields(value, &format!("{path}.{name}"), fields);
            }
        }
        Value::Array(values) => {
            for value in values {
                collect_fields(value, &format!("{path}[]"), fields);
            }
        }
        Value::Null => drop(fields.insert(format!("{path}: null"))),
        Value::Bool(_) => drop(fields.insert(format!("{path}: bool"))),
        Value::Number(_) => drop(fields.insert(format!("{path}: number"))),
        Value::String(_) => drop(fields.insert(format!("{path}: text"))),
    }
}

#[test]
#[ignore = "a dozen Java processes one after the other; `just verify-beside-java`"]
fn the_programs_tell_the_same_things_in_the_same_order_as_javas() {
    let kafka = Kafka::builder().start().expect("a broker for both");
    let klamm = crate::Klamm::at(kafka.bootstrap());
    klamm.does("topics create in --partitions 2", "");
    klamm.does("topics create out --partitions 2", "");
    for (number, case) in CASES.iter().enumerate() {
        let theirs = case.theirs(&kafka, &format!("theirs-{number}"));
        let ours = case.ours(&kafka, &format!("ours-{number}"));
        println!("{}: {} and {} lines", case.flags, theirs.len(), ours.len());
        let (theirs, ours) = (shapes(&theirs), shapes(&ours));
        assert_eq!(ours, theirs, "{} {}", case.ours, case.flags);
    }
}
