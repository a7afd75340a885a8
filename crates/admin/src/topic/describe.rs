//! Listing and describing topics.

use std::collections::HashMap;

use klamm_codec::messages::metadata_response::{MetadataResponsePartition, MetadataResponseTopic};
use klamm_codec::messages::{BrokerId, MetadataResponse};
use klamm_codec::{ApiKey, ErrorCode};
use klamm_net::{NodeId, Route, TopicId, Verdict};

use super::{TopicResult, TopicResults};
use crate::admin::Admin;
use crate::cluster::metadata_request;
use crate::error::Error;

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
}

impl Admin {
    /// All topics that this client may see, internal ones included, by name.
    ///
    /// # Errors
    /// [`Error::Net`] if no broker answered in time.
    pub async fn list_topics(&self) -> Result<Vec<TopicListing>, Error> {
        let response = self.metadata(None).await?;
        let mut listings: Vec<_> = response.topics.into_iter().filter_map(listing).collect();
        listings.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(listings)
    }

    /// Partitions, leaders and replicas of topics.
    ///
    /// # Errors
    /// [`Error::Net`] if no broker answered in time; what befalls one topic, not being there
    /// included, is in its [`TopicResult`].
    pub async fn describe_topics<S: Into<String>>(
        &self,
        names: impl IntoIterator<Item = S>,
    ) -> Result<TopicResults<TopicDescription>, Error> {
        let names: Vec<String> = names.into_iter().map(Into::into).collect();
        let response = self.metadata(Some(&names)).await?;
        let described: HashMap<String, _> = response
            .topics
            .into_iter()
            .filter_map(description)
            .collect();
        let results = names.into_iter().map(|name| TopicResult {
            result: described.get(&name).cloned().unwrap_or_else(|| {
                Err(Error::Unanswered {
                    api: ApiKey::METADATA,
                    topic: name.clone(),
                })
            }),
            name,
        });
        Ok(TopicResults::new(results))
    }

    async fn metadata(&self, topics: Option<&[String]>) -> Result<MetadataResponse, Error> {
        let build = |version| metadata_request(topics, version);
        let check = |_: &MetadataResponse| Verdict::Done;
        let called = self
            .cluster
            .call(&Route::Any, self.deadline(), build, check);
        Ok(called.await?)
    }
}

fn listing(topic: MetadataResponseTopic) -> Option<TopicListing> {
    Some(TopicListing {
        name: topic.name?.to_string(),
        id: TopicId(topic.topic_id.into_bytes()),
        partitions: topic.partitions.len(),
        is_internal: topic.is_internal,
    })
}

fn description(topic: MetadataResponseTopic) -> Option<(String, Result<TopicDescription, Error>)> {
    let name = topic.name?.to_string();
    if let Err(code) = ErrorCode(topic.error_code).check() {
        let error = Error::Topic {
            api: ApiKey::METADATA,
            topic: name.clone(),
            code,
            message: None,
            earlier_attempt_unanswered: false,
        };
        return Some((name, Err(error)));
    }
    let mut partitions: Vec<_> = topic.partitions.into_iter().map(partition).collect();
    partitions.sort_by_key(|partition| partition.index);
    let description = TopicDescription {
        name: name.clone(),
        id: TopicId(topic.topic_id.into_bytes()),
        is_internal: topic.is_internal,
        partitions,
    };
    Some((name, Ok(description)))
}

fn partition(partition: MetadataResponsePartition) -> PartitionDescription {
    let nodes = |ids: Vec<BrokerId>| ids.into_iter().map(|id| NodeId(id.0)).collect();
    let leader = partition.leader_id.0;
    PartitionDescription {
        index: partition.partition_index,
        leader: (leader >= 0).then_some(NodeId(leader)),
        leader_epoch: (partition.leader_epoch >= 0).then_some(partition.leader_epoch),
        replicas: nodes(partition.replica_nodes),
        in_sync_replicas: nodes(partition.isr_nodes),
        offline_replicas: nodes(partition.offline_replicas),
    }
}
