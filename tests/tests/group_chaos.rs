//! Groups whose members come, go, die and fall asleep while records flow, with both protocols and from
//! one to the other; on a real broker and on the test broker. What every member was given and handed out is judged whole.

#[path = "group_chaos/consumer_protocol.rs"]
mod consumer_protocol;
#[allow(dead_code, reason = "each test file uses a part of it")]
#[path = "group_chaos/history.rs"]
mod history;
#[path = "group_chaos/member.rs"]
mod member;
mod support;

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use history::{History, Summary};
use klamm::consumer::{CooperativeStickyAssignor, GroupProtocol, RangeAssignor};
use klamm::{Client, ConsumerBuilder, NewTopic, OffsetReset, Record};
use klamm_testbroker::{TestBroker, TestBrokerBuilder};
use klamm_tests::{Kafka, KafkaBuilder};
use member::Member;
use support::{Outcome, blocking, connect};

const PARTITIONS: i32 = 12;
/// Longer than this without a poll costs the membership.
const POLL_INTERVAL: Duration = Duration::from_secs(8);

/// Sessions short enough to wait for their end.
fn kafka() -> KafkaBuilder {
    Kafka::builder()
        .property("group.consumer.min.session.timeout.ms", 6000)
        .property("group.consumer.session.timeout.ms", 6000)
        .property("group.consumer.min.heartbeat.interval.ms", 500)
        .property("group.consumer.heartbeat.interval.ms", 500)
        .property("group.min.session.timeout.ms", 6000)
        .property("group.initial.rebalance.delay.ms", 0)
}

/// The one that the tests on a single broker share.
fn shared() -> &'static Kafka {
    static SHARED: OnceLock<Kafka> = OnceLock::new();
    SHARED.get_or_init(|| kafka().start().unwrap())
}

/// The same in the process.
fn test_broker() -> TestBrokerBuilder {
    TestBroker::builder()
        .consumer_session_timeout(Duration::from_secs(6))
        .consumer_heartbeat_interval(Duration::from_millis(500))
}

/// Creates a topic that no other test uses, and gives its name.
async fn new_topic(client: &Client, prefix: &str, partitions: i32) -> String {
    let name = shared().unique_topic(prefix);
    let topic = NewTopic::new(&name).partitions(partitions);
    let created = client.admin().create_topics([topic]).await;
    created.unwrap().all().unwrap();
    name
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Range,
    Cooperative,
    Consumer,
}

impl Kind {
    fn configure(self, builder: ConsumerBuilder, group: &str) -> ConsumerBuilder {
        let builder = builder
            .group(group)
            .topics([group])
            .offset_reset(OffsetReset::Earliest)
            .auto_commit(false)
            .max_poll_interval(POLL_INTERVAL);
        if self == Self::Consumer {
            return builder.group_protocol(GroupProtocol::Consumer);
        }
        let builder = builder
            .session_timeout(Duration::from_secs(6))
            .heartbeat_interval(Duration::from_millis(500));
        match self {
            Self::Range => builder.assignor(RangeAssignor),
            _ => builder.assignor(CooperativeStickyAssignor),
        }
    }
}

/// A group under way.
struct Chaos {
    bootstrap: String,
    topic: String,
    history: Arc<Mutex<History>>,
    members: Vec<Member>,
    started: usize,
    failed_commits: Vec<String>,
}

impl Chaos {
    fn new(bootstrap: &str, topic: &str) -> Self {
        Self {
            bootstrap: bootstrap.to_owned(),
            topic: topic.to_owned(),
            history: Arc::default(),
            members: Vec::new(),
            started: 0,
            failed_commits: Vec::new(),
        }
    }

    async fn join(&mut self, kind: Kind) {
        self.started += 1;
        let configure = |builder| kind.configure(builder, &self.topic);
        let member = Member::start(self.started, &self.bootstrap, &self.history, configure);
        self.members.push(member.await);
    }

    async fn leave(&mut self, index: usize) {
        let member = self.members.remove(index);
        let failed = Arc::clone(&member.failed_commits);
        member.close().await;
        self.failed_commits.append(&mut failed.lock().unwrap());
    }

    async fn kill(&mut self, index: usize) {
        self.members.remove(index).kill().await;
    }

    /// Waits until the members share all partitions.
    async fn settled(&self, seconds: u64) {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(seconds);
        loop {
            let owned: Vec<_> = self.members.iter().map(Member::owned).collect();
            let mut all: Vec<i32> = owned.iter().flatten().copied().collect();
            all.sort_unstable();
            let (most, least) = (
                owned.iter().map(BTreeSet::len).max(),
                owned.iter().map(BTreeSet::len).min(),
            );
            if all == (0..PARTITIONS).collect::<Vec<_>>() && most <= least.map(|least| least + 1) {
                return;
            }
            assert!(
                tokio::time::Instant::now() < deadline,
                "not settled: {owned:?}"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn read_to(&self, ends: &BTreeMap<i32, i64>, seconds: u64) {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(seconds);
        while self.history.lock().unwrap().reached() != *ends {
            let late = tokio::time::Instant::now() >= deadline;
            assert!(
                !late,
                "read up to {:?} of {ends:?}",
                self.history.lock().unwrap().reached()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Everybody leaves; then comes the judgement.
    async fn judge(mut self, ends: &BTreeMap<i32, i64>) -> (Summary, Vec<String>) {
        while !self.members.is_empty() {
            self.leave(0).await;
        }
        let judged = self.history.lock().unwrap().judge(ends);
        let summary = judged.unwrap_or_else(|faults| {
            let first: Vec<_> = faults.iter().take(20).collect();
            panic!("{} faults: {first:#?}", faults.len())
        });
        (summary, self.failed_commits)
    }
}

/// Sends `count` records of about 100 bytes, over all partitions.
async fn produce(client: &Client, topic: &str, count: usize) {
    let producer = client.producer().build().unwrap();
    let value = "x".repeat(100);
    for number in 0..count {
        let partition = number as i32 % PARTITIONS;
        let record = Record::to(topic).partition(partition).value(&value);
        drop(producer.send(record).await.unwrap());
    }
    producer.close(Duration::from_secs(120)).await.unwrap();
}

fn ends(count: usize) -> BTreeMap<i32, i64> {
    let share = (count / PARTITIONS as usize) as i64;
    (0..PARTITIONS)
        .map(|partition| (partition, share))
        .collect()
}

#[test]
fn the_judge_can_find_fault() {
    history::the_judge_finds_faults();
}

type Ran = Result<Summary, Box<dyn std::error::Error>>;

/// Members come, go, die, and sleep for longer than they may.
async fn come_and_go(bootstrap: &str, client: &Client, kind: Kind) -> Ran {
    const RECORDS: usize = 60_000;
    let topic = new_topic(client, "chaos", PARTITIONS).await;
    let mut chaos = Chaos::new(bootstrap, &topic);
    chaos.join(kind).await;
    chaos.join(kind).await;
    chaos.settled(60).await;
    produce(client, &topic, RECORDS / 4).await;
    chaos.join(kind).await;
    produce(client, &topic, RECORDS / 4).await;
    chaos.settled(60).await;
    chaos.members[0].pause(Duration::from_secs(2));
    chaos.leave(1).await;
    produce(client, &topic, RECORDS / 4).await;
    chaos.settled(60).await;
    chaos.join(kind).await;
    chaos.kill(0).await;
    // It wakes up to find everything lost.
    chaos.members[0].pause(POLL_INTERVAL + Duration::from_secs(2));
    produce(client, &topic, RECORDS / 4).await;
    chaos.read_to(&ends(RECORDS), 90).await;
    chaos.settled(60).await;
    let (summary, failed) = chaos.judge(&ends(RECORDS)).await;
    assert_eq!(failed, [""; 0], "commits in revoked failed");
    assert!(summary.unclean > 0, "nobody was killed: {summary:?}");
    Ok(summary)
}

/// A live group moves from the classic protocol to the other and back, one member after the other.
async fn move_over_and_back(bootstrap: &str, client: &Client, classic: Kind) -> Ran {
    const RECORDS: usize = 48_000;
    let topic = new_topic(client, "moves", PARTITIONS).await;
    let mut chaos = Chaos::new(bootstrap, &topic);
    chaos.join(classic).await;
    chaos.join(classic).await;
    chaos.settled(60).await;
    produce(client, &topic, RECORDS / 4).await;
    for kind in [Kind::Consumer, classic] {
        for _ in 0..2 {
            chaos.join(kind).await;
            chaos.settled(90).await;
            produce(client, &topic, RECORDS / 8).await;
            chaos.leave(0).await;
            chaos.settled(90).await;
        }
        produce(client, &topic, RECORDS / 8).await;
    }
    chaos.read_to(&ends(RECORDS), 60).await;
    let (summary, failed) = chaos.judge(&ends(RECORDS)).await;
    assert_eq!(failed, [""; 0], "commits in revoked failed");
    assert_eq!(summary.repeated, 0, "records came twice");
    Ok(summary)
}

/// All at once, on one broker: most of it is waiting for sessions to end.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_skipped_or_repeated_with_both_protocols_and_from_one_to_the_other() -> Outcome {
    let bootstrap = blocking(shared).bootstrap();
    let client = connect(&bootstrap).await;
    let (cooperative, consumer, range_moves, cooperative_moves) = tokio::join!(
        come_and_go(&bootstrap, &client, Kind::Cooperative),
        come_and_go(&bootstrap, &client, Kind::Consumer),
        move_over_and_back(&bootstrap, &client, Kind::Range),
        move_over_and_back(&bootstrap, &client, Kind::Cooperative),
    );
    println!(
        "members come and go: cooperative {:?}, consumer {:?}",
        cooperative?, consumer?
    );
    println!(
        "over and back: from range {:?}, from cooperative {:?}",
        range_moves?, cooperative_moves?
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_skipped_or_repeated_on_the_test_broker() -> Outcome {
    let broker = test_broker().start().await?;
    let bootstrap = broker.bootstrap();
    let client = connect(&bootstrap).await;
    let (cooperative, consumer) = tokio::join!(
        come_and_go(&bootstrap, &client, Kind::Cooperative),
        come_and_go(&bootstrap, &client, Kind::Consumer),
    );
    println!("cooperative {:?}, consumer {:?}", cooperative?, consumer?);
    Ok(())
}

/// At length, with `just chaos-groups`: three brokers that are rolled while members come, go, die and sleep.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes: just chaos-groups"]
async fn two_million_records_while_members_and_brokers_come_and_go() -> Outcome {
    const RECORDS: usize = 2_016_000;
    const ROUNDS: usize = 12;
    for kind in [Kind::Cooperative, Kind::Consumer] {
        let kafka = blocking(|| kafka().nodes(3).start())?;
        let client = connect(&kafka.bootstrap()).await;
        let topic = blocking(|| kafka.create_topic("chaos-at-length", PARTITIONS))?;
        let mut chaos = Chaos::new(&kafka.bootstrap(), &topic);
        for _ in 0..4 {
            chaos.join(kind).await;
        }
        chaos.settled(120).await;
        let started = std::time::Instant::now();
        let (mut joined, mut left, mut killed, mut slept, mut rolled) = (4, 0, 0, 0, 0);
        for round in 0..ROUNDS {
            produce(&client, &topic, RECORDS / ROUNDS).await;
            match round % 4 {
                0 => {
                    chaos.leave(0).await;
                    left += 1;
                }
                1 => {
                    chaos.kill(0).await;
                    killed += 1;
                }
                2 => {
                    let node = kafka.node(rolled % 3);
                    blocking(|| node.stop().and_then(|()| node.start()))?;
                    blocking(|| kafka.wait_until_ready())?;
                    rolled += 1;
                    continue;
                }
                _ => {
                    chaos.members[0].pause(POLL_INTERVAL + Duration::from_secs(2));
                    chaos.members[1].pause(Duration::from_secs(3));
                    slept += 2;
                    continue;
                }
            }
            chaos.join(kind).await;
            joined += 1;
        }
        let count = RECORDS / ROUNDS * ROUNDS;
        chaos.read_to(&ends(count), 240).await;
        let (summary, failed) = chaos.judge(&ends(count)).await;
        println!(
            "{kind:?}: {summary:?} in {:?}; joined {joined}, left {left}, killed {killed}, slept {slept}, brokers rolled {rolled}; \
             commits in revoked that failed: {failed:?}",
            started.elapsed()
        );
    }
    Ok(())
}
