//! The driver, seen through the requests that it sends: how many, and about which keys again.

use std::sync::Arc;
use std::time::Duration;

use klamm_admin::{
    Admin, ApiKey, ErrorCode, HostPort, NewTopic, NodeId, OffsetSpec, TopicPartition,
};
use klamm_net::{ClientConfig, Cluster, Connecting, Connector, TcpConnector};
use klamm_testbroker::{Fault, TestBroker};

const GROUPS: usize = 100;

async fn broker() -> TestBroker {
    let broker = TestBroker::builder().nodes(3).topic("orders", 6);
    broker.start().await.unwrap()
}

async fn admin(broker: &TestBroker) -> Admin {
    let config = ClientConfig::new(&broker.bootstrap()).unwrap();
    Admin::new(Cluster::connect(config).await.unwrap())
}

async fn groups_with_offsets(admin: &Admin) -> Vec<String> {
    let groups: Vec<String> = (0..GROUPS).map(|at| format!("group-{at}")).collect();
    for (at, group) in (0_i64..).zip(&groups) {
        let offset = (TopicPartition::new("orders", 0), at);
        let altered = admin.alter_group_offsets(group, [offset]).await.unwrap();
        altered.all().unwrap();
    }
    groups
}

async fn offsets_are_right(admin: &Admin, groups: &[String]) {
    let listed = admin.list_group_offsets(groups).await.unwrap();
    assert_eq!(listed.len(), groups.len());
    for (at, (group, offsets)) in (0_i64..).zip(listed) {
        assert_eq!(group, groups[at as usize]);
        let committed = offsets.unwrap().all().unwrap().remove(0).unwrap();
        assert_eq!(committed.offset, at, "{group}");
    }
}

#[tokio::test]
async fn many_groups_cost_one_lookup_and_one_request_a_coordinator() {
    let broker = broker().await;
    let groups = groups_with_offsets(&admin(&broker).await).await;
    let admin = admin(&broker).await;
    let lookups = broker.requests(ApiKey::FIND_COORDINATOR);
    let fetches = broker.requests(ApiKey::OFFSET_FETCH);
    offsets_are_right(&admin, &groups).await;
    assert_eq!(broker.requests(ApiKey::FIND_COORDINATOR), lookups + 1);
    let coordinators = groups.iter().map(|group| broker.coordinator(group));
    let coordinators: std::collections::HashSet<_> = coordinators.collect();
    let asked = broker.requests(ApiKey::OFFSET_FETCH) - fetches;
    assert_eq!(asked, coordinators.len() as u64);
    // The next call knows the coordinators.
    offsets_are_right(&admin, &groups).await;
    assert_eq!(broker.requests(ApiKey::FIND_COORDINATOR), lookups + 1);
}

#[tokio::test]
async fn a_coordinator_that_has_moved_or_is_lost_is_looked_up_again_and_only_it() {
    let broker = broker().await;
    let admin = admin(&broker).await;
    let groups = groups_with_offsets(&admin).await;
    for fault in [
        Fault::Error(ErrorCode::NOT_COORDINATOR),
        Fault::DropBefore,
        Fault::DropAfter,
    ] {
        let lookups = broker.requests(ApiKey::FIND_COORDINATOR);
        broker.inject(ApiKey::OFFSET_FETCH, fault).unwrap();
        offsets_are_right(&admin, &groups).await;
        assert_eq!(broker.requests(ApiKey::FIND_COORDINATOR), lookups + 1);
    }
    // One that loads is asked again without looking it up.
    let lookups = broker.requests(ApiKey::FIND_COORDINATOR);
    let loads = Fault::Error(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS);
    broker.inject(ApiKey::OFFSET_FETCH, loads).unwrap();
    offsets_are_right(&admin, &groups).await;
    assert_eq!(broker.requests(ApiKey::FIND_COORDINATOR), lookups);
}

#[tokio::test]
async fn a_refusal_is_not_asked_for_again_and_says_what_it_is_about() {
    let broker = broker().await;
    let admin = admin(&broker).await;
    let fetches = broker.requests(ApiKey::OFFSET_FETCH);
    let forbidden = Fault::Error(ErrorCode::GROUP_AUTHORIZATION_FAILED);
    broker.inject(ApiKey::OFFSET_FETCH, forbidden).unwrap();
    let listed = admin.list_group_offsets(["billing"]).await.unwrap();
    let error = listed.all().unwrap_err().to_string();
    assert!(
        error.starts_with("OffsetFetch failed for group billing: "),
        "{error}"
    );
    assert_eq!(broker.requests(ApiKey::OFFSET_FETCH), fetches + 1);
}

#[tokio::test]
async fn retries_end_before_the_timeout_if_they_are_limited() {
    let broker = broker().await;
    let admin = admin(&broker).await.retries(2);
    let fetches = broker.requests(ApiKey::OFFSET_FETCH);
    let moved = Fault::Error(ErrorCode::NOT_COORDINATOR).times(100);
    broker.inject(ApiKey::OFFSET_FETCH, moved).unwrap();
    let listed = admin.list_group_offsets(["billing"]).await.unwrap();
    let error = listed.all().unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::NOT_COORDINATOR));
    assert_eq!(broker.requests(ApiKey::OFFSET_FETCH), fetches + 3);
}

#[tokio::test]
async fn a_leader_that_moves_is_followed() {
    let broker = broker().await;
    let admin = admin(&broker).await;
    let ends = (0..6).map(|index| (TopicPartition::new("orders", index), OffsetSpec::Latest));
    let ends: Vec<_> = ends.collect();
    let list = async || {
        let listed = admin
            .list_offsets(ends.clone())
            .await
            .unwrap()
            .all()
            .unwrap();
        assert!(listed.iter().all(|it| it.offset == Some(0)));
    };
    list().await;
    let (leader, _) = broker.leader("orders", 0).unwrap();
    broker.move_leader("orders", 0, leader % 3 + 1).unwrap();
    list().await;
    let moved = Fault::Error(ErrorCode::NOT_LEADER_OR_FOLLOWER);
    broker.inject(ApiKey::LIST_OFFSETS, moved).unwrap();
    list().await;
}

/// Reaches all brokers but one, which says nothing.
#[derive(Debug)]
struct AllBut {
    away: HostPort,
    others: TcpConnector,
}

impl Connector for AllBut {
    fn connect<'a>(&'a self, address: &'a HostPort, timeout: Duration) -> Connecting<'a> {
        if *address == self.away {
            return Box::pin(std::future::pending());
        }
        self.others.connect(address, timeout)
    }
}

#[tokio::test]
async fn a_controller_that_does_not_answer_is_asked_through_another_broker() {
    let broker = broker().await;
    let mut config = ClientConfig::new(&broker.bootstrap()).unwrap();
    let snapshot = Cluster::connect(config.clone()).await.unwrap().snapshot();
    let controller = snapshot.broker(snapshot.controller.unwrap()).unwrap();
    config.connection_setup_timeout = Duration::from_millis(100);
    config.connector = Arc::new(AllBut {
        away: controller.address.clone(),
        others: TcpConnector::default(),
    });
    // All that the metadata say for good is that this is the controller.
    let admin = Admin::new(Cluster::connect(config).await.unwrap());
    let new = [NewTopic::new("payments").partitions(1)];
    let created = admin.timeout(Duration::from_secs(20)).create_topics(new);
    created.await.unwrap().all().unwrap();
}

#[tokio::test]
async fn a_broker_that_does_not_answer_hides_nothing_of_the_others() {
    let broker = broker().await;
    let admin = admin(&broker).await.timeout(Duration::from_millis(700));
    let ends = (0..6).map(|index| (TopicPartition::new("orders", index), OffsetSpec::Latest));
    let stuck = Fault::Delay(Duration::from_secs(30));
    broker.inject(ApiKey::LIST_OFFSETS, stuck).unwrap();
    let listed = admin.list_offsets(ends).await.unwrap();
    let (values, errors) = listed.split();
    assert_eq!(values.len() + errors.len(), 6);
    assert!(!values.is_empty() && !errors.is_empty(), "{errors:?}");
    assert!(
        errors.iter().all(|(_, error)| error.is_timeout()),
        "{errors:?}"
    );
}

#[tokio::test]
async fn a_broker_that_is_not_there_is_named() {
    let broker = broker().await;
    let admin = admin(&broker).await;
    let error = admin.describe_features_of(NodeId(99)).await.unwrap_err();
    assert!(error.to_string().contains("broker 99"), "{error}");
    assert!(error.is_retriable());
}
