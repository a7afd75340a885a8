//! A producer to which ten times more is given than a broker takes, on a real Kafka that holds it back by a
//! quota: `just overload`.

mod support;

use std::time::{Duration, Instant};

use klamm::admin::QuotaEntity;
use klamm::{Client, Record};
use klamm_tests::Kafka;
use support::{Outcome, blocking, within};

/// What a broker takes of this client, in bytes a second.
const TAKEN: f64 = 1_000_000.0;
const CLIENT_ID: &str = "overload";
const TIME: Duration = Duration::from_secs(20);

/// Resident memory of this process, in bytes.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kibibytes = line.and_then(|line| line.split_whitespace().nth(1));
    kibibytes.unwrap().parse::<usize>().unwrap() << 10
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes half a minute and measures memory; just overload"]
async fn ten_times_too_much_stays_within_buffer_memory_and_other_partitions_go_on() -> Outcome {
    let kafka = blocking(|| Kafka::builder().nodes(2).start())?;
    let topic = blocking(|| kafka.create_topic("overload", 2))?;
    let leader = |partition| {
        kafka
            .leader_of(&topic, partition)
            .map(klamm_tests::Node::id)
    };
    let leaders = blocking(|| klamm_tests::Result::Ok((leader(0)?, leader(1)?)))?;
    assert_ne!(leaders.0, leaders.1, "a quota holds for each broker");
    let client = Client::builder(&kafka.bootstrap()).client_id(CLIENT_ID);
    let client = within(30, "connecting", client.connect()).await?;
    let quota = [("producer_byte_rate", Some(TAKEN))];
    let entity = QuotaEntity::client_id(CLIENT_ID);
    let changed = client.admin().alter_quotas([(entity, quota)]);
    changed.await?.all()?;
    let producer = client.producer().build()?;
    let limit = producer.stats().memory_limit;
    let value = vec![b'v'; 1000];
    for partition in [0, 1] {
        let warm_up = Record::to(&topic).partition(partition).value(&value);
        within(30, "warming up", producer.send(warm_up).await?).await?;
    }
    let before = resident();
    let (mut offered, mut most, mut slowest, mut others) = (0, 0, Duration::ZERO, 0);
    let mut refusal = None;
    let started = Instant::now();
    let mut other = Box::pin(send_and_wait(&producer, &topic));
    while started.elapsed() < TIME {
        for _ in 0..100 {
            let record = Record::to(&topic).partition(0).value(&value);
            offered += value.len();
            if let Err(error) = producer.try_send(record) {
                refusal = Some(error);
            }
        }
        most = most.max(resident());
        tokio::select! {
            biased;
            took = &mut other => {
                slowest = slowest.max(took);
                others += 1;
                other = Box::pin(send_and_wait(&producer, &topic));
            }
            () = tokio::time::sleep(Duration::from_millis(2)) => {}
        }
    }
    drop(other);
    let stats = producer.stats();
    let taken = stats.bytes_acknowledged;
    println!(
        "offered {offered} bytes, taken {taken}; buffer.memory {limit}, resident {before} before and {most} at \
         most; {others} records of the other partition, the slowest {slowest:?}; throttled {:?}",
        stats.throttled
    );
    assert!(offered as u64 > 10 * taken, "not enough was offered");
    assert!(
        most - before <= limit * 11 / 10,
        "{} bytes more",
        most - before
    );
    assert!(others > 20, "{others} records of the other partition");
    assert!(stats.throttled > Duration::ZERO);
    let refusal = refusal.expect("a full buffer").to_string();
    assert!(
        refusal.contains("buffer.memory") && refusal.contains(&topic),
        "{refusal}"
    );
    Ok(())
}

/// One record of the other partition, whose broker takes it; how long that took.
async fn send_and_wait(producer: &klamm::Producer, topic: &str) -> Duration {
    let started = Instant::now();
    let record = Record::to(topic).partition(1).value("other");
    let delivery = producer.send(record).await.unwrap();
    within(60, "the other partition", delivery).await.unwrap();
    started.elapsed()
}
