//! Records -> batches -> acknowledged offsets.
//!
//! [`Producer::send`] writes a record straight into the open batch of its partition, in wire format,
//! under one short lock, and returns a [`Delivery`]: a handle on the batch and an index. One sender
//! task drains full and lingering batches, stamps the sequence numbers of the idempotent producer
//! and completes all deliveries of a batch at once.
//!
//! Owns: the choice of the partition, the queues and their memory, sequence numbers and epochs,
//! retries, the outcome of each record.
//!
//! Does not: own connections or metadata (`klamm-net`), or consume.
//!
//! Invariants
//! - per record: one lock of one partition, no allocation, no channel, no task
//! - the bytes of a batch are given to nobody else before its response or its connection's death
//! - a record is reported as not written only if it is certain that it is not
//!
//! The design of sequences and epochs stands in `idempotence.rs`.

mod accumulator;
mod builder;
mod clock;
mod config;
mod deliveries;
mod delivery;
mod error;
mod hooks;
mod idempotence;
mod inbox;
mod memory;
mod partitioner;
mod producer;
mod record;
mod sender;
mod shared;
mod stats;
mod transaction;
mod unfinished;

pub use builder::ProducerBuilder;
pub use config::{Acks, ProducerConfig};
pub use deliveries::{Deliveries, Settled};
pub use delivery::{Delivery, RecordMetadata};
pub use error::{Cause, Error, Outcome};
pub use hooks::{DeliveryReport, Interceptor, RecordBuf};
pub use klamm_codec::batch::Header;
pub use klamm_codec::compress::Compression;
pub use partitioner::{Partitioner, Partitioning, TopicPartitions};
pub use producer::{Producer, SendRecord};
pub use record::Record;
pub use stats::{LatencyHistogram, ProducerStats};
pub use transaction::{CommitError, Transaction, TransactionalProducer, UnfinishedCommit};
