//! The path of every first program, from creating a topic to deleting it, on the test broker and on a
//! real one: what a user sees must be the same, so that the two cannot drift apart.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

use klamm::{Client, Consumer, ErrorCode, NewTopic, OffsetReset, Record, TopicPartition};
use klamm_testbroker::TestBroker;
use klamm_tests::Kafka;
use support::{Outcome, blocking, connect, within};

const TOPIC: &str = "orders";
const GROUP: &str = "billing";
const PARTITIONS: i32 = 4;
const BETWEEN_LOOKS: Duration = Duration::from_millis(10);

/// Walks the path and gives what was seen on the way, a line each, without what differs from run to
/// run (ids, times).
async fn walk(bootstrap: &str) -> Result<String, Box<dyn std::error::Error>> {
    let client = connect(bootstrap).await;
    let mut seen = String::new();
    create(&client, &mut seen).await?;
    produce(&client, &mut seen).await?;
    consume(&client, &mut seen).await?;
    delete(&client, &mut seen).await?;
    Ok(seen)
}

async fn create(client: &Client, seen: &mut String) -> Outcome {
    let admin = client.admin();
    let orders = || {
        NewTopic::new(TOPIC)
            .partitions(PARTITIONS)
            // Before 2.4 brokers have no default of their own for it (KIP-464).
            .replication_factor(1)
            .config("max.message.bytes", "5000")
    };
    admin.create_topics([orders()]).await?.all()?;
    let again = admin.create_topics([orders()]).await?.all().unwrap_err();
    writeln!(seen, "created again: {:?}", again.code())?;
    let odd = NewTopic::new("no such topic!")
        .partitions(1)
        .replication_factor(1);
    let odd = admin.create_topics([odd]).await?.all().unwrap_err();
    writeln!(seen, "created with an odd name: {:?}", odd.code())?;
    let none = NewTopic::new("none").partitions(0).replication_factor(1);
    let none = admin.create_topics([none]).await?.all().unwrap_err();
    writeln!(seen, "created without partitions: {:?}", none.code())?;

    let described = async {
        loop {
            let described = admin.describe_topics([TOPIC]).await?.all();
            if let Ok(topics) = described
                && topics[0]
                    .partitions
                    .iter()
                    .all(|partition| partition.leader.is_some())
            {
                return Ok::<_, klamm::admin::Error>(topics);
            }
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
    };
    for topic in within(30, "a leader for each partition", described).await? {
        writeln!(seen, "{} internal: {}", topic.name, topic.is_internal)?;
        for partition in topic.partitions {
            let index = partition.index;
            writeln!(
                seen,
                "{index} is led by one of {} replicas",
                partition.replicas.len()
            )?;
        }
    }
    Ok(())
}

async fn produce(client: &Client, seen: &mut String) -> Outcome {
    let producer = client.producer().build()?;
    let mut deliveries = Vec::new();
    for number in 0..400 {
        let (key, value) = (format!("customer-{}", number % 20), number.to_string());
        let record = Record::to(TOPIC).key(&key).value(&value);
        let delivery = producer.send(record).await?;
        deliveries.push((key, delivery));
    }
    producer.flush().await;
    for (key, delivery) in deliveries {
        let told = within(30, "a delivery", delivery).await?;
        writeln!(
            seen,
            "{key} at {}-{} {:?}",
            told.topic, told.partition, told.offset
        )?;
    }
    let large = "x".repeat(6000);
    let record = Record::to(TOPIC).partition(0).value(&large);
    let refused = within(30, "the refusal", producer.send(record).await?)
        .await
        .unwrap_err();
    writeln!(
        seen,
        "too large: {:?}, {:?}",
        refused.code(),
        refused.outcome()
    )?;
    // It might be added meanwhile, so that is waited for.
    let hasty = client
        .producer()
        .max_block(Duration::from_secs(1))
        .build()?;
    let beyond = hasty.send(Record::to(TOPIC).partition(PARTITIONS)).await;
    writeln!(seen, "no such partition: {}", beyond.unwrap_err())?;
    // The refusal has cost a sequence: the partition must go on all the same.
    let after = producer.send(
        Record::to(TOPIC)
            .partition(0)
            .key("customer-after")
            .value("0"),
    );
    let after = within(30, "the next record", after.await?).await?;
    writeln!(seen, "after it: {:?}", after.offset)?;
    producer.close(Duration::from_secs(10)).await?;
    Ok(())
}

async fn member(client: &Client) -> Result<Consumer, klamm::consumer::Error> {
    let builder = client.consumer().group(GROUP).topics([TOPIC]);
    let builder = builder
        .offset_reset(OffsetReset::Earliest)
        .auto_commit(false);
    builder.build().await
}

async fn consume(client: &Client, seen: &mut String) -> Outcome {
    let mut consumer = member(client).await?;
    let mut by_partition: BTreeMap<i32, Vec<String>> = BTreeMap::new();
    while by_partition.values().map(Vec::len).sum::<usize>() < 401 {
        let records = within(30, "poll", consumer.poll()).await?;
        for record in &records {
            let text = |bytes: Option<&[u8]>| {
                bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned())
            };
            let (key, value) = (text(record.key), text(record.value));
            let line = format!(
                "{} {key:?} {value:?} {} headers",
                record.offset,
                record.headers.len()
            );
            by_partition.entry(record.partition).or_default().push(line);
        }
    }
    for (partition, lines) in by_partition {
        writeln!(seen, "read of {partition}: {}", lines.join("; "))?;
    }
    let assignment: BTreeSet<_> = consumer
        .assignment()
        .into_iter()
        .map(|at| at.partition)
        .collect();
    writeln!(seen, "assigned {assignment:?}")?;
    consumer.commit().await?;
    consumer.close(Duration::from_secs(10)).await?;

    let mut next = member(client).await?;
    let all = (0..PARTITIONS).map(|partition| TopicPartition::new(TOPIC, partition));
    for (partition, committed) in next.committed(all).await? {
        let committed = committed.map(|committed| (committed.offset, committed.metadata));
        writeln!(seen, "committed of {partition}: {committed:?}")?;
    }
    let nothing = next.poll_timeout(Duration::from_secs(1)).await?;
    writeln!(seen, "read after the commit: {}", nothing.len())?;
    next.close(Duration::from_secs(10)).await?;
    Ok(())
}

async fn delete(client: &Client, seen: &mut String) -> Outcome {
    let admin = client.admin();
    admin.delete_topics([TOPIC]).await?.all()?;
    let gone = async {
        loop {
            // Other brokers' metadata, and with a real one this broker's, follow a little later.
            if let Err(error) = admin.describe_topics([TOPIC]).await?.all() {
                return Ok::<_, klamm::admin::Error>(error.code());
            }
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
    };
    let code = within(30, "the end of the topic", gone).await?;
    writeln!(seen, "described after its end: {code:?}")?;
    assert_eq!(code, Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
    let again = admin.delete_topics([TOPIC]).await?.all().unwrap_err();
    writeln!(seen, "deleted again: {:?}", again.code())?;
    Ok(())
}

/// Walks the path on the test broker and on `kafka`, and holds one against the other.
async fn compare(kafka: &Kafka) -> Outcome {
    let broker = TestBroker::builder().start().await?;
    let on_test_broker = walk(&broker.bootstrap()).await?;
    let on_kafka = walk(&kafka.bootstrap()).await?;
    let pairs = on_test_broker.lines().zip(on_kafka.lines());
    for (test_broker, on_kafka) in pairs {
        let version = kafka.version();
        assert_eq!(
            test_broker, on_kafka,
            "the test broker and Kafka {version} differ"
        );
    }
    assert_eq!(on_test_broker.lines().count(), on_kafka.lines().count());
    assert!(
        on_kafka.contains("too large: Some(MESSAGE_TOO_LARGE"),
        "{on_kafka}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_program_sees_the_same_on_the_test_broker_and_on_a_real_one() -> Outcome {
    compare(blocking(Kafka::shared)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_program_sees_the_same_on_old_brokers() -> Outcome {
    // ZooKeeper, and the last version with its protocols.
    let start = |version: &'static str| {
        tokio::task::spawn_blocking(move || Kafka::builder().version(version).start())
    };
    let starting = ["2.8.2", "3.9.2"].map(start);
    for kafka in starting {
        compare(&kafka.await??).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "fetches and starts many versions of Kafka; `just compat`"]
async fn the_first_program_sees_the_same_on_every_version() -> Outcome {
    const VERSIONS: &str = "2.1.1 2.2.2 2.3.1 2.4.1 2.6.3 2.7.2 2.8.2 3.0.2 3.1.2 3.3.2 3.5.2 3.6.2 3.7.2 3.9.2 \
        4.0.2 4.1.1 4.2.0 4.3.1 4.4.0";
    let chosen = std::env::var("KLAMM_COMPAT_VERSIONS").unwrap_or_else(|_| VERSIONS.to_owned());
    let mut failed = Vec::new();
    for version in chosen.split_whitespace() {
        let kafka = blocking(|| Kafka::builder().version(version).start())?;
        let client = connect(&kafka.bootstrap()).await;
        drop(client);
        let path =
            tokio::spawn(async move { compare(&kafka).await.map_err(|error| error.to_string()) });
        match path.await {
            Ok(Ok(())) => println!("{version}: the same"),
            Ok(Err(error)) => failed.push(format!("{version}: {error}")),
            Err(panic) => failed.push(format!("{version}: {panic}")),
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "fetches and starts an ancient version of Kafka; `just compat`"]
async fn a_broker_that_is_too_old_is_told_as_such_with_versions() -> Outcome {
    let kafka = blocking(|| Kafka::builder().version("1.1.1").start())?;
    let connected = within(30, "the refusal", Client::connect(&kafka.bootstrap())).await;
    let error = connected.unwrap_err().to_string();
    for part in [&kafka.bootstrap(), "Produce 0-5", "version 7", "2.1"] {
        assert!(error.contains(part), "{error}");
    }
    Ok(())
}
