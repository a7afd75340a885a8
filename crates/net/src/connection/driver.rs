//! The task that drives one connection: it writes what is queued, reads frames, watches deadlines.
//!
//! Writing and reading go on in one task, neither waiting for the other: a broker that stops reading
//! until its responses are taken cannot lock it up. It sleeps only when the socket takes nothing,
//! gives nothing and nothing is queued.

use std::collections::VecDeque;
use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use tokio::io::AsyncWrite;
use tokio::time::{Instant, Sleep};

use super::Shared;
use super::in_flight::{InFlight, Queued};
use super::receive::Receiver;
use crate::connector::BoxedStream;

/// Pieces handed to one vectored write; the kernel's own bound is 1024.
const WRITE_PIECES_MAX: usize = 64;

/// Bounds of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Largest response accepted, in bytes.
    pub(crate) response_bytes_max: usize,
}

pub(super) struct Driver {
    stream: BoxedStream,
    shared: Arc<Shared>,
    receiver: Receiver,
    in_flight: InFlight,
    /// Pieces of frames not written yet, oldest first.
    outgoing: VecDeque<Bytes>,
    /// Scratch for taking over the queue without holding its lock.
    taken: Vec<Queued>,
    timer: Pin<Box<Sleep>>,
    needs_flush: bool,
}

/// Why the driver stops.
enum End {
    /// No handle is left.
    Abandoned,
    Failed(io::Error),
    /// A response is late.
    Late,
    /// The peer broke the protocol.
    Protocol(String),
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> Self {
        Self::Failed(error)
    }
}

impl Driver {
    pub(super) fn new(stream: BoxedStream, shared: Arc<Shared>, limits: Limits) -> Self {
        Self {
            stream,
            shared,
            receiver: Receiver::new(limits.response_bytes_max),
            in_flight: InFlight::default(),
            outgoing: VecDeque::new(),
            taken: Vec::new(),
            timer: Box::pin(tokio::time::sleep_until(far_away())),
            needs_flush: false,
        }
    }

    fn drive(&mut self, context: &mut Context<'_>) -> Result<(), End> {
        let abandoned = self.take_queued(context);
        self.write(context)?;
        while let Poll::Ready(frame) = self
            .receiver
            .poll_frame(Pin::new(&mut self.stream), context)?
        {
            self.in_flight.complete(frame).map_err(End::Protocol)?;
        }
        if abandoned && self.outgoing.is_empty() && self.in_flight.is_empty() {
            return Err(End::Abandoned);
        }
        self.watch_deadlines(context)
    }

    /// Takes over what was queued and leaves a waker for more; says whether no more can come.
    fn take_queued(&mut self, context: &Context<'_>) -> bool {
        let mut state = self.shared.lock();
        std::mem::swap(&mut state.queue, &mut self.taken);
        match &mut state.waker {
            Some(waker) => waker.clone_from(context.waker()),
            none => *none = Some(context.waker().clone()),
        }
        let abandoned = state.abandoned;
        drop(state);
        for queued in self.taken.drain(..) {
            self.outgoing.extend(self.in_flight.push(queued));
        }
        abandoned
    }

    fn write(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        while !self.outgoing.is_empty() {
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

    fn watch_deadlines(&mut self, context: &mut Context<'_>) -> Result<(), End> {
        let deadline = self.in_flight.next_deadline().unwrap_or_else(far_away);
        // An earlier timer only wakes this task once for nothing; moving it costs more.
        if self.timer.deadline() > deadline || self.timer.is_elapsed() {
            self.timer.as_mut().reset(deadline);
        }
        while self.timer.as_mut().poll(context).is_ready() {
            if self.in_flight.is_late(Instant::now()) {
                return Err(End::Late);
            }
            let deadline = self.in_flight.next_deadline().unwrap_or_else(far_away);
            self.timer.as_mut().reset(deadline);
        }
        Ok(())
    }

    fn finish(&mut self, end: &End) {
        let reason = match end {
            End::Abandoned => "closed by the client".to_owned(),
            End::Failed(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                "closed by the broker".to_owned()
            }
            End::Failed(error) => error.to_string(),
            End::Late => "closed because a response was late".to_owned(),
            End::Protocol(reason) => reason.clone(),
        };
        let queued = {
            let mut state = self.shared.lock();
            state.closed = Some(reason.clone());
            std::mem::take(&mut state.queue)
        };
        let broker = &self.shared.broker;
        if !matches!(end, End::Abandoned) {
            tracing::debug!(broker, reason, "connection ended");
        }
        for queued in queued {
            self.in_flight.push(queued);
        }
        self.in_flight.fail_all(broker, &reason, Instant::now());
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

/// A point in time that no timer reaches, as tokio itself picks it.
fn far_away() -> Instant {
    Instant::now() + std::time::Duration::from_secs(86_400 * 365 * 30)
}
