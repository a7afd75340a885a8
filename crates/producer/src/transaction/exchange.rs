//! What a transactional producer asks its coordinators, and what it hears from them.

use klamm_codec::{ApiKey, ErrorCode};
use klamm_net::{GroupMetadata, OffsetAndMetadata, TopicPartition};

use super::verdict::Asked;
use crate::idempotence::ProducerKey;

/// How transactions are spoken about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Protocol {
    /// Partitions and groups are added one by one, and the producer keeps its epoch.
    #[default]
    V1,
    /// They are added by being used, and each end bumps the epoch (KIP-890).
    V2,
}

impl Protocol {
    /// For the finalized level of `transaction.version`.
    pub(crate) const fn of_level(level: i16) -> Self {
        if level >= 2 { Self::V2 } else { Self::V1 }
    }
}

/// A request for a coordinator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// With the producer that it was, the next epoch of that (KIP-360). A coordinator that does not know such
    /// requests is not told of it, and gives the next epoch to whoever asks.
    InitProducerId {
        known: Option<ProducerKey>,
    },
    AddPartitions {
        producer: ProducerKey,
        partitions: Vec<TopicPartition>,
    },
    AddOffsets {
        producer: ProducerKey,
        group: String,
    },
    CommitOffsets {
        producer: ProducerKey,
        group: GroupMetadata,
        offsets: Vec<(TopicPartition, OffsetAndMetadata)>,
    },
    End {
        producer: ProducerKey,
        commit: bool,
    },
}

impl Request {
    pub(super) const fn asked(&self) -> Asked {
        match self {
            Self::InitProducerId { .. } => Asked::InitProducerId,
            Self::AddPartitions { .. } => Asked::AddPartitions,
            Self::AddOffsets { .. } => Asked::AddOffsets,
            Self::CommitOffsets { .. } => Asked::CommitOffsets,
            Self::End { .. } => Asked::EndTxn,
        }
    }

    pub(crate) const fn api(&self) -> ApiKey {
        match self {
            Self::InitProducerId { .. } => ApiKey::INIT_PRODUCER_ID,
            Self::AddPartitions { .. } => ApiKey::ADD_PARTITIONS_TO_TXN,
            Self::AddOffsets { .. } => ApiKey::ADD_OFFSETS_TO_TXN,
            Self::CommitOffsets { .. } => ApiKey::TXN_OFFSET_COMMIT,
            Self::End { .. } => ApiKey::END_TXN,
        }
    }
}

/// What a coordinator answered.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answer {
    /// What was refused, and why; empty if nothing was.
    pub(crate) refused: Vec<(String, ErrorCode)>,
    /// Who the producer is from now on.
    pub(crate) producer: Option<ProducerKey>,
}

/// What is known of the cluster when an answer comes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ClusterView {
    pub(crate) protocol: Protocol,
    /// The coordinator bumps the epoch of a producer that is known (KIP-360); none if the answer
    /// does not show it.
    pub(crate) can_bump: Option<bool>,
}
