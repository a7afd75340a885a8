//! A Kafka broker in the process, for quickstarts, tests and simulation.
//!
//! [`TestBroker`] speaks Kafka's protocol over TCP on loopback or over memory, keeps a bounded
//! amount of data in memory, and makes on request the faults that real clusters make rarely. It
//! behaves as Kafka 4.3 where a client can tell, with these known differences:
//!
//! - No share groups, ACLs, quotas, SASL or TLS. They are not announced. A group with members does not move
//!   from one protocol to the other.
//! - A transaction's markers are written before its end is answered.
//! - All replicas are always in sync, so the high watermark is the log's end.
//! - Nothing is compacted, and retention is by size only.
//! - A request with a forged array length can make the process run out of memory, as its messages
//!   come from a crate that trusts them. Frames are limited to 100 MiB, but a test broker should
//!   not listen to strangers; it binds loopback only.
//!
//! Time is tokio's clock: with `tokio::time::pause`, timeouts, waits and append times follow
//! simulated time.
//!
//! The thinking is without I/O: `log`, `producer_state`, `group`, `consumer_group`, `transaction` and `topic` know no
//! sockets and no clocks, `cluster` and `coordinator` hold them together behind one lock, `api` translates
//! messages, `connection` and `server` move bytes.

mod api;
mod batch;
mod broker;
mod builder;
mod cluster;
mod connection;
mod consumer_group;
mod coordinator;
mod fault;
mod fetch_session;
mod group;
mod log;
mod producer_state;
mod server;
mod shared;
#[cfg(test)]
mod testing;
mod topic;
mod transaction;
mod validate;

pub use broker::{TestBroker, TestBrokerError};
pub use builder::TestBrokerBuilder;
pub use fault::{Fault, PlannedFault};
pub use klamm_codec::{ApiKey, ErrorCode};
