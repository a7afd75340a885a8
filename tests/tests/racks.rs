//! Reading from the replica of the consumer's own rack (KIP-392), on three real nodes: `just racks`.

mod support;

use std::time::Duration;

use klamm::consumer::OffsetReset;
use klamm::{Client, Consumer, NodeId, Record, TopicPartition};
use klamm_codec::ApiKey;
use klamm_tests::Kafka;
use support::{Outcome, blocking, within};

/// Incompressible enough, and more than all that is not records.
const VALUE: [u8; 10_000] = [7; 10_000];

/// Bytes of fetch responses from a node.
fn fetched(client: &Client, node: i32) -> u64 {
    let stats = client.stats();
    let of_node = stats
        .brokers
        .iter()
        .filter(|broker| broker.node == Some(NodeId(node)));
    let apis = of_node.flat_map(|broker| &broker.apis);
    let fetches = apis.filter(|stats| stats.api == ApiKey::FETCH);
    fetches.map(|stats| stats.bytes_in).sum()
}

async fn write(client: &Client, topic: &str, count: usize) {
    let producer = client.producer().build().unwrap();
    for _ in 0..count {
        let record = Record::to(topic).partition(0).value(&VALUE[..]);
        drop(producer.send(record).await.unwrap());
    }
    let closed = producer.close(Duration::from_secs(30));
    within(60, "writing", closed).await.unwrap();
}

/// Reads offsets `next` to `end`, each once.
async fn read(consumer: &mut Consumer, mut next: i64, end: i64) {
    let all = async {
        while next < end {
            for record in &consumer.poll().await.unwrap() {
                assert_eq!(record.offset, next);
                next += 1;
            }
        }
    };
    within(60, "reading", all).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "starts three nodes; just racks"]
async fn the_replica_of_the_own_rack_is_read_and_the_leader_while_that_is_away() -> Outcome {
    let builder = Kafka::builder().nodes(3).racks();
    let kafka = blocking(|| builder.property("min.insync.replicas", 2).start())?;
    let topic = blocking(|| kafka.create_topic("near", 1))?;
    let leader = kafka.leader_of(&topic, 0)?.id();
    let near = leader % 3 + 1;
    let client = support::connect(&kafka.bootstrap()).await;
    let builder = client.consumer().client_rack(format!("rack-{near}"));
    let mut consumer = builder.offset_reset(OffsetReset::Earliest).build().await?;
    consumer.assign([TopicPartition::new(&*topic, 0)])?;
    write(&client, &topic, 100).await;
    // The leader may hand out the first before it sends its readers elsewhere.
    read(&mut consumer, 0, 100).await;
    let before = [leader, near].map(|node| fetched(&client, node));
    write(&client, &topic, 500).await;
    read(&mut consumer, 100, 600).await;
    let [far, here] = [leader, near].map(|node| fetched(&client, node));
    println!(
        "500 records of 10 kB: {} bytes from the leader, {} from the replica in the rack",
        far - before[0],
        here - before[1]
    );
    assert!(here - before[1] > 5_000_000);
    assert!(far - before[0] < 100_000);

    // Without it the leader is read, and nothing is skipped or repeated.
    blocking(|| kafka.broker(near).unwrap().kill())?;
    write(&client, &topic, 500).await;
    read(&mut consumer, 600, 1100).await;
    let others = (1..=3).filter(|node| *node != near);
    let others: u64 = others.map(|node| fetched(&client, node)).sum();
    println!("while it is away: {} bytes from the others", others - far);
    assert!(others - far > 4_000_000);
    blocking(|| kafka.broker(near).unwrap().restart())?;
    let again = async {
        let (mut next, before) = (1100, fetched(&client, near));
        while fetched(&client, near) < before + 1_000_000 {
            write(&client, &topic, 20).await;
            read(&mut consumer, next, next + 20).await;
            next += 20;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    within(120, "reading the replica again", again).await;
    let fetches = consumer.stats().fetches;
    println!("{fetches} fetches in all");
    assert!(fetches < 2000, "{fetches} fetches");
    Ok(())
}
