//! How long a member of a group on three real nodes reads nothing, or cannot commit, beyond what the brokers themselves
//! take, and how much is asked meanwhile: `just consumer-recovery`. In the whole session no record is skipped or handed
//! out twice, and nobody joins again. The test broker's part is in the consumer's own tests.

mod support;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use klamm::consumer::{GroupProtocol, OffsetReset, PendingCommit};
use klamm::{Client, Consumer, Rebalance, RebalanceListener, TopicPartition};
use klamm_codec::ApiKey;
use klamm_tests::{Action, Kafka, Rule};
use support::probe::Probe;
use support::stretch::Stretch;
use support::{Outcome, blocking, three_nodes, within};

const FETCH: i16 = 1;
const OFFSET_COMMIT: i16 = 8;
const SLACK: Duration = Duration::from_millis(200);
const OFFSETS: &str = "__consumer_offsets";

/// What a member went through.
struct Notes {
    records: Stretch,
    commits: Stretch,
    /// The offset that has to come next.
    next: i64,
    /// What a commit was acknowledged for.
    committed: i64,
    faults: Vec<String>,
}

struct Listener(Arc<Mutex<Notes>>);

impl RebalanceListener for Listener {
    async fn on_revoked(&self, _: &Rebalance, partitions: &[TopicPartition]) {
        let fault = format!("{partitions:?} was revoked or lost");
        self.0.lock().unwrap().faults.push(fault);
    }
}

/// A member that reads and commits all the time.
struct Member {
    client: Client,
    notes: Arc<Mutex<Notes>>,
    stop: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<Consumer>,
}

impl Member {
    async fn start(kafka: &Kafka, topic: &str, protocol: GroupProtocol) -> Self {
        let client = support::connect(&kafka.proxied_bootstrap()).await;
        let notes = Arc::new(Mutex::new(Notes {
            records: Stretch::start(),
            commits: Stretch::start(),
            next: 0,
            committed: 0,
            faults: Vec::new(),
        }));
        let builder = client.consumer().group(format!("{topic}-{protocol:?}"));
        let builder = builder.topics([topic]).group_protocol(protocol);
        let builder = builder.rebalance_listener(Listener(Arc::clone(&notes)));
        let builder = builder
            .offset_reset(OffsetReset::Earliest)
            .auto_commit(false);
        let consumer = builder.build().await.unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let task = tokio::spawn(read(consumer, Arc::clone(&notes), Arc::clone(&stop)));
        let member = Self {
            client,
            notes,
            stop,
            task,
        };
        member.goes_on().await;
        member
    }

    /// Waits for records and a commit after this call.
    async fn goes_on(&self) {
        let from = Instant::now();
        let both = || {
            let notes = self.notes.lock().unwrap();
            notes.records.last > from && notes.commits.last > from
        };
        let wait = async {
            while !both() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        within(60, "records and a commit", wait).await;
    }

    fn requests(&self) -> [u64; 5] {
        let stats = self.client.stats();
        [
            ApiKey::JOIN_GROUP,
            ApiKey::FIND_COORDINATOR,
            ApiKey::METADATA,
            ApiKey::HEARTBEAT,
            ApiKey::CONSUMER_GROUP_HEARTBEAT,
        ]
        .map(|api| stats.requests(api))
    }

    async fn close(self) {
        self.stop.store(true, Ordering::Relaxed);
        let mut consumer = within(60, "the last poll", self.task).await.unwrap();
        consumer.commit().await.unwrap();
    }
}

async fn read(mut consumer: Consumer, notes: Arc<Mutex<Notes>>, stop: Arc<AtomicBool>) -> Consumer {
    let mut commit: Option<PendingCommit> = None;
    let mut asked = 0;
    while !stop.load(Ordering::Relaxed) {
        let records = consumer.poll_timeout(Duration::from_millis(5)).await;
        {
            let mut notes = notes.lock().unwrap();
            match records {
                Ok(records) => {
                    for record in &records {
                        if record.offset != notes.next {
                            let fault = format!("{} instead of {}", record.offset, notes.next);
                            notes.faults.push(fault);
                        }
                        notes.next = record.offset + 1;
                        notes.records.came();
                    }
                }
                Err(error) => notes.faults.push(format!("poll: {error}")),
            }
        }
        if let Some(pending) = &mut commit {
            let Ok(committed) = tokio::time::timeout(Duration::ZERO, pending).await else {
                continue;
            };
            let mut notes = notes.lock().unwrap();
            match committed {
                Ok(()) => {
                    notes.commits.came();
                    notes.committed = asked;
                }
                Err(error) => notes.faults.push(format!("commit: {error}")),
            }
        }
        asked = notes.lock().unwrap().next;
        commit = Some(consumer.commit_async().unwrap());
    }
    consumer
}

struct World {
    kafka: Kafka,
    /// For what is done to the nodes.
    admin: Client,
    topic: String,
    too_long: Vec<String>,
}

impl World {
    /// Runs `trouble`, which gives how long the member has to wait where the brokers do not.
    async fn measure(
        &mut self,
        member: &Member,
        what: &str,
        trouble: impl AsyncFnOnce(&Self) -> Duration,
    ) {
        let records = Probe::start(&self.kafka, &self.topic).await;
        let commits = Probe::committing(&self.kafka, &self.topic).await;
        member.goes_on().await;
        {
            let mut notes = member.notes.lock().unwrap();
            notes.records.longest = Duration::ZERO;
            notes.commits.longest = Duration::ZERO;
        }
        let before = member.requests();
        let pauses = trouble(self).await;
        member.goes_on().await;
        let away = [records.end().await, commits.end().await];
        let asked: Vec<_> = member
            .requests()
            .iter()
            .zip(before)
            .map(|it| it.0 - it.1)
            .collect();
        let still = {
            let notes = member.notes.lock().unwrap();
            [notes.records.longest, notes.commits.longest]
        };
        println!(
            "{what}: no records for {:?}, no commit for {:?}; brokers away {:?} and {:?}; join, find, metadata, \
             heartbeats of both protocols: {asked:?}",
            still[0], still[1], away[0], away[1]
        );
        if still[0] > away[0] + pauses + SLACK || still[1] > away[1] + pauses + SLACK {
            self.too_long.push(what.to_owned());
        }
        assert_eq!(asked[0], 0, "{what}: somebody joined again");
        assert!(asked.iter().all(|count| *count < 150), "{what}: {asked:?}");
        let faults = std::mem::take(&mut member.notes.lock().unwrap().faults);
        assert!(faults.is_empty(), "{what}: {faults:?}");
    }

    /// Answers to `api` are lost, so many in a row.
    async fn lose_answers(&self, member: &Member, api: i16, node: i32, lost: u32) -> Duration {
        let proxy = self.kafka.proxy(node);
        let before = proxy.applied().len();
        proxy.inject(Rule::response(api, Action::Cut).times(lost));
        let all = before + lost as usize;
        blocking(|| proxy.wait_until_applied(all, Duration::from_secs(20))).unwrap();
        member.goes_on().await;
        // The trouble lasts from the first to the last of them.
        let applied = proxy.applied();
        applied[all - 1].at.saturating_sub(applied[before].at)
    }

    async fn with(&mut self, protocol: GroupProtocol) -> Outcome {
        // Somebody has to write what is read.
        let writing = Probe::start(&self.kafka, &self.topic).await;
        let member = Member::start(&self.kafka, &self.topic, protocol).await;
        for (what, topic) in [
            ("leader", self.topic.clone()),
            ("coordinator", OFFSETS.to_owned()),
        ] {
            let at = TopicPartition::new(&*topic, 0);
            let title = format!("{protocol:?}: the {what} moves every second");
            self.measure(&member, &title, async |world| {
                for step in 0..6 {
                    three_nodes::lead(&world.admin, &at, step % 3 + 1).await;
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
                Duration::ZERO
            })
            .await;
        }
        for (name, api) in [("fetches", FETCH), ("commits", OFFSET_COMMIT)] {
            let topic = if api == FETCH {
                self.topic.clone()
            } else {
                OFFSETS.to_owned()
            };
            for lost in [1, 3] {
                let title = format!("{protocol:?}: lost answers to {name}: {lost}");
                self.measure(&member, &title, async |world| {
                    let node = world.kafka.leader_of(&topic, 0).unwrap().id();
                    world.lose_answers(&member, api, node, lost).await
                })
                .await;
            }
        }
        for (what, topic) in [
            ("leader", self.topic.clone()),
            ("coordinator", OFFSETS.to_owned()),
        ] {
            let title = format!("{protocol:?}: the {what} is killed");
            self.measure(&member, &title, async |world| {
                let node = world.kafka.leader_of(&topic, 0).unwrap();
                blocking(|| node.kill()).unwrap();
                Duration::ZERO
            })
            .await;
            // A coordinator that has just taken over must not say that nothing, or less, was committed.
            let committed = member.notes.lock().unwrap().committed;
            let at = TopicPartition::new(&*self.topic, 0);
            let asks = self
                .admin
                .consumer()
                .group(format!("{}-{protocol:?}", self.topic));
            let found = asks.build().await?.committed([at]).await?;
            let found = found[0].1.as_ref().map(|found| found.offset);
            assert!(
                found.is_some_and(|found| found >= committed),
                "committed {committed}, found {found:?}"
            );
            let topics = [&*self.topic, OFFSETS];
            three_nodes::restart(&self.kafka, &topics)?;
        }
        member.close().await;
        drop(writing);
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures time; just consumer-recovery"]
async fn a_member_on_three_real_nodes_reads_and_commits_on_within_200_ms_of_their_own_outage()
-> Outcome {
    let builder = three_nodes::builder().property("offsets.topic.num.partitions", 1);
    let kafka = blocking(|| builder.start())?;
    let topic = blocking(|| kafka.create_topic("still", 1))?;
    let admin = support::connect(&kafka.bootstrap()).await;
    let mut world = World {
        kafka,
        admin,
        topic,
        too_long: Vec::new(),
    };
    for protocol in [GroupProtocol::Classic, GroupProtocol::Consumer] {
        world.with(protocol).await?;
    }
    assert!(world.too_long.is_empty(), "{:?}", world.too_long);
    Ok(())
}
