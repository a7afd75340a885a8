//! `AddPartitionsToTxn`, `AddOffsetsToTxn`, `TxnOffsetCommit`, `EndTxn` (KIP-98, KIP-447, KIP-890).

use kafka_protocol::ResponseError;
use kafka_protocol::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use kafka_protocol::messages::add_partitions_to_txn_response::{
    AddPartitionsToTxnPartitionResult, AddPartitionsToTxnTopicResult,
};
use kafka_protocol::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use kafka_protocol::messages::txn_offset_commit_response::{
    TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic,
};
use kafka_protocol::messages::{
    AddOffsetsToTxnRequest, AddOffsetsToTxnResponse, AddPartitionsToTxnRequest,
    AddPartitionsToTxnResponse, EndTxnRequest, EndTxnResponse, ProducerId, TxnOffsetCommitRequest,
    TxnOffsetCommitResponse,
};
use tokio::time::Instant;

use super::membership::{caller, check_coordinator};
use super::{Call, Reply, Serve, code};
use crate::coordinator::CommittedOffset;
use crate::transaction::{Ended, Producer};

/// Brokers ask on behalf of producers from this version on; clients do not.
const BROKERS_SINCE: i16 = 4;
/// `PRODUCER_FENCED` is known from these versions on (KIP-588).
const ADD_FENCED_SINCE: i16 = 2;
const END_FENCED_SINCE: i16 = 2;
/// The end of a transaction bumps the epoch from this version on (KIP-890).
const BUMPS_SINCE: i16 = 5;
/// A commit of offsets adds the group to the transaction from this version on (KIP-890).
const ADDS_GROUP_SINCE: i16 = 5;
/// Kafka's default of `offset.metadata.max.bytes`.
const METADATA_BYTES_MAX: usize = 4096;

/// The error for a client that may not know the newer one.
fn known(error: ResponseError, knows_fenced: bool) -> ResponseError {
    match error {
        ResponseError::ProducerFenced if !knows_fenced => ResponseError::InvalidProducerEpoch,
        other => other,
    }
}

impl Serve for AddPartitionsToTxnRequest {
    async fn serve(self, call: &Call<'_>) -> Reply<AddPartitionsToTxnResponse> {
        if call.version >= BROKERS_SINCE {
            let code = ResponseError::ClusterAuthorizationFailed.code();
            return Reply::Answer(AddPartitionsToTxnResponse::default().with_error_code(code));
        }
        let mut cluster = call.shared.cluster();
        let name = &self.v3_and_below_transactional_id;
        let topics = &self.v3_and_below_topics;
        let is_known = |topic: &AddPartitionsToTxnTopic, partition: i32| {
            cluster.partition(&topic.name, partition).is_ok()
        };
        let all_known = topics
            .iter()
            .all(|topic| topic.partitions.iter().all(|at| is_known(topic, *at)));
        if !all_known {
            let judged = |topic: &AddPartitionsToTxnTopic, partition| {
                if is_known(topic, partition) {
                    ResponseError::OperationNotAttempted.code()
                } else {
                    ResponseError::UnknownTopicOrPartition.code()
                }
            };
            return Reply::Answer(added(topics, judged));
        }
        let partitions: Vec<_> = topics
            .iter()
            .flat_map(|topic| {
                let name = topic.name.to_string();
                topic.partitions.iter().map(move |at| (name.clone(), *at))
            })
            .collect();
        let producer = Producer {
            id: self.v3_and_below_producer_id.0,
            epoch: self.v3_and_below_producer_epoch,
        };
        let result = check_coordinator(&cluster, call, name).and_then(|()| {
            let transactions = &mut cluster.transactions;
            transactions.add(Instant::now(), name, producer, partitions, [])
        });
        drop(cluster);
        call.shared.timers_moved.notify_one();
        let result = result.map_err(|error| known(error, call.version >= ADD_FENCED_SINCE));
        Reply::Answer(added(topics, |_, _| code(result)))
    }

    fn refuse(&self, call: &Call<'_>, code: i16) -> AddPartitionsToTxnResponse {
        if call.version >= BROKERS_SINCE {
            return AddPartitionsToTxnResponse::default().with_error_code(code);
        }
        added(&self.v3_and_below_topics, |_, _| code)
    }
}

fn added(
    topics: &[AddPartitionsToTxnTopic],
    code: impl Fn(&AddPartitionsToTxnTopic, i32) -> i16,
) -> AddPartitionsToTxnResponse {
    let topics = topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|partition| {
            AddPartitionsToTxnPartitionResult::default()
                .with_partition_index(*partition)
                .with_partition_error_code(code(topic, *partition))
        });
        AddPartitionsToTxnTopicResult::default()
            .with_name(topic.name.clone())
            .with_results_by_partition(partitions.collect())
    });
    AddPartitionsToTxnResponse::default().with_results_by_topic_v3_and_below(topics.collect())
}

impl Serve for AddOffsetsToTxnRequest {
    async fn serve(self, call: &Call<'_>) -> Reply<AddOffsetsToTxnResponse> {
        let producer = Producer {
            id: self.producer_id.0,
            epoch: self.producer_epoch,
        };
        let name = &self.transactional_id;
        let mut cluster = call.shared.cluster();
        let result = check_coordinator(&cluster, call, name).and_then(|()| {
            let group = [self.group_id.to_string()];
            let transactions = &mut cluster.transactions;
            transactions.add(Instant::now(), name, producer, [], group)
        });
        drop(cluster);
        call.shared.timers_moved.notify_one();
        let result = result.map_err(|error| known(error, call.version >= ADD_FENCED_SINCE));
        Reply::Answer(self.refuse(call, code(result)))
    }

    fn refuse(&self, _: &Call<'_>, code: i16) -> AddOffsetsToTxnResponse {
        AddOffsetsToTxnResponse::default().with_error_code(code)
    }
}

impl Serve for EndTxnRequest {
    async fn serve(self, call: &Call<'_>) -> Reply<EndTxnResponse> {
        let producer = Producer {
            id: self.producer_id.0,
            epoch: self.producer_epoch,
        };
        let bumps = call.version >= BUMPS_SINCE;
        let name = &self.transactional_id;
        let mut cluster = call.shared.cluster();
        let ended = check_coordinator(&cluster, call, name).and_then(|()| {
            cluster
                .transactions
                .end(name, producer, self.committed, bumps)
        });
        let ended = match ended {
            Ok(ended) => ended,
            Err(error) => {
                let error = known(error, call.version >= END_FENCED_SINCE);
                return Reply::Answer(self.refuse(call, error.code()));
            }
        };
        let Ended { producer, ending } = ended;
        if let Some(ending) = &ending {
            cluster.write_ending(ending);
        }
        drop(cluster);
        call.shared.changed.notify_waiters();
        let response = EndTxnResponse::default();
        Reply::Answer(if bumps {
            response
                .with_producer_id(ProducerId(producer.id))
                .with_producer_epoch(producer.epoch)
        } else {
            response
        })
    }

    fn refuse(&self, _: &Call<'_>, code: i16) -> EndTxnResponse {
        EndTxnResponse::default().with_error_code(code)
    }
}

impl Serve for TxnOffsetCommitRequest {
    async fn serve(self, call: &Call<'_>) -> Reply<TxnOffsetCommitResponse> {
        match commit_offsets(&self, call) {
            Ok(response) => {
                call.shared.timers_moved.notify_one();
                Reply::Answer(response)
            }
            Err(error) => Reply::Answer(self.refuse(call, error.code())),
        }
    }

    fn refuse(&self, _: &Call<'_>, code: i16) -> TxnOffsetCommitResponse {
        committed(&self.topics, |_, _| code)
    }
}

fn commit_offsets(
    request: &TxnOffsetCommitRequest,
    call: &Call<'_>,
) -> Result<TxnOffsetCommitResponse, ResponseError> {
    let mut cluster = call.shared.cluster();
    check_coordinator(&cluster, call, &request.group_id)?;
    let producer = Producer {
        id: request.producer_id.0,
        epoch: request.producer_epoch,
    };
    let name = &request.transactional_id;
    let group = request.group_id.to_string();
    let joined = if call.version >= ADDS_GROUP_SINCE {
        let transactions = &mut cluster.transactions;
        transactions.add(Instant::now(), name, producer, [], [group.clone()])
    } else {
        cluster
            .transactions
            .has_group(name, producer, &group)
            .and_then(|has| has.then_some(()).ok_or(ResponseError::InvalidTxnState))
    };
    // So says the group's coordinator what the transaction's told it.
    joined.map_err(|error| known(error, false))?;
    let caller = caller(
        &request.member_id,
        request.group_instance_id.as_ref(),
        request.generation_id,
    );
    let check = |topic: &TxnOffsetCommitRequestTopic,
                 partition: &TxnOffsetCommitRequestPartition| {
        let metadata = partition.committed_metadata.as_ref();
        cluster.partition(&topic.name, partition.partition_index)?;
        if metadata.map_or(0, |metadata| metadata.len()) <= METADATA_BYTES_MAX {
            Ok(())
        } else {
            Err(ResponseError::OffsetMetadataTooLarge)
        }
    };
    let checked = committed(&request.topics, |topic, partition| {
        code(check(topic, partition))
    });
    let offsets =
        cluster
            .coordinator
            .commit_in_transaction(Instant::now(), &group, &caller, producer.id)?;
    for (topic, answers) in request.topics.iter().zip(&checked.topics) {
        for (partition, answer) in topic.partitions.iter().zip(&answers.partitions) {
            if answer.error_code != 0 {
                continue;
            }
            let metadata = partition.committed_metadata.as_ref();
            let offset = CommittedOffset {
                offset: partition.committed_offset,
                leader_epoch: partition.committed_leader_epoch,
                metadata: metadata.map(ToString::to_string).unwrap_or_default(),
            };
            offsets.insert((topic.name.to_string(), partition.partition_index), offset);
        }
    }
    Ok(checked)
}

fn committed(
    topics: &[TxnOffsetCommitRequestTopic],
    code: impl Fn(&TxnOffsetCommitRequestTopic, &TxnOffsetCommitRequestPartition) -> i16,
) -> TxnOffsetCommitResponse {
    let topics = topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|partition| {
            TxnOffsetCommitResponsePartition::default()
                .with_partition_index(partition.partition_index)
                .with_error_code(code(topic, partition))
        });
        TxnOffsetCommitResponseTopic::default()
            .with_name(topic.name.clone())
            .with_partitions(partitions.collect())
    });
    TxnOffsetCommitResponse::default().with_topics(topics.collect())
}
