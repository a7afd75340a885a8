//! The cluster, its features and its quorum.

use std::collections::BTreeSet;

use klamm::admin::{
    AclOperation, DirectoryId, ErrorCode, FeatureUpgrade, Features, LogDirs, Replica,
};
use klamm::{Admin, NodeId, Record, TopicPartition};
use serde_json::Value;

use super::{admin, client, field, kafka, refused, tools, until};

/// What nothing here depends on.
const FEATURE: &str = "streams.version";

/// Lowers the version of a feature, for the tool to see; what is then told.
async fn with_a_lower_version(admin: &Admin) -> Features {
    let down = admin.update_features([(FEATURE, 0)]);
    let down = down.upgrade(FeatureUpgrade::SafeDowngrade).await;
    down.unwrap().all().unwrap();
    until("the lower version", || async {
        let features = admin.describe_features().await.unwrap();
        (!features.finalized.contains_key(FEATURE)).then_some(features)
    })
    .await
}

fn features_are_as_printed(features: &Features, printed: &str) {
    let lines = printed
        .lines()
        .filter(|line| line.contains("FinalizedVersionLevel"));
    let lines: Vec<&str> = lines.collect();
    assert!(lines.len() >= features.finalized.len(), "{lines:?}");
    for line in lines {
        let name = field(line, "Feature:");
        let supported = &features.supported[name];
        assert!(field(line, "SupportedMinVersion:").starts_with(|_: char| true));
        let level = features
            .finalized
            .get(name)
            .map_or(0, |versions| versions.max);
        let printed = field(line, "FinalizedVersionLevel:");
        // The tool has names for versions of the metadata: compare numbers where it prints them.
        if let Ok(printed) = printed.parse::<i16>() {
            assert_eq!(printed, level, "{line}");
            assert_eq!(
                field(line, "SupportedMaxVersion:"),
                supported.max.to_string()
            );
        }
        let epoch = field(line, "Epoch:").parse::<i64>().unwrap();
        assert!(epoch >= features.finalized_epoch.unwrap(), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cluster_is_what_kafkas_tools_say_it_is() {
    let admin = admin().await;
    let cluster = admin
        .describe_cluster()
        .fenced_brokers(true)
        .authorized_operations(true)
        .await
        .unwrap();
    let features = with_a_lower_version(&admin).await;
    let quorum = admin.describe_quorum().await.unwrap();
    let printed = tools(|tools| {
        tools
            .tool("org.apache.kafka.tools.FeatureCommand", "describe")
            .tool(
                "org.apache.kafka.tools.MetadataQuorumCommand",
                "describe --status",
            )
            .tool(
                "org.apache.kafka.tools.MetadataQuorumCommand",
                "describe --replication",
            )
    });

    let up = admin.update_features([(FEATURE, 1)]).await;
    up.unwrap().all().unwrap();
    until("the version as before", || async {
        let features = admin.describe_features().await.unwrap();
        (features.finalized.get(FEATURE)?.max == 1).then_some(())
    })
    .await;

    let node = kafka().node(0);
    assert_eq!(cluster.brokers.len(), 1);
    assert_eq!(cluster.brokers[0].node, NodeId(node.id()));
    assert_eq!(cluster.brokers[0].address.to_string(), kafka().bootstrap());
    assert!(cluster.fenced_brokers.is_empty());
    let operations = cluster.authorized_operations.unwrap();
    assert!(operations.contains(&AclOperation::Create), "{operations:?}");

    features_are_as_printed(&features, &printed[0].text);
    assert!(features.finalized.contains_key("metadata.version"));
    assert_eq!(
        admin
            .describe_features_of(NodeId(node.id()))
            .await
            .unwrap()
            .supported,
        features.supported
    );

    let status = &printed[1].text;
    assert_eq!(
        field(&status.replace('\n', " "), "LeaderId:"),
        quorum.leader.unwrap().to_string()
    );
    assert_eq!(
        field(&status.replace('\n', " "), "LeaderEpoch:"),
        quorum.leader_epoch.to_string()
    );
    assert_eq!(
        field(&status.replace('\n', " "), "ClusterId:"),
        cluster.cluster_id.unwrap()
    );
    let [voter] = quorum.voters.as_slice() else {
        panic!("{:?}", quorum.voters);
    };
    let leader = printed[2]
        .text
        .lines()
        .find(|line| line.contains("Leader"))
        .map(str::to_owned);
    let replica = printed[2]
        .text
        .lines()
        .nth(1)
        .unwrap_or_default()
        .to_owned();
    let replica = leader
        .filter(|line| !line.contains("NodeId"))
        .unwrap_or(replica);
    let columns: Vec<&str> = replica.split_whitespace().collect();
    assert_eq!(columns[0], voter.node.to_string(), "{}", printed[2].text);
    assert!(
        columns.contains(&voter.directory.to_string().as_str()),
        "{replica}"
    );
    assert!(voter.log_end_offset.unwrap() > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_is_given_an_id_where_brokers_take_metrics_of_clients() {
    let [one, other] = [admin().await, admin().await];
    let id = one.client_instance_id().await.unwrap();
    assert_ne!(id.0, [0; 16]);
    assert_eq!(one.clone().client_instance_id().await.unwrap(), id);
    assert_ne!(other.client_instance_id().await.unwrap(), id);
    let text = id.to_string();
    assert_eq!(text.len(), 22, "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_not_there_is_soon_said_not_to_be() {
    let admin = admin().await;
    let error = admin.describe_features_of(NodeId(99)).await.unwrap_err();
    assert!(error.to_string().contains("broker 99"), "{error}");
    let error = refused(admin.describe_topics(["nowhere"]).await.unwrap().all());
    assert_eq!(error, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
}

#[tokio::test(flavor = "multi_thread")]
async fn features_are_checked_before_they_are_changed() {
    let admin = admin().await;
    let features = admin.describe_features().await.unwrap();
    let now = features.finalized["transaction.version"].max;
    let same = admin.update_features([("transaction.version", now)]);
    same.validate_only(true).await.unwrap().all().unwrap();
    let much = admin
        .update_features([("metadata.version", 9_999)])
        .await
        .unwrap();
    assert_eq!(refused(much.all()), ErrorCode::INVALID_UPDATE_VERSION);
    let down = admin.update_features([("metadata.version", 1)]);
    let down = down
        .upgrade(FeatureUpgrade::SafeDowngrade)
        .validate_only(true)
        .await;
    assert_eq!(
        refused(down.unwrap().all()),
        ErrorCode::INVALID_UPDATE_VERSION
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn brokers_and_voters_that_are_not_there_are_not_taken_away() {
    let admin = admin().await;
    let gone = admin.unregister_broker(NodeId(99)).await;
    assert_eq!(refused(gone), ErrorCode::BROKER_ID_NOT_REGISTERED);
    // The quorum of the harness is a fixed one, whose voters have no directory ids.
    let quorum = admin.describe_quorum().await.unwrap();
    let nobody = admin
        .remove_raft_voter(None, NodeId(99), DirectoryId::default())
        .await;
    assert_eq!(refused(nobody), ErrorCode::INVALID_REQUEST);
    let other = NodeId(2);
    let added = admin
        .add_raft_voter(None, other, DirectoryId([7; 16]), &quorum.listeners)
        .await;
    assert!(refused(added) != ErrorCode::NONE);
}

/// Where the replicas of a topic are: partition, directory, size, lag, whether it is on its way there.
type Stored = BTreeSet<(String, String, u64, i64, bool)>;

fn stored(dirs: &LogDirs, topic: &str) -> Stored {
    let mut stored = Stored::new();
    for (path, dir) in dirs.iter() {
        for (partition, log) in &dir.as_ref().unwrap().replicas {
            if &*partition.topic == topic {
                let at = (partition.to_string(), path.clone());
                stored.insert((at.0, at.1, log.bytes, log.offset_lag, log.is_future));
            }
        }
    }
    stored
}

/// The same, as Kafka's tool prints it.
fn printed(topic: &str) -> Stored {
    let printed = tools(|tools| {
        let arguments = format!("--describe --topic-list {topic}");
        tools.tool("org.apache.kafka.tools.LogDirsCommand", &arguments)
    });
    let json = printed[0].text.lines().find(|line| line.starts_with('{'));
    let json: Value = serde_json::from_str(json.unwrap()).unwrap();
    let mut stored = Stored::new();
    for dir in json["brokers"][0]["logDirs"].as_array().unwrap() {
        for log in dir["partitions"].as_array().unwrap() {
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            let at = (text(&log["partition"]), text(&dir["logDir"]));
            let (size, lag) = (log["size"].as_u64(), log["offsetLag"].as_i64());
            let is_future = log["isFuture"].as_bool();
            stored.insert((at.0, at.1, size.unwrap(), lag.unwrap(), is_future.unwrap()));
        }
    }
    stored
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_moves_to_another_directory_as_kafkas_tool_sees_it() {
    let client = client().await;
    let admin = client.admin();
    let topic = kafka().create_topic("stored", 2).unwrap();
    let node = NodeId(kafka().node(0).id());
    let producer = client.producer().build().unwrap();
    let partitions = [0, 1].map(|index| TopicPartition::new(topic.as_str(), index));
    for partition in 0..2 {
        let record = Record::to(&topic).partition(partition).value("stored");
        producer.send(record).await.unwrap().await.unwrap();
    }
    let all = admin.describe_log_dirs([node, NodeId(99)]).await.unwrap();
    assert!(all.get(&NodeId(99)).unwrap().is_err());
    let all = all.get(&node).unwrap().as_ref().unwrap();
    assert_eq!(all.len(), 2);
    for (_, dir) in all.iter() {
        let dir = dir.as_ref().unwrap();
        assert!(dir.total_bytes.unwrap() >= dir.usable_bytes.unwrap());
    }
    let before = stored(all, &topic);
    assert_eq!(before.len(), 2);
    assert!(
        before.iter().all(|(_, _, bytes, ..)| *bytes > 0),
        "{before:?}"
    );
    assert_eq!(before, printed(&topic));

    let (_, from, bytes, ..) = before.first().unwrap().clone();
    let to = all.iter().map(|(path, _)| path).find(|path| **path != from);
    let to = to.unwrap().clone();
    let [one, other] = partitions
        .clone()
        .map(|partition| Replica { partition, node });
    let asked = [(one.clone(), to.as_str()), (other.clone(), "/nowhere")];
    let moved = admin.alter_replica_log_dirs(asked).await.unwrap();
    assert!(moved.get(&one).unwrap().is_ok());
    assert_eq!(
        refused(moved.get(&other).unwrap().clone()),
        ErrorCode::LOG_DIR_NOT_FOUND
    );
    let there = (one.partition.to_string(), to, bytes, 0, false);
    let after = until("the replica in the other directory", || async {
        let only = admin.describe_log_dirs_with([node], partitions.clone());
        let only = only.await.unwrap().all().unwrap().remove(0);
        let after = stored(&only, &topic);
        (after.len() == 2 && after.contains(&there)).then_some(after)
    })
    .await;
    assert_eq!(after, printed(&topic));
}
