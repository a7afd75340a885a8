//! The handle that every admin call starts from.

use std::fmt::Display;
use std::time::Duration;

use klamm_net::Cluster;
use tokio::time::Instant;

use crate::client_instance::KnownInstance;
use crate::error::Error;

/// Creates, lists, describes and deletes what a cluster holds; cheap to clone.
///
/// # Cancel safety
/// Dropping the future of any call ends its retries. A request that is on its way may still be
/// carried out: whether a topic was created is known by describing it.
#[derive(Clone, Debug)]
pub struct Admin {
    pub(crate) cluster: Cluster,
    pub(crate) retries: u32,
    pub(crate) instance: KnownInstance,
    timeout: Duration,
}

impl Admin {
    /// An admin of `cluster`.
    #[must_use]
    pub fn new(cluster: Cluster) -> Self {
        let timeout = cluster.config().default_api_timeout;
        Self {
            cluster,
            retries: u32::MAX,
            instance: KnownInstance::default(),
            timeout,
        }
    }

    /// The same admin, whose calls take at most `timeout`, retries included. Default:
    /// `default.api.timeout.ms` of the client, 60 s.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The same admin, whose calls ask at most `retries` times again about what failed for a moment,
    /// within the timeout (`retries`). Default: without limit. Lookups of leaders and coordinators
    /// do not count.
    #[must_use]
    pub fn retries(mut self, retries: u32) -> Self {
        self.retries = retries;
        self
    }

    /// Whether it speaks with the controllers of a `KRaft` cluster, not with its brokers (`bootstrap.controllers`).
    #[must_use]
    pub fn is_of_controllers(&self) -> bool {
        self.cluster.is_of_controllers()
    }

    /// # Errors
    /// [`Error::NeedsBrokers`] if controllers are spoken with.
    pub(crate) fn needs_brokers(&self, what: &impl Display) -> Result<(), Error> {
        if self.is_of_controllers() {
            return Err(Error::NeedsBrokers {
                what: what.to_string(),
            });
        }
        Ok(())
    }

    /// When a call that starts now has to end.
    pub(crate) fn deadline(&self) -> Instant {
        let now = Instant::now();
        // A timeout beyond what the clock can count is no timeout; a century is as good.
        now.checked_add(self.timeout)
            .unwrap_or_else(|| now + Duration::from_secs(100 * 365 * 24 * 3600))
    }
}
