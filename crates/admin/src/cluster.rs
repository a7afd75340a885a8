//! The cluster: its id, brokers and controller.

use klamm_codec::messages::MetadataRequest;
use klamm_net::{Broker, NodeId};

use crate::admin::Admin;
use crate::error::Error;

/// A cluster as a broker describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClusterDescription {
    /// The cluster's id.
    pub cluster_id: Option<String>,
    /// The broker to send to what is the controller's; with `KRaft` any broker, which forwards it.
    pub controller: Option<NodeId>,
    /// All brokers, by id.
    pub brokers: Vec<Broker>,
}

impl Admin {
    /// The cluster's id, brokers and controller, asked for anew.
    ///
    /// # Errors
    /// [`Error::Net`] if no broker answered in time.
    pub async fn describe_cluster(&self) -> Result<ClusterDescription, Error> {
        let snapshot = self.cluster.refresh(self.deadline()).await?;
        Ok(ClusterDescription {
            cluster_id: snapshot.cluster_id.clone(),
            controller: snapshot.controller,
            brokers: snapshot.brokers.clone(),
        })
    }
}

/// Asks for topics by name, for none of them, or for all (`None`); never creates one.
pub(crate) fn metadata_request(topics: Option<&[String]>, version: i16) -> MetadataRequest {
    use klamm_codec::messages::metadata_request::MetadataRequestTopic;
    let topics = topics.map(|names| {
        let topic = |name: &String| {
            MetadataRequestTopic::default().with_name(Some(crate::topic::topic_name(name)))
        };
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
