//! Where records wait: one queue a partition, grouped by topic.

mod fill;
mod queue;
mod topic;
mod topics;

pub(crate) use fill::Fill;
pub(crate) use queue::{Append, AppendContext, Batch, PartitionQueue, QueueView};
pub(crate) use topic::{NoPartition, TopicQueues};
pub(crate) use topics::Topics;
