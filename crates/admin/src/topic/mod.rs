//! Topics.

mod create;
mod delete;
mod describe;
mod ensure;
mod partitions;

pub use self::create::{CreateTopics, CreatedTopic, NewTopic};
pub use self::describe::{DescribeTopics, PartitionDescription, TopicDescription, TopicListing};
pub use self::ensure::{EnsuredTopic, TopicDifference};
pub use self::partitions::{CreatePartitions, NewPartitions};
