//! Transactions: records and offsets of consumers become visible together, or not at all (KIP-98,
//! KIP-447, KIP-890).
//!
//! [`state`] and [`verdict`] hold the tables of the Java client, [`manager`] decides, [`request`]
//! speaks to the coordinators, [`producer`] and [`handle`] are what applications hold. The sender
//! carries it all out (`sender/transact.rs`). The design stands in `docs/design/transactions.md`.

mod coordination;
mod handle;
mod manager;
mod producer;
mod request;
mod state;
#[cfg(test)]
mod tests;
mod verdict;

pub(crate) use coordination::Coordination;
pub use handle::{CommitError, Transaction, UnfinishedCommit};
pub(crate) use manager::{Answer, Batches, ClusterView, Manager, Protocol, Request, backoff_after};
pub use producer::TransactionalProducer;
pub(crate) use request::ask;
pub(crate) use state::State;
