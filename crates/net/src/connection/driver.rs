//! The task that drives one connection: it writes what is queued, reads frames, watches deadlines.
//!
//! Writing and reading go on in one task, neither waiting for the other: a broker that stops reading
//! until its responses are taken cannot lock it up. It sleeps only when the socket takes nothing,
//! gives nothing and nothing may be sent.

use std::collections::VecDeque;
use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, Bytes};
use klamm_codec::throttle_time;
use tokio::io::AsyncWrite;
use tokio::time::{Instant, Sleep};

use super::Shared;
use super::in_flight::{InFlight, Queued, fail_unsent};
use super::receive::Receiver;
use crate::connector::BoxedStream;

/// Pieces handed to one vectored write; the kernel's own bound is 1024.
const WRITE_PIECES_MAX: usize = 64;

/// Bounds of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Largest response accepted, in bytes.
    pub(crate) response_bytes_max: usize,
    /// Requests that await responses; more of them wait unsent.
    pub(crate) in_flight_max: usize,
    /// A connection that nobody has used for so long is closed; `None`: never.
    pub(crate) idle_after: Option<Duration>,
}

pub(super) struct Driver {
    stream: BoxedStream,
    shared: Arc<Shared>,
    /// Nobody told the broker who the client is, and it has not answered yet.
    is_stranger: bool,
    receiver: Receiver,
    in_flight: InFlight,
    /// Pieces of frames not written yet, oldest first.
    outgoing: VecDeque<Bytes>,
    /// Scratch for taking over the queue without holding its lock.
    taken: Vec<Queued>,
    timer: Pin<Box<Sleep>>,
    needs_flush: bool,
    idle_after: Option<Duration>,
    /// When something was last sent or received.
    used: Instant,
}

/// Why the driver stops.
enum End {
    /// No handle is left.
    Abandoned,
    /// Nobody has used it for long.
    Idle,
    Failed(io::Error),
    /// A response is late.
    Late,
    /// The client ends it: the broker no longer takes it for who it is, or the cluster is looked for anew.
    Closed(String),
    /// The peer broke the protocol.
    Protocol(String),
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> Self {
        Self::Failed(error)
    }
}

impl End {
    /// What to tell; `is_stranger` as in [`Driver`].
    fn reason(&self, is_stranger: bool) -> String {
        match self {
            Self::Failed(error) if is_stranger && is_closed(error) => {
                "closed by the broker at the first request; does this listener want SASL \
                 (security.protocol=SASL_SSL or SASL_PLAINTEXT)?"
                    .to_owned()
            }
            Self::Abandoned => "closed by the client".to_owned(),
            Self::Idle => "closed because nobody used it (connections.max.idle.ms)".to_owned(),
            Self::Failed(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                "closed by the broker".to_owned()
            }
            Self::Failed(error) => error.to_string(),
            Self::Late => "closed because a response was late".to_owned(),
            Self::Closed(reason) | Self::Protocol(reason) => reason.clone(),
        }
    }
}

impl Driver {
    pub(super) fn new(
        stream: BoxedStream,
        shared: Arc<Shared>,
        limits: Limits,
        authenticated: bool,
    ) -> Self {
        Self {
            is_stranger: !authenticated,
            stream,
            shared,
            receiver: Receiver::new(limits.response_bytes_max),
            in_flight: InFlight::new(limits.in_flight_max),
            outgoing: VecDeque::new(),
            taken: Vec::new(),
            timer: Box::pin(tokio::time::sleep_until(far_away())),
            needs_flush: false,
            idle_after: limits.idle_after,
            used: Instant::now(),
        }
    }

    fn drive(&mut self, context: &mut Context<'_>) -> Result<(), End> {
        let now = Instant::now();
        let abandoned = self.take_queued(context, now)?;
        self.write(context, now)?;
        let mut answered = false;
        while let Poll::Ready(frame) = self
            .receiver
            .poll_frame(Pin::new(&mut self.stream), context)?
        {
            self.is_stranger = false;
            self.complete(frame)?;
            answered = true;
        }
        if answered {
            // There is room for what waited.
            self.write(context, now)?;
        }
        if self.outgoing.is_empty() && self.in_flight.is_empty() && abandoned {
            return Err(End::Abandoned);
        }
        self.watch_timer(context, now)
    }

    /// Takes over what was queued and leaves a waker for more; says whether no more can come.
    fn take_queued(&mut self, context: &Context<'_>, now: Instant) -> Result<bool, End> {
        let mut state = self.shared.lock();
        if let Some(time) = state.throttle.take() {
            self.in_flight.throttle(time, now);
        }
        if state.hold.held {
            std::mem::swap(&mut state.hold.renewal, &mut self.taken);
        } else {
            std::mem::swap(&mut state.queue, &mut self.taken);
        }
        match &mut state.waker {
            Some(waker) => waker.clone_from(context.waker()),
            none => *none = Some(context.waker().clone()),
        }
        let abandoned = state.abandoned && state.queue.is_empty();
        let close = state.hold.close.take();
        drop(state);
        for queued in self.taken.drain(..) {
            self.in_flight.push(queued);
        }
        match close {
            Some(reason) => Err(End::Closed(reason)),
            None => Ok(abandoned),
        }
    }

    /// Writes what may be sent, until the socket takes no more.
    fn write(&mut self, context: &mut Context<'_>, now: Instant) -> io::Result<()> {
        loop {
            self.fill_outgoing(now);
            if self.outgoing.is_empty() {
                break;
            }
            let mut pieces = [IoSlice::new(&[]); WRITE_PIECES_MAX];
            let count = self.outgoing.len().min(WRITE_PIECES_MAX);
            for (piece, bytes) in pieces.iter_mut().zip(&self.outgoing) {
                *piece = IoSlice::new(bytes);
            }
            let stream = Pin::new(&mut self.stream);
            let written = match stream.poll_write_vectored(context, &pieces[..count]) {
                Poll::Pending => return Ok(()),
                Poll::Ready(written) => written?,
            };
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            self.in_flight.mark_written();
            self.advance(written);
            self.needs_flush = true;
        }
        if self.needs_flush && Pin::new(&mut self.stream).poll_flush(context)?.is_ready() {
            self.needs_flush = false;
        }
        Ok(())
    }

    /// Frames enough for one write: a request that is not handed to the socket yet can still expire
    /// unsent.
    fn fill_outgoing(&mut self, now: Instant) {
        while self.outgoing.len() < WRITE_PIECES_MAX {
            let Some(request) = self.in_flight.next(now) else {
                return;
            };
            let bytes = request.bytes();
            let (api, correlation_id) = (request.api, request.correlation_id);
            tracing::trace!(broker = %self.shared.broker, %api, correlation_id, bytes, "request");
            self.shared.meter.sent(api, bytes);
            self.used = now;
            self.outgoing.extend(request.frame);
        }
    }

    fn advance(&mut self, mut written: usize) {
        while let Some(first) = self.outgoing.front_mut() {
            if written < first.len() {
                first.advance(written);
                return;
            }
            written -= first.len();
            self.outgoing.pop_front();
        }
    }

    fn complete(&mut self, frame: Bytes) -> Result<(), End> {
        let answered = self.in_flight.answered(&frame).map_err(End::Protocol)?;
        let now = Instant::now();
        let latency = now.duration_since(answered.sent);
        let (api, correlation_id) = (answered.api, answered.correlation_id);
        let bytes = frame.len();
        tracing::trace!(broker = %self.shared.broker, %api, correlation_id, bytes, ?latency, "response");
        self.shared.meter.answered(api, bytes, latency);
        self.shared.less_load(1);
        self.used = now;
        let throttle = throttle_time(api, answered.version, &frame);
        if !throttle.is_zero() {
            self.shared.meter.throttled(throttle);
            self.in_flight.throttle(throttle, now);
        }
        answered.give(frame);
        Ok(())
    }

    fn watch_timer(&mut self, context: &mut Context<'_>, now: Instant) -> Result<(), End> {
        let due = self.due();
        // An earlier timer only wakes this task once for nothing; moving it costs more.
        if self.timer.deadline() > due || self.timer.is_elapsed() {
            self.timer.as_mut().reset(due);
        }
        while self.timer.as_mut().poll(context).is_ready() {
            let now = now.max(Instant::now());
            let load = self.in_flight.len();
            if self.in_flight.expire(&self.shared.broker, now) {
                return Err(End::Late);
            }
            self.shared.less_load(load - self.in_flight.len());
            if self.in_flight.is_empty() && self.idle_at().is_some_and(|idle| idle <= now) {
                return Err(End::Idle);
            }
            self.write(context, now)?;
            let due = self.due();
            self.timer.as_mut().reset(due);
        }
        Ok(())
    }

    fn idle_at(&self) -> Option<Instant> {
        self.used.checked_add(self.idle_after?)
    }

    fn due(&self) -> Instant {
        let idle_at = self.idle_at().filter(|_| self.in_flight.is_empty());
        let timer = self.in_flight.next_timer();
        let due = timer.into_iter().chain(idle_at).min();
        due.unwrap_or_else(far_away)
    }

    fn finish(&mut self, end: &End) {
        let reason = end.reason(self.is_stranger);
        let queued = {
            let mut state = self.shared.lock();
            state.closed = Some(reason.clone());
            let mut queued = std::mem::take(&mut state.hold.renewal);
            queued.append(&mut state.queue);
            queued
        };
        self.shared.renewal_wake.notify_one();
        let broker = &self.shared.broker;
        if !matches!(end, End::Abandoned | End::Idle) {
            tracing::debug!(%broker, reason, "connection ended");
            self.shared.meter.disconnected();
        }
        let now = Instant::now();
        for api in self.in_flight.fail_all(broker, &reason, now) {
            self.shared.meter.failed(api);
        }
        for queued in queued {
            fail_unsent(queued, broker, &reason, now);
        }
    }
}

impl Future for Driver {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        match self.drive(context) {
            Ok(()) => Poll::Pending,
            Err(end) => {
                self.finish(&end);
                Poll::Ready(())
            }
        }
    }
}

fn is_closed(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), UnexpectedEof | ConnectionReset | BrokenPipe)
}

/// A point in time that no timer reaches, as tokio itself picks it.
fn far_away() -> Instant {
    Instant::now() + Duration::from_secs(86_400 * 365 * 30)
}
