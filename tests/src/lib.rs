//! Suites that cross crates: real broker, interop, chaos
