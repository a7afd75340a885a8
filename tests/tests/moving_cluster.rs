//! Three real nodes that restart, die and move while klamm is at work: calls in flight succeed or fail once and
//! clearly, what was acknowledged is there once, and the client follows to where the cluster is now.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use klamm::net::{
    ClientConfig, Cluster, Connecting, Connector, Error, HostPort, Lane, NodeId, Route,
    TcpConnector, Verdict,
};
use klamm::{Client, Outcome as Written, Record};
use klamm_codec::api::Request;
use klamm_codec::messages::describe_quorum_request::{PartitionData, TopicData};
use klamm_codec::messages::{DescribeQuorumRequest, MetadataRequest, StrBytes, TopicName};
use klamm_tests::{Kafka, Node};
use support::{Outcome, blocking, read_to_end, within};

const PARTITIONS: i32 = 6;
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
const CALL_LIMIT: Duration = Duration::from_secs(60);
const GRACE: Duration = Duration::from_secs(10);

/// What the calls of one kind came to.
#[derive(Debug, Default)]
struct Tally {
    succeeded: AtomicUsize,
    slowest: Mutex<Slowest>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Slowest {
    took: Duration,
    /// What was done to the cluster when it began.
    during: &'static str,
    /// How much of it came after the brokers had last named other leaders: the client's own time, at most.
    behind_metadata: Duration,
}

/// When the metadata last named other leaders of the topic.
type LeadersChanged = Arc<Mutex<Instant>>;

async fn watch_leaders(cluster: Cluster, topic: String, changed: LeadersChanged) {
    let mut snapshots = cluster.watch();
    let mut known = Vec::new();
    loop {
        let leaders: Vec<_> = {
            let snapshot = snapshots.borrow_and_update();
            let leader = |partition| snapshot.leader(&topic, partition);
            (0..PARTITIONS).map(leader).collect()
        };
        if leaders != known {
            *changed.lock().unwrap() = Instant::now();
            known = leaders;
        }
        if snapshots.changed().await.is_err() {
            return;
        }
    }
}

/// What is being done to the cluster.
type Trouble = Arc<Mutex<&'static str>>;

async fn connect(bootstrap: &str) -> Cluster {
    let mut config = ClientConfig::new(bootstrap).unwrap();
    config.request_timeout = REQUEST_TIMEOUT;
    within(30, "connecting", Cluster::connect(config))
        .await
        .unwrap()
}

/// Asks again and again where `route` leads, until it is told to end; each call must succeed within its
/// limit, however the cluster moves.
async fn keep_asking(
    cluster: Cluster,
    route: Route,
    ended: Arc<AtomicBool>,
    trouble: Trouble,
    changed: LeadersChanged,
    tally: Arc<Tally>,
) {
    while !ended.load(Ordering::Relaxed) {
        let (asked, during) = (Instant::now(), *trouble.lock().unwrap());
        let deadline = tokio::time::Instant::now() + CALL_LIMIT;
        let build = |_| MetadataRequest::default().with_topics(Some(Vec::new()));
        let call = cluster.call(&route, deadline, build, |_| Verdict::Done);
        let answered = tokio::time::timeout(CALL_LIMIT + GRACE, call).await;
        let answered = answered.expect("a call ends by its deadline");
        assert!(answered.is_ok(), "{route:?}: {}", answered.unwrap_err());
        tally.succeeded.fetch_add(1, Ordering::Relaxed);
        let (took, ended) = (asked.elapsed(), Instant::now());
        // By then whoever watches the leaders has seen what ended this call, too.
        tokio::time::sleep(Duration::from_millis(20)).await;
        let changed = *changed.lock().unwrap();
        let slow = Slowest {
            took,
            during,
            behind_metadata: ended.saturating_duration_since(changed).min(took),
        };
        let mut slowest = tally.slowest.lock().unwrap();
        *slowest = (*slowest).max(slow);
    }
}

/// Sends numbers, round robin, until it is told to end; gives those that were acknowledged and those of which
/// nobody knows.
async fn keep_sending(
    client: Client,
    topic: String,
    ended: Arc<AtomicBool>,
) -> (BTreeSet<u64>, BTreeSet<u64>) {
    let producer = client.producer().build().unwrap();
    let mut deliveries = Vec::new();
    let mut number = 0;
    while !ended.load(Ordering::Relaxed) {
        let value = number.to_string();
        let record = Record::to(&topic)
            .partition((number % PARTITIONS as u64) as i32)
            .value(&value);
        let delivery = within(120, "send", producer.send(record)).await.unwrap();
        deliveries.push(delivery);
        number += 1;
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let (mut acknowledged, mut unknown) = (BTreeSet::new(), BTreeSet::new());
    for (delivery, number) in deliveries.into_iter().zip(0..) {
        match within(150, "a delivery", delivery).await {
            Ok(_) => drop(acknowledged.insert(number)),
            Err(error) if error.outcome() == Written::NotWritten => {}
            Err(_) => drop(unknown.insert(number)),
        }
    }
    producer.close(Duration::from_secs(30)).await.unwrap();
    (acknowledged, unknown)
}

/// The node that leads the controllers' quorum.
async fn controller(cluster: &Cluster) -> NodeId {
    let metadata = TopicName(StrBytes::from_static_str("__cluster_metadata"));
    let build = |_| {
        let topic = TopicData::default()
            .with_topic_name(metadata.clone())
            .with_partitions(vec![PartitionData::default()]);
        DescribeQuorumRequest::default().with_topics(vec![topic])
    };
    let deadline = tokio::time::Instant::now() + CALL_LIMIT;
    let response = cluster
        .call(&Route::Any, deadline, build, |_| Verdict::Done)
        .await
        .unwrap();
    NodeId(response.topics[0].partitions[0].leader_id.0)
}

/// Asks the node itself, by id.
async fn ask_node(cluster: &Cluster, node: NodeId) -> Result<String, Error> {
    let deadline = tokio::time::Instant::now() + CALL_LIMIT;
    let connection = cluster.connection(node, Lane::Control, deadline).await?;
    let version = connection.version(MetadataRequest::API)?;
    let request = MetadataRequest::default().with_topics(Some(Vec::new()));
    connection
        .request(&request, version, REQUEST_TIMEOUT)
        .await?;
    Ok(connection.address().to_owned())
}

fn rolling_restart(kafka: &Kafka) -> klamm_tests::Result<()> {
    for node in kafka.nodes() {
        node.restart()?;
        kafka.wait_until_ready()?;
    }
    Ok(())
}

/// The slowest calls of the whole test are those to what this node leads: nobody leads in its place before the session of
/// the dead one has ended (`broker.session.timeout.ms`, 9 s), which a new controller counts anew once it is elected (2 to 4 s).
/// No client can be faster than these 11 to 13 s; `behind_metadata` is what klamm adds.
fn kill_and_restart(kafka: &Kafka, node: &Node) -> klamm_tests::Result<()> {
    node.kill()?;
    std::thread::sleep(Duration::from_secs(3));
    node.restart()?;
    kafka.wait_until_ready()
}

/// Moves node 3 to another port and asks for it until it answers from there.
async fn follow_to_another_port(kafka: &Kafka, cluster: &Cluster) -> Outcome {
    let replaced = kafka.node(2);
    let before = ask_node(cluster, NodeId(3)).await?;
    blocking(|| {
        replaced.stop()?;
        replaced.move_to_another_port()?;
        replaced.start()?;
        kafka.wait_until_ready()
    })?;
    let now = format!("127.0.0.1:{}", replaced.port());
    let deadline = Instant::now() + CALL_LIMIT;
    loop {
        match ask_node(cluster, NodeId(3)).await {
            Ok(address) if address == now => return Ok(()),
            other => assert!(
                Instant::now() < deadline,
                "{other:?}, it moved from {before} to {now}"
            ),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes of restarts; `just moves`"]
async fn calls_follow_a_cluster_that_restarts_dies_and_moves() -> Outcome {
    let kafka = blocking(|| Kafka::builder().nodes(3).java_option("-Xmx512m").start())?;
    let topic = blocking(|| kafka.create_topic("orders", PARTITIONS))?;
    let cluster = connect(&kafka.bootstrap()).await;
    let client = within(30, "connecting", Client::connect(&kafka.bootstrap())).await?;
    let ended = Arc::new(AtomicBool::new(false));
    let trouble: Trouble = Arc::new(Mutex::new("quiet"));
    let meanwhile = |what| *trouble.lock().unwrap() = what;
    let changed: LeadersChanged = Arc::new(Mutex::new(Instant::now()));
    tokio::spawn(watch_leaders(
        cluster.clone(),
        topic.clone(),
        Arc::clone(&changed),
    ));
    let mut asking = tokio::task::JoinSet::new();
    let mut tallies = Vec::new();
    let leaders = (0..PARTITIONS).map(|partition| Route::Leader(topic.clone(), partition));
    for route in [Route::Any, Route::Controller].into_iter().chain(leaders) {
        let tally = Arc::new(Tally::default());
        tallies.push((route.clone(), Arc::clone(&tally)));
        asking.spawn(keep_asking(
            cluster.clone(),
            route,
            Arc::clone(&ended),
            Arc::clone(&trouble),
            Arc::clone(&changed),
            tally,
        ));
    }
    let sending = tokio::spawn(keep_sending(
        client.clone(),
        topic.clone(),
        Arc::clone(&ended),
    ));

    let deadline = tokio::time::Instant::now() + CALL_LIMIT;
    let leaders = cluster.topic(&topic, false, deadline).await?;
    meanwhile("rolling restart");
    blocking(|| rolling_restart(&kafka))?;
    let moved = cluster
        .topic(&topic, false, deadline + 2 * CALL_LIMIT)
        .await?;
    let epochs = |topic: &klamm::net::Topic| -> Vec<i32> {
        let partitions = topic.partitions.iter();
        partitions.map(|partition| partition.leader_epoch).collect()
    };
    assert_ne!(epochs(&leaders), epochs(&moved), "no leader has moved");

    let killed = controller(&cluster).await;
    let node = kafka.broker(killed.0).expect("a node of the cluster");
    meanwhile("controller killed");
    blocking(|| kill_and_restart(&kafka, node))?;
    println!(
        "controller {killed} was killed, {} leads now",
        controller(&cluster).await
    );

    meanwhile("node at another port");
    follow_to_another_port(&kafka, &cluster).await?;

    ended.store(true, Ordering::Relaxed);
    while let Some(task) = asking.join_next().await {
        task?;
    }
    for (route, tally) in tallies {
        println!("{route:?}: {tally:?}");
        assert!(
            tally.succeeded.load(Ordering::Relaxed) > 100,
            "{route:?}: {tally:?}"
        );
    }
    let (acknowledged, unknown) = sending.await?;
    println!(
        "{} acknowledged, {} unknown",
        acknowledged.len(),
        unknown.len()
    );
    println!(
        "{:#?}",
        client
            .stats()
            .brokers
            .iter()
            .map(|broker| {
                (
                    broker.address.to_string(),
                    broker.connects,
                    broker.connect_failures,
                    broker.disconnects,
                )
            })
            .collect::<Vec<_>>()
    );
    check(
        &blocking(|| read_to_end(&kafka, &topic))?,
        &acknowledged,
        &unknown,
    );
    Ok(())
}

/// Holds what klamm told against what Java read.
fn check(
    read: &[klamm_tests::OracleRecord],
    acknowledged: &BTreeSet<u64>,
    unknown: &BTreeSet<u64>,
) {
    let mut newest: BTreeMap<i32, u64> = BTreeMap::new();
    let mut found = BTreeSet::new();
    for record in read {
        let value = std::str::from_utf8(record.value.as_ref().unwrap()).unwrap();
        let number: u64 = value.parse().unwrap();
        let before = newest.insert(record.partition.unwrap(), number);
        assert!(before < Some(number), "{number} after {before:?}");
        assert!(
            acknowledged.contains(&number) || unknown.contains(&number),
            "{number} was said not to be written"
        );
        found.insert(number);
    }
    let lost: Vec<_> = acknowledged.difference(&found).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
}

/// Sends all connections to one broker, whatever address they are for.
#[derive(Clone, Debug)]
struct AllTo(Arc<Mutex<HostPort>>);

impl Connector for AllTo {
    fn connect<'a>(&'a self, _: &'a HostPort, timeout: Duration) -> Connecting<'a> {
        let address = self.0.lock().unwrap().clone();
        Box::pin(async move { TcpConnector::default().connect(&address, timeout).await })
    }
}

/// KIP-1242, which brokers have since 4.4: one of another cluster at the address of a known one says so.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a second version of Kafka; `just moves`"]
async fn a_broker_of_another_cluster_at_a_known_address_is_noticed() -> Outcome {
    let start = || Kafka::builder().version("4.4.0").start();
    let (ours, theirs) = (blocking(start)?, blocking(start)?);
    let topic = blocking(|| ours.create_topic("orders", 1))?;
    let leads_to = Arc::new(Mutex::new(ours.bootstrap().parse()?));
    let mut config = ClientConfig::new(&ours.bootstrap())?;
    config.connector = Arc::new(AllTo(Arc::clone(&leads_to)));
    let cluster = within(30, "connecting", Cluster::connect(config)).await?;
    let cluster_id = cluster.snapshot().cluster_id.clone();
    let deadline = tokio::time::Instant::now() + CALL_LIMIT;
    cluster.topic(&topic, false, deadline).await?;
    let node = cluster.snapshot().brokers[0].node;
    cluster.connection(node, Lane::Fetch, deadline).await?;

    *leads_to.lock().unwrap() = theirs.bootstrap().parse()?;
    let refused = cluster.connection(node, Lane::Produce, deadline).await;
    let error = refused.unwrap_err();
    assert!(matches!(error, Error::WrongBroker { .. }), "{error:?}");
    println!("{error}");
    let mut snapshots = cluster.watch();
    let other = snapshots
        .wait_for(|snapshot| snapshot.cluster_id != cluster_id && !snapshot.brokers.is_empty());
    within(30, "the other cluster is found", other).await?;
    cluster.connection(node, Lane::Produce, deadline).await?;
    Ok(())
}
