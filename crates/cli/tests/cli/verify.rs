//! `klamm verify`.

use std::io::{BufRead as _, BufReader, Read as _};

use klamm_testbroker::{ApiKey, ErrorCode, Fault};

use crate::harness::{Broker, interrupt};

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
        first.contains(r#""key":"0","value":"7.0","topic":"orders","partition":"#),
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
