//! Which brokers there are.

use klamm_codec::messages::{DescribeClusterRequest, DescribeClusterResponse};
use klamm_net::{Broker, HostPort, NodeId};

use crate::acl::{AclOperation, authorized_operations};
use crate::admin::Admin;
use crate::awaitable::awaitable;
use crate::driver::{Answers, Batch, Call, Target, drive_one};
use crate::error::Error;
use crate::wire::{Whole, node, optional_text};

/// The type of endpoint that controllers are, from version 1 of `DescribeCluster` on (KIP-919).
const CONTROLLERS: i8 = 2;
/// The first version of `DescribeCluster` that lists fenced brokers (KIP-1073).
const FENCED_VERSION: i16 = 2;

/// A cluster as a broker describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClusterDescription {
    /// The cluster's id.
    pub cluster_id: Option<String>,
    /// The broker to send to what is the controller's; with `KRaft` any broker, which forwards it.
    pub controller: Option<NodeId>,
    /// All brokers that take requests, by id; the controllers, where those are spoken with.
    pub brokers: Vec<Broker>,
    /// Brokers that are registered but take no requests, if they were asked for.
    pub fenced_brokers: Vec<Broker>,
    /// What this client may do with the cluster, if that was asked for.
    pub authorized_operations: Option<Vec<AclOperation>>,
}

/// The description of the cluster; happens when awaited. Made by [`Admin::describe_cluster`].
#[derive(Clone, Debug)]
#[must_use = "nothing is asked until it is awaited"]
pub struct DescribeCluster {
    admin: Admin,
    call: Describe,
}

impl Admin {
    /// The cluster's id, brokers and controller, asked for anew.
    ///
    /// # Errors
    /// [`Error::Net`] if no broker answered in time.
    ///
    /// # Examples
    /// ```
    /// # async fn show(admin: klamm_admin::Admin) -> Result<(), klamm_admin::Error> {
    /// for broker in admin.describe_cluster().await?.brokers {
    ///     println!("{} at {}", broker.node, broker.address);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn describe_cluster(&self) -> DescribeCluster {
        DescribeCluster {
            admin: self.clone(),
            call: Describe {
                controllers: self.cluster.is_of_controllers(),
                ..Describe::default()
            },
        }
    }
}

impl DescribeCluster {
    /// Also asks what this client may do with the cluster (KIP-430). Default: `false`.
    pub fn authorized_operations(mut self, ask: bool) -> Self {
        self.call.authorized_operations = ask;
        self
    }

    /// Also lists brokers that are registered but take no requests (KIP-1073, Kafka 4.0). Default:
    /// `false`.
    pub fn fenced_brokers(mut self, ask: bool) -> Self {
        self.call.fenced_brokers = ask;
        self
    }

    async fn run(self) -> Result<ClusterDescription, Error> {
        let must_be_new = self.call.fenced_brokers || self.call.authorized_operations;
        match drive_one(&self.admin, self.call, Whole("the cluster")).await {
            // Before Kafka 2.8 the metadata has it.
            Err(error) if error.is_unsupported() && !must_be_new => {
                let snapshot = self.admin.cluster.refresh(self.admin.deadline()).await?;
                Ok(ClusterDescription {
                    cluster_id: snapshot.cluster_id.clone(),
                    controller: snapshot.controller,
                    brokers: snapshot.brokers.clone(),
                    fenced_brokers: Vec::new(),
                    authorized_operations: None,
                })
            }
            described => described,
        }
    }
}

awaitable!(DescribeCluster => ClusterDescription);

#[derive(Clone, Debug, Default)]
struct Describe {
    controllers: bool,
    authorized_operations: bool,
    fenced_brokers: bool,
}

impl Call for Describe {
    const FOR_CONTROLLERS: bool = true;
    type Key = Whole;
    type Value = ClusterDescription;
    type Request = DescribeClusterRequest;

    fn target(&self, _: &Whole) -> Target {
        Target::Any
    }

    fn request(&self, batch: &Batch<Whole>) -> Result<DescribeClusterRequest, Error> {
        let mut request = DescribeClusterRequest::default()
            .with_include_cluster_authorized_operations(self.authorized_operations);
        if self.controllers {
            request = request.with_endpoint_type(CONTROLLERS);
        }
        if !self.fenced_brokers {
            return Ok(request);
        }
        batch.needs(FENCED_VERSION, "listing fenced brokers", "4.0 (KIP-1073)")?;
        Ok(request.with_include_fenced_brokers(true))
    }

    fn read(
        &self,
        batch: &Batch<Whole>,
        response: DescribeClusterResponse,
        answers: &mut Answers<Whole, ClusterDescription>,
    ) {
        answers.throttled(response.throttle_time_ms);
        let key = batch.keys[0].clone();
        let code = response.error_code;
        answers.answer(key, code, response.error_message.clone(), || {
            description(response)
        });
    }
}

fn description(response: DescribeClusterResponse) -> ClusterDescription {
    let mut brokers = Vec::new();
    let mut fenced_brokers = Vec::new();
    for broker in response.brokers {
        let described = Broker {
            node: NodeId(broker.broker_id.0),
            address: HostPort {
                host: broker.host.to_string(),
                port: u16::try_from(broker.port).unwrap_or(0),
            },
            rack: optional_text(broker.rack.as_ref()),
        };
        if broker.is_fenced {
            fenced_brokers.push(described);
        } else {
            brokers.push(described);
        }
    }
    brokers.sort_by_key(|broker| broker.node);
    fenced_brokers.sort_by_key(|broker| broker.node);
    ClusterDescription {
        cluster_id: Some(response.cluster_id.to_string()),
        controller: node(response.controller_id.0),
        brokers,
        fenced_brokers,
        authorized_operations: authorized_operations(response.cluster_authorized_operations),
    }
}
