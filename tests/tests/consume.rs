//! What klamm reads of a real broker: Java's bytes, and from where it was told to.

mod support;

use std::time::Duration;

use klamm::consumer::Error;
use klamm::{Client, Consumer, Message, OffsetReset, Record, TopicPartition};
use klamm_tests::{Kafka, OracleRecord};
use support::{CODECS, Outcome, blocking, connect, every_kind_of_record, in_log_order, within};

/// Reads `count` records, and then a little longer to see that there are no more.
async fn read_exactly(consumer: &mut Consumer, count: usize) -> Vec<Message> {
    let mut read = Vec::new();
    while read.len() < count {
        let what = format!("record {} of {count}", read.len());
        let records = within(30, &what, consumer.poll()).await.unwrap();
        read.extend(records.iter().map(klamm::ConsumerRecord::to_owned));
    }
    let more = consumer
        .poll_timeout(Duration::from_millis(300))
        .await
        .unwrap();
    assert_eq!(
        (read.len(), more.len()),
        (count, 0),
        "more than there should be"
    );
    read
}

async fn assigned(client: &Client, topic: &str, partitions: i32, reset: OffsetReset) -> Consumer {
    let builder = client.consumer().offset_reset(reset);
    let mut consumer = builder.build().await.unwrap();
    let partitions = (0..partitions).map(|partition| TopicPartition::new(topic, partition));
    consumer.assign(partitions).unwrap();
    consumer
}

fn as_java_has_it(message: &Message) -> OracleRecord {
    let bytes = |bytes: &bytes::Bytes| bytes.to_vec();
    let name = |name: &bytes::Bytes| String::from_utf8(name.to_vec()).unwrap();
    OracleRecord {
        partition: Some(message.partition),
        offset: Some(message.offset),
        timestamp: Some(message.timestamp),
        key: message.key.as_ref().map(bytes),
        value: message.value.as_ref().map(bytes),
        headers: message
            .headers
            .iter()
            .map(|(key, value)| (name(key), value.as_ref().map(bytes)))
            .collect(),
        ..OracleRecord::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn klamm_reads_every_byte_that_java_wrote_with_every_codec() -> Outcome {
    let kafka = Kafka::shared();
    let topic = kafka.create_topic("from-java", 3)?;
    let sent = every_kind_of_record();
    let mut written = Vec::new();
    for codec in CODECS {
        let codec = codec.to_string();
        let properties = [("compression.type", codec.as_str()), ("linger.ms", "100")];
        let positions = blocking(|| {
            let java = kafka.java_oracle()?;
            java.produce(&kafka.bootstrap(), &topic, &sent, &properties)
        })?;
        for (record, position) in sent.iter().zip(positions) {
            written.push(OracleRecord {
                partition: Some(position.partition),
                offset: Some(position.offset),
                ..record.clone()
            });
        }
    }
    let client = connect(&kafka.bootstrap()).await;
    let mut consumer = assigned(&client, &topic, 3, OffsetReset::Earliest).await;
    let read = read_exactly(&mut consumer, written.len()).await;
    let read = read.iter().map(as_java_has_it).collect();
    assert_eq!(in_log_order(read), in_log_order(written));
    Ok(())
}

/// Writes numbers as values to partition 0.
async fn write(client: &Client, topic: &str, numbers: std::ops::Range<i64>) {
    let producer = client.producer().batch_size(1000).build().unwrap();
    for number in numbers {
        let value = number.to_string();
        let record = Record::to(topic).partition(0).value(&value);
        drop(producer.send(record).await.unwrap());
    }
    let closed = producer.close(Duration::from_secs(30));
    closed.await.unwrap();
}

fn offsets(messages: &[Message]) -> Vec<i64> {
    let offset = |message: &Message| {
        let value = message.value.as_ref().unwrap();
        assert_eq!(value, message.offset.to_string().as_bytes());
        message.offset
    };
    messages.iter().map(offset).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn seeking_goes_to_any_record_back_and_forth() -> Outcome {
    let kafka = Kafka::shared();
    let topic = kafka.create_topic("seek", 1)?;
    let client = connect(&kafka.bootstrap()).await;
    write(&client, &topic, 0..1000).await;
    let mut consumer = assigned(&client, &topic, 1, OffsetReset::Earliest).await;
    let partition = TopicPartition::new(topic.as_str(), 0);
    let all = read_exactly(&mut consumer, 1000).await;
    assert_eq!(offsets(&all), (0..1000).collect::<Vec<_>>());
    // Into the middle of batches, backwards and forwards.
    for start in [999, 17, 500, 501] {
        consumer.seek(&partition, start)?;
        let read = read_exactly(&mut consumer, (1000 - start) as usize).await;
        assert_eq!(offsets(&read), (start..1000).collect::<Vec<_>>());
        assert_eq!(consumer.position(&partition).await?, 1000);
    }
    consumer.seek_to_beginning(&partition)?;
    assert_eq!(consumer.position(&partition).await?, 0);
    assert_eq!(read_exactly(&mut consumer, 1000).await[0].offset, 0);
    consumer.seek(&partition, 0)?;
    consumer.seek_to_end(&partition)?;
    assert_eq!(consumer.position(&partition).await?, 1000);
    write(&client, &topic, 1000..1010).await;
    let read = read_exactly(&mut consumer, 10).await;
    assert_eq!(offsets(&read), (1000..1010).collect::<Vec<_>>());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_valid_offset_the_reset_policy_decides() -> Outcome {
    let kafka = Kafka::shared();
    let topic = kafka.create_topic("reset", 1)?;
    let client = connect(&kafka.bootstrap()).await;
    write(&client, &topic, 0..100).await;
    let partition = TopicPartition::new(topic.as_str(), 0);

    let mut earliest = assigned(&client, &topic, 1, OffsetReset::Earliest).await;
    assert_eq!(read_exactly(&mut earliest, 100).await[0].offset, 0);
    let mut latest = assigned(&client, &topic, 1, OffsetReset::Latest).await;
    read_exactly(&mut latest, 0).await;
    let mut none = assigned(&client, &topic, 1, OffsetReset::None).await;
    let error = within(30, "poll", none.poll()).await.unwrap_err();
    assert!(matches!(error, Error::NoOffset { .. }), "{error}");
    none.seek(&partition, 90)?;
    assert_eq!(read_exactly(&mut none, 10).await[0].offset, 90);

    // Beyond the end of the log there is nothing to read either.
    for consumer in [&mut earliest, &mut latest, &mut none] {
        consumer.seek(&partition, 5000)?;
    }
    assert_eq!(read_exactly(&mut earliest, 100).await[0].offset, 0);
    read_exactly(&mut latest, 0).await;
    let error = within(30, "poll", none.poll()).await.unwrap_err();
    assert!(matches!(error, Error::OffsetOutOfRange { .. }), "{error}");
    write(&client, &topic, 100..110).await;
    let read = read_exactly(&mut latest, 10).await;
    assert_eq!(offsets(&read), (100..110).collect::<Vec<_>>());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn assigning_reads_what_is_named_and_nothing_else() -> Outcome {
    let kafka = Kafka::shared();
    let (first, second) = (
        kafka.create_topic("first", 3)?,
        kafka.create_topic("second", 2)?,
    );
    let client = connect(&kafka.bootstrap()).await;
    let producer = client.producer().build()?;
    for (topic, partitions) in [(&first, 3), (&second, 2)] {
        for partition in 0..partitions {
            let value = format!("{topic}-{partition}");
            let sent = producer
                .send(Record::to(topic).partition(partition).value(&value))
                .await?;
            within(30, "a delivery", sent).await?;
        }
    }
    let mut consumer = client
        .consumer()
        .offset_reset(OffsetReset::Earliest)
        .build()
        .await?;
    let named = [
        TopicPartition::new(first.as_str(), 1),
        TopicPartition::new(second.as_str(), 0),
    ];
    consumer.assign(named.clone())?;
    assert_eq!(consumer.assignment(), named);
    let read = read_exactly(&mut consumer, 2).await;
    let mut values: Vec<_> = read
        .iter()
        .map(|message| message.value.clone().unwrap())
        .collect();
    values.sort();
    assert_eq!(values, [format!("{first}-1"), format!("{second}-0")]);
    consumer.assign([TopicPartition::new(first.as_str(), 2), named[1].clone()])?;
    let read = read_exactly(&mut consumer, 1).await;
    assert_eq!((read[0].partition, &*read[0].topic), (2, first.as_str()));
    Ok(())
}
