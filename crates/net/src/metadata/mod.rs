//! The cluster as it is now: brokers, topics in use, partition leaders.

mod controllers;
mod refresh;
mod request;
mod snapshot;

pub(crate) use refresh::{FAILOVER, Refresher, SnapshotSender, TopicsInUse, ask};
pub(crate) use snapshot::Answer;
pub use snapshot::{Broker, ClusterSnapshot, LeaderHint, Partition, Topic};
