//! How long a partition stands still after an error, and how much is asked meanwhile, with the pauses
//! that users have.
//!
//! The counts are asserted always; the times by `cargo test --test recovery -- --ignored --nocapture`,
//! on a machine that has nothing else to do.

mod world;

use std::sync::Arc;
use std::time::{Duration, Instant};

use klamm_net::{ClientConfig, Cluster};
use klamm_producer::{Producer, ProducerBuilder, Record};
use klamm_testbroker::{ApiKey, ErrorCode, Fault, TestBroker};
use world::{InMemory, soon};

const NOT_LEADER: Fault = Fault::Error(ErrorCode::NOT_LEADER_OR_FOLLOWER);
const TOO_FEW: Fault = Fault::Error(ErrorCode::NOT_ENOUGH_REPLICAS);
const OUT_OF_ORDER: Fault = Fault::Error(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);

/// What goes wrong, and the pauses that Java's backoff makes in between.
const SCRIPTS: [(&str, Fault, usize, u64); 8] = [
    ("one NOT_LEADER_OR_FOLLOWER", NOT_LEADER, 1, 100),
    ("three NOT_LEADER_OR_FOLLOWER", NOT_LEADER, 3, 700),
    ("one NOT_ENOUGH_REPLICAS", TOO_FEW, 1, 100),
    ("three NOT_ENOUGH_REPLICAS", TOO_FEW, 3, 700),
    ("one OUT_OF_ORDER_SEQUENCE_NUMBER", OUT_OF_ORDER, 1, 100),
    ("three OUT_OF_ORDER_SEQUENCE_NUMBER", OUT_OF_ORDER, 3, 700),
    ("one lost answer", Fault::DropAfter, 1, 100),
    ("three lost answers", Fault::DropAfter, 3, 700),
];

struct Run {
    broker: TestBroker,
    producer: Producer,
}

/// What was seen while records were sent, one after the other's acknowledgement.
struct Seen {
    /// Longest time for which nothing was acknowledged.
    still: Duration,
    metadata: u64,
    produce: u64,
    acknowledged: u64,
}

impl Run {
    async fn start() -> Self {
        let builder = TestBroker::builder().nodes(2).topic("orders", 1);
        let broker = builder.start().await.unwrap();
        let config = ClientConfig::new(&broker.bootstrap()).unwrap();
        let cluster = Cluster::connect(config).await.unwrap();
        let builder = ProducerBuilder::new(cluster).linger(Duration::ZERO);
        let producer = builder.build().unwrap();
        let run = Self { broker, producer };
        run.send(Duration::from_millis(20), |_| ()).await;
        run
    }

    /// Sends for `time`; `at` is called before each record with the time that has passed.
    async fn send(&self, time: Duration, mut at: impl FnMut(Duration)) -> Seen {
        let requests = |api| self.broker.requests(api);
        let before = (requests(ApiKey::METADATA), requests(ApiKey::PRODUCE));
        let start = Instant::now();
        let (mut still, mut acknowledged) = (Duration::ZERO, 0);
        while start.elapsed() < time {
            at(start.elapsed());
            let sent = Instant::now();
            let delivery = self.producer.send(Record::to("orders")).await.unwrap();
            delivery.await.unwrap();
            still = still.max(sent.elapsed());
            acknowledged += 1;
        }
        Seen {
            still,
            metadata: requests(ApiKey::METADATA) - before.0,
            produce: requests(ApiKey::PRODUCE) - before.1,
            acknowledged,
        }
    }
}

async fn run_script(fault: Fault, times: usize) -> Seen {
    let run = Run::start().await;
    run.broker
        .inject(ApiKey::PRODUCE, fault.times(times))
        .unwrap();
    run.send(Duration::from_millis(20), |_| ()).await
}

async fn move_leaders() -> Seen {
    let run = Run::start().await;
    let mut moves = 0;
    run.send(Duration::from_millis(2600), |passed| {
        if passed >= Duration::from_millis(500) * (moves + 1) {
            moves += 1;
            let node = 1 + moves as i32 % 2;
            run.broker.move_leader("orders", 0, node).unwrap();
        }
    })
    .await
}

#[tokio::test]
async fn an_error_costs_one_more_attempt_and_at_most_some_metadata_requests() {
    for (what, fault, times, _) in SCRIPTS {
        let seen = run_script(fault, times).await;
        let attempts = seen.produce - seen.acknowledged;
        assert_eq!(attempts, times as u64, "{what}: attempts beyond the first");
        assert!(
            seen.metadata <= 2 * times as u64 + 1,
            "{what}: {} metadata requests",
            seen.metadata
        );
    }
}

#[tokio::test]
async fn leaders_that_keep_moving_cost_an_attempt_and_some_metadata_requests_each() {
    let seen = move_leaders().await;
    let attempts = seen.produce - seen.acknowledged;
    assert!(attempts <= 15, "{attempts} attempts for five moves");
    assert!(seen.metadata <= 20, "{} metadata requests", seen.metadata);
}

#[tokio::test(start_paused = true)]
async fn while_a_leader_sleeps_others_are_asked_for_the_next_one_often_and_later_seldom() {
    // When another leader takes over, after how long it has to be found at most, and for how many requests.
    let wakes = [
        (3150, 200, 4),
        (5500, 200, 30),
        (12_900, 200, 110),
        (60_000, 1300, 160),
    ];
    for (asleep, found, metadata_max) in wakes {
        let builder = TestBroker::builder().nodes(2).topic("orders", 1);
        let broker = Arc::new(builder.start().await.unwrap());
        broker.move_leader("orders", 0, 1).unwrap();
        let hour = Duration::from_secs(3600);
        let mut config = ClientConfig::new(&broker.bootstrap()).unwrap();
        config.connector = Arc::new(InMemory(Arc::clone(&broker)));
        let cluster = Cluster::connect(config).await.unwrap();
        let producer = ProducerBuilder::new(cluster)
            .linger(Duration::ZERO)
            .request_timeout(hour)
            .delivery_timeout(2 * hour)
            .build()
            .unwrap();
        let before = producer.send(Record::to("orders")).await.unwrap();
        soon("the first record", before).await.unwrap();
        let sleeps = Fault::Delay(hour);
        broker.inject(ApiKey::PRODUCE, sleeps).unwrap();
        let asked = broker.requests(ApiKey::METADATA);
        let sent = producer.send(Record::to("orders")).await.unwrap();
        tokio::time::sleep(Duration::from_millis(asleep)).await;
        broker.move_leader("orders", 0, 2).unwrap();
        let moved = tokio::time::Instant::now();
        soon("the new leader has the record", sent).await.unwrap();
        let (took, asked) = (moved.elapsed(), broker.requests(ApiKey::METADATA) - asked);
        println!("after {asleep} ms: {took:?}, {asked} metadata requests");
        assert!(took <= Duration::from_millis(found), "{asleep}: {took:?}");
        assert!(asked <= metadata_max, "{asleep}: {asked} metadata requests");
    }
}

#[tokio::test]
#[ignore = "measures time; needs a quiet machine"]
async fn a_partition_stands_still_for_200_ms_beyond_the_trouble_at_most() {
    let slack = Duration::from_millis(200);
    let mut too_long = Vec::new();
    let mut tell = |what: &str, seen: &Seen, trouble: Duration| {
        println!(
            "{what}: stood still {:?}, {} metadata requests, {} produce requests for {} records",
            seen.still, seen.metadata, seen.produce, seen.acknowledged
        );
        if seen.still > trouble + slack {
            too_long.push(what.to_owned());
        }
    };
    for (what, fault, times, backoff_ms) in SCRIPTS {
        let seen = run_script(fault, times).await;
        // Java's backoffs between the refusals, with a fifth of jitter, are the script's own length;
        // the first is klamm's to answer for.
        let script = Duration::from_millis((backoff_ms - 100) * 6 / 5);
        tell(what, &seen, script);
    }
    let seen = move_leaders().await;
    tell("leader moves every 500 ms", &seen, Duration::ZERO);
    assert!(too_long.is_empty(), "{too_long:?}");
}
