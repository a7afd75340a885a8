//! From the options to a client, a producer, a consumer.

use klamm::config::{PropertySet, Role};
use klamm::{Client, ConsumerBuilder, ProducerBuilder, TopicPartition};

use crate::args::ClusterArgs;
use crate::failure::{Failure, note};

/// Where the cluster is if nobody says.
const DEFAULT_BOOTSTRAP: &str = "localhost:9092";

/// A connected client and the properties it was made from.
pub(crate) struct Session {
    pub(crate) client: Client,
    properties: Vec<(String, String)>,
}

impl Session {
    /// Checks the properties for what the command is going to be, says once what is odd about them,
    /// and connects. Properties later in `own` or on the command line win.
    pub(crate) async fn open(
        cluster: ClusterArgs,
        role: Role,
        own: Vec<(String, String)>,
    ) -> Result<Self, Failure> {
        let bootstrap = match cluster.bootstrap_server {
            Some(bootstrap) => Some(bootstrap),
            None => {
                let set = |(name, _): &(String, String)| name == "bootstrap.servers";
                let is_set = cluster.properties.iter().any(set);
                (!is_set).then(|| DEFAULT_BOOTSTRAP.to_owned())
            }
        };
        let mut properties = own;
        properties.extend(cluster.properties);
        properties.extend(bootstrap.map(|it| ("bootstrap.servers".to_owned(), it)));
        let set = PropertySet::parse(role, borrowed(&properties))?;
        for warning in set.warnings() {
            note(format_args!("warning: {warning}"));
        }
        let client = Client::from_properties(borrowed(&properties)).await?;
        Ok(Self { client, properties })
    }

    pub(crate) fn producer(&self) -> Result<ProducerBuilder, Failure> {
        Ok(self
            .client
            .producer_from_properties(borrowed(&self.properties))?)
    }

    pub(crate) fn consumer(&self) -> Result<ConsumerBuilder, Failure> {
        Ok(self
            .client
            .consumer_from_properties(borrowed(&self.properties))?)
    }

    /// The group to consume in, if there is one.
    pub(crate) fn group(&self) -> Option<&str> {
        let (_, group) = self
            .properties
            .iter()
            .rfind(|(name, _)| name == "group.id")?;
        Some(group)
    }

    /// The partitions of a topic, which has to exist.
    pub(crate) async fn partitions(&self, topic: &str) -> Result<Vec<TopicPartition>, Failure> {
        let admin = self.client.admin();
        let described = admin.describe_topics([topic]).await?.all()?;
        let partitions = described.into_iter().flat_map(|topic| topic.partitions);
        Ok(partitions
            .map(|partition| TopicPartition::new(topic, partition.index))
            .collect())
    }
}

fn borrowed(properties: &[(String, String)]) -> impl Iterator<Item = (&str, &str)> {
    properties
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
}
