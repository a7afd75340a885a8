//! What is done to a cluster rather than with its records: topics, and the cluster itself.
//!
//! Owns: the requests of Kafka's admin protocol and what their answers mean, one module a resource.
//!
//! Does not: keep state. Metadata, connections and routing are those of the client's
//! [`Cluster`](klamm_net::Cluster); what is listed or described is asked for anew with every call.
//!
//! Invariants
//! - a call about several things reports on each of them: one failure hides no success
//! - every call ends by its timeout ([`Admin::timeout`])
//! - nothing is created because somebody asked about it

mod admin;
mod cluster;
mod driver;
mod error;
mod topic;

pub use admin::Admin;
pub use cluster::ClusterDescription;
pub use error::Error;
pub use klamm_codec::{ApiKey, ErrorCode};
pub use klamm_net::{Broker, HostPort, NodeId, TopicId};
pub use topic::{
    CreateTopics, CreatedTopic, NewTopic, PartitionDescription, TopicDescription, TopicListing,
    TopicResult, TopicResults,
};
