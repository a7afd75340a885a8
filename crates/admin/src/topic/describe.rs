//! Listing and describing topics.

use std::collections::{BTreeSet, HashMap};

use klamm_codec::messages::describe_topic_partitions_request::{Cursor, TopicRequest};
use klamm_codec::messages::describe_topic_partitions_response::{
    DescribeTopicPartitionsResponsePartition, DescribeTopicPartitionsResponseTopic,
};
use klamm_codec::messages::metadata_request::MetadataRequestTopic;
use klamm_codec::messages::metadata_response::{MetadataResponsePartition, MetadataResponseTopic};
use klamm_codec::messages::{
    DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse, MetadataRequest,
    MetadataResponse, Uuid,
};
use klamm_codec::{ApiKey, ErrorCode};
use klamm_net::{NodeId, TopicId};

use crate::acl::{AclOperation, authorized_operations};
use crate::admin::Admin;
use crate::awaitable::awaitable;
use crate::driver::{Answers, Batch, Call, Target, drive, drive_one};
use crate::error::Error;
use crate::results::Results;
use crate::wire::{Whole, metadata_request, node, nodes, topic_id, topic_name};

/// Partitions in one response of `DescribeTopicPartitions`, as in Java; brokers allow no more by
/// default (`max.request.partition.size.limit`).
const PAGE_PARTITIONS: i32 = 2000;
/// The first version of `Metadata` that is asked by topic id.
const BY_ID_VERSION: i16 = 12;
/// The versions of `Metadata` that tell of permissions.
const AUTHORIZED_OPERATIONS_VERSION: i16 = 8;

/// A topic in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TopicListing {
    /// Its name.
    pub name: String,
    /// Its id; zero before Kafka 2.8.
    pub id: TopicId,
    /// Number of partitions.
    pub partitions: usize,
    /// Whether Kafka keeps its own state in it, such as `__consumer_offsets`.
    pub is_internal: bool,
}

/// A topic with its partitions.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TopicDescription {
    /// Its name.
    pub name: String,
    /// Its id; zero before Kafka 2.8.
    pub id: TopicId,
    /// Whether Kafka keeps its own state in it, such as `__consumer_offsets`.
    pub is_internal: bool,
    /// Its partitions, by index.
    pub partitions: Vec<PartitionDescription>,
    /// What this client may do with it, if that was asked for (KIP-430).
    pub authorized_operations: Option<Vec<AclOperation>>,
}

/// A partition of a described topic.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PartitionDescription {
    /// Index.
    pub index: i32,
    /// The broker that leads it, if one does.
    pub leader: Option<NodeId>,
    /// Epoch of that leader; `None` if the broker gave none.
    pub leader_epoch: Option<i32>,
    /// All replicas, the preferred leader first.
    pub replicas: Vec<NodeId>,
    /// Replicas that have caught up.
    pub in_sync_replicas: Vec<NodeId>,
    /// Replicas whose broker or disk is down.
    pub offline_replicas: Vec<NodeId>,
    /// Replicas out of sync that still have all committed records, so that they may lead (KIP-966);
    /// `None` before Kafka 4.0.
    pub eligible_leader_replicas: Option<Vec<NodeId>>,
    /// The last replicas that were eligible, when none is left (KIP-966); `None` before Kafka 4.0.
    pub last_known_eligible_leader_replicas: Option<Vec<NodeId>>,
}

/// The description of topics; happens when awaited. Made by [`Admin::describe_topics`].
#[derive(Clone, Debug)]
#[must_use = "nothing is asked until it is awaited"]
pub struct DescribeTopics {
    admin: Admin,
    names: Vec<String>,
    authorized_operations: bool,
}

impl Admin {
    /// All topics that this client may see, internal ones included, by name.
    ///
    /// # Errors
    /// [`Error::Net`] if no broker answered in time.
    pub async fn list_topics(&self) -> Result<Vec<TopicListing>, Error> {
        let mut listings = drive_one(self, List, Whole("all topics")).await?;
        listings.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(listings)
    }

    /// Partitions, leaders and replicas of topics; large ones come page by page (KIP-966).
    ///
    /// # Errors
    /// [`Error::Net`] if no broker answered in time; what befalls one topic, not being there
    /// included, is in its result.
    pub fn describe_topics<S: Into<String>>(
        &self,
        names: impl IntoIterator<Item = S>,
    ) -> DescribeTopics {
        DescribeTopics {
            admin: self.clone(),
            names: names.into_iter().map(Into::into).collect(),
            authorized_operations: false,
        }
    }

    /// As [`Admin::describe_topics`] by id (KIP-516, Kafka 2.8).
    ///
    /// # Errors
    /// As there, and [`Error::Unsupported`].
    pub async fn describe_topics_by_id(
        &self,
        ids: impl IntoIterator<Item = TopicId>,
    ) -> Result<Results<TopicId, TopicDescription>, Error> {
        drive(self, DescribeById, ids).await
    }
}

impl DescribeTopics {
    /// Also asks what this client may do with each topic (KIP-430). Default: `false`.
    pub fn authorized_operations(mut self, ask: bool) -> Self {
        self.authorized_operations = ask;
        self
    }

    async fn run(self) -> Result<Results<String, TopicDescription>, Error> {
        match self.pages().await {
            Err(error) if error.is_unsupported() => {
                let authorized_operations = self.authorized_operations;
                let call = Describe {
                    authorized_operations,
                };
                drive(&self.admin, call, self.names).await
            }
            described => described,
        }
    }

    async fn pages(&self) -> Result<Results<String, TopicDescription>, Error> {
        // The broker sorts them, and goes on after the cursor.
        let mut names: BTreeSet<&String> = self.names.iter().collect();
        let mut described: HashMap<String, Result<TopicDescription, Error>> = HashMap::new();
        let mut cursor = None;
        while !names.is_empty() {
            let call = Page {
                names: names.iter().map(|name| (*name).clone()).collect(),
                cursor: cursor.clone(),
            };
            let page = drive_one(&self.admin, call, Whole("topics")).await?;
            for topic in page.topics {
                add_page(&mut described, &topic, self.authorized_operations);
            }
            match page.next_cursor {
                Some((topic, partition))
                    if Some(&(topic.clone(), partition)) != cursor.as_ref() =>
                {
                    names.retain(|name| **name >= topic);
                    cursor = Some((topic, partition));
                }
                _ => break,
            }
        }
        Ok(Results::of(self.names.iter().map(|name| {
            let result = described.remove(name).unwrap_or_else(|| {
                Err(Error::Unanswered {
                    api: ApiKey::DESCRIBE_TOPIC_PARTITIONS,
                    what: format!("topic {name}"),
                })
            });
            (name.clone(), result)
        })))
    }
}

awaitable!(DescribeTopics => Results<String, TopicDescription>);

/// A part of a topic that may have come before in part.
fn add_page(
    described: &mut HashMap<String, Result<TopicDescription, Error>>,
    topic: &DescribeTopicPartitionsResponseTopic,
    asked_for_operations: bool,
) {
    let Some(name) = topic.name.as_ref().map(|name| name.to_string()) else {
        return;
    };
    if let Err(code) = ErrorCode(topic.error_code).check() {
        let what = format!("topic {name}");
        let error = Error::refused(ApiKey::DESCRIBE_TOPIC_PARTITIONS, what, code);
        described.insert(name, Err(error));
        return;
    }
    let partitions = topic.partitions.iter().map(page_partition);
    if let Some(Ok(known)) = described.get_mut(&name) {
        known.partitions.extend(partitions);
        known.partitions.sort_by_key(|partition| partition.index);
        known.partitions.dedup_by_key(|partition| partition.index);
        return;
    }
    let operations = topic.topic_authorized_operations;
    let description = TopicDescription {
        id: topic_id(topic.topic_id),
        is_internal: topic.is_internal,
        partitions: partitions.collect(),
        authorized_operations: asked_for_operations
            .then(|| authorized_operations(operations))
            .flatten(),
        name: name.clone(),
    };
    described.insert(name, Ok(description));
}

struct PageAnswer {
    topics: Vec<DescribeTopicPartitionsResponseTopic>,
    next_cursor: Option<(String, i32)>,
}

/// Some partitions of the topics, from a cursor on.
struct Page {
    names: Vec<String>,
    cursor: Option<(String, i32)>,
}

impl Call for Page {
    type Key = Whole;
    type Value = PageAnswer;
    type Request = DescribeTopicPartitionsRequest;

    fn target(&self, _: &Whole) -> Target {
        Target::Any
    }

    fn request(&self, _: &Batch<Whole>) -> Result<DescribeTopicPartitionsRequest, Error> {
        let topic = |name: &String| TopicRequest::default().with_name(topic_name(name));
        let cursor = self.cursor.as_ref().map(|(topic, partition)| {
            Cursor::default()
                .with_topic_name(topic_name(topic))
                .with_partition_index(*partition)
        });
        Ok(DescribeTopicPartitionsRequest::default()
            .with_topics(self.names.iter().map(topic).collect())
            .with_response_partition_limit(PAGE_PARTITIONS)
            .with_cursor(cursor))
    }

    fn read(
        &self,
        batch: &Batch<Whole>,
        response: DescribeTopicPartitionsResponse,
        answers: &mut Answers<Whole, PageAnswer>,
    ) {
        let next_cursor = response
            .next_cursor
            .map(|cursor| (cursor.topic_name.to_string(), cursor.partition_index));
        let page = PageAnswer {
            topics: response.topics,
            next_cursor,
        };
        answers.value(batch.keys[0].clone(), page);
    }
}

/// All topics.
struct List;

impl Call for List {
    type Key = Whole;
    type Value = Vec<TopicListing>;
    type Request = MetadataRequest;

    fn target(&self, _: &Whole) -> Target {
        Target::Any
    }

    fn request(&self, batch: &Batch<Whole>) -> Result<MetadataRequest, Error> {
        Ok(metadata_request(None, batch.version))
    }

    fn read(
        &self,
        batch: &Batch<Whole>,
        response: MetadataResponse,
        answers: &mut Answers<Whole, Vec<TopicListing>>,
    ) {
        let topics = response.topics.into_iter().filter_map(listing).collect();
        answers.value(batch.keys[0].clone(), topics);
    }
}

/// Topics by name, for brokers without `DescribeTopicPartitions`.
struct Describe {
    authorized_operations: bool,
}

impl Call for Describe {
    const NOUN: &'static str = "topic";
    type Key = String;
    type Value = TopicDescription;
    type Request = MetadataRequest;

    fn target(&self, _: &String) -> Target {
        Target::Any
    }

    fn request(&self, batch: &Batch<String>) -> Result<MetadataRequest, Error> {
        let request = metadata_request(Some(&batch.keys), batch.version);
        Ok(if batch.version >= AUTHORIZED_OPERATIONS_VERSION {
            request.with_include_topic_authorized_operations(self.authorized_operations)
        } else {
            request
        })
    }

    fn read(
        &self,
        _: &Batch<String>,
        response: MetadataResponse,
        answers: &mut Answers<String, TopicDescription>,
    ) {
        for topic in response.topics {
            let Some(name) = topic.name.as_ref().map(|name| name.to_string()) else {
                continue;
            };
            answers.answer(name, topic.error_code, None, || description(topic));
        }
    }
}

/// Topics by id.
struct DescribeById;

impl Call for DescribeById {
    const NOUN: &'static str = "topic";
    type Key = TopicId;
    type Value = TopicDescription;
    type Request = MetadataRequest;

    fn target(&self, _: &TopicId) -> Target {
        Target::Any
    }

    fn request(&self, batch: &Batch<TopicId>) -> Result<MetadataRequest, Error> {
        batch.needs(BY_ID_VERSION, "describing topics by id", "3.1 (KIP-516)")?;
        let topic = |id: &TopicId| {
            MetadataRequestTopic::default()
                .with_name(None)
                .with_topic_id(Uuid::from_bytes(id.0))
        };
        let topics = batch.keys.iter().map(topic).collect();
        let request = metadata_request(None, batch.version);
        Ok(request.with_topics(Some(topics)))
    }

    fn read(
        &self,
        _: &Batch<TopicId>,
        response: MetadataResponse,
        answers: &mut Answers<TopicId, TopicDescription>,
    ) {
        for topic in response.topics {
            let id = topic_id(topic.topic_id);
            answers.answer(id, topic.error_code, None, || description(topic));
        }
    }
}

fn listing(topic: MetadataResponseTopic) -> Option<TopicListing> {
    Some(TopicListing {
        name: topic.name?.to_string(),
        id: topic_id(topic.topic_id),
        partitions: topic.partitions.len(),
        is_internal: topic.is_internal,
    })
}

fn description(topic: MetadataResponseTopic) -> TopicDescription {
    let mut partitions: Vec<_> = topic.partitions.iter().map(partition).collect();
    partitions.sort_by_key(|partition| partition.index);
    TopicDescription {
        name: topic.name.map_or_else(String::new, |name| name.to_string()),
        id: topic_id(topic.topic_id),
        is_internal: topic.is_internal,
        partitions,
        authorized_operations: authorized_operations(topic.topic_authorized_operations),
    }
}

fn partition(partition: &MetadataResponsePartition) -> PartitionDescription {
    PartitionDescription {
        index: partition.partition_index,
        leader: node(partition.leader_id.0),
        leader_epoch: (partition.leader_epoch >= 0).then_some(partition.leader_epoch),
        replicas: nodes(&partition.replica_nodes),
        in_sync_replicas: nodes(&partition.isr_nodes),
        offline_replicas: nodes(&partition.offline_replicas),
        eligible_leader_replicas: None,
        last_known_eligible_leader_replicas: None,
    }
}

fn page_partition(partition: &DescribeTopicPartitionsResponsePartition) -> PartitionDescription {
    PartitionDescription {
        index: partition.partition_index,
        leader: node(partition.leader_id.0),
        leader_epoch: (partition.leader_epoch >= 0).then_some(partition.leader_epoch),
        replicas: nodes(&partition.replica_nodes),
        in_sync_replicas: nodes(&partition.isr_nodes),
        offline_replicas: nodes(&partition.offline_replicas),
        eligible_leader_replicas: partition.eligible_leader_replicas.as_deref().map(nodes),
        last_known_eligible_leader_replicas: partition.last_known_elr.as_deref().map(nodes),
    }
}
