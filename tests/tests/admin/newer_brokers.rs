//! What brokers after 4.3 know, too.

use klamm::{ErrorCode, NodeId};
use klamm_tests::Kafka;

use super::controllers::admin_of_controllers;
use super::{refused, three_nodes, until};
use crate::support::blocking;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "fetches another version of Kafka: `just admin-new`"]
async fn a_controller_that_has_gone_is_unregistered_and_may_come_back() {
    let builder = Kafka::builder().version("4.4.0").nodes(3).dynamic_quorum();
    let kafka = blocking(|| builder.start()).unwrap();
    let by_broker = three_nodes::admin(&kafka).await;
    let by_controller = admin_of_controllers(&kafka.controllers()).await;
    let quorum = by_broker.describe_quorum().await.unwrap();
    let active = quorum.leader.unwrap();
    let gone = quorum.voters.iter().find(|it| it.node != active).unwrap();
    let is_known = || async {
        let cluster = by_controller.describe_cluster().await.unwrap();
        cluster.brokers.iter().any(|it| it.node == gone.node)
    };
    assert!(is_known().await);

    for admin in [&by_broker, &by_controller] {
        let nobody = admin.unregister_controller(NodeId(99)).await;
        assert_eq!(refused(nobody), ErrorCode::CONTROLLER_ID_NOT_REGISTERED);
        let itself = admin.unregister_controller(active).await;
        assert_eq!(refused(itself), ErrorCode::INVALID_REQUEST);
    }
    let removed = by_broker.remove_raft_voter(None, gone.node, gone.directory);
    removed.await.unwrap();
    let node = kafka.broker(gone.node.0).unwrap();
    node.kill().unwrap();
    by_broker.unregister_controller(gone.node).await.unwrap();
    until("the end of it", || async {
        (!is_known().await).then_some(())
    })
    .await;
    let again = by_controller.unregister_controller(gone.node).await;
    assert_eq!(refused(again), ErrorCode::CONTROLLER_ID_NOT_REGISTERED);
    node.start().unwrap();
    until("its return", || async { is_known().await.then_some(()) }).await;
}
