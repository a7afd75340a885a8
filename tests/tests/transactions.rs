//! Transactions on Apache Kafka, in both protocols and on an older broker, as Java's reader sees them.

mod support;

use std::collections::BTreeMap;
use std::time::Duration;

use klamm::admin::RecordsToDelete;
use klamm::producer::CommitError;
use klamm::{
    Client, Error, ExactlyOnce, IsolationLevel, OffsetReset, Record, Records, TopicPartition,
    Transaction, TransactionalProducer,
};
use klamm_tests::{Action, Kafka, Rule};
use support::{Outcome, blocking, connect, within};

/// Transactions that are open for too long are looked for this often, in milliseconds.
const CLEANUP_MS: u32 = 300;

#[tokio::test(flavor = "multi_thread")]
async fn with_kip_890() -> Outcome {
    let kafka = blocking(|| Kafka::builder().property(CLEANUP, CLEANUP_MS).start())?;
    everything(&kafka).await
}

#[tokio::test(flavor = "multi_thread")]
async fn before_kip_890() -> Outcome {
    let builder = Kafka::builder().property(CLEANUP, CLEANUP_MS);
    let builder = builder.format_arguments(&["--feature", "transaction.version=1"]);
    let kafka = blocking(|| builder.start())?;
    everything(&kafka).await
}

#[tokio::test(flavor = "multi_thread")]
async fn on_kafka_3() -> Outcome {
    let builder = Kafka::builder().version("3.9.2");
    let kafka = blocking(|| builder.property(CLEANUP, CLEANUP_MS).start())?;
    everything(&kafka).await
}

/// A broker of before KIP-360 knows no producer whose records are deleted, and bumps no epoch for it.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "fetches and starts an old version of Kafka; `just compat`"]
async fn where_producers_are_forgotten_and_no_epoch_is_bumped() -> Outcome {
    let kafka = blocking(|| Kafka::builder().version("2.3.1").proxied().start())?;
    let client = connect(&kafka.proxied_bootstrap()).await;
    let topic = blocking(|| kafka.create_topic("forgotten", 1))?;
    let mut expected = ended(&client, &topic).await?;
    expected.extend(fenced(&client, &topic).await?);
    let visible = blocking(|| committed(&kafka, &topic, expected.len()))?;
    assert_eq!(visible, expected);

    let producer = transactional(&client, "forgotten").await?;
    let partition = TopicPartition::new(&*topic, 0);
    expected.clear();
    for round in 0..3 {
        let transaction = within(60, "begin", producer.begin()).await?;
        expected = values(&format!("round-{round}"), 5);
        send(&transaction, &topic, &expected).await?;
        within(60, "commit", transaction.commit()).await?;
        // Too large for the broker: refused, and with it the transaction, but not the producer.
        let transaction = within(60, "begin", producer.begin()).await?;
        send(&transaction, &topic, &["x".repeat(1_048_500)]).await?;
        let error = within(60, "commit", transaction.commit())
            .await
            .unwrap_err();
        let CommitError::Abortable { transaction, .. } = error else {
            return Err(error.into());
        };
        within(60, "abort", transaction.abort()).await?;
        if round < 2 {
            let all = [(partition.clone(), RecordsToDelete::All)];
            client.admin().delete_records(all).await?.all()?;
        }
    }
    let errors = producer.stats().errors;
    assert_eq!(errors.get(&59), Some(&2), "{errors:?}");
    // An end without an answer: its epoch must not be used again, and is followed by the next.
    for round in ["lost", "next"] {
        let transaction = within(60, "begin", producer.begin()).await?;
        let sent = values(round, 5);
        send(&transaction, &topic, &sent).await?;
        expected.extend(sent);
        if round == "lost" {
            let lost = Rule::response(END_TXN, Action::Cut).times(1);
            kafka.proxy(1).inject(lost);
        }
        within(60, "commit", transaction.commit()).await?;
    }
    assert_eq!(kafka.proxy(1).applied().len(), 1);
    let visible = blocking(|| committed(&kafka, &topic, expected.len()))?;
    assert_eq!(visible, expected);
    Ok(())
}

const END_TXN: i16 = 26;
const CLEANUP: &str = "transaction.abort.timed.out.transaction.cleanup.interval.ms";

async fn everything(kafka: &Kafka) -> Outcome {
    let client = connect(&kafka.bootstrap()).await;
    let topic = blocking(|| kafka.create_topic("transactions", 1))?;
    let expected = [
        ended(&client, &topic).await?,
        fenced(&client, &topic).await?,
        timed_out(&client, &topic).await?,
    ]
    .concat();
    copies(kafka, &client).await?;
    // Readers of committed records see whole transactions, and nothing else.
    let visible = blocking(|| committed(kafka, &topic, expected.len()))?;
    assert_eq!(visible, expected);
    let ours = committed_by_klamm(&client, &topic, expected.len()).await?;
    assert_eq!(ours, expected);
    Ok(())
}

async fn transactional(client: &Client, id: &str) -> Result<TransactionalProducer, Error> {
    let builder = client.producer().transactional_id(id);
    let built = builder.linger(Duration::ZERO).build_transactional();
    Ok(within(60, "taking over the transactional id", built).await?)
}

async fn send(transaction: &Transaction, topic: &str, values: &[String]) -> Result<(), Error> {
    for value in values {
        let record = Record::to(topic).partition(0).value(value);
        drop(within(60, "send", transaction.send(record)).await?);
    }
    Ok(())
}

fn values(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|at| format!("{prefix}-{at}")).collect()
}

/// Commits and aborts in turn; gives what was committed.
async fn ended(client: &Client, topic: &str) -> Result<Vec<String>, Error> {
    let producer = transactional(client, "ended").await?;
    let mut expected = Vec::new();
    for round in 0..12 {
        let transaction = within(60, "begin", producer.begin()).await?;
        let values = values(&format!("ended-{round}"), 1 + round % 5);
        send(&transaction, topic, &values).await?;
        match round % 3 {
            0 => within(60, "abort", transaction.abort()).await?,
            // What was written is hidden, too.
            1 if round % 2 == 0 => {
                transaction.flush().await;
                drop(transaction);
            }
            _ => {
                within(60, "commit", transaction.commit()).await?;
                expected.extend(values);
            }
        }
    }
    within(60, "close", producer.close(Duration::from_secs(30))).await?;
    Ok(expected)
}

/// A second producer takes over from the first, which has a transaction open.
async fn fenced(client: &Client, topic: &str) -> Result<Vec<String>, Error> {
    let first = transactional(client, "fenced").await?;
    let open = within(60, "begin", first.begin()).await?;
    send(&open, topic, &values("fenced-lost", 3)).await?;
    open.flush().await;
    let second = transactional(client, "fenced").await?;
    let transaction = within(60, "begin", second.begin()).await?;
    let expected = values("fenced", 3);
    send(&transaction, topic, &expected).await?;
    within(60, "commit", transaction.commit()).await?;
    let error = within(60, "commit", open.commit()).await.unwrap_err();
    assert!(
        matches!(error, CommitError::Fatal { .. }),
        "the first must be at its end: {error}"
    );
    assert!(Error::from(error).is_fenced());
    let error = within(60, "begin", first.begin()).await.unwrap_err();
    assert!(error.is_fatal() && error.is_fenced(), "{error}");
    Ok(expected)
}

/// The coordinator aborts a transaction that is open for too long.
async fn timed_out(client: &Client, topic: &str) -> Result<Vec<String>, Error> {
    let builder = client.producer().transactional_id("timed-out");
    let builder = builder.transaction_timeout(Duration::from_millis(500));
    let producer = within(60, "build", builder.build_transactional()).await?;
    let transaction = within(60, "begin", producer.begin()).await?;
    send(&transaction, topic, &values("late", 3)).await?;
    transaction.flush().await;
    // Until the marker is there, which a reader of committed records waits for, too.
    let other = transactional(client, "after").await?;
    let after = within(60, "begin", other.begin()).await?;
    let expected = values("after", 2);
    send(&after, topic, &expected).await?;
    within(60, "commit", after.commit()).await?;
    let seen = committed_by_klamm(client, topic, usize::MAX).await?;
    assert!(seen.ends_with(&expected), "{seen:?}");
    let error = within(60, "commit", transaction.commit())
        .await
        .unwrap_err();
    let fenced = match error {
        // Its epoch is used up with its transaction.
        CommitError::Abortable { transaction, .. } => {
            within(60, "abort", transaction.abort()).await.unwrap_err()
        }
        error => error.into(),
    };
    assert!(fenced.is_fatal(), "{fenced}");
    // With KIP-890 the coordinator says that it is aborted already.
    let aborted = fenced.code() == Some(klamm::admin::ErrorCode::INVALID_TXN_STATE);
    assert!(fenced.is_fenced() || aborted, "{fenced}");
    Ok(expected)
}

/// A group's records are copied, with failures in between; each once.
async fn copies(kafka: &Kafka, client: &Client) -> Outcome {
    let input = blocking(|| kafka.create_topic("copies-in", 2))?;
    let output = blocking(|| kafka.create_topic("copies-out", 1))?;
    let producer = client.producer().build()?;
    let mut expected = values("copy", 60);
    for (index, value) in expected.iter().enumerate() {
        let record = Record::to(&input).partition(index as i32 % 2).value(value);
        drop(producer.send(record).await?);
    }
    producer.flush().await;
    let group = format!("copiers-{input}");
    let consumer = client
        .consumer()
        .group(&group)
        .topics([&input])
        .offset_reset(OffsetReset::Earliest)
        .max_poll_records(7);
    let copier = client.producer().transactional_id(&group);
    let mut copier = within(60, "build", ExactlyOnce::build(consumer, copier)).await?;
    let (mut done, mut steps) = (0, 0);
    while done < expected.len() {
        steps += 1;
        let step = copier.step(async |records: &Records, transaction: &Transaction| {
            for record in records {
                let value = record.value.unwrap_or_default();
                let record = Record::to(&output).partition(0).value(value);
                drop(transaction.send(record).await?);
            }
            if steps % 3 == 0 {
                transaction.flush().await;
                return Err(Failed::OnPurpose);
            }
            Ok(())
        });
        match within(60, "a step", step).await {
            Ok(records) => done += records,
            Err(Failed::OnPurpose) => {}
            Err(Failed::Klamm(error)) => return Err(error.into()),
        }
        assert!(steps < 200, "{done} done");
    }
    within(60, "close", copier.close(Duration::from_secs(30))).await?;
    let mut visible = blocking(|| committed(kafka, &output, expected.len()))?;
    visible.sort();
    expected.sort();
    assert_eq!(visible, expected);
    let told = kafka
        .tool("org.apache.kafka.tools.consumer.group.ConsumerGroupCommand")?
        .args(["--bootstrap-server", &kafka.bootstrap(), "--describe"])
        .args(["--group", &group]);
    let told = blocking(|| told.run())?.text();
    let lags = told.lines().filter(|line| line.contains(&input));
    let lags: BTreeMap<_, _> = lags
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            Some((*fields.get(2)?, *fields.get(5)?))
        })
        .collect();
    assert_eq!(lags, BTreeMap::from([("0", "0"), ("1", "0")]), "{told}");
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

/// What Java reads of partition 0 up to `count` records, committed ones alone.
fn committed(kafka: &Kafka, topic: &str, count: usize) -> klamm_tests::Result<Vec<String>> {
    let properties = [("isolation.level", "read_committed")];
    let records = kafka
        .java_oracle()?
        .consume(&kafka.bootstrap(), topic, count, &properties)?;
    let text = |value: Option<Vec<u8>>| String::from_utf8_lossy(&value.unwrap_or_default()).into();
    Ok(records
        .into_iter()
        .map(|record| text(record.value))
        .collect())
}

/// The same with klamm, or all up to the end, if that is less.
async fn committed_by_klamm(
    client: &Client,
    topic: &str,
    count: usize,
) -> Result<Vec<String>, Error> {
    let consumer = client
        .consumer()
        .isolation_level(IsolationLevel::ReadCommitted);
    let mut consumer = consumer.build().await?;
    let partition = klamm::TopicPartition::new(topic, 0);
    consumer.assign([partition.clone()])?;
    consumer.seek_to_beginning(&partition)?;
    // What is open is waited for: the end is that of all records.
    let ends = client.consumer().build().await?;
    let end = ends.end_offsets([partition.clone()]).await?;
    let end = end.first().map_or(0, |(_, offset)| *offset);
    let mut values = Vec::new();
    let read = async {
        while values.len() < count && consumer.position(&partition).await? < end {
            let records = consumer.poll_timeout(Duration::from_millis(200)).await?;
            for record in &records {
                let value = record.value.unwrap_or_default();
                values.push(String::from_utf8_lossy(value).into_owned());
            }
        }
        Ok::<_, Error>(())
    };
    within(60, "reading to the end", read).await?;
    Ok(values)
}
