//! Creates a topic, produces to it, consumes from it in a group and commits.
//!
//! `cargo run -p klamm --example quickstart` starts a broker of its own in the process; with
//! `-- --bootstrap HOST:PORT` it does the same on a real cluster, and deletes its topic at the end.

use std::collections::BTreeSet;
use std::error::Error;
use std::time::Duration;

use klamm::{Admin, Client, NewTopic, OffsetReset, Record};
use klamm_testbroker::TestBroker;

const RECORDS: usize = 10;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let (bootstrap, broker) = match bootstrap_argument()? {
        Some(bootstrap) => {
            println!("Using the cluster at {bootstrap}.");
            (bootstrap, None)
        }
        None => {
            let broker = TestBroker::builder().start().await?;
            println!(
                "Started a broker in this process; it listens on {}.",
                broker.bootstrap()
            );
            (broker.bootstrap(), Some(broker))
        }
    };
    let client = Client::connect(&bootstrap).await?;

    // The process id keeps two runs on one cluster apart.
    let topic = format!("klamm-quickstart-{}", std::process::id());
    let admin = client.admin();
    admin
        .create_topics([NewTopic::new(&topic).partitions(3)])
        .await?
        .all()?;
    println!("Created the topic {topic} with 3 partitions.");
    let result = produce_and_consume(&client, &topic).await;
    if broker.is_none() {
        delete(&admin, &topic).await?;
    }
    result?;
    if let Some(broker) = broker {
        broker.shutdown().await;
        println!("Stopped the broker.");
    }
    Ok(())
}

fn bootstrap_argument() -> Result<Option<String>, String> {
    let mut arguments = std::env::args().skip(1);
    match arguments.next().as_deref() {
        None => Ok(None),
        Some("--bootstrap") => arguments
            .next()
            .map(Some)
            .ok_or_else(|| "--bootstrap needs HOST:PORT".to_owned()),
        Some(other) => Err(format!(
            "unknown argument {other}; there is --bootstrap HOST:PORT"
        )),
    }
}

async fn produce_and_consume(client: &Client, topic: &str) -> Result<(), Box<dyn Error>> {
    let producer = client.producer().build()?;
    let mut deliveries = Vec::new();
    for number in 0..RECORDS {
        let key = format!("customer-{}", number % 4);
        let value = format!("order {number}");
        let record = Record::to(topic).key(&key).value(&value);
        // Waits for buffer room only: the records travel together.
        deliveries.push(producer.send(record).await?);
    }
    let mut partitions = BTreeSet::new();
    for delivery in deliveries {
        partitions.insert(delivery.await?.partition);
    }
    producer.close(Duration::from_secs(10)).await?;
    println!(
        "Produced {RECORDS} records of 4 customers; those of one customer share a partition, so they went to partitions {partitions:?}."
    );

    let group = format!("{topic}-readers");
    let mut consumer = client
        .consumer()
        .group(&group)
        .topics([topic])
        .offset_reset(OffsetReset::Earliest)
        .auto_commit(false)
        .build()
        .await?;
    println!(
        "Joining the group {group}; a broker waits a few seconds for more members by default."
    );
    let mut count = 0;
    while count < RECORDS {
        let records = consumer.poll().await?;
        for record in &records {
            let text = |bytes: Option<&[u8]>| {
                String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned()
            };
            let (key, value) = (text(record.key), text(record.value));
            println!(
                "  partition {} offset {}: {key} has {value}.",
                record.partition, record.offset
            );
        }
        count += records.len();
        consumer.commit().await?;
    }
    consumer.close(Duration::from_secs(10)).await?;
    println!(
        "Consumed and committed {count} records; the next reader of the group goes on behind them."
    );
    Ok(())
}

async fn delete(admin: &Admin, topic: &str) -> Result<(), klamm::Error> {
    admin.delete_topics([topic]).await?.all()?;
    println!("Deleted the topic {topic}.");
    Ok(())
}
