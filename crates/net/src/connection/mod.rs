//! One connection to a broker: many requests in flight, responses matched in order.
//!
//! A [`Connection`] is a handle; a task of its own drives the byte stream ([`driver`]). Requests
//! are queued under a short lock and written with as few system calls as possible; the response is
//! handed over as the `Bytes` that came off the socket. Dropping a [`PendingResponse`] is safe: its
//! response is read and thrown away. The connection closes when its last handle is dropped, when
//! nobody uses it, when a response is late, or when the peer breaks the protocol. While the broker
//! throttles the client (KIP-219) requests wait unsent.

mod driver;
mod hold;
mod in_flight;
mod receive;
mod renewal;
mod setup;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use klamm_codec::api::{ApiKey, Request};
use klamm_codec::api_versions::ApiVersions;
use klamm_codec::messages::{self, encode_request};
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

pub(crate) use self::driver::Limits;
use self::hold::Hold;
use self::in_flight::Queued;
pub(crate) use self::renewal::Renewal;
pub(crate) use self::setup::{Intent, Setup};
use crate::error::Error;
use crate::node::NodeId;
use crate::stats::Meter;

/// Bytes of a frame up to the version of its API: size, API key, version.
const UP_TO_VERSION: usize = 8;

/// A connection to one broker; cheap to clone.
#[derive(Clone)]
pub struct Connection {
    handle: Arc<Handle>,
}

/// Held by every clone; the driver ends when it is dropped.
struct Handle {
    shared: Arc<Shared>,
    node: Option<NodeId>,
    client_id: Arc<str>,
    versions: ApiVersions,
}

/// What the handles and the driver share.
struct Shared {
    broker: String,
    meter: Arc<Meter>,
    last_correlation_id: AtomicI32,
    /// Requests queued or in flight that will be answered.
    load: AtomicUsize,
    state: Mutex<State>,
    /// Tells the renewal of an event: a request while it waits for one, the end.
    renewal_wake: Notify,
}

#[derive(Default)]
struct State {
    queue: Vec<Queued>,
    /// Time of quiet that the broker asked for in a response that the driver cannot read.
    throttle: Option<Duration>,
    /// Set by the driver before it sleeps.
    waker: Option<Waker>,
    /// No more handles: finish.
    abandoned: bool,
    /// Why the connection ended.
    closed: Option<String>,
    hold: Hold,
}

impl Shared {
    fn new(broker: String, meter: Arc<Meter>) -> Arc<Self> {
        Arc::new(Self {
            broker,
            meter,
            last_correlation_id: AtomicI32::new(0),
            load: AtomicUsize::new(0),
            state: Mutex::default(),
            renewal_wake: Notify::new(),
        })
    }

    fn next_correlation_id(&self) -> i32 {
        // Never negative, as with Java's client; unique among those in flight is enough.
        self.last_correlation_id.fetch_add(1, Ordering::Relaxed) & i32::MAX
    }

    fn less_load(&self, by: usize) {
        self.load.fetch_sub(by, Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics under this lock, so its state is whole even if it is poisoned.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Wakes the driver, after its lock is let go.
fn wake(mut state: MutexGuard<'_, State>) {
    let waker = state.waker.take();
    drop(state);
    if let Some(waker) = waker {
        waker.wake();
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.abandoned = true;
        wake(state);
        self.shared.renewal_wake.notify_one();
    }
}

/// A response that has not come yet: the frame without its size, from the correlation id on.
///
/// # Cancel safety
/// Dropping it leaves the connection in step; the request may still be written and processed.
#[derive(Debug)]
pub struct PendingResponse {
    receiver: oneshot::Receiver<Result<Bytes, Error>>,
}

impl Future for PendingResponse {
    type Output = Result<Bytes, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // The driver answers every request before it ends; only a runtime that is shut down
        // drops the sender.
        let received = Pin::new(&mut self.receiver).poll(context);
        received.map(|result| result.unwrap_or(Err(Error::Closed)))
    }
}

impl Connection {
    /// The broker's id, if the connection was made to a known broker.
    #[must_use]
    pub fn node(&self) -> Option<NodeId> {
        self.handle.node
    }

    /// The broker's address.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.handle.shared.broker
    }

    /// Whether the connection has ended; a new one must be had from the cluster.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.handle.shared.lock().closed.is_some()
    }

    /// Requests on this connection that wait to be sent or for their response.
    pub(crate) fn load(&self) -> usize {
        self.handle.shared.load.load(Ordering::Relaxed)
    }

    /// The broker asks for quiet on this connection for `time` (KIP-219): nothing more is sent until
    /// then, and the responses that are awaited have so much more time.
    ///
    /// The throttle time of all other responses is found by the connection itself; in a produce
    /// response it comes last, and only who has read it knows it.
    pub fn throttle(&self, time: Duration) {
        if time.is_zero() {
            return;
        }
        let shared = &self.handle.shared;
        shared.meter.throttled(time);
        let mut state = shared.lock();
        state.throttle = state.throttle.max(Some(time));
        wake(state);
    }

    /// Ends the connection, whoever else has a handle: what is in flight fails, with `reason`.
    pub(crate) fn close(&self, reason: &str) {
        self.handle.shared.close(reason.to_owned());
    }

    pub(crate) fn versions(&self) -> &ApiVersions {
        &self.handle.versions
    }

    /// The version of `api` to use on this connection: the highest that both sides speak.
    ///
    /// # Errors
    /// [`Error::UnsupportedVersion`] if there is none.
    pub fn version(&self, api: ApiKey) -> Result<i16, Error> {
        highest_version(&self.handle.versions, api, self.address())
    }

    /// The version of `api` to use on this connection, for a `feature` that it has since version
    /// `needed`; the feature is named as what the broker then cannot do.
    ///
    /// # Errors
    /// [`Error::UnsupportedFeature`] if that is lower.
    pub fn version_with(
        &self,
        feature: &'static str,
        api: ApiKey,
        needed: i16,
    ) -> Result<i16, Error> {
        let version = self.version(api).ok().filter(|version| *version >= needed);
        version.ok_or_else(|| Error::UnsupportedFeature {
            feature,
            api,
            broker: self.address().to_owned(),
            needed,
            theirs: self.versions().range(api),
        })
    }

    /// Sends `request` and waits for its response, `timeout` at most.
    ///
    /// # Errors
    /// [`Error::Disconnected`], [`Error::RequestTimeout`], [`Error::Message`], [`Error::Protocol`].
    ///
    /// # Cancel safety
    /// Dropping the future leaves the connection in step; the broker may still act on the request.
    pub async fn request<R: Request>(
        &self,
        request: &R,
        version: i16,
        timeout: Duration,
    ) -> Result<R::Response, Error> {
        let pending = self.send(R::API, timeout, |correlation_id, client_id| {
            let frame = encode_request(request, version, correlation_id, client_id)?;
            Ok(vec![frame])
        })?;
        let frame = pending.await?;
        messages::decode_response::<R>(frame, version).map_err(|error| Error::Protocol {
            api: R::API,
            broker: self.address().to_owned(),
            reason: error.reason,
        })
    }

    /// Queues a frame that `encode` writes for a correlation id and the client id; the pieces it
    /// returns are written in order, without being copied.
    ///
    /// # Errors
    /// [`Error::Disconnected`] if the connection has ended, or what `encode` returns.
    pub fn send(
        &self,
        api: ApiKey,
        timeout: Duration,
        encode: impl FnOnce(i32, &str) -> Result<Vec<Bytes>, Error>,
    ) -> Result<PendingResponse, Error> {
        let (sender, receiver) = oneshot::channel();
        self.enqueue(api, timeout, Some(sender), encode)?;
        Ok(PendingResponse { receiver })
    }

    /// As [`Connection::send`] for a request that the broker does not answer (acks=0).
    ///
    /// # Errors
    /// As [`Connection::send`].
    pub fn send_oneway(
        &self,
        api: ApiKey,
        encode: impl FnOnce(i32, &str) -> Result<Vec<Bytes>, Error>,
    ) -> Result<(), Error> {
        self.enqueue(api, Duration::MAX, None, encode)
    }

    fn enqueue(
        &self,
        api: ApiKey,
        timeout: Duration,
        responder: Option<oneshot::Sender<Result<Bytes, Error>>>,
        encode: impl FnOnce(i32, &str) -> Result<Vec<Bytes>, Error>,
    ) -> Result<(), Error> {
        let shared = &self.handle.shared;
        let correlation_id = shared.next_correlation_id();
        let frame = encode(correlation_id, &self.handle.client_id)?;
        let queued = Queued {
            api,
            version: version_of(&frame),
            correlation_id,
            frame,
            timeout,
            deadline: Instant::now().checked_add(timeout),
            responder,
        };
        let mut state = shared.lock();
        if let Some(reason) = &state.closed {
            return Err(Error::Disconnected {
                api,
                broker: shared.broker.clone(),
                reason: reason.clone(),
                may_have_been_processed: false,
            });
        }
        if queued.responder.is_some() {
            shared.load.fetch_add(1, Ordering::Relaxed);
        }
        state.queue.push(queued);
        state.hold.used = true;
        if state.hold.held {
            shared.renewal_wake.notify_one();
        }
        wake(state);
        Ok(())
    }
}

/// The version that a request frame itself names; -1 if its first piece is too short to.
fn version_of(frame: &[Bytes]) -> i16 {
    let start = frame.first().and_then(|piece| piece.get(..UP_TO_VERSION));
    start.map_or(-1, |start| i16::from_be_bytes([start[6], start[7]]))
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("broker", &self.address())
            .field("node", &self.node())
            .field("is_closed", &self.is_closed())
            .finish()
    }
}

/// The highest version of `api` that klamm and the broker with these `versions` speak.
fn highest_version(versions: &ApiVersions, api: ApiKey, broker: &str) -> Result<i16, Error> {
    let ours = api
        .versions()
        .expect("requests are only made of APIs in the table");
    let theirs = versions.range(api);
    theirs
        .and_then(|theirs| ours.highest_common(theirs))
        .ok_or_else(|| Error::UnsupportedVersion {
            api,
            broker: broker.to_owned(),
            ours,
            theirs,
        })
}

#[cfg(test)]
mod tests;
