//! Lanes, topics in use, leader hints: a cluster in memory.

mod support;

use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use klamm_codec::messages::MetadataRequest;
use klamm_net::{
    Broker, Cluster, Connection, Error, HostPort, Lane, LeaderHint, NodeId, Route, Verdict,
};
use klamm_testbroker::{ApiKey, ErrorCode, Fault, TestBroker, TestBrokerBuilder};
use support::{InMemory, Late, Moving, PATIENCE, WithHole, Without, config, connect, eventually};
use tokio::time::{Duration, Instant};

async fn start(builder: TestBrokerBuilder) -> (Arc<TestBroker>, InMemory) {
    let broker = Arc::new(builder.start().await.unwrap());
    let connector = InMemory::new(&broker);
    (broker, connector)
}

async fn lane(cluster: &Cluster, lane: Lane) -> Connection {
    let deadline = Instant::now() + PATIENCE;
    let connected = cluster.connection(NodeId(1), lane, deadline).await;
    connected.unwrap()
}

#[tokio::test]
async fn each_owner_has_lanes_of_its_own_and_they_go_with_it() {
    let (_broker, connector) = start(TestBroker::builder()).await;
    let open = connector.open();
    let cluster = connect(connector).await;
    // The client itself: the bootstrap connection, and that to node 1 under its own address.
    lane(&cluster, Lane::Control).await;
    assert_eq!(open.load(Ordering::SeqCst), 2);
    let first = cluster.with_own_lanes();
    let second = cluster.with_own_lanes();
    for owner in [&first, &second] {
        lane(owner, Lane::Fetch).await;
        lane(owner, Lane::Fetch).await;
        lane(owner, Lane::Group).await;
        lane(owner, Lane::Control).await;
    }
    assert_eq!(open.load(Ordering::SeqCst), 2 + 2 * 2);
    let admin = cluster.with_all_lanes_own();
    lane(&admin, Lane::Control).await;
    assert_eq!(open.load(Ordering::SeqCst), 2 + 2 * 2 + 1);
    let clone = first.clone();
    drop(first);
    lane(&clone, Lane::Fetch).await;
    drop((clone, admin));
    eventually("the lanes of dropped owners close", || {
        open.load(Ordering::SeqCst) == 2 + 2
    })
    .await;
    assert!(!lane(&second, Lane::Fetch).await.is_closed());
    assert_eq!(open.load(Ordering::SeqCst), 2 + 2);
    drop((cluster, second));
    eventually("all connections close with the last handle", || {
        open.load(Ordering::SeqCst) == 0
    })
    .await;
}

#[tokio::test]
async fn a_topic_is_in_use_as_long_as_one_of_its_owners_lives() {
    let builder = TestBroker::builder().topic("orders", 1).topic("bills", 1);
    let (_broker, connector) = start(builder).await;
    let cluster = connect(connector).await;
    let deadline = Instant::now() + PATIENCE;
    let (first, second) = (cluster.with_own_lanes(), cluster.with_own_lanes());
    first.topic("orders", false, deadline).await.unwrap();
    first.topic("bills", false, deadline).await.unwrap();
    second.topic("orders", false, deadline).await.unwrap();
    drop(first);
    let snapshot = cluster.refresh(deadline).await.unwrap();
    assert!(snapshot.topic("orders").is_some());
    assert!(snapshot.topic("bills").is_none());
}

#[tokio::test]
async fn a_topic_that_nobody_uses_any_more_leaves_at_once_and_comes_back_when_it_is_used() {
    let (broker, connector) = start(TestBroker::builder().topic("orders", 1)).await;
    let cluster = connect(connector).await;
    let deadline = Instant::now() + PATIENCE;
    let (first, second) = (cluster.with_own_lanes(), cluster.with_own_lanes());
    first.topic("orders", false, deadline).await.unwrap();
    second.topic("orders", false, deadline).await.unwrap();
    let known = || cluster.snapshot().topic("orders").is_some();
    first.remove_topics(["orders"]);
    assert!(known());
    let mut snapshots = cluster.watch();
    snapshots.borrow_and_update();
    second.remove_topics(["orders"]);
    assert!(snapshots.has_changed().unwrap() && !known());
    cluster.refresh(deadline).await.unwrap();
    assert!(!known());
    let asked = broker.requests(ApiKey::METADATA);
    first.topic("orders", false, deadline).await.unwrap();
    assert!(broker.requests(ApiKey::METADATA) > asked);
}

#[tokio::test(start_paused = true)]
async fn a_topic_that_never_came_to_exist_is_asked_for_only_while_somebody_waits_for_it() {
    let builder = TestBroker::builder().auto_create_topics(false);
    let (broker, connector) = start(builder).await;
    let cluster = connect(connector).await;
    let now = Instant::now();
    let patient = cluster.topic("missing", false, now + Duration::from_secs(5));
    let hasty = cluster.topic("missing", false, now + Duration::from_secs(2));
    let mut patient = Box::pin(patient);
    tokio::select! {
        found = hasty => assert!(matches!(found, Err(Error::UnknownTopic { .. })), "{found:?}"),
        found = &mut patient => panic!("{found:?}"),
    }
    // The other one waits on.
    let asked = broker.requests(ApiKey::METADATA);
    let found = patient.await;
    assert!(
        matches!(found, Err(Error::UnknownTopic { .. })),
        "{found:?}"
    );
    assert!(broker.requests(ApiKey::METADATA) > asked);
    // What is under way ends, and nobody asks again.
    eventually("the topic is forgotten", || {
        cluster.snapshot().topic("missing").is_none()
    })
    .await;
    let asked = broker.requests(ApiKey::METADATA);
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(broker.requests(ApiKey::METADATA), asked);
}

#[tokio::test]
async fn a_leader_hint_is_seen_at_once_and_checked_by_a_refresh() {
    let (broker, connector) = start(TestBroker::builder().nodes(2).topic("orders", 1)).await;
    let cluster = connect(connector).await;
    let deadline = Instant::now() + PATIENCE;
    let topic = cluster.topic("orders", false, deadline).await.unwrap();
    let asked = broker.requests(ApiKey::METADATA);
    let known = &topic.partitions[0];
    let hint = LeaderHint {
        topic: "orders".into(),
        partition: 0,
        leader: NodeId(3 - known.leader.unwrap().0),
        leader_epoch: known.leader_epoch + 1,
    };
    let mut snapshots = cluster.watch();
    snapshots.borrow_and_update();
    cluster.leader_hints(std::slice::from_ref(&hint), &[]);
    assert!(snapshots.has_changed().unwrap());
    assert_eq!(cluster.snapshot().leader("orders", 0), Some(hint.leader));
    eventually("a hint asks for metadata", || {
        broker.requests(ApiKey::METADATA) > asked
    })
    .await;
    // The brokers did not move it: their epoch is older than that of the hint.
    cluster.refresh(deadline).await.unwrap();
    assert_eq!(cluster.snapshot().leader("orders", 0), Some(hint.leader));
    // One that names a broker which nobody knew before.
    let endpoint = Broker {
        node: NodeId(7),
        address: HostPort {
            host: "elsewhere".to_owned(),
            port: 9092,
        },
        rack: None,
    };
    let hint = LeaderHint {
        leader: NodeId(7),
        leader_epoch: hint.leader_epoch + 1,
        ..hint
    };
    cluster.leader_hints(&[hint], &[endpoint]);
    assert_eq!(cluster.snapshot().leader("orders", 0), Some(NodeId(7)));
}

/// What waits for a broker that is away, for its answer or before the next attempt, goes where metadata leads by now.
#[tokio::test(start_paused = true)]
async fn a_call_turns_to_the_new_leader_as_soon_as_it_is_known() {
    for away in ["hole", "closed"] {
        let (_broker, connector) = start(TestBroker::builder().topic("orders", 1)).await;
        let connector = WithHole(Without(connector, "closed".parse().unwrap()));
        let mut config = config(connector);
        config.retry_backoff.initial = PATIENCE;
        config.retry_backoff.max = PATIENCE;
        let cluster = Cluster::connect(config).await.unwrap();
        let deadline = Instant::now() + 10 * PATIENCE;
        let topic = cluster.topic("orders", false, deadline).await.unwrap();
        let hint = |leader, newer| LeaderHint {
            topic: "orders".into(),
            partition: 0,
            leader: NodeId(leader),
            leader_epoch: topic.partitions[0].leader_epoch + newer,
        };
        let endpoint = Broker {
            node: NodeId(7),
            address: away.parse().unwrap(),
            rack: None,
        };
        cluster.leader_hints(&[hint(7, 1)], &[endpoint]);
        let route = Route::Leader("orders".to_owned(), 0);
        let build = |_| MetadataRequest::default();
        let call = cluster.call(&route, deadline, build, |_| Verdict::Done);
        let found = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            cluster.leader_hints(&[hint(1, 2)], &[]);
            Instant::now()
        };
        let (answer, found) = tokio::join!(call, found);
        answer.unwrap();
        let waited = found.elapsed();
        assert!(waited < Duration::from_secs(1), "{away}: {waited:?}");
    }
}

/// Bytes of all Metadata requests so far, and their number.
fn metadata_asked(cluster: &Cluster) -> (u64, u64) {
    let stats = cluster.stats();
    let apis = stats.brokers.iter().flat_map(|broker| &broker.apis);
    apis.filter(|api| api.api == ApiKey::METADATA)
        .fold((0, 0), |(bytes, requests), api| {
            (bytes + api.bytes_out, requests + api.requests)
        })
}

#[tokio::test]
async fn a_new_topic_is_asked_for_alone() {
    let mut builder = TestBroker::builder();
    let name = |number| format!("a-topic-with-a-rather-long-name-{number}");
    for number in 0..100 {
        builder = builder.topic(name(number), 1);
    }
    let (_broker, connector) = start(builder).await;
    let cluster = connect(connector).await;
    let deadline = Instant::now() + PATIENCE;
    let names: Vec<_> = (0..99).map(name).collect();
    cluster.add_topics(names.iter().map(String::as_str), false);
    cluster.topic(&name(98), false, deadline).await.unwrap();
    cluster.refresh(deadline).await.unwrap();
    let before = metadata_asked(&cluster);
    cluster.topic(&name(99), false, deadline).await.unwrap();
    let after = metadata_asked(&cluster);
    assert_eq!(after.1 - before.1, 1);
    assert!(after.0 - before.0 < 200, "{before:?} {after:?}");
    // The others are still known, and a full refresh asks for all of them.
    assert_eq!(cluster.snapshot().topics().count(), 100);
    cluster.refresh(deadline).await.unwrap();
    assert!(metadata_asked(&cluster).0 - after.0 > 100 * 30);
}

#[tokio::test]
async fn a_cluster_that_is_gone_is_looked_for_at_the_bootstrap_addresses_anew() {
    for rebootstrap in [true, false] {
        let (old, _) = start(TestBroker::builder().topic("orders", 1)).await;
        let (new, _) = start(TestBroker::builder().topic("orders", 3)).await;
        let connector = Moving::new(&old);
        let mut config = config(connector.clone());
        config.rebootstrap = rebootstrap;
        let cluster = Cluster::connect(config).await.unwrap();
        let deadline = Instant::now() + PATIENCE;
        let topic = cluster.topic("orders", false, deadline).await.unwrap();
        assert_eq!(topic.partitions.len(), 1);
        drop(connector.lead_to(&new));
        let old = Arc::into_inner(old).unwrap();
        old.shutdown().await;
        if rebootstrap {
            let snapshot = cluster.refresh(deadline).await.unwrap();
            assert_eq!(snapshot.brokers[0].address.to_string(), new.bootstrap());
            let topic = cluster.topic("orders", false, deadline).await.unwrap();
            assert_eq!(topic.partitions.len(), 3);
        } else {
            let soon = Instant::now() + Duration::from_millis(300);
            let error = cluster.refresh(soon).await.unwrap_err();
            assert!(error.is_timeout(), "{error}");
            assert!(error.to_string().contains("cannot connect"), "{error}");
        }
    }
}

/// Brokers that live but are to be left: they say so, or have not answered for long (KIP-1102).
#[tokio::test]
async fn brokers_that_send_a_client_away_or_do_not_answer_are_left_with_all_connections() {
    let long = Duration::from_secs(3600);
    for (fault, trigger) in [
        (Fault::Error(ErrorCode::REBOOTSTRAP_REQUIRED), long),
        (Fault::DropBefore, Duration::from_millis(200)),
    ] {
        let (old, _) = start(TestBroker::builder().topic("orders", 1)).await;
        let (new, _) = start(TestBroker::builder().topic("orders", 3)).await;
        let connector = Moving::new(&old).and_old_ones_stay();
        let mut config = config(connector.clone());
        config.rebootstrap_trigger = trigger;
        let cluster = Cluster::connect(config).await.unwrap();
        let deadline = Instant::now() + PATIENCE;
        cluster.topic("orders", false, deadline).await.unwrap();
        // What a consumer holds on to.
        let role = cluster.with_own_lanes();
        let held = lane(&role, Lane::Fetch).await;
        connector.lead_to(&new);
        old.inject(ApiKey::METADATA, fault.times(1000)).unwrap();
        cluster.request_refresh();
        eventually("the new cluster's topic is known", || {
            let snapshot = cluster.snapshot();
            let topic = snapshot.topic("orders");
            topic.is_some_and(|topic| topic.partitions.len() == 3)
        })
        .await;
        eventually("nobody stays with the old cluster", || held.is_closed()).await;
        let moved = lane(&role, Lane::Fetch).await;
        assert_eq!(moved.address(), new.bootstrap());
    }
}

/// KIP-1242: the address of a broker has been given to one of another cluster, which says so if it is asked.
#[tokio::test]
async fn a_broker_of_another_cluster_is_noticed_and_the_cluster_looked_for_anew() {
    for check in [true, false] {
        let (old, _) = start(TestBroker::builder().topic("orders", 1).seed(1)).await;
        let (new, _) = start(TestBroker::builder().topic("orders", 3).seed(2)).await;
        let connector = Moving::new(&old).and_takes_over();
        let mut config = config(connector.clone());
        config.metadata_cluster_check = check;
        let cluster = Cluster::connect(config).await.unwrap();
        let deadline = Instant::now() + PATIENCE;
        cluster.topic("orders", false, deadline).await.unwrap();
        let held = lane(&cluster, Lane::Fetch).await;
        connector.lead_to(&new);
        let connected = cluster.connection(NodeId(1), Lane::Produce, deadline).await;
        if !check {
            connected.unwrap();
            continue;
        }
        let error = connected.unwrap_err();
        assert!(error.is_retriable());
        for part in [&*old.bootstrap(), "broker 1", "advertised.listeners"] {
            assert!(error.to_string().contains(part), "{error}");
        }
        eventually("the new cluster's topic is known", || {
            let snapshot = cluster.snapshot();
            let topic = snapshot.topic("orders");
            topic.is_some_and(|topic| topic.partitions.len() == 3)
        })
        .await;
        assert!(held.is_closed());
        assert_eq!(
            lane(&cluster, Lane::Produce).await.address(),
            new.bootstrap()
        );
    }
}

/// KIP-909: `bootstrap.resolve.timeout.ms` is for names alone.
#[tokio::test(start_paused = true)]
async fn names_that_are_not_known_yet_get_the_time_that_they_are_given() {
    let seconds = Duration::from_secs;
    for (timeout, failure, succeeds) in [
        (seconds(0), ErrorKind::NotFound, false),
        (seconds(3), ErrorKind::NotFound, false),
        (seconds(10), ErrorKind::NotFound, true),
        (seconds(10), ErrorKind::ConnectionRefused, false),
    ] {
        let (_broker, then) = start(TestBroker::builder()).await;
        let began = Instant::now();
        let mut config = config(Late {
            until: began + seconds(5),
            failure,
            then,
        });
        config.bootstrap_resolve_timeout = timeout;
        let connected = Cluster::connect(config).await;
        assert_eq!(connected.is_ok(), succeeds, "{timeout:?}, {failure}");
        assert!(began.elapsed() <= seconds(7), "{timeout:?}, {failure}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_address_that_swallows_packets_does_not_hold_up_the_others() {
    // Whichever of them a client turns to first.
    for _ in 0..8 {
        let (_broker, connector) = start(TestBroker::builder()).await;
        let mut config = config(WithHole(connector));
        config.bootstrap = vec!["hole".parse().unwrap(), "bootstrap".parse().unwrap()];
        let started = Instant::now();
        Cluster::connect(config).await.unwrap();
        let waited = started.elapsed();
        assert!(waited < Duration::from_secs(1), "{waited:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_sleeps_does_not_hold_up_metadata() {
    let builder = TestBroker::builder().nodes(3).topic("orders", 1);
    let (broker, connector) = start(builder).await;
    let cluster = connect(connector).await;
    let deadline = Instant::now() + PATIENCE;
    cluster.topic("orders", false, deadline).await.unwrap();
    // Whichever is asked first, and the second.
    let asleep = Fault::Delay(Duration::from_secs(3600)).times(2);
    broker.inject(ApiKey::METADATA, asleep).unwrap();
    let (leader, _) = broker.leader("orders", 0).unwrap();
    let next = leader % 3 + 1;
    broker.move_leader("orders", 0, next).unwrap();
    let started = Instant::now();
    cluster.request_refresh();
    eventually("the next leader is known", || {
        let snapshot = cluster.snapshot();
        let partition = snapshot.topic("orders").unwrap().partition(0).unwrap();
        partition.leader == Some(NodeId(next))
    })
    .await;
    let waited = started.elapsed();
    assert!(waited < Duration::from_secs(3), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_sleeps_and_is_the_only_one_known_does_not_hold_up_metadata() {
    let builder = TestBroker::builder().nodes(2).topic("orders", 1);
    let (broker, connector) = start(builder).await;
    let mut config = config(connector);
    let bootstrap = broker.bootstrap();
    config.bootstrap = bootstrap.split(',').map(|it| it.parse().unwrap()).collect();
    // The other one was away when its neighbour told the client last of who is there.
    broker.fence(2).unwrap();
    broker.move_leader("orders", 0, 1).unwrap();
    let cluster = Cluster::connect(config).await.unwrap();
    let deadline = Instant::now() + PATIENCE;
    cluster.topic("orders", false, deadline).await.unwrap();
    assert_eq!(cluster.snapshot().brokers.len(), 1);
    let asleep = Fault::Delay(Duration::from_secs(3600));
    broker.inject(ApiKey::METADATA, asleep).unwrap();
    broker.move_leader("orders", 0, 2).unwrap();
    let started = Instant::now();
    cluster.request_refresh();
    eventually("the next leader is known", || {
        let snapshot = cluster.snapshot();
        let partition = snapshot.topic("orders").unwrap().partition(0).unwrap();
        partition.leader == Some(NodeId(2))
    })
    .await;
    let waited = started.elapsed();
    assert!(waited < Duration::from_secs(3), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn the_next_leader_is_found_as_soon_as_there_is_one_and_a_dead_one_asked_for_seldom() {
    let builder = TestBroker::builder().nodes(2).topic("orders", 1);
    let (broker, connector) = start(builder).await;
    broker.move_leader("orders", 0, 2).unwrap();
    let bootstrap = broker.bootstrap();
    let gone = bootstrap.rsplit(',').next().unwrap().parse().unwrap();
    let cluster = connect(Without(connector, gone)).await;
    let deadline = Instant::now() + PATIENCE;
    cluster.topic("orders", false, deadline).await.unwrap();
    let asking = cluster.clone();
    let _asking = tokio::spawn(async move {
        loop {
            let deadline = Instant::now() + PATIENCE;
            let refused = asking.connection(NodeId(2), Lane::Produce, deadline).await;
            refused.unwrap_err();
        }
    });
    let before = broker.requests(ApiKey::METADATA);
    tokio::time::sleep(Duration::from_secs(8)).await;
    let asked = broker.requests(ApiKey::METADATA) - before;
    assert!((50..=100).contains(&asked), "{asked} times in 8 s");
    broker.move_leader("orders", 0, 1).unwrap();
    let moved = Instant::now();
    eventually("the next leader is known", || {
        let snapshot = cluster.snapshot();
        let partition = snapshot.topic("orders").unwrap().partition(0).unwrap();
        partition.leader == Some(NodeId(1))
    })
    .await;
    let late = moved.elapsed();
    assert!(late < Duration::from_millis(200), "{late:?}");

    tokio::time::sleep(Duration::from_secs(5)).await;
    let before = broker.requests(ApiKey::METADATA);
    tokio::time::sleep(Duration::from_secs(60)).await;
    let asked = broker.requests(ApiKey::METADATA) - before;
    assert!(asked <= 80, "{asked} times in a minute");
}

#[tokio::test]
async fn an_advertised_address_that_leads_nowhere_is_told_as_such() {
    let (broker, _) = start(TestBroker::builder()).await;
    let (other, _) = start(TestBroker::builder()).await;
    // The name leads to `broker`, whose own address is refused.
    let connector = Moving::new(&broker);
    let cluster = connect(connector.clone()).await;
    let _broker = connector.lead_to(&other);
    let deadline = Instant::now() + PATIENCE;
    let error = cluster.connection(NodeId(1), Lane::Produce, deadline).await;
    let error = error.unwrap_err();
    assert!(error.is_retriable());
    let text = error.to_string();
    for part in ["broker 1", &broker.bootstrap(), "advertised.listeners"] {
        assert!(text.contains(part), "{text}");
    }
}
