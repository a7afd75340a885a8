//! Metadata.

use std::collections::HashSet;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::{MetadataRequest, MetadataResponse};

use super::{Call, Reply, Serve, text, topic_name};
use crate::cluster::Cluster;
use crate::topic::{Topic, TopicConfig, TopicId, name_is_valid};

impl Serve for MetadataRequest {
    async fn serve(self, call: &Call<'_>) -> Reply<MetadataResponse> {
        let mut cluster = call.shared.cluster();
        let mut response = about_brokers(&cluster);
        let asks_by_id = |request: &Self| {
            request
                .topics
                .iter()
                .flatten()
                .any(|topic| topic.name.is_none() || !topic.topic_id.is_nil())
        };
        if (10..12).contains(&call.version) && asks_by_id(&self) {
            drop(cluster);
            return Reply::Answer(self.refuse(call, ResponseError::InvalidRequest.code()));
        }
        let by_id = call.version >= 12 && asks_by_id(&self);
        response.topics = match self.topics {
            // Version 0 cannot say null; all is said by the empty list.
            None => all_topics(&cluster),
            Some(topics) if topics.is_empty() && call.version == 0 => all_topics(&cluster),
            Some(topics) if by_id => topics
                .into_iter()
                .map(|topic| by_topic_id(&cluster, TopicId(topic.topic_id.into_bytes())))
                .collect(),
            Some(topics) => {
                let may_create = self.allow_auto_topic_creation || call.version < 4;
                let names = topics.into_iter().filter_map(|topic| topic.name);
                // Kafka makes a set of them.
                let mut seen = HashSet::new();
                names
                    .filter(|name| seen.insert(name.clone()))
                    .map(|name| by_name(&mut cluster, &name, may_create))
                    .collect()
            }
        };
        Reply::Answer(response)
    }

    fn refuse(&self, call: &Call<'_>, code: i16) -> MetadataResponse {
        let cluster = call.shared.cluster();
        let mut response = about_brokers(&cluster);
        if call.version >= 13 {
            response.error_code = code;
        }
        let refused = |name, topic_id: TopicId| {
            let topic = MetadataResponseTopic::default()
                .with_error_code(code)
                .with_name(name);
            topic.with_topic_id(topic_id.to_wire())
        };
        response.topics = match &self.topics {
            Some(topics) => {
                let empty = || Some(topic_name("")).filter(|_| call.version < 12);
                let refused = |topic: &MetadataRequestTopic| {
                    refused(
                        topic.name.clone().or_else(empty),
                        TopicId(topic.topic_id.into_bytes()),
                    )
                };
                topics.iter().map(refused).collect()
            }
            None => cluster
                .topics()
                .map(|(name, topic)| refused(Some(topic_name(name)), topic.id))
                .collect(),
        };
        response
    }
}

fn about_brokers(cluster: &Cluster) -> MetadataResponse {
    let broker = |node: &crate::cluster::Node| {
        let broker = MetadataResponseBroker::default().with_node_id(node.id);
        broker
            .with_host(text(&node.host))
            .with_port(i32::from(node.port))
    };
    let unfenced = cluster.nodes.iter().filter(|node| !node.is_fenced);
    MetadataResponse::default()
        .with_brokers(unfenced.map(broker).collect())
        .with_cluster_id(Some(text(&cluster.id)))
        .with_controller_id(cluster.nodes[0].id)
}

fn all_topics(cluster: &Cluster) -> Vec<MetadataResponseTopic> {
    cluster
        .topics()
        .map(|(name, topic)| describe(name, topic))
        .collect()
}

fn by_topic_id(cluster: &Cluster, id: TopicId) -> MetadataResponseTopic {
    let found = cluster
        .topic_name(id)
        .and_then(|name| Some(describe(name, cluster.topic(name)?)));
    found.unwrap_or_else(|| {
        let topic =
            MetadataResponseTopic::default().with_error_code(ResponseError::UnknownTopicId.code());
        topic.with_topic_id(id.to_wire())
    })
}

fn by_name(cluster: &mut Cluster, name: &str, may_create: bool) -> MetadataResponseTopic {
    if let Some(topic) = cluster.topic(name) {
        return describe(name, topic);
    }
    let error = if !name_is_valid(name) {
        ResponseError::InvalidTopicException
    } else if may_create && cluster.options.auto_create_topics {
        // Since KRaft the request that makes a topic learns only that there is none; the next one
        // sees it.
        let partitions = cluster.options.partitions_default;
        match cluster.create_topic(name, partitions, None, TopicConfig::default()) {
            Ok(_) => ResponseError::UnknownTopicOrPartition,
            Err(error) => error,
        }
    } else {
        ResponseError::UnknownTopicOrPartition
    };
    MetadataResponseTopic::default()
        .with_error_code(error.code())
        .with_name(Some(topic_name(name)))
}

fn describe(name: &str, topic: &Topic) -> MetadataResponseTopic {
    let partition = |(index, partition): (usize, &crate::topic::Partition)| {
        MetadataResponsePartition::default()
            .with_partition_index(index as i32)
            .with_leader_id(partition.leader)
            .with_leader_epoch(partition.leader_epoch)
            .with_replica_nodes(partition.replicas.clone())
            .with_isr_nodes(partition.replicas.clone())
    };
    MetadataResponseTopic::default()
        .with_name(Some(topic_name(name)))
        .with_topic_id(topic.id.to_wire())
        .with_partitions(topic.partitions.iter().enumerate().map(partition).collect())
}
