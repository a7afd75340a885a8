//! The consumer of the klamm Kafka client.
//!
//! Owns: positions and fetching ahead, membership in consumer groups, committed offsets, and what
//! an application sees of them.
//!
//! Does not: open sockets or keep metadata (`klamm-net`), or decode bytes (`klamm-codec`).
//!
//! The thinking is sans-I/O (`group::classic`, `group::next_gen`, `fetch`, `assign`); two tasks carry it out; the
//! application's thread opens the batches.

mod assign;
mod config;
mod consumer;
mod error;
mod faults;
mod fetch;
mod group;
mod interceptor;
mod jobs;
mod offset;
mod records;
mod shared;

pub use assign::{
    AssignableTopic, AssignableTopics, Assignor, CooperativeStickyAssignor, GroupMember,
    LastAssignment, RangeAssignor, RoundRobinAssignor, StickyAssignor,
};
pub use config::{ConsumerBuilder, ConsumerConfig, GroupProtocol, IsolationLevel, OffsetReset};
pub use consumer::{
    CloseOptions, Consumer, ConsumerStats, GroupMembershipOperation, MessageStream, PartitionStats,
    PendingCommit,
};
pub use error::Error;
pub use group::listener::{Rebalance, RebalanceListener};
pub use interceptor::Interceptor;
pub use klamm_codec::batch::{Header, Headers};
pub use klamm_net::TopicPartition;
pub use offset::{OffsetAndMetadata, OffsetAndTimestamp};
pub use records::{ConsumerRecord, Iter, Message, PartitionRecords, Records};
