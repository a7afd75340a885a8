//! Creating topics.

use std::collections::HashMap;

use klamm_codec::messages::create_topics_request::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig,
};
use klamm_codec::messages::{BrokerId, CreateTopicsRequest, CreateTopicsResponse};
use klamm_net::{NodeId, TopicId};

use crate::admin::Admin;
use crate::awaitable::awaitable;
use crate::driver::{Answers, Batch, Call, Target, drive};
use crate::error::Error;
use crate::results::Results;
use crate::wire::{text, topic_id, topic_name};

/// The number on the wire that leaves a choice to the broker (KIP-464).
const BROKER_DEFAULT: i16 = -1;
/// The first version of `CreateTopics` that knows it.
const BROKER_DEFAULT_VERSION: i16 = 4;

/// A topic to create.
///
/// # Examples
/// ```
/// use klamm_admin::NewTopic;
///
/// let orders = NewTopic::new("orders").partitions(6).replication_factor(3).config("retention.ms", "86400000");
/// let defaults = NewTopic::new("audit");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct NewTopic {
    pub(super) name: String,
    partitions: Option<i32>,
    replication_factor: Option<i16>,
    assignments: Vec<Vec<NodeId>>,
    pub(super) configs: Vec<(String, String)>,
}

impl NewTopic {
    /// A topic with the broker's defaults for everything.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            partitions: None,
            replication_factor: None,
            assignments: Vec::new(),
            configs: Vec::new(),
        }
    }

    /// Number of partitions. Default: the broker's `num.partitions`; before Kafka 2.4 it has to be
    /// set.
    pub fn partitions(mut self, partitions: i32) -> Self {
        self.partitions = Some(partitions);
        self
    }

    /// Number of replicas of each partition. Default: the broker's `default.replication.factor`;
    /// before Kafka 2.4 it has to be set.
    pub fn replication_factor(mut self, replicas: i16) -> Self {
        self.replication_factor = Some(replicas);
        self
    }

    /// The brokers of each partition's replicas, the preferred leader first. The number of partitions
    /// and of replicas follow from it. Default: the controller's choice.
    pub fn assignments(mut self, assignments: impl IntoIterator<Item = Vec<NodeId>>) -> Self {
        self.assignments = assignments.into_iter().collect();
        self
    }

    /// A property of the topic, such as `retention.ms` or `cleanup.policy`. Default: the broker's.
    pub fn config(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.configs.push((name.into(), value.into()));
        self
    }

    /// How many partitions and replicas are asked for.
    pub(super) fn size(&self) -> (Option<usize>, Option<usize>) {
        if let Some(first) = self.assignments.first() {
            return (Some(self.assignments.len()), Some(first.len()));
        }
        let size = |number: i64| usize::try_from(number).ok();
        let partitions = self.partitions.and_then(|it| size(it.into()));
        let replicas = self.replication_factor.and_then(|it| size(it.into()));
        (partitions, replicas)
    }

    /// What is left to the broker's defaults and only newer ones choose.
    fn missing(&self) -> Option<&'static str> {
        if !self.assignments.is_empty() {
            return None;
        }
        match (self.partitions, self.replication_factor) {
            (Some(_), Some(_)) => None,
            (None, Some(_)) => Some("number of partitions"),
            (Some(_), None) => Some("replication factor"),
            (None, None) => Some("number of partitions and replication factor"),
        }
    }

    fn to_wire(&self) -> CreatableTopic {
        let config = |(name, value): &(String, String)| {
            CreatableTopicConfig::default()
                .with_name(text(name))
                .with_value(Some(text(value)))
        };
        let assignment = |(index, nodes): (i32, &Vec<NodeId>)| {
            CreatableReplicaAssignment::default()
                .with_partition_index(index)
                .with_broker_ids(nodes.iter().map(|node| BrokerId(node.0)).collect())
        };
        // Where the replicas are given, their numbers must be left to the broker.
        let default = i32::from(BROKER_DEFAULT);
        CreatableTopic::default()
            .with_name(topic_name(&self.name))
            .with_num_partitions(self.partitions.unwrap_or(default))
            .with_replication_factor(self.replication_factor.unwrap_or(BROKER_DEFAULT))
            .with_assignments((0..).zip(&self.assignments).map(assignment).collect())
            .with_configs(self.configs.iter().map(config).collect())
    }
}

/// What the broker says of a topic it created.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CreatedTopic {
    /// Its id; zero before Kafka 2.8, and if it was only validated.
    pub id: TopicId,
    /// Number of partitions; `None` before Kafka 2.4, or without the permission to see it.
    pub partitions: Option<i32>,
    /// Number of replicas of each partition; `None` likewise.
    pub replication_factor: Option<i16>,
}

/// The creation of topics; happens when awaited. Made by [`Admin::create_topics`].
#[derive(Clone, Debug)]
#[must_use = "nothing is created until it is awaited"]
pub struct CreateTopics {
    admin: Admin,
    topics: Vec<NewTopic>,
    validate_only: bool,
}

impl Admin {
    /// Creates topics.
    ///
    /// A topic can be produced to at once: the producer waits for its leaders. Brokers may need a
    /// moment until all of them list it.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if a broker before Kafka 2.4 is left the choice of partitions or
    /// replicas, [`Error::Invalid`] if a name is there twice, or [`Error::Net`] if nothing is known
    /// about any of the topics; what befalls one topic is in its result. While controllers move,
    /// `TOPIC_ALREADY_EXISTS` can be the answer for a topic that this very call has created, as with
    /// [`delete_topics`](Admin::delete_topics); [`ensure_topics`](Admin::ensure_topics) compares what is
    /// there.
    ///
    /// # Examples
    /// ```
    /// # async fn create(admin: klamm_admin::Admin) -> Result<(), klamm_admin::Error> {
    /// use klamm_admin::NewTopic;
    ///
    /// let orders = NewTopic::new("orders").partitions(6);
    /// admin.create_topics([orders]).await?.all()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn create_topics(&self, topics: impl IntoIterator<Item = NewTopic>) -> CreateTopics {
        CreateTopics {
            admin: self.clone(),
            topics: topics.into_iter().collect(),
            validate_only: false,
        }
    }
}

impl CreateTopics {
    /// Only checks whether the topics could be created. Default: `false`.
    pub fn validate_only(mut self, validate_only: bool) -> Self {
        self.validate_only = validate_only;
        self
    }

    async fn run(self) -> Result<Results<String, CreatedTopic>, Error> {
        let names: Vec<_> = self.topics.iter().map(|topic| topic.name.clone()).collect();
        let topics = self.topics.into_iter();
        let topics: HashMap<_, _> = topics.map(|topic| (topic.name.clone(), topic)).collect();
        if topics.len() < names.len() {
            return Err(Error::invalid("topics to create", "a name is there twice"));
        }
        let call = Create {
            topics,
            validate_only: self.validate_only,
        };
        let results = drive(&self.admin, call, names).await;
        if !self.validate_only {
            // Whoever waits for one of these topics in the metadata need not wait longer.
            self.admin.cluster.request_refresh();
        }
        results
    }
}

awaitable!(CreateTopics => Results<String, CreatedTopic>);

struct Create {
    topics: HashMap<String, NewTopic>,
    validate_only: bool,
}

impl Call for Create {
    const NOUN: &'static str = "topic";
    type Key = String;
    type Value = CreatedTopic;
    type Request = CreateTopicsRequest;

    fn target(&self, _: &String) -> Target {
        Target::Controller
    }

    fn request(&self, batch: &Batch<String>) -> Result<CreateTopicsRequest, Error> {
        let topics = batch.keys.iter().map(|name| &self.topics[name]);
        for topic in topics.clone() {
            // Such a broker takes "your default" for a negative number, which is a poor message.
            if let Some(missing) = topic.missing() {
                let what = format!("topic {} without {missing}", topic.name);
                batch.needs(BROKER_DEFAULT_VERSION, what, "2.4 (KIP-464)")?;
            }
        }
        Ok(CreateTopicsRequest::default()
            .with_topics(topics.map(NewTopic::to_wire).collect())
            .with_timeout_ms(batch.timeout_ms)
            .with_validate_only(self.validate_only))
    }

    fn read(
        &self,
        _: &Batch<String>,
        response: CreateTopicsResponse,
        answers: &mut Answers<String, CreatedTopic>,
    ) {
        answers.throttled(response.throttle_time_ms);
        for topic in response.topics {
            let name = topic.name.to_string();
            answers.answer(name, topic.error_code, topic.error_message, || {
                CreatedTopic {
                    id: topic_id(topic.topic_id),
                    // -1: the version or the permissions do not allow to say.
                    partitions: (topic.num_partitions >= 0).then_some(topic.num_partitions),
                    replication_factor: (topic.replication_factor >= 0)
                        .then_some(topic.replication_factor),
                }
            });
        }
    }
}
