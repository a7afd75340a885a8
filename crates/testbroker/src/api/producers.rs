//! `DescribeProducers` (KIP-664).

use kafka_protocol::messages::describe_producers_request::TopicRequest;
use kafka_protocol::messages::describe_producers_response::{
    PartitionResponse, ProducerState, TopicResponse,
};
use kafka_protocol::messages::{DescribeProducersRequest, DescribeProducersResponse};

use super::list_offsets::led_here;
use super::{Call, Reply, Serve};
use crate::cluster::Cluster;

/// Clients do not say which leader epoch they believe in.
const ANY_EPOCH: i32 = -1;

impl Serve for DescribeProducersRequest {
    async fn serve(self, call: &Call<'_>) -> Reply<DescribeProducersResponse> {
        let cluster = call.shared.cluster();
        Reply::Answer(answer(&self.topics, |topic, partition| {
            producers(&cluster, call, topic, partition)
        }))
    }

    fn refuse(&self, _: &Call<'_>, code: i16) -> DescribeProducersResponse {
        answer(&self.topics, |_, _| {
            PartitionResponse::default().with_error_code(code)
        })
    }
}

fn answer(
    topics: &[TopicRequest],
    describe: impl Fn(&str, i32) -> PartitionResponse,
) -> DescribeProducersResponse {
    let topics = topics.iter().map(|topic| {
        let partitions = topic.partition_indexes.iter();
        let partitions = partitions
            .map(|index| describe(&topic.name, *index).with_partition_index(*index))
            .collect();
        TopicResponse::default()
            .with_name(topic.name.clone())
            .with_partitions(partitions)
    });
    DescribeProducersResponse::default().with_topics(topics.collect())
}

fn producers(cluster: &Cluster, call: &Call<'_>, topic: &str, partition: i32) -> PartitionResponse {
    let response = PartitionResponse::default();
    match led_here(cluster, call, topic, partition, ANY_EPOCH) {
        Ok(partition) => {
            let producers = partition.producers().map(|it| {
                ProducerState::default()
                    .with_producer_id(it.producer.id.into())
                    .with_producer_epoch(it.producer.epoch.into())
                    .with_last_sequence(it.last_sequence.unwrap_or(-1))
                    .with_last_timestamp(it.last_timestamp.unwrap_or(-1))
                    .with_coordinator_epoch(it.coordinator_epoch.unwrap_or(-1))
                    .with_current_txn_start_offset(it.open_since.unwrap_or(-1))
            });
            response.with_active_producers(producers.collect())
        }
        Err(error) => response.with_error_code(error.code()),
    }
}
