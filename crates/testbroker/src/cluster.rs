//! Everything that the nodes share: topics, groups, transactions, faults.
//!
//! Owns: the state behind the one lock. Does not: know message types beyond ids and errors, wait,
//! or do I/O.
//!
//! Invariants
//! - `topic_names` has exactly the topics of `topics`
//! - at most [`TOPICS_MAX`] topics and [`PARTITIONS_MAX`] partitions in the cluster

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kafka_protocol::ResponseError;
use kafka_protocol::messages::BrokerId;
use klamm_codec::ApiKey;
use tokio::time::Instant;

use crate::consumer_group::{Answer, Heartbeat};
use crate::coordinator::Coordinator;
use crate::fault::Faults;
use crate::fetch_session::FetchSessions;
use crate::topic::{Partition, Topic, TopicConfig, TopicId, name_is_valid};
use crate::transaction::{Ending, Transactions};

const TOPICS_MAX: usize = 10_000;
const PARTITIONS_MAX: usize = 100_000;
/// As many partitions as Kafka's group coordinator has; they are spread over the nodes.
const COORDINATOR_PARTITIONS: i32 = 50;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    pub(crate) partitions_default: i32,
    pub(crate) auto_create_topics: bool,
    pub(crate) partition_bytes_max: usize,
    pub(crate) transaction_version: i16,
    pub(crate) before_kip_360: bool,
    pub(crate) session_timeout_min: Duration,
    pub(crate) consumer_session_timeout: Duration,
    pub(crate) consumer_heartbeat_interval: Duration,
}

#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) id: BrokerId,
    pub(crate) host: String,
    pub(crate) port: u16,
    /// The controller has given it up: the metadata leave it out.
    pub(crate) is_fenced: bool,
}

#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) id: String,
    pub(crate) nodes: Vec<Node>,
    pub(crate) options: Options,
    pub(crate) coordinator: Coordinator,
    pub(crate) transactions: Transactions,
    pub(crate) faults: Faults,
    pub(crate) fetch_sessions: FetchSessions,
    topics: BTreeMap<String, Topic>,
    topic_names: HashMap<TopicId, String>,
    requests: HashMap<ApiKey, u64>,
    clock: Clock,
    random: Random,
    /// How often all coordinators have moved to the next node.
    coordinator_moves: usize,
    /// How many partitions were placed, so that the leaders of all topics go round the nodes.
    placed: usize,
}

impl Cluster {
    pub(crate) fn new(nodes: Vec<Node>, options: Options, seed: u64) -> Self {
        let mut random = Random(seed);
        Self {
            id: random.uuid(),
            nodes,
            options,
            coordinator: Coordinator::default(),
            transactions: Transactions::default(),
            faults: Faults::default(),
            fetch_sessions: FetchSessions::default(),
            topics: BTreeMap::new(),
            topic_names: HashMap::new(),
            requests: HashMap::new(),
            clock: Clock::start(),
            random,
            coordinator_moves: 0,
            placed: 0,
        }
    }

    /// Creates a topic whose leaders go round the nodes; `replicas` per partition, of all nodes if
    /// None.
    pub(crate) fn create_topic(
        &mut self,
        name: &str,
        partitions: i32,
        replicas: Option<usize>,
        config: TopicConfig,
    ) -> Result<TopicId, ResponseError> {
        let assignments = self.place(partitions, replicas)?;
        self.create_assigned_topic(name, assignments, config)
    }

    /// Creates a topic with these replicas for each partition, the leader first.
    pub(crate) fn create_assigned_topic(
        &mut self,
        name: &str,
        assignments: Vec<Vec<BrokerId>>,
        config: TopicConfig,
    ) -> Result<TopicId, ResponseError> {
        self.check_new_topic(name)?;
        let id = TopicId(self.random.bytes());
        self.placed += assignments.len();
        let bytes_max = self.options.partition_bytes_max;
        let partitions = assignments
            .into_iter()
            .map(|replicas| Partition::new(replicas, bytes_max))
            .collect();
        self.topics.insert(
            name.to_owned(),
            Topic {
                id,
                partitions,
                config,
            },
        );
        self.topic_names.insert(id, name.to_owned());
        Ok(id)
    }

    /// Whether a topic may be created under this name.
    pub(crate) fn check_new_topic(&self, name: &str) -> Result<(), ResponseError> {
        if !name_is_valid(name) {
            return Err(ResponseError::InvalidTopicException);
        }
        if self.topics.contains_key(name) {
            return Err(ResponseError::TopicAlreadyExists);
        }
        // Metric names would collide: Kafka lets '.' and '_' stand for each other.
        let folded = name.replace('.', "_");
        if name.contains(['.', '_'])
            && self
                .topics
                .keys()
                .any(|other| other.replace('.', "_") == folded)
        {
            return Err(ResponseError::InvalidTopicException);
        }
        if self.topics.len() >= TOPICS_MAX {
            return Err(ResponseError::PolicyViolation);
        }
        Ok(())
    }

    /// Chooses replicas for new partitions.
    pub(crate) fn place(
        &self,
        partitions: i32,
        replicas: Option<usize>,
    ) -> Result<Vec<Vec<BrokerId>>, ResponseError> {
        let count = usize::try_from(partitions).ok().filter(|count| *count > 0);
        let count = count.ok_or(ResponseError::InvalidPartitions)?;
        let existing: usize = self
            .topics
            .values()
            .map(|topic| topic.partitions.len())
            .sum();
        if count + existing > PARTITIONS_MAX {
            return Err(ResponseError::PolicyViolation);
        }
        let replicas = replicas.unwrap_or(self.nodes.len());
        if replicas == 0 || replicas > self.nodes.len() {
            return Err(ResponseError::InvalidReplicationFactor);
        }
        let replica = |at: usize| self.nodes[at % self.nodes.len()].id;
        let assign = |index| {
            (0..replicas)
                .map(|next| replica(self.placed + index + next))
                .collect()
        };
        Ok((0..count).map(assign).collect())
    }

    /// Grows a topic to as many partitions as `assignments` adds.
    pub(crate) fn add_partitions(
        &mut self,
        name: &str,
        assignments: Vec<Vec<BrokerId>>,
    ) -> Result<(), ResponseError> {
        let topic = self
            .topics
            .get_mut(name)
            .ok_or(ResponseError::UnknownTopicOrPartition)?;
        self.placed += assignments.len();
        let bytes_max = self.options.partition_bytes_max;
        topic.partitions.extend(
            assignments
                .into_iter()
                .map(|replicas| Partition::new(replicas, bytes_max)),
        );
        Ok(())
    }

    pub(crate) fn delete_topic(&mut self, name: &str) -> Option<TopicId> {
        let topic = self.topics.remove(name)?;
        self.topic_names.remove(&topic.id);
        self.coordinator.forget_topic(name);
        Some(topic.id)
    }

    pub(crate) fn topics(&self) -> impl Iterator<Item = (&str, &Topic)> {
        self.topics
            .iter()
            .map(|(name, topic)| (name.as_str(), topic))
    }

    pub(crate) fn topic(&self, name: &str) -> Option<&Topic> {
        self.topics.get(name)
    }

    pub(crate) fn topic_name(&self, id: TopicId) -> Option<&str> {
        self.topic_names.get(&id).map(String::as_str)
    }

    pub(crate) fn partition(
        &self,
        topic: &str,
        partition: i32,
    ) -> Result<&Partition, ResponseError> {
        let topic = self
            .topics
            .get(topic)
            .ok_or(ResponseError::UnknownTopicOrPartition)?;
        let index =
            usize::try_from(partition).map_err(|_| ResponseError::UnknownTopicOrPartition)?;
        topic
            .partitions
            .get(index)
            .ok_or(ResponseError::UnknownTopicOrPartition)
    }

    /// A partition to write to, its topic's configuration, and the time in milliseconds since 1970.
    pub(crate) fn partition_mut(
        &mut self,
        topic: &str,
        partition: i32,
    ) -> Result<(&mut Partition, TopicConfig, i64), ResponseError> {
        let topic = self
            .topics
            .get_mut(topic)
            .ok_or(ResponseError::UnknownTopicOrPartition)?;
        let index =
            usize::try_from(partition).map_err(|_| ResponseError::UnknownTopicOrPartition)?;
        let found = topic
            .partitions
            .get_mut(index)
            .ok_or(ResponseError::UnknownTopicOrPartition)?;
        Ok((found, topic.config, self.clock.now()))
    }

    /// The time in milliseconds since 1970.
    pub(crate) fn now(&self) -> i64 {
        self.clock.now()
    }

    pub(crate) fn node(&self, id: BrokerId) -> Option<&Node> {
        self.nodes.iter().find(|node| node.id == id)
    }

    /// The nodes with these ids, each once; ids that no node has (no leader) are left out.
    pub(crate) fn distinct_nodes(
        &self,
        ids: impl Iterator<Item = BrokerId>,
    ) -> impl Iterator<Item = &Node> {
        let distinct: BTreeSet<i32> = ids.map(|id| id.0).collect();
        let nodes = self.nodes.iter();
        nodes.filter(move |node| distinct.contains(&node.id.0))
    }

    /// The node that coordinates a group or a transactional id, chosen as Kafka does: by Java's
    /// hash of the name.
    pub(crate) fn coordinator_of(&self, key: &str) -> &Node {
        let hash = key.encode_utf16().fold(0_i32, |hash, unit| {
            hash.wrapping_mul(31).wrapping_add(i32::from(unit))
        });
        let partition = (hash & i32::MAX) % COORDINATOR_PARTITIONS;
        &self.nodes[(partition as usize + self.coordinator_moves) % self.nodes.len()]
    }

    pub(crate) fn move_coordinators(&mut self) {
        self.coordinator_moves += 1;
    }

    /// Answers a member of the consumer protocol (KIP-848).
    pub(crate) fn consumer_heartbeat(
        &mut self,
        group_id: &str,
        heartbeat: Heartbeat,
    ) -> Result<Answer, ResponseError> {
        let session_timeout = self.options.consumer_session_timeout;
        let (now, topics) = (Instant::now(), &self.topics);
        self.coordinator
            .consumer_heartbeat(now, group_id, heartbeat, topics, session_timeout)
    }

    /// Writes the markers of a transaction that has ended, and settles the offsets that waited for it.
    pub(crate) fn write_ending(&mut self, ending: &Ending) {
        let now = self.clock.now();
        for (topic, partition) in &ending.partitions {
            // A topic may have been deleted meanwhile.
            if let Ok((partition, ..)) = self.partition_mut(topic, *partition) {
                partition.write_marker(ending.producer, ending.commit, now);
            }
        }
        for group in &ending.groups {
            let producer_id = ending.producer.id;
            self.coordinator
                .end_transaction(group, producer_id, ending.commit);
        }
    }

    /// Gives up transactions whose time is over. Says whether there were any.
    pub(crate) fn abort_late_transactions(&mut self, now: Instant) -> bool {
        let late = self.transactions.handle_timeout(now);
        for ending in &late {
            self.write_ending(ending);
        }
        !late.is_empty()
    }

    /// An id for a new member, as Kafka makes them: a readable prefix and a UUID.
    pub(crate) fn new_member_id(&mut self, prefix: &str) -> String {
        format!("{prefix}-{}", self.random.uuid())
    }

    pub(crate) fn count_request(&mut self, api: ApiKey) {
        *self.requests.entry(api).or_default() += 1;
    }

    pub(crate) fn requests(&self, api: ApiKey) -> u64 {
        self.requests.get(&api).copied().unwrap_or_default()
    }
}

/// The time of day, which advances with tokio's clock so that simulated time moves it.
#[derive(Debug)]
struct Clock {
    started: Instant,
    started_ms: i64,
}

impl Clock {
    fn start() -> Self {
        let since_epoch = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Self {
            started: Instant::now(),
            started_ms: since_epoch.as_millis() as i64,
        }
    }

    fn now(&self) -> i64 {
        self.started_ms + self.started.elapsed().as_millis() as i64
    }
}

/// `SplitMix64`: ids need no better, and a seed makes them repeatable.
#[derive(Debug)]
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// The bytes of a version 4 UUID.
    fn bytes(&mut self) -> [u8; 16] {
        let mut bytes = (u128::from(self.next()) << 64 | u128::from(self.next())).to_be_bytes();
        bytes[6] = bytes[6] & 0x0f | 0x40;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        bytes
    }

    fn uuid(&mut self) -> String {
        let hex = format!("{:032x}", u128::from_be_bytes(self.bytes()));
        [
            &hex[..8],
            &hex[8..12],
            &hex[12..16],
            &hex[16..20],
            &hex[20..],
        ]
        .join("-")
    }
}
