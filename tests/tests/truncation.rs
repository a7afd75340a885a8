//! A log that lost records to an unclean election on three real brokers (KIP-320). Slow: brokers are
//! killed and their sessions have to time out. `just truncation` runs it.

mod support;

use std::time::Duration;

use klamm::consumer::Error;
use klamm::{Client, Consumer, NewTopic, OffsetReset, Record, TopicPartition};
use klamm_tests::Kafka;
use support::{Outcome, blocking, connect, within};

const TOPIC: &str = "truncated";

fn partition() -> TopicPartition {
    TopicPartition::new(TOPIC, 0)
}

async fn reader(client: &Client, reset: OffsetReset) -> Consumer {
    let builder = client.consumer().offset_reset(reset);
    let mut consumer = builder.build().await.unwrap();
    consumer.assign([partition()]).unwrap();
    consumer.seek(&partition(), 0).unwrap();
    consumer
}

async fn write(client: &Client, numbers: std::ops::Range<i64>) {
    let producer = client.producer().build().unwrap();
    for number in numbers {
        let value = number.to_string();
        let record = Record::to(TOPIC).partition(0).value(&value);
        let sent = producer.send(record).await.unwrap();
        drop(sent);
    }
    let closed = within(120, "writing", producer.close(Duration::from_secs(120)));
    closed.await.unwrap();
}

async fn read(consumer: &mut Consumer, count: usize) -> Vec<(i64, String)> {
    let mut read = Vec::new();
    let reading = async {
        while read.len() < count {
            let records = consumer.poll_timeout(Duration::from_millis(200)).await;
            for record in &records.unwrap() {
                let value = String::from_utf8(record.value.unwrap().to_vec()).unwrap();
                read.push((record.offset, value));
            }
        }
    };
    within(120, "reading", reading).await;
    read
}

fn placed(offset: i64, numbers: std::ops::Range<i64>) -> Vec<(i64, String)> {
    (offset..)
        .zip(numbers.map(|number| number.to_string()))
        .collect()
}

#[ignore = "a minute or two: sessions of killed brokers time out"]
#[tokio::test(flavor = "multi_thread")]
async fn reading_goes_on_where_the_log_was_cut_and_without_a_policy_that_is_an_error() -> Outcome {
    let builder = Kafka::builder().nodes(3);
    let kafka = builder
        .property("unclean.leader.election.enable", "true")
        // The leader takes what its follower never gets.
        .property("min.insync.replicas", 1)
        .start()?;
    let client = connect(&kafka.bootstrap()).await;
    let topic = NewTopic::new(TOPIC).partitions(1).replication_factor(2);
    client.admin().create_topics([topic]).await?.all()?;
    write(&client, 0..100).await;
    let mut earliest = reader(&client, OffsetReset::Earliest).await;
    let mut none = reader(&client, OffsetReset::None).await;
    assert_eq!(read(&mut earliest, 100).await, placed(0, 0..100));
    read(&mut none, 100).await;

    let described = client.admin().describe_topics([TOPIC]).await?.all()?;
    let found = &described[0].partitions[0];
    let leader = found.leader.ok_or("a leader")?;
    let follower = found
        .replicas
        .iter()
        .find(|node| **node != leader)
        .ok_or("a follower")?;
    let (leader, follower) = (
        kafka.broker(leader.0).ok_or("the leader")?,
        kafka.broker(follower.0).ok_or("the follower")?,
    );
    // These the follower never gets.
    blocking(|| follower.kill())?;
    write(&client, 100..200).await;
    assert_eq!(read(&mut earliest, 100).await, placed(100, 100..200));
    read(&mut none, 100).await;
    blocking(|| leader.kill())?;
    blocking(|| follower.start())?;
    write(&client, 500..510).await;

    assert_eq!(read(&mut earliest, 10).await, placed(100, 500..510));
    assert_eq!(earliest.position(&partition()).await?, 110);
    let error = within(60, "an error", none.poll()).await.unwrap_err();
    let is_it = matches!(
        error,
        Error::LogTruncation {
            offset: 200,
            end_offset: Some(100),
            ..
        }
    );
    assert!(is_it, "{error}");
    none.seek(&partition(), 95)?;
    assert_eq!(read(&mut none, 15).await[5..], placed(100, 500..510));
    Ok(())
}
