//! Copies of a topic in transactions, while the copiers, and the brokers that lead partitions and
//! coordinate transactions and groups, are killed.
//!
//! Each record is written to two topics in one transaction, with the name of the transaction and the
//! number of its records as key. Java reads committed records in the end: every one there is once in
//! each topic, and of each transaction all or nothing. klamm reads them all the while, and the same.

mod support;

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use klamm::{
    Client, Error, ExactlyOnce, IsolationLevel, OffsetReset, Record, Records, TopicPartition,
    Transaction,
};
use klamm_tests::{Kafka, OracleRecord};
use support::{Outcome, blocking, connect, in_log_order, within};
use tokio::task::JoinHandle;

const INPUTS: i32 = 4;
const OUTPUTS: i32 = 3;
const COPIERS: usize = 2;
/// Set in the processes that copy, to what they need to know.
const COPIER: &str = "KLAMM_TEST_COPIER";

/// What a run did.
#[derive(Debug, Default)]
struct Report {
    records: usize,
    transactions: usize,
    killed_copiers: usize,
    killed_brokers: usize,
    /// Of these, for being the coordinator of a copier's transactions.
    killed_coordinators: usize,
}

/// The place of the node that coordinates the transactions of `id`; none while nobody tells.
async fn coordinator(client: &Client, id: String) -> Option<usize> {
    let admin = client.admin();
    let described = within(60, "the coordinator", admin.describe_transactions([id])).await;
    let described = described.ok()?.all().ok()?;
    Some(described.first()?.coordinator?.0 as usize - 1)
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_are_whole_and_single_while_copiers_and_a_broker_are_killed() -> Outcome {
    let report = chaos(Duration::from_secs(10), 2).await?;
    println!("{report:?}");
    Ok(())
}

/// `just chaos-transactions`; `KLAMM_CHAOS_SECONDS` says for how long.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes"]
async fn copies_are_whole_and_single_for_minutes() -> Outcome {
    let seconds = std::env::var("KLAMM_CHAOS_SECONDS");
    let seconds = seconds.map_or(Ok(180), |seconds| seconds.parse())?;
    let report = chaos(Duration::from_secs(seconds), usize::MAX).await?;
    println!("{report:?}");
    assert!(report.killed_coordinators > 0 && report.killed_copiers > 0);
    Ok(())
}

struct Topics {
    input: String,
    outputs: [String; 2],
    group: String,
}

async fn chaos(
    time: Duration,
    broker_kills_max: usize,
) -> Result<Report, Box<dyn std::error::Error>> {
    let level = std::env::var("KLAMM_CHAOS_TRANSACTION_VERSION").unwrap_or_else(|_| "2".to_owned());
    let feature = format!("transaction.version={level}");
    let builder = Kafka::builder().nodes(3).java_option("-Xmx512m");
    let builder = builder.format_arguments(&["--feature", &feature]);
    let kafka = blocking(|| builder.start())?;
    let client = connect(&kafka.bootstrap()).await;
    let input = blocking(|| kafka.create_topic("chaos-in", INPUTS))?;
    let outputs = [
        blocking(|| kafka.create_topic("chaos-out", OUTPUTS))?,
        blocking(|| kafka.create_topic("chaos-audit", OUTPUTS))?,
    ];
    let group = format!("copiers-{input}");
    let topics = Topics {
        input,
        outputs,
        group,
    };
    let mut report = Report::default();
    let mut copiers: Vec<Copier> = (0..COPIERS)
        .map(|index| Copier::start(&kafka, &topics, index))
        .collect::<Result<_, _>>()?;
    let readers: Vec<_> = (topics.outputs.iter())
        .map(|topic| tokio::spawn(read_committed(client.clone(), topic.clone())))
        .collect();
    let producer = client.producer().build()?;
    let until = Instant::now() + time;
    let mut random = u64::from(std::process::id());
    println!("seed {random}");
    let mut next_kill = Instant::now() + Duration::from_secs(4);
    let mut down: Option<(usize, Instant)> = None;
    while Instant::now() < until || down.is_some() {
        for _ in 0..40 {
            let value = format!("{:08}", report.records);
            let partition = report.records as i32 % INPUTS;
            let record = Record::to(&topics.input).partition(partition).value(&value);
            drop(within(120, "send", producer.send(record)).await?);
            report.records += 1;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        if let Some((node, back_at)) = down
            && Instant::now() > back_at
        {
            blocking(|| kafka.node(node).start())?;
            blocking(|| kafka.wait_until_ready())?;
            down = None;
        }
        for copier in &mut copiers {
            copier.restart_if_ended(&kafka, &topics)?;
        }
        if Instant::now() < next_kill || Instant::now() > until {
            continue;
        }
        next_kill = Instant::now() + Duration::from_millis(1500 + random % 2500);
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        if random >> 62 == 0 && down.is_none() && report.killed_brokers < broker_kills_max {
            let mut node = (random >> 33) as usize % 3;
            if report.killed_brokers.is_multiple_of(2)
                && let Some(coordinator) = coordinator(&client, id(&topics, 0)).await
            {
                node = coordinator;
                report.killed_coordinators += 1;
            }
            blocking(|| kafka.node(node).kill())?;
            report.killed_brokers += 1;
            down = Some((node, Instant::now() + Duration::from_secs(3)));
        } else {
            let index = (random >> 33) as usize % COPIERS;
            copiers[index].kill()?;
            report.killed_copiers += 1;
        }
    }
    within(150, "the last records", producer.flush()).await;
    let drained = drain(&kafka, &client, &topics, &mut copiers, report.records);
    within(240, "copying the rest", drained).await?;
    drop(copiers);
    report.transactions = judge(&kafka, &client, &topics, report.records, readers).await?;
    Ok(report)
}

/// Until the group has committed the end of the input.
async fn drain(
    kafka: &Kafka,
    client: &Client,
    topics: &Topics,
    copiers: &mut [Copier],
    records: usize,
) -> Outcome {
    let consumer = client.consumer().group(&topics.group).build().await?;
    let partitions = (0..INPUTS).map(|at| TopicPartition::new(&*topics.input, at));
    let partitions: Vec<_> = partitions.collect();
    loop {
        for copier in &mut *copiers {
            copier.restart_if_ended(kafka, topics)?;
        }
        let committed = consumer.committed(partitions.clone()).await?;
        let committed = committed.iter().filter_map(|(_, offset)| offset.as_ref());
        let committed: i64 = committed.map(|committed| committed.offset).sum();
        if committed == records as i64 {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

type ReadByKlamm = Result<Vec<OracleRecord>, klamm::consumer::Error>;

/// What is committed in a topic, until the last record of each partition was read.
async fn read_committed(client: Client, topic: String) -> ReadByKlamm {
    let builder = client.consumer().offset_reset(OffsetReset::Earliest);
    let builder = builder.isolation_level(IsolationLevel::ReadCommitted);
    let mut consumer = builder.build().await?;
    consumer.assign((0..OUTPUTS).map(|partition| TopicPartition::new(&*topic, partition)))?;
    let (mut read, mut ended) = (Vec::new(), 0);
    while ended < OUTPUTS {
        for record in &consumer.poll().await? {
            ended += i32::from(record.value == Some(b"end"));
            read.push(OracleRecord {
                partition: Some(record.partition),
                offset: Some(record.offset),
                key: record.key.map(<[u8]>::to_vec),
                value: record.value.map(<[u8]>::to_vec),
                ..OracleRecord::default()
            });
        }
    }
    Ok(read)
}

/// Java and klamm have read the same.
fn assert_same(java: &[OracleRecord], klamm: Vec<OracleRecord>) {
    let place = |record: &OracleRecord| (record.partition, record.offset);
    let of_interest = |record: &OracleRecord| OracleRecord {
        partition: record.partition,
        offset: record.offset,
        key: record.key.clone(),
        value: record.value.clone(),
        ..OracleRecord::default()
    };
    let java = in_log_order(java.iter().map(of_interest).collect());
    let klamm = in_log_order(klamm);
    let different = java.iter().zip(&klamm).find(|(java, klamm)| java != klamm);
    assert_eq!(different, None, "read by Java and by klamm");
    let lengths = (java.len(), klamm.len());
    assert_eq!(lengths.0, lengths.1, "after {:?}", java.last().map(place));
}

/// Holds what Java reads against what was sent; gives the number of transactions.
async fn judge(
    kafka: &Kafka,
    client: &Client,
    topics: &Topics,
    records: usize,
    readers: Vec<JoinHandle<ReadByKlamm>>,
) -> Result<usize, Box<dyn std::error::Error>> {
    // Whatever a killed copier left open is aborted, so that readers get to the end ...
    for index in 0..COPIERS {
        let producer = client.producer().transactional_id(id(topics, index));
        let taken_over = within(60, "taking over", producer.build_transactional()).await?;
        within(60, "close", taken_over.close(Duration::from_secs(30))).await?;
    }
    // ... and the last record of each partition tells that it is one.
    let producer = client.producer().build()?;
    for topic in &topics.outputs {
        for partition in 0..OUTPUTS {
            let end = Record::to(topic).partition(partition).value("end");
            within(60, "a delivery", producer.send(end).await?).await?;
        }
    }
    let mut sizes: [HashMap<String, usize>; 2] = Default::default();
    for ((topic, sizes), reader) in topics.outputs.iter().zip(&mut sizes).zip(readers) {
        let count = records + OUTPUTS as usize;
        let read = blocking(|| {
            let committed = [("isolation.level", "read_committed")];
            let java = kafka.java_oracle()?;
            java.consume(&kafka.bootstrap(), topic, count, &committed)
        })?;
        let read_by_klamm = within(60, "klamm's reader", reader).await??;
        assert_same(&read, read_by_klamm);
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        for record in &read {
            let value = text(record.value.as_deref());
            if value != "end" {
                *sizes.entry(text(record.key.as_deref())).or_default() += 1;
            }
            *seen.entry(value).or_default() += 1;
        }
        assert_eq!(
            seen.remove("end"),
            Some(OUTPUTS as usize),
            "not read to the end"
        );
        let wrong: Vec<_> = seen.iter().filter(|(_, times)| **times != 1).collect();
        assert!(wrong.is_empty(), "more than once in {topic}: {wrong:?}");
        let sent: Vec<String> = (0..records).map(|at| format!("{at:08}")).collect();
        let missing: Vec<_> = sent
            .iter()
            .filter(|value| !seen.contains_key(*value))
            .collect();
        assert!(missing.is_empty(), "missing in {topic}: {missing:?}");
        assert_eq!(seen.len(), records, "more than was sent in {topic}");
        check_order(&read);
    }
    let [copies, audit] = sizes;
    assert_eq!(copies, audit, "transactions differ between the topics");
    for (transaction, size) in &copies {
        let (_, told) = transaction.rsplit_once(':').unwrap_or_default();
        assert_eq!(told.parse(), Ok(*size), "torn: {transaction}");
    }
    Ok(copies.len())
}

/// Each output partition takes the records of input partitions in their order.
fn check_order(read: &[OracleRecord]) {
    let mut newest: HashMap<(i32, usize), usize> = HashMap::new();
    for record in read {
        let Ok(number) = text(record.value.as_deref()).parse::<usize>() else {
            continue;
        };
        let line = (record.partition.unwrap_or(-1), number % INPUTS as usize);
        let before = newest.insert(line, number);
        assert!(
            before < Some(number),
            "{number} after {before:?} in {line:?}"
        );
    }
}

fn text(bytes: Option<&[u8]>) -> String {
    String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned()
}

fn id(topics: &Topics, index: usize) -> String {
    format!("{}-{index}", topics.group)
}

/// A process that copies: this very program, with [`COPIER`] set.
struct Copier {
    index: usize,
    starts: usize,
    process: Child,
}

impl Copier {
    fn start(
        kafka: &Kafka,
        topics: &Topics,
        index: usize,
    ) -> Result<Self, Box<dyn std::error::Error>> {
        Ok(Self {
            index,
            starts: 1,
            process: spawn(kafka, topics, index, 0)?,
        })
    }

    fn kill(&mut self) -> std::io::Result<()> {
        self.process.kill()?;
        self.process.wait().map(|_| ())
    }

    fn restart_if_ended(&mut self, kafka: &Kafka, topics: &Topics) -> Outcome {
        if self.process.try_wait()?.is_some() {
            self.process = spawn(kafka, topics, self.index, self.starts)?;
            self.starts += 1;
        }
        Ok(())
    }
}

impl Drop for Copier {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}

fn spawn(
    kafka: &Kafka,
    topics: &Topics,
    index: usize,
    start: usize,
) -> Result<Child, Box<dyn std::error::Error>> {
    let [copies, audit] = &topics.outputs;
    let told = [
        &*kafka.bootstrap(),
        &topics.input,
        copies,
        audit,
        &topics.group,
        &id(topics, index),
    ];
    let log = kafka.run_dir().join(format!("copier-{index}-{start}.log"));
    let log = File::create(log)?;
    let child = Command::new(std::env::current_exe()?)
        .args(["--exact", "copier", "--ignored", "--nocapture"])
        .env(COPIER, told.join(" "))
        .stdin(Stdio::piped())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()?;
    Ok(child)
}

/// Not a test, but the process that [`Copier`] starts; it copies until it is killed.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a process of the tests above"]
async fn copier() -> Outcome {
    let Ok(told) = std::env::var(COPIER) else {
        return Ok(());
    };
    // Whoever started it is gone.
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_line(&mut String::new());
        std::process::exit(0);
    });
    let told: Vec<&str> = told.split(' ').collect();
    let &[bootstrap, input, copies, audit, group, id] = &told[..] else {
        return Err("not what a copier is told".into());
    };
    let client = Client::connect(bootstrap).await?;
    let consumer = client
        .consumer()
        .group(group)
        .topics([input])
        .session_timeout(Duration::from_secs(6))
        .offset_reset(OffsetReset::Earliest)
        .max_poll_records(60);
    let producer = client
        .producer()
        .transactional_id(id)
        .transaction_timeout(Duration::from_secs(20))
        .linger(Duration::ZERO)
        .batch_size(512);
    let mut pipeline = ExactlyOnce::build(consumer, producer).await?;
    for number in 0_u64.. {
        let step = pipeline.step(async |records: &Records, transaction: &Transaction| {
            let size = records.iter().count();
            let key = format!("{}-{number}:{size}", std::process::id());
            for record in records {
                let value = record.value.unwrap_or_default();
                for topic in [copies, audit] {
                    let partition = record.partition % OUTPUTS;
                    let copy = Record::to(topic)
                        .partition(partition)
                        .key(&key)
                        .value(value);
                    drop(transaction.send(copy).await?);
                }
            }
            if number % 7 == 3 {
                return Err(Failed::OnPurpose);
            }
            Ok(())
        });
        match step.await {
            Ok(_) | Err(Failed::OnPurpose) => {}
            Err(Failed::Klamm(error)) => {
                println!("{error}");
                if error.is_fatal() {
                    return Err(error.into());
                }
            }
        }
    }
    Ok(())
}

enum Failed {
    OnPurpose,
    Klamm(Error),
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self::Klamm(error)
    }
}

impl From<klamm::producer::Error> for Failed {
    fn from(error: klamm::producer::Error) -> Self {
        Self::Klamm(error.into())
    }
}
