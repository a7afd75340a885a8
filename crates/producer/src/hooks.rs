//! What an application wants to be told, or to change, besides its own calls: interceptors and the
//! delivery callback.
//!
//! Without any of them nothing here costs anything.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use klamm_codec::batch::Header;
use klamm_net::TopicPartition;

use crate::delivery::RecordMetadata;
use crate::error::Error;
use crate::record::Record;

/// Sees every record on its way out and every outcome on its way back (Java's
/// `ProducerInterceptor`, KIP-42). With several, each gets what the one before has made.
pub trait Interceptor: fmt::Debug + Send + Sync {
    /// Called by `send` before the partition is chosen; may change the record. Records are copied
    /// for it.
    fn on_send(&self, record: &mut RecordBuf) {
        let _ = record;
    }

    /// Called with the outcome of every record that was accepted, as the delivery callback is.
    fn on_acknowledgement(&self, report: &DeliveryReport<'_>) {
        let _ = report;
    }
}

/// A record that owns what it holds, for an [`Interceptor`] to change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecordBuf {
    /// Topic.
    pub topic: String,
    /// Partition, if it was asked for.
    pub partition: Option<i32>,
    /// Timestamp in milliseconds since the Unix epoch, if it was given.
    pub timestamp: Option<i64>,
    /// Key.
    pub key: Option<Vec<u8>>,
    /// Value.
    pub value: Option<Vec<u8>>,
    /// Headers, each a key and a value.
    pub headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    /// The application's own mark ([`Record::tag`]).
    pub tag: u64,
}

impl RecordBuf {
    fn new(record: &Record<'_>) -> Self {
        let header = |header: &Header<'_>| (header.key.to_vec(), header.value.map(<[u8]>::to_vec));
        Self {
            topic: record.topic.to_owned(),
            partition: record.partition,
            timestamp: record.timestamp,
            key: record.key.map(<[u8]>::to_vec),
            value: record.value.map(<[u8]>::to_vec),
            headers: record.headers.iter().map(header).collect(),
            tag: record.tag,
        }
    }

    /// The headers, to lend to [`RecordBuf::as_record`].
    pub(crate) fn borrowed_headers(&self) -> Vec<Header<'_>> {
        self.headers
            .iter()
            .map(|(key, value)| Header {
                key,
                value: value.as_deref(),
            })
            .collect()
    }

    pub(crate) fn as_record<'a>(&'a self, headers: &'a [Header<'a>]) -> Record<'a> {
        Record {
            topic: &self.topic,
            partition: self.partition,
            timestamp: self.timestamp,
            key: self.key.as_deref(),
            value: self.value.as_deref(),
            headers,
            tag: self.tag,
        }
    }
}

/// What became of an accepted record.
#[derive(Debug)]
#[non_exhaustive]
pub struct DeliveryReport<'a> {
    /// Where it went, or was to go.
    pub partition: &'a TopicPartition,
    /// The application's own mark ([`Record::tag`]).
    pub tag: u64,
    /// As its [`Delivery`](crate::Delivery) tells.
    pub result: &'a Result<RecordMetadata, Error>,
}

/// Called with the outcome of every accepted record.
pub(crate) type DeliveryCallback = dyn Fn(&DeliveryReport<'_>) + Send + Sync;

/// All that the application has hooked in.
#[derive(Clone, Default)]
pub(crate) struct Hooks {
    pub(crate) interceptors: Vec<Arc<dyn Interceptor>>,
    pub(crate) on_delivery: Option<Arc<DeliveryCallback>>,
}

impl Hooks {
    /// Whether somebody wants to be told of outcomes.
    pub(crate) fn want_reports(&self) -> bool {
        !self.interceptors.is_empty() || self.on_delivery.is_some()
    }

    /// What the interceptors make of a record.
    pub(crate) fn intercept(&self, record: &Record<'_>) -> RecordBuf {
        let mut record = RecordBuf::new(record);
        for interceptor in &self.interceptors {
            interceptor.on_send(&mut record);
        }
        record
    }

    /// Tells of a record. A callback that panics must not take the other records with it.
    pub(crate) fn report(&self, report: &DeliveryReport<'_>) {
        let told = catch_unwind(AssertUnwindSafe(|| {
            for interceptor in &self.interceptors {
                interceptor.on_acknowledgement(report);
            }
            if let Some(on_delivery) = &self.on_delivery {
                on_delivery(report);
            }
        }));
        if told.is_err() {
            tracing::error!(partition = %report.partition, "a delivery callback panicked");
        }
    }
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks")
            .field("interceptors", &self.interceptors)
            .field("on_delivery", &self.on_delivery.is_some())
            .finish()
    }
}
