//! The built command against a broker in the test's process.

mod doctor;
mod endings;
mod failures;
mod groups;
mod harness;
mod perf;
mod records;
#[cfg(unix)]
mod terminal;
mod topics;
mod transactions;
mod verify;
mod verify_consumer;
