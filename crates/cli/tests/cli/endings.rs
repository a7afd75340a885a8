//! How commands end before they are done: by signals, and where nobody reads what they print.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use klamm_testbroker::{ApiKey, Fault};

use crate::harness::{Broker, Ended, interrupt, json, klamm, run, terminate, until};

/// A stream that nobody reads any more.
fn unread() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

fn ended(child: Child) -> Ended {
    child.wait_with_output().unwrap().into()
}

#[test]
fn a_second_ctrl_c_ends_what_the_first_one_waits_for() {
    let broker = Broker::start();
    // Answers come much later than anybody waits, however often one is asked for.
    let answer = Fault::Delay(Duration::from_secs(3600)).times(100);
    broker.broker.inject(ApiKey::PRODUCE, answer).unwrap();
    let started = Instant::now();
    let mut child = broker
        .command(&["produce", "orders", "-p", "0", "-c", "2"])
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"one\n").unwrap();
    until("the record under way", || {
        (broker.broker.requests(ApiKey::PRODUCE) > 0).then_some(())
    });
    interrupt(&child);
    // Whether the first has arrived can't be seen: two that come together may be one.
    until("the end", || {
        std::thread::sleep(Duration::from_millis(50));
        interrupt(&child);
        child.try_wait().unwrap()
    });
    let ended = ended(child);
    assert_eq!(ended.code, Some(130), "{ended:?}");
    assert!(ended.stderr.contains("interrupted again"), "{ended:?}");
    assert!(started.elapsed() < Duration::from_secs(60), "{ended:?}");
}

#[test]
fn whoever_ends_a_program_politely_is_told_how_far_it_came() {
    let broker = Broker::start();
    broker.stdout(&["produce", "orders", "-p", "0"], "one\ntwo\nthree\n");
    let read = ["consume", "orders", "-G", "billing", "-c", "100"];
    let mut child = broker.command(&read).spawn().unwrap();
    let printed = child.stdout.take().unwrap();
    let printed = BufReader::new(printed).lines().take(3);
    let printed: Vec<String> = printed.map(Result::unwrap).collect();
    assert_eq!(printed, ["one", "two", "three"]);
    terminate(&child);
    let ended = ended(child);
    assert_eq!(ended.code, Some(130), "{ended:?}");
    assert!(ended.stderr.contains("after 3 records, and not at the end"));
    // What was printed is committed, and the group is left.
    let group = json(&broker.stdout(&["groups", "describe", "billing", "--json"], ""));
    assert_eq!(
        (&group[0]["state"], &group[0]["lag"]),
        (&"Empty".into(), &0.into())
    );
}

#[test]
fn nobody_who_reads_errors_is_no_reason_to_panic() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = nobody.local_addr().unwrap().to_string();
    drop(nobody);
    let mut command = klamm(&["topics", "-b", &address]);
    let ended = run(command.stderr(unread()), "");
    assert_eq!(ended.code, Some(1), "{ended:?}");
}

#[test]
fn what_could_not_be_printed_is_not_committed() {
    let broker = Broker::start();
    broker.stdout(&["produce", "orders", "-p", "0"], "one\ntwo\n");
    let mut read = broker.command(&["consume", "orders", "-G", "billing", "-e"]);
    let ended = run(read.stdout(unread()), "");
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(
        broker.stdout(&["consume", "orders", "-G", "billing", "-e"], ""),
        "one\ntwo\n"
    );
}

#[test]
fn looks_that_were_counted_and_interrupted_are_said_to_be_too_few() {
    let broker = Broker::start();
    broker.stdout(&["consume", "orders", "-G", "billing", "-e"], "");
    for (looks, code) in [(&["-c", "1000"][..], 130), (&[], 0)] {
        let watch = [&["lag", "--watch", "-n", "10ms"], looks].concat();
        let before = broker.broker.requests(ApiKey::OFFSET_FETCH);
        let child = broker.command(&watch).spawn().unwrap();
        until("two looks", || {
            (broker.broker.requests(ApiKey::OFFSET_FETCH) > before + 1).then_some(())
        });
        interrupt(&child);
        let ended = ended(child);
        assert_eq!(ended.code, Some(code), "{looks:?}: {ended:?}");
        let said = ended.stderr.contains("interrupted before it was done");
        assert_eq!(said, code == 130, "{ended:?}");
    }
}
