//! What is refused to whoever may nothing in the cluster, which is told of each call.

use std::hash::Hash;

use klamm::admin::{
    Acl, AclFilter, AclOperation, AclResourceKind, ConfigChange, ConfigResource, DirectoryId,
    ElectionType, Error, HangingTransaction, NewPartitions, QuotaEntity, QuotaFilter, Replica,
    ScramChange, ScramMechanism,
};
use klamm::{Admin, ErrorCode, NewTopic, NodeId, Results, TopicPartition};

use super::tokens::admin_of;
use super::{admin, kafka, refused, until};

const MALLORY: &str = "User:mallory";

/// What a call has come to, whether it failed for one key or as a whole.
type Came = (&'static str, Result<(), Error>);

fn all<K: Eq + Hash, T>(results: Result<Results<K, T>, Error>) -> Result<(), Error> {
    results.and_then(Results::all).map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_may_nothing_in_the_cluster_is_told_so_by_every_call() {
    let admin = admin().await;
    let topic = kafka().create_topic("closed", 1).unwrap();
    let partition = TopicPartition::new(topic.as_str(), 0);
    // Its leader may be known, and nothing be done.
    let known = kafka().create_topic("known", 1).unwrap();
    let known = TopicPartition::new(known.as_str(), 0);
    // All others may go on, the brokers among them: where there are ACLs, what they do not allow is denied.
    let others = Acl::allow("User:*", AclOperation::All).on_cluster();
    admin
        .create_acls([others.clone()])
        .await
        .unwrap()
        .all()
        .unwrap();
    until("what others may", || async {
        let filter = AclFilter::exactly(others.clone());
        let found = admin.describe_acls(filter).await.unwrap();
        (found == [others.clone()]).then_some(())
    })
    .await;
    let deny = Acl::deny(MALLORY, AclOperation::All);
    let acls = [
        deny.clone().on_cluster(),
        deny.on_prefix(AclResourceKind::Topic, "closed"),
    ];
    admin.create_acls(acls).await.unwrap().all().unwrap();
    let mallory = admin_of("mallory").await;
    until("the refusal of the broker and the controller", || async {
        let quorum = mallory.describe_quorum().await.map(drop);
        let moves = mallory.list_reassignments(None).await.map(drop);
        [quorum, moves].iter().all(Result::is_err).then_some(())
    })
    .await;

    let mut came = of_the_cluster(&mallory).await;
    came.extend(of_partitions(&mallory, &known).await);
    came.extend(of_users(&mallory).await);
    let forbidden = ErrorCode::CLUSTER_AUTHORIZATION_FAILED;
    for (call, result) in came {
        let error = result.expect_err(call);
        let code = error.code();
        assert_eq!(code, Some(forbidden), "{call}: {error}");
    }
    let new = mallory.create_topics([NewTopic::new("closed-too")]).await;
    let forbidden = ErrorCode::TOPIC_AUTHORIZATION_FAILED;
    assert_eq!(refused(all(new)), forbidden);
    let deleted = mallory.delete_topics([&topic]).await;
    assert_eq!(refused(all(deleted)), forbidden);
    let more = mallory.create_partitions([NewPartitions::increase_to(&topic, 2)]);
    assert_eq!(refused(all(more.await)), forbidden);
    let at_node = mallory.describe_producers_of(NodeId(1), [partition]).await;
    assert_eq!(refused(all(at_node)), forbidden);

    // One after the other: without the ACL of all others, Mallory's would deny them everything.
    for filter in [
        AclFilter::any().principal(MALLORY),
        AclFilter::exactly(others),
    ] {
        admin.delete_acls([filter]).await.unwrap().all().unwrap();
    }
}

async fn of_the_cluster(mallory: &Admin) -> Vec<Came> {
    let broker = ConfigResource::broker(NodeId(1));
    let change = vec![ConfigChange::set("log.cleaner.threads", "2")];
    let same = mallory.update_features([("group.version", 1)]);
    let quorum = admin().await.describe_quorum().await.unwrap();
    let directory = DirectoryId([7; 16]);
    let added = mallory.add_raft_voter(None, NodeId(2), directory, &quorum.listeners);
    let filter = || AclFilter::any().principal("User:nobody");
    let acl = Acl::allow("User:nobody", AclOperation::Read).on(AclResourceKind::Topic, "t");
    vec![
        ("describe_quorum", mallory.describe_quorum().await.map(drop)),
        ("update_features", all(same.await)),
        ("add_raft_voter", added.await),
        (
            "remove_raft_voter",
            mallory.remove_raft_voter(None, NodeId(2), directory).await,
        ),
        (
            "unregister_broker",
            mallory.unregister_broker(NodeId(99)).await,
        ),
        (
            "list_config_resources",
            mallory.list_config_resources([]).await.map(drop),
        ),
        (
            "describe_configs",
            mallory.describe_config(broker.clone()).await.map(drop),
        ),
        (
            "alter_configs",
            all(mallory.alter_configs([(broker, change)]).await),
        ),
        ("create_acls", all(mallory.create_acls([acl]).await)),
        (
            "describe_acls",
            mallory.describe_acls(filter()).await.map(drop),
        ),
        ("delete_acls", all(mallory.delete_acls([filter()]).await)),
    ]
}

async fn of_partitions(mallory: &Admin, partition: &TopicPartition) -> Vec<Came> {
    let one = || [partition.clone()];
    let replica = Replica {
        partition: partition.clone(),
        node: NodeId(1),
    };
    let to = [(partition.clone(), Some(vec![NodeId(1)]))];
    let preferred = ElectionType::Preferred;
    let hanging = HangingTransaction {
        partition: partition.clone(),
        producer_id: 7,
        producer_epoch: 0,
        coordinator_epoch: None,
    };
    vec![
        (
            "alter_reassignments",
            all(mallory.alter_reassignments(to).await),
        ),
        (
            "list_reassignments",
            mallory.list_reassignments(Some(&one())).await.map(drop),
        ),
        (
            "elect_leaders",
            all(mallory.elect_leaders(preferred, one()).await),
        ),
        (
            "elect_all_leaders",
            all(mallory.elect_all_leaders(preferred).await),
        ),
        (
            "describe_log_dirs",
            all(mallory.describe_log_dirs([NodeId(1)]).await),
        ),
        (
            "alter_replica_log_dirs",
            all(mallory.alter_replica_log_dirs([(replica, "/")]).await),
        ),
        (
            "abort_transaction",
            mallory.abort_transaction(hanging).await,
        ),
    ]
}

async fn of_users(mallory: &Admin) -> Vec<Came> {
    let everybody = None::<Vec<String>>;
    let password = ScramChange::set("mallory", ScramMechanism::Sha256, "mine");
    let quota = [(
        QuotaEntity::user("mallory"),
        [("producer_byte_rate", Some(1e9))],
    )];
    vec![
        (
            "describe_scram_credentials",
            all(mallory.describe_scram_credentials(everybody).await),
        ),
        (
            "alter_scram_credentials",
            all(mallory.alter_scram_credentials([password]).await),
        ),
        (
            "describe_quotas",
            mallory.describe_quotas(QuotaFilter::any()).await.map(drop),
        ),
        ("alter_quotas", all(mallory.alter_quotas(quota).await)),
    ]
}
