//! What is done to a cluster rather than with its records: topics, configurations, groups, and the
//! cluster itself.
//!
//! Owns: the requests of Kafka's admin protocol and what their answers mean, one module a resource.
//!
//! Does not: keep state. Metadata, connections and routing are those of the client's
//! [`Cluster`](klamm_net::Cluster); what is listed or described is asked for anew with every call.
//!
//! Invariants
//! - a call about several things reports on each of them: one failure hides no success
//! - every call ends by its timeout ([`Admin::timeout`])
//! - nothing is created because somebody asked about it

mod acl;
mod admin;
mod awaitable;
mod client_instance;
mod cluster;
mod config;
mod driver;
mod election;
mod error;
mod gathered;
mod group;
mod log_dir;
mod named;
mod numbered;
mod offset;
mod quota;
mod reassignment;
mod record;
mod results;
mod scram;
mod token;
mod topic;
mod transaction;
mod wire;

pub use acl::{Acl, AclFilter, AclOperation, AclPermission, AclResourceKind, PatternKind};
pub use admin::Admin;
pub use client_instance::ClientInstanceId;
pub use cluster::{
    ClusterDescription, DescribeCluster, DirectoryId, FeatureUpgrade, FeatureVersions, Features,
    Health, Quorum, QuorumListener, QuorumReplica, UpdateFeatures,
};
pub use config::{
    AlterConfigs, ConfigChange, ConfigEntry, ConfigResource, ConfigResourceKind, ConfigSource,
    ConfigSynonym, ConfigType, Configs, DescribeConfigs,
};
pub use election::ElectionType;
pub use error::Error;
pub use gathered::Gathered;
pub use group::{
    ClassicGroup, ClassicMember, CommittedOffset, ConsumerGroup, ConsumerGroupMember,
    DescribeGroups, GroupLag, GroupListing, GroupOffsets, GroupState, GroupType, ListGroupOffsets,
    ListGroups, MemberToRemove, PartitionLag, ShareGroup, ShareGroupMember, ShareGroupOffsets,
    ShareOffset,
};
pub use klamm_codec::{ApiKey, ErrorCode};
pub use klamm_net::{Broker, HostPort, NodeId, TopicId, TopicPartition};
pub use log_dir::{LogDir, LogDirs, Replica, ReplicaLog};
pub use offset::{IsolationLevel, ListOffsets, ListedOffset, OffsetSpec};
pub use quota::{AlterQuotas, QuotaChanges, QuotaEntity, QuotaFilter, Quotas};
pub use reassignment::{AlterReassignments, Reassignment};
pub use record::RecordsToDelete;
pub use results::Results;
pub use scram::{ScramChange, ScramCredential, ScramMechanism};
pub use token::{CreateToken, DelegationToken, Principal};
pub use topic::{
    CreatePartitions, CreateTopics, CreatedTopic, DescribeTopics, EnsuredTopic, NewPartitions,
    NewTopic, PartitionDescription, TopicDescription, TopicDifference, TopicListing,
};
pub use transaction::{
    FencedProducer, HangingTransaction, ListTransactions, ProducerState, TransactionDescription,
    TransactionListing, TransactionState,
};
