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
        // Either brokers or controllers, and controllers have no records.
        &["cluster", "-b", "a:1", "--bootstrap-controller", "b:2"],
        &[
            "cluster",
            "-X",
            "bootstrap.servers=a:1",
            "-X",
            "bootstrap.controllers=b:2",
        ],
        &["produce", "orders", "--bootstrap-controller", "b:2"],
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
    assert_eq!(broker.topics(), ["orders"]);
}

#[test]
fn files_of_other_clients_work_as_they_are_and_what_is_closer_wins() {
    let broker = Broker::start();
    let folder = std::env::temp_dir().join(format!("klamm-cli-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let address = broker.broker.bootstrap();
    let java = folder.join("client.properties");
    // Also properties that a lister of topics has no use for: nobody is told of those of a file.
    let text = format!(
        "# Java\nbootstrap.servers = {address}\nsecurity.protocol=PLAINTEXT\nlinger.ms=5\ngroup.id=billing\n"
    );
    std::fs::write(&java, text).unwrap();
    let librdkafka = folder.join("librdkafka.conf");
    let text = format!("metadata.broker.list={address}\nqueue.buffering.max.ms=5\n");
    std::fs::write(&librdkafka, text).unwrap();
    for file in [&java, &librdkafka] {
        let file = file.to_str().unwrap();
        let ended = run(&mut klamm(&["topics", "-F", file]), "");
        assert_eq!((ended.code, &*ended.stderr), (Some(0), ""), "{ended:?}");
        let mut by_variable = klamm(&["topics"]);
        let ended = run(by_variable.env("KLAMM_CONFIG", file), "");
        assert_eq!((ended.code, &*ended.stderr), (Some(0), ""), "{ended:?}");
        // A file that was named wins over the variable; -b over both.
        let mut named = klamm(&["topics", "-F", file]);
        let ended = run(named.env("KLAMM_BOOTSTRAP", nobody()), "");
        assert_eq!(ended.code, Some(0), "{ended:?}");
        let ended = run(&mut klamm(&["topics", "-F", file, "-b", &nobody()]), "");
        assert_eq!(ended.code, Some(1), "{ended:?}");
    }
    let mut by_variable = klamm(&["topics"]);
    let ended = run(by_variable.env("KLAMM_BOOTSTRAP", &address), "");
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let missing = folder.join("missing");
    let ended = run(&mut klamm(&["topics", "-F", missing.to_str().unwrap()]), "");
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.stderr.contains("missing"), "{ended:?}");
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn completions_are_for_shells_that_are_known() {
    for shell in ["bash", "zsh", "fish"] {
        let ended = run(&mut klamm(&["completions", shell]), "");
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert!(ended.stdout.contains("remove-members"), "{shell}");
    }
}
