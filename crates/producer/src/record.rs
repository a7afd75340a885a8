//! What is sent.

use klamm_codec::batch::{Header, record_bytes_max};

/// A record to send. It borrows everything: `send` copies it once, into its batch.
///
/// ```
/// # use klamm_producer::{Header, Record};
/// let headers = [Header::new("trace", "abc")];
/// let record = Record::to("orders")
///     .key("customer-7")
///     .value(b"{}")
///     .headers(&headers);
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use = "a record does nothing until it is sent"]
#[non_exhaustive]
pub struct Record<'a> {
    /// Topic.
    pub topic: &'a str,
    /// Partition, if it was asked for.
    pub partition: Option<i32>,
    /// Timestamp in milliseconds since the Unix epoch, if it was given.
    pub timestamp: Option<i64>,
    /// Key.
    pub key: Option<&'a [u8]>,
    /// Value.
    pub value: Option<&'a [u8]>,
    /// Headers.
    pub headers: &'a [Header<'a>],
    /// A mark of the application's own.
    pub tag: u64,
}

impl<'a> Record<'a> {
    /// A record for `topic`, with neither key nor value.
    pub const fn to(topic: &'a str) -> Self {
        Self {
            topic,
            partition: None,
            timestamp: None,
            key: None,
            value: None,
            headers: &[],
            tag: 0,
        }
    }

    /// Sets the key. Records with the same key go to the same partition, which Java's client picks
    /// too; an empty key is a key.
    pub fn key(mut self, key: &'a (impl AsRef<[u8]> + ?Sized)) -> Self {
        self.key = Some(key.as_ref());
        self
    }

    /// Sets the value. Without one it is null: a tombstone on compacted topics.
    pub fn value(mut self, value: &'a (impl AsRef<[u8]> + ?Sized)) -> Self {
        self.value = Some(value.as_ref());
        self
    }

    /// Sets the partition, instead of the partitioner.
    pub const fn partition(mut self, partition: i32) -> Self {
        self.partition = Some(partition);
        self
    }

    /// Sets the timestamp, in milliseconds since the Unix epoch; by default the time at which the
    /// record is sent, to about 10 ms.
    pub const fn timestamp(mut self, timestamp: i64) -> Self {
        self.timestamp = Some(timestamp);
        self
    }

    /// Sets the headers.
    pub const fn headers(mut self, headers: &'a [Header<'a>]) -> Self {
        self.headers = headers;
        self
    }

    /// Sets a mark by which interceptors and the delivery callback know the record again; it is not
    /// sent. Default: 0.
    pub const fn tag(mut self, tag: u64) -> Self {
        self.tag = tag;
        self
    }

    /// Most bytes that the record can take in a batch.
    #[inline]
    pub(crate) fn bytes_max(&self) -> usize {
        record_bytes_max(self.key, self.value, self.headers)
    }
}
