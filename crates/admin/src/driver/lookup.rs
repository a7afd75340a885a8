//! Who has to be asked about which key: leaders and coordinators, many in one request.

use std::collections::{BTreeSet, HashMap};

use klamm_codec::messages::MetadataResponse;
use klamm_codec::{ApiKey, ErrorCode};
use klamm_net::{CoordinatorKind, NodeId, Route, TopicPartition, Verdict};
use tokio::time::Instant;

use super::{Place, Target};
use crate::admin::Admin;
use crate::error::Error;
use crate::wire::{metadata_request, node};

/// Where keys have to be asked about.
pub(super) struct Located<K> {
    pub(super) places: HashMap<Place, Vec<K>>,
    /// Keys for which nobody was found, by the reason.
    pub(super) failed: Vec<(Error, Vec<K>)>,
}

impl<K> Located<K> {
    fn found(&mut self, key: K, place: Place) {
        self.places.entry(place).or_default().push(key);
    }
}

/// Finds the brokers for `keys`; with `again`, what was known before is not trusted.
pub(super) async fn locate<K>(
    admin: &Admin,
    keys: Vec<(Target, K)>,
    again: bool,
    deadline: Instant,
) -> Located<K> {
    let mut located = Located {
        places: HashMap::new(),
        failed: Vec::new(),
    };
    let mut leaders = Vec::new();
    let mut groups = Vec::new();
    let mut transactions = Vec::new();
    for (target, key) in keys {
        match target {
            Target::Any if !admin.cluster.is_of_controllers() => located.found(key, Place::Any),
            Target::Node(node) if is_there(admin, node) => located.found(key, Place::Node(node)),
            Target::Any | Target::Node(_) | Target::Controller => {
                if again {
                    admin.cluster.request_refresh();
                }
                let controller = admin.cluster.snapshot().controller;
                located.found(key, controller.map_or(Place::Any, Place::Node));
            }
            Target::Leader(partition) => leaders.push((partition, key)),
            Target::Group(group) => groups.push((group, key)),
            Target::Transaction(id) => transactions.push((id, key)),
        }
    }
    find_leaders(admin, leaders, again, deadline, &mut located).await;
    for (kind, keys) in [
        (CoordinatorKind::Group, groups),
        (CoordinatorKind::Transaction, transactions),
    ] {
        find_coordinators(admin, kind, keys, again, deadline, &mut located).await;
    }
    located
}

/// Whether a node is asked itself: controllers answer for brokers, which they do not know as nodes.
fn is_there(admin: &Admin, node: NodeId) -> bool {
    !admin.cluster.is_of_controllers() || admin.cluster.snapshot().broker(node).is_some()
}

async fn find_leaders<K>(
    admin: &Admin,
    keys: Vec<(TopicPartition, K)>,
    again: bool,
    deadline: Instant,
    located: &mut Located<K>,
) {
    let snapshot = admin.cluster.snapshot();
    let mut unknown = Vec::new();
    for (partition, key) in keys {
        match snapshot.leader(&partition.topic, partition.partition) {
            Some(leader) if !again => located.found(key, Place::Node(leader)),
            _ => unknown.push((partition, key)),
        }
    }
    if unknown.is_empty() {
        return;
    }
    let topics: BTreeSet<&str> = unknown.iter().map(|(it, _)| &*it.topic).collect();
    let topics: Vec<String> = topics.into_iter().map(str::to_owned).collect();
    let build = |version| metadata_request(Some(&topics), version);
    let check = |_: &MetadataResponse| Verdict::Done;
    let called = admin.cluster.call(&Route::Any, deadline, build, check);
    let response = match called.await {
        Ok(response) => response,
        Err(error) => {
            let keys = unknown.into_iter().map(|(_, key)| key).collect();
            located.failed.push((error.into(), keys));
            return;
        }
    };
    let leaders = leaders(&response);
    let mut brokers_are_new = false;
    for (partition, key) in unknown {
        let topic = &*partition.topic;
        let found =
            leaders
                .get(topic)
                .map_or(
                    Err(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
                    |topic| match topic {
                        Ok(partitions) => partitions
                            .get(&partition.partition)
                            .copied()
                            .unwrap_or(Err(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)),
                        Err(code) => Err(*code),
                    },
                );
        match found {
            Ok(leader) => {
                brokers_are_new |= snapshot.broker(leader).is_none();
                located.found(key, Place::Node(leader));
            }
            Err(code) => {
                let error = Error::refused(ApiKey::METADATA, format!("{partition}"), code);
                located.failed.push((error, vec![key]));
            }
        }
    }
    if brokers_are_new {
        admin.cluster.request_refresh();
    }
}

type Leaders = HashMap<i32, Result<NodeId, ErrorCode>>;

fn leaders(response: &MetadataResponse) -> HashMap<&str, Result<Leaders, ErrorCode>> {
    let topics = response.topics.iter().filter_map(|topic| {
        let name = topic.name.as_ref()?.as_str();
        if let Err(code) = ErrorCode(topic.error_code).check() {
            return Some((name, Err(code)));
        }
        let partitions = topic.partitions.iter().map(|partition| {
            let leader = node(partition.leader_id.0).ok_or(ErrorCode::LEADER_NOT_AVAILABLE);
            (partition.partition_index, leader)
        });
        Some((name, Ok(partitions.collect())))
    });
    topics.collect()
}

async fn find_coordinators<K>(
    admin: &Admin,
    kind: CoordinatorKind,
    keys: Vec<(String, K)>,
    again: bool,
    deadline: Instant,
    located: &mut Located<K>,
) {
    if again {
        for (name, _) in &keys {
            admin.cluster.forget_coordinator(kind, name);
        }
    }
    let names: BTreeSet<String> = keys.iter().map(|(name, _)| name.clone()).collect();
    let found = admin.cluster.coordinators(kind, names, deadline).await;
    // Those of a lookup that failed as a whole are looked up together again.
    let mut not_asked: Option<(Error, Vec<K>)> = None;
    for (name, key) in keys {
        match found.get(&name) {
            Some(Ok(node)) => located.found(key, Place::Node(*node)),
            // A broker's word about one group.
            Some(Err(klamm_net::Error::Broker { api, code, context })) => {
                let error = Error::refused(*api, context.clone(), *code);
                located.failed.push((error, vec![key]));
            }
            Some(Err(error)) => {
                let failed = not_asked.get_or_insert_with(|| (error.clone().into(), Vec::new()));
                failed.1.push(key);
            }
            None => {}
        }
    }
    located.failed.extend(not_asked);
}
