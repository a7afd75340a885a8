//! What [`poll`](crate::Consumer::poll) hands over: checked batches, read in place.
//!
//! Owns: the batches of one poll, iteration over their records, owned copies of single records.
//!
//! Does not: check what a batch promises (`fetch::drain` did). A record that cannot be read ends those of its
//! partition, and is the consumer's next error (see [`crate::faults`]).
//!
//! Invariants
//! - a record borrows from the bytes that came off the socket (or were decompressed), never copied
//! - nothing is allocated, locked or counted per record
//! - the bytes live as long as the [`Records`] or a [`Message`] made of one

use std::slice;
use std::sync::Arc;

use bytes::Bytes;
use klamm_codec::DecodeError;
use klamm_codec::batch::{self, Headers, RecordBatch, RecordCursor};
use klamm_net::TopicPartition;

use crate::faults::{Fault, Faults};
use crate::fetch::Epoch;

/// Some records of one batch whose checksum was right.
#[derive(Clone, Debug)]
pub(crate) struct Span {
    pub(crate) batch: RecordBatch,
    pub(crate) start: RecordCursor,
    pub(crate) count: usize,
    /// The position before the first of them.
    pub(crate) offset: i64,
}

impl Span {
    fn records(&self) -> batch::Records<'_> {
        self.batch.records_from(self.start.take(self.count))
    }
}

/// Where records come from, and where to say that one is broken.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Source<'a> {
    pub(crate) partition: &'a TopicPartition,
    pub(crate) epoch: Epoch,
    pub(crate) faults: &'a Arc<Faults>,
}

/// The records of one [`poll`](crate::Consumer::poll), in offset order within each partition.
#[derive(Clone, Debug, Default)]
#[must_use = "the records are consumed: dropping them skips them"]
pub struct Records {
    partitions: Vec<PartitionRecords>,
    count: usize,
}

impl Records {
    /// Adds records of `source` behind those of its partition; returns their number.
    pub(crate) fn add(&mut self, source: Source<'_>, spans: Vec<Span>) -> usize {
        let count = spans.iter().map(|span| span.count).sum();
        if count == 0 {
            return 0;
        }
        self.count += count;
        let mut known = self.partitions.iter_mut().rev();
        match known.find(|known| known.partition == *source.partition) {
            Some(known) => {
                known.spans.extend(spans);
                known.count += count;
            }
            None => self.partitions.push(PartitionRecords {
                partition: source.partition.clone(),
                epoch: source.epoch,
                faults: Arc::clone(source.faults),
                spans,
                count,
            }),
        }
        count
    }

    /// Number of records. Iterating brings all of them, or fewer if one is broken: see
    /// [`Error::Corrupt`](crate::Error::Corrupt).
    #[must_use]
    pub const fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none, as after a [`poll_timeout`](crate::Consumer::poll_timeout) that ran
    /// out of time.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The records, partition by partition.
    #[must_use]
    pub fn iter(&self) -> Iter<'_> {
        Iter::over(&self.partitions, self.count)
    }

    /// The partitions that have records here.
    pub fn partitions(&self) -> impl Iterator<Item = &PartitionRecords> {
        self.partitions.iter()
    }
}

impl<'a> IntoIterator for &'a Records {
    type Item = ConsumerRecord<'a>;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

/// The records of one partition in a [`Records`].
#[derive(Clone, Debug)]
pub struct PartitionRecords {
    partition: TopicPartition,
    epoch: Epoch,
    faults: Arc<Faults>,
    spans: Vec<Span>,
    count: usize,
}

impl PartitionRecords {
    /// Which topic and partition.
    #[must_use]
    pub const fn partition(&self) -> &TopicPartition {
        &self.partition
    }

    /// Number of records; see [`Records::len`].
    #[must_use]
    pub const fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The records, by offset.
    #[must_use]
    pub fn iter(&self) -> Iter<'_> {
        Iter::over(slice::from_ref(self), self.count)
    }
}

impl PartitionRecords {
    /// Leaves word of the first broken record of `span`.
    fn report(&self, span: &Span, error: &DecodeError) {
        let good = span.records().map_while(Result::ok).last();
        self.faults.report(Fault {
            partition: self.partition.clone(),
            epoch: self.epoch,
            offset: good.map_or(span.offset, |last| last.offset.saturating_add(1)),
            reason: error.to_string(),
        });
    }
}

impl<'a> IntoIterator for &'a PartitionRecords {
    type Item = ConsumerRecord<'a>;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

/// Iterator over borrowed records.
///
/// The records of a partition end before one that cannot be read, which the consumer's next call reports.
#[derive(Clone, Debug)]
pub struct Iter<'a> {
    partitions: slice::Iter<'a, PartitionRecords>,
    current: Option<Place<'a>>,
    /// Records behind those of the current span.
    later: usize,
}

/// The span where an iterator stands.
#[derive(Clone, Debug)]
struct Place<'a> {
    partition: &'a PartitionRecords,
    span: &'a Span,
    later: slice::Iter<'a, Span>,
    records: batch::Records<'a>,
}

impl<'a> Iter<'a> {
    fn over(partitions: &'a [PartitionRecords], count: usize) -> Self {
        Self {
            partitions: partitions.iter(),
            current: None,
            later: count,
        }
    }

    /// Goes to the next span; none at the end. By value, so that an iterator can live in registers.
    #[cold]
    fn advanced(mut self) -> Option<Self> {
        let (partition, mut spans) = match self.current {
            Some(place) if !place.later.as_slice().is_empty() => (place.partition, place.later),
            _ => {
                let next = self.partitions.next()?;
                (next, next.spans.iter())
            }
        };
        let span = spans.next()?;
        self.later = self.later.saturating_sub(span.count);
        self.current = Some(Place {
            partition,
            span,
            later: spans,
            records: span.records(),
        });
        Some(self)
    }

    /// The next record cannot be read: those of its partition end here.
    #[cold]
    fn broken(mut self, error: &DecodeError) -> Self {
        if let Some(place) = self.current.take() {
            place.partition.report(place.span, error);
            let skipped: usize = place.later.map(|span| span.count).sum();
            self.later = self.later.saturating_sub(skipped);
        }
        self
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = ConsumerRecord<'a>;

    #[expect(
        clippy::inline_always,
        reason = "a record has many parts, of which the caller's loop needs few: the others are never put together"
    )]
    #[inline(always)]
    fn next(&mut self) -> Option<ConsumerRecord<'a>> {
        loop {
            if let Some(place) = &mut self.current {
                match place.records.next() {
                    Some(Ok(record)) => {
                        let source = &place.partition.partition;
                        return Some(ConsumerRecord {
                            topic: &source.topic,
                            partition: source.partition,
                            offset: record.offset,
                            timestamp: record.timestamp,
                            key: record.key,
                            value: record.value,
                            headers: record.headers,
                            source,
                            batch: &place.span.batch,
                        });
                    }
                    Some(Err(error)) => *self = self.clone().broken(&error),
                    None => {}
                }
            }
            *self = self.clone().advanced()?;
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let current = self.current.as_ref();
        let here = current.map_or(0, |place| place.records.cursor().records_left());
        // Fewer if one is broken.
        (
            0,
            Some(self.later + usize::try_from(here).unwrap_or_default()),
        )
    }
}

/// One record, borrowed from the [`Records`] it is part of.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ConsumerRecord<'a> {
    /// Topic.
    pub topic: &'a str,
    /// Partition.
    pub partition: i32,
    /// Offset in the partition.
    pub offset: i64,
    /// Milliseconds since the Unix epoch: when the producer made it, or, with
    /// `message.timestamp.type=LogAppendTime`, when the broker wrote it.
    pub timestamp: i64,
    /// Key; null and empty are different.
    pub key: Option<&'a [u8]>,
    /// Value; null is a tombstone on compacted topics.
    pub value: Option<&'a [u8]>,
    /// Headers, in the order they were written.
    pub headers: Headers<'a>,
    source: &'a TopicPartition,
    batch: &'a RecordBatch,
}

impl ConsumerRecord<'_> {
    /// The epoch of the leader that wrote it, if known; to be stored and committed with the offset
    /// behind the record (KIP-320).
    #[must_use]
    pub fn leader_epoch(&self) -> Option<i32> {
        leader_epoch(self.batch)
    }

    /// The record for keeping: key, value and headers are reference-counted slices of the bytes
    /// that were fetched, not copies.
    ///
    /// One kept message keeps the whole response it came in in memory. To keep few small records
    /// for long, copy them instead.
    #[must_use]
    pub fn to_owned(self) -> Message {
        let record = batch::Record {
            offset: self.offset,
            timestamp: self.timestamp,
            key: self.key,
            value: self.value,
            headers: self.headers,
        };
        Message::new(self.source, self.batch, &record)
    }
}

fn leader_epoch(batch: &RecordBatch) -> Option<i32> {
    let epoch = batch.header().partition_leader_epoch;
    (epoch >= 0).then_some(epoch)
}

/// A record that owns its bytes; see [`ConsumerRecord::to_owned`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Message {
    /// Topic.
    pub topic: Arc<str>,
    /// Partition.
    pub partition: i32,
    /// Offset in the partition.
    pub offset: i64,
    /// Milliseconds since the Unix epoch.
    pub timestamp: i64,
    /// The epoch of the leader that wrote it, if known (KIP-320).
    pub leader_epoch: Option<i32>,
    /// Key.
    pub key: Option<Bytes>,
    /// Value.
    pub value: Option<Bytes>,
    /// Headers: keys (UTF-8 by convention) and values, in order.
    pub headers: Vec<(Bytes, Option<Bytes>)>,
}

impl Message {
    /// `record` of `batch`, sharing its bytes.
    pub(crate) fn new(
        partition: &TopicPartition,
        batch: &RecordBatch,
        record: &batch::Record<'_>,
    ) -> Self {
        let slice = |bytes: &[u8]| batch.payload().slice_ref(bytes);
        let header = |header: batch::Header<'_>| (slice(header.key), header.value.map(slice));
        Self {
            topic: Arc::clone(&partition.topic),
            partition: partition.partition,
            offset: record.offset,
            timestamp: record.timestamp,
            leader_epoch: leader_epoch(batch),
            key: record.key.map(slice),
            value: record.value.map(slice),
            headers: record.headers.iter().map(header).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fetch::testing::{batch, record_batch};

    fn whole(batch: RecordBatch) -> Span {
        Span {
            start: batch.start(),
            count: batch.header().record_count as usize,
            offset: batch.header().base_offset,
            batch,
        }
    }

    fn add(records: &mut Records, partition: i32, spans: Vec<Span>, faults: &Arc<Faults>) {
        let source = Source {
            partition: &TopicPartition::new("a", partition),
            epoch: Epoch(1),
            faults,
        };
        records.add(source, spans);
    }

    fn offsets(iter: Iter<'_>) -> Vec<(i32, i64)> {
        iter.map(|record| (record.partition, record.offset))
            .collect()
    }

    #[test]
    fn records_come_partition_by_partition_and_know_their_number() {
        let mut records = Records::default();
        let spans = |base: i64| {
            vec![
                whole(record_batch(base, 3)),
                whole(record_batch(base + 3, 2)),
            ]
        };
        let faults = Arc::default();
        add(&mut records, 0, spans(0), &faults);
        add(&mut records, 1, spans(70), &faults);
        let mut iter = records.iter();
        assert_eq!((records.len(), iter.size_hint().1), (10, Some(10)));
        iter.nth(6);
        assert_eq!(iter.size_hint().1, Some(3));
        assert_eq!(faults.take(), []);
        let expected = [0, 1, 2, 3, 4].map(|offset| (0, offset)).into_iter();
        let expected: Vec<_> = expected
            .chain([70, 71, 72, 73, 74].map(|offset| (1, offset)))
            .collect();
        assert_eq!(offsets(records.iter()), expected);
        let second = records.partitions().nth(1).unwrap();
        assert_eq!(second.iter().map(|r| r.offset).sum::<i64>(), 72 * 5);
        assert_eq!(second.partition().to_string(), "a-1");
    }

    #[test]
    fn a_span_may_begin_and_end_inside_its_batch() {
        let batch = record_batch(10, 5);
        let mut read = batch.records();
        read.nth(1).unwrap().unwrap();
        let start = read.cursor();
        let spans = vec![Span {
            batch,
            start,
            count: 2,
            offset: 12,
        }];
        let mut records = Records::default();
        add(&mut records, 0, spans, &Arc::default());
        assert_eq!(offsets(records.iter()), [(0, 12), (0, 13)]);
    }

    #[test]
    fn a_broken_record_ends_those_of_its_partition_and_is_reported_with_its_offset() {
        // The length of the key of the third record leads out of it.
        let mut bytes = batch(10, 4).to_vec();
        let key = bytes.windows(6).position(|bytes| bytes == b"key-12");
        bytes[key.unwrap() - 1] = 0x7e;
        let broken = crate::fetch::testing::open(crate::fetch::testing::with_crc(bytes));
        let mut records = Records::default();
        let faults = Arc::default();
        let spans = vec![
            whole(record_batch(8, 2)),
            whole(broken),
            whole(record_batch(14, 2)),
        ];
        add(&mut records, 0, spans, &faults);
        add(&mut records, 1, vec![whole(record_batch(5, 1))], &faults);
        for _ in 0..2 {
            let read = offsets(records.iter());
            assert_eq!(read, [(0, 8), (0, 9), (0, 10), (0, 11), (1, 5)]);
        }
        let found = faults.take();
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(
            (&found[0].partition, found[0].epoch, found[0].offset),
            (&TopicPartition::new("a", 0), Epoch(1), 12)
        );
        assert!(found[0].reason.contains("record key"), "{found:?}");
    }

    #[test]
    fn an_owned_record_shares_the_bytes_of_the_batch() {
        let bytes = batch(0, 1);
        let range = bytes.as_ptr_range();
        let mut records = Records::default();
        let spans = vec![whole(crate::fetch::testing::open(bytes))];
        add(&mut records, 0, spans, &Arc::default());
        let message = records.iter().next().unwrap().to_owned();
        assert_eq!(message.key.as_deref(), Some(&b"key-0"[..]));
        drop(records);
        assert!(range.contains(&message.value.unwrap().as_ptr()));
    }
}
