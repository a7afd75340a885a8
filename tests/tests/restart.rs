//! A broker that is killed, restarted and paused while klamm produces: nothing that was acknowledged
//! is lost, doubled or reordered, and the outcome of everything else is told truly.

mod support;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use klamm::Outcome as Written;
use klamm_tests::Kafka;
use support::ledger::{Ledger, PARTITIONS, acknowledged, check, failed_as};
use support::{Outcome, blocking, connect, within};

fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(
            std::time::Instant::now() < deadline,
            "waited in vain until {what}"
        );
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// More than `buffer.memory` of the tests holds: when so many more were accepted, some were
/// acknowledged.
const RECORDS_BETWEEN: usize = 40_000;
const BUFFER_BYTES: usize = 1 << 19;

/// Kills a leader `rounds` times while records flow, and lets it start again.
async fn kill_leaders_while_producing(kafka: &Kafka, rounds: usize) -> Outcome {
    let topic = kafka.create_topic("killed", PARTITIONS as i32)?;
    let client = connect(&kafka.bootstrap()).await;
    let builder = client.producer().batch_size(16 << 10);
    let producer = builder.buffer_memory(BUFFER_BYTES).build()?;

    let (sent, killed) = (AtomicUsize::new(0), AtomicBool::new(false));
    let mut ledger = Ledger::default();
    std::thread::scope(|scope| {
        let killing = scope.spawn(|| {
            for round in 0..rounds {
                let goal = sent.load(Ordering::Relaxed) + RECORDS_BETWEEN;
                wait_until("records flow", || sent.load(Ordering::Relaxed) >= goal);
                let leader = kafka.leader_of(&topic, round % PARTITIONS).unwrap();
                leader.kill().unwrap();
                leader.restart().unwrap();
                kafka.wait_until_ready().unwrap();
            }
            killed.store(true, Ordering::Relaxed);
        });
        let sending = async {
            let mut last = None;
            // As many after the last restart as between them.
            while last.is_none_or(|last| ledger.sent.len() < last) {
                ledger.send(&producer, &topic).await;
                sent.store(ledger.sent.len(), Ordering::Relaxed);
                if last.is_none() && (killed.load(Ordering::Relaxed) || killing.is_finished()) {
                    last = Some(ledger.sent.len() + RECORDS_BETWEEN);
                }
            }
        };
        blocking(|| tokio::runtime::Handle::current().block_on(sending));
        killing.join().unwrap();
    });
    let told = ledger.settle().await;
    assert!(told.len() >= 100_000, "{} records", told.len());
    // delivery.timeout.ms is far longer than a restart takes.
    let lost = told.iter().find_map(|(_, told)| told.as_ref().err());
    assert!(lost.is_none(), "{lost:?}");
    let read = blocking(|| support::read_to_end(kafka, &topic))?;
    assert_eq!(read.len(), told.len());
    check(&told, &read);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn three_kills_while_producing_lose_double_and_reorder_nothing() -> Outcome {
    kill_leaders_while_producing(&Kafka::builder().start()?, 3).await
}

#[tokio::test(flavor = "multi_thread")]
async fn leaders_that_die_and_are_replaced_lose_double_and_reorder_nothing() -> Outcome {
    // What a dead broker led goes to others soon.
    let builder = Kafka::builder()
        .nodes(3)
        .property("broker.session.timeout.ms", 3000);
    kill_leaders_while_producing(&builder.start()?, 2).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_paused_broker_does_not_acknowledge_in_time_is_told_truly() -> Outcome {
    let kafka = Kafka::builder().start()?;
    let topic = kafka.create_topic("paused", PARTITIONS as i32)?;
    let client = connect(&kafka.bootstrap()).await;
    let builder = client
        .producer()
        .batch_size(4 << 10)
        .buffer_memory(BUFFER_BYTES);
    let (request, delivery) = (Duration::from_secs(1), Duration::from_millis(2500));
    let producer = builder
        .request_timeout(request)
        .delivery_timeout(delivery)
        .build()?;
    let mut ledger = Ledger::default();
    for round in 0..3 {
        // However slow the machine is, the pause comes while records flow.
        let flows = async {
            let before = ledger.sent.len();
            let written = |ledger: &Ledger| {
                let told = ledger.sent[before..].iter();
                told.filter(|(_, delivery)| matches!(delivery.result(), Some(Ok(_))))
                    .count()
            };
            while written(&ledger) < 3000 {
                for _ in 0..1000 {
                    ledger.send(&producer, &topic).await;
                }
                producer.flush().await;
            }
        };
        within(60, "a flow of records", flows).await;
        for _ in 0..5000 {
            ledger.send(&producer, &topic).await;
        }
        kafka.node(0).pause()?;
        // The buffer fills, then what is in it expires and makes room.
        for _ in 0..20_000 {
            ledger.send(&producer, &topic).await;
        }
        // The last of a round is given up while the broker sleeps, or is written when it wakes.
        if round < 2 {
            let (_, last) = ledger.sent.last().unwrap();
            let expires = async {
                while last.result().is_none() {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            };
            within(30, "the delivery timeout", expires).await;
        }
        kafka.node(0).resume()?;
        let recovers = async {
            loop {
                ledger.send(&producer, &topic).await;
                producer.flush().await;
                if matches!(ledger.sent.last().unwrap().1.result(), Some(Ok(_))) {
                    return;
                }
            }
        };
        within(60, "going on after the pause", recovers).await;
    }
    let told = ledger.settle().await;
    let read = blocking(|| support::read_to_end(&kafka, &topic))?;
    check(&told, &read);
    let (unknown, not_written) = (
        failed_as(&told, Written::Unknown),
        failed_as(&told, Written::NotWritten),
    );
    let acknowledged = acknowledged(&told);
    println!("{acknowledged} acknowledged, {unknown} unknown, {not_written} not written");
    assert!(
        unknown > 0 && not_written > 0,
        "{unknown} unknown, {not_written} not written"
    );
    Ok(())
}
