//! Where records wait: one queue a partition, grouped by topic.

mod fill;
mod queue;
mod topic;

pub(crate) use fill::Fill;
pub(crate) use queue::{Append, AppendContext, Batch, PartitionQueue, QueueView};
pub(crate) use topic::{TopicQueues, Topics};
