//! Requests to the coordinators, and their answers; one attempt each.
//!
//! `TxnOffsetCommit` is sent up to version 5, the newest that the message crate has. Version 6 (KIP-1319, Kafka 4.4)
//! says the same with topic ids in place of names; brokers of 4.4 take 5 as well.

use klamm_codec::api::Request as WireRequest;
use klamm_codec::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use klamm_codec::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use klamm_codec::messages::{
    AddOffsetsToTxnRequest, AddPartitionsToTxnRequest, EndTxnRequest, GroupId,
    InitProducerIdRequest, ProducerId, StrBytes, TopicName, TransactionalId,
    TxnOffsetCommitRequest,
};
use klamm_codec::{ApiKey, ErrorCode, VersionRange};
use klamm_net::{
    Cluster, Connection, CoordinatorKind, Error, GroupMetadata, Lane, OffsetAndMetadata,
    TopicPartition,
};
use tokio::time::Instant;

use super::exchange::{Answer, ClusterView, Protocol, Request};
use crate::config::Settings;
use crate::idempotence::ProducerKey;

/// The feature whose level says which protocol the cluster wants (KIP-890).
const FEATURE: &str = "transaction.version";
/// A producer that is known gets the next epoch from this version on (KIP-360).
const BUMPS_KNOWN_SINCE: i16 = 3;
/// Clients add one transaction's partitions at a time; newer versions are for brokers.
const ADD_PARTITIONS_UNTIL: i16 = 3;
/// KIP-447: which member of the group commits is told from this version on.
const MEMBER_SINCE: i16 = 3;
/// A leader epoch can be committed from this version on (KIP-320).
const LEADER_EPOCH_SINCE: i16 = 2;

/// Asks the coordinator that `request` is for.
///
/// # Cancel safety
/// A request on its way may still be processed.
pub(crate) async fn ask(
    cluster: &Cluster,
    settings: &Settings,
    request: &Request,
    protocol: Protocol,
) -> (Result<Answer, Error>, ClusterView) {
    let call = Call {
        cluster,
        settings,
        transactional_id: settings
            .config
            .transactional_id
            .as_deref()
            .unwrap_or_default(),
        protocol,
    };
    let mut can_bump = None;
    let answer = call.ask(request, &mut can_bump).await;
    let level = cluster.finalized_features().level(FEATURE);
    let view = ClusterView {
        protocol: Protocol::of_level(level),
        can_bump,
    };
    (answer, view)
}

struct Call<'a> {
    cluster: &'a Cluster,
    settings: &'a Settings,
    transactional_id: &'a str,
    protocol: Protocol,
}

impl Call<'_> {
    async fn ask(&self, request: &Request, can_bump: &mut Option<bool>) -> Result<Answer, Error> {
        let (kind, key) = match request {
            Request::CommitOffsets { group, .. } => (CoordinatorKind::Group, &*group.group_id),
            _ => (CoordinatorKind::Transaction, self.transactional_id),
        };
        let deadline = Instant::now() + self.settings.request_timeout;
        let connecting = self
            .cluster
            .coordinator_connection(kind, key, Lane::Group, deadline);
        let connection = connecting.await?;
        if kind == CoordinatorKind::Transaction {
            let version = connection.version(ApiKey::INIT_PRODUCER_ID)?;
            *can_bump = Some(version >= BUMPS_KNOWN_SINCE);
        }
        let version = self.version(&connection, request.api())?;
        match request {
            Request::InitProducerId { known } => {
                let wire = self.init_producer_id(*known, version);
                let response = self.send(&connection, version, &wire).await?;
                let producer = ProducerKey {
                    id: response.producer_id.0,
                    epoch: response.producer_epoch,
                };
                Ok(self.answer(response.error_code, Some(producer)))
            }
            Request::AddPartitions {
                producer,
                partitions,
            } => {
                let wire = self.add_partitions(*producer, partitions);
                let response = self.send(&connection, version, &wire).await?;
                let topics = response.results_by_topic_v3_and_below.iter();
                let codes = topics.flat_map(|topic| {
                    let partitions = topic.results_by_partition.iter();
                    partitions.map(|at| (&topic.name, at.partition_index, at.partition_error_code))
                });
                Ok(partition_answer(codes))
            }
            Request::AddOffsets { producer, group } => {
                let wire = AddOffsetsToTxnRequest::default()
                    .with_transactional_id(self.id())
                    .with_producer_id(ProducerId(producer.id))
                    .with_producer_epoch(producer.epoch)
                    .with_group_id(GroupId(text(group)));
                let response = self.send(&connection, version, &wire).await?;
                Ok(self.answer(response.error_code, None))
            }
            Request::CommitOffsets {
                producer,
                group,
                offsets,
            } => {
                let wire = self.commit_offsets(*producer, group, offsets, version);
                let response = self.send(&connection, version, &wire).await?;
                let codes = response.topics.iter().flat_map(|topic| {
                    let partitions = topic.partitions.iter();
                    partitions.map(|at| (&topic.name, at.partition_index, at.error_code))
                });
                Ok(partition_answer(codes))
            }
            Request::End { producer, commit } => {
                let wire = EndTxnRequest::default()
                    .with_transactional_id(self.id())
                    .with_producer_id(ProducerId(producer.id))
                    .with_producer_epoch(producer.epoch)
                    .with_committed(*commit);
                let response = self.send(&connection, version, &wire).await?;
                let id = response.producer_id.0;
                let next = ProducerKey {
                    id,
                    epoch: response.producer_epoch,
                };
                let is_told = version >= 5 && id >= 0;
                Ok(self.answer(response.error_code, is_told.then_some(next)))
            }
        }
    }

    /// The version to use: both protocols have versions of their own, and one that means the other
    /// would be worse than none.
    fn version(&self, connection: &Connection, api: ApiKey) -> Result<i16, Error> {
        let version = connection.version(api)?;
        let (cap, least) = match (api, self.protocol) {
            (ApiKey::ADD_PARTITIONS_TO_TXN, _) => (ADD_PARTITIONS_UNTIL, 0),
            (ApiKey::END_TXN | ApiKey::TXN_OFFSET_COMMIT, Protocol::V1) => (4, 0),
            (ApiKey::END_TXN | ApiKey::TXN_OFFSET_COMMIT, Protocol::V2) => (i16::MAX, 5),
            _ => (i16::MAX, 0),
        };
        let version = version.min(cap);
        if version >= least {
            return Ok(version);
        }
        Err(Error::UnsupportedVersion {
            api,
            broker: connection.address().to_owned(),
            ours: VersionRange {
                min: least,
                max: cap,
            },
            theirs: Some(VersionRange {
                min: 0,
                max: version,
            }),
        })
    }

    async fn send<R: WireRequest>(
        &self,
        connection: &Connection,
        version: i16,
        request: &R,
    ) -> Result<R::Response, Error> {
        let timeout = self.settings.request_timeout;
        connection.request(request, version, timeout).await
    }

    fn id(&self) -> TransactionalId {
        TransactionalId(text(self.transactional_id))
    }

    fn answer(&self, code: i16, producer: Option<ProducerKey>) -> Answer {
        let code = ErrorCode(code);
        let about = format!("transactional id {}", self.transactional_id);
        Answer {
            refused: if code.is_none() {
                Vec::new()
            } else {
                vec![(about, code)]
            },
            producer: producer.filter(|_| code.is_none()),
        }
    }

    fn init_producer_id(&self, known: Option<ProducerKey>, version: i16) -> InitProducerIdRequest {
        let timeout = self.settings.config.transaction_timeout.as_millis();
        let request = InitProducerIdRequest::default()
            .with_transactional_id(Some(self.id()))
            .with_transaction_timeout_ms(i32::try_from(timeout).unwrap_or(i32::MAX));
        let known = known.filter(|_| version >= BUMPS_KNOWN_SINCE);
        match known {
            Some(known) => request
                .with_producer_id(ProducerId(known.id))
                .with_producer_epoch(known.epoch),
            None => request,
        }
    }

    fn add_partitions(
        &self,
        producer: ProducerKey,
        partitions: &[TopicPartition],
    ) -> AddPartitionsToTxnRequest {
        let partitions = partitions.iter().map(|at| (at, ()));
        let topics = by_topic(partitions).into_iter().map(|(topic, indexes)| {
            AddPartitionsToTxnTopic::default()
                .with_name(TopicName(text(topic)))
                .with_partitions(indexes.into_iter().map(|(index, ())| index).collect())
        });
        AddPartitionsToTxnRequest::default()
            .with_v3_and_below_transactional_id(self.id())
            .with_v3_and_below_producer_id(ProducerId(producer.id))
            .with_v3_and_below_producer_epoch(producer.epoch)
            .with_v3_and_below_topics(topics.collect())
    }

    fn commit_offsets(
        &self,
        producer: ProducerKey,
        group: &GroupMetadata,
        offsets: &[(TopicPartition, OffsetAndMetadata)],
        version: i16,
    ) -> TxnOffsetCommitRequest {
        let offsets = offsets.iter().map(|(at, offset)| (at, offset));
        let topics = by_topic(offsets).into_iter().map(|(topic, offsets)| {
            let partition = |(index, offset): (i32, &OffsetAndMetadata)| {
                let partition = TxnOffsetCommitRequestPartition::default()
                    .with_partition_index(index)
                    .with_committed_offset(offset.offset)
                    .with_committed_metadata(Some(text(&offset.metadata)));
                if version >= LEADER_EPOCH_SINCE {
                    partition.with_committed_leader_epoch(offset.leader_epoch.unwrap_or(-1))
                } else {
                    partition
                }
            };
            TxnOffsetCommitRequestTopic::default()
                .with_name(TopicName(text(topic)))
                .with_partitions(offsets.into_iter().map(partition).collect())
        });
        let request = TxnOffsetCommitRequest::default()
            .with_transactional_id(self.id())
            .with_group_id(GroupId(text(&group.group_id)))
            .with_producer_id(ProducerId(producer.id))
            .with_producer_epoch(producer.epoch)
            .with_topics(topics.collect());
        if version < MEMBER_SINCE {
            return request;
        }
        request
            .with_generation_id(group.generation)
            .with_member_id(text(&group.member_id))
            .with_group_instance_id(group.instance_id.as_deref().map(text))
    }
}

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

fn partition_answer<'a>(codes: impl Iterator<Item = (&'a TopicName, i32, i16)>) -> Answer {
    let refused = codes.filter(|(.., code)| *code != 0);
    let refused = refused.map(|(topic, partition, code)| {
        let partition = TopicPartition::new(topic.as_str(), partition);
        (partition.to_string(), ErrorCode(code))
    });
    Answer {
        refused: refused.collect(),
        producer: None,
    }
}

/// Partitions by topic, in the order of the topics' first appearance.
fn by_topic<'a, T>(
    partitions: impl Iterator<Item = (&'a TopicPartition, T)>,
) -> Vec<(&'a str, Vec<(i32, T)>)> {
    let mut topics: Vec<(&str, Vec<(i32, T)>)> = Vec::new();
    for (partition, value) in partitions {
        let entry = (partition.partition, value);
        match topics
            .iter_mut()
            .find(|(topic, _)| **topic == *partition.topic)
        {
            Some((_, partitions)) => partitions.push(entry),
            None => topics.push((&partition.topic, vec![entry])),
        }
    }
    topics
}
