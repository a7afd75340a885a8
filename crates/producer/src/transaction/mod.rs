//! Transactions: records and offsets of consumers become visible together, or not at all (KIP-98,
//! KIP-447, KIP-890).
//!
//! [`state`] and [`verdict`] hold the tables of the Java client, [`manager`] decides, in the words of
//! [`exchange`], [`request`] speaks to the coordinators, [`producer`] and [`handle`] are what
//! applications hold. The sender carries it all out (`sender/transact.rs`). The design stands in `docs/design/transactions.md`.

mod coordination;
mod exchange;
mod handle;
mod manager;
mod producer;
mod request;
mod state;
#[cfg(test)]
mod tests;
mod verdict;

pub(crate) use coordination::Coordination;
pub(crate) use exchange::{Answer, ClusterView, Protocol, Request};
pub use handle::{CommitError, Transaction, UnfinishedCommit};
pub(crate) use manager::{Batches, Manager, backoff_after};
pub use producer::TransactionalProducer;
pub(crate) use request::ask;
pub(crate) use state::State;
