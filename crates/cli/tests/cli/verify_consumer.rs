//! `klamm verify consumer`: the contract of Kafka's `VerifiableConsumer`.

use std::io::{BufRead as _, BufReader};

use crate::harness::{Broker, Ended, interrupt};

const GROUP: [&str; 6] = ["verify", "consumer", "--topic", "orders", "--group-id", "g"];

/// The events with this name.
fn named<'a>(lines: &'a [String], name: &str) -> Vec<&'a String> {
    let name = format!("\"name\":\"{name}\"");
    lines.iter().filter(|line| line.contains(&name)).collect()
}

#[test]
fn what_happens_is_told_line_by_line_up_to_a_clean_end_on_a_signal() {
    let broker = Broker::start();
    let input: Vec<_> = (0..30).map(|number| format!("{number}\n")).collect();
    broker.stdout(&["produce", "orders"], &input.concat());
    let arguments = [&GROUP[..], &["--verbose"]].concat();
    let mut child = broker.command(&arguments).spawn().unwrap();
    let stdout = BufReader::new(child.stdout.take().unwrap());
    let mut lines = Vec::new();
    let (mut read, mut interrupted) = (0, false);
    for line in stdout.lines() {
        let line = line.unwrap();
        read += usize::from(line.contains("\"record_data\""));
        let committed = line.contains("\"offsets_committed\"");
        lines.push(line);
        if read == 30 && committed && !interrupted {
            interrupted = true;
            interrupt(&child);
        }
    }
    let ended = Ended::from(child.wait_with_output().unwrap());
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(lines[0].starts_with("{\"timestamp\":"), "{}", lines[0]);
    assert!(
        lines[0].contains("\"name\":\"startup_complete\""),
        "{}",
        lines[0]
    );
    assert!(
        lines
            .last()
            .unwrap()
            .contains("\"name\":\"shutdown_complete\"")
    );
    let assigned = named(&lines, "partitions_assigned");
    let all = "\"partitions\":[{\"topic\":\"orders\",\"partition\":0},{\"topic\":\"orders\",\"partition\":1},{\"topic\":\"orders\",\"partition\":2}]";
    assert!(assigned[0].contains(all), "{assigned:?}");
    assert!(
        named(&lines, "partitions_revoked")[0].contains(all),
        "{lines:?}"
    );
    let record = named(&lines, "record_data")[0];
    assert!(record.contains("\"key\":null,\"value\":\""), "{record}");
    let consumed = named(&lines, "records_consumed");
    assert!(consumed[0].contains("\"count\":"), "{consumed:?}");
    assert!(
        consumed[0].contains("\"minOffset\":0,\"maxOffset\":"),
        "{consumed:?}"
    );
    let committed = named(&lines, "offsets_committed");
    assert_eq!(committed.len(), consumed.len());
    assert!(
        committed
            .iter()
            .all(|line| line.contains("\"success\":true"))
    );
    // Everything is committed: the next one finds nothing.
    let rest = broker.stdout(&["consume", "orders", "-G", "g", "-e"], "");
    assert_eq!(rest, "");
}

#[test]
fn the_limit_is_kept_to_the_record_and_commits_no_more_than_that() {
    let broker = Broker::start();
    broker.stdout(&["produce", "orders"], &"x\n".repeat(30));
    let arguments = [&GROUP[..], &["--max-messages", "7"]].concat();
    let told = broker.stdout(&arguments, "");
    assert!(!told.contains("record_data"), "{told}");
    let rest = broker.stdout(&["consume", "orders", "-G", "g", "-e"], "");
    assert_eq!(rest.lines().count(), 23, "{told}");
}
