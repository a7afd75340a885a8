//! What klamm produces, as Java reads it.

mod support;

use std::collections::BTreeMap;
use std::time::Duration;

use klamm::producer::{Cause, Error};
use klamm::{Client, Compression, Header, Outcome as Written, Record};
use klamm_testbroker::TestBroker;
use klamm_tests::{Kafka, OracleRecord};
use support::{CODECS, Outcome, blocking, connect, every_kind_of_record, in_log_order, within};

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_keys_go_to_the_partitions_that_javas_producer_picks() -> Outcome {
    let kafka = Kafka::shared();
    let topic = kafka.create_topic("keys", 7)?;
    let key = |number: usize| {
        let bytes = (0..number % 23).map(|at| (at * 31 + number * 7) as u8);
        [number.to_string().into_bytes(), bytes.collect()].concat()
    };
    // The first is empty, which is not the same as none.
    let keys: Vec<Vec<u8>> = std::iter::once(Vec::new())
        .chain((1..100).map(key))
        .collect();

    let producer = connect(&kafka.bootstrap()).await.producer().build()?;
    let mut deliveries = Vec::new();
    for key in &keys {
        deliveries.push(
            producer
                .send(Record::to(&topic).key(key).value("klamm"))
                .await?,
        );
    }
    let mut ours = Vec::new();
    for delivery in deliveries {
        ours.push(within(30, "a delivery", delivery).await?.partition);
    }
    let keyed = |key: &Vec<u8>| OracleRecord {
        key: Some(key.clone()),
        value: Some(b"java".to_vec()),
        ..OracleRecord::default()
    };
    let records: Vec<_> = keys.iter().map(keyed).collect();
    let positions = blocking(|| {
        kafka
            .java_oracle()?
            .produce(&kafka.bootstrap(), &topic, &records, &[])
    })?;
    let javas: Vec<i32> = positions
        .iter()
        .map(|position| position.partition)
        .collect();
    assert_eq!(ours, javas);
    assert!(
        (0..7).all(|partition| ours.contains(&partition)),
        "{ours:?}"
    );
    Ok(())
}

/// Sends `records` in order and gives them back with the offsets that were told.
async fn produce(
    client: &Client,
    topic: &str,
    compression: Compression,
    records: &[OracleRecord],
) -> Result<Vec<OracleRecord>, Box<dyn std::error::Error>> {
    let builder = client.producer().compression(compression);
    // One batch a partition.
    let producer = builder.linger(Duration::from_secs(20)).build()?;
    let mut deliveries = Vec::new();
    for record in records {
        let headers: Vec<_> = record
            .headers
            .iter()
            .map(|(key, value)| Header {
                key: key.as_bytes(),
                value: value.as_deref(),
            })
            .collect();
        let mut ours = Record::to(topic).headers(&headers);
        if let Some(partition) = record.partition {
            ours = ours.partition(partition);
        }
        if let Some(timestamp) = record.timestamp {
            ours = ours.timestamp(timestamp);
        }
        if let Some(key) = &record.key {
            ours = ours.key(key);
        }
        if let Some(value) = &record.value {
            ours = ours.value(value);
        }
        deliveries.push(producer.send(ours).await?);
    }
    producer.flush().await;
    let mut sent = Vec::new();
    for (record, delivery) in records.iter().zip(deliveries) {
        let told = within(30, "a delivery", delivery).await?;
        sent.push(OracleRecord {
            partition: Some(told.partition),
            offset: told.offset,
            leader_epoch: Some(0),
            ..record.clone()
        });
    }
    Ok(sent)
}

#[tokio::test(flavor = "multi_thread")]
async fn java_reads_every_byte_that_klamm_wrote_with_every_codec() -> Outcome {
    let kafka = Kafka::shared();
    let topic = kafka.create_topic("bytes", 3)?;
    let client = connect(&kafka.bootstrap()).await;
    let mut sent = Vec::new();
    for codec in CODECS {
        sent.extend(produce(&client, &topic, codec, &every_kind_of_record()).await?);
    }
    let read = blocking(|| support::read_to_end(kafka, &topic))?;
    assert_eq!(in_log_order(read), in_log_order(sent));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_console_consumer_prints_what_klamm_wrote() -> Outcome {
    let kafka = Kafka::shared();
    let topic = kafka.create_topic("console", 1)?;
    let client = connect(&kafka.bootstrap()).await;
    for codec in CODECS {
        let producer = client.producer().compression(codec).build()?;
        let value = format!("compressed by {codec}");
        let headers = [Header::new("trace", "one"), Header::new("trace", "two")];
        let record = Record::to(&topic)
            .key("key")
            .headers(&headers)
            .timestamp(17);
        within(30, "a delivery", producer.send(record.value(&value)).await?).await?;
    }
    let producer = client.producer().build()?;
    let tombstone = producer.send(Record::to(&topic).timestamp(17)).await?;
    within(30, "a tombstone", tombstone).await?;
    let printed = blocking(|| {
        let tool = kafka.tool("org.apache.kafka.tools.consumer.ConsoleConsumer")?;
        let shown =
            ["key", "value", "headers", "timestamp"].map(|what| format!("print.{what}=true"));
        let shown = shown
            .iter()
            .flat_map(|property| ["--formatter-property", property]);
        tool.args(["--bootstrap-server", &kafka.bootstrap(), "--topic", &topic])
            .args(["--from-beginning", "--max-messages", "6"])
            .args(shown)
            .run()
    })?;
    let expected: Vec<_> = CODECS
        .iter()
        .map(|codec| format!("CreateTime:17\ttrace:one,trace:two\tkey\tcompressed by {codec}"))
        .chain(["CreateTime:17\tNO_HEADERS\tnull\tnull".to_owned()])
        .collect();
    assert_eq!(printed.text().lines().collect::<Vec<_>>(), expected);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn keyless_records_reach_every_partition_and_keep_their_order() -> Outcome {
    let kafka = Kafka::shared();
    let topic = kafka.create_topic("keyless", 3)?;
    let producer = connect(&kafka.bootstrap())
        .await
        .producer()
        .batch_size(1000)
        .build()?;
    let mut told = BTreeMap::<(i32, i64), Vec<u8>>::new();
    let mut deliveries = Vec::new();
    for number in 0..2000 {
        let value = format!("{number:08}");
        let sent = producer.send(Record::to(&topic).value(&value)).await?;
        deliveries.push((value, sent));
    }
    for (value, delivery) in deliveries {
        let written = within(30, "a delivery", delivery).await?;
        let place = (
            written.partition,
            written.offset.expect("acks=all tells it"),
        );
        assert_eq!(
            told.insert(place, value.into_bytes()),
            None,
            "{place:?} was told twice"
        );
    }
    let read = blocking(|| support::read_to_end(kafka, &topic))?;
    let read: BTreeMap<_, _> = read
        .into_iter()
        .map(|record| {
            (
                (record.partition.unwrap(), record.offset.unwrap()),
                record.value.unwrap(),
            )
        })
        .collect();
    assert_eq!(read, told);
    for partition in 0..3 {
        let values: Vec<_> = read
            .range((partition, 0)..(partition + 1, 0))
            .map(|(_, value)| value)
            .collect();
        assert!(!values.is_empty(), "nothing in partition {partition}");
        assert!(values.is_sorted(), "partition {partition} is out of order");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_records_are_refused_and_good_ones_unharmed() -> Outcome {
    let kafka = Kafka::shared();
    let topic = kafka.create_topic_with("limits", 1, &[("max.message.bytes", "10000")])?;
    let client = connect(&kafka.bootstrap()).await;
    let builder = client.producer().linger(Duration::ZERO).batch_size(500);
    let producer = builder.max_request_size(50_000).build()?;
    let (too_large_for_us, too_large_for_them) = (vec![b'x'; 50_000], vec![b'x'; 20_000]);
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for number in 0..30 {
        match number % 10 {
            3 => bad.push(
                producer
                    .send(Record::to(&topic).value(&too_large_for_them))
                    .await?,
            ),
            7 => {
                let record = Record::to(&topic).value(&too_large_for_us);
                let refused = producer.send(record).await.unwrap_err();
                assert!(
                    matches!(refused, Error::RecordTooLarge { limit: 50_000, .. }),
                    "{refused}"
                );
            }
            _ => good.push(producer.send(Record::to(&topic).value("good")).await?),
        }
    }
    for delivery in bad {
        let error = within(30, "a bad one", delivery).await.unwrap_err();
        assert_eq!(error.code().map(|code| code.0), Some(10), "{error}");
        assert_eq!(error.outcome(), Written::NotWritten);
    }
    for delivery in good {
        within(30, "a good one", delivery).await?;
    }
    let read = blocking(|| support::read_to_end(kafka, &topic))?;
    assert_eq!(read.len(), 24);
    assert!(
        read.iter()
            .all(|record| record.value.as_deref() == Some(b"good"))
    );
    Ok(())
}

/// A batch is written whole or not at all; which of its records was at fault, the broker tells (KIP-467).
#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_the_broker_refuses_is_told_apart_from_those_that_went_with_it() -> Outcome {
    let kafka = Kafka::shared();
    let topic = kafka.create_topic_with("compacted", 1, &[("cleanup.policy", "compact")])?;
    let client = connect(&kafka.bootstrap()).await;
    let producer = client.producer().linger(Duration::from_secs(20)).build()?;
    let mut deliveries = Vec::new();
    for key in [Some("a"), None, Some("b")] {
        let record = Record::to(&topic).value("v");
        let record = match key {
            Some(key) => record.key(key),
            None => record,
        };
        deliveries.push(producer.send(record).await?);
    }
    producer.flush().await;
    let mut causes = Vec::new();
    for delivery in deliveries {
        let error = within(30, "a delivery", delivery).await.unwrap_err();
        assert_eq!(error.outcome(), Written::NotWritten, "{error}");
        let Error::Delivery { cause, .. } = error else {
            return Err(error.into());
        };
        causes.push(cause);
    }
    let invalid = klamm::ErrorCode(87);
    let at_fault = |cause: &Cause| match cause {
        Cause::Broker { code, message } => {
            *code == invalid && message.as_ref().is_some_and(|text| text.contains("key"))
        }
        _ => false,
    };
    let beside = |cause: &Cause| matches!(cause, Cause::OtherRecord(code) if *code == invalid);
    assert!(
        beside(&causes[0]) && at_fault(&causes[1]) && beside(&causes[2]),
        "{causes:?}"
    );
    let next = producer
        .send(Record::to(&topic).key("c").value("v"))
        .await?;
    producer.flush().await;
    assert_eq!(within(30, "a delivery", next).await?.offset, Some(0));
    Ok(())
}

/// `bytes` that no codec makes smaller, others for each `seed`.
fn incompressible(seed: u64, bytes: usize) -> Vec<u8> {
    let mut state = seed;
    let next = |_| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..bytes).map(next).collect()
}

/// Sends what compresses well until batches have grown by it, and then what does not, to a topic whose limit is not
/// far above `batch.size`; gives the values.
async fn send_what_compresses_worse_than_before(
    bootstrap: &str,
    topic: &str,
) -> Result<Vec<Vec<u8>>, Box<dyn std::error::Error>> {
    let client = connect(bootstrap).await;
    let builder = client.producer().compression(Compression::Lz4);
    let builder = builder.linger(Duration::from_millis(20));
    // So small that no batch is filled long before its predecessors are compressed.
    let builder = builder.batch_size(8 << 10).buffer_memory(100_000);
    let producer = builder.build()?;
    let value = |number: u64| match number {
        ..3000 => format!("{number:04}{}", "x".repeat(996)).into_bytes(),
        _ => incompressible(number, 1000),
    };
    let (mut values, mut deliveries) = (Vec::new(), Vec::new());
    for number in 0..3200 {
        let value = value(number);
        deliveries.push(producer.send(Record::to(topic).value(&value)).await?);
        values.push(value);
    }
    for (offset, delivery) in (0..).zip(deliveries) {
        let told = within(30, "a delivery", delivery).await?;
        assert_eq!(told.offset, Some(offset));
    }
    let stats = producer.stats();
    assert!(stats.splits > 0, "nothing was too large: {stats:?}");
    Ok(values)
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_that_compress_worse_than_those_before_are_cut_until_the_broker_takes_them()
-> Outcome {
    let limit = [("max.message.bytes", "10000")];
    let kafka = Kafka::shared();
    let topic = kafka.create_topic_with("estimate", 1, &limit)?;
    let sent = send_what_compresses_worse_than_before(&kafka.bootstrap(), &topic).await?;
    let read = blocking(|| support::read_to_end(kafka, &topic))?;
    let read: Vec<_> = read.into_iter().filter_map(|record| record.value).collect();
    assert!(read == sent, "Java reads something else");
    // And so that the test broker stays like Kafka:
    let testbroker = TestBroker::builder().topic_with(&topic, 1, limit);
    let testbroker = testbroker.start().await?;
    send_what_compresses_worse_than_before(&testbroker.bootstrap(), &topic).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_topic_is_a_clear_error_where_topics_are_not_created_by_sending() -> Outcome {
    let kafka = Kafka::builder()
        .property("auto.create.topics.enable", "false")
        .start()?;
    let client = connect(&kafka.bootstrap()).await;
    let max_block = Duration::from_secs(2);
    let producer = client.producer().max_block(max_block).build()?;
    let sent = producer.send(Record::to("missing").value("v"));
    let error = within(30, "max.block.ms", sent).await.unwrap_err();
    assert_eq!(error.code().map(|code| code.0), Some(3), "{error}");
    assert!(error.to_string().contains("missing"), "{error}");
    let topic = blocking(|| kafka.create_topic("there", 1))?;
    let sent = within(30, "send", producer.send(Record::to(&topic).value("v"))).await?;
    assert_eq!(within(30, "the delivery", sent).await?.offset, Some(0));
    Ok(())
}
