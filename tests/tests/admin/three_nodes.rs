//! What needs several brokers: moving replicas, electing leaders, and coordinators and controllers that
//! move meanwhile.

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use klamm::admin::{ElectionType, Error, TopicPartition};
use klamm::net::{BoxedStream, Connecting, Connector};
use klamm::{Admin, Client, ErrorCode, HostPort, NewTopic, NodeId};
use klamm_tests::Kafka;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::{field, refused, until};
use crate::support::{blocking, connect, within};

/// Three nodes, which one test after the other has for itself.
fn kafka() -> MutexGuard<'static, Kafka> {
    static KAFKA: OnceLock<Mutex<Kafka>> = OnceLock::new();
    let start = || Mutex::new(Kafka::builder().nodes(3).start().expect("three brokers"));
    let kafka = KAFKA.get_or_init(start);
    kafka.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn admin(kafka: &Kafka) -> Admin {
    connect(&kafka.bootstrap()).await.admin()
}

async fn replicas(
    admin: &Admin,
    partition: &TopicPartition,
) -> (Option<NodeId>, Vec<NodeId>, usize) {
    let described = admin.describe_topics([&*partition.topic]).await.unwrap();
    let topic = described.all().unwrap().remove(0);
    let partition = &topic.partitions[partition.partition as usize];
    let caught_up = partition.in_sync_replicas.len();
    (partition.leader, partition.replicas.clone(), caught_up)
}

#[tokio::test(flavor = "multi_thread")]
#[allow(
    clippy::await_holding_lock,
    reason = "the cluster is this test's until it ends"
)]
async fn replicas_move_and_leaders_are_elected_as_kafkas_tools_see_it() {
    let kafka = blocking(kafka);
    let admin = admin(&kafka).await;
    let name = kafka.unique_topic("moving");
    let [one, two, three] = [1, 2, 3].map(NodeId);
    let topic = NewTopic::new(&name).assignments([vec![one, two], vec![one, three]]);
    admin.create_topics([topic]).await.unwrap().all().unwrap();
    let [partition, other] = [0, 1].map(|index| TopicPartition::new(name.as_str(), index));
    until("both replicas", || async {
        let described = admin.describe_topics([&name]).await.unwrap().all().ok()?;
        (described[0].partitions[0].in_sync_replicas.len() == 2).then_some(())
    })
    .await;

    let odd = [
        (partition.clone(), Some(vec![three, one])),
        (other.clone(), Some(vec![NodeId(99)])),
        (TopicPartition::new("nowhere", 0), Some(vec![one])),
    ];
    let results = admin.alter_reassignments(odd).await.unwrap();
    results.get(&partition).unwrap().as_ref().unwrap();
    assert_eq!(
        refused(results.get(&other).unwrap().clone()),
        ErrorCode::INVALID_REPLICA_ASSIGNMENT
    );
    let nowhere = results
        .get(&TopicPartition::new("nowhere", 0))
        .unwrap()
        .clone();
    assert_eq!(refused(nowhere), ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    let same_number = admin.alter_reassignments([(other.clone(), Some(vec![one]))]);
    let same_number = same_number
        .replication_factor_may_change(false)
        .await
        .unwrap();
    assert_eq!(
        refused(same_number.all()),
        ErrorCode::INVALID_REPLICATION_FACTOR
    );
    until("the move", || async {
        let moving = admin.list_reassignments(None).await.unwrap();
        let (_, replicas, caught_up) = replicas(&admin, &partition).await;
        (!moving.contains_key(&partition) && replicas == [three, one] && caught_up == 2)
            .then_some(())
    })
    .await;
    let none = admin
        .alter_reassignments([(partition.clone(), None)])
        .await
        .unwrap();
    assert_eq!(refused(none.all()), ErrorCode::NO_REASSIGNMENT_IN_PROGRESS);

    // The leader stayed where it was, unless the old one went away with the move.
    let preferred = ElectionType::Preferred;
    let elected = admin
        .elect_leaders(preferred, [partition.clone(), other.clone()])
        .await
        .unwrap();
    let code = |partition| {
        elected
            .get(partition)
            .unwrap()
            .as_ref()
            .err()
            .and_then(Error::code)
    };
    assert!([None, Some(ErrorCode::ELECTION_NOT_NEEDED)].contains(&code(&partition)));
    assert_eq!(code(&other), Some(ErrorCode::ELECTION_NOT_NEEDED));
    until("the preferred leader", || async {
        let (leader, ..) = replicas(&admin, &partition).await;
        (leader == Some(three)).then_some(())
    })
    .await;
    let unclean = admin
        .elect_leaders(ElectionType::Unclean, [other])
        .await
        .unwrap();
    assert_eq!(refused(unclean.all()), ErrorCode::ELECTION_NOT_NEEDED);
    let all = admin.elect_all_leaders(preferred).await.unwrap();
    assert!(all.get(&partition).is_none());

    let quorum = admin.describe_quorum().await.unwrap();
    let printed = blocking(|| {
        let tools = kafka.java_tools().unwrap();
        let describe = format!("--describe --topic {name}");
        let quorum = "org.apache.kafka.tools.MetadataQuorumCommand";
        let tools = tools.tool(super::TOPIC_COMMAND, &describe);
        tools.tool(quorum, "describe --status").run().unwrap()
    });
    let row = printed[0]
        .text
        .lines()
        .find(|line| line.contains("Partition: 0"))
        .unwrap();
    assert_eq!(
        (field(row, "Leader:"), field(row, "Replicas:")),
        ("3", "3,1")
    );
    let status = printed[1].text.replace('\n', " ");
    assert_eq!(
        field(&status, "LeaderId:"),
        quorum.leader.unwrap().to_string()
    );
    assert_eq!(quorum.voters.len(), 3);
    admin.delete_topics([name]).await.unwrap().all().unwrap();
}

/// The work that is also given to Java's Admin: 1,000 topics created, described and deleted, and the
/// offsets of 1,000 groups listed.
const COUNT: usize = 1_000;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: `just admin-moves`"]
#[allow(
    clippy::await_holding_lock,
    reason = "the cluster is this test's until it ends"
)]
async fn nothing_is_missing_or_wrong_when_coordinators_and_controllers_move() {
    let kafka = blocking(kafka);
    let admin = admin(&kafka).await.timeout(Duration::from_secs(120));
    let base = kafka.unique_topic("base");
    admin
        .create_topics([NewTopic::new(&base).partitions(1).replication_factor(3)])
        .await
        .unwrap()
        .all()
        .unwrap();
    let groups: Vec<String> = (0..COUNT).map(|at| format!("{base}-group-{at}")).collect();
    let partition = TopicPartition::new(base.as_str(), 0);
    for group in &groups {
        let offsets = [(partition.clone(), 0)];
        within(
            60,
            "setting offsets",
            admin.alter_group_offsets(group, offsets),
        )
        .await
        .unwrap()
        .all()
        .unwrap();
    }
    for round in 0..3 {
        let topics: Vec<String> = (0..COUNT)
            .map(|at| format!("{base}-{round}-{at}"))
            .collect();
        let controller = admin.describe_quorum().await.unwrap().leader.unwrap();
        let work = async {
            let offsets = async {
                for _ in 0..3 {
                    offsets_are_whole(&admin, &groups, &partition).await;
                }
            };
            tokio::join!(offsets, topics_come_and_go(&admin, &topics));
        };
        let harm = async {
            tokio::task::block_in_place(|| {
                let node = kafka.broker(controller.0).unwrap();
                node.kill().unwrap();
                node.start().unwrap();
            });
        };
        within(240, "the work while a controller is killed", async {
            tokio::join!(work, harm)
        })
        .await;
        blocking(|| kafka.wait_until_ready().unwrap());
        println!(
            "round {round}: controller {controller} was killed; {COUNT} groups and {COUNT} topics were right"
        );
    }
}

async fn offsets_are_whole(admin: &Admin, groups: &[String], partition: &TopicPartition) {
    let listed = admin.list_group_offsets(groups).await.unwrap();
    assert_eq!(listed.len(), groups.len());
    for (group, offsets) in listed {
        let offsets = offsets.unwrap_or_else(|error| panic!("{group}: {error}"));
        let committed = offsets
            .get(partition)
            .unwrap_or_else(|| panic!("{group} has no offset"));
        assert_eq!(
            committed.as_ref().unwrap().as_ref().unwrap().offset,
            0,
            "{group}"
        );
    }
}

async fn topics_come_and_go(admin: &Admin, topics: &[String]) {
    let new = topics
        .iter()
        .map(|name| NewTopic::new(name).partitions(1).replication_factor(1));
    // Of an attempt that was carried out without an answer, the next one says that the topic exists.
    let done = |code: ErrorCode, result: &Result<(), Error>| match result {
        Ok(()) => true,
        Err(error) => error.code() == Some(code) && error.may_have_been_processed(),
    };
    for (name, result) in admin.create_topics(new).await.unwrap() {
        let result = result.map(drop);
        assert!(
            done(ErrorCode::TOPIC_ALREADY_EXISTS, &result),
            "{name}: {result:?}"
        );
    }
    let described = until("all topics", || async {
        let described = admin.describe_topics(topics).await.unwrap();
        let (described, missing) = described.split();
        let unknown = |error: &Error| error.code() == Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
        assert!(
            missing.iter().all(|(_, error)| unknown(error)),
            "{missing:?}"
        );
        missing.is_empty().then_some(described)
    })
    .await;
    let described: BTreeMap<_, _> = described.into_iter().collect();
    assert!(
        topics
            .iter()
            .all(|name| described[name].partitions.len() == 1)
    );
    for (name, result) in admin.delete_topics(topics).await.unwrap() {
        assert!(
            done(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, &result),
            "{name}: {result:?}"
        );
    }
}

/// Sends as TCP does, and counts the requests: each begins with its size.
#[derive(Clone, Debug, Default)]
struct Counted {
    requests: Arc<AtomicUsize>,
}

struct CountedStream {
    stream: TcpStream,
    requests: Arc<AtomicUsize>,
    /// Bytes that are left of the request that is being written.
    left: usize,
    /// The size of the next one, as far as it was written.
    size: Vec<u8>,
}

impl CountedStream {
    fn count(&mut self, mut written: &[u8]) {
        while !written.is_empty() {
            let body = self.left.min(written.len());
            self.left -= body;
            written = &written[body..];
            let size = written.len().min(4 - self.size.len());
            if self.left == 0 && size > 0 {
                self.size.extend(&written[..size]);
                written = &written[size..];
                if let Ok(size) = <[u8; 4]>::try_from(self.size.as_slice()) {
                    self.left = u32::from_be_bytes(size) as usize;
                    self.size.clear();
                    self.requests.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    }
}

impl AsyncRead for CountedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for CountedStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(context, bytes))?;
        self.count(&bytes[..written]);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl Connector for Counted {
    fn connect<'a>(&'a self, address: &'a HostPort, _: Duration) -> Connecting<'a> {
        Box::pin(async move {
            let stream = TcpStream::connect((address.host.as_str(), address.port)).await?;
            stream.set_nodelay(true)?;
            let stream = CountedStream {
                stream,
                requests: Arc::clone(&self.requests),
                left: 0,
                size: Vec::new(),
            };
            Ok(Box::new(stream) as BoxedStream)
        })
    }
}

/// Runs `work`; prints and gives its milliseconds and requests.
async fn measured(counted: &Counted, work: impl Future<Output = ()>) -> (u128, usize) {
    let before = counted.requests.load(Ordering::Relaxed);
    let start = Instant::now();
    work.await;
    let requests = counted.requests.load(Ordering::Relaxed) - before;
    (start.elapsed().as_millis(), requests)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: `just admin-beside-java`"]
#[allow(
    clippy::await_holding_lock,
    reason = "the cluster is this test's until it ends"
)]
async fn beside_javas_admin() {
    const ROUNDS: usize = 3;
    let kafka = blocking(kafka);
    let counted = Counted::default();
    let client = Client::builder(&kafka.bootstrap()).connector(counted.clone());
    let admin = client.connect().await.unwrap().admin();
    let base = kafka.unique_topic("base");
    let new = NewTopic::new(&base).partitions(1).replication_factor(3);
    admin.create_topics([new]).await.unwrap().all().unwrap();
    let groups: Vec<String> = (0..COUNT).map(|at| format!("{base}-group-{at}")).collect();
    let partition = TopicPartition::new(base.as_str(), 0);
    for group in &groups {
        let altered = admin
            .alter_group_offsets(group, [(partition.clone(), 0)])
            .await
            .unwrap();
        altered.all().unwrap();
    }
    let java = |round: usize| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("java/AdminWork.java");
        let tool = kafka.tool(source.to_str().unwrap()).unwrap();
        let count = COUNT.to_string();
        let rounds = if round == 0 { "1" } else { "2" };
        let tool = tool.args([kafka.bootstrap().as_str(), &base, &count, rounds]);
        tool.run().unwrap().text()
    };
    for round in 0..ROUNDS {
        let topics: Vec<String> = (0..COUNT)
            .map(|at| format!("{base}-ours-{round}-{at}"))
            .collect();
        let create = measured(&counted, async {
            let new = topics
                .iter()
                .map(|name| NewTopic::new(name).partitions(1).replication_factor(1));
            admin.create_topics(new).await.unwrap().all().unwrap();
        });
        let create = create.await;
        until("all topics", || async {
            admin.describe_topics(&topics).await.unwrap().all().ok()
        })
        .await;
        let describe = measured(&counted, async {
            let described = admin.describe_topics(&topics).await.unwrap().all().unwrap();
            assert_eq!(described.len(), COUNT);
        });
        let describe = describe.await;
        let delete = measured(&counted, async {
            admin.delete_topics(&topics).await.unwrap().all().unwrap();
        });
        let delete = delete.await;
        let offsets = measured(&counted, offsets_are_whole(&admin, &groups, &partition)).await;
        for (what, (millis, requests)) in [
            ("create", create),
            ("describe", describe),
            ("delete", delete),
            ("offsets", offsets),
        ] {
            println!("klamm {what} {millis} ms {requests} requests");
        }
        for line in blocking(|| java(round)).lines() {
            println!("java {line}");
        }
    }
}
