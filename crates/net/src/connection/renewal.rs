//! Authenticating again on a connection that stays open (KIP-368).
//!
//! A broker with `connections.max.reauth.ms`, or a token that ends, says how long it takes the client for who it is. At a random
//! 85 to 95 % of that time the client shows it anew. The broker answers what came before and then takes nothing
//! but SASL until it is content. So the connection holds back its queue from the handshake to the end;
//! what is in flight is answered meanwhile.
//!
//! Tokens are fetched before anything is held back. A connection that nobody used since the last time stays silent
//! until somebody does: its next request waits for the authentication.
//!
//! Invariants
//! - while the queue is held back, only SASL requests reach the socket
//! - the task ends with its connection, and a failure ends the connection

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use klamm_codec::api_versions::ApiVersions;
use klamm_codec::{ApiKey, VersionRange};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until, timeout};
use zeroize::Zeroizing;

use super::Shared;
use super::in_flight::Queued;
use super::setup::{request_frame, response_body};
use crate::backoff::random_fraction;
use crate::error::Error;
use crate::sasl::exchange::{self, SaslChannel};
use crate::sasl::{Sasl, SaslPeer};

/// Part of the lifetime after which a client authenticates again, least and most.
const DUE: (f64, f64) = (0.85, 0.95);

/// What a connection needs to authenticate again.
pub(crate) struct Renewal {
    pub(crate) sasl: Sasl,
    pub(crate) peer: SaslPeer,
    /// How long the broker takes the client for who it is.
    pub(crate) lifetime: Duration,
    /// Limit for one authentication.
    pub(crate) timeout: Duration,
}

/// Authenticates again and again, as long as the connection lives.
pub(super) async fn run(
    renewal: Renewal,
    shared: Arc<Shared>,
    client_id: Arc<str>,
    versions: ApiVersions,
) {
    let mut lifetime = renewal.lifetime;
    let mut channel = Channel {
        shared,
        client_id,
        versions,
        timeout: renewal.timeout,
    };
    loop {
        let authenticated = Instant::now();
        let (least, most) = DUE;
        let share = least + (most - least) * random_fraction();
        let due = authenticated + lifetime.mul_f64(share);
        if !channel.shared.wait_until(due).await || !channel.shared.wait_for_use().await {
            return;
        }
        match renew(&renewal, &mut channel, authenticated + lifetime).await {
            Ok(Some(next)) => lifetime = next,
            Ok(None) => {
                channel.shared.release();
                return;
            }
            Err(error) => {
                tracing::debug!(broker = channel.broker(), %error, "re-authentication failed");
                let reason = format!("re-authentication failed: {error}");
                channel.shared.close(reason);
                return;
            }
        }
        channel.shared.release();
        tracing::debug!(broker = channel.broker(), ?lifetime, "authenticated again");
    }
}

async fn renew(
    renewal: &Renewal,
    channel: &mut Channel,
    expires: Instant,
) -> Result<Option<Duration>, Error> {
    let late = || Error::DeadlineExceeded {
        what: "re-authentication".to_owned(),
        last: None,
    };
    let broker = channel.shared.broker.clone();
    let prepare = exchange::prepare(&renewal.sasl, &renewal.peer, &broker);
    let mut prepare = pin!(timeout(renewal.timeout, prepare));
    let prepared = tokio::select! {
        biased;
        prepared = &mut prepare => prepared,
        () = sleep_until(expires) => {
            // Whatever is sent from now on would end the connection.
            channel.shared.hold();
            prepare.await
        }
    };
    let prepared = prepared.map_err(|_| late())??;
    channel.shared.hold();
    let authenticate = exchange::authenticate(channel, &renewal.sasl, prepared);
    timeout(renewal.timeout, authenticate)
        .await
        .map_err(|_| late())?
}

/// SASL requests of a connection whose queue is held back.
struct Channel {
    shared: Arc<Shared>,
    client_id: Arc<str>,
    versions: ApiVersions,
    timeout: Duration,
}

impl SaslChannel for Channel {
    fn broker(&self) -> &str {
        &self.shared.broker
    }

    fn versions(&self, api: ApiKey) -> Option<VersionRange> {
        self.versions.range(api)
    }

    async fn call(
        &mut self,
        api: ApiKey,
        version: i16,
        body: Zeroizing<Vec<u8>>,
    ) -> Result<Bytes, Error> {
        let (responder, receiver) = oneshot::channel();
        let correlation_id = self.shared.next_correlation_id();
        let frame = request_frame(api, version, correlation_id, &self.client_id, &body);
        let queued = Queued {
            api,
            version,
            correlation_id,
            // Overwritten with zeros once it is written.
            frame: vec![Bytes::from_owner(frame)],
            timeout: self.timeout,
            deadline: Instant::now().checked_add(self.timeout),
            responder: Some(responder),
        };
        self.shared.queue_renewal(queued)?;
        let answer = receiver.await.unwrap_or(Err(Error::Closed))?;
        response_body(&self.shared.broker, api, answer, correlation_id)
    }
}

#[cfg(test)]
mod tests;
