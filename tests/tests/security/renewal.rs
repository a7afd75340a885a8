//! Sessions that end (KIP-368), and credentials that end with them.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use klamm::net::{BearerToken, Sasl};
use klamm::{Client, OffsetReset, Record};

use super::broker::{PASSWORD, SecureKafka, token};
use super::log::Log;
use crate::support::{Outcome, blocking, within};
use crate::{Counting, PATIENCE};

/// Produces and consumes until `end`; gives how many records went through.
async fn load(client: &Client, topic: &str, end: Instant) -> usize {
    let producer = client
        .producer()
        .linger(Duration::from_millis(1))
        .build()
        .unwrap();
    let builder = client.consumer().offset_reset(OffsetReset::Earliest);
    let mut consumer = builder.topics([topic]).group(topic).build().await.unwrap();
    let (mut sent, mut read) = (0, 0);
    while Instant::now() < end || read < sent {
        if Instant::now() < end {
            let deliveries: Vec<_> = {
                let mut deliveries = Vec::new();
                for _ in 0..20 {
                    let value = sent.to_string();
                    let record = Record::to(topic).value(&value);
                    deliveries.push(within(20, "sending", producer.send(record)).await.unwrap());
                    sent += 1;
                }
                deliveries
            };
            for delivery in deliveries {
                within(20, "delivery", delivery).await.unwrap();
            }
        }
        let records = consumer
            .poll_timeout(Duration::from_millis(20))
            .await
            .unwrap();
        for record in &records {
            assert_eq!(
                record.value,
                Some(read.to_string().as_bytes()),
                "in order, once"
            );
            read += 1;
        }
    }
    consumer.close(PATIENCE).await.unwrap();
    producer.close(PATIENCE).await.unwrap();
    sent
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_under_load_authenticate_again_and_stay() -> Outcome {
    let kafka = SecureKafka::shared();
    let topic = blocking(|| kafka.kafka.create_topic("reauth", 1))?;
    let counting = Counting::default();
    let client = Client::builder(&kafka.address("REAUTH"))
        .sasl(Sasl::scram_sha_256("alice", PASSWORD))
        .connector(counting.clone());
    let client = within(30, "connecting", client.connect()).await?;
    let log = Log::of_this_process();
    // Three lifetimes of a session.
    let records = load(&client, &topic, Instant::now() + Duration::from_secs(9)).await;
    let made = counting.connections();
    let renewed = log.count("authenticated again");
    println!("{records} records, {made} connections, {renewed} re-authentications");
    // Bootstrap, then one a lane: a connection that the broker ends for being late would be made anew.
    assert!(made <= 6, "{made} connections were made");
    assert!(renewed >= 2 * 3, "{renewed} re-authentications");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_that_end_are_an_error_soon_and_no_storm_of_connections() -> Outcome {
    let kafka = SecureKafka::shared();
    let good = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let valid = Arc::clone(&good);
    let provider = move || {
        let seconds = if valid.load(Ordering::SeqCst) {
            3600
        } else {
            -60
        };
        async move { Ok(BearerToken::new(token("alice", seconds))) }
    };
    let counting = Counting::default();
    let sasl = Sasl::oauth_bearer(provider).dangerously_without_tls();
    let client = Client::builder(&kafka.address("REAUTH")).sasl(sasl);
    let client = within(
        30,
        "connecting",
        client.connector(counting.clone()).connect(),
    )
    .await?;
    let topic = blocking(|| kafka.kafka.create_topic("ending", 1))?;
    let admin = client.admin();
    let refused = admin
        .create_topics([klamm::NewTopic::new(&topic)])
        .await?
        .all();
    assert!(refused.is_err(), "it exists: the connection works");

    // From now on re-authentication fails, and so do new connections.
    good.store(false, Ordering::SeqCst);
    let deadline = Instant::now() + Duration::from_secs(20);
    let error = loop {
        let names = [klamm::NewTopic::new(&topic)];
        match within(
            10,
            "an admin call",
            admin.create_topics(names).into_future(),
        )
        .await
        {
            Err(error) if error.to_string().contains("authentication") => break error,
            _ if Instant::now() > deadline => panic!("it still works"),
            _ => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    };
    println!("{error}");
    // An application that asks again and again.
    let before = counting.connections();
    let end = Instant::now() + Duration::from_secs(3);
    while Instant::now() < end {
        let names = [klamm::NewTopic::new(&topic)];
        let error = within(
            10,
            "an admin call",
            admin.create_topics(names).into_future(),
        )
        .await
        .unwrap_err();
        assert!(!error.to_string().contains("eyJ"), "{error}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let made = counting.connections() - before;
    println!("{made} connections in 3 s");
    assert!(made <= 8, "{made} connections in 3 s");
    Ok(())
}
