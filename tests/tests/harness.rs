//! The harness keeps its own promises: brokers start, stay themselves across restarts, and never outlive a test.

use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use klamm_tests::{
    JavaOracle, Kafka, OracleRecord, OracleStep, Result, RunningTool, process_is_alive,
};

/// Long enough for a busy machine, short enough for a person.
const PATIENCE: Duration = Duration::from_secs(30);

fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(
            Instant::now() < deadline,
            "waited {PATIENCE:?} in vain until {what}"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn accepts(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).is_ok()
}

fn record(value: &str) -> OracleRecord {
    OracleRecord {
        value: Some(value.into()),
        ..OracleRecord::default()
    }
}

fn values(records: &[OracleRecord]) -> Vec<String> {
    let text = |record: &OracleRecord| {
        String::from_utf8(record.value.clone().expect("a value")).expect("UTF-8")
    };
    records.iter().map(text).collect()
}

#[test]
fn a_killed_and_a_stopped_broker_come_back_with_port_and_data_and_a_dropped_one_is_gone()
-> Result<()> {
    // The listener, too, has a port of its own.
    let kafka = Kafka::builder().listener("INSIDE", "PLAINTEXT").start()?;
    let (node, java) = (kafka.node(0), kafka.java_oracle()?);
    let (pid, port) = (node.pid().expect("it runs"), node.port());
    assert_eq!(kafka.bootstrap(), format!("127.0.0.1:{port}"));
    let inside = kafka.bootstrap_of("INSIDE");
    assert_ne!(inside, kafka.bootstrap());
    let topic = kafka.create_topic("kept", 1)?;
    let acks = [("acks", "all")];
    java.produce(&inside, &topic, &[record("before the kill")], &acks)?;

    node.kill()?;
    assert!(!process_is_alive(pid));
    assert!(!accepts(port));
    assert_eq!(node.pid(), None);
    node.restart()?;
    assert_ne!(node.pid(), Some(pid));
    java.produce(
        &kafka.bootstrap(),
        &topic,
        &[record("before the stop")],
        &acks,
    )?;

    node.stop()?;
    assert!(
        node.log()?.contains("shut down completed"),
        "the stop was not a clean one"
    );
    node.restart()?;
    assert_eq!(node.port(), port);
    let records = java.consume(&kafka.bootstrap(), &topic, 2, &[])?;
    assert_eq!(values(&records), ["before the kill", "before the stop"]);

    let (pid, data_dir) = (node.pid().expect("it runs"), node.data_dir());
    assert!(process_is_alive(pid) && accepts(port) && data_dir.exists());
    drop(kafka);
    assert!(!process_is_alive(pid));
    assert!(!accepts(port));
    assert!(!data_dir.exists());
    Ok(())
}

#[test]
fn a_paused_broker_accepts_but_does_not_answer_until_it_is_resumed() -> Result<()> {
    let kafka = Kafka::builder().start()?;
    let (node, topic) = (kafka.node(0), kafka.create_topic("paused", 1)?);
    node.pause()?;
    assert!(node.is_running());
    assert!(
        accepts(node.port()),
        "the kernel accepts for a stopped process"
    );
    assert!(
        kafka.leader_of(&topic, 0).is_err(),
        "a paused broker answered"
    );
    node.resume()?;
    assert_eq!(kafka.leader_of(&topic, 0)?.id(), node.id());
    node.pause()?;
    // A stopped process does not keep us from ending: the drop must kill it.
    let pid = node.pid().expect("it runs");
    drop(kafka);
    assert!(!process_is_alive(pid));
    Ok(())
}

#[test]
fn a_broker_that_can_not_start_is_an_error_with_the_end_of_its_log() {
    let error = Kafka::builder()
        .property("num.io.threads", "none")
        .start()
        .unwrap_err();
    let text = error.to_string();
    assert!(text.contains("num.io.threads"), "{text}");
    // The log is kept for the reader of the error, who is this test.
    let kept = text
        .split("klamm-kafka")
        .nth(1)
        .and_then(|rest| rest.split('/').next());
    let kept = std::env::temp_dir().join(format!(
        "klamm-kafka{}",
        kept.expect("the place of the log")
    ));
    assert!(kept.join("node-1").exists());
    std::fs::remove_dir_all(kept).expect("ours to remove");
}

#[test]
fn what_a_killed_test_process_started_dies_with_it() {
    let mut process = Command::new(env!("CARGO_BIN_EXE_kafka"))
        .args(["--nodes", "3"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = BufReader::new(process.stdout.take().unwrap());
    let mut lines = output.lines().map_while(std::result::Result::ok);
    let mut pids: Vec<u32> = Vec::new();
    let mut logs = Vec::new();
    let bootstrap = loop {
        let line = lines.next().expect("the brokers started");
        match line.split_once(' ').expect("a name and a value") {
            ("pid", pid) => pids.push(pid.parse().unwrap()),
            ("log", log) => logs.push(PathBuf::from(log)),
            ("bootstrap", bootstrap) => break bootstrap.to_owned(),
            _ => panic!("{line:?} was not expected"),
        }
    };
    assert_eq!((pids.len(), bootstrap.split(',').count()), (3, 3));
    assert!(pids.iter().all(|pid| process_is_alive(*pid)) && logs.iter().all(|log| log.exists()));

    process.kill().unwrap(); // SIGKILL: no destructor runs
    process.wait().unwrap();
    eventually("the brokers are dead", || {
        !pids.iter().any(|pid| process_is_alive(*pid))
    });
    let run_dir = logs[0]
        .ancestors()
        .nth(2)
        .expect("node-1/server.log is below it");
    eventually("their directory is gone", || !run_dir.exists());
}

#[test]
fn three_nodes_are_one_cluster_that_outlives_one_of_them() -> Result<()> {
    let kafka = Kafka::builder()
        .nodes(3)
        .property("broker.session.timeout.ms", 3000)
        .start()?;
    let java = kafka.java_oracle()?;
    let topic = kafka.create_topic("replicated", 3)?;
    let ids: Vec<i32> = kafka.nodes().iter().map(klamm_tests::Node::id).collect();
    assert_eq!(ids, [1, 2, 3]);

    let lost = kafka.leader_of(&topic, 0)?;
    lost.kill()?;
    eventually("partition 0 has another leader", || {
        kafka
            .leader_of(&topic, 0)
            .is_ok_and(|leader| leader.id() != lost.id())
    });
    let record = OracleRecord {
        partition: Some(0),
        ..record("written by two of three")
    };
    java.produce(&kafka.bootstrap(), &topic, &[record], &[("acks", "all")])?;
    lost.restart()?;
    kafka.wait_until_ready()?;
    let records = java.consume(&kafka.bootstrap(), &topic, 1, &[])?;
    assert_eq!(values(&records), ["written by two of three"]);
    Ok(())
}

#[test]
fn the_oracle_gives_back_every_byte_it_was_given() -> Result<()> {
    let kafka = Kafka::shared();
    let (java, topic) = (kafka.java_oracle()?, kafka.create_topic("round-trip", 3)?);
    let not_utf8 = Some(vec![0xff, 0x00, 0xfe, b'\n', b'\t', b',']);
    let at = |partition, key, value, headers| OracleRecord {
        partition: Some(partition),
        timestamp: Some(1_700_000_000_123),
        key,
        value,
        headers,
        ..OracleRecord::default()
    };
    let duplicates = vec![
        ("trace".to_owned(), Some(b"one".to_vec())),
        (String::new(), None),
        ("trace".to_owned(), Some(Vec::new())),
        ("naïve=,\t".to_owned(), not_utf8.clone()),
        ("trace".to_owned(), Some(b"one".to_vec())),
    ];
    let records = [
        at(0, None, None, Vec::new()),
        at(0, Some(Vec::new()), Some(Vec::new()), duplicates),
        at(0, not_utf8.clone(), not_utf8, Vec::new()),
        at(
            2,
            Some(b"null".to_vec()),
            Some(b"null".to_vec()),
            Vec::new(),
        ),
    ];
    let positions = java.produce(&kafka.bootstrap(), &topic, &records, &[("linger.ms", "50")])?;
    let places: Vec<(i32, i64)> = positions
        .iter()
        .map(|at| (at.partition, at.offset))
        .collect();
    assert_eq!(places, [(0, 0), (0, 1), (0, 2), (2, 0)]);

    let mut consumed = java.consume(&kafka.bootstrap(), &topic, records.len(), &[])?;
    consumed.sort_by_key(|record| (record.partition, record.offset));
    let expected = records
        .into_iter()
        .zip(positions)
        .map(|(record, position)| OracleRecord {
            offset: Some(position.offset),
            leader_epoch: Some(0),
            ..record
        });
    assert_eq!(consumed, expected.collect::<Vec<_>>());
    Ok(())
}

#[test]
fn the_oracle_picks_the_partitions_that_its_producer_picks() -> Result<()> {
    let kafka = Kafka::shared();
    let (java, topic) = (kafka.java_oracle()?, kafka.create_topic("partitioned", 7)?);
    let keys: Vec<Vec<u8>> = (0..40_u8)
        .map(|length| (0..length).map(|byte| byte ^ 0xa5).collect())
        .collect();
    let keyed = |key: &Vec<u8>| OracleRecord {
        key: Some(key.clone()),
        ..record("v")
    };
    let records: Vec<OracleRecord> = keys.iter().map(keyed).collect();
    let produced = java.produce(&kafka.bootstrap(), &topic, &records, &[])?;
    let slices: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
    let picked = java.partitions(7, &slices)?;
    assert_eq!(
        picked,
        produced
            .iter()
            .map(|position| position.partition)
            .collect::<Vec<_>>()
    );
    Ok(())
}

#[test]
fn the_oracle_commits_aborts_and_reads_what_is_committed() -> Result<()> {
    let kafka = Kafka::shared();
    let (java, topic) = (kafka.java_oracle()?, kafka.create_topic("transactions", 1)?);
    let id = kafka.unique_topic("transactional-id");
    let steps = [
        OracleStep::Begin,
        OracleStep::Send(record("aborted")),
        OracleStep::Abort,
        OracleStep::Begin,
        OracleStep::Send(record("committed")),
        OracleStep::Commit,
    ];
    let positions = java.produce_steps(
        &kafka.bootstrap(),
        &topic,
        &steps,
        &[("transactional.id", &id)],
    )?;
    assert_eq!(positions.len(), 2);
    let committed = [("isolation.level", "read_committed")];
    assert_eq!(
        values(&java.consume(&kafka.bootstrap(), &topic, 1, &committed)?),
        ["committed"]
    );
    assert_eq!(
        values(&java.consume(&kafka.bootstrap(), &topic, 2, &[])?),
        ["aborted", "committed"]
    );
    Ok(())
}

#[test]
fn a_tool_reads_its_input_and_a_running_one_shows_its_lines_and_dies_when_dropped() -> Result<()> {
    let kafka = Kafka::shared();
    let topic = kafka.create_topic("tools", 1)?;
    let bootstrap = kafka.bootstrap();
    let arguments = ["--bootstrap-server", &bootstrap, "--topic", &topic];
    let mut consumer: RunningTool = kafka
        .tool("org.apache.kafka.tools.consumer.ConsoleConsumer")?
        .args(arguments)
        .arg("--from-beginning")
        .spawn()?;
    kafka
        .tool("org.apache.kafka.tools.ConsoleProducer")?
        .args(arguments)
        .stdin("from a tool\n")
        .run()?;
    assert_eq!(
        consumer.wait_for_line(|line| line.contains("tool"))?,
        "from a tool"
    );
    let pid = consumer.pid();
    drop(consumer);
    assert!(!process_is_alive(pid));

    let error = kafka
        .tool("org.apache.kafka.tools.TopicCommand")?
        .arg("--nonsense")
        .run()
        .unwrap_err();
    assert!(error.to_string().contains("nonsense"), "{error}");
    Ok(())
}

#[test]
fn a_tool_that_takes_too_long_is_killed() -> Result<()> {
    let kafka = Kafka::shared();
    let topic = kafka.create_topic("silent", 1)?;
    let java: JavaOracle = kafka.java_oracle()?;
    let running = java.spawn_consume(&kafka.bootstrap(), &topic, 1, &[])?;
    let pid = running.pid();
    let error = running.patience(Duration::from_secs(3)).wait().unwrap_err();
    assert!(error.to_string().contains("in time"), "{error}");
    assert!(!process_is_alive(pid));
    Ok(())
}
