//! Where records wait: one queue a partition, grouped by topic.

mod queue;
mod topic;

pub(crate) use queue::{Append, AppendContext, Batch, PartitionQueue, QueueView};
pub(crate) use topic::{TopicQueues, Topics};
