//! What an application wants to see besides its own calls.

use std::collections::BTreeMap;
use std::fmt;

use klamm_net::TopicPartition;

use crate::offset::OffsetAndMetadata;
use crate::records::Records;

/// Sees what is handed out and what is committed (Java's `ConsumerInterceptor`, KIP-42), for counting
/// and tracing. With several, each is called in turn.
///
/// They are called once a poll or commit, on the thread that polls or commits: what takes long there
/// holds up the consumer. Unlike Java's they cannot change the records.
pub trait Interceptor: fmt::Debug + Send + Sync {
    /// Called just before [`poll`](crate::Consumer::poll) returns these records. A
    /// [`stream`](crate::Consumer::stream) hands out messages one by one and does not call it.
    fn on_consume(&self, records: &Records) {
        let _ = records;
    }

    /// Called after these offsets were committed, whoever asked for it.
    fn on_commit(&self, offsets: &BTreeMap<TopicPartition, OffsetAndMetadata>) {
        let _ = offsets;
    }
}
