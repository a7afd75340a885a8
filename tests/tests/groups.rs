//! Consumer groups on a real broker: every record once, in order, whoever comes, goes or restarts.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use klamm::{Client, Consumer, ConsumerBuilder, OffsetReset, Record, TopicPartition};
use klamm_tests::{Kafka, OracleRecord};
use support::{Outcome, blocking, connect, within};
use tokio::task::JoinHandle;

/// A member to be that rebalances quickly.
fn member(client: &Client, group: &str, topic: &str) -> ConsumerBuilder {
    client
        .consumer()
        .group(group)
        .topics([topic])
        .heartbeat_interval(Duration::from_millis(300))
        .offset_reset(OffsetReset::Earliest)
}

/// What the members of a group have read, all together.
#[derive(Default)]
struct Read {
    /// By partition, the offsets in the order they came.
    offsets: BTreeMap<i32, Vec<i64>>,
    /// By key, its values, which count from 0.
    by_key: BTreeMap<Vec<u8>, Vec<u64>>,
    count: usize,
}

impl Read {
    fn add(&mut self, records: &klamm::Records) {
        for record in records {
            self.offsets
                .entry(record.partition)
                .or_default()
                .push(record.offset);
            if let Some(key) = record.key {
                let value = record.value.expect("a number");
                let number = std::str::from_utf8(&value[..12]).unwrap().trim();
                let values = self.by_key.entry(key.to_vec()).or_default();
                values.push(number.parse().unwrap());
            }
            self.count += 1;
        }
    }

    /// Every offset of every partition once and in order, the numbers of every key, too.
    fn is_each_once_and_in_order(&self) {
        for (partition, offsets) in &self.offsets {
            let wrong = offsets
                .iter()
                .zip(0_i64..)
                .find(|(offset, place)| *offset != place);
            assert_eq!(
                wrong, None,
                "offset and expected offset in partition {partition}"
            );
        }
        for (key, values) in &self.by_key {
            let wrong = values
                .iter()
                .zip(0_u64..)
                .find(|(value, place)| *value != place);
            assert_eq!(wrong, None, "value and expected value of key {key:?}");
        }
    }
}

/// A member that polls in a task of its own.
struct Member {
    state: Arc<Mutex<State>>,
    task: JoinHandle<Consumer>,
}

#[derive(Default)]
struct State {
    assignment: BTreeSet<i32>,
    count: usize,
    stop: bool,
}

impl Member {
    async fn start(builder: ConsumerBuilder, read: &Arc<Mutex<Read>>) -> Self {
        let mut consumer = within(30, "building a consumer", builder.build())
            .await
            .unwrap();
        let state = Arc::new(Mutex::new(State::default()));
        let (shared, read) = (Arc::clone(&state), Arc::clone(read));
        let task = tokio::spawn(async move {
            loop {
                let records = consumer
                    .poll_timeout(Duration::from_millis(20))
                    .await
                    .unwrap();
                read.lock().unwrap().add(&records);
                let mut state = shared.lock().unwrap();
                let assignment = consumer.assignment();
                state.assignment = assignment.iter().map(|at| at.partition).collect();
                state.count += records.len();
                if state.stop {
                    return consumer;
                }
            }
        });
        Self { state, task }
    }

    fn assignment(&self) -> BTreeSet<i32> {
        self.state.lock().unwrap().assignment.clone()
    }

    fn count(&self) -> usize {
        self.state.lock().unwrap().count
    }

    async fn stop(self) -> Consumer {
        self.state.lock().unwrap().stop = true;
        within(30, "the last poll", self.task).await.unwrap()
    }
}

async fn until(what: &str, condition: impl Fn() -> bool) {
    let wait = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    within(90, what, wait).await;
}

/// Sends `count` records of 100 bytes with `keys` keys; the values of a key count from `first`.
async fn produce(client: &Client, topic: &str, keys: usize, first: usize, count: usize) {
    let producer = client.producer().build().unwrap();
    for number in 0..count {
        let key = format!("key-{:06}", number % keys);
        let value = format!("{:12}{:78}", first + number / keys, "x");
        assert_eq!(key.len() + value.len(), 100);
        let record = Record::to(topic).key(&key).value(&value);
        drop(producer.send(record).await.unwrap());
    }
    // Reports what is not acknowledged: an unacknowledged record would be missing for the members.
    producer.close(Duration::from_secs(60)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_million_records_reach_a_group_of_two_once_and_in_order() -> Outcome {
    const RECORDS: usize = 1_000_000;
    let kafka = Kafka::shared();
    let topic = kafka.create_topic("million", 6)?;
    let client = connect(&kafka.bootstrap()).await;
    let read = Arc::new(Mutex::new(Read::default()));
    let builder = || member(&client, &topic, &topic).max_poll_records(5000);
    let members = [
        Member::start(builder(), &read).await,
        Member::start(builder(), &read).await,
    ];
    until("both have half of the partitions", || {
        members.iter().all(|member| member.assignment().len() == 3)
    })
    .await;
    produce(&client, &topic, 1000, 0, RECORDS).await;
    until("all records are read", || {
        read.lock().unwrap().count >= RECORDS
    })
    .await;
    for member in members {
        assert!(member.count() > RECORDS / 10, "{} records", member.count());
        member.stop().await.close(Duration::from_secs(10)).await?;
    }
    let read = read.lock().unwrap();
    assert_eq!((read.count, read.by_key.len()), (RECORDS, 1000));
    read.is_each_once_and_in_order();
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn members_that_come_and_go_while_records_flow_lose_and_repeat_nothing() -> Outcome {
    const RECORDS: usize = 60_000;
    let kafka = Kafka::shared();
    let topic = kafka.create_topic("coming-and-going", 6)?;
    let client = connect(&kafka.bootstrap()).await;
    let read = Arc::new(Mutex::new(Read::default()));
    let mut members = Vec::new();
    let mut sent = 0;
    for size in [1, 2, 3, 2, 1] {
        if members.len() < size {
            // Small polls: the rebalance comes in the middle of what is buffered.
            let builder = member(&client, &topic, &topic).max_poll_records(100);
            members.push(Member::start(builder, &read).await);
        } else {
            let member = members.remove(0);
            member.stop().await.close(Duration::from_secs(10)).await?;
        }
        let count = RECORDS / 5;
        produce(&client, &topic, 100, sent / 100, count).await;
        sent += count;
        until("the partitions are shared", || {
            members
                .iter()
                .all(|member| member.assignment().len() == 6 / size)
        })
        .await;
    }
    until("all records are read", || {
        read.lock().unwrap().count >= sent
    })
    .await;
    for member in members {
        member.stop().await.close(Duration::from_secs(10)).await?;
    }
    let read = read.lock().unwrap();
    read.is_each_once_and_in_order();
    assert_eq!(read.count, sent);
    Ok(())
}

/// Polls until `count` records have come, and gives them as partition and offset.
async fn poll_for(consumer: &mut Consumer, count: usize) -> Vec<(i32, i64)> {
    let mut places = Vec::new();
    while places.len() < count {
        let what = format!("record {} of {count}", places.len());
        let records = within(60, &what, consumer.poll()).await.unwrap();
        places.extend(
            records
                .iter()
                .map(|record| (record.partition, record.offset)),
        );
    }
    places
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_goes_on_after_the_last_commit() -> Outcome {
    let kafka = Kafka::shared();
    let topic = kafka.create_topic("resumed", 3)?;
    let client = connect(&kafka.bootstrap()).await;
    produce(&client, &topic, 50, 0, 3000).await;
    let builder = || {
        let member = member(&client, &topic, &topic);
        member.auto_commit(false).max_poll_records(100)
    };

    let mut first = builder().build().await?;
    let committed = poll_for(&mut first, 1500).await;
    first.commit().await?;
    let not_committed = poll_for(&mut first, 300).await;
    first.close(Duration::from_secs(10)).await?;

    let mut second = builder().build().await?;
    let rest = poll_for(&mut second, 3000 - committed.len()).await;
    let seen: BTreeSet<_> = committed.iter().chain(&rest).copied().collect();
    assert_eq!((seen.len(), committed.len() + rest.len()), (3000, 3000));
    assert!(not_committed.iter().all(|place| rest.contains(place)));
    second.commit().await?;
    let partitions = (0..3).map(|partition| TopicPartition::new(topic.as_str(), partition));
    let told: BTreeMap<i32, i64> = second
        .committed(partitions)
        .await?
        .into_iter()
        .map(|(at, committed)| (at.partition, committed.expect("it was committed").offset))
        .collect();
    second.close(Duration::from_secs(10)).await?;
    assert_eq!(told, blocking(|| support::end_offsets(kafka, &topic))?);

    // Java's own tool sees the same: nothing is left to read.
    let described = blocking(|| {
        let tool = kafka.tool("org.apache.kafka.tools.consumer.group.ConsumerGroupCommand")?;
        tool.args([
            "--bootstrap-server",
            &kafka.bootstrap(),
            "--describe",
            "--group",
            &topic,
        ])
        .run()
    })?;
    let text = described.text();
    let lags: Vec<_> = text
        .lines()
        .filter(|line| line.starts_with(&topic))
        .map(|line| line.split_whitespace().nth(5).unwrap_or("none"))
        .collect();
    assert_eq!(lags, ["0", "0", "0"], "{text}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_java_member_and_a_klamm_member_share_a_group_and_lose_nothing() -> Outcome {
    let kafka = Kafka::shared();
    let topic = kafka.create_topic("shared-with-java", 4)?;
    let client = connect(&kafka.bootstrap()).await;
    let read = Arc::new(Mutex::new(Read::default()));
    let ours = Member::start(member(&client, &topic, &topic), &read).await;
    until("klamm has all partitions", || ours.assignment().len() == 4).await;

    let java = kafka.java_oracle()?;
    let properties = [
        ("group.id", topic.as_str()),
        (
            "partition.assignment.strategy",
            "org.apache.kafka.clients.consumer.RangeAssignor",
        ),
        ("heartbeat.interval.ms", "300"),
    ];
    // It ends when it has its half of the records, and leaves the group.
    let theirs = java.spawn_consume(&kafka.bootstrap(), &topic, 1000, &properties)?;
    until("each has two partitions", || ours.assignment().len() == 2).await;
    let producer = client.producer().build()?;
    for each in [500, 100] {
        if each == 100 {
            until("Java has left", || ours.assignment().len() == 4).await;
        }
        for number in 0..each {
            for partition in 0..4 {
                let value = format!("{number:12}");
                let record = Record::to(&topic).partition(partition).value(&value);
                drop(producer.send(record).await?);
            }
        }
    }
    producer.close(Duration::from_secs(30)).await?;
    let output = blocking(|| theirs.wait())?.text();
    let theirs: Vec<OracleRecord> = output.lines().map(str::parse).collect::<Result<_, _>>()?;
    until("klamm has read the rest", || {
        ours.count() >= 2400 - theirs.len()
    })
    .await;
    ours.stop().await.close(Duration::from_secs(10)).await?;

    let mut read = read.lock().unwrap();
    let javas: BTreeSet<i32> = theirs
        .iter()
        .filter_map(|record| record.partition)
        .collect();
    assert_eq!((theirs.len(), javas.len()), (1000, 2));
    let mut together: BTreeMap<i32, Vec<i64>> = BTreeMap::new();
    for record in &theirs {
        let at = together.entry(record.partition.unwrap()).or_default();
        at.push(record.offset.unwrap());
    }
    for (partition, offsets) in std::mem::take(&mut read.offsets) {
        together.entry(partition).or_default().extend(offsets);
    }
    read.offsets = together;
    assert!(read.offsets.values().all(|offsets| offsets.len() == 600));
    read.is_each_once_and_in_order();
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_survives_the_kill_of_its_coordinator() -> Outcome {
    let kafka = Kafka::builder().start()?;
    let topic = kafka.create_topic("coordinator", 2)?;
    let client = connect(&kafka.bootstrap()).await;
    let read = Arc::new(Mutex::new(Read::default()));
    let builder = || member(&client, "survivors", &topic);
    let members = [
        Member::start(builder(), &read).await,
        Member::start(builder(), &read).await,
    ];
    until("both have a partition", || {
        members.iter().all(|member| member.assignment().len() == 1)
    })
    .await;
    let mut sent = 0;
    for _ in 0..2 {
        produce(&client, &topic, 10, sent / 10, 2000).await;
        sent += 2000;
        until("what was sent is read", || {
            read.lock().unwrap().count >= sent
        })
        .await;
        blocking(|| kafka.node(0).kill().and_then(|()| kafka.node(0).restart()))?;
    }
    produce(&client, &topic, 10, sent / 10, 2000).await;
    sent += 2000;
    until("what was sent after the restarts is read", || {
        read.lock().unwrap().count >= sent
    })
    .await;
    until("both have a partition again", || {
        members.iter().all(|member| member.assignment().len() == 1)
    })
    .await;
    for member in members {
        let mut consumer = member.stop().await;
        within(30, "the commit", consumer.commit()).await?;
        consumer.close(Duration::from_secs(10)).await?;
    }
    {
        // The coordinator may have forgotten the members and made them start over from the last
        // commit: nothing may be missing, and what comes again comes in order.
        let read = read.lock().unwrap();
        for (partition, offsets) in &read.offsets {
            let seen: BTreeSet<_> = offsets.iter().collect();
            assert!(
                seen.iter().zip(0..).all(|(seen, place)| **seen == place),
                "{partition}"
            );
        }
    }
    produce(&client, &topic, 10, sent / 10, 100).await;
    let mut last = builder().build().await?;
    let rest = poll_for(&mut last, 100).await;
    assert_eq!(rest.len(), 100, "the group went on where it had committed");
    Ok(())
}
