//! One exchange of request and answer between a member and its coordinator.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use klamm_codec::ErrorCode;
use klamm_codec::api::Request;
use klamm_net::{Cluster, CoordinatorKind, Lane};
use tokio::time::Instant;

use super::action::{Failure, Generation, Joined, MemberSettings};
use super::request;
use crate::assign::PartitionCounts;

/// What the broker may take longer to answer a join than the rebalance lasts, as Java.
const JOIN_GRACE: Duration = Duration::from_secs(5);
/// How long the leader of a group waits for the metadata of topics it does not know.
const COUNT_TIMEOUT: Duration = Duration::from_secs(5);

/// Who talks to whom.
pub(super) struct Exchange {
    pub(super) cluster: Cluster,
    pub(super) member: Arc<MemberSettings>,
}

impl Exchange {
    pub(super) async fn join(
        &self,
        member_id: &str,
        protocol: &'static str,
        subscription: &Bytes,
        reason: &'static str,
    ) -> Result<Joined, Failure> {
        let member = &*self.member;
        tracing::debug!(group = %member.group_id, member_id, reason, "joining");
        let build =
            |version| request::join(member, member_id, protocol, subscription, reason, version);
        let response = self.ask(Lane::Group, self.rebalance_time(), build).await?;
        request::joined(&response)
    }

    /// Followers wait until the leader has assigned.
    pub(super) async fn sync(
        &self,
        generation: &Generation,
        protocol: &str,
        assignments: &[(Arc<str>, Bytes)],
    ) -> Result<Bytes, Failure> {
        let build =
            |version| request::sync(&self.member, generation, protocol, assignments, version);
        let response = self.ask(Lane::Group, self.rebalance_time(), build).await?;
        accepted(response.error_code)?;
        Ok(response.assignment)
    }

    pub(super) async fn heartbeat(&self, generation: &Generation) -> Result<(), Failure> {
        let timeout = self.cluster.config().request_timeout;
        let build = |_| request::heartbeat(&self.member, generation);
        let response = self.ask(Lane::Group, timeout, build).await?;
        accepted(response.error_code)
    }

    /// Whether the answer is a good one does not matter.
    pub(super) async fn leave(&self, member_id: &str, reason: &'static str) {
        let timeout = self.cluster.config().request_timeout;
        let build = |version| request::leave(&self.member, member_id, reason, version);
        // Not behind a join that is still under way.
        if let Err(failure) = self.ask(Lane::Control, timeout, build).await {
            let group = &self.member.group_id;
            tracing::debug!(%group, ?failure, "could not leave; the session will time out");
        }
    }

    /// How many partitions those of `topics` have that exist.
    pub(super) async fn count(&self, topics: Vec<Arc<str>>, auto_create: bool) -> PartitionCounts {
        let names = topics.iter().map(AsRef::as_ref);
        self.cluster.add_topics(names, auto_create);
        let deadline = Instant::now() + COUNT_TIMEOUT;
        let mut counts = PartitionCounts::new();
        for name in topics {
            if let Ok(topic) = self.cluster.topic(&name, auto_create, deadline).await {
                counts.insert(name, topic.partitions.len() as i32);
            }
        }
        counts
    }

    fn rebalance_time(&self) -> Duration {
        let rebalance = self.member.max_poll_interval + JOIN_GRACE;
        self.cluster.config().request_timeout.max(rebalance)
    }

    async fn ask<R: Request>(
        &self,
        lane: Lane,
        timeout: Duration,
        build: impl Fn(i16) -> R,
    ) -> Result<R::Response, Failure> {
        let answer = async {
            let deadline = Instant::now() + self.cluster.config().request_timeout;
            let (kind, group) = (CoordinatorKind::Group, &self.member.group_id);
            let node = self.cluster.coordinator(kind, group, deadline).await?;
            let connection = self.cluster.connection(node, lane, deadline).await?;
            let version = connection.version(R::API)?;
            connection.request(&build(version), version, timeout).await
        };
        answer.await.map_err(Failure::Net)
    }
}

fn accepted(code: i16) -> Result<(), Failure> {
    let refused = |code| Failure::Code(code, None);
    ErrorCode(code).check().map_err(refused)
}
