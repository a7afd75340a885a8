//! A cut network, killed and sleeping brokers while klamm produces: what is acknowledged is in the log
//! once and in order, what failed was reported, and Java is the judge.
//!
//! The short version is part of every run. `just chaos-producer` runs the long one: 2,000,000 records on
//! three nodes.

mod support;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use klamm::{Outcome as Written, ProducerBuilder};
use klamm_tests::Kafka;
use support::ledger::{Ledger, PARTITIONS, Told, acknowledged, check, failed_as};
use support::{Outcome, blocking, connect};

const BUFFER_BYTES: usize = 4 << 20;

/// Sends records through the proxies until `disturb` is done and `records_min` are sent; `disturb` is
/// handed how many are sent. Gives what was told of each.
async fn send_through<F>(
    kafka: &Kafka,
    topic: &str,
    records_min: usize,
    build: impl FnOnce(ProducerBuilder) -> ProducerBuilder,
    disturb: F,
) -> Result<Vec<Told>, Box<dyn std::error::Error>>
where
    F: FnOnce(&AtomicUsize) -> klamm_tests::Result<()> + Send,
{
    let client = connect(&kafka.proxied_bootstrap()).await;
    let builder = client.producer().buffer_memory(BUFFER_BYTES);
    let producer = build(builder).build()?;
    let (sent, is_over) = (AtomicUsize::new(0), AtomicBool::new(false));
    let mut ledger = Ledger::default();
    std::thread::scope(|scope| {
        let disturbing = scope.spawn(|| {
            let disturbed = disturb(&sent);
            is_over.store(true, Ordering::Relaxed);
            disturbed
        });
        let sending = async {
            while ledger.sent.len() < records_min || !is_over.load(Ordering::Relaxed) {
                ledger.send(&producer, topic).await;
                sent.store(ledger.sent.len(), Ordering::Relaxed);
            }
        };
        blocking(|| tokio::runtime::Handle::current().block_on(sending));
        disturbing.join().expect("the disturber does not panic")
    })?;
    let told = ledger.settle().await;
    let stats = producer.stats();
    println!(
        "{} records: {} acknowledged, {} not written, {} unknown; {} retries, {} requests lost, \
         slowest batch {:?}, errors {:?}",
        told.len(),
        acknowledged(&told),
        failed_as(&told, Written::NotWritten),
        failed_as(&told, Written::Unknown),
        stats.retries,
        stats.requests_lost,
        stats.latency.max(),
        stats.errors,
    );
    Ok(told)
}

/// Waits until so many more records were sent: what comes next hits a flow of them.
fn flow(sent: &AtomicUsize, records: usize) {
    let goal = sent.load(Ordering::Relaxed) + records;
    let deadline = Instant::now() + Duration::from_secs(120);
    while sent.load(Ordering::Relaxed) < goal && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_that_is_cut_and_swallows_loses_doubles_and_reorders_nothing() -> Outcome {
    let kafka = Kafka::builder().proxied().start()?;
    let topic = kafka.create_topic("cut", PARTITIONS as i32)?;
    let build = |builder: ProducerBuilder| {
        // What is swallowed is noticed by this alone.
        builder
            .batch_size(8 << 10)
            .request_timeout(Duration::from_secs(1))
    };
    let proxy = kafka.proxy(1);
    let told = send_through(&kafka, &topic, 60_000, build, |sent| {
        for round in 0..12 {
            flow(sent, 3000);
            if round % 6 == 5 {
                proxy.swallow();
            } else {
                proxy.cut();
            }
        }
        Ok(())
    })
    .await?;
    assert_eq!(acknowledged(&told), told.len());
    let read = blocking(|| support::read_to_end(&kafka, &topic))?;
    assert_eq!(read.len(), told.len());
    check(&told, &read);
    Ok(())
}

/// One after the other, while records flow: the leader is killed, two of the three nodes are, a leader
/// sleeps for 40 s, the network is cut and swallows.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes; just chaos-producer"]
async fn two_million_records_survive_kills_a_long_sleep_and_a_cut_network() -> Outcome {
    const RECORDS: usize = 2_000_000;
    const BETWEEN: usize = 100_000;
    let kafka = Kafka::builder()
        .nodes(3)
        .proxied()
        .property("broker.session.timeout.ms", 3000)
        .property("min.insync.replicas", 2)
        .start()?;
    let topic = kafka.create_topic("chaos", PARTITIONS as i32)?;
    let kill = |place: usize| -> klamm_tests::Result<()> {
        kafka.node(place).kill()?;
        kafka.node(place).restart()?;
        kafka.wait_until_ready()
    };
    let told = send_through(
        &kafka,
        &topic,
        RECORDS,
        |builder| builder,
        |sent| {
            for round in 0..3 {
                flow(sent, BETWEEN);
                println!("killing the leader of partition {round}");
                let leader = kafka.leader_of(&topic, round)?.id();
                kill(leader as usize - 1)?;
            }
            flow(sent, BETWEEN);
            println!("killing two of the three nodes, one after the other");
            kafka.node(0).kill()?;
            std::thread::sleep(Duration::from_secs(5));
            kafka.node(1).kill()?;
            std::thread::sleep(Duration::from_secs(5));
            kafka.node(0).restart()?;
            kafka.node(1).restart()?;
            kafka.wait_until_ready()?;
            flow(sent, BETWEEN);
            println!("a leader sleeps for 40 s");
            let leader = kafka.leader_of(&topic, 0)?;
            leader.pause()?;
            std::thread::sleep(Duration::from_secs(40));
            leader.resume()?;
            for round in 0..10 {
                flow(sent, BETWEEN / 4);
                for proxy in kafka.proxies() {
                    if round == 9 {
                        proxy.swallow();
                    } else {
                        proxy.cut();
                    }
                }
            }
            flow(sent, BETWEEN);
            Ok(())
        },
    )
    .await?;
    assert!(told.len() >= RECORDS, "{}", told.len());
    let read = blocking(|| support::read_to_end(&kafka, &topic))?;
    check(&told, &read);
    println!(
        "Java read {} records, {} were told as written",
        read.len(),
        acknowledged(&told)
    );
    Ok(())
}
