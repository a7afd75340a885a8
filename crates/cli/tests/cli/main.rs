//! The built command against a broker in the test's process.

mod failures;
mod harness;
mod perf;
mod records;
mod topics;
mod verify;
mod verify_consumer;
