//! Four questions that every user of Kafka asks.
//!
//! # How much memory will it take, at most?
//!
//! A **producer** holds records from [`send`](crate::Producer::send) to their acknowledgement in at
//! most [`buffer_memory`](crate::ProducerBuilder::buffer_memory) bytes (32 MiB). Memory follows what
//! is written, not the number of partitions. When it is used up, `send` waits for room, longest
//! waiter first and [`max_block`](crate::ProducerBuilder::max_block) at most, and
//! [`try_send`](crate::Producer::try_send) fails at once. Compressing a batch takes a buffer for its
//! result on top, for as long as that takes.
//!
//! A **consumer** fetches at most
//! [`prefetch_bytes`](crate::ConsumerBuilder::prefetch_bytes) ahead of the application (50 MiB), and
//! one `max.partition.fetch.bytes` for each broker on top; a single batch that is larger than that
//! comes whole all the same. What counts are bytes as they were fetched. Two things come in addition:
//! the [`Records`](crate::Records) that the application holds, decompressed as far as they were
//! handed out; and a [`Message`](crate::Message) that it keeps, which keeps the response it came in.
//!
//! No response is larger than
//! [`response_bytes_max`](crate::ClientBuilder::response_bytes_max) (100 MiB): a broker that announces
//! more loses its connection.
//!
//! # What does a slow partition do to the others?
//!
//! To a **producer's**, nothing at first: every partition has a queue of its own, every broker its
//! own requests in flight. What it cannot get rid of stays in `buffer_memory`; when that is full,
//! `send` waits, whichever partition the next record is for. What is stuck is given up after
//! [`delivery_timeout`](crate::ProducerBuilder::delivery_timeout) (2 min), which frees its room.
//!
//! To a **consumer's**, nothing: every broker has one fetch in flight, and a broker that does not
//! answer delays no other. Records of a partition that nobody takes out of
//! [`poll`](crate::Consumer::poll) do count in the one budget of bytes.
//!
//! # When may a rebalance interrupt me?
//!
//! Only inside of [`poll`](crate::Consumer::poll), [`poll_timeout`](crate::Consumer::poll_timeout)
//! and [`close`](crate::Consumer::close). Between two polls no partition goes: what one poll handed
//! over can be worked on and committed in peace. Heartbeats are sent in the background meanwhile.
//! What goes is told to a [`RebalanceListener`](crate::RebalanceListener), which may commit; with a
//! cooperative assignor, or the consumer protocol (KIP-848), only partitions that move go, and the
//! others are read without a stop. But the next poll must come within
//! [`max_poll_interval`](crate::ConsumerBuilder::max_poll_interval) (5 min): after that the group
//! gives the partitions to others, and a commit fails with
//! [`CommitFailed`](crate::consumer::Error::CommitFailed).
//!
//! With [`auto_commit`](crate::ConsumerBuilder::auto_commit), what a poll handed over counts as
//! consumed when the next poll begins, so that a crash in between repeats records rather than losing
//! them.
//!
//! # What does it mean if I cancel, drop or time out a send?
//!
//! | what happens | what it means for the record |
//! |---|---|
//! | the future of `send` is dropped before it is ready | it was not accepted, and never will be |
//! | `send` or `try_send` fails | it was not accepted |
//! | a [`Delivery`](crate::Delivery) is dropped, or its await is cancelled | nothing: it is sent all the same |
//! | a `Delivery` fails with [`Outcome::NotWritten`](crate::Outcome::NotWritten) | it is certainly not in the log |
//! | a `Delivery` fails with [`Outcome::Unknown`](crate::Outcome::Unknown) | it may be in the log: sending it again may double it |
//! | the future of [`flush`](crate::Producer::flush) is dropped | nothing |
//! | [`close`](crate::Producer::close) runs out of time | what is left fails, and says which of the two outcomes it has |
//! | the last clone of the producer is dropped | as if `close` had no time: flush or close first |
//!
//! A record that was accepted has its result after `delivery_timeout` at the latest. Retries before
//! that do not double or reorder records, as long as
//! [`enable_idempotence`](crate::ProducerBuilder::enable_idempotence) is on, which it is unless
//! `acks` or `retries` rule it out.
