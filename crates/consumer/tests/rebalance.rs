//! Rebalances as applications see them: what stops and what does not, callbacks, static members.

mod bench;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use bench::{Bench, MILLISECOND, SECOND, expected, read, until, values};
use klamm_consumer::{
    CloseOptions, Consumer, ConsumerBuilder, CooperativeStickyAssignor, Error,
    GroupMembershipOperation, GroupProtocol, Rebalance, RebalanceListener, StickyAssignor,
    TopicPartition,
};
use klamm_net::{ClientConfig, Cluster};
use klamm_testbroker::{ApiKey, ErrorCode, Fault, TestBroker};
use tokio::task::JoinHandle;

/// What a listener was told.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Told {
    Assigned(Vec<i32>),
    Revoked(Vec<i32>),
    Lost(Vec<i32>),
}

/// Notes what it is told, and commits what goes.
#[derive(Clone, Default)]
struct Notes {
    told: Arc<Mutex<Vec<Told>>>,
    refusals: Arc<Mutex<Vec<Error>>>,
    seek_to: Option<i64>,
    panics: bool,
}

impl Notes {
    fn told(&self) -> Vec<Told> {
        self.told.lock().unwrap().clone()
    }

    fn note(&self, told: fn(Vec<i32>) -> Told, partitions: &[TopicPartition]) {
        let partitions = partitions.iter().map(|at| at.partition).collect();
        self.told.lock().unwrap().push(told(partitions));
    }

    async fn commit(&self, rebalance: &Rebalance) {
        if let Err(error) = rebalance.commit().await {
            self.refusals.lock().unwrap().push(error);
        }
    }
}

impl RebalanceListener for Notes {
    async fn on_assigned(&self, rebalance: &Rebalance, partitions: &[TopicPartition]) {
        self.note(Told::Assigned, partitions);
        assert!(!self.panics, "as asked for");
        for partition in partitions {
            assert!(rebalance.assignment().contains(partition));
            if let Some(offset) = self.seek_to {
                rebalance.seek(partition, offset).unwrap();
            }
        }
    }

    async fn on_revoked(&self, rebalance: &Rebalance, partitions: &[TopicPartition]) {
        self.note(Told::Revoked, partitions);
        self.commit(rebalance).await;
    }

    async fn on_lost(&self, rebalance: &Rebalance, partitions: &[TopicPartition]) {
        self.note(Told::Lost, partitions);
        self.commit(rebalance).await;
    }
}

/// Everything that was handed out, by whomever.
type History = Arc<Mutex<Vec<String>>>;

/// A consumer that polls in a task of its own.
struct Running {
    owned: Arc<Mutex<BTreeSet<i32>>>,
    stop: Arc<tokio::sync::Notify>,
    task: JoinHandle<Consumer>,
}

impl Running {
    async fn start(builder: ConsumerBuilder, history: &History) -> Self {
        let mut consumer = builder.build().await.unwrap();
        let owned_now = Arc::new(Mutex::default());
        let stop = Arc::new(tokio::sync::Notify::new());
        let (shared, end, history) = (
            Arc::clone(&owned_now),
            Arc::clone(&stop),
            Arc::clone(history),
        );
        let task = tokio::spawn(async move {
            loop {
                let polled = consumer.poll_timeout(5 * MILLISECOND).await.unwrap();
                history.lock().unwrap().extend(values(&polled));
                *shared.lock().unwrap() = owned(&consumer);
                tokio::select! {
                    biased;
                    () = end.notified() => return consumer,
                    () = tokio::task::yield_now() => {}
                }
            }
        });
        Self {
            owned: owned_now,
            stop,
            task,
        }
    }

    fn owned(&self) -> BTreeSet<i32> {
        self.owned.lock().unwrap().clone()
    }

    async fn stop(self) -> Consumer {
        self.stop.notify_one();
        self.task.await.unwrap()
    }
}

fn owned(consumer: &Consumer) -> BTreeSet<i32> {
    consumer
        .assignment()
        .iter()
        .map(|at| at.partition)
        .collect()
}

/// How members come to their partitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Eager,
    Cooperative,
    Consumer,
}

impl Kind {
    fn member(self, bench: &Bench, notes: &Notes) -> ConsumerBuilder {
        self.configure(bench.consumer().rebalance_listener(notes.clone()))
    }

    fn configure(self, builder: ConsumerBuilder) -> ConsumerBuilder {
        let builder = builder.topics(["t"]);
        let classic = |builder: ConsumerBuilder| builder.heartbeat_interval(20 * MILLISECOND);
        match self {
            Self::Eager => classic(builder).assignor(StickyAssignor),
            Self::Cooperative => classic(builder).assignor(CooperativeStickyAssignor),
            Self::Consumer => builder.group_protocol(GroupProtocol::Consumer),
        }
    }

    /// What a member is told that the coordinator does not know any more.
    fn forgotten(self) -> (ApiKey, ErrorCode) {
        match self {
            Self::Consumer => (
                ApiKey::CONSUMER_GROUP_HEARTBEAT,
                ErrorCode::FENCED_MEMBER_EPOCH,
            ),
            _ => (ApiKey::HEARTBEAT, ErrorCode::ILLEGAL_GENERATION),
        }
    }
}

/// Those with which a member keeps what stays with it.
const INCREMENTAL: [Kind; 2] = [Kind::Cooperative, Kind::Consumer];

fn cooperative(bench: &Bench, notes: &Notes) -> ConsumerBuilder {
    Kind::Cooperative.member(bench, notes)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_what_moves_is_revoked_by_a_cooperative_assignor_and_by_the_broker() {
    for kind in INCREMENTAL {
        let bench = Bench::with_partitions(4).await;
        let (notes, others) = (Notes::default(), Notes::default());
        let history = History::default();
        let first = Running::start(kind.member(&bench, &notes), &history).await;
        until("the first owns all", || first.owned().len() == 4).await;
        let second = Running::start(kind.member(&bench, &others), &history).await;
        until("both own two", || {
            first.owned().len() == 2 && second.owned().len() == 2
        })
        .await;
        assert!(first.owned().is_disjoint(&second.owned()));
        let moved: Vec<i32> = second.owned().into_iter().collect();
        let told = notes.told();
        assert_eq!(told[0], Told::Assigned(vec![0, 1, 2, 3]), "{kind:?}");
        let revocations: Vec<_> = told
            .iter()
            .filter(|told| matches!(told, Told::Revoked(_) | Told::Lost(_)))
            .collect();
        assert_eq!(revocations, [&Told::Revoked(moved.clone())], "{told:?}");
        assert!(others.told().contains(&Told::Assigned(moved)));
        // What goes when a member closes is told as well, and goes to the other at once.
        let kept: Vec<i32> = first.owned().into_iter().collect();
        first.stop().await.close(5 * SECOND).await.unwrap();
        assert_eq!(notes.told().last(), Some(&Told::Revoked(kept)));
        until("the second owns all", || second.owned().len() == 4).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_while_a_member_closes_is_not_told_as_revoked() {
    for kind in INCREMENTAL {
        let bench = Bench::with_partitions(2).await;
        let (notes, history) = (Notes::default(), History::default());
        // The first commits nothing.
        let first = kind.configure(bench.consumer().auto_commit(false));
        let first = Running::start(first, &history).await;
        let second = Running::start(kind.member(&bench, &notes), &history).await;
        until("both own one", || {
            first.owned().len() == 1 && second.owned().len() == 1
        })
        .await;
        let kept: Vec<i32> = second.owned().into_iter().collect();
        bench.produce(kept[0], 0, 5).await;
        until("records", || history.lock().unwrap().len() == 5).await;
        // Its last commit takes until the other has gone and the coordinator has given it everything.
        let refused = Fault::Error(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS).times(1000);
        bench.broker.inject(ApiKey::OFFSET_COMMIT, refused).unwrap();
        let second = second.stop().await;
        let closing = tokio::spawn(async move { second.close(20 * SECOND).await });
        let commits = || bench.broker.requests(ApiKey::OFFSET_COMMIT);
        let before = commits();
        until("it commits", || commits() > before).await;
        let (given, requests) = match kind {
            Kind::Consumer => (ApiKey::CONSUMER_GROUP_HEARTBEAT, 10),
            _ => (ApiKey::SYNC_GROUP, 1),
        };
        let before = bench.broker.requests(given);
        first.stop().await.close(5 * SECOND).await.unwrap();
        until("it is given everything", || {
            bench.broker.requests(given) >= before + requests
        })
        .await;
        let retries = commits();
        until("it still commits", || commits() > retries).await;
        bench.broker.clear_faults();
        closing.await.unwrap().unwrap();
        let told = notes.told();
        assert_eq!(told.last(), Some(&Told::Revoked(kept)), "{kind:?} {told:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_committed_in_revoked_comes_to_nobody_twice() {
    for kind in [Kind::Eager, Kind::Cooperative, Kind::Consumer] {
        let bench = Bench::with_partitions(4).await;
        for partition in 0..4 {
            bench.produce(partition, 0, 2000).await;
        }
        let history = History::default();
        let member = || {
            let builder = kind.member(&bench, &Notes::default());
            builder.auto_commit(false).max_poll_records(7)
        };
        let count = || history.lock().unwrap().len();
        let first = Running::start(member(), &history).await;
        until("some records", || count() > 500).await;
        let second = Running::start(member(), &history).await;
        until("the second has its share", || second.owned().len() == 2).await;
        let third = Running::start(member(), &history).await;
        until("the third has its share", || !third.owned().is_empty()).await;
        second.stop().await.close(5 * SECOND).await.unwrap();
        until("everything was read", || {
            let history = history.lock().unwrap();
            history.iter().collect::<BTreeSet<_>>().len() == 8000
        })
        .await;
        for member in [first, third] {
            member.stop().await.close(5 * SECOND).await.unwrap();
        }
        assert_eq!(count(), 8000, "records came twice: {kind:?}");
    }
}

#[tokio::test]
async fn a_listener_may_say_where_new_partitions_start() {
    let bench = Bench::with_partitions(1).await;
    bench.produce(0, 0, 10).await;
    let notes = Notes {
        seek_to: Some(7),
        ..Notes::default()
    };
    let mut consumer = cooperative(&bench, &notes).build().await.unwrap();
    assert_eq!(read(&mut consumer, 3).await, expected(0, 7..10));
    assert_eq!(bench.broker.requests(ApiKey::OFFSET_FETCH), 0);
}

#[tokio::test]
async fn a_listener_that_panics_stops_nothing() {
    let bench = Bench::with_partitions(1).await;
    bench.produce(0, 0, 10).await;
    let notes = Notes {
        panics: true,
        ..Notes::default()
    };
    let mut consumer = cooperative(&bench, &notes).build().await.unwrap();
    assert_eq!(read(&mut consumer, 10).await, expected(0, 0..10));
    assert_eq!(notes.told(), [Told::Assigned(vec![0])]);
}

#[tokio::test]
async fn lost_partitions_are_told_as_lost_and_cannot_be_committed() {
    for kind in INCREMENTAL {
        let bench = Bench::with_partitions(1).await;
        bench.produce(0, 0, 10).await;
        let notes = Notes::default();
        let builder = kind.member(&bench, &notes).auto_commit(false);
        let mut consumer = builder.build().await.unwrap();
        assert_eq!(read(&mut consumer, 10).await.len(), 10);
        let (api, code) = kind.forgotten();
        bench.broker.inject(api, Fault::Error(code)).unwrap();
        // It starts over from the last commit, of which there is none.
        assert_eq!(read(&mut consumer, 10).await, expected(0, 0..10));
        assert_eq!(
            notes.told(),
            [
                Told::Assigned(vec![0]),
                Told::Lost(vec![0]),
                Told::Assigned(vec![0])
            ]
        );
        let refusals = notes.refusals.lock().unwrap();
        assert!(
            matches!(refusals[..], [Error::CommitFailed { .. }]),
            "{kind:?}: {refusals:?}"
        );
    }
}

#[tokio::test]
async fn offsets_of_partitions_that_went_to_others_are_not_committed() {
    let bench = Bench::with_partitions(2).await;
    let mut consumer = bench.subscriber().await;
    drop(consumer.poll_timeout(300 * MILLISECOND).await.unwrap());
    assert_eq!(owned(&consumer).len(), 2);
    let elsewhere = TopicPartition::new("t", 2);
    let error = consumer.commit_offsets([(elsewhere, 1)]).await.unwrap_err();
    assert!(matches!(error, Error::NotAssigned { .. }), "{error}");
    consumer
        .commit_offsets([(TopicPartition::new("t", 1), 1)])
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_static_member_that_restarts_moves_nothing_unless_it_leaves() {
    let bench = Bench::with_partitions(4).await;
    let history = History::default();
    let notes = Notes::default();
    let other = Running::start(cooperative(&bench, &notes), &history).await;
    let member = || cooperative(&bench, &Notes::default()).group_instance_id("one");
    let first = Running::start(member(), &history).await;
    until("both own two", || {
        first.owned().len() == 2 && other.owned().len() == 2
    })
    .await;
    let (owned, told) = (first.owned(), notes.told());
    let joins = bench.broker.requests(ApiKey::JOIN_GROUP);
    first.stop().await.close(5 * SECOND).await.unwrap();
    assert_eq!(bench.broker.requests(ApiKey::LEAVE_GROUP), 0);
    let again = Running::start(member(), &history).await;
    until("it is back", || again.owned() == owned).await;
    assert_eq!(bench.broker.requests(ApiKey::JOIN_GROUP), joins + 1);
    assert_eq!(notes.told(), told);

    let leave = CloseOptions::new().group_membership(GroupMembershipOperation::LeaveGroup);
    again.stop().await.close(leave).await.unwrap();
    assert_eq!(bench.broker.requests(ApiKey::LEAVE_GROUP), 1);
    until("the other owns all", || other.owned().len() == 4).await;
    let remain = CloseOptions::new().group_membership(GroupMembershipOperation::RemainInGroup);
    other.stop().await.close(remain).await.unwrap();
    assert_eq!(bench.broker.requests(ApiKey::LEAVE_GROUP), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_with_one_instance_id_the_older_is_fenced_and_the_rest_goes_on() {
    let bench = Bench::with_partitions(2).await;
    let member = || cooperative(&bench, &Notes::default()).group_instance_id("one");
    let mut older = member().build().await.unwrap();
    drop(older.poll_timeout(300 * MILLISECOND).await.unwrap());
    assert_eq!(owned(&older).len(), 2);
    let newer = Running::start(member(), &History::default()).await;
    until("the newer has all", || newer.owned().len() == 2).await;
    let error = tokio::time::timeout(10 * SECOND, older.poll())
        .await
        .unwrap();
    let error = error.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::FENCED_INSTANCE_ID), "{error}");
    assert!(error.is_fatal());
    older.close(5 * SECOND).await.unwrap();
    newer.stop().await.close(5 * SECOND).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pattern_takes_in_topics_that_are_created_later() {
    let broker = TestBroker::builder().topic("t-1", 1).topic("not-t-1", 1);
    let broker = broker.start().await.unwrap();
    let mut config = ClientConfig::new(&broker.bootstrap()).unwrap();
    config.metadata_max_age = 50 * MILLISECOND;
    let cluster = Cluster::connect(config).await.unwrap();
    let mut consumer = ConsumerBuilder::new(cluster.clone())
        .group("g")
        .topic_pattern("t-[0-9]+")
        .build()
        .await
        .unwrap();
    let topics = |consumer: &Consumer| -> Vec<String> {
        let assignment = consumer.assignment();
        assignment.iter().map(|at| at.topic.to_string()).collect()
    };
    let deadline = tokio::time::Instant::now() + 20 * SECOND;
    while topics(&consumer) != ["t-1"] {
        assert!(tokio::time::Instant::now() < deadline);
        drop(consumer.poll_timeout(10 * MILLISECOND).await.unwrap());
    }
    // Asking for a topic creates it.
    let soon = tokio::time::Instant::now() + 10 * SECOND;
    cluster.topic("t-2", true, soon).await.unwrap();
    while topics(&consumer) != ["t-1", "t-2"] {
        assert!(tokio::time::Instant::now() < deadline);
        drop(consumer.poll_timeout(10 * MILLISECOND).await.unwrap());
    }
    let error = consumer.subscribe_pattern("t-(").unwrap_err();
    assert!(matches!(error, Error::Pattern { .. }), "{error}");
}

#[tokio::test(start_paused = true)]
async fn trouble_with_the_coordinator_makes_no_storm_of_requests() {
    let bench = Bench::with_partitions(1).await;
    bench.produce(0, 0, 3).await;
    let builder = bench
        .consumer()
        .topics(["t"])
        .assignor(CooperativeStickyAssignor);
    let mut consumer = builder.build().await.unwrap();
    // Every 100 ms for ten seconds, then pauses grow to a second, less a fifth; and stay so until it is a member again.
    for (code, expected) in [
        (ErrorCode::NOT_COORDINATOR, 100..=190),
        (ErrorCode::COORDINATOR_LOAD_IN_PROGRESS, 40..=90),
    ] {
        let before =
            [ApiKey::JOIN_GROUP, ApiKey::FIND_COORDINATOR].map(|api| bench.broker.requests(api));
        let refused = Fault::Error(code).times(1000);
        bench.broker.inject(ApiKey::JOIN_GROUP, refused).unwrap();
        let minute = consumer.poll_timeout(60 * SECOND).await.unwrap();
        assert!(minute.is_empty());
        let joins = bench.broker.requests(ApiKey::JOIN_GROUP) - before[0];
        let finds = bench.broker.requests(ApiKey::FIND_COORDINATOR) - before[1];
        assert!(
            expected.contains(&joins),
            "{joins} joins in a minute of {code}"
        );
        assert!(finds <= joins + 1, "{finds} lookups in a minute of {code}");
        bench.broker.clear_faults();
    }
    assert_eq!(read(&mut consumer, 3).await, expected(0, 0..3));
    let joins = bench.broker.requests(ApiKey::JOIN_GROUP);
    let before = bench.broker.requests(ApiKey::HEARTBEAT);
    let refused = Fault::Error(ErrorCode::NOT_COORDINATOR).times(1000);
    bench.broker.inject(ApiKey::HEARTBEAT, refused).unwrap();
    drop(consumer.poll_timeout(20 * SECOND).await.unwrap());
    let heartbeats = bench.broker.requests(ApiKey::HEARTBEAT) - before;
    assert!(heartbeats <= 260, "{heartbeats} heartbeats in 20 seconds");
    assert_eq!(
        bench.broker.requests(ApiKey::JOIN_GROUP),
        joins,
        "nobody joined again"
    );
}

#[tokio::test(start_paused = true)]
async fn trouble_with_heartbeats_of_the_consumer_protocol_makes_no_storm_of_requests() {
    let bench = Bench::start(TestBroker::builder().topic("t", 1)).await;
    bench.produce(0, 0, 3).await;
    let notes = Notes::default();
    let member = Kind::Consumer.member(&bench, &notes);
    let mut consumer = member.build().await.unwrap();
    assert_eq!(read(&mut consumer, 3).await, expected(0, 0..3));
    let troubles = [
        Fault::Error(ErrorCode::NOT_COORDINATOR),
        Fault::Error(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS),
        Fault::DropBefore,
        Fault::DropAfter,
    ];
    for trouble in troubles {
        let api = ApiKey::CONSUMER_GROUP_HEARTBEAT;
        let before = [api, ApiKey::FIND_COORDINATOR].map(|api| bench.broker.requests(api));
        bench.broker.inject(api, trouble.times(1000)).unwrap();
        assert!(consumer.poll_timeout(30 * SECOND).await.unwrap().is_empty());
        let heartbeats = bench.broker.requests(api) - before[0];
        let finds = bench.broker.requests(ApiKey::FIND_COORDINATOR) - before[1];
        println!("{trouble:?}: {heartbeats} heartbeats, {finds} lookups");
        // Every 100 ms for ten seconds, then pauses grow to a second, less a fifth.
        assert!(
            (80..=150).contains(&heartbeats),
            "{heartbeats} of {trouble:?}"
        );
        assert!(finds <= heartbeats + 1, "{finds} lookups of {trouble:?}");
        bench.broker.clear_faults();
        // Shorter than a session, each by itself.
        assert!(consumer.poll_timeout(5 * SECOND).await.unwrap().is_empty());
    }
    assert_eq!(
        notes.told(),
        [Told::Assigned(vec![0])],
        "it was a member all the time"
    );
}
