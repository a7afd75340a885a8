//! What networks do to connections, done to those of klamm by the fault proxy in front of a real broker: no call
//! hangs, no answer goes to another's question, and a broken connection breaks nothing but itself.

mod support;

use std::future::poll_fn;
use std::pin::Pin;
use std::time::{Duration, Instant};

use futures_core::Stream as _;

use klamm::consumer;
use klamm::net::{ClientConfig, Cluster, Error, Lane, NodeId, Route, Verdict};
use klamm::{NewTopic, OffsetReset, Record, TopicPartition};
use klamm_codec::api::Request;
use klamm_codec::messages::metadata_request::MetadataRequestTopic;
use klamm_codec::messages::{MetadataRequest, StrBytes, TopicName};
use klamm_tests::{Action, Kafka, Mode, Proxy, RandomFaults, Rule};
use support::{Outcome, blocking, within};

const FETCH: i16 = 1;
const METADATA: i16 = 3;
const API_VERSIONS: i16 = 18;
const REQUEST_TIMEOUT: Duration = Duration::from_secs(2);
/// What a call may take beyond its own limit on a busy machine.
const GRACE: Duration = Duration::from_secs(20);

async fn connect(kafka: &Kafka) -> Cluster {
    let mut config = ClientConfig::new(&kafka.proxied_bootstrap()).unwrap();
    config.request_timeout = REQUEST_TIMEOUT;
    config.connection_setup_timeout = REQUEST_TIMEOUT;
    within(30, "connecting", Cluster::connect(config))
        .await
        .unwrap()
}

/// Asks for the metadata of one topic and gives the names that came back.
async fn names(cluster: &Cluster, topic: &str, limit: Duration) -> Result<Vec<String>, Error> {
    let build = |_| {
        let name = TopicName(StrBytes::from_string(topic.to_owned()));
        let topic = MetadataRequestTopic::default().with_name(Some(name));
        MetadataRequest::default()
            .with_topics(Some(vec![topic]))
            .with_allow_auto_topic_creation(false)
    };
    let deadline = tokio::time::Instant::now() + limit;
    let route = Route::Node(NodeId(1));
    let call = cluster.call(&route, deadline, build, |_| Verdict::Done);
    let response = tokio::time::timeout(limit + GRACE, call).await;
    let response = response.expect("every call ends by its deadline")?;
    let names = response.topics.into_iter().filter_map(|topic| topic.name);
    Ok(names.map(|name| name.0.to_string()).collect())
}

/// As [`names`], one attempt on the connection to broker 1.
async fn attempt(cluster: &Cluster) -> Result<(), Error> {
    let deadline = tokio::time::Instant::now() + GRACE;
    let connection = cluster
        .connection(NodeId(1), Lane::Control, deadline)
        .await?;
    let version = connection.version(MetadataRequest::API)?;
    let request = MetadataRequest::default().with_topics(Some(Vec::new()));
    let asked = connection.request(&request, version, REQUEST_TIMEOUT);
    let answered = tokio::time::timeout(REQUEST_TIMEOUT + GRACE, asked).await;
    answered.expect("a request ends by its timeout").map(|_| ())
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_end_calls_clearly_and_connections_alone() -> Outcome {
    let kafka = blocking(|| Kafka::builder().proxied().start())?;
    let cluster = connect(&kafka).await;
    let proxy = kafka.proxy(1);
    attempt(&cluster).await?;
    each_fault_fails_one_attempt(&cluster, proxy).await?;
    each_fault_of_a_setup_is_survived(&cluster, proxy).await?;
    random_faults_cross_no_responses(&cluster, proxy).await;
    half_open_connections_are_ended_by_the_request_timeout(&cluster, proxy).await?;
    for reading in [
        Reading::Checked,
        Reading::Polled,
        Reading::PolledAndReadLate,
        Reading::Streamed,
    ] {
        a_broken_record_is_an_error_where_it_is(&kafka, proxy, reading).await?;
    }
    Ok(())
}

async fn each_fault_fails_one_attempt(cluster: &Cluster, proxy: &Proxy) -> Outcome {
    let request = |action| Rule::request(METADATA, action);
    let response = |action| Rule::response(METADATA, action);
    for rule in [
        request(Action::Cut),
        request(Action::CutInside(7)),
        response(Action::Cut),
        response(Action::Reset),
        response(Action::CutInside(9)),
        response(Action::StallInside(9)),
        response(Action::WrongCorrelationId),
        response(Action::Size(-1)),
        response(Action::Size(i32::MAX)),
        response(Action::Corrupt { at: 0, xor: 0x80 }),
        request(Action::Swallow),
    ] {
        let done = proxy.applied().len();
        proxy.inject(rule.clone());
        let error = attempt(cluster).await.unwrap_err();
        // The bytes had gone out: what became of them nobody can know.
        assert!(error.may_have_been_processed(), "{rule:?}: {error}");
        assert!(error.is_retriable(), "{rule:?}: {error}");
        blocking(|| proxy.wait_until_applied(done + 1, GRACE))?;
        let again = attempt(cluster).await;
        assert!(again.is_ok(), "after {rule:?}: {again:?}");
    }
    // Those that only take their time.
    for action in [
        Action::Delay(Duration::from_millis(300)),
        Action::Trickle(1, Duration::from_millis(1)),
    ] {
        for rule in [request(action.clone()), response(action.clone())] {
            proxy.inject(rule.clone());
            let answered = attempt(cluster).await;
            assert!(answered.is_ok(), "{rule:?}: {answered:?}");
        }
    }
    Ok(())
}

/// A connection that breaks before it is usable costs time, not the call.
async fn each_fault_of_a_setup_is_survived(cluster: &Cluster, proxy: &Proxy) -> Outcome {
    for action in [
        Action::Cut,
        Action::CutInside(11),
        Action::StallInside(11),
        Action::WrongCorrelationId,
        Action::Size(1 << 20),
        Action::Trickle(1, Duration::ZERO),
    ] {
        proxy.inject(Rule::response(API_VERSIONS, action.clone()));
        proxy.cut();
        let limit = Duration::from_secs(20);
        let named = names(cluster, "nobody-has-it", limit).await;
        assert_eq!(named?, ["nobody-has-it"], "{action:?}");
        proxy.clear();
    }
    Ok(())
}

async fn random_faults_cross_no_responses(cluster: &Cluster, proxy: &Proxy) {
    let seed = u64::from(std::process::id());
    println!("seed {seed}");
    let before = proxy.applied().len();
    proxy.inject_random(RandomFaults {
        seed,
        one_in: 40,
        actions: vec![
            Action::Cut,
            Action::Reset,
            Action::CutInside(10),
            Action::CutBehind,
            Action::WrongCorrelationId,
            Action::Size(0),
            Action::Trickle(3, Duration::ZERO),
            Action::Delay(Duration::from_millis(20)),
        ],
    });
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..20 {
        let cluster = cluster.clone();
        tasks.spawn(async move {
            for number in 0..25 {
                let topic = format!("topic-{task}-{number}");
                let named = names(&cluster, &topic, Duration::from_secs(60)).await;
                assert_eq!(named.unwrap(), [topic]);
            }
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap();
    }
    let random = proxy.applied().len() - before;
    assert!(random > 5, "only {random} faults were done");
    println!("{random} random faults");
    proxy.clear();
}

async fn half_open_connections_are_ended_by_the_request_timeout(
    cluster: &Cluster,
    proxy: &Proxy,
) -> Outcome {
    attempt(cluster).await?;
    proxy.swallow();
    let asked = Instant::now();
    let error = attempt(cluster).await.unwrap_err();
    assert!(
        error.is_timeout() && error.may_have_been_processed(),
        "{error}"
    );
    assert!(asked.elapsed() >= REQUEST_TIMEOUT);
    attempt(cluster).await?;
    // New connections that lead nowhere: the setup has a limit of its own.
    proxy.set_mode(Mode::Swallow);
    proxy.cut();
    let error = names(cluster, "t", Duration::from_secs(5))
        .await
        .unwrap_err();
    assert!(error.is_timeout(), "{error}");
    let text = error.to_string();
    assert!(
        text.contains("socket.connection.setup.timeout.ms"),
        "{text}"
    );
    proxy.set_mode(Mode::Forward);
    proxy.cut();
    let named = names(cluster, "t", Duration::from_secs(30)).await?;
    assert_eq!(named, ["t"]);
    Ok(())
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Reading {
    /// With `check.crcs`.
    Checked,
    Polled,
    /// After the next poll, which counts the records as consumed.
    PolledAndReadLate,
    Streamed,
}

/// A bit of the last of five records is flipped on the way: by its checksum the whole batch is wrong; whoever
/// does not check it reads the four records before it, and commits no further.
async fn a_broken_record_is_an_error_where_it_is(
    kafka: &Kafka,
    proxy: &Proxy,
    reading: Reading,
) -> Outcome {
    let client = support::connect(&kafka.proxied_bootstrap()).await;
    let topic = format!("broken-{reading:?}");
    let check_crcs = reading == Reading::Checked;
    let config = NewTopic::new(&topic).partitions(1);
    client.admin().create_topics([config]).await?.all()?;
    let producer = client
        .producer()
        .linger(Duration::from_millis(50))
        .build()?;
    let values: Vec<_> = (0..5).map(|number| format!("value-{number}")).collect();
    let records = values.iter().map(|value| Record::to(&topic).value(value));
    for sent in producer.send_all(records).await {
        sent?.await?;
    }
    let builder = client.consumer().group(&topic).auto_commit(false);
    let builder = builder.offset_reset(OffsetReset::Earliest);
    let mut consumer = builder.check_crcs(check_crcs).build().await?;
    // Behind the count of its headers only three empty tagged fields follow.
    proxy.inject(Rule::response(FETCH, Action::Corrupt { at: -4, xor: 2 }));
    let partition = TopicPartition::new(&*topic, 0);
    consumer.assign([partition.clone()])?;
    let mut read = Vec::new();
    let error = if reading == Reading::Streamed {
        let mut stream = consumer.stream();
        loop {
            let next = poll_fn(|context| Pin::new(&mut stream).poll_next(context));
            match within(30, "reading", next)
                .await
                .ok_or("the stream ended")?
            {
                Ok(message) => read.push(message.offset),
                Err(error) => break error,
            }
        }
    } else {
        loop {
            match within(30, "reading", consumer.poll()).await {
                Ok(records) => {
                    if reading == Reading::PolledAndReadLate {
                        let more = consumer.poll_timeout(Duration::from_millis(100)).await;
                        assert_eq!(more?.len(), 0);
                    }
                    read.extend(records.iter().map(|record| record.offset));
                }
                Err(error) => break error,
            }
        }
    };
    let good = if check_crcs { 0 } else { 4 };
    assert_eq!(read, (0..good).collect::<Vec<_>>());
    assert!(
        matches!(&error, consumer::Error::Corrupt { partition: at, offset, .. } if *at == partition && *offset == good),
        "{error}"
    );
    // The error stays, and so does the position, until the application seeks.
    within(30, "polling again", consumer.poll())
        .await
        .unwrap_err();
    consumer.commit().await?;
    let committed = consumer.committed([partition.clone()]).await?;
    assert_eq!(committed[0].1.as_ref().map(|at| at.offset), Some(good));
    consumer.seek(&partition, good)?;
    let records = within(30, "reading after seeking", consumer.poll()).await?;
    let rest: Vec<_> = records.iter().map(|record| record.offset).collect();
    assert_eq!(rest, (good..5).collect::<Vec<_>>());
    consumer.close(Duration::from_secs(10)).await?;
    Ok(())
}
