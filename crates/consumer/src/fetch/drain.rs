//! Reading what one fetch brought for one partition, on the application's thread.
//!
//! Owns: the checks of a batch (CRC, decompression, room for its records), skipping
//! control batches, aborted batches and records below the position, the position after each batch.
//!
//! Does not: touch shared state; who owns it tells the others how far it got. Nor decode records, but
//! the last of a batch of which a part is taken: whoever iterates finds what is wrong inside of one
//! (see [`crate::faults`]).
//!
//! Invariants
//! - the position never goes back, and moves past batches without records (compaction, markers)
//! - a batch is opened only when its records are asked for, and only once
//! - after an error the position stays before the bytes that are wrong, and every later call fails

use bytes::Bytes;
use klamm_codec::batch::{Batch, Batches, RecordBatch, RecordCursor};
use klamm_codec::compress::Decompressor;
use klamm_net::TopicPartition;

use super::isolation::AbortedTransactions;
use super::partition::Epoch;
use crate::error::Error;
use crate::records::Span;

/// A batch may not grow larger than this when decompressed: a bomb is an error, not the end.
const DECOMPRESSED_BATCH_BYTES_MAX: usize = 256 << 20;

/// What one fetch brought for one partition.
#[derive(Clone, Debug)]
pub(crate) struct Chunk {
    pub(crate) partition: TopicPartition,
    /// Of the position it was fetched for.
    pub(crate) epoch: Epoch,
    /// The offset asked for.
    pub(crate) offset: i64,
    /// Record batches; the last may be cut.
    pub(crate) records: Bytes,
    /// What is not to be seen, if only committed records are wanted.
    pub(crate) aborted: Option<AbortedTransactions>,
    /// Bytes that count against the budget; none while the partition is paused.
    pub(crate) budgeted: usize,
}

/// How to read.
#[derive(Debug)]
pub(crate) struct Opener {
    pub(crate) check_crcs: bool,
    pub(crate) decompressor: Decompressor,
}

/// A chunk that is being handed out; see the module.
#[derive(Debug)]
pub(crate) struct Drain {
    partition: TopicPartition,
    epoch: Epoch,
    bytes: usize,
    budgeted: usize,
    batches: Batches,
    aborted: Option<AbortedTransactions>,
    open: Option<(RecordBatch, RecordCursor)>,
    position: i64,
    leader_epoch: i32,
    failed: Option<Error>,
    done: bool,
}

impl Drain {
    pub(crate) fn new(chunk: Chunk) -> Self {
        Self {
            bytes: chunk.records.len(),
            budgeted: chunk.budgeted,
            aborted: chunk.aborted,
            batches: Batches::new(chunk.records),
            partition: chunk.partition,
            epoch: chunk.epoch,
            open: None,
            position: chunk.offset,
            leader_epoch: -1,
            failed: None,
            done: false,
        }
    }

    /// Adds spans of at most `most` records; fewer only at the end or before an error.
    pub(crate) fn take(&mut self, most: usize, opener: &mut Opener) -> Vec<Span> {
        let mut spans = Vec::new();
        let mut taken = 0;
        while taken < most
            && let Some(span) = self.take_span(most - taken, opener)
        {
            taken += span.count;
            spans.push(span);
        }
        spans
    }

    /// The next records of one batch, at most `most`; none at the end or before an error.
    pub(crate) fn take_span(&mut self, most: usize, opener: &mut Opener) -> Option<Span> {
        while self.failed.is_none() {
            match self.next_span(most, opener) {
                Ok(Some(span)) if span.count > 0 => return Some(span),
                Ok(Some(_)) => {}
                Ok(None) => {
                    self.done = true;
                    return None;
                }
                Err(reason) => self.fail(self.position, reason),
            }
        }
        None
    }

    /// The bytes from `offset` on cannot be read.
    pub(crate) fn fail(&mut self, offset: i64, reason: String) {
        self.position = offset;
        self.failed = Some(Error::Corrupt {
            partition: self.partition.clone(),
            offset,
            reason,
        });
    }

    /// Takes back what is left of the span that was taken last: the records from `offset` on, which
    /// begin at `start`.
    pub(crate) fn take_back(&mut self, batch: RecordBatch, start: RecordCursor, offset: i64) {
        self.open = Some((batch, start));
        self.position = offset;
        self.done = false;
    }

    /// Why nothing more can be read.
    pub(crate) fn failed(&self) -> Option<&Error> {
        self.failed.as_ref()
    }

    /// Whether the end was seen.
    pub(crate) const fn is_done(&self) -> bool {
        self.done
    }

    pub(crate) const fn partition(&self) -> &TopicPartition {
        &self.partition
    }

    pub(crate) const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Bytes of the chunk.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Bytes that count against the budget.
    pub(crate) const fn budgeted(&self) -> usize {
        self.budgeted
    }

    /// Counts all bytes against the budget, or none.
    pub(crate) const fn set_budgeted(&mut self, budgeted: bool) {
        self.budgeted = if budgeted { self.bytes } else { 0 };
    }

    /// Next offset to hand out.
    pub(crate) const fn position(&self) -> i64 {
        self.position
    }

    /// Leader epoch of the batch handed out last, or -1.
    pub(crate) const fn leader_epoch(&self) -> i32 {
        self.leader_epoch
    }

    /// The next records of one batch, none at the end.
    fn next_span(&mut self, most: usize, opener: &mut Opener) -> Result<Option<Span>, String> {
        let (batch, cursor) = match self.open.take() {
            Some(open) => open,
            None => match self.open_next(opener)? {
                Some(batch) => {
                    let start = batch.start();
                    (batch, start)
                }
                None => return Ok(None),
            },
        };
        let start = self.skip_handed_out(&batch, cursor);
        let left = usize::try_from(start.records_left()).unwrap_or_default();
        let offset = self.position;
        self.leader_epoch = batch.header().partition_leader_epoch;
        if left <= most || !self.cut(&batch, start, most) {
            self.position = batch.header().last_offset().saturating_add(1);
        }
        Ok(Some(Span {
            start,
            count: left.min(most),
            offset,
            batch,
        }))
    }

    /// Keeps the records behind the next `most`. False if there is a broken one before them: whoever
    /// iterates meets it.
    fn cut(&mut self, batch: &RecordBatch, start: RecordCursor, most: usize) -> bool {
        let mut records = batch.records_from(start);
        let Some(Ok(last)) = records.nth(most.saturating_sub(1)) else {
            return false;
        };
        self.position = last.offset.saturating_add(1);
        self.open = Some((batch.clone(), records.cursor()));
        true
    }

    /// Fetches begin in the middle of a batch: the place of the first record not handed out yet.
    fn skip_handed_out(&self, batch: &RecordBatch, cursor: RecordCursor) -> RecordCursor {
        let mut start = cursor;
        if batch.header().base_offset >= self.position {
            return start;
        }
        let mut records = batch.records_from(cursor);
        while let Some(Ok(record)) = records.next()
            && record.offset < self.position
        {
            start = records.cursor();
        }
        start
    }

    /// The next batch that has records for the application.
    fn open_next(&mut self, opener: &mut Opener) -> Result<Option<RecordBatch>, String> {
        while let Some(batch) = self.batches.next() {
            let batch = batch.map_err(|error| error.to_string())?;
            let end = batch.header().last_offset().saturating_add(1);
            if end <= self.position {
                continue;
            }
            if opener.check_crcs {
                batch.verify_crc().map_err(|error| error.to_string())?;
            }
            if self.hides(&batch, &mut opener.decompressor)? || batch.header().record_count == 0 {
                self.position = end;
                self.leader_epoch = batch.header().partition_leader_epoch;
                continue;
            }
            return open(batch, &mut opener.decompressor).map(Some);
        }
        Ok(None)
    }

    /// Whether the batch is not for the application: a marker, or part of an aborted transaction.
    fn hides(&mut self, batch: &Batch, decompressor: &mut Decompressor) -> Result<bool, String> {
        let header = batch.header();
        let is_control = header.attributes.is_control();
        let Some(aborted) = &mut self.aborted else {
            return Ok(is_control);
        };
        let is_aborted = aborted.contain(header);
        if is_control && header.record_count > 0 {
            let opened = open(batch.clone(), decompressor)?;
            let marker = opened.records().next().transpose();
            let marker = marker.map_err(|error| error.to_string())?;
            aborted.handle_marker(header, marker.and_then(|marker| marker.key));
        }
        Ok(is_control || is_aborted)
    }
}

fn open(batch: Batch, decompressor: &mut Decompressor) -> Result<RecordBatch, String> {
    let opened = batch
        .into_records(decompressor, DECOMPRESSED_BATCH_BYTES_MAX)
        .map_err(|error| error.to_string())?;
    opened.check_count().map_err(|error| error.to_string())?;
    Ok(opened)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fetch::testing::{
        abort_marker, batch, commit_marker, control_batch, empty_batch, joined, transactional,
    };

    fn opener() -> Opener {
        Opener {
            check_crcs: true,
            decompressor: Decompressor::default(),
        }
    }

    fn drain(offset: i64, records: Bytes) -> Drain {
        Drain::new(Chunk {
            partition: TopicPartition::new("t", 0),
            epoch: Epoch(1),
            offset,
            budgeted: records.len(),
            records,
            aborted: None,
        })
    }

    fn offsets(spans: &[Span]) -> Vec<i64> {
        spans
            .iter()
            .flat_map(|span| span.batch.records_from(span.start).take(span.count))
            .map(|record| record.unwrap().offset)
            .collect()
    }

    #[test]
    fn records_are_handed_out_in_portions_across_batches() {
        let mut drain = drain(0, joined(&[batch(0, 3), batch(3, 4)]));
        let first = drain.take(5, &mut opener());
        assert_eq!(offsets(&first), [0, 1, 2, 3, 4]);
        assert_eq!((drain.position(), drain.is_done()), (5, false));
        let second = drain.take(5, &mut opener());
        assert_eq!(offsets(&second), [5, 6]);
        assert_eq!((drain.position(), drain.is_done()), (7, true));
    }

    #[test]
    fn what_is_taken_back_is_handed_out_again() {
        let mut drain = drain(0, joined(&[batch(0, 3), batch(3, 2)]));
        let span = drain.take_span(10, &mut opener()).unwrap();
        let mut records = span.batch.records_from(span.start);
        records.next().unwrap().unwrap();
        let rest = records.cursor();
        drain.take_back(span.batch.clone(), rest, 1);
        assert_eq!(drain.position(), 1);
        assert_eq!(offsets(&drain.take(10, &mut opener())), [1, 2, 3, 4]);
        // From the last span, too.
        let span = drain.take_span(1, &mut opener());
        assert!(span.is_none() && drain.is_done());
    }

    #[test]
    fn a_portion_that_ends_with_a_batch_is_not_the_end() {
        let mut drain = drain(0, joined(&[batch(0, 3), batch(3, 2)]));
        assert_eq!(offsets(&drain.take(3, &mut opener())), [0, 1, 2]);
        assert!(!drain.is_done());
        assert_eq!(offsets(&drain.take(3, &mut opener())), [3, 4]);
        assert!(drain.is_done());
    }

    #[test]
    fn records_below_the_position_are_skipped() {
        let mut drain = drain(4, joined(&[batch(0, 3), batch(3, 4)]));
        assert_eq!(offsets(&drain.take(10, &mut opener())), [4, 5, 6]);
    }

    #[test]
    fn control_and_empty_batches_are_skipped_and_move_the_position() {
        let records = joined(&[
            control_batch(0),
            batch(1, 2),
            empty_batch(3, 9),
            control_batch(10),
        ]);
        let mut drain = drain(0, records);
        assert_eq!(offsets(&drain.take(10, &mut opener())), [1, 2]);
        assert_eq!((drain.position(), drain.is_done()), (11, true));
    }

    #[test]
    fn aborted_batches_are_skipped_and_move_the_position_if_only_committed_ones_are_wanted() {
        let records = joined(&[
            transactional(7, 0, 2),
            transactional(8, 2, 2),
            abort_marker(7, 4),
            batch(5, 1),
            transactional(7, 6, 1),
            commit_marker(8, 7),
            commit_marker(7, 8),
            transactional(9, 9, 3),
        ]);
        let aborted = AbortedTransactions::new(vec![(9, 9), (7, 0)]);
        let mut committed = drain(0, records.clone());
        committed.aborted = Some(aborted);
        assert_eq!(offsets(&committed.take(10, &mut opener())), [2, 3, 5, 6]);
        assert_eq!((committed.position(), committed.is_done()), (12, true));
        let all = drain(0, records).take(10, &mut opener());
        assert_eq!(offsets(&all), [0, 1, 2, 3, 5, 6, 9, 10, 11]);
    }

    #[test]
    fn the_position_moves_past_records_that_compaction_took_from_the_end_of_a_batch() {
        let mut bytes = batch(0, 2).to_vec();
        bytes[23..27].copy_from_slice(&7_i32.to_be_bytes());
        let mut drain = drain(0, crate::fetch::testing::with_crc(bytes));
        assert_eq!(offsets(&drain.take(10, &mut opener())), [0, 1]);
        assert_eq!(drain.position(), 8);
    }

    #[test]
    fn a_flipped_bit_fails_at_its_batch_and_stays_failed() {
        let mut broken = batch(2, 2).to_vec();
        let last = broken.len() - 2;
        broken[last] ^= 1;
        let records = joined(&[batch(0, 2), broken.into(), batch(4, 1)]);
        let mut drain = drain(0, records.clone());
        assert_eq!(offsets(&drain.take(10, &mut opener())), [0, 1]);
        for _ in 0..2 {
            assert!(drain.take(10, &mut opener()).is_empty());
            let Some(Error::Corrupt {
                offset: 2, reason, ..
            }) = drain.failed()
            else {
                panic!("{:?}", drain.failed())
            };
            assert!(reason.contains("CRC"), "{reason}");
            assert_eq!((drain.position(), drain.is_done()), (2, false));
        }
        // Without the check the bytes are taken as they are.
        let mut opener = opener();
        opener.check_crcs = false;
        assert_eq!(
            offsets(&self::drain(0, records).take(10, &mut opener)).len(),
            5
        );
    }

    #[test]
    fn a_batch_without_room_for_its_records_fails() {
        let mut bytes = batch(0, 3).to_vec();
        bytes[57..61].copy_from_slice(&5_000_i32.to_be_bytes());
        let mut drain = drain(0, crate::fetch::testing::with_crc(bytes));
        assert!(drain.take(10, &mut opener()).is_empty());
        let Some(Error::Corrupt {
            offset: 0, reason, ..
        }) = drain.failed()
        else {
            panic!("{:?}", drain.failed())
        };
        assert!(reason.contains("record count"), "{reason}");
    }

    #[test]
    fn a_batch_that_is_broken_is_handed_out_up_to_the_broken_record_whatever_the_portion() {
        // A count of five in a batch of three: the fourth record is not there.
        let mut bytes = batch(0, 3).to_vec();
        bytes[57..61].copy_from_slice(&5_i32.to_be_bytes());
        let records = crate::fetch::testing::with_crc(bytes);
        for portion in [2, 3, 4, 10] {
            let mut drain = drain(0, records.clone());
            let mut good = Vec::new();
            let mut is_broken = false;
            while !is_broken && !drain.is_done() {
                for span in drain.take(portion, &mut opener()) {
                    for record in span.batch.records_from(span.start).take(span.count) {
                        match record {
                            Ok(record) => good.push(record.offset),
                            Err(_) => is_broken = true,
                        }
                    }
                }
            }
            assert_eq!((good, is_broken), (vec![0, 1, 2], true), "{portion}");
        }
    }
}
