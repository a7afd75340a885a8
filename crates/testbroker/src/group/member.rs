//! One member of a classic group.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::{JoinRequest, RequestId};

#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) id: String,
    pub(crate) instance_id: Option<String>,
    pub(crate) client_id: String,
    pub(crate) client_host: String,
    pub(crate) session_timeout: Duration,
    pub(crate) rebalance_timeout: Duration,
    /// Name and metadata, the preferred one first.
    pub(crate) protocols: Vec<(String, Bytes)>,
    pub(crate) assignment: Bytes,
    /// The `JoinGroup` that waits for the rebalance to end.
    pub(super) joining: Option<RequestId>,
    /// The `SyncGroup` that waits for the leader's assignments.
    pub(super) syncing: Option<RequestId>,
    /// Has sent its `SyncGroup` of this generation.
    pub(super) synced: bool,
    /// When it counts as dead. None while a `JoinGroup` or `SyncGroup` of it waits.
    pub(super) expires: Option<Instant>,
}

impl Member {
    pub(super) fn new(request: JoinRequest, id: String, expires: Instant) -> Self {
        Self {
            id,
            instance_id: request.instance_id,
            client_id: request.client_id,
            client_host: request.client_host,
            session_timeout: request.session_timeout,
            rebalance_timeout: request.rebalance_timeout,
            protocols: request.protocols,
            assignment: Bytes::new(),
            joining: Some(request.id),
            syncing: None,
            synced: false,
            expires: Some(expires),
        }
    }

    pub(super) fn is_alive(&mut self, now: Instant) {
        if self.joining.is_none() && self.syncing.is_none() {
            self.expires = Some(now + self.session_timeout);
        }
    }

    pub(crate) fn metadata(&self, protocol: &str) -> Bytes {
        let found = self.protocols.iter().find(|(name, _)| name == protocol);
        found
            .map(|(_, metadata)| metadata.clone())
            .unwrap_or_default()
    }

    pub(super) fn supports(&self, protocol: &str) -> bool {
        self.protocols.iter().any(|(name, _)| name == protocol)
    }
}
