//! A Kafka client in Rust with no C in it: producer, consumer and admin.
//!
//! Start with a [`Client`]; what it builds shares its connections and its view of the cluster.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use klamm::{Client, Compression, NewTopic, OffsetReset, Record};
//!
//! # async fn example() -> Result<(), klamm::Error> {
//! let client = Client::connect("localhost:9092").await?;
//!
//! // Each topic has a result of its own; `all` turns the first failure into an error.
//! client.admin().create_topics([NewTopic::new("orders").partitions(6)]).await?.all()?;
//!
//! let producer = client
//!     .producer()
//!     .linger(Duration::from_millis(5))
//!     .compression(Compression::Lz4)
//!     .build()?;
//! let record = Record::to("orders").key("customer-7").value("{\"total\": 12}");
//! let delivery = producer.send(record).await?; // waits for buffer room only
//! let written = delivery.await?; // waits for the acknowledgement
//! println!("{}-{} at {:?}", written.topic, written.partition, written.offset);
//!
//! let mut consumer = client
//!     .consumer()
//!     .group("billing")
//!     .topics(["orders"])
//!     .offset_reset(OffsetReset::Earliest)
//!     .build()
//!     .await?;
//! loop {
//!     let records = consumer.poll().await?;
//!     for record in &records {
//!         println!("{}-{} {}", record.topic, record.partition, record.offset);
//!     }
//!     consumer.commit().await?;
//! }
//! # }
//! ```
//!
//! - Settings have the names, units and defaults of the Java client; what differs says so. Those who
//!   have them as properties use [`Client::from_properties`].
//! - Records and offsets that become visible together, or not at all: [`TransactionalProducer`]; and
//!   [`ExactlyOnce`], the loop that consumes, transforms and produces on top of it.
//! - Four questions that every user of Kafka asks are answered in the [`guide`].
//! - Common items are at the root; the rest of each role is in its module: [`producer`],
//!   [`consumer`], [`admin`], [`config`], [`net`].
//! - A tokio runtime with I/O and time enabled is needed; tasks of klamm run on the one that
//!   [`Client::connect`] was awaited on.

mod client;
mod error;
mod exactly_once;
pub mod guide;
mod properties;

/// All of the admin.
pub use klamm_admin as admin;
/// All of the consumer.
pub use klamm_consumer as consumer;
/// Connections, metadata and routing, which the roles are built on.
pub use klamm_net as net;
/// Properties by the names that every Kafka client knows.
pub use klamm_net::config;
/// All of the producer.
pub use klamm_producer as producer;

pub use client::{Client, ClientBuilder};
pub use error::Error;
pub use exactly_once::ExactlyOnce;
pub use klamm_admin::{Admin, ErrorCode, NewTopic, NodeId, Results, TopicId};
pub use klamm_consumer::{
    CloseOptions, Consumer, ConsumerBuilder, ConsumerRecord, IsolationLevel, Message, OffsetReset,
    Rebalance, RebalanceListener, Records,
};
pub use klamm_net::config::ConfigError;
pub use klamm_net::{GroupMetadata, HostPort, OffsetAndMetadata, TopicPartition};
pub use klamm_producer::{
    Acks, CommitError, Compression, Deliveries, Delivery, Header, Outcome, Producer,
    ProducerBuilder, Record, RecordMetadata, Settled, Transaction, TransactionalProducer,
};
