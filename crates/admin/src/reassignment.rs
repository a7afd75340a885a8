//! Moving replicas between brokers (KIP-455).

use std::collections::{BTreeMap, HashMap};

use klamm_codec::messages::alter_partition_reassignments_request::{
    ReassignablePartition, ReassignableTopic,
};
use klamm_codec::messages::list_partition_reassignments_request::ListPartitionReassignmentsTopics;
use klamm_codec::messages::{
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse, BrokerId,
    ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse,
};
use klamm_net::{NodeId, TopicPartition};

use crate::admin::Admin;
use crate::awaitable::awaitable;
use crate::driver::{Answers, Batch, Call, Target, drive, drive_one};
use crate::error::Error;
use crate::results::Results;
use crate::wire::{Whole, by_topic, indexes_by_topic, nodes, topic_name};

/// The first version of `AlterPartitionReassignments` that can forbid other numbers of replicas.
const REPLICATION_FACTOR_VERSION: i16 = 1;

/// A partition whose replicas move.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reassignment {
    /// All replicas it has now, those included that come and go.
    pub replicas: Vec<NodeId>,
    /// Replicas that come.
    pub adding: Vec<NodeId>,
    /// Replicas that go.
    pub removing: Vec<NodeId>,
}

/// A change of reassignments; happens when awaited. Made by [`Admin::alter_reassignments`].
#[derive(Clone, Debug)]
#[must_use = "nothing moves until it is awaited"]
pub struct AlterReassignments {
    admin: Admin,
    changes: Vec<(TopicPartition, Option<Vec<NodeId>>)>,
    replication_factor_may_change: bool,
}

impl Admin {
    /// Begins to move partitions to the brokers given for each, the preferred leader first; `None`
    /// cancels a move that is under way (KIP-455, Kafka 2.4).
    ///
    /// # Errors
    /// [`Error::Invalid`] if a partition is there twice, [`Error::Net`] if nothing is known about any
    /// of them; what befalls one is in its result: `INVALID_REPLICA_ASSIGNMENT`,
    /// `NO_REASSIGNMENT_IN_PROGRESS`.
    ///
    /// # Examples
    /// ```
    /// # async fn move_it(admin: klamm_admin::Admin) -> Result<(), klamm_admin::Error> {
    /// use klamm_admin::{NodeId, TopicPartition};
    ///
    /// let orders = TopicPartition::new("orders", 0);
    /// let to = Some(vec![NodeId(2), NodeId(3)]);
    /// admin.alter_reassignments([(orders, to)]).await?.all()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn alter_reassignments(
        &self,
        changes: impl IntoIterator<Item = (TopicPartition, Option<Vec<NodeId>>)>,
    ) -> AlterReassignments {
        AlterReassignments {
            admin: self.clone(),
            changes: changes.into_iter().collect(),
            replication_factor_may_change: true,
        }
    }

    /// Moves that are under way: of these partitions, or of all.
    ///
    /// # Errors
    /// [`Error::Refused`] without permission, [`Error::Net`].
    pub async fn list_reassignments(
        &self,
        partitions: Option<&[TopicPartition]>,
    ) -> Result<BTreeMap<TopicPartition, Reassignment>, Error> {
        let call = List(partitions.map(<[_]>::to_vec));
        drive_one(self, call, Whole("reassignments")).await
    }
}

impl AlterReassignments {
    /// Whether partitions may get more or fewer replicas than they have; `false` needs Kafka 4.1
    /// (KIP-860). Default: `true`.
    pub fn replication_factor_may_change(mut self, may: bool) -> Self {
        self.replication_factor_may_change = may;
        self
    }

    async fn run(self) -> Result<Results<TopicPartition, ()>, Error> {
        let partitions: Vec<_> = self.changes.iter().map(|(it, _)| it.clone()).collect();
        let call = Alter {
            changes: self.changes.into_iter().collect(),
            replication_factor_may_change: self.replication_factor_may_change,
        };
        if call.changes.len() < partitions.len() {
            return Err(Error::invalid(
                "reassignments",
                "a partition is there twice",
            ));
        }
        drive(&self.admin, call, partitions).await
    }
}

awaitable!(AlterReassignments => Results<TopicPartition, ()>);

struct Alter {
    changes: HashMap<TopicPartition, Option<Vec<NodeId>>>,
    replication_factor_may_change: bool,
}

impl Call for Alter {
    const NOUN: &'static str = "partition";
    const FOR_CONTROLLERS: bool = true;
    type Key = TopicPartition;
    type Value = ();
    type Request = AlterPartitionReassignmentsRequest;

    fn target(&self, _: &TopicPartition) -> Target {
        Target::Controller
    }

    fn request(
        &self,
        batch: &Batch<TopicPartition>,
    ) -> Result<AlterPartitionReassignmentsRequest, Error> {
        let changes = batch.keys.iter().map(|key| (key, &self.changes[key]));
        let partition = |(index, to): (i32, &Option<Vec<NodeId>>)| {
            let ids = |nodes: &Vec<NodeId>| nodes.iter().map(|node| BrokerId(node.0)).collect();
            ReassignablePartition::default()
                .with_partition_index(index)
                .with_replicas(to.as_ref().map(ids))
        };
        let topics = by_topic(changes).into_iter().map(|(topic, partitions)| {
            ReassignableTopic::default()
                .with_name(topic_name(topic))
                .with_partitions(partitions.into_iter().map(partition).collect())
        });
        let request = AlterPartitionReassignmentsRequest::default()
            .with_topics(topics.collect())
            .with_timeout_ms(batch.timeout_ms);
        if self.replication_factor_may_change {
            return Ok(request);
        }
        let what = "moving partitions only with as many replicas";
        batch.needs(REPLICATION_FACTOR_VERSION, what, "4.1 (KIP-860)")?;
        Ok(request.with_allow_replication_factor_change(false))
    }

    fn read(
        &self,
        batch: &Batch<TopicPartition>,
        response: AlterPartitionReassignmentsResponse,
        answers: &mut Answers<TopicPartition, ()>,
    ) {
        answers.throttled(response.throttle_time_ms);
        let message = response.error_message.as_ref();
        if !answers.all_accepted(batch, response.error_code, message) {
            return;
        }
        for topic in response.responses {
            for partition in topic.partitions {
                let key = TopicPartition::new(topic.name.as_str(), partition.partition_index);
                let (code, message) = (partition.error_code, partition.error_message);
                answers.answer(key, code, message, || ());
            }
        }
    }
}

struct List(Option<Vec<TopicPartition>>);

impl Call for List {
    const FOR_CONTROLLERS: bool = true;
    type Key = Whole;
    type Value = BTreeMap<TopicPartition, Reassignment>;
    type Request = ListPartitionReassignmentsRequest;

    fn target(&self, _: &Whole) -> Target {
        Target::Controller
    }

    fn request(&self, batch: &Batch<Whole>) -> Result<ListPartitionReassignmentsRequest, Error> {
        let topic = |(name, indexes)| {
            ListPartitionReassignmentsTopics::default()
                .with_name(name)
                .with_partition_indexes(indexes)
        };
        let partitions = self.0.as_ref();
        let topics = partitions.map(|some| indexes_by_topic(some).map(topic).collect());
        Ok(ListPartitionReassignmentsRequest::default()
            .with_topics(topics)
            .with_timeout_ms(batch.timeout_ms))
    }

    fn read(
        &self,
        batch: &Batch<Whole>,
        response: ListPartitionReassignmentsResponse,
        answers: &mut Answers<Whole, BTreeMap<TopicPartition, Reassignment>>,
    ) {
        answers.throttled(response.throttle_time_ms);
        let moves = response.topics.iter().flat_map(|topic| {
            topic.partitions.iter().map(|partition| {
                let key = TopicPartition::new(topic.name.as_str(), partition.partition_index);
                let reassignment = Reassignment {
                    replicas: nodes(&partition.replicas),
                    adding: nodes(&partition.adding_replicas),
                    removing: nodes(&partition.removing_replicas),
                };
                (key, reassignment)
            })
        });
        let (key, code) = (batch.keys[0].clone(), response.error_code);
        answers.answer(key, code, response.error_message.clone(), || {
            moves.collect()
        });
    }
}
