//! Groups of members of three clients: klamm, Java's and librdkafka's (kcat), one of each as leader in turn.
//!
//! All members share 12 partitions. Once they do, each partition gets the same number of records, and every
//! record has to reach exactly one member: so all partitions have an owner, and none has two.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use klamm::consumer::{CooperativeStickyAssignor, RangeAssignor};
use klamm::{Client, OffsetReset, Record};
use klamm_tests::{Kafka, RunningTool};
use support::{Outcome, blocking, connect, within};
use tokio::task::JoinHandle;

const PARTITIONS: i32 = 12;
/// Records of each partition.
const EACH: i64 = 50;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Klamm,
    Java,
    Librdkafka,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Strategy {
    Range,
    CooperativeSticky,
}

impl Strategy {
    fn java(self) -> &'static str {
        match self {
            Self::Range => "org.apache.kafka.clients.consumer.RangeAssignor",
            Self::CooperativeSticky => {
                "org.apache.kafka.clients.consumer.CooperativeStickyAssignor"
            }
        }
    }

    fn librdkafka(self) -> &'static str {
        match self {
            Self::Range => "range",
            Self::CooperativeSticky => "cooperative-sticky",
        }
    }
}

/// What a member has read: partition and offset.
type Places = Vec<(i32, i64)>;

#[derive(Default)]
struct Seen {
    owned: BTreeSet<i32>,
    places: Places,
}

/// A member of ours, in a task of its own.
struct Ours {
    seen: Arc<Mutex<Seen>>,
    task: JoinHandle<()>,
}

impl Ours {
    async fn start(client: &Client, group: &str, strategy: Strategy) -> Self {
        let builder = client
            .consumer()
            .group(group)
            .topics([group])
            .offset_reset(OffsetReset::Earliest)
            .heartbeat_interval(Duration::from_millis(300));
        let builder = match strategy {
            Strategy::Range => builder.assignor(RangeAssignor),
            Strategy::CooperativeSticky => builder.assignor(CooperativeStickyAssignor),
        };
        let mut consumer = within(30, "building", builder.build()).await.unwrap();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let shared = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            loop {
                let polled = consumer.poll_timeout(Duration::from_millis(50)).await;
                let records = polled.unwrap();
                let assignment = consumer.assignment();
                let mut seen = shared.lock().unwrap();
                let places = records
                    .iter()
                    .map(|record| (record.partition, record.offset));
                seen.places.extend(places);
                seen.owned = assignment.iter().map(|at| at.partition).collect();
            }
        });
        Self { seen, task }
    }
}

/// kcat, and what it prints.
struct Kcat {
    child: Child,
    printed: Arc<Mutex<Vec<String>>>,
    told: Arc<Mutex<Vec<String>>>,
}

impl Kcat {
    fn start(bootstrap: &str, group: &str, strategy: Strategy) -> Self {
        let assignor = format!("partition.assignment.strategy={}", strategy.librdkafka());
        let mut child = Command::new("kcat")
            .args(["-b", bootstrap, "-G", group, "-u", "-f", "%p %o\\n"])
            .args(["-X", &assignor, "-X", "auto.offset.reset=earliest"])
            .args(["-X", "heartbeat.interval.ms=300", group])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("kcat is installed (Debian: apt-get install kcat)");
        let printed = lines_of(child.stdout.take().unwrap());
        let told = lines_of(child.stderr.take().unwrap());
        Self {
            child,
            printed,
            told,
        }
    }

    fn places(&self) -> Places {
        let place = |line: &String| {
            let (partition, offset) = line.split_once(' ')?;
            Some((partition.parse().ok()?, offset.parse().ok()?))
        };
        self.printed
            .lock()
            .unwrap()
            .iter()
            .filter_map(place)
            .collect()
    }

    /// It says `assigned: t [0], …` with an eager protocol, `incremental assignment of … t [0], …` with a cooperative one.
    fn is_assigned(&self) -> bool {
        let told = self.told.lock().unwrap();
        told.iter().any(|line| {
            let says = line.contains("assigned: ") || line.contains("incremental assignment of ");
            says && line.contains('[')
        })
    }
}

impl Drop for Kcat {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lines_of(output: impl Read + Send + 'static) -> Arc<Mutex<Vec<String>>> {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let shared = Arc::clone(&lines);
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            shared.lock().unwrap().push(line);
        }
    });
    lines
}

fn java(kafka: &Kafka, group: &str, strategy: Strategy) -> klamm_tests::Result<RunningTool> {
    let tool = kafka.tool("org.apache.kafka.tools.VerifiableConsumer")?;
    let arguments = [
        "--topic",
        group,
        "--group-id",
        group,
        "--reset-policy",
        "earliest",
    ];
    let more = ["--assignment-strategy", strategy.java(), "--verbose"];
    tool.args(["--bootstrap-server", &kafka.bootstrap()])
        .args(arguments)
        .args(more)
        .patience(Duration::from_secs(120))
        .spawn()
}

/// The places in the lines of Java's program.
fn places_of_java(text: &str) -> Places {
    let field = |line: &str, name: &str| -> Option<i64> {
        let (_, rest) = line.split_once(&format!("\"{name}\":"))?;
        let end = rest.find(|c: char| !c.is_ascii_digit())?;
        rest[..end].parse().ok()
    };
    text.lines()
        .filter(|line| line.contains("\"record_data\""))
        .filter_map(|line| Some((field(line, "partition")? as i32, field(line, "offset")?)))
        .collect()
}

async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(90);
    while !condition() {
        assert!(Instant::now() < deadline, "{what} did not happen");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Three members, of whom the first to come is the leader.
async fn share(kafka: &Kafka, order: &[Who], strategy: Strategy) -> Outcome {
    let topic = blocking(|| kafka.create_topic("mixed", PARTITIONS))?;
    let client = connect(&kafka.bootstrap()).await;
    let (mut ours, mut theirs, mut kcat) = (None, None, None);
    for who in order {
        match who {
            Who::Klamm => {
                let started: &Ours = ours.insert(Ours::start(&client, &topic, strategy).await);
                until("klamm has partitions", || {
                    !started.seen.lock().unwrap().owned.is_empty()
                })
                .await;
            }
            Who::Java => {
                let started: &mut RunningTool = theirs.insert(java(kafka, &topic, strategy)?);
                let assigned = |line: &str| {
                    line.contains("partitions_assigned") && line.contains("\"partition\":")
                };
                blocking(|| started.wait_for_line(assigned))?;
            }
            Who::Librdkafka => {
                let bootstrap = kafka.bootstrap();
                let started: &Kcat = kcat.insert(Kcat::start(&bootstrap, &topic, strategy));
                until("kcat has partitions", || started.is_assigned()).await;
            }
        }
    }
    let (ours, theirs) = (ours.expect("ours"), theirs.expect("Java's"));
    let share = PARTITIONS as usize / order.len();
    until("klamm has its share", || {
        ours.seen.lock().unwrap().owned.len() == share
    })
    .await;

    let producer = client.producer().build()?;
    for number in 0..EACH * i64::from(PARTITIONS) {
        let partition = (number % i64::from(PARTITIONS)) as i32;
        let record = Record::to(&topic).partition(partition).value("x");
        drop(producer.send(record).await?);
    }
    producer.close(Duration::from_secs(30)).await?;
    let read = || -> [Places; 3] {
        let java = theirs.stdout_so_far().unwrap_or_default();
        [
            ours.seen.lock().unwrap().places.clone(),
            places_of_java(&java),
            kcat.as_ref().map(Kcat::places).unwrap_or_default(),
        ]
    };
    let all: BTreeSet<(i32, i64)> = (0..PARTITIONS)
        .flat_map(|partition| (0..EACH).map(move |offset| (partition, offset)))
        .collect();
    until("every record is read", || {
        read().iter().flatten().copied().collect::<BTreeSet<_>>() == all
    })
    .await;
    let read = read();
    let mut owners: BTreeMap<i32, BTreeSet<usize>> = BTreeMap::new();
    for (member, places) in read.iter().enumerate() {
        for (partition, _) in places {
            owners.entry(*partition).or_default().insert(member);
        }
    }
    let count: usize = read.iter().map(Vec::len).sum();
    assert_eq!(count, all.len(), "records were read twice: {owners:?}");
    assert!(
        owners.values().all(|owners| owners.len() == 1),
        "{owners:?}"
    );
    for member in 0..order.len() {
        let owned = owners
            .values()
            .filter(|owners| owners.contains(&member))
            .count();
        assert_eq!(owned, share, "{owners:?}");
    }
    ours.task.abort();
    blocking(|| theirs.stop())?;
    println!(
        "{strategy:?}, {:?} leads: {} partitions each, {count} records once",
        order[0], share
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn klamm_and_java_keep_what_they_own_with_java_as_leader() -> Outcome {
    let order = [Who::Java, Who::Klamm];
    share(Kafka::shared(), &order, Strategy::CooperativeSticky).await
}

/// With `just mixed-groups`; needs kcat.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kcat, takes minutes: just mixed-groups"]
async fn each_of_three_clients_leads_a_group_of_all_of_them() -> Outcome {
    for strategy in [Strategy::Range, Strategy::CooperativeSticky] {
        for order in [
            [Who::Klamm, Who::Java, Who::Librdkafka],
            [Who::Java, Who::Librdkafka, Who::Klamm],
            [Who::Librdkafka, Who::Klamm, Who::Java],
        ] {
            share(Kafka::shared(), &order, strategy).await?;
        }
    }
    Ok(())
}
