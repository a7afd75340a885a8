//! Bytes to Kafka record batches and protocol frames, and back: no I/O, no clock, no async

pub mod compress;
