//! Between klamm's types and those of the message crate.

use std::collections::BTreeMap;
use std::fmt;

use klamm_codec::messages::metadata_request::MetadataRequestTopic;
use klamm_codec::messages::{
    BrokerId, GroupId, MetadataRequest, StrBytes, TopicName, TransactionalId, Uuid,
};
use klamm_net::{NodeId, TopicId, TopicPartition};

pub(crate) fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

pub(crate) fn topic_name(name: &str) -> TopicName {
    TopicName(text(name))
}

pub(crate) fn group_id(group: &str) -> GroupId {
    GroupId(text(group))
}

pub(crate) fn transactional_id(id: &str) -> TransactionalId {
    TransactionalId(text(id))
}

/// `None` for the negative ids that stand for no broker.
pub(crate) fn node(id: i32) -> Option<NodeId> {
    (id >= 0).then_some(NodeId(id))
}

pub(crate) fn nodes(ids: &[BrokerId]) -> Vec<NodeId> {
    ids.iter().map(|id| NodeId(id.0)).collect()
}

pub(crate) fn topic_id(id: Uuid) -> TopicId {
    TopicId(id.into_bytes())
}

/// What is not empty.
pub(crate) fn some_text(text: &StrBytes) -> Option<String> {
    (!text.is_empty()).then(|| text.to_string())
}

pub(crate) fn optional_text(text: Option<&StrBytes>) -> Option<String> {
    text.map(ToString::to_string)
}

/// Partitions as requests want them: in one struct a topic.
pub(crate) fn by_topic<'a, T>(
    partitions: impl IntoIterator<Item = (&'a TopicPartition, T)>,
) -> BTreeMap<&'a str, Vec<(i32, T)>> {
    let mut topics: BTreeMap<&str, Vec<(i32, T)>> = BTreeMap::new();
    for (partition, value) in partitions {
        let topic = topics.entry(&partition.topic).or_default();
        topic.push((partition.partition, value));
    }
    topics
}

/// As [`by_topic`] with nothing to say about each.
pub(crate) fn indexes_by_topic<'a>(
    partitions: impl IntoIterator<Item = &'a TopicPartition>,
) -> impl Iterator<Item = (TopicName, Vec<i32>)> {
    by_topic(partitions.into_iter().map(|it| (it, ())))
        .into_iter()
        .map(|(topic, partitions)| {
            let indexes = partitions.into_iter().map(|(index, ())| index);
            (topic_name(topic), indexes.collect())
        })
}

/// Asks for topics by name, for none of them, or for all (`None`); never creates one.
pub(crate) fn metadata_request(topics: Option<&[String]>, version: i16) -> MetadataRequest {
    let topics = topics.map(|names| {
        let topic =
            |name: &String| MetadataRequestTopic::default().with_name(Some(topic_name(name)));
        names.iter().map(topic).collect()
    });
    let request = MetadataRequest::default().with_topics(topics);
    // Older versions have no such field, and brokers from 2.1 on speak newer ones.
    if version >= 4 {
        request.with_allow_auto_topic_creation(false)
    } else {
        request
    }
}

/// The key of a call with one answer: what it is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Whole(pub(crate) &'static str);

impl fmt::Display for Whole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}
