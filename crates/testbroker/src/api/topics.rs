//! `CreateTopics`, `CreatePartitions`, `DeleteTopics`.

use std::collections::{HashMap, HashSet};

use kafka_protocol::ResponseError;
use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::create_partitions_response::CreatePartitionsTopicResult;
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::create_topics_response::CreatableTopicResult;
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::delete_topics_response::DeletableTopicResult;
use kafka_protocol::messages::{
    BrokerId, CreatePartitionsRequest, CreatePartitionsResponse, CreateTopicsRequest,
    CreateTopicsResponse, DeleteTopicsRequest, DeleteTopicsResponse, TopicName,
};

use super::{Call, Reply, Serve, code, text};
use crate::cluster::Cluster;
use crate::topic::{TopicConfig, TopicId};

impl Serve for CreateTopicsRequest {
    async fn serve(self, call: &Call<'_>) -> Reply<CreateTopicsResponse> {
        let mut times: HashMap<&TopicName, usize> = HashMap::new();
        for topic in &self.topics {
            *times.entry(&topic.name).or_default() += 1;
        }
        let mut cluster = call.shared.cluster();
        let mut response = CreateTopicsResponse::default();
        let mut answered = HashSet::new();
        for topic in self
            .topics
            .iter()
            .filter(|topic| answered.insert(&topic.name))
        {
            let result = if times[&topic.name] > 1 {
                Err(ResponseError::InvalidRequest)
            } else {
                create(&mut cluster, topic, self.validate_only)
            };
            response.topics.push(match result {
                Ok(created) => CreatableTopicResult::default()
                    .with_name(topic.name.clone())
                    .with_topic_id(created.id.map(TopicId::to_wire).unwrap_or_default())
                    .with_num_partitions(created.partitions)
                    .with_replication_factor(created.replicas)
                    .with_configs(Some(Vec::new())),
                Err(error) => refused(&topic.name, error.code()),
            });
        }
        drop(cluster);
        call.shared.changed.notify_waiters();
        Reply::Answer(response)
    }

    fn refuse(&self, _: &Call<'_>, code: i16) -> CreateTopicsResponse {
        let topics = self.topics.iter().map(|topic| refused(&topic.name, code));
        CreateTopicsResponse::default().with_topics(topics.collect())
    }
}

fn refused(name: &TopicName, code: i16) -> CreatableTopicResult {
    let message = ResponseError::try_from_code(code).map(|error| text(error.to_string()));
    CreatableTopicResult::default()
        .with_name(name.clone())
        .with_error_code(code)
        .with_error_message(message)
}

struct Created {
    /// None if it was only validated.
    id: Option<TopicId>,
    partitions: i32,
    replicas: i16,
}

fn create(
    cluster: &mut Cluster,
    topic: &CreatableTopic,
    validate_only: bool,
) -> Result<Created, ResponseError> {
    cluster.check_new_topic(&topic.name)?;
    let assignments = if topic.assignments.is_empty() {
        let partitions = match topic.num_partitions {
            -1 => cluster.options.partitions_default,
            given => given,
        };
        let replicas = match topic.replication_factor {
            -1 => None,
            given => {
                Some(usize::try_from(given).map_err(|_| ResponseError::InvalidReplicationFactor)?)
            }
        };
        cluster.place(partitions, replicas)?
    } else {
        if topic.num_partitions != -1 || topic.replication_factor != -1 {
            return Err(ResponseError::InvalidRequest);
        }
        let mut given: Vec<_> = topic.assignments.iter().collect();
        given.sort_unstable_by_key(|assignment| assignment.partition_index);
        let in_sequence = given
            .iter()
            .zip(0..)
            .all(|(assignment, index)| assignment.partition_index == index);
        let replicas: Vec<_> = given
            .into_iter()
            .map(|assignment| assignment.broker_ids.clone())
            .collect();
        if !in_sequence || !replicas.iter().all(|replicas| are_nodes(cluster, replicas)) {
            return Err(ResponseError::InvalidReplicaAssignment);
        }
        replicas
    };
    let mut config = TopicConfig::default();
    for entry in &topic.configs {
        config.set(
            &entry.name,
            entry.value.as_deref().ok_or(ResponseError::InvalidConfig)?,
        )?;
    }
    let partitions = assignments.len() as i32;
    let replicas = assignments.first().map_or(0, Vec::len) as i16;
    let id = if validate_only {
        None
    } else {
        Some(cluster.create_assigned_topic(&topic.name, assignments, config)?)
    };
    Ok(Created {
        id,
        partitions,
        replicas,
    })
}

/// Whether these are existing nodes, each once.
fn are_nodes(cluster: &Cluster, replicas: &[BrokerId]) -> bool {
    let mut seen = HashSet::new();
    !replicas.is_empty()
        && replicas
            .iter()
            .all(|replica| seen.insert(replica.0) && cluster.node(*replica).is_some())
}

impl Serve for CreatePartitionsRequest {
    async fn serve(self, call: &Call<'_>) -> Reply<CreatePartitionsResponse> {
        let mut cluster = call.shared.cluster();
        let results = self.topics.iter().map(|topic| {
            let result = grow(&mut cluster, topic, self.validate_only);
            grown(topic, code(result))
        });
        let response = CreatePartitionsResponse::default().with_results(results.collect());
        drop(cluster);
        call.shared.changed.notify_waiters();
        Reply::Answer(response)
    }

    fn refuse(&self, _: &Call<'_>, code: i16) -> CreatePartitionsResponse {
        let results = self.topics.iter().map(|topic| grown(topic, code));
        CreatePartitionsResponse::default().with_results(results.collect())
    }
}

fn grown(topic: &CreatePartitionsTopic, code: i16) -> CreatePartitionsTopicResult {
    let message = ResponseError::try_from_code(code).map(|error| text(error.to_string()));
    let result = CreatePartitionsTopicResult::default().with_name(topic.name.clone());
    result.with_error_code(code).with_error_message(message)
}

fn grow(
    cluster: &mut Cluster,
    topic: &CreatePartitionsTopic,
    validate_only: bool,
) -> Result<(), ResponseError> {
    let existing = cluster
        .topic(&topic.name)
        .ok_or(ResponseError::UnknownTopicOrPartition)?;
    let replicas = existing
        .partitions
        .first()
        .map_or(1, |partition| partition.replicas.len());
    let missing = i64::from(topic.count) - existing.partitions.len() as i64;
    let missing = i32::try_from(missing).map_err(|_| ResponseError::InvalidPartitions)?;
    let assignments = match &topic.assignments {
        None => cluster.place(missing, Some(replicas))?,
        Some(given) => {
            // The limits on counts hold also for given assignments.
            cluster.place(missing, Some(replicas))?;
            let given: Vec<_> = given
                .iter()
                .map(|assignment| assignment.broker_ids.clone())
                .collect();
            if given.len() as i64 != i64::from(missing)
                || !given.iter().all(|given| are_nodes(cluster, given))
            {
                return Err(ResponseError::InvalidReplicaAssignment);
            }
            given
        }
    };
    if validate_only {
        Ok(())
    } else {
        cluster.add_partitions(&topic.name, assignments)
    }
}

impl Serve for DeleteTopicsRequest {
    async fn serve(self, call: &Call<'_>) -> Reply<DeleteTopicsResponse> {
        let mut cluster = call.shared.cluster();
        let by_name = self
            .topic_names
            .iter()
            .map(|name| delete_by_name(&mut cluster, name));
        let mut responses: Vec<_> = by_name.collect();
        responses.extend(self.topics.iter().map(|topic| delete(&mut cluster, topic)));
        drop(cluster);
        call.shared.changed.notify_waiters();
        Reply::Answer(DeleteTopicsResponse::default().with_responses(responses))
    }

    fn refuse(&self, _: &Call<'_>, code: i16) -> DeleteTopicsResponse {
        let by_name = self
            .topic_names
            .iter()
            .map(|name| result(Some(name.clone()), code));
        let by_state = self
            .topics
            .iter()
            .map(|topic| result(topic.name.clone(), code).with_topic_id(topic.topic_id));
        DeleteTopicsResponse::default().with_responses(by_name.chain(by_state).collect())
    }
}

fn delete(cluster: &mut Cluster, topic: &DeleteTopicState) -> DeletableTopicResult {
    match &topic.name {
        Some(name) if topic.topic_id.is_nil() => delete_by_name(cluster, name),
        None if !topic.topic_id.is_nil() => {
            let name = cluster
                .topic_name(TopicId(topic.topic_id.into_bytes()))
                .map(super::topic_name);
            match name {
                Some(name) => delete_by_name(cluster, &name),
                None => {
                    result(None, ResponseError::UnknownTopicId.code()).with_topic_id(topic.topic_id)
                }
            }
        }
        name => {
            result(name.clone(), ResponseError::InvalidRequest.code()).with_topic_id(topic.topic_id)
        }
    }
}

fn delete_by_name(cluster: &mut Cluster, name: &TopicName) -> DeletableTopicResult {
    match cluster.delete_topic(name) {
        Some(id) => result(Some(name.clone()), 0).with_topic_id(id.to_wire()),
        None => result(
            Some(name.clone()),
            ResponseError::UnknownTopicOrPartition.code(),
        ),
    }
}

fn result(name: Option<TopicName>, code: i16) -> DeletableTopicResult {
    let message = ResponseError::try_from_code(code).map(|error| text(error.to_string()));
    DeletableTopicResult::default()
        .with_name(name)
        .with_error_code(code)
        .with_error_message(message)
}
