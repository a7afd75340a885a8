//! Where a request goes, and the one way in which it is tried again.

use klamm_codec::api::Request;
use klamm_codec::{ApiKey, ErrorCode};
use tokio::time::{Instant, sleep, timeout_at};
use tracing::Instrument;

use super::Cluster;
use crate::broker::Lane;
use crate::connection::Connection;
use crate::error::Error;
use crate::metadata::Broker;
use crate::route::{Route, Verdict};

impl Cluster {
    /// Sends a request where `route` says and tries again with backoff what can be tried again,
    /// until `deadline`. `build` makes the request for the version that the broker speaks, `check`
    /// judges the response.
    ///
    /// # Errors
    /// [`Error::Broker`] for a refusal, [`Error::UnsupportedVersion`], or
    /// [`Error::DeadlineExceeded`] with the last failure inside.
    ///
    /// # Cancel safety
    /// Dropping the future ends the retries; a request that is on its way may still be processed.
    pub async fn call<R: Request>(
        &self,
        route: &Route,
        deadline: Instant,
        build: impl Fn(i16) -> R,
        check: impl Fn(&R::Response) -> Verdict,
    ) -> Result<R::Response, Error> {
        let mut attempt = 0;
        loop {
            let destination = self.destination(route);
            let span = tracing::debug_span!("call", api = %R::API, ?route, attempt);
            let tried = self.attempt(route, deadline, &build, &check);
            let error = match tried.instrument(span).await {
                Ok(response) => return Ok(response),
                Err(error) => error,
            };
            let retriable = error.is_retriable() || error.code() == Some(ErrorCode::NOT_CONTROLLER);
            if !retriable {
                return Err(error);
            }
            self.forget_route(route);
            let pause = self.inner.config.retry_backoff.jittered(attempt);
            if Instant::now() + pause >= deadline {
                return Err(Error::DeadlineExceeded {
                    what: R::API.to_string(),
                    last: Some(Box::new(error)),
                });
            }
            tracing::debug!(api = %R::API, ?route, attempt, ?pause, %error, "trying again");
            tokio::select! {
                () = sleep(pause) => {}
                // The pause was for the broker that failed.
                () = self.leads_elsewhere(route, destination.as_ref()) => {}
            }
            attempt += 1;
        }
    }

    /// The broker to which the metadata leads `route`; none if it does not depend on the metadata.
    fn destination(&self, route: &Route) -> Option<Broker> {
        let snapshot = self.snapshot();
        let node = match route {
            Route::Controller => snapshot.controller?,
            Route::Node(node) => *node,
            Route::Leader(topic, partition) => snapshot.leader(topic, *partition)?,
            Route::Any | Route::Coordinator(..) => return None,
        };
        snapshot.broker(node).cloned()
    }

    /// Waits until the metadata leads `route` to another broker than `before`, or to another address of it.
    async fn leads_elsewhere(&self, route: &Route, before: Option<&Broker>) {
        let mut snapshots = self.watch();
        loop {
            snapshots.borrow_and_update();
            let now = self.destination(route);
            if now.is_some() && now.as_ref() != before {
                return;
            }
            if snapshots.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    }

    async fn attempt<R: Request>(
        &self,
        route: &Route,
        deadline: Instant,
        build: &impl Fn(i16) -> R,
        check: &impl Fn(&R::Response) -> Verdict,
    ) -> Result<R::Response, Error> {
        let connection = self.connect_or_turn(route, deadline).await?;
        let version = connection.version(R::API)?;
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = self.inner.config.request_timeout.min(left);
        let request = build(version);
        let asked = connection.request(&request, version, timeout);
        // A broker that throttles makes requests last longer than their timeout, but not this call.
        let Ok(answered) = timeout_at(deadline, asked).await else {
            return Err(Error::RequestTimeout {
                api: R::API,
                broker: connection.address().to_owned(),
                timeout,
                may_have_been_processed: true,
            });
        };
        let response = answered?;
        match check(&response) {
            Verdict::Done => Ok(response),
            Verdict::Retry(code) => Err(Error::broker(R::API, code, connection.address())),
            Verdict::Fail(code, context) => Err(Error::broker(R::API, code, context)),
        }
    }

    /// The connection for `route`. Whoever waits for a broker that is away turns to another as soon as the metadata has
    /// one in its place.
    async fn connect_or_turn(&self, route: &Route, deadline: Instant) -> Result<Connection, Error> {
        loop {
            let destination = self.destination(route);
            tokio::select! {
                biased;
                connected = self.route(route, deadline) => return connected,
                () = self.leads_elsewhere(route, destination.as_ref()), if destination.is_some() => {}
            }
        }
    }

    async fn route(&self, route: &Route, deadline: Instant) -> Result<Connection, Error> {
        let snapshot = self.snapshot();
        let node = match route {
            Route::Any => None,
            Route::Controller => snapshot.controller,
            Route::Node(node) => Some(*node),
            Route::Coordinator(kind, key) => {
                let node = Box::pin(self.coordinator(*kind, key, deadline)).await?;
                return self.connection(node, Lane::Group, deadline).await;
            }
            Route::Leader(topic, partition) => {
                let topic = self.topic(topic, false, deadline).await?;
                let leader = topic
                    .partition(*partition)
                    .and_then(|partition| partition.leader);
                Some(leader.ok_or_else(|| {
                    let context = format!("{}-{partition}", topic.name);
                    Error::broker(ApiKey::METADATA, ErrorCode::LEADER_NOT_AVAILABLE, context)
                })?)
            }
        };
        match node {
            Some(node) => self.connection(node, Lane::Control, deadline).await,
            None => self.any_connection(deadline).await,
        }
    }

    fn forget_route(&self, route: &Route) {
        match route {
            Route::Coordinator(kind, key) => self.forget_coordinator(*kind, key),
            Route::Controller | Route::Leader(..) | Route::Node(_) => self.request_refresh(),
            Route::Any => {}
        }
    }
}
