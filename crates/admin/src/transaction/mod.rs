//! Transactions and the producers that have them open.

mod abort;
mod describe;
mod fence;
mod list;
mod producers;

pub use self::abort::HangingTransaction;
pub use self::describe::TransactionDescription;
pub use self::fence::FencedProducer;
pub use self::list::{ListTransactions, TransactionListing, TransactionState};
pub use self::producers::ProducerState;
