//! Who coordinates a group or a transactional id: found once, and remembered until somebody denies it.

use std::collections::HashMap;

use klamm_codec::ErrorCode;
use klamm_codec::api::Request;
use klamm_codec::messages::FindCoordinatorRequest;
use tokio::time::{Instant, sleep};

use super::Cluster;
use crate::backoff::Pauses;
use crate::broker::Lane;
use crate::connection::Connection;
use crate::coordinator::{self, CoordinatorKind, Found};
use crate::error::Error;
use crate::node::NodeId;
use crate::route::{Route, Verdict};

impl Cluster {
    /// The broker that coordinates `key`; looked up once and remembered.
    ///
    /// # Errors
    /// [`Error::Broker`] without permission, [`Error::DeadlineExceeded`].
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn coordinator(
        &self,
        kind: CoordinatorKind,
        key: &str,
        deadline: Instant,
    ) -> Result<NodeId, Error> {
        if let Some(node) = self.inner.coordinators.get(kind, key) {
            return Ok(node);
        }
        let keys = [key.to_owned()];
        let code = |response: &_| {
            let found = coordinator::answers(&keys, response);
            found.first().and_then(|(_, found)| found.err())
        };
        let mut pauses = Pauses::new(self.inner.config.retry_backoff, Instant::now());
        let response = loop {
            let response = self
                .call(
                    &Route::Any,
                    deadline,
                    |version| coordinator::request(kind, &keys, version),
                    |response| match code(response) {
                        // That passes, and growing pauses would be added to it.
                        None | Some(ErrorCode::COORDINATOR_NOT_AVAILABLE) => Verdict::Done,
                        Some(code) => Verdict::of(code, kind.describe(key)),
                    },
                )
                .await?;
            let Some(code) = code(&response) else {
                break response;
            };
            let now = Instant::now();
            let pause = pauses.take(now);
            if now + pause >= deadline {
                return Err(Error::DeadlineExceeded {
                    what: FindCoordinatorRequest::API.to_string(),
                    last: Some(Box::new(not_found(kind, key, code))),
                });
            }
            sleep(pause).await;
        };
        let mut found = HashMap::new();
        self.take_over(kind, coordinator::answers(&keys, &response), &mut found);
        let nobody = || Err(not_found(kind, key, ErrorCode::COORDINATOR_NOT_AVAILABLE));
        found.remove(key).unwrap_or_else(nobody)
    }

    /// The brokers that coordinate `keys`: those that are remembered, and the others asked for in one request, or in one
    /// each of brokers before 3.0 (KIP-699). Each key has an answer of its own, a refusal is not asked again.
    ///
    /// # Errors
    /// For each key as [`coordinator`](Self::coordinator), and any refusal at once.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped; what was found is remembered.
    pub async fn coordinators(
        &self,
        kind: CoordinatorKind,
        keys: impl IntoIterator<Item = String>,
        deadline: Instant,
    ) -> HashMap<String, Result<NodeId, Error>> {
        let mut found = HashMap::new();
        let mut unknown = Vec::new();
        for key in keys {
            match self.inner.coordinators.get(kind, &key) {
                Some(node) => drop(found.insert(key, Ok(node))),
                None => unknown.push(key),
            }
        }
        while !unknown.is_empty() {
            let build = |version| coordinator::request(kind, &unknown, version);
            let called = self.call(&Route::Any, deadline, build, |_| Verdict::Done);
            match called.await {
                Ok(response) => {
                    let answers = coordinator::answers(&unknown, &response);
                    self.take_over(kind, answers, &mut found);
                    unknown.retain(|key| !found.contains_key(key));
                }
                Err(error) => {
                    let failed = unknown.drain(..).map(|key| (key, Err(error.clone())));
                    found.extend(failed);
                }
            }
        }
        found
    }

    /// Remembers what was found, and asks for the brokers that are new.
    fn take_over(
        &self,
        kind: CoordinatorKind,
        answers: Vec<(String, Found)>,
        into: &mut HashMap<String, Result<NodeId, Error>>,
    ) {
        let snapshot = self.snapshot();
        for (key, found) in answers {
            if let Ok(node) = found {
                if snapshot.broker(node).is_none() {
                    self.request_refresh();
                }
                self.inner.coordinators.insert(kind, &key, node);
            }
            let found = found.map_err(|code| not_found(kind, &key, code));
            into.insert(key, found);
        }
    }

    /// A connection to the broker that coordinates `key`. While that broker is away, others are asked every
    /// `retry.backoff.ms` who has taken over.
    ///
    /// # Errors
    /// As [`coordinator`](Self::coordinator) and [`connection`](Self::connection).
    ///
    /// # Cancel safety
    /// As [`connection`](Self::connection).
    pub async fn coordinator_connection(
        &self,
        kind: CoordinatorKind,
        key: &str,
        lane: Lane,
        deadline: Instant,
    ) -> Result<Connection, Error> {
        loop {
            // Boxed, for these futures are parts of many others.
            let node = Box::pin(self.coordinator(kind, key, deadline)).await?;
            let moved = Box::pin(self.coordinated_elsewhere(kind, key, node, deadline));
            tokio::select! {
                biased;
                connected = self.connection(node, lane, deadline) => return connected,
                () = moved => {}
            }
        }
    }

    /// Waits until another broker than `before`, which is away, coordinates `key`.
    async fn coordinated_elsewhere(
        &self,
        kind: CoordinatorKind,
        key: &str,
        before: NodeId,
        deadline: Instant,
    ) {
        loop {
            sleep(self.inner.config.retry_backoff.initial).await;
            if !self.inner.is_failing_over(before) {
                continue;
            }
            self.forget_coordinator(kind, key);
            match self.coordinator(kind, key, deadline).await {
                Ok(node) if node == before => {}
                Ok(_) => return,
                Err(_) => return std::future::pending().await,
            }
        }
    }

    /// Forgets a coordinator that turned out to be none.
    pub fn forget_coordinator(&self, kind: CoordinatorKind, key: &str) {
        self.inner.coordinators.forget(kind, key);
    }
}

fn not_found(kind: CoordinatorKind, key: &str, code: ErrorCode) -> Error {
    Error::broker(FindCoordinatorRequest::API, code, kind.describe(key))
}
