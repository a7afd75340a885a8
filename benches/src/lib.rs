//! Benches: micro, against a real broker, against the peers
