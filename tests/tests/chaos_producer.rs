//! A cut network, killed and sleeping brokers while klamm produces: what is acknowledged is in the log
//! once and in order, what failed was reported, and Java is the judge.
//!
//! The short version is part of every run. `just chaos-producer` runs the long ones: 2,000,000 records on
//! three nodes, with time enough for all of them, and with too little.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use klamm::{Outcome as Written, Producer, ProducerBuilder};
use klamm_tests::Kafka;
use support::ledger::{Ledger, PARTITIONS, Reports, Told, acknowledged, check, failed_as};
use support::{Outcome, blocking, connect, within};

const BUFFER_BYTES: usize = 4 << 20;
/// Records a millisecond: what goes on for minutes has to be read by Java, too.
const PACE: usize = 64;

/// Sends records through the proxies until `disturb`, which is lent the producer, is done and
/// `records_min` are sent. Gives what was told of each, which the delivery callback was told, too.
async fn send_through<F>(
    kafka: &Kafka,
    topic: &str,
    records_min: usize,
    build: impl FnOnce(ProducerBuilder) -> ProducerBuilder,
    disturb: F,
) -> Result<Vec<Told>, Box<dyn std::error::Error>>
where
    F: FnOnce(&Producer) -> klamm_tests::Result<()> + Send,
{
    let client = connect(&kafka.proxied_bootstrap()).await;
    let reports = Arc::new(Reports::default());
    let noting = Arc::clone(&reports);
    let builder = client.producer().buffer_memory(BUFFER_BYTES);
    let builder = builder.on_delivery(move |report| noting.note(report));
    let producer = build(builder).build()?;
    let is_over = AtomicBool::new(false);
    let mut ledger = Ledger::default();
    std::thread::scope(|scope| {
        let disturbing = scope.spawn(|| {
            let disturbed = disturb(&producer);
            is_over.store(true, Ordering::Relaxed);
            disturbed
        });
        let sending = async {
            while ledger.sent.len() < records_min || !is_over.load(Ordering::Relaxed) {
                for _ in 0..PACE {
                    ledger.send(&producer, topic).await;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        blocking(|| tokio::runtime::Handle::current().block_on(sending));
        disturbing.join().expect("the disturber does not panic")
    })?;
    let told = ledger.settle().await;
    // A delivery is told before its batch is reported.
    within(120, "close", producer.close(Duration::from_secs(60))).await?;
    reports.check(&told);
    let stats = producer.stats();
    let acknowledged = acknowledged(&told);
    println!(
        "{} records: {acknowledged} acknowledged, {} not written, {} unknown; {} retries, {} requests lost, \
         slowest batch {:?}, errors {:?}",
        told.len(),
        failed_as(&told, Written::NotWritten),
        failed_as(&told, Written::Unknown),
        stats.retries,
        stats.requests_lost,
        stats.latency.max(),
        stats.errors,
    );
    assert!(stats.requests_lost > 0, "nothing was disturbed");
    assert_eq!(stats.records_acknowledged, acknowledged as u64);
    assert_eq!(stats.records_failed, (told.len() - acknowledged) as u64);
    Ok(told)
}

/// Waits until so many more records are acknowledged: what comes next hits a flow of them.
fn flow(producer: &Producer, records: u64) {
    let acknowledged = || producer.stats().records_acknowledged;
    let goal = acknowledged() + records;
    let deadline = Instant::now() + Duration::from_secs(120);
    while acknowledged() < goal && Instant::now() < deadline {
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
    let told = send_through(&kafka, &topic, 60_000, build, |producer| {
        for round in 0..12 {
            flow(producer, 3000);
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

/// Enough records between two troubles that the next one hits a flow of them.
const BETWEEN: u64 = 100_000;

/// Three nodes that all records are on, and a topic.
fn three_nodes() -> klamm_tests::Result<(Kafka, String)> {
    let kafka = Kafka::builder()
        .nodes(3)
        .proxied()
        .property("broker.session.timeout.ms", 3000)
        .property("min.insync.replicas", 2)
        .start()?;
    let topic = kafka.create_topic("chaos", PARTITIONS as i32)?;
    Ok((kafka, topic))
}

/// One after the other, while records flow: the leader is killed, two of the three nodes are, a leader
/// sleeps for 40 s, all three sleep, the network is cut and swallows.
fn one_after_the_other(kafka: &Kafka, topic: &str, producer: &Producer) -> klamm_tests::Result<()> {
    // Without the others in sync nobody can take a leader's place, and that is not the client's time.
    let flow_in_sync = || {
        flow(producer, BETWEEN);
        println!("slowest batch so far {:?}", producer.stats().latency.max());
        kafka.wait_until_in_sync(topic)
    };
    for round in 0..3 {
        flow_in_sync()?;
        println!("killing the leader of partition {round}");
        let leader = kafka.leader_of(topic, round)?;
        leader.kill()?;
        leader.restart()?;
        kafka.wait_until_ready()?;
    }
    flow_in_sync()?;
    println!("killing two of the three nodes, one after the other");
    kafka.node(0).kill()?;
    std::thread::sleep(Duration::from_secs(5));
    kafka.node(1).kill()?;
    std::thread::sleep(Duration::from_secs(5));
    kafka.node(0).restart()?;
    kafka.node(1).restart()?;
    kafka.wait_until_ready()?;
    flow_in_sync()?;
    println!("a leader sleeps for 40 s");
    let leader = kafka.leader_of(topic, 0)?;
    let (slept, patience) = (Instant::now(), Duration::from_secs(40));
    leader.pause()?;
    kafka.wait_until_replaced(leader, topic)?;
    println!("others lead, in sync, after {:?}", slept.elapsed());
    std::thread::sleep(patience.saturating_sub(slept.elapsed()));
    leader.resume()?;
    flow_in_sync()?;
    println!("all three sleep for 10 s, with requests that nobody has read");
    for node in kafka.nodes() {
        node.pause()?;
    }
    std::thread::sleep(Duration::from_secs(10));
    for node in kafka.nodes() {
        node.resume()?;
    }
    flow_in_sync()?;
    println!(
        "cutting the network, and swallowing what it carries until `request.timeout.ms` is over"
    );
    for round in 0..10 {
        flow(producer, BETWEEN / 4);
        for proxy in kafka.proxies() {
            if round == 9 {
                proxy.swallow();
            } else {
                proxy.cut();
            }
        }
    }
    flow_in_sync()
}

/// 2,000,000 records and more; gives what was told of each, after it was held against what Java reads.
async fn two_million(
    build: impl FnOnce(ProducerBuilder) -> ProducerBuilder,
) -> Result<Vec<Told>, Box<dyn std::error::Error>> {
    const RECORDS: usize = 2_000_000;
    let (kafka, topic) = blocking(three_nodes)?;
    let disturb = |producer: &Producer| one_after_the_other(&kafka, &topic, producer);
    let told = send_through(&kafka, &topic, RECORDS, build, disturb).await?;
    assert!(told.len() >= RECORDS, "{}", told.len());
    let read = blocking(|| support::read_to_end(&kafka, &topic))?;
    check(&told, &read);
    println!("Java read {} records", read.len());
    Ok(told)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes; just chaos-producer"]
async fn two_million_records_survive_kills_a_long_sleep_and_a_cut_network() -> Outcome {
    let told = two_million(|builder| builder).await?;
    // Nothing took as long as `delivery.timeout.ms`.
    assert_eq!(acknowledged(&told), told.len());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes; just chaos-producer"]
async fn records_that_troubles_outlast_are_each_told_as_not_written_or_unknown() -> Outcome {
    let told = two_million(|builder| {
        let builder = builder.request_timeout(Duration::from_secs(1));
        builder.delivery_timeout(Duration::from_secs(2))
    })
    .await?;
    for outcome in [Written::NotWritten, Written::Unknown] {
        assert!(failed_as(&told, outcome) > 0, "no record was {outcome:?}");
    }
    Ok(())
}
