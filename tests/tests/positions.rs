//! Where klamm reads on, on a real broker: behind aborted records, expired ones, in a topic that was
//! made anew; and what it says of the ends of a log.

mod support;

use std::time::Duration;

use klamm::{Client, Consumer, IsolationLevel, OffsetReset, Record, TopicPartition};
use klamm_tests::{Kafka, OracleRecord, OracleStep};
use support::{Outcome, blocking, connect, within};

async fn assigned(client: &Client, topic: &str, isolation: IsolationLevel) -> Consumer {
    let builder = client.consumer().offset_reset(OffsetReset::Earliest);
    let mut consumer = builder.isolation_level(isolation).build().await.unwrap();
    consumer.assign([TopicPartition::new(topic, 0)]).unwrap();
    consumer
}

/// Reads until `count` values are there and the position is `end`, and nothing after them.
async fn read_to(consumer: &mut Consumer, topic: &str, count: usize, end: i64) -> Vec<String> {
    let partition = TopicPartition::new(topic, 0);
    let mut read = Vec::new();
    let all = async {
        while read.len() < count || consumer.position(&partition).await.unwrap() < end {
            let records = consumer.poll_timeout(Duration::from_millis(100)).await;
            for record in &records.unwrap() {
                read.push(String::from_utf8(record.value.unwrap().to_vec()).unwrap());
            }
        }
    };
    within(30, "reading to the end", all).await;
    assert_eq!(consumer.position(&partition).await.unwrap(), end);
    assert_eq!(consumer.lag(&partition).unwrap(), Some(0));
    read
}

async fn write(client: &Client, topic: &str, values: &[String]) {
    let producer = client.producer().build().unwrap();
    for value in values {
        let record = Record::to(topic).partition(0).value(value);
        drop(producer.send(record).await.unwrap());
    }
    producer.close(Duration::from_secs(30)).await.unwrap();
}

fn numbers(range: std::ops::Range<i64>) -> Vec<String> {
    range.map(|number| number.to_string()).collect()
}

fn send(value: &str) -> OracleStep {
    OracleStep::Send(OracleRecord {
        partition: Some(0),
        value: Some(value.as_bytes().to_vec()),
        ..OracleRecord::default()
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn aborted_records_are_seen_by_those_alone_who_want_them() -> Outcome {
    let kafka = Kafka::shared();
    for codec in ["none", "lz4"] {
        let topic = kafka.create_topic("aborted", 1)?;
        let long = |name: &str, count: i64| {
            numbers(0..count)
                .into_iter()
                .map(move |n| format!("{n}-{name}"))
                .collect::<Vec<_>>()
        };
        let (aborted, committed) = (long("aborted", 300), long("committed", 200));
        let mut steps = vec![OracleStep::Begin, send("first"), OracleStep::Commit];
        for (values, end) in [
            (&aborted, OracleStep::Abort),
            (&committed, OracleStep::Commit),
            (&aborted, OracleStep::Abort),
        ] {
            steps.push(OracleStep::Begin);
            steps.extend(values.iter().map(|value| send(value)));
            steps.push(end);
        }
        let id = format!("{topic}-id");
        let properties = [
            ("transactional.id", id.as_str()),
            ("compression.type", codec),
            ("batch.size", "1000"),
            ("linger.ms", "20"),
        ];
        blocking(|| {
            let java = kafka.java_oracle()?;
            java.produce_steps(&kafka.bootstrap(), &topic, &steps, &properties)
        })?;
        // The records and four markers.
        let end = 1 + 300 + 200 + 300 + 4;
        let client = connect(&kafka.bootstrap()).await;
        let mut wary = assigned(&client, &topic, IsolationLevel::ReadCommitted).await;
        let read = read_to(&mut wary, &topic, 201, end).await;
        assert_eq!(read, [vec!["first".to_owned()], committed.clone()].concat());
        let mut eager = assigned(&client, &topic, IsolationLevel::ReadUncommitted).await;
        assert_eq!(read_to(&mut eager, &topic, 801, end).await.len(), 801);
        // From the middle of the first aborted transaction, too.
        let partition = TopicPartition::new(topic.as_str(), 0);
        wary.seek(&partition, 150)?;
        assert_eq!(read_to(&mut wary, &topic, 200, end).await, committed);
        assert_eq!(
            wary.end_offsets([partition.clone()]).await?,
            [(partition, end)]
        );
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn expired_offsets_are_reset_and_those_behind_them_are_all_read() -> Outcome {
    let kafka = Kafka::shared();
    let topic = kafka.create_topic("expired", 1)?;
    let partition = TopicPartition::new(topic.as_str(), 0);
    let client = connect(&kafka.bootstrap()).await;
    write(&client, &topic, &numbers(0..100)).await;
    let mut consumer = assigned(&client, &topic, IsolationLevel::ReadUncommitted).await;
    assert_eq!(
        read_to(&mut consumer, &topic, 100, 100).await,
        numbers(0..100)
    );
    blocking(|| {
        let file = kafka.run_dir().join(format!("{topic}.json"));
        let json = format!(
            r#"{{"version":1,"partitions":[{{"topic":"{topic}","partition":0,"offset":60}}]}}"#
        );
        std::fs::write(&file, json).unwrap();
        let tool = kafka.tool("org.apache.kafka.tools.DeleteRecordsCommand")?;
        let (bootstrap, file) = (kafka.bootstrap(), file.display().to_string());
        tool.args([
            "--bootstrap-server",
            &bootstrap,
            "--offset-json-file",
            &file,
        ])
        .run()
    })?;
    consumer.seek(&partition, 17)?;
    assert_eq!(
        read_to(&mut consumer, &topic, 40, 100).await,
        numbers(60..100)
    );
    assert_eq!(
        consumer.beginning_offsets([partition.clone()]).await?,
        [(partition.clone(), 60)]
    );
    let builder = client.consumer().offset_reset(OffsetReset::None);
    let mut strict = builder.build().await?;
    strict.assign([partition.clone()])?;
    strict.seek(&partition, 17)?;
    let error = within(30, "an error", strict.poll()).await.unwrap_err();
    assert!(
        matches!(
            error,
            klamm::consumer::Error::OffsetOutOfRange { offset: 17, .. }
        ),
        "{error}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn offsets_are_found_by_time() -> Outcome {
    let kafka = Kafka::shared();
    let topic = kafka.create_topic("times", 2)?;
    let (full, empty) = (
        TopicPartition::new(topic.as_str(), 0),
        TopicPartition::new(topic.as_str(), 1),
    );
    let client = connect(&kafka.bootstrap()).await;
    let producer = client.producer().build()?;
    for number in 0..10 {
        let record = Record::to(&topic)
            .partition(0)
            .timestamp(1_700_000_000_000 + number * 1000);
        drop(producer.send(record.value("v")).await?);
    }
    producer.close(Duration::from_secs(30)).await?;
    let mut consumer = assigned(&client, &topic, IsolationLevel::ReadUncommitted).await;
    let asked = [(full.clone(), 1_700_000_003_500), (empty, 0)];
    let found = consumer.offsets_for_times(asked).await?;
    let found: Vec<_> = found
        .iter()
        .map(|(_, at)| at.map(|at| (at.offset, at.timestamp)))
        .collect();
    assert_eq!(found, [Some((4, 1_700_000_004_000)), None]);
    consumer.seek_to_timestamp(&full, 1_700_000_008_000)?;
    assert_eq!(consumer.position(&full).await?, 8);
    consumer.seek_to_timestamp(&full, 1_700_000_009_001)?;
    assert_eq!(consumer.position(&full).await?, 10);
    assert_eq!(consumer.seek_relative(&full, -4).await?, 6);
    let young = OffsetReset::ByDuration(Duration::from_secs(60));
    let mut consumer = client.consumer().offset_reset(young).build().await?;
    consumer.assign([full.clone()])?;
    assert_eq!(consumer.position(&full).await?, 10);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_made_anew_is_read_from_its_beginning() -> Outcome {
    let kafka = Kafka::shared();
    let topic = kafka.create_topic("anew", 1)?;
    let client = connect(&kafka.bootstrap()).await;
    write(&client, &topic, &numbers(0..100)).await;
    // Nobody else is to create it meanwhile.
    let builder = client.consumer().allow_auto_create_topics(false);
    let mut consumer = builder.offset_reset(OffsetReset::Earliest).build().await?;
    consumer.assign([TopicPartition::new(topic.as_str(), 0)])?;
    assert_eq!(
        read_to(&mut consumer, &topic, 100, 100).await,
        numbers(0..100)
    );
    // While it polls, as applications do.
    let admin = client.admin();
    let made = async {
        let deleted = admin.delete_topics([topic.as_str()]).await;
        deleted.unwrap().all().unwrap();
        let deadline = std::time::Instant::now() + Duration::from_secs(30);
        loop {
            let created = admin
                .create_topics([klamm::NewTopic::new(&topic).partitions(1)])
                .await;
            match created.unwrap().all() {
                Ok(_) => break,
                // The name is free when the deletion is through.
                Err(error) => assert!(std::time::Instant::now() < deadline, "{error}"),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        // Another client: the producer of this one may still know the old topic.
        let other = connect(&kafka.bootstrap()).await;
        write(&other, &topic, &numbers(500..520)).await;
    };
    let mut read = Vec::new();
    let reading = async {
        while read.len() < 20 {
            let records = consumer
                .poll_timeout(Duration::from_millis(100))
                .await
                .unwrap();
            for record in &records {
                read.push(String::from_utf8(record.value.unwrap().to_vec()).unwrap());
            }
        }
    };
    let both = async { tokio::join!(made, reading) };
    within(60, "reading what was made anew", Box::pin(both)).await;
    assert_eq!(read, numbers(500..520));
    let position = consumer
        .position(&TopicPartition::new(topic.as_str(), 0))
        .await?;
    assert_eq!(position, 20);
    Ok(())
}

/// What the cleaner left of a topic, with what a consumer that starts at the beginning makes of it.
struct Cleaned {
    /// Offset, key and value of each record; a tombstone has no value.
    records: Vec<(i64, String, Option<String>)>,
    /// The position after each poll of one record.
    positions: Vec<i64>,
}

async fn read_cleaned(client: &Client, partition: &TopicPartition, end: i64) -> Cleaned {
    let builder = client.consumer().offset_reset(OffsetReset::Earliest);
    let mut consumer = builder.max_poll_records(1).build().await.unwrap();
    consumer.assign([partition.clone()]).unwrap();
    let mut read = Cleaned {
        records: Vec::new(),
        positions: Vec::new(),
    };
    let all = async {
        while consumer.position(partition).await.unwrap() < end {
            let polled = consumer.poll_timeout(Duration::from_millis(100)).await;
            for record in &polled.unwrap() {
                let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
                let key = text(record.key.unwrap());
                read.records
                    .push((record.offset, key, record.value.map(text)));
                read.positions
                    .push(consumer.position(partition).await.unwrap());
            }
        }
    };
    within(30, "reading to the end", all).await;
    assert_eq!(consumer.position(partition).await.unwrap(), end);
    assert_eq!(consumer.lag(partition).unwrap(), Some(0));
    read
}

/// Writes batches of keys, each by a producer of its own, so that the cleaner has to keep the last batch of each
/// for its sequences; and segments that end where the day does. A key with a dash in front is a tombstone.
async fn write_days(client: &Client, topic: &str, days: &[&[&str]]) {
    const DAY: i64 = 24 * 60 * 60 * 1000;
    for (day, keys) in (0_i64..).zip(days) {
        let builder = client.producer().linger(Duration::from_secs(10));
        let producer = builder.build().unwrap();
        for (number, key) in keys.iter().enumerate() {
            let value = format!("{day}.{number}");
            let record = Record::to(topic).partition(0);
            let record = record.timestamp(1_700_000_000_000 + day * DAY);
            let record = match key.strip_prefix('-') {
                Some(key) => record.key(key),
                None => record.key(*key).value(&value),
            };
            drop(producer.send(record).await.unwrap());
        }
        producer.close(Duration::from_secs(30)).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_cleaner_leaves_is_read_whole_and_positions_step_over_what_it_took() -> Outcome {
    let kafka = Kafka::shared();
    let config = [
        ("cleanup.policy", "compact"),
        ("min.cleanable.dirty.ratio", "0.001"),
        ("segment.ms", "3600000"),
    ];
    let topic = blocking(|| kafka.create_topic_with("compacted", 1, &config))?;
    let partition = TopicPartition::new(topic.as_str(), 0);
    let client = connect(&kafka.bootstrap()).await;
    // The cleaner looks every 15 s otherwise.
    let every = klamm::admin::ConfigResource::all_brokers();
    let often = vec![klamm::admin::ConfigChange::set(
        "log.cleaner.backoff.ms",
        "100",
    )];
    client
        .admin()
        .alter_configs([(every, often)])
        .await?
        .all()?;

    let days: [&[&str]; 5] = [
        // A hole at the beginning, at the end, and in the middle.
        &["a", "kept", "b", "also kept", "c"],
        // All of it, of which an empty batch is left.
        &["b", "c", "d"],
        &["a", "b", "b"],
        &["-c", "d", "a"],
        // The cleaner never touches the segment that is written to.
        &["last", "last"],
    ];
    write_days(&client, &topic, &days).await;
    let expected: Vec<(i64, &str, Option<&str>)> = vec![
        (1, "kept", Some("0.1")),
        (3, "also kept", Some("0.3")),
        (10, "b", Some("2.2")),
        (11, "c", None),
        (12, "d", Some("3.1")),
        (13, "a", Some("3.2")),
        (14, "last", Some("4.0")),
        (15, "last", Some("4.1")),
    ];
    let wait = async {
        loop {
            let read = read_cleaned(&client, &partition, 16).await;
            if read.records.len() <= expected.len() {
                return read;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let read = within(60, "cleaning", wait).await;
    let owned = |(offset, key, value): &(i64, &str, Option<&str>)| {
        (*offset, (*key).to_owned(), value.map(str::to_owned))
    };
    let expected: Vec<_> = expected.iter().map(owned).collect();
    assert_eq!(read.records, expected);
    // Within a batch behind the record, at its end behind the batch.
    assert_eq!(read.positions, [2, 5, 11, 12, 13, 14, 15, 16]);

    // From within each hole as from what is behind it.
    let builder = client.consumer().offset_reset(OffsetReset::None);
    let mut consumer = builder.build().await?;
    consumer.assign([partition.clone()])?;
    for from in 0..16 {
        consumer.seek(&partition, from)?;
        assert_eq!(consumer.position(&partition).await?, from);
        let polled = within(30, "a record", consumer.poll()).await?;
        let first = polled.iter().next().map(|record| record.offset);
        let next = expected.iter().map(|(offset, ..)| *offset);
        assert_eq!(first, next.filter(|offset| *offset >= from).min());
    }
    Ok(())
}
