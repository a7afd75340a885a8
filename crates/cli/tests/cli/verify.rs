//! `klamm verify`.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::Command;

use klamm_testbroker::{ApiKey, ErrorCode, Fault};

use crate::harness::{Broker, Ended, interrupt, klamm};

/// The lines with this `name`, without their timestamps.
fn named(output: &str, name: &str) -> Vec<String> {
    let quoted = format!("\"name\":\"{name}\"");
    let lines = output.lines().filter(|line| line.contains(&quoted));
    let rest = |line: &str| line.split_once(",\"name\"").unwrap().1.to_owned();
    lines.map(rest).collect()
}

#[test]
fn the_producer_tells_of_every_record_what_java_tells() {
    let broker = Broker::start();
    let output = broker.stdout(
        &[
            "verify",
            "producer",
            "--topic",
            "orders",
            "--max-messages",
            "20",
            "--value-prefix",
            "7",
            "--repeating-keys",
            "3",
            "--message-create-time",
            "1000",
        ],
        "",
    );
    assert!(output.lines().next().unwrap().contains("startup_complete"));
    let told = named(&output, "producer_send_success");
    assert_eq!(told.len(), 20, "{output}");
    let first = told.iter().find(|line| line.contains("\"value\":\"7.0\""));
    let first = first.unwrap();
    assert!(
        first.contains(r#""key":"0","value":"7.0","offset":0,"topic":"orders","partition":"#),
        "{first}"
    );
    assert!(first.contains(r#""offset":0"#), "{first}");
    assert_eq!(named(&output, "shutdown_complete").len(), 1);
    let summary = named(&output, "tool_data");
    let expected = r#":"tool_data","sent":20,"acked":20,"target_throughput":-1,"avg_throughput":"#;
    assert!(summary[0].starts_with(expected), "{summary:?}");
    let consumed = broker.stdout(&["consume", "orders", "-e", "-f", r"%k=%s@%T\n"], "");
    assert!(consumed.contains("0=7.0@1000\n"), "{consumed}");
    assert_eq!(consumed.lines().count(), 20);
}

#[test]
fn a_record_that_fails_is_told_with_the_reason_and_the_program_goes_on() {
    let broker = Broker::start();
    let fault = Fault::Error(ErrorCode::TOPIC_AUTHORIZATION_FAILED);
    broker.broker.inject(ApiKey::PRODUCE, fault).unwrap();
    let arguments = ["verify", "producer", "--topic", "orders", "--acks", "1"];
    let slow = ["--max-messages", "3", "--throughput", "20"];
    let output = broker.stdout(&[&arguments[..], &slow].concat(), "");
    let failed = named(&output, "producer_send_error");
    assert_eq!(failed.len(), 1, "{output}");
    assert!(failed[0].contains(r#""key":null,"value":"0","topic":"orders","exception":""#));
    assert!(
        failed[0].contains("TOPIC_AUTHORIZATION_FAILED"),
        "{failed:?}"
    );
    assert_eq!(named(&output, "producer_send_success").len(), 2);
}

#[test]
#[cfg(unix)]
fn a_producer_without_end_ends_cleanly_when_asked_to() {
    let broker = Broker::start();
    let config = std::env::temp_dir().join(format!("klamm-verify-{}", std::process::id()));
    std::fs::write(&config, "# tests\nlinger.ms = 1\nretries=2147483647\n").unwrap();
    let path = config.display().to_string();
    for signal in ["INT", "TERM"] {
        let arguments = ["verify", "producer", "--topic", "orders"];
        let more = ["--throughput", "500", "--command-config", &path];
        let mut child = broker
            .command(&[&arguments[..], &more].concat())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut seen = String::new();
        while named(&seen, "producer_send_success").len() < 5 {
            assert!(output.read_line(&mut seen).unwrap() > 0, "{seen}");
        }
        match signal {
            "INT" => interrupt(&child),
            _ => {
                let pid = child.id().to_string();
                let kill = std::process::Command::new("kill").arg(&pid).status();
                assert!(kill.unwrap().success());
            }
        }
        output.read_to_string(&mut seen).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(0), "{signal}");
        let acked = named(&seen, "producer_send_success").len();
        let summary = named(&seen, "tool_data").concat();
        assert!(
            summary.contains(&format!("\"acked\":{acked},")),
            "{summary}"
        );
        assert!(seen.lines().all(|line| line.starts_with("{\"timestamp\":")));
    }
    std::fs::remove_file(config).unwrap();
}

fn copier(broker: &Broker, arguments: &[&str]) -> Command {
    let bootstrap = broker.broker.bootstrap();
    let fixed = [
        "verify",
        "copier",
        "--broker-list",
        &bootstrap,
        "--input-topic",
        "orders",
        "--input-partition",
        "0",
        "--output-topic",
        "copies",
        "--consumer-group",
        "copiers",
        "--transactional-id",
        "copier-1",
    ];
    let mut command = klamm(&fixed);
    command.args(arguments);
    command
}

/// Values in partition 0 of `topic`, committed ones alone.
fn committed(broker: &Broker, topic: &str) -> Vec<String> {
    let committed = "isolation.level=read_committed";
    let read = broker.stdout(&["consume", topic, "-e", "-X", committed], "");
    read.lines().map(str::to_owned).collect()
}

/// Fills partition 0 of `orders`.
fn fill(broker: &Broker, records: usize) -> Vec<String> {
    // Records of one key go to one partition; this one's is the first of three.
    let values: Vec<_> = (0..records).map(|at| format!("{at:05}")).collect();
    let lines: Vec<_> = values.iter().map(|value| format!("f:{value}\n")).collect();
    broker.stdout(&["produce", "orders", "-K", ":"], &lines.concat());
    let partitions = broker.stdout(&["consume", "orders", "-e", "-f", r"%p\n"], "");
    assert!(partitions.lines().all(|partition| partition == "0"));
    values
}

fn field<'a>(line: &'a str, name: &str) -> &'a str {
    let (_, rest) = line
        .split_once(&format!("\"{name}\":"))
        .unwrap_or_else(|| panic!("{line}"));
    rest.split([',', '}']).next().unwrap().trim_matches('"')
}

#[test]
fn a_copier_copies_each_record_once_with_aborts_in_between_and_says_how_far_it_is() {
    for mode in [
        &["--enable-random-aborts"][..],
        &["--group-mode", "--use-group-metadata"],
    ] {
        let broker = Broker::start();
        let values = fill(&broker, 300);
        let mut command = copier(&broker, &["--transaction-size", "17"]);
        let ended = Ended::from(command.args(mode).output().unwrap());
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert_eq!(committed(&broker, "copies"), values, "{mode:?}");
        assert_eq!(broker.broker.committed("copiers", "orders", 0), Some(300));
        let (last, progress): (Vec<_>, Vec<_>) = ended
            .stdout
            .lines()
            .partition(|line| field(line, "stage") == "ShutdownComplete");
        assert_eq!(last.len(), 1, "{ended:?}");
        assert_eq!(ended.stdout.lines().last(), Some(last[0]));
        assert_eq!(field(last[0], "totalProcessed"), "300");
        assert_eq!(field(last[0], "remaining"), "0");
        assert!(!progress.is_empty());
        for line in progress {
            assert_eq!(field(line, "transactionalId"), "copier-1");
            assert!(["ProcessLoop", "RebalanceComplete"].contains(&field(line, "stage")));
            for number in ["totalProcessed", "consumed", "remaining"] {
                assert!(field(line, number).parse::<i64>().is_ok(), "{line}");
            }
        }
        // Another one goes on where this one ended: there is nothing left.
        let again = Ended::from(copier(&broker, &[]).output().unwrap());
        assert_eq!(again.code, Some(0), "{again:?}");
        assert_eq!(committed(&broker, "copies"), values);
    }
}

#[cfg(unix)]
#[test]
fn a_copier_that_is_told_to_stop_says_goodbye() {
    for signal in ["-TERM", "-INT"] {
        let broker = Broker::start();
        fill(&broker, 3000);
        let mut copier = copier(&broker, &["--transaction-size", "1"])
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(copier.stdout.take().unwrap()).lines();
        let first = lines.next().unwrap().unwrap();
        assert_eq!(field(&first, "stage"), "ProcessLoop");
        let pid = copier.id().to_string();
        let kill = Command::new("kill").args([signal, &pid]).status();
        assert!(kill.unwrap().success());
        let last = lines.last().unwrap().unwrap();
        assert_eq!(field(&last, "stage"), "ShutdownComplete");
        assert!(copier.wait().unwrap().success());
        let total: usize = field(&last, "totalProcessed").parse().unwrap();
        assert!(total < 3000);
        assert_eq!(committed(&broker, "copies").len(), total);
    }
}
