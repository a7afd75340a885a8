//! Requests of one connection that have been queued or await their response, oldest first.
//!
//! Owns: deadlines, who waits for the response.
//! Does not: read or write sockets, retry, know about topics.
//!
//! Invariants
//! - brokers answer in request order: the next response belongs to the oldest entry that expects
//!   one; any other correlation id closes the connection
//! - every responder is answered exactly once
//! - at most as many requests await responses as the limit says; the rest waits, unsent
//! - while the broker wants quiet (KIP-219) nothing goes out, and deadlines of what is out move on

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use klamm_codec::{ApiKey, frame};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::error::Error;

/// Longest quiet that is granted: unless configured otherwise brokers ask for 11 s at most, and a broken
/// one must not silence a connection for days.
const THROTTLE_MAX: Duration = Duration::from_secs(300);

/// A request on its way to the socket.
pub(super) struct Queued {
    pub(super) api: ApiKey,
    pub(super) version: i16,
    pub(super) correlation_id: i32,
    /// Pieces of the frame, in order.
    pub(super) frame: Vec<Bytes>,
    pub(super) timeout: Duration,
    /// `None` for a timeout too long to be a point in time.
    pub(super) deadline: Option<Instant>,
    /// `None` if the broker does not answer.
    pub(super) responder: Option<oneshot::Sender<Result<Bytes, Error>>>,
}

impl Queued {
    pub(super) fn bytes(&self) -> usize {
        self.frame.iter().map(Bytes::len).sum()
    }
}

/// A request that awaits its response.
struct Awaiting {
    api: ApiKey,
    version: i16,
    correlation_id: i32,
    timeout: Duration,
    deadline: Option<Instant>,
    responder: oneshot::Sender<Result<Bytes, Error>>,
    sent: Instant,
    /// Set once its first byte is written.
    written: bool,
}

/// A response and whose it is.
pub(super) struct Answered {
    pub(super) api: ApiKey,
    pub(super) version: i16,
    pub(super) correlation_id: i32,
    pub(super) sent: Instant,
    responder: oneshot::Sender<Result<Bytes, Error>>,
}

impl Answered {
    /// Hands the response over; a caller that has gone away does not want it any more.
    pub(super) fn give(self, response: Bytes) {
        let _ = self.responder.send(Ok(response));
    }
}

/// The requests that wait to be sent, and those that await their responses.
pub(super) struct InFlight {
    awaiting: VecDeque<Awaiting>,
    waiting: VecDeque<Queued>,
    max: usize,
    quiet_until: Option<Instant>,
    /// No deadline is earlier; that of a request that is gone may stand here still.
    earliest: Option<Instant>,
}

impl InFlight {
    pub(super) fn new(max: usize) -> Self {
        Self {
            awaiting: VecDeque::new(),
            waiting: VecDeque::new(),
            max: max.max(1),
            quiet_until: None,
            earliest: None,
        }
    }

    /// Adds a request that waits for its turn.
    pub(super) fn push(&mut self, queued: Queued) {
        self.note(queued.deadline);
        self.waiting.push_back(queued);
    }

    /// The next request that may go out at `now`: it counts as sent, and its frame has to be written.
    pub(super) fn next(&mut self, now: Instant) -> Option<Queued> {
        if self.is_quiet(now) || self.awaiting.len() >= self.max {
            return None;
        }
        let mut queued = self.waiting.pop_front()?;
        if let Some(responder) = queued.responder.take() {
            self.awaiting.push_back(Awaiting {
                api: queued.api,
                version: queued.version,
                correlation_id: queued.correlation_id,
                timeout: queued.timeout,
                deadline: queued.deadline,
                responder,
                sent: now,
                written: false,
            });
        }
        Some(queued)
    }

    /// All requests sent so far have reached the socket, at least in part.
    pub(super) fn mark_written(&mut self) {
        for entry in self.awaiting.iter_mut().rev() {
            if entry.written {
                break;
            }
            entry.written = true;
        }
    }

    /// Whose `response` is: the oldest request's, or the peer broke the protocol.
    pub(super) fn answered(&mut self, response: &Bytes) -> Result<Answered, String> {
        let id = frame::correlation_id(response).map_err(|error| error.to_string())?;
        match self.awaiting.pop_front() {
            Some(oldest) if oldest.correlation_id == id => Ok(Answered {
                api: oldest.api,
                version: oldest.version,
                correlation_id: id,
                sent: oldest.sent,
                responder: oldest.responder,
            }),
            Some(oldest) => {
                let (due, api) = (oldest.correlation_id, oldest.api);
                // It is to be failed with the others.
                self.awaiting.push_front(oldest);
                Err(format!("response {id} came where {due} of {api} was due"))
            }
            None => Err(format!("response {id} came although nothing was asked")),
        }
    }

    /// The broker wants quiet from `now` on for `time`.
    pub(super) fn throttle(&mut self, time: Duration, now: Instant) {
        let time = time.min(THROTTLE_MAX);
        let until = now.checked_add(time);
        self.quiet_until = self.quiet_until.max(until);
        for entry in &mut self.awaiting {
            entry.deadline = entry
                .deadline
                .and_then(|deadline| deadline.checked_add(time));
        }
    }

    fn is_quiet(&self, now: Instant) -> bool {
        self.quiet_until.is_some_and(|until| now < until)
    }

    /// When [`InFlight::next`] or [`InFlight::expire`] may have something to do though nothing has
    /// happened.
    pub(super) fn next_timer(&self) -> Option<Instant> {
        let quiet_until = self.quiet_until.filter(|_| !self.waiting.is_empty());
        match (self.earliest, quiet_until) {
            (Some(earliest), Some(quiet)) => Some(earliest.min(quiet)),
            (earliest, quiet) => earliest.or(quiet),
        }
    }

    /// Fails what waited too long to be sent; says whether a response is late.
    pub(super) fn expire(&mut self, broker: &str, now: Instant) -> bool {
        if self.quiet_until.is_some_and(|until| until <= now) {
            self.quiet_until = None;
        }
        if self.earliest.is_none_or(|earliest| earliest > now) {
            return false;
        }
        let is_late = |deadline: Option<Instant>| deadline.is_some_and(|deadline| deadline <= now);
        let (expired, waiting): (VecDeque<_>, VecDeque<_>) = self
            .waiting
            .drain(..)
            .partition(|queued| is_late(queued.deadline));
        self.waiting = waiting;
        for queued in expired {
            fail_unsent(queued, broker, "", now);
        }
        let deadlines = self.awaiting.iter().map(|entry| entry.deadline);
        let waiting = self.waiting.iter().map(|queued| queued.deadline);
        self.earliest = deadlines.chain(waiting).flatten().min();
        self.awaiting.iter().any(|entry| is_late(entry.deadline))
    }

    fn note(&mut self, deadline: Option<Instant>) {
        self.earliest = match (self.earliest, deadline) {
            (Some(earliest), Some(deadline)) => Some(earliest.min(deadline)),
            (earliest, deadline) => earliest.or(deadline),
        };
    }

    /// Requests that wait to be sent or for their response.
    pub(super) fn len(&self) -> usize {
        self.waiting.len() + self.awaiting.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.awaiting.is_empty()
    }

    /// Fails every request: those whose time is up by `now` as timed out, others as disconnected.
    /// Tells which APIs were asked for in vain.
    pub(super) fn fail_all(&mut self, broker: &str, reason: &str, now: Instant) -> Vec<ApiKey> {
        let mut in_vain = Vec::with_capacity(self.awaiting.len());
        for entry in self.awaiting.drain(..) {
            let late = entry.deadline.is_some_and(|deadline| deadline <= now);
            let error = if late {
                Error::RequestTimeout {
                    api: entry.api,
                    broker: broker.to_owned(),
                    timeout: entry.timeout,
                    may_have_been_processed: entry.written,
                }
            } else {
                Error::Disconnected {
                    api: entry.api,
                    broker: broker.to_owned(),
                    reason: reason.to_owned(),
                    may_have_been_processed: entry.written,
                }
            };
            in_vain.push(entry.api);
            let _ = entry.responder.send(Err(error));
        }
        for queued in self.waiting.drain(..) {
            fail_unsent(queued, broker, reason, now);
        }
        in_vain
    }
}

/// Fails a request of which no byte has been written.
pub(super) fn fail_unsent(queued: Queued, broker: &str, reason: &str, now: Instant) {
    let Some(responder) = queued.responder else {
        return;
    };
    let late = queued.deadline.is_some_and(|deadline| deadline <= now);
    let error = if late {
        Error::RequestTimeout {
            api: queued.api,
            broker: broker.to_owned(),
            timeout: queued.timeout,
            may_have_been_processed: false,
        }
    } else {
        Error::Disconnected {
            api: queued.api,
            broker: broker.to_owned(),
            reason: reason.to_owned(),
            may_have_been_processed: false,
        }
    };
    let _ = responder.send(Err(error));
}
