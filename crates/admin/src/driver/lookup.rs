//! Who has to be asked about which key: leaders and coordinators, many in one request.

use std::collections::{BTreeSet, HashMap};

use klamm_codec::api::Request as _;
use klamm_codec::messages::{FindCoordinatorRequest, FindCoordinatorResponse, MetadataResponse};
use klamm_codec::{ApiKey, ErrorCode};
use klamm_net::{CoordinatorKind, NodeId, Route, TopicPartition, Verdict};
use tokio::time::Instant;

use super::{Place, Target};
use crate::admin::Admin;
use crate::error::Error;
use crate::wire::{metadata_request, node, text};

/// The first version of `FindCoordinator` that asks for many keys (KIP-699).
const BATCHED_VERSION: i16 = 4;

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
            Target::Any => located.found(key, Place::Any),
            Target::Node(node) => located.found(key, Place::Node(node)),
            Target::Controller => {
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
        let unknown = unknown_coordinators(admin, kind, keys, again, &mut located);
        find_coordinators(admin, kind, unknown, deadline, &mut located).await;
    }
    located
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

/// Those of `keys` whose coordinator the client does not know, by what is coordinated.
fn unknown_coordinators<K>(
    admin: &Admin,
    kind: CoordinatorKind,
    keys: Vec<(String, K)>,
    again: bool,
    located: &mut Located<K>,
) -> HashMap<String, Vec<K>> {
    let mut unknown: HashMap<String, Vec<K>> = HashMap::new();
    for (name, key) in keys {
        if again {
            admin.cluster.forget_coordinator(kind, &name);
        }
        match admin.cluster.known_coordinator(kind, &name) {
            Some(node) => located.found(key, Place::Node(node)),
            None => unknown.entry(name).or_default().push(key),
        }
    }
    unknown
}

async fn find_coordinators<K>(
    admin: &Admin,
    kind: CoordinatorKind,
    mut by_name: HashMap<String, Vec<K>>,
    deadline: Instant,
    located: &mut Located<K>,
) {
    let mut brokers_are_new = false;
    while !by_name.is_empty() {
        let names: Vec<String> = by_name.keys().cloned().collect();
        let build = |version| coordinator_request(kind, &names, version);
        let check = |_: &FindCoordinatorResponse| Verdict::Done;
        let called = admin.cluster.call(&Route::Any, deadline, build, check);
        let response = match called.await {
            Ok(response) => response,
            Err(error) => {
                let keys = by_name.into_values().flatten().collect();
                located.failed.push((error.into(), keys));
                break;
            }
        };
        for (name, found) in coordinators(&names, response) {
            let Some(keys) = by_name.remove(&name) else {
                continue;
            };
            match found {
                Ok(node) => {
                    brokers_are_new |= admin.cluster.snapshot().broker(node).is_none();
                    admin.cluster.remember_coordinator(kind, &name, node);
                    for key in keys {
                        located.found(key, Place::Node(node));
                    }
                }
                Err((code, message)) => {
                    let noun = match kind {
                        CoordinatorKind::Group => "group",
                        CoordinatorKind::Transaction => "transactional id",
                    };
                    let error = Error::Refused {
                        api: FindCoordinatorRequest::API,
                        what: format!("{noun} {name}"),
                        code,
                        message,
                        earlier_attempt_unanswered: false,
                    };
                    located.failed.push((error, keys));
                }
            }
        }
    }
    if brokers_are_new {
        admin.cluster.request_refresh();
    }
}

/// Before version 4 a request has room for one key: the first.
fn coordinator_request(
    kind: CoordinatorKind,
    names: &[String],
    version: i16,
) -> FindCoordinatorRequest {
    let mut request = FindCoordinatorRequest::default();
    if version >= 1 {
        request = request.with_key_type(kind.key_type());
    }
    if version >= BATCHED_VERSION {
        request.with_coordinator_keys(names.iter().map(|name| text(name)).collect())
    } else {
        request.with_key(text(&names[0]))
    }
}

type Coordinator = Result<NodeId, (ErrorCode, Option<String>)>;

fn coordinators(names: &[String], response: FindCoordinatorResponse) -> Vec<(String, Coordinator)> {
    let coordinator = |code: i16, message: Option<String>, node: i32| match ErrorCode(code).check()
    {
        Ok(()) => Ok(NodeId(node)),
        Err(code) => Err((code, message)),
    };
    let text = |message: Option<klamm_codec::messages::StrBytes>| {
        message
            .filter(|message| !message.is_empty())
            .map(|message| message.to_string())
    };
    if response.coordinators.is_empty() {
        let message = text(response.error_message);
        let found = coordinator(response.error_code, message, response.node_id.0);
        return vec![(names[0].clone(), found)];
    }
    let found = response.coordinators.into_iter().map(|it| {
        let found = coordinator(it.error_code, text(it.error_message), it.node_id.0);
        (it.key.to_string(), found)
    });
    let mut found: HashMap<String, Coordinator> = found.collect();
    // Whatever the answer leaves out must not be asked for without end.
    for name in names {
        let nobody = || Err((ErrorCode::COORDINATOR_NOT_AVAILABLE, None));
        found.entry(name.clone()).or_insert_with(nobody);
    }
    found.into_iter().collect()
}
