//! An immutable picture of the cluster, and how an answer makes the next one.
//!
//! Invariants
//! - a partition's leader epoch never goes back while its topic keeps its id: an answer from a
//!   broker that is behind changes nothing (KIP-320); epoch -1 is no epoch and never compared
//! - a topic that an answer does not mention stays as it was, until nobody uses it
//! - a topic that an answer does not change stays the same `Arc`

use std::collections::HashMap;
use std::sync::Arc;

use klamm_codec::ErrorCode;

use crate::client_config::HostPort;
use crate::node::{NodeId, TopicId};

/// A broker of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broker {
    /// Its id.
    pub node: NodeId,
    /// Where it listens for this client (`advertised.listeners`).
    pub address: HostPort,
    /// Its rack, if configured.
    pub rack: Option<String>,
}

impl Broker {
    /// The broker that a response tells of; none if nobody can listen at such a port.
    #[must_use]
    pub fn told(node: i32, host: &str, port: i32, rack: Option<&str>) -> Option<Self> {
        Some(Self {
            node: NodeId(node),
            address: HostPort {
                host: host.to_owned(),
                port: u16::try_from(port).ok()?,
            },
            rack: rack.map(str::to_owned),
        })
    }
}

/// A partition as its topic's metadata shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// Index.
    pub index: i32,
    /// The leader, if there is one.
    pub leader: Option<NodeId>,
    /// Epoch of that leader; -1 if the broker gave none.
    pub leader_epoch: i32,
    /// All replicas.
    pub replicas: Vec<NodeId>,
    /// Replicas that have caught up.
    pub in_sync_replicas: Vec<NodeId>,
    /// Why there is no leader.
    pub error: ErrorCode,
}

/// A topic in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// Its name.
    pub name: Arc<str>,
    /// Its id, zero before Kafka 2.8.
    pub id: TopicId,
    /// Why it cannot be used.
    pub error: ErrorCode,
    /// Whether Kafka keeps its own state in it.
    pub is_internal: bool,
    /// Its partitions; the position is the index.
    pub partitions: Vec<Partition>,
}

impl Topic {
    /// The partition with `index`.
    #[must_use]
    pub fn partition(&self, index: i32) -> Option<&Partition> {
        self.partitions.get(usize::try_from(index).ok()?)
    }

    /// Keeps what `known` knows better: partitions whose epoch went back.
    fn keep_newer_epochs(&mut self, known: &Self) {
        if self.id != known.id {
            return;
        }
        for partition in &mut self.partitions {
            if let Some(known) = known.partition(partition.index)
                && partition.leader_epoch >= 0
                && partition.leader_epoch < known.leader_epoch
            {
                partition.clone_from(known);
            }
        }
    }
}

/// A leader that a broker named when it refused to be it (KIP-951).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaderHint {
    /// The topic's name.
    pub topic: Arc<str>,
    /// The partition's index.
    pub partition: i32,
    /// The leader.
    pub leader: NodeId,
    /// Epoch of that leader.
    pub leader_epoch: i32,
}

/// The cluster at one moment.
#[derive(Clone, Debug, Default)]
pub struct ClusterSnapshot {
    /// The cluster's id.
    pub cluster_id: Option<String>,
    /// The controller, or a broker that forwards to it.
    pub controller: Option<NodeId>,
    /// All brokers, by id.
    pub brokers: Vec<Broker>,
    /// How many answers went into this picture; 0 before the first.
    pub refresh: u64,
    topics: HashMap<Arc<str>, Arc<Topic>>,
}

impl ClusterSnapshot {
    /// A topic in use, by name.
    #[must_use]
    pub fn topic(&self, name: &str) -> Option<&Arc<Topic>> {
        self.topics.get(name)
    }

    /// All topics in use.
    pub fn topics(&self) -> impl Iterator<Item = &Arc<Topic>> {
        self.topics.values()
    }

    /// The broker with id `node`.
    #[must_use]
    pub fn broker(&self, node: NodeId) -> Option<&Broker> {
        self.brokers.iter().find(|broker| broker.node == node)
    }

    /// The leader of a partition of a topic in use.
    #[must_use]
    pub fn leader(&self, topic: &str, partition: i32) -> Option<NodeId> {
        self.topic(topic)?.partition(partition)?.leader
    }

    /// The picture after an answer with `brokers` and `topics`; topics that are not in use any more
    /// are left out.
    pub(crate) fn merged(&self, answer: Answer, in_use: impl Fn(&str) -> bool) -> Self {
        let mut next = self.clone();
        next.refresh += 1;
        next.cluster_id = answer.cluster_id;
        next.controller = answer.controller;
        next.brokers = answer.brokers;
        for mut topic in answer.topics {
            if let Some(known) = self.topics.get(&topic.name) {
                if topic.partitions.is_empty() && topic.error.is_retriable() {
                    // Brokers that restart forget topics for a moment; what was known still holds.
                    topic.id = known.id;
                    topic.partitions.clone_from(&known.partitions);
                }
                topic.keep_newer_epochs(known);
                if topic == **known {
                    continue;
                }
            }
            next.topics.insert(Arc::clone(&topic.name), Arc::new(topic));
        }
        next.topics.retain(|name, _| in_use(name));
        next
    }

    /// The picture without the topics that are not in use any more, or `None` if there are none.
    pub(crate) fn without_unused(&self, in_use: impl Fn(&str) -> bool) -> Option<Self> {
        if self.topics.keys().all(|name| in_use(name)) {
            return None;
        }
        let mut next = self.clone();
        next.topics.retain(|name, _| in_use(name));
        Some(next)
    }

    /// The picture with the leaders of `hints`, or `None` if none of them is news.
    pub(crate) fn hinted(&self, hints: &[LeaderHint], endpoints: &[Broker]) -> Option<Self> {
        let mut next = self.clone();
        for endpoint in endpoints {
            next.put_broker(endpoint);
        }
        let mut is_news = false;
        for hint in hints {
            if next.broker(hint.leader).is_some()
                && let Some(topic) = next.topics.get_mut(&hint.topic)
                && let Some(partition) = topic.partition(hint.partition)
                && hint.leader_epoch > partition.leader_epoch
            {
                let partition = &mut Arc::make_mut(topic).partitions[hint.partition as usize];
                partition.leader = Some(hint.leader);
                partition.leader_epoch = hint.leader_epoch;
                partition.error = ErrorCode::NONE;
                is_news = true;
            }
        }
        is_news.then_some(next)
    }

    fn put_broker(&mut self, broker: &Broker) {
        let key = |known: &Broker| known.node;
        match self.brokers.binary_search_by_key(&broker.node, key) {
            Ok(at) => self.brokers[at].clone_from(broker),
            Err(at) => self.brokers.insert(at, broker.clone()),
        }
    }
}

/// What a metadata response says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answer {
    pub(crate) cluster_id: Option<String>,
    pub(crate) controller: Option<NodeId>,
    pub(crate) brokers: Vec<Broker>,
    pub(crate) topics: Vec<Topic>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic(id: u8, epoch: i32, leader: i32) -> Topic {
        Topic {
            name: "orders".into(),
            id: TopicId([id; 16]),
            error: ErrorCode::NONE,
            is_internal: false,
            partitions: vec![Partition {
                index: 0,
                leader: Some(NodeId(leader)),
                leader_epoch: epoch,
                replicas: Vec::new(),
                in_sync_replicas: Vec::new(),
                error: ErrorCode::NONE,
            }],
        }
    }

    fn after(topics: &[Topic]) -> ClusterSnapshot {
        let merge = |snapshot: ClusterSnapshot, topic: &Topic| {
            snapshot.merged(
                Answer {
                    topics: vec![topic.clone()],
                    ..Answer::default()
                },
                |_| true,
            )
        };
        topics.iter().fold(ClusterSnapshot::default(), merge)
    }

    #[test]
    fn an_older_leader_epoch_changes_nothing() {
        let snapshot = after(&[topic(1, 5, 1), topic(1, 4, 2)]);
        assert_eq!(snapshot.leader("orders", 0), Some(NodeId(1)));
        let snapshot = after(&[topic(1, 5, 1), topic(1, 6, 2)]);
        assert_eq!(snapshot.leader("orders", 0), Some(NodeId(2)));
    }

    #[test]
    fn what_an_answer_does_not_change_stays_the_same_and_what_nobody_uses_goes() {
        let first = after(&[topic(1, 5, 1)]);
        let again = Answer {
            topics: vec![topic(1, 5, 1)],
            ..Answer::default()
        };
        let second = first.merged(again, |_| true);
        let both = [&first, &second].map(|snapshot| snapshot.topic("orders").unwrap());
        assert!(Arc::ptr_eq(both[0], both[1]));
        let third = second.merged(Answer::default(), |topic| topic != "orders");
        assert!(third.topic("orders").is_none());
    }

    #[test]
    fn a_hint_counts_if_it_is_newer_and_its_leader_known() {
        let broker = |node, port| Broker {
            node: NodeId(node),
            address: HostPort {
                host: "kafka".to_owned(),
                port,
            },
            rack: None,
        };
        let hint = |leader, leader_epoch| LeaderHint {
            topic: "orders".into(),
            partition: 0,
            leader: NodeId(leader),
            leader_epoch,
        };
        let snapshot = after(&[topic(1, 5, 1)]);
        assert!(snapshot.hinted(&[hint(2, 6)], &[]).is_none());
        assert!(snapshot.hinted(&[hint(2, 5)], &[broker(2, 1)]).is_none());
        let other = LeaderHint {
            partition: 1,
            ..hint(2, 6)
        };
        assert!(snapshot.hinted(&[other], &[broker(2, 1)]).is_none());
        let hinted = snapshot.hinted(&[hint(2, 6)], &[broker(2, 1)]).unwrap();
        assert_eq!(hinted.leader("orders", 0), Some(NodeId(2)));
        assert_eq!(hinted.brokers, [broker(2, 1)]);
        assert_eq!(hinted.refresh, snapshot.refresh);
        // A broker that moved, and an answer of one that is behind.
        let hinted = hinted.hinted(&[hint(2, 7)], &[broker(2, 2)]).unwrap();
        assert_eq!(hinted.brokers, [broker(2, 2)]);
        let behind = Answer {
            topics: vec![topic(1, 5, 1)],
            ..Answer::default()
        };
        let behind = hinted.merged(behind, |_| true);
        assert_eq!(behind.leader("orders", 0), Some(NodeId(2)));
    }

    #[test]
    fn a_recreated_topic_starts_its_epochs_anew() {
        let snapshot = after(&[topic(1, 5, 1), topic(2, 0, 2)]);
        assert_eq!(snapshot.leader("orders", 0), Some(NodeId(2)));
    }

    #[test]
    fn no_epoch_is_not_an_older_epoch() {
        let snapshot = after(&[topic(1, 5, 1), topic(1, -1, 2)]);
        assert_eq!(snapshot.leader("orders", 0), Some(NodeId(2)));
    }

    #[test]
    fn a_topic_that_a_broker_forgets_for_a_moment_keeps_id_and_partitions() {
        let forgotten = Topic {
            id: TopicId::default(),
            error: ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
            partitions: Vec::new(),
            ..topic(1, 0, 0)
        };
        let snapshot = after(&[topic(1, 5, 1), forgotten]);
        let kept = snapshot.topic("orders").unwrap();
        assert_eq!(kept.id, TopicId([1; 16]));
        assert_eq!(kept.partitions.len(), 1);
        assert_eq!(kept.error, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    }
}
