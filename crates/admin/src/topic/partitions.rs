//! Adding partitions to topics.

use std::collections::HashMap;

use klamm_codec::messages::create_partitions_request::{
    CreatePartitionsAssignment, CreatePartitionsTopic,
};
use klamm_codec::messages::{BrokerId, CreatePartitionsRequest, CreatePartitionsResponse};
use klamm_net::NodeId;

use crate::admin::Admin;
use crate::awaitable::awaitable;
use crate::driver::{Answers, Batch, Call, Target, drive};
use crate::error::Error;
use crate::results::Results;
use crate::wire::topic_name;

/// How many partitions a topic shall have.
///
/// # Examples
/// ```
/// use klamm_admin::NewPartitions;
///
/// let orders = NewPartitions::increase_to("orders", 12);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct NewPartitions {
    topic: String,
    count: i32,
    assignments: Vec<Vec<NodeId>>,
}

impl NewPartitions {
    /// `topic` with `count` partitions in all, those that it has included.
    pub fn increase_to(topic: impl Into<String>, count: i32) -> Self {
        Self {
            topic: topic.into(),
            count,
            assignments: Vec::new(),
        }
    }

    /// The brokers of the new partitions' replicas, the preferred leader first. Default: the
    /// controller's choice.
    pub fn assignments(mut self, assignments: impl IntoIterator<Item = Vec<NodeId>>) -> Self {
        self.assignments = assignments.into_iter().collect();
        self
    }

    fn to_wire(&self) -> CreatePartitionsTopic {
        let assignment = |nodes: &Vec<NodeId>| {
            let ids = nodes.iter().map(|node| BrokerId(node.0));
            CreatePartitionsAssignment::default().with_broker_ids(ids.collect())
        };
        let assignments: Vec<_> = self.assignments.iter().map(assignment).collect();
        CreatePartitionsTopic::default()
            .with_name(topic_name(&self.topic))
            .with_count(self.count)
            .with_assignments((!assignments.is_empty()).then_some(assignments))
    }
}

/// The adding of partitions; happens when awaited. Made by [`Admin::create_partitions`].
#[derive(Clone, Debug)]
#[must_use = "nothing is added until it is awaited"]
pub struct CreatePartitions {
    admin: Admin,
    topics: Vec<NewPartitions>,
    validate_only: bool,
}

impl Admin {
    /// Adds partitions to topics. Records stay where they are: keys of new records may go elsewhere
    /// than those of older ones.
    ///
    /// # Errors
    /// [`Error::Invalid`] if a topic is there twice, or [`Error::Net`] if nothing is known about any
    /// of the topics; what befalls one topic is in its result.
    ///
    /// # Examples
    /// ```
    /// # async fn grow(admin: klamm_admin::Admin) -> Result<(), klamm_admin::Error> {
    /// use klamm_admin::NewPartitions;
    ///
    /// let orders = NewPartitions::increase_to("orders", 12);
    /// admin.create_partitions([orders]).await?.all()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn create_partitions(
        &self,
        topics: impl IntoIterator<Item = NewPartitions>,
    ) -> CreatePartitions {
        CreatePartitions {
            admin: self.clone(),
            topics: topics.into_iter().collect(),
            validate_only: false,
        }
    }
}

impl CreatePartitions {
    /// Only checks whether the partitions could be added. Default: `false`.
    pub fn validate_only(mut self, validate_only: bool) -> Self {
        self.validate_only = validate_only;
        self
    }

    async fn run(self) -> Result<Results<String, ()>, Error> {
        let names: Vec<_> = self.topics.iter().map(|it| it.topic.clone()).collect();
        let topics = self.topics.into_iter();
        let topics: HashMap<_, _> = topics.map(|topic| (topic.topic.clone(), topic)).collect();
        if topics.len() < names.len() {
            return Err(Error::invalid("topics to grow", "a name is there twice"));
        }
        let call = Grow {
            topics,
            validate_only: self.validate_only,
        };
        let results = drive(&self.admin, call, names).await;
        self.admin.cluster.request_refresh();
        results
    }
}

awaitable!(CreatePartitions => Results<String, ()>);

struct Grow {
    topics: HashMap<String, NewPartitions>,
    validate_only: bool,
}

impl Call for Grow {
    const NOUN: &'static str = "topic";
    type Key = String;
    type Value = ();
    type Request = CreatePartitionsRequest;

    fn target(&self, _: &String) -> Target {
        Target::Controller
    }

    fn request(&self, batch: &Batch<String>) -> Result<CreatePartitionsRequest, Error> {
        let topics = batch.keys.iter().map(|name| self.topics[name].to_wire());
        Ok(CreatePartitionsRequest::default()
            .with_topics(topics.collect())
            .with_timeout_ms(batch.timeout_ms)
            .with_validate_only(self.validate_only))
    }

    fn read(
        &self,
        _: &Batch<String>,
        response: CreatePartitionsResponse,
        answers: &mut Answers<String, ()>,
    ) {
        answers.throttled(response.throttle_time_ms);
        for topic in response.results {
            let name = topic.name.to_string();
            answers.answer(name, topic.error_code, topic.error_message, || ());
        }
    }
}
