//! The connections to each broker, one per lane, and when to try again after one failed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout_at};

use crate::client_config::{ClientConfig, HostPort};
use crate::connection::Connection;
use crate::dial::dial;
use crate::error::Error;
use crate::node::NodeId;
use crate::security::SecurityLayer;

/// What a connection is used for: brokers answer the requests of a connection one after the other,
/// so a fetch that waits half a second must not stand before a heartbeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lane {
    /// Metadata, admin, offsets: short requests.
    Control,
    /// Produce requests.
    Produce,
    /// Fetch requests, which wait at the broker.
    Fetch,
    /// Group and transaction coordination; joins wait for other members.
    Group,
}

#[derive(Default)]
struct Slot {
    connection: Option<Connection>,
    failures: u32,
    /// When the last attempt failed, and why.
    failed: Option<(Instant, Error)>,
}

type SlotKey = (HostPort, Lane);

/// All connections of a client.
pub(crate) struct Pool {
    config: Arc<ClientConfig>,
    security: SecurityLayer,
    client_id: Arc<str>,
    slots: Mutex<HashMap<SlotKey, Arc<tokio::sync::Mutex<Slot>>>>,
}

impl Pool {
    pub(crate) fn new(config: Arc<ClientConfig>, security: SecurityLayer) -> Self {
        Self {
            security,
            client_id: Arc::from(config.client_id.as_str()),
            config,
            slots: Mutex::default(),
        }
    }

    fn slot(&self, key: SlotKey) -> Arc<tokio::sync::Mutex<Slot>> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(slots.entry(key).or_default())
    }

    /// How long a connection may take to become usable after `failures` failed attempts (KIP-601).
    fn setup_timeout(&self, failures: u32) -> Duration {
        let first = self.config.connection_setup_timeout;
        let grown = first.saturating_mul(1 << failures.min(20));
        grown.min(self.config.connection_setup_timeout_max.max(first))
    }

    /// The connection to `address` for `lane`; dialled if need be, after the reconnect backoff.
    ///
    /// Callers that wait for the same connection share one attempt and its error.
    pub(crate) async fn connection(
        &self,
        address: &HostPort,
        node: Option<NodeId>,
        lane: Lane,
        deadline: Instant,
    ) -> Result<Connection, Error> {
        let asked = Instant::now();
        let slot = self.slot((address.clone(), lane));
        let attempt = async {
            let mut slot = slot.lock().await;
            if let Some(connection) = slot.connection.take_if(|open| open.is_closed()) {
                drop(connection);
            }
            if let Some(connection) = &slot.connection {
                return Ok(connection.clone());
            }
            if let Some((at, error)) = &slot.failed {
                if *at > asked {
                    return Err(error.clone());
                }
                let backoff = self.config.reconnect_backoff;
                sleep_until(*at + backoff.jittered(slot.failures.saturating_sub(1))).await;
            }
            let limit = self.setup_timeout(slot.failures);
            match dial(
                address,
                node,
                &self.config,
                &self.security,
                &self.client_id,
                limit,
            )
            .await
            {
                Ok(connection) => {
                    *slot = Slot {
                        connection: Some(connection.clone()),
                        ..Slot::default()
                    };
                    Ok(connection)
                }
                Err(error) => {
                    slot.failures += 1;
                    slot.failed = Some((Instant::now(), error.clone()));
                    Err(error)
                }
            }
        };
        match timeout_at(deadline, attempt).await {
            Ok(connected) => connected,
            Err(_) => Err(Error::DeadlineExceeded {
                what: format!("connecting to {address}"),
                last: None,
            }),
        }
    }
}
