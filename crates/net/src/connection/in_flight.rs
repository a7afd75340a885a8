//! Requests of one connection that have been queued or await their response, oldest first.
//!
//! Owns: correlation ids, deadlines, who waits for the response.
//! Does not: read or write sockets, retry, know about topics.
//!
//! Invariants
//! - brokers answer in request order: the next response belongs to the oldest entry that expects
//!   one; any other correlation id closes the connection
//! - every responder is answered exactly once

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use klamm_codec::{ApiKey, frame};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::error::Error;

/// A request on its way to the socket.
pub(super) struct Queued {
    pub(super) api: ApiKey,
    pub(super) correlation_id: i32,
    /// Pieces of the frame, in order.
    pub(super) frame: Vec<Bytes>,
    pub(super) timeout: Duration,
    /// `None` for a timeout too long to be a point in time.
    pub(super) deadline: Option<Instant>,
    /// `None` if the broker does not answer.
    pub(super) responder: Option<oneshot::Sender<Result<Bytes, Error>>>,
}

/// A request that awaits its response.
struct Awaiting {
    api: ApiKey,
    correlation_id: i32,
    timeout: Duration,
    deadline: Option<Instant>,
    responder: oneshot::Sender<Result<Bytes, Error>>,
    /// Set once its first byte is written.
    written: bool,
}

/// The requests that await their responses.
#[derive(Default)]
pub(super) struct InFlight {
    entries: VecDeque<Awaiting>,
}

impl InFlight {
    /// Adds a request that is about to be written; gives back its frame.
    pub(super) fn push(&mut self, queued: Queued) -> Vec<Bytes> {
        if let Some(responder) = queued.responder {
            self.entries.push_back(Awaiting {
                api: queued.api,
                correlation_id: queued.correlation_id,
                timeout: queued.timeout,
                deadline: queued.deadline,
                responder,
                written: false,
            });
        }
        queued.frame
    }

    /// All requests pushed so far have reached the socket, at least in part.
    pub(super) fn mark_written(&mut self) {
        for entry in self.entries.iter_mut().rev() {
            if entry.written {
                break;
            }
            entry.written = true;
        }
    }

    /// Hands `response` to the oldest request.
    pub(super) fn complete(&mut self, response: Bytes) -> Result<(), String> {
        let id = frame::correlation_id(&response).map_err(|error| error.to_string())?;
        let Some(oldest) = self.entries.front() else {
            return Err(format!("response {id} came although nothing was asked"));
        };
        if oldest.correlation_id != id {
            return Err(format!(
                "response {id} came where {} of {} was due",
                oldest.correlation_id, oldest.api
            ));
        }
        if let Some(oldest) = self.entries.pop_front() {
            // A caller that has gone away does not want it any more.
            let _ = oldest.responder.send(Ok(response));
        }
        Ok(())
    }

    /// When the first deadline passes.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.entries.iter().filter_map(|entry| entry.deadline).min()
    }

    /// Whether a deadline has passed.
    pub(super) fn is_late(&self, now: Instant) -> bool {
        self.next_deadline().is_some_and(|deadline| deadline <= now)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Fails every request: those whose time is up by `now` as timed out, others as disconnected.
    pub(super) fn fail_all(&mut self, broker: &str, reason: &str, now: Instant) {
        for entry in self.entries.drain(..) {
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
            let _ = entry.responder.send(Err(error));
        }
    }
}
