//! What members of the consumer protocol (KIP-848) see. Each test runs on Apache Kafka and on the test broker, so that
//! the two cannot drift apart.

use std::collections::BTreeSet;
use std::time::Duration;

use klamm::consumer::{CloseOptions, GroupMembershipOperation, GroupProtocol};
use klamm::{Client, Consumer, ConsumerBuilder, ErrorCode, OffsetReset, Record, TopicPartition};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::support::{Outcome, blocking, connect, within};
use crate::{new_topic, shared, test_broker};

/// Runs `test` on both, with a topic of six partitions.
async fn on_both(test: impl AsyncFn(&Client, &str) -> Outcome) -> Outcome {
    let broker = test_broker().start().await?;
    let kafka = blocking(shared);
    for (name, bootstrap) in [
        ("test broker", broker.bootstrap()),
        ("Kafka", kafka.bootstrap()),
    ] {
        println!("on the {name}");
        let client = connect(&bootstrap).await;
        let topic = new_topic(&client, "protocol", 6).await;
        test(&client, &topic).await?;
    }
    Ok(())
}

fn member(client: &Client, topic: &str) -> ConsumerBuilder {
    let builder = client.consumer().group(topic).topics([topic]);
    builder
        .group_protocol(GroupProtocol::Consumer)
        .offset_reset(OffsetReset::Earliest)
}

fn owned(consumer: &Consumer) -> BTreeSet<i32> {
    let assignment = consumer.assignment();
    assignment.iter().map(|at| at.partition).collect()
}

/// Polls until it owns what is wanted.
async fn owns(consumer: &mut Consumer, what: &str, wanted: impl Fn(&BTreeSet<i32>) -> bool) {
    let polling = async {
        while !wanted(&owned(consumer)) {
            let polled = consumer.poll_timeout(Duration::from_millis(20)).await;
            drop(polled.unwrap());
        }
    };
    within(60, what, polling).await;
}

/// A consumer that polls in a task of its own, until it is taken back.
struct Polling {
    stop: oneshot::Sender<()>,
    task: JoinHandle<Consumer>,
}

impl Polling {
    fn start(mut consumer: Consumer) -> Self {
        let (stop, mut stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            while stopped.try_recv().is_err() {
                let polled = consumer.poll_timeout(Duration::from_millis(20)).await;
                drop(polled.unwrap());
            }
            consumer
        });
        Self { stop, task }
    }

    async fn take_back(self) -> Consumer {
        self.stop.send(()).unwrap();
        within(30, "the last poll", self.task).await.unwrap()
    }
}

/// Both poll until `wanted` holds of what they own.
async fn both_own(
    first: Consumer,
    second: &mut Consumer,
    what: &str,
    wanted: impl Fn(&BTreeSet<i32>) -> bool,
) -> Consumer {
    let polling = Polling::start(first);
    owns(second, what, wanted).await;
    polling.take_back().await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_range_assignor_gives_blocks_and_others_are_refused() -> Outcome {
    on_both(async |client, topic| {
        let range = || member(client, topic).group_remote_assignor("range");
        let mut first = range().build().await?;
        owns(&mut first, "all", |owned| owned.len() == 6).await;
        let mut second = range().build().await?;
        first = both_own(first, &mut second, "a half", |owned| owned.len() == 3).await;
        let blocks = BTreeSet::from([owned(&first), owned(&second)]);
        let halves = [BTreeSet::from([0, 1, 2]), BTreeSet::from([3, 4, 5])];
        assert_eq!(blocks, BTreeSet::from(halves));

        let unknown = member(client, topic).group_remote_assignor("lucky");
        let mut unknown = unknown.build().await?;
        let error = within(30, "the refusal", unknown.poll()).await.unwrap_err();
        assert_eq!(
            error.code(),
            Some(ErrorCode::UNSUPPORTED_ASSIGNOR),
            "{error}"
        );
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_static_member_that_restarts_keeps_its_share_and_a_second_one_is_refused() -> Outcome {
    on_both(async |client, topic| {
        let named = || member(client, topic).group_instance_id("one");
        let mut other = member(client, topic).build().await?;
        owns(&mut other, "all", |owned| owned.len() == 6).await;
        let mut first = named().build().await?;
        other = both_own(other, &mut first, "a half", |owned| owned.len() == 3).await;
        let share = owned(&first);
        let mut second = named().build().await?;
        let error = within(30, "the refusal", second.poll()).await.unwrap_err();
        assert_eq!(
            error.code(),
            Some(ErrorCode::UNRELEASED_INSTANCE_ID),
            "{error}"
        );
        assert!(error.is_fatal());

        first.close(Duration::from_secs(10)).await?;
        let others = owned(&other);
        let mut again = named().build().await?;
        owns(&mut again, "its share", |owned| *owned == share).await;
        assert_eq!(owned(&other), others, "nobody else's share has changed");
        let leave = CloseOptions::new().group_membership(GroupMembershipOperation::LeaveGroup);
        again.close(leave).await?;
        owns(&mut other, "all again", |owned| owned.len() == 6).await;
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_broker_finds_the_topics_of_a_pattern() -> Outcome {
    on_both(async |client, topic| {
        let builder = client.consumer().group(topic);
        let builder = builder.group_protocol(GroupProtocol::Consumer);
        let mut consumer = builder
            .topic_pattern(format!("{topic}(-[0-9]+)?"))
            .build()
            .await?;
        let topics = |consumer: &Consumer| -> BTreeSet<String> {
            let assignment = consumer.assignment();
            assignment.iter().map(|at| at.topic.to_string()).collect()
        };
        for name in ["-1", "-not-this", "-2"] {
            let new = klamm::NewTopic::new(format!("{topic}{name}")).partitions(1);
            client.admin().create_topics([new]).await?.all()?;
            let mut wanted = BTreeSet::from([topic.to_owned(), format!("{topic}-1")]);
            wanted.extend((name == "-2").then(|| format!("{topic}-2")));
            let found = async {
                while topics(&consumer) != wanted {
                    drop(
                        consumer
                            .poll_timeout(Duration::from_millis(20))
                            .await
                            .unwrap(),
                    );
                }
            };
            within(60, "finding what matches", found).await;
        }
        consumer.subscribe([topic])?;
        owns(&mut consumer, "the named topic alone", |owned| {
            owned.len() == 6
        })
        .await;
        consumer.subscribe_pattern("t-(")?;
        let refused = async {
            loop {
                if let Err(error) = consumer.poll_timeout(Duration::from_millis(20)).await {
                    return error;
                }
            }
        };
        let error = within(30, "the refusal", refused).await;
        assert_eq!(
            error.code(),
            Some(ErrorCode::INVALID_REGULAR_EXPRESSION),
            "{error}"
        );
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_poll_loses_its_share_until_it_polls_again() -> Outcome {
    on_both(async |client, topic| {
        let builder = member(client, topic).max_poll_interval(Duration::from_secs(2));
        let mut lazy = builder.build().await?;
        owns(&mut lazy, "all", |owned| owned.len() == 6).await;
        let mut other = member(client, topic).build().await?;
        owns(&mut other, "all of a lazy member's", |owned| {
            owned.len() == 6
        })
        .await;
        let commit = lazy
            .commit_offsets([(TopicPartition::new(topic, 0), 1)])
            .await;
        let error = commit.unwrap_err();
        assert!(
            matches!(error, klamm::consumer::Error::CommitFailed { .. }),
            "{error}"
        );
        other = both_own(other, &mut lazy, "a half again", |owned| owned.len() == 3).await;
        assert_eq!(owned(&other).len(), 3);
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_group_changes_its_protocol_and_goes_on_where_it_had_committed() -> Outcome {
    on_both(async |client, topic| {
        let producer = client.producer().build()?;
        for number in 0..600_i32 {
            let value = number.to_string();
            let record = Record::to(topic).partition(number % 6).value(&value);
            drop(producer.send(record).await?);
        }
        producer.close(Duration::from_secs(30)).await?;
        let mut read = BTreeSet::new();
        for (number, protocol) in [
            GroupProtocol::Classic,
            GroupProtocol::Consumer,
            GroupProtocol::Classic,
        ]
        .into_iter()
        .enumerate()
        {
            let builder = member(client, topic).group_protocol(protocol);
            let mut consumer = builder.max_poll_records(50).build().await?;
            let deadline = Instant::now() + Duration::from_secs(60);
            while read.len() < (number + 1) * 200 {
                assert!(Instant::now() < deadline, "{} records", read.len());
                for record in &consumer.poll_timeout(Duration::from_secs(1)).await? {
                    let is_new = read.insert((record.partition, record.offset));
                    assert!(is_new, "{}-{} came twice", record.partition, record.offset);
                }
            }
            consumer.close(Duration::from_secs(10)).await?;
        }
        assert_eq!(read.len(), 600);
        Ok(())
    })
    .await
}
