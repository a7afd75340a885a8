//! Finding who coordinates a group when its coordinator is away.

mod support;

use std::sync::Arc;

use klamm_net::{Cluster, CoordinatorKind, Lane, NodeId};
use klamm_testbroker::{ApiKey, TestBroker};
use support::{InMemory, PATIENCE, Without, connect, eventually};
use tokio::time::{Duration, Instant};

/// Two nodes, of which the one that coordinates the group `billing` refuses connections.
async fn without_its_coordinator() -> (Arc<TestBroker>, Cluster) {
    let broker = Arc::new(TestBroker::builder().nodes(2).start().await.unwrap());
    let bootstrap = broker.bootstrap();
    let place = broker.coordinator("billing") as usize - 1;
    let gone = bootstrap.split(',').nth(place).unwrap().parse().unwrap();
    let cluster = connect(Without(InMemory::new(&broker), gone)).await;
    (broker, cluster)
}

#[tokio::test(start_paused = true)]
async fn who_took_over_from_a_dead_coordinator_is_asked_often_at_first_and_seldom_later() {
    let (broker, asking) = without_its_coordinator().await;
    // As a member of the group does.
    let asking = tokio::spawn(async move {
        loop {
            let (kind, deadline) = (CoordinatorKind::Group, Instant::now() + PATIENCE);
            let connecting = asking.coordinator_connection(kind, "billing", Lane::Group, deadline);
            match connecting.await {
                Ok(_) => return,
                Err(error) => assert!(error.is_retriable(), "{error}"),
            }
            asking.forget_coordinator(kind, "billing");
        }
    });
    let before = broker.requests(ApiKey::FIND_COORDINATOR);
    tokio::time::sleep(Duration::from_secs(8)).await;
    let asked = broker.requests(ApiKey::FIND_COORDINATOR) - before;
    assert!((50..=120).contains(&asked), "{asked} times in 8 s");
    tokio::time::sleep(Duration::from_secs(5)).await;
    let before = broker.requests(ApiKey::FIND_COORDINATOR);
    tokio::time::sleep(Duration::from_secs(60)).await;
    let asked = broker.requests(ApiKey::FIND_COORDINATOR) - before;
    assert!((50..=80).contains(&asked), "{asked} times in a minute");
    asking.abort();
}

#[tokio::test(start_paused = true)]
async fn a_connection_to_a_dead_coordinator_becomes_one_to_the_next() {
    let (broker, cluster) = without_its_coordinator().await;
    let connect = || {
        let (kind, deadline) = (CoordinatorKind::Group, Instant::now() + PATIENCE);
        cluster.coordinator_connection(kind, "billing", Lane::Group, deadline)
    };
    // Until the pauses between attempts to connect are long.
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(5) {
        connect().await.unwrap_err();
    }
    let before = broker.requests(ApiKey::FIND_COORDINATOR);
    let moving = async {
        eventually(
            "others are asked while the connection is waited for",
            || broker.requests(ApiKey::FIND_COORDINATOR) > before + 1,
        )
        .await;
        broker.move_coordinators();
        Instant::now()
    };
    let (connected, since) = tokio::join!(connect(), moving);
    connected.unwrap();
    let late = since.elapsed();
    assert!(late < Duration::from_millis(200), "{late:?}");
    let (kind, deadline) = (CoordinatorKind::Group, Instant::now() + PATIENCE);
    let found = cluster
        .coordinator(kind, "billing", deadline)
        .await
        .unwrap();
    assert_eq!(found, NodeId(broker.coordinator("billing")));
}

#[tokio::test(start_paused = true)]
async fn the_next_coordinator_is_found_at_once_although_the_dead_one_has_left_the_metadata() {
    // More than once, as the next attempt to connect to the dead one may happen to come soon.
    for _ in 0..5 {
        let (broker, cluster) = without_its_coordinator().await;
        let dead = NodeId(broker.coordinator("billing"));
        let asking = cluster.clone();
        let asking = tokio::spawn(async move {
            loop {
                let (kind, deadline) = (CoordinatorKind::Group, Instant::now() + PATIENCE);
                let lane = Lane::Group;
                let connecting = asking.coordinator_connection(kind, "billing", lane, deadline);
                if connecting.await.is_ok() {
                    return Instant::now();
                }
                asking.forget_coordinator(kind, "billing");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        });
        // Until the pauses between attempts to connect are long.
        tokio::time::sleep(Duration::from_secs(5)).await;
        broker.fence(dead.0).unwrap();
        eventually("the metadata leave it out", || {
            cluster.snapshot().broker(dead).is_none()
        })
        .await;
        broker.move_coordinators();
        let moved = Instant::now();
        let late = asking.await.unwrap().duration_since(moved);
        assert!(late < Duration::from_millis(200), "{late:?}");
    }
}
