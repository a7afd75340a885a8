//! What needs several brokers: moving replicas, electing leaders, and coordinators and controllers that
//! move meanwhile.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use klamm::admin::{DirectoryId, ElectionType, Error, TopicPartition};
use klamm::{Admin, ErrorCode, NewTopic, NodeId};
use klamm_tests::Kafka;
use tokio::sync::{Mutex, MutexGuard};

use super::{field, refused, until};
use crate::support::{blocking, connect, within};

/// Three nodes, which one test after the other has for itself.
pub(crate) async fn kafka() -> MutexGuard<'static, Kafka> {
    static KAFKA: OnceLock<Mutex<Kafka>> = OnceLock::new();
    let start = || {
        let kafka = Kafka::builder().nodes(3).dynamic_quorum();
        let authorizer = "org.apache.kafka.metadata.authorizer.StandardAuthorizer";
        let kafka = kafka
            .property("authorizer.class.name", authorizer)
            .property("super.users", "User:ANONYMOUS");
        Mutex::new(kafka.start().expect("three brokers"))
    };
    blocking(|| KAFKA.get_or_init(start)).lock().await
}

pub(crate) async fn admin(kafka: &Kafka) -> Admin {
    connect(&kafka.bootstrap()).await.admin()
}

pub(crate) async fn replicas(
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
async fn replicas_move_and_leaders_are_elected_as_kafkas_tools_see_it() {
    let kafka = kafka().await;
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

#[tokio::test(flavor = "multi_thread")]
async fn brokers_that_take_no_metrics_of_clients_give_them_no_ids() {
    let kafka = kafka().await;
    let error = admin(&kafka).await.client_instance_id().await.unwrap_err();
    assert!(error.is_unsupported(), "{error}");
    assert!(
        error.to_string().contains("GetTelemetrySubscriptions"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_under_way_is_what_kafkas_tool_lists_and_can_be_taken_back() {
    let kafka = kafka().await;
    let admin = admin(&kafka).await;
    let controller = admin.describe_quorum().await.unwrap().leader.unwrap();
    // One that sleeps is registered, and never catches up.
    let sleeping = NodeId(controller.0 % 3 + 1);
    let third = NodeId(6 - controller.0 - sleeping.0);
    let name = kafka.unique_topic("under-way");
    let topic = NewTopic::new(&name).assignments([vec![controller, third]]);
    admin.create_topics([topic]).await.unwrap().all().unwrap();
    let partition = TopicPartition::new(name.as_str(), 0);
    let node = kafka.broker(sleeping.0).unwrap();
    node.pause().unwrap();
    let to = [(partition.clone(), Some(vec![controller, sleeping]))];
    admin.alter_reassignments(to).await.unwrap().all().unwrap();
    let moves = admin.list_reassignments(None).await.unwrap();
    let moving = &moves[&partition];
    assert_eq!(
        (&*moving.adding, &*moving.removing),
        (&[sleeping][..], &[third][..])
    );
    // Until then any broker may name it to Java as the one that takes what is the controller's.
    until("the fencing of the broker that sleeps", || async {
        let brokers = admin.describe_cluster().await.unwrap().brokers;
        (!brokers.iter().any(|broker| broker.node == sleeping)).then_some(())
    })
    .await;
    let printed = blocking(|| {
        let class = "org.apache.kafka.tools.reassign.ReassignPartitionsCommand";
        let awake = kafka.broker(controller.0).unwrap();
        let tools = kafka.java_tools_at(awake).unwrap();
        tools.tool(class, "--list").run().unwrap()
    });
    let back = admin
        .alter_reassignments([(partition.clone(), None)])
        .await
        .unwrap();
    back.all().unwrap();
    let moves = admin
        .list_reassignments(Some(std::slice::from_ref(&partition)))
        .await
        .unwrap();
    assert!(moves.is_empty(), "{moves:?}");
    let (_, where_it_was, _) = replicas(&admin, &partition).await;
    assert_eq!(where_it_was, [controller, third]);
    node.resume().unwrap();
    blocking(|| kafka.wait_until_ready().unwrap());
    let ids: Vec<_> = moving.replicas.iter().map(ToString::to_string).collect();
    let line = format!(
        "{partition}: replicas: {}. adding: {sleeping}. removing: {third}.",
        ids.join(",")
    );
    assert!(
        printed[0].text.contains(&line),
        "{line} is not in {}",
        printed[0].text
    );
    admin.delete_topics([name]).await.unwrap().all().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn voters_go_and_come_back_as_kafkas_tool_sees_it() {
    let kafka = kafka().await;
    let admin = admin(&kafka).await;
    let before = admin.describe_quorum().await.unwrap();
    let cluster = admin.describe_cluster().await.unwrap().cluster_id;
    let cluster = cluster.as_deref();
    let voter = before
        .voters
        .iter()
        .find(|voter| Some(voter.node) != before.leader)
        .unwrap();
    let listeners = before.listeners.iter();
    let listeners: Vec<_> = listeners
        .filter(|it| it.node == voter.node)
        .cloned()
        .collect();
    let printed = || {
        let class = "org.apache.kafka.tools.MetadataQuorumCommand";
        let printed = blocking(|| {
            let tools = kafka.java_tools().unwrap();
            tools.tool(class, "describe --replication").run().unwrap()
        });
        // Node, directory, offsets and times, and last what it is.
        let rows = printed[0].text.lines().map(str::to_owned);
        let id = voter.node.to_string();
        let row = rows.map(|row| {
            row.split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        });
        let mut rows = row.filter(|row| row.first() == Some(&id));
        let row = rows.next().unwrap_or_else(|| panic!("{}", printed[0].text));
        (row[1].clone(), row.last().unwrap().clone())
    };
    let directory = voter.directory.to_string();

    let twice = admin.add_raft_voter(cluster, voter.node, voter.directory, &listeners);
    assert_eq!(refused(twice.await), ErrorCode::DUPLICATE_VOTER);
    let odd = admin.remove_raft_voter(cluster, voter.node, DirectoryId([7; 16]));
    assert_eq!(refused(odd.await), ErrorCode::VOTER_NOT_FOUND);
    let other = admin.remove_raft_voter(Some("another"), voter.node, voter.directory);
    assert_eq!(refused(other.await), ErrorCode::INCONSISTENT_CLUSTER_ID);

    let removed = admin.remove_raft_voter(cluster, voter.node, voter.directory);
    removed.await.unwrap();
    until("two voters and one who looks on", || async {
        let quorum = admin.describe_quorum().await.ok()?;
        let looks_on = quorum.observers.iter().any(|it| it.node == voter.node);
        (quorum.voters.len() == 2 && looks_on).then_some(())
    })
    .await;
    assert_eq!(printed(), (directory.clone(), "Observer".to_owned()));
    let gone = admin.remove_raft_voter(cluster, voter.node, voter.directory);
    assert_eq!(refused(gone.await), ErrorCode::VOTER_NOT_FOUND);

    let added = admin.add_raft_voter(cluster, voter.node, voter.directory, &listeners);
    added.await.unwrap();
    until("three voters", || async {
        let quorum = admin.describe_quorum().await.ok()?;
        (quorum.voters.len() == 3).then_some(())
    })
    .await;
    assert_eq!(printed(), (directory, "Follower".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: `just admin-moves`"]
async fn an_unclean_election_gives_a_leader_to_whoever_has_none() {
    let kafka = kafka().await;
    let admin = admin(&kafka).await;
    let controller = admin.describe_quorum().await.unwrap().leader.unwrap();
    // Neither of them the controller: it has to go on.
    let first = NodeId(controller.0 % 3 + 1);
    let second = NodeId(6 - controller.0 - first.0);
    let name = kafka.unique_topic("lost");
    let topic = NewTopic::new(&name)
        .assignments([vec![first, second]])
        .config("min.insync.replicas", "1");
    admin.create_topics([topic]).await.unwrap().all().unwrap();
    let partition = TopicPartition::new(name.as_str(), 0);
    let state = |what: &'static str, leader: Option<NodeId>, caught_up: usize| {
        let (admin, partition) = (&admin, &partition);
        until(what, move || async move {
            let described = admin.describe_topics([&*partition.topic]).await.ok()?;
            let topic = described.all().ok()?.remove(0);
            let it = &topic.partitions[0];
            let so = it.leader == leader && it.in_sync_replicas.len() == caught_up;
            so.then_some(())
        })
    };
    state("both replicas", Some(first), 2).await;
    let [sleeping, dead] = [second, first].map(|node| kafka.broker(node.0).unwrap());
    sleeping.pause().unwrap();
    state("the second out of sync", Some(first), 1).await;
    // With it goes the only replica that has all records.
    dead.kill().unwrap();
    sleeping.resume().unwrap();
    // That one is eligible to lead, and nobody is in sync (KIP-966).
    state("no leader", None, 0).await;

    let preferred = admin.elect_leaders(ElectionType::Preferred, [partition.clone()]);
    let refusal = refused(preferred.await.unwrap().all());
    assert_eq!(refusal, ErrorCode::PREFERRED_LEADER_NOT_AVAILABLE);
    let unclean = admin.elect_leaders(ElectionType::Unclean, [partition.clone()]);
    unclean.await.unwrap().all().unwrap();
    state("the second as leader", Some(second), 1).await;
    let again = admin.elect_leaders(ElectionType::Unclean, [partition.clone()]);
    let refusal = refused(again.await.unwrap().all());
    assert_eq!(refusal, ErrorCode::ELECTION_NOT_NEEDED);
    dead.start().unwrap();
    blocking(|| kafka.wait_until_ready().unwrap());
    state("both replicas again", Some(second), 2).await;
    admin.delete_topics([name]).await.unwrap().all().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: `just admin-moves`"]
async fn a_broker_that_has_gone_is_unregistered_and_may_come_back() {
    let kafka = kafka().await;
    let admin = admin(&kafka).await;
    let controller = admin.describe_quorum().await.unwrap().leader.unwrap();
    let gone = NodeId(controller.0 % 3 + 1);
    let node = kafka.broker(gone.0).unwrap();
    let is_known = || async {
        let cluster = admin.describe_cluster().fenced_brokers(true).await.unwrap();
        let fenced = cluster.fenced_brokers.iter().any(|it| it.node == gone);
        (fenced, cluster.brokers.iter().any(|it| it.node == gone))
    };
    let printed = || {
        let class = "org.apache.kafka.tools.ClusterTool";
        let awake = kafka.broker(controller.0).unwrap();
        let at = format!("127.0.0.1:{}", awake.port());
        let list = ["list-endpoints", "--include-fenced-brokers"];
        let tool = blocking(|| kafka.tool(class).unwrap().args(list));
        let text = blocking(|| tool.args(["--bootstrap-server", &at]).run().unwrap().text());
        text.lines().any(|line| line.starts_with(&gone.to_string()))
    };
    node.kill().unwrap();
    until("the fencing", || async {
        (is_known().await == (true, false)).then_some(())
    })
    .await;
    assert!(printed());
    admin.unregister_broker(gone).await.unwrap();
    until("the end of it", || async {
        (is_known().await == (false, false)).then_some(())
    })
    .await;
    assert!(!printed());
    let again = admin.unregister_broker(gone).await;
    assert_eq!(refused(again), ErrorCode::BROKER_ID_NOT_REGISTERED);
    node.start().unwrap();
    blocking(|| kafka.wait_until_ready().unwrap());
    assert_eq!(is_known().await, (false, true));
}

/// The work that is also given to Java's Admin: 1,000 topics created, described and deleted, and the
/// offsets of 1,000 groups listed.
pub(crate) const COUNT: usize = 1_000;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: `just admin-moves`"]
async fn nothing_is_missing_or_wrong_when_coordinators_and_controllers_move() {
    let kafka = kafka().await;
    let admin = admin(&kafka).await.timeout(Duration::from_secs(120));
    let (groups, partition) = groups_with_offsets(&kafka, &admin).await;
    for round in 0..3 {
        let stop = Arc::new(AtomicBool::new(false));
        let work = Work {
            admin: admin.clone(),
            groups: groups.clone(),
            partition: partition.clone(),
            prefix: kafka.unique_topic("coming"),
            stop: Arc::clone(&stop),
        };
        let work = tokio::spawn(work.run());
        let controller = admin.describe_quorum().await.unwrap().leader.unwrap();
        restart(&kafka, controller);
        let described = admin.describe_consumer_groups([&groups[0]]).await.unwrap();
        let coordinator = described.all().unwrap()[0].coordinator.unwrap();
        restart(&kafka, coordinator);
        stop.store(true, Ordering::Relaxed);
        let (passes, resent) = within(240, "the work while brokers are killed", work)
            .await
            .unwrap();
        println!(
            "round {round}: controller {controller} and coordinator {coordinator} were killed; \
             {passes} times {COUNT} groups and {COUNT} topics were right, {resent} of the latter \
             told of a change that a broker had sent twice"
        );
    }
}

/// Groups that have each committed one offset.
pub(crate) async fn groups_with_offsets(
    kafka: &Kafka,
    admin: &Admin,
) -> (Vec<String>, TopicPartition) {
    let base = kafka.unique_topic("base");
    let new = NewTopic::new(&base).partitions(1).replication_factor(3);
    admin.create_topics([new]).await.unwrap().all().unwrap();
    let groups: Vec<String> = (0..COUNT).map(|at| format!("{base}-group-{at}")).collect();
    let partition = TopicPartition::new(base.as_str(), 0);
    until("the first offset", || async {
        let offset = [(partition.clone(), 0)];
        let altered = admin.alter_group_offsets(&groups[0], offset).await.unwrap();
        altered.all().ok()
    })
    .await;
    // Twice: a coordinator that has just taken over does not show what it has not yet heard that all replicas
    // have, which are the last commits; it answers as if they were not there, for some 0.1 s (Kafka 4.3.1).
    for group in groups.iter().chain(&groups) {
        let offset = [(partition.clone(), 0)];
        let altered = admin.alter_group_offsets(group, offset).await.unwrap();
        altered.all().unwrap();
    }
    (groups, partition)
}

/// Kills a broker, and waits until it is back.
fn restart(kafka: &Kafka, node: NodeId) {
    blocking(|| {
        let node = kafka.broker(node.0).unwrap();
        node.kill().unwrap();
        node.start().unwrap();
        kafka.wait_until_ready().unwrap();
    });
}

/// What is done while brokers are killed.
struct Work {
    admin: Admin,
    groups: Vec<String>,
    partition: TopicPartition,
    prefix: String,
    stop: Arc<AtomicBool>,
}

impl Work {
    /// Goes on until it is told to stop; gives how often all was done, and how many changes are known to
    /// have been sent twice.
    async fn run(self) -> (usize, usize) {
        let (mut passes, mut resent) = (0, 0);
        while passes == 0 || !self.stop.load(Ordering::Relaxed) {
            let topics = (0..COUNT).map(|at| format!("{}-{passes}-{at}", self.prefix));
            let topics: Vec<String> = topics.collect();
            let offsets = offsets_are_whole(&self.admin, &self.groups, &self.partition);
            let ((), twice) = tokio::join!(offsets, topics_come_and_go(&self.admin, &topics));
            passes += 1;
            resent += twice;
        }
        (passes, resent)
    }
}

pub(crate) async fn offsets_are_whole(
    admin: &Admin,
    groups: &[String],
    partition: &TopicPartition,
) {
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

/// Creates, describes and deletes topics; gives for how many brokers said that it was done already.
///
/// That is of these very calls, as the names are theirs alone: an attempt of the client's that lost its
/// answer was carried out, or a broker has sent what it forwards to a new controller, too.
async fn topics_come_and_go(admin: &Admin, topics: &[String]) -> usize {
    let mut twice = 0;
    let mut count = |name: &str, result: Result<(), Error>, already: ErrorCode| {
        let Err(error) = result else { return };
        assert_eq!(error.code(), Some(already), "{name}: {error}");
        twice += 1;
    };
    let new = topics
        .iter()
        .map(|name| NewTopic::new(name).partitions(1).replication_factor(1));
    for (name, result) in admin.create_topics(new).await.unwrap() {
        count(&name, result.map(drop), ErrorCode::TOPIC_ALREADY_EXISTS);
    }
    let unknown = |error: &Error| error.code() == Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    let described = until("all topics", || async {
        let described = admin.describe_topics(topics).await.unwrap();
        let (described, missing) = described.split();
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
        count(&name, result, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    }
    until("the end of all topics", || async {
        let (there, _) = admin.describe_topics(topics).await.unwrap().split();
        there.is_empty().then_some(())
    })
    .await;
    twice
}
