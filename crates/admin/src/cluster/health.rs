//! Whether the cluster is there and well.

use std::time::{Duration, Instant};

use klamm_codec::messages::{ApiVersionsRequest, ApiVersionsResponse};
use klamm_net::NodeId;

use crate::admin::Admin;
use crate::driver::{Answers, Batch, Call, Target, drive, drive_one};
use crate::error::Error;
use crate::results::Results;
use crate::wire::{Whole, text};

/// How the cluster is.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Health {
    /// Whether each broker answers.
    pub brokers: Results<NodeId, ()>,
    /// What is wrong, each a sentence for people; empty if nothing is.
    pub problems: Vec<String>,
}

impl Health {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.problems.is_empty()
    }
}

impl Admin {
    /// Asks any broker for a sign of life; gives how long it took.
    ///
    /// # Errors
    /// The reason why there was none within the timeout ([`Admin::timeout`]).
    ///
    /// # Examples
    /// ```
    /// # async fn probe(admin: klamm_admin::Admin) -> Result<(), klamm_admin::Error> {
    /// use std::time::Duration;
    ///
    /// let took = admin.timeout(Duration::from_secs(2)).ping().await?;
    /// println!("a broker answered after {took:?}");
    /// # Ok(())
    /// # }
    /// ```
    pub async fn ping(&self) -> Result<Duration, Error> {
        let asked = Instant::now();
        drive_one(self, PingAny, Whole("a sign of life")).await?;
        Ok(asked.elapsed())
    }

    /// Asks every broker for a sign of life, and looks for partitions without leader or with replicas
    /// that are behind, with reasons for people to read.
    ///
    /// # Errors
    /// [`Error::Net`] if no broker answers.
    pub async fn health(&self) -> Result<Health, Error> {
        self.needs_brokers(&"the health of a cluster")?;
        let snapshot = self.cluster.refresh(self.deadline()).await?;
        let nodes = snapshot.brokers.iter().map(|broker| broker.node);
        let brokers = drive(self, PingEach, nodes).await?;
        let mut problems = Vec::new();
        for (node, result) in brokers.iter() {
            if let Err(error) = result {
                problems.push(format!("broker {node} does not answer: {error}"));
            }
        }
        if snapshot.controller.is_none() {
            problems.push("the cluster has no controller".to_owned());
        }
        let names = self
            .list_topics()
            .await?
            .into_iter()
            .map(|topic| topic.name);
        for (name, described) in self.describe_topics(names).await? {
            // A topic that went away meanwhile is no problem.
            let Ok(topic) = described else { continue };
            for partition in topic.partitions {
                let all = partition.replicas.len();
                let behind = all - partition.in_sync_replicas.len().min(all);
                let index = partition.index;
                if partition.leader.is_none() {
                    problems.push(format!("partition {name}-{index} has no leader"));
                } else if behind > 0 {
                    problems.push(format!(
                        "partition {name}-{index} has {behind} of {all} replicas that are behind"
                    ));
                }
            }
        }
        Ok(Health { brokers, problems })
    }
}

/// Before version 3 a client does not say who it is.
fn named(version: i16) -> ApiVersionsRequest {
    let request = ApiVersionsRequest::default();
    if version < 3 {
        return request;
    }
    request
        .with_client_software_name(text("klamm"))
        .with_client_software_version(text(env!("CARGO_PKG_VERSION")))
}

struct PingAny;

impl Call for PingAny {
    const FOR_CONTROLLERS: bool = true;
    type Key = Whole;
    type Value = ();
    type Request = ApiVersionsRequest;

    fn target(&self, _: &Whole) -> Target {
        Target::Any
    }

    fn request(&self, batch: &Batch<Whole>) -> Result<ApiVersionsRequest, Error> {
        Ok(named(batch.version))
    }

    fn read(
        &self,
        batch: &Batch<Whole>,
        response: ApiVersionsResponse,
        answers: &mut Answers<Whole, ()>,
    ) {
        answers.answer(batch.keys[0].clone(), response.error_code, None, || ());
    }
}

struct PingEach;

impl Call for PingEach {
    const NOUN: &'static str = "broker";
    type Key = NodeId;
    type Value = ();
    type Request = ApiVersionsRequest;

    fn target(&self, node: &NodeId) -> Target {
        Target::Node(*node)
    }

    fn request(&self, batch: &Batch<NodeId>) -> Result<ApiVersionsRequest, Error> {
        Ok(named(batch.version))
    }

    fn read(
        &self,
        batch: &Batch<NodeId>,
        response: ApiVersionsResponse,
        answers: &mut Answers<NodeId, ()>,
    ) {
        answers.answer(batch.keys[0], response.error_code, None, || ());
    }
}
