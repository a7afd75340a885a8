//! What the command says when it cannot do what it is asked to.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use crate::harness::{Broker, klamm, run};

/// An address where nobody listens.
fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

#[test]
fn an_address_without_a_broker_is_named_soon_and_in_one_line() {
    let address = nobody();
    for command in [
        &["topics"][..],
        &["consume", "orders", "-e"],
        &["produce", "orders"],
        &["perf", "produce", "--topic", "orders"],
    ] {
        let started = Instant::now();
        let ended = run(klamm(command).args(["-b", &address]), "");
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert_eq!(ended.stdout, "");
        assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
        assert!(ended.stderr.contains(&address), "{ended:?}");
        assert!(started.elapsed() < Duration::from_secs(10), "{ended:?}");
    }
}

#[test]
fn a_misused_command_has_the_exit_code_2() {
    for command in [
        &["frobnicate"][..],
        &["consume", "orders", "--format", "%q"],
        &["topics", "-b", "not an address"],
        &["produce", "orders", "-X", "acks=7"],
    ] {
        let ended = run(&mut klamm(command), "");
        assert_eq!(ended.code, Some(2), "{command:?} {ended:?}");
    }
}

#[test]
fn a_misspelled_property_is_named_with_the_right_one() {
    let command = ["produce", "orders", "-X", "lingre.ms=5", "-X", "acks=7"];
    let ended = run(&mut klamm(&command), "");
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
    assert!(ended.stderr.contains("linger.ms"), "{ended:?}");
    assert!(ended.stderr.contains("acks"), "{ended:?}");
}

#[test]
fn a_property_that_the_command_does_not_use_is_told_of() {
    let broker = Broker::start();
    let ended = broker.run(&["topics", "-X", "linger.ms=5"], "");
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stderr.contains("warning: linger.ms"), "{ended:?}");
}

#[test]
fn consuming_a_topic_that_is_not_there_fails_and_does_not_create_it() {
    let broker = Broker::start();
    for command in [
        &["consume", "nowhere"][..],
        &["consume", "nowhere", "-G", "g"],
    ] {
        let ended = broker.run(command, "");
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert!(ended.stderr.contains("nowhere"), "{ended:?}");
    }
    assert_eq!(broker.stdout(&["topics"], ""), "orders\t3\n");
}
