//! An admin that is connected to the controllers themselves (KIP-919): what they take, what they leave to brokers, and
//! that the active one is found wherever it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use klamm::admin::{
    Acl, AclFilter, AclOperation, AclResourceKind, ConfigChange, ConfigResource, DirectoryId,
    Error, TopicPartition,
};
use klamm::net::Error as NetError;
use klamm::{Admin, Client, ErrorCode, NewTopic, NodeId};
use klamm_tests::{Kafka, Printed};

use super::{CONFIG_COMMAND, admin, field, kafka, refused, three_nodes, until};
use crate::support::{blocking, within};

const QUORUM_COMMAND: &str = "org.apache.kafka.tools.MetadataQuorumCommand";
const FEATURE_COMMAND: &str = "org.apache.kafka.tools.FeatureCommand";
const ACL_COMMAND: &str = "org.apache.kafka.tools.AclCommand";

pub(crate) async fn admin_of_controllers(controllers: &str) -> Admin {
    let properties = [("bootstrap.controllers", controllers)];
    Client::connect_admin(properties).await.unwrap()
}

/// What Kafka's tools print that are told of the controllers, too.
fn tools(kafka: &Kafka, lines: &[(&str, &str)]) -> Vec<Printed> {
    blocking(|| {
        let tools = kafka.java_tools_at_controllers().unwrap();
        let tools = lines
            .iter()
            .fold(tools, |tools, (class, line)| tools.tool(class, line));
        tools.run().unwrap()
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn controllers_tell_of_the_cluster_what_kafkas_tools_are_told_by_them() {
    let address = kafka().controllers();
    let ours = admin_of_controllers(&address).await;
    let by_broker = admin().await;
    let cluster = ours
        .describe_cluster()
        .authorized_operations(true)
        .await
        .unwrap();
    let known = by_broker.describe_cluster().await.unwrap();
    assert_eq!(cluster.cluster_id, known.cluster_id);
    let node = NodeId(kafka().node(0).id());
    assert_eq!(cluster.controller, Some(node));
    let [controller] = cluster.brokers.as_slice() else {
        panic!("{:?}", cluster.brokers);
    };
    assert_eq!(controller.address.to_string(), address);
    let operations = cluster.authorized_operations.unwrap();
    assert!(operations.contains(&AclOperation::Alter), "{operations:?}");
    let features = ours.describe_features().await.unwrap();
    let quorum = ours.describe_quorum().await.unwrap();
    assert_eq!(quorum.leader, Some(node));
    ours.ping().await.unwrap();

    let printed = tools(
        kafka(),
        &[
            (QUORUM_COMMAND, "describe --status"),
            (FEATURE_COMMAND, "describe"),
        ],
    );
    let status = printed[0].text.replace('\n', " ");
    assert_eq!(field(&status, "ClusterId:"), cluster.cluster_id.unwrap());
    assert_eq!(field(&status, "LeaderId:"), node.to_string());
    let epoch = quorum.leader_epoch.to_string();
    assert_eq!(field(&status, "LeaderEpoch:"), epoch);
    let lines = printed[1].text.lines();
    let lines = lines.filter(|line| line.contains("SupportedMaxVersion"));
    let names: Vec<&str> = lines.map(|line| field(line, "Feature:")).collect();
    assert!(names.len() >= features.finalized.len(), "{names:?}");
    for name in features.finalized.keys() {
        assert!(names.contains(&name.as_str()), "{name} not in {names:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn controllers_take_configurations_and_acls() {
    let ours = admin_of_controllers(&kafka().controllers()).await;
    let by_broker = admin().await;
    let name = blocking(|| kafka().create_topic("set-by-controllers", 1).unwrap());
    let topic = ConfigResource::topic(&name);
    let node = NodeId(kafka().node(0).id());
    let broker = ConfigResource::broker(node);
    let set = |name: &str, value: &str| vec![ConfigChange::set(name, value)];
    let changes = [
        (topic.clone(), set("retention.ms", "86400000")),
        (broker.clone(), set("log.cleaner.threads", "2")),
    ];
    ours.alter_configs(changes).await.unwrap().all().unwrap();
    until("the topic's property at the broker", || async {
        let configs = by_broker.describe_config(topic.clone()).await.ok()?;
        (configs["retention.ms"].value.as_deref() == Some("86400000")).then_some(())
    })
    .await;
    until("the broker's property at the controller", || async {
        let described = ours.describe_configs([topic.clone(), broker.clone()]);
        let [topic, broker] = described.await.unwrap().all().unwrap().try_into().unwrap();
        let is = |configs: &klamm::admin::Configs, name: &str, value: &str| {
            configs[name].value.as_deref() == Some(value)
        };
        (is(&topic, "retention.ms", "86400000") && is(&broker, "log.cleaner.threads", "2"))
            .then_some(())
    })
    .await;

    let user = kafka().unique_topic("User:carol");
    let acl = Acl::allow(&user, AclOperation::Read).on(AclResourceKind::Topic, &name);
    ours.create_acls([acl.clone()])
        .await
        .unwrap()
        .all()
        .unwrap();
    let filter = AclFilter::any().principal(&user);
    until("the ACL", || async {
        let found = ours.describe_acls(filter.clone()).await.unwrap();
        (found == [acl.clone()]).then_some(())
    })
    .await;
    let list = format!("--list --principal {user}");
    let describe = format!("--describe --entity-type brokers --entity-name {node}");
    let printed = tools(
        kafka(),
        &[(ACL_COMMAND, &list), (CONFIG_COMMAND, &describe)],
    );
    assert!(
        printed[0].text.contains("operation=READ"),
        "{}",
        printed[0].text
    );
    assert!(
        printed[1].text.contains("log.cleaner.threads=2"),
        "{}",
        printed[1].text
    );
    let deleted = ours.delete_acls([filter]).await.unwrap().all().unwrap();
    assert!(deleted[0].get(&acl).is_some(), "{deleted:?}");
    let back = [(broker, vec![ConfigChange::delete("log.cleaner.threads")])];
    ours.alter_configs(back).await.unwrap().all().unwrap();

    // The harness's logger has no levels to alter; that the controller was asked for them is what counts here.
    let logger = ConfigResource::broker_logger(node);
    for (resource, name) in [(topic, "retention.ms"), (logger, "kafka.request.logger")] {
        let odd = [(resource, set(name, "DEBUG"))];
        let refusal = refused(ours.alter_configs(odd).await.unwrap().all());
        assert_eq!(refusal, ErrorCode::INVALID_CONFIG, "{name}");
    }
    by_broker
        .delete_topics([name])
        .await
        .unwrap()
        .all()
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn controllers_refuse_what_makes_no_sense_and_leave_the_rest_to_brokers() {
    let ours = admin_of_controllers(&kafka().controllers()).await;
    let gone = ours.unregister_broker(NodeId(99)).await;
    assert_eq!(refused(gone), ErrorCode::BROKER_ID_NOT_REGISTERED);
    let much = ours.update_features([("metadata.version", 9_999)]);
    let much = much.await.unwrap().all();
    assert_eq!(refused(much), ErrorCode::INVALID_UPDATE_VERSION);
    let nobody = ours.remove_raft_voter(None, NodeId(99), DirectoryId::default());
    assert_eq!(refused(nobody.await), ErrorCode::INVALID_REQUEST);
    let nowhere = TopicPartition::new("nowhere", 0);
    let moved = ours.alter_reassignments([(nowhere.clone(), Some(vec![NodeId(1)]))]);
    let moved = moved.await.unwrap().all();
    assert_eq!(refused(moved), ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);

    let unsent = |what: &str, error: Error| {
        let told = error.to_string();
        assert!(
            matches!(error, Error::NeedsBrokers { .. }),
            "{what}: {told}"
        );
        assert!(told.contains("bootstrap.servers"), "{told}");
    };
    unsent("list", ours.list_topics().await.unwrap_err());
    let new = ours.create_topics([NewTopic::new("never")]).await;
    unsent("create", new.unwrap_err());
    unsent("groups", ours.list_groups().await.unwrap_err());
    unsent(
        "records",
        ours.delete_records([(nowhere, 0)]).await.unwrap_err(),
    );
    unsent("offsets", ours.group_lag("nobody").await.unwrap_err());
    unsent(
        "users",
        ours.describe_scram_credentials(None::<Vec<String>>)
            .await
            .unwrap_err(),
    );
    unsent("health", ours.health().await.unwrap_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_takes_brokers_for_controllers_is_told_so_and_the_other_way_round() {
    let (broker, controller) = blocking(|| (kafka().bootstrap(), kafka().controllers()));
    let wrong = [
        ("bootstrap.controllers", &broker, "is a broker"),
        ("bootstrap.servers", &controller, "is a controller"),
    ];
    for (property, address, told) in wrong {
        let error = Client::connect_admin([(property, address)])
            .await
            .unwrap_err();
        let wrong = NetError::WrongEndpoint {
            address: address.clone(),
            reason: "",
        };
        let text = error.to_string();
        let klamm::Error::Net(error) = error else {
            panic!("{error}");
        };
        let same = std::mem::discriminant(&error) == std::mem::discriminant(&wrong);
        assert!(
            same && text.contains(told) && text.contains(address),
            "{text}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_active_controller_is_found_through_any_of_them() {
    let kafka = three_nodes::kafka().await;
    let by_broker = three_nodes::admin(&kafka).await;
    let name = kafka.unique_topic("moved-by-controllers");
    let [one, two, three] = [1, 2, 3].map(NodeId);
    let topic = NewTopic::new(&name).assignments([vec![one, two]]);
    by_broker
        .create_topics([topic])
        .await
        .unwrap()
        .all()
        .unwrap();
    let partition = TopicPartition::new(name.as_str(), 0);
    for (address, to) in kafka.controllers().split(',').zip([two, three, one]) {
        let ours = admin_of_controllers(address).await;
        let cluster = ours.describe_cluster().await.unwrap();
        let quorum = ours.describe_quorum().await.unwrap();
        assert_eq!(cluster.controller, quorum.leader);
        let controllers = cluster.brokers.iter().map(|it| it.node);
        assert!(controllers.eq([one, two, three]), "{:?}", cluster.brokers);
        let plan = [(partition.clone(), Some(vec![to]))];
        ours.alter_reassignments(plan).await.unwrap().all().unwrap();
        until("the move", || async {
            let moving = ours.list_reassignments(None).await.unwrap();
            let (_, replicas, _) = three_nodes::replicas(&by_broker, &partition).await;
            (!moving.contains_key(&partition) && replicas == [to]).then_some(())
        })
        .await;
    }
    by_broker
        .delete_topics([name])
        .await
        .unwrap()
        .all()
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: `just admin-moves`"]
async fn nothing_is_missing_when_the_active_controller_goes() {
    const DEATHS: usize = 6;
    let kafka = three_nodes::kafka().await;
    let name = blocking(|| kafka.create_topic("set-meanwhile", 1).unwrap());
    let stop = Arc::new(AtomicBool::new(false));
    let work = {
        let ours = admin_of_controllers(&kafka.controllers()).await;
        tokio::spawn(changes_are_read(ours, name, Arc::clone(&stop)))
    };
    let ours = admin_of_controllers(&kafka.controllers()).await;
    let mut leaders = Vec::new();
    for _ in 0..DEATHS {
        let active = ours.describe_quorum().await.unwrap().leader.unwrap();
        leaders.push(active.0);
        let node = kafka.broker(active.0).unwrap();
        node.kill().unwrap();
        until("another active controller", || async {
            let leader = ours.describe_quorum().await.unwrap().leader;
            (leader.is_some() && leader != Some(active)).then_some(())
        })
        .await;
        node.start().unwrap();
        blocking(|| kafka.wait_until_ready().unwrap());
    }
    stop.store(true, Ordering::Relaxed);
    let (changes, twice, longest) = within(120, "the changes", work).await.unwrap();
    println!(
        "{changes} properties and as many ACLs were changed and read through controllers of which {leaders:?} were killed; \
         {twice} had been changed by an attempt whose answer was lost, the longest took {} ms",
        longest.as_millis()
    );
    assert!(twice <= DEATHS, "{twice}");
}

/// Changes properties and ACLs through controllers and reads them there, until it is told to stop; gives how many, how
/// many ACLs were gone before their deletion was answered, and how long the longest took.
async fn changes_are_read(
    ours: Admin,
    name: String,
    stop: Arc<AtomicBool>,
) -> (usize, usize, Duration) {
    let topic = ConfigResource::topic(&name);
    let of_test = AclFilter::any().principal("User:meanwhile");
    let (mut changes, mut twice, mut longest) = (0, 0, Duration::ZERO);
    while !stop.load(Ordering::Relaxed) {
        let started = Instant::now();
        changes += 1;
        let value = (86_400_000 + changes).to_string();
        let set = vec![ConfigChange::set("retention.ms", &value)];
        let altered = ours.alter_configs([(topic.clone(), set)]).await.unwrap();
        altered.all().unwrap();
        until("the value that was set", || async {
            let configs = ours.describe_config(topic.clone()).await.unwrap();
            (configs["retention.ms"].value.as_ref() == Some(&value)).then_some(())
        })
        .await;
        let acl = Acl::allow("User:meanwhile", AclOperation::Read);
        let acl = acl.on(AclResourceKind::Topic, format!("{name}-{changes}"));
        let created = ours.create_acls([acl.clone()]).await.unwrap();
        created.all().unwrap();
        let deleted = ours.delete_acls([of_test.clone()]).await.unwrap();
        let deleted = deleted.all().unwrap().remove(0);
        // That of a round before would be one that came back.
        assert!(deleted.iter().all(|(it, _)| *it == acl), "{deleted:?}");
        twice += usize::from(deleted.is_empty());
        longest = longest.max(started.elapsed());
    }
    (changes, twice, longest)
}
