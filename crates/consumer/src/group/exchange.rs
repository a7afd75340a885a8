//! One exchange of request and answer between a member and its coordinator.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use klamm_codec::ErrorCode;
use klamm_codec::api::Request;
use klamm_net::{Cluster, CoordinatorKind, Lane, Route, TopicId, Verdict};
use tokio::time::Instant;

use super::action::{Beat, Beaten, Failure, Generation, Joined, MemberSettings};
use super::leader::assignable;
use super::request;
use crate::assign::AssignableTopics;

/// What the broker may take longer to answer a join than the rebalance lasts, as Java.
const JOIN_GRACE: Duration = Duration::from_secs(5);
/// How long the leader of a group waits for the metadata of topics it does not know.
const DESCRIBE_TIMEOUT: Duration = Duration::from_secs(5);

/// Who talks to whom.
pub(super) struct Exchange {
    pub(super) cluster: Cluster,
    pub(super) member: Arc<MemberSettings>,
}

impl Exchange {
    pub(super) async fn join(
        &self,
        member_id: &str,
        protocols: &[(Arc<str>, Bytes)],
        reason: &'static str,
    ) -> Result<Joined, Failure> {
        let member = &*self.member;
        tracing::debug!(group = %member.group_id, member_id, reason, "joining");
        let build = |version| request::join(member, member_id, protocols, reason, version);
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

    pub(super) async fn beat(&self, beat: &Beat) -> Result<Beaten, Failure> {
        let timeout = self.cluster.config().request_timeout;
        let build = |_| request::beat(&self.member, beat);
        let response = self.ask(Lane::Group, timeout, build).await?;
        request::beaten(&response)
    }

    /// Whether the answer is a good one does not matter.
    pub(super) async fn goodbye(&self, member_id: &str, epoch: i32) {
        let timeout = self.cluster.config().request_timeout;
        let build = |_| request::goodbye(&self.member, member_id, epoch);
        if let Err(failure) = self.ask(Lane::Group, timeout, build).await {
            let group = &self.member.group_id;
            tracing::debug!(%group, ?failure, "could not leave; the session will time out");
        }
    }

    /// The names of those of `ids` that the cluster knows.
    pub(super) async fn resolve(&self, ids: &BTreeSet<TopicId>) -> Vec<(TopicId, Arc<str>)> {
        let snapshot = self.cluster.snapshot();
        let known = snapshot.topics().filter(|topic| ids.contains(&topic.id));
        let mut names: Vec<_> = known
            .map(|topic| (topic.id, Arc::clone(&topic.name)))
            .collect();
        let missing: Vec<TopicId> = ids
            .iter()
            .copied()
            .filter(|id| names.iter().all(|(known, _)| known != id))
            .collect();
        if missing.is_empty() {
            return names;
        }
        let deadline = Instant::now() + self.cluster.config().request_timeout;
        let check = |_: &_| Verdict::Done;
        let request = |_| request::topics_by_id(&missing);
        let asked = self
            .cluster
            .call(&Route::Any, deadline, request, check)
            .await;
        match asked {
            Ok(response) => names.extend(request::names(&response)),
            Err(error) => tracing::debug!(%error, "the names of assigned topics were not found"),
        }
        names
    }

    /// Those of `topics` that exist.
    pub(super) async fn describe(
        &self,
        topics: Vec<Arc<str>>,
        auto_create: bool,
    ) -> AssignableTopics {
        let names = topics.iter().map(AsRef::as_ref);
        self.cluster.add_topics(names, auto_create);
        let deadline = Instant::now() + DESCRIBE_TIMEOUT;
        let mut described = AssignableTopics::new();
        for name in topics {
            let found = self.cluster.topic(&name, auto_create, deadline).await;
            let snapshot = self.cluster.snapshot();
            if let Some(topic) = found.ok().and_then(|topic| assignable(&topic, &snapshot)) {
                described.insert(name, topic);
            }
        }
        described
    }

    /// All topics of the cluster but Kafka's own.
    pub(super) async fn list_topics(&self) -> Result<Vec<Arc<str>>, klamm_net::Error> {
        let deadline = Instant::now() + self.cluster.config().request_timeout;
        let check = |_: &_| Verdict::Done;
        let request = |version| request::all_topics(version);
        let listed = self
            .cluster
            .call(&Route::Any, deadline, request, check)
            .await?;
        Ok(request::listed(&listed))
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
            let cluster = &self.cluster;
            let connecting = cluster.coordinator_connection(kind, group, lane, deadline);
            let connection = connecting.await?;
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
