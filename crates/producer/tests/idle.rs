//! Topics that nothing is sent to (`metadata.max.idle.ms`).

mod world;

use std::time::Duration;

use klamm_producer::{Error, Record};
use klamm_testbroker::Fault;
use world::{World, create_topic, delete_topic, eventually, soon};

#[tokio::test]
async fn a_topic_that_nothing_is_sent_to_leaves_the_metadata_until_it_is_sent_to_again() {
    let world = World::with_orders(1).await;
    let builder = world
        .builder()
        .metadata_max_idle(Duration::from_millis(100));
    let producer = builder.build().unwrap();
    let send = async |record| {
        let delivery = soon("send", producer.send(record)).await.unwrap();
        soon("the delivery", delivery).await.unwrap();
    };
    send(Record::to("orders").value("1")).await;
    let is_known = || world.cluster.snapshot().topic("orders").is_some();
    eventually("an idle topic leaves", || !is_known()).await;
    send(Record::to("orders").value("2")).await;

    // One that is created anew meanwhile takes what is sent to it then.
    eventually("it leaves again", || !is_known()).await;
    delete_topic(&world.cluster, "orders").await;
    create_topic(&world.cluster, "orders", 3).await;
    send(Record::to("orders").partition(2).value("3")).await;

    // Who never waits has the topic asked for.
    eventually("it leaves again", || !is_known()).await;
    let refused = producer
        .try_send(Record::to("orders").value("4"))
        .unwrap_err();
    assert!(matches!(refused, Error::TopicNotReady { .. }), "{refused}");
    eventually("a topic that was asked for can be sent to", || {
        producer.try_send(Record::to("orders").value("4")).is_ok()
    })
    .await;
    producer.flush().await;
    let written: usize = (0..3)
        .map(|partition| world.log("orders", partition).len())
        .sum();
    assert_eq!(written, 2);
}

#[tokio::test]
async fn a_topic_whose_records_are_not_acknowledged_yet_is_not_idle() {
    let world = World::with_orders(1).await;
    let idle = Duration::from_millis(50);
    let producer = world.builder().metadata_max_idle(idle).build().unwrap();
    world.inject_produce(Fault::Delay(6 * idle));
    let delivery = producer
        .send(Record::to("orders").value("v"))
        .await
        .unwrap();
    eventually("it leaves", || {
        world.cluster.snapshot().topic("orders").is_none()
    })
    .await;
    let told = tokio::time::timeout(Duration::ZERO, delivery).await;
    told.expect("the record was acknowledged before").unwrap();
}
