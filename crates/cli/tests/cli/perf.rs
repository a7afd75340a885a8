//! `klamm perf`.

use std::collections::HashMap;
use std::time::Duration;

use klamm_testbroker::{ApiKey, ErrorCode, Fault};

use crate::harness::{Broker, Ended, interrupt, json};

/// The fields of a result line, which is the only one.
fn fields(stdout: &str, verb: &str) -> HashMap<String, String> {
    let line = stdout.strip_suffix('\n').unwrap();
    assert!(!line.contains('\n'), "{stdout}");
    let fields = line.strip_prefix(&format!("klamm {verb} ")).unwrap();
    fields
        .split(' ')
        .map(|field| field.split_once('=').unwrap())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

#[test]
fn what_is_produced_can_be_consumed_and_both_are_counted() {
    let broker = Broker::start();
    for tasks in ["1", "3"] {
        let produce = [
            "perf",
            "produce",
            "--topic",
            "orders",
            "--records",
            "5000",
            "--tasks",
            tasks,
        ];
        let produced = fields(&broker.stdout(&produce, ""), "produce");
        assert_eq!(produced["records"], "5000");
        for name in [
            "seconds",
            "records_per_s",
            "cpu_seconds",
            "ns_cpu_per_record",
            "maxrss_mib",
        ] {
            assert!(
                produced[name].parse::<f64>().unwrap() >= 0.0,
                "{produced:?}"
            );
        }
        assert!(!produced.contains_key("partial"));
    }
    // Two times 5000, and one each that goes first.
    for group in [&[][..], &["--group", "billing"]] {
        let consume = ["perf", "consume", "--topic", "orders", "--records", "10002"];
        let stdout = broker.stdout(&[&consume[..], group].concat(), "");
        assert_eq!(fields(&stdout, "consume")["records"], "10002");
    }
}

#[test]
fn json_has_the_same_fields_as_numbers() {
    let broker = Broker::start();
    let produce = [
        "perf",
        "produce",
        "--topic",
        "orders",
        "--records",
        "500",
        "--json",
    ];
    let measured = json(&broker.stdout(&produce, ""));
    assert_eq!(measured["measured"], "produce");
    assert_eq!(measured["records"], 500);
    assert!(measured["records_per_s"].as_f64().unwrap() > 0.0);
    assert_eq!(measured["partial"], false);
}

fn at_200_a_second(verb: &str) -> [&str; 8] {
    [
        "perf",
        verb,
        "--topic",
        "orders",
        "--rate",
        "200",
        "--seconds",
        "1",
    ]
}

#[test]
fn the_way_of_every_record_to_the_consumer_is_timed() {
    let broker = Broker::start();
    // What was there before does not count.
    broker.stdout(&["produce", "orders"], "one\ntwo\n");
    let measured = fields(
        &broker.stdout(&at_200_a_second("end-to-end"), ""),
        "end-to-end",
    );
    assert_eq!((&*measured["records"], &*measured["rate"]), ("200", "200"));
    let number = |name: &str| measured[name].parse::<u64>().unwrap();
    assert!(number("p50_us") > 0 && number("p50_us") <= number("p99_us"));
    // A record of before the start would seem to have been under way for as long as that.
    assert!(number("max_us") < 60_000_000, "{measured:?}");
    let small = [&at_200_a_second("end-to-end")[..], &["--record-size", "7"]].concat();
    let ended = broker.run(&small, "");
    assert!(ended.stderr.contains("--record-size"), "{ended:?}");
}

#[test]
fn latencies_are_percentiles_in_their_order() {
    let broker = Broker::start();
    let latency = at_200_a_second("latency");
    let measured = fields(&broker.stdout(&latency, ""), "latency");
    assert_eq!((&*measured["records"], &*measured["rate"]), ("200", "200"));
    let number = |name: &str| measured[name].parse::<u64>().unwrap();
    assert!(number("p50_us") > 0);
    assert!(number("p50_us") <= number("p99_us"));
    assert!(number("p99_us") <= number("p99.9_us"));
    assert!(number("due_p50_us") >= number("p50_us"));
}

#[test]
fn records_that_are_not_acknowledged_are_noticed() {
    let broker = Broker::start();
    let produce = ["perf", "produce", "--topic", "orders", "--records", "20000"];
    // The record that goes first is only delayed; of the many others, some are refused.
    for fault in [
        Fault::Delay(Duration::ZERO),
        Fault::Error(ErrorCode::TOPIC_AUTHORIZATION_FAILED),
    ] {
        broker.broker.inject(ApiKey::PRODUCE, fault).unwrap();
    }
    let ended = broker.run(&produce, "");
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let produced = fields(&ended.stdout, "produce");
    let acknowledged: u64 = produced["records"].parse().unwrap();
    assert_eq!(produced["partial"], "true");
    let told = format!("klamm: {} of 20000 records failed", 20_000 - acknowledged);
    assert!(ended.stderr.starts_with(&told), "{ended:?}");
}

#[test]
fn a_measurement_that_fails_on_its_way_shows_what_it_measured() {
    let broker = Broker::start();
    // Those that go first are only delayed.
    for fault in [
        Fault::Delay(Duration::ZERO),
        Fault::Delay(Duration::ZERO),
        Fault::Error(ErrorCode::TOPIC_AUTHORIZATION_FAILED),
    ] {
        broker.broker.inject(ApiKey::PRODUCE, fault).unwrap();
    }
    let ended = broker.run(&at_200_a_second("end-to-end"), "");
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let measured = fields(&ended.stdout, "end-to-end");
    assert_eq!(measured["partial"], "true");
    assert!(measured["records"].parse::<u64>().unwrap() < 200);
    assert!(
        ended.stderr.contains("TOPIC_AUTHORIZATION_FAILED"),
        "{ended:?}"
    );
}

#[test]
fn a_measurement_that_can_not_go_on_shows_what_it_measured() {
    let broker = Broker::start();
    // The record that goes first is only delayed; the next one's refusal ends the producer.
    for fault in [
        Fault::Delay(Duration::ZERO),
        Fault::Error(ErrorCode::CLUSTER_AUTHORIZATION_FAILED),
    ] {
        broker.broker.inject(ApiKey::PRODUCE, fault).unwrap();
    }
    let mut latency = at_200_a_second("latency");
    // Nobody waits for that.
    latency[7] = "3600";
    let ended = broker.run(&latency, "");
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let measured = fields(&ended.stdout, "latency");
    assert_eq!(
        (&*measured["records"], &*measured["partial"]),
        ("0", "true")
    );
    assert!(
        ended.stderr.contains(" of 720000 records failed"),
        "{ended:?}"
    );
    let refused = "CLUSTER_AUTHORIZATION_FAILED";
    assert!(ended.stderr.contains(refused), "{ended:?}");
}

#[test]
fn a_run_that_is_interrupted_says_that_its_result_is_partial() {
    let broker = Broker::start();
    broker.stdout(&["produce", "orders"], "one\n");
    let consume = ["perf", "consume", "--topic", "orders", "--records", "1000"];
    let child = broker.command(&consume).spawn().unwrap();
    while broker.broker.requests(ApiKey::FETCH) < 2 {
        std::thread::yield_now();
    }
    interrupt(&child);
    let ended = Ended::from(child.wait_with_output().unwrap());
    assert_eq!(ended.code, Some(130), "{ended:?}");
    assert_eq!(fields(&ended.stdout, "consume")["partial"], "true");
    assert!(ended.stderr.contains("interrupted after"), "{ended:?}");
}
