//! Messages one by one, each owning its bytes, over the same core as [`Consumer::poll`].
//!
//! A batch is checked as in a poll, and its records are then read and handed out singly. Their drain
//! stays first in line meanwhile; a stream that is dropped gives back to it what was not handed out.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use klamm_codec::batch::{RecordBatch, RecordCursor};
use tokio::sync::futures::OwnedNotified;

use super::Consumer;
use super::poll::{Waiting, consumed};
use crate::error::Error;
use crate::fetch::{Consumed, Drain, Position};
use crate::records::{Message, Span};

/// An endless stream of messages that own their bytes; made by [`Consumer::stream`].
///
/// A message counts as consumed when it was handed out: [`Consumer::commit`], by way of
/// [`consumer`](MessageStream::consumer), includes it. A commit in the background includes those of a batch
/// once more than that batch was asked for.
///
/// # Errors
/// As [`Consumer::poll`]; the stream goes on after an error.
///
/// # Cancel safety
/// Dropping it, or a future that waits for its next message, loses no message and hands none out twice:
/// another stream, or [`Consumer::poll`], goes on where it stopped.
#[must_use = "streams do nothing unless polled"]
pub struct MessageStream<'a> {
    consumer: &'a mut Consumer,
    batch: Option<OpenBatch>,
    notified: Option<Pin<Box<OwnedNotified>>>,
    waiting: Option<Waiting>,
}

/// The records that are being handed out, and where they came from.
struct OpenBatch {
    drain: Drain,
    batch: RecordBatch,
    next: RecordCursor,
    left: usize,
    /// The offset to go on at: at first that of the drain, then behind what was handed out last.
    position: i64,
    /// Whether a record was handed out.
    began: bool,
}

impl Consumer {
    /// Messages one by one, each owning its bytes (reference-counted slices of what was fetched, not copies).
    /// [`poll`](Consumer::poll) is cheaper: it hands out borrowed records.
    ///
    /// # Examples
    /// ```no_run
    /// use std::future::poll_fn;
    /// use std::pin::Pin;
    ///
    /// use futures_core::Stream;
    /// # use klamm_consumer::{Consumer, Error};
    /// # async fn example(mut consumer: Consumer) -> Result<(), Error> {
    /// let mut messages = consumer.stream();
    /// // Or `messages.next().await` with the extension traits of `futures` or `tokio-stream`.
    /// while let Some(message) = poll_fn(|cx| Pin::new(&mut messages).poll_next(cx)).await {
    ///     let message = message?;
    ///     println!("{}-{} {}", message.topic, message.partition, message.offset);
    ///     messages.consumer().commit_async()?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn stream(&mut self) -> MessageStream<'_> {
        MessageStream {
            consumer: self,
            batch: None,
            notified: None,
            waiting: None,
        }
    }
}

impl MessageStream<'_> {
    /// The consumer behind it, for committing, pausing or seeking between two messages.
    pub fn consumer(&mut self) -> &mut Consumer {
        self.give_back();
        // What is done with it may be what the stream waits for.
        self.notified = None;
        self.waiting = None;
        self.consumer
    }

    fn next_message(&mut self) -> Option<Message> {
        let open = self.batch.as_mut().filter(|open| open.left > 0)?;
        let mut records = open.batch.records_from(open.next);
        let record = match records.next()? {
            Ok(record) => record,
            Err(error) => {
                open.left = 0;
                open.drain.fail(open.position, error.to_string());
                return None;
            }
        };
        open.next = records.cursor();
        open.left -= 1;
        open.position = record.offset + 1;
        open.began = true;
        let message = Message::new(open.drain.partition(), &open.batch, &record);
        self.consumer.count_records(1);
        Some(message)
    }

    /// Opens the next records; false if there are none.
    fn open_next(&mut self) -> Result<bool, Error> {
        self.give_back();
        let consumer = &mut *self.consumer;
        loop {
            if !consumer.begin_poll()? {
                return Ok(false);
            }
            let Some(mut drain) = consumer.drains.pop_front() else {
                return Ok(false);
            };
            let most = consumer.config.max_poll_records;
            let before = drain.position();
            if let Some(Span {
                batch,
                start,
                count,
                ..
            }) = drain.take_span(most, &mut consumer.opener)
            {
                self.batch = Some(OpenBatch {
                    drain,
                    batch,
                    next: start,
                    left: count,
                    position: before,
                    began: false,
                });
                return Ok(true);
            }
            // Only markers, empty batches, the end, or a fault.
            if drain.position() != before {
                consumer.consumed.push(consumed(&drain));
            }
            consumer.put_back(drain);
        }
    }

    /// Gives back to the consumer what was not handed out, and tells how far that went.
    fn give_back(&mut self) {
        let Some(mut open) = self.batch.take() else {
            return;
        };
        if open.left > 0 {
            let epoch = open.drain.epoch();
            let (leader_epoch, partition) = (open.drain.leader_epoch(), open.drain.partition());
            if open.began {
                self.consumer.consumed.push(Consumed {
                    partition: partition.clone(),
                    epoch,
                    position: Position {
                        offset: open.position,
                        leader_epoch,
                    },
                });
            }
            open.drain.take_back(open.batch, open.next, open.position);
        } else {
            self.consumer.consumed.push(consumed(&open.drain));
        }
        self.consumer.put_back(open.drain);
    }

    fn poll_message(&mut self, context: &mut Context<'_>) -> Poll<Result<Message, Error>> {
        loop {
            if let Some(notified) = &mut self.notified {
                ready!(notified.as_mut().poll(context));
                self.notified = None;
                self.waiting = None;
            }
            if let Some(message) = self.next_message() {
                return Poll::Ready(Ok(message));
            }
            // With data always at hand this would never yield, and starve the tasks that fetch it.
            ready!(pin!(tokio::task::consume_budget()).poll(context));
            if !self.open_next()? {
                let application = &self.consumer.shared.application;
                self.notified = Some(Box::pin(Arc::clone(application).notified_owned()));
                self.waiting = Some(Waiting::begin(&self.consumer.shared));
            }
        }
    }
}

impl Stream for MessageStream<'_> {
    type Item = Result<Message, Error>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_message(context).map(Some)
    }
}

impl Drop for MessageStream<'_> {
    fn drop(&mut self) {
        self.give_back();
    }
}

impl std::fmt::Debug for MessageStream<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MessageStream")
            .field("consumer", &self.consumer)
            .finish_non_exhaustive()
    }
}
