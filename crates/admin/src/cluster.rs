//! The cluster: its id, brokers and controller.

use klamm_codec::messages::{MetadataRequest, MetadataResponse};
use klamm_net::{Broker, HostPort, NodeId, Route, Verdict};

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
        let brokers_only = |version| metadata_request(Some(&[]), version);
        let response = self
            .cluster
            .call(&Route::Any, self.deadline(), brokers_only, |_| {
                Verdict::Done
            })
            .await?;
        Ok(description(response))
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

fn description(response: MetadataResponse) -> ClusterDescription {
    let mut brokers: Vec<_> = response
        .brokers
        .into_iter()
        .filter_map(|broker| {
            Some(Broker {
                node: NodeId(broker.node_id.0),
                address: HostPort {
                    host: broker.host.to_string(),
                    port: u16::try_from(broker.port).ok()?,
                },
                rack: broker.rack.map(|rack| rack.to_string()),
            })
        })
        .collect();
    brokers.sort_by_key(|broker| broker.node);
    let controller = response.controller_id.0;
    ClusterDescription {
        cluster_id: response.cluster_id.map(|id| id.to_string()),
        controller: (controller >= 0).then_some(NodeId(controller)),
        brokers,
    }
}
