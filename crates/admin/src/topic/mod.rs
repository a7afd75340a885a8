//! Topics.

mod create;
mod delete;
mod describe;
mod results;

use klamm_codec::messages::{StrBytes, TopicName};

pub use self::create::{CreateTopics, CreatedTopic, NewTopic};
pub use self::describe::{PartitionDescription, TopicDescription, TopicListing};
pub use self::results::{TopicResult, TopicResults};

pub(crate) fn topic_name(name: &str) -> TopicName {
    TopicName(StrBytes::from_string(name.to_owned()))
}
