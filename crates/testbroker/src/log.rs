//! One partition's log: whole batches, oldest first.
//!
//! Owns: offsets, leader epochs of offsets, and how many bytes are kept. Does not: judge batches,
//! know producers, wait.
//!
//! Invariants
//! - batches follow each other by offset without overlap; `start <= end`
//! - the last batch is always kept; without it, `bytes <= bytes_max`
//! - there is one replica that matters, so the high watermark is the log's end

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use klamm_codec::batch::BatchHeader;

use crate::batch::{self, Stamped};

/// The offset is outside what the log holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct OutOfRange;

#[derive(Debug)]
pub(crate) struct Log {
    batches: VecDeque<Stored>,
    start: i64,
    end: i64,
    bytes: usize,
    bytes_max: usize,
    /// Where each leader epoch that wrote something began, oldest first.
    epochs: Vec<EpochStart>,
}

#[derive(Debug)]
struct Stored {
    header: BatchHeader,
    data: Bytes,
}

#[derive(Clone, Copy, Debug)]
struct EpochStart {
    epoch: i32,
    offset: i64,
}

/// Leader epochs remembered per log; the oldest are forgotten first.
const EPOCHS_MAX: usize = 1024;

impl Log {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self {
            batches: VecDeque::new(),
            start: 0,
            end: 0,
            bytes: 0,
            bytes_max,
            epochs: Vec::new(),
        }
    }

    /// Appends the batch that `header` was parsed from; `append_time` replaces its records'
    /// timestamps. Returns its base offset.
    pub(crate) fn append(
        &mut self,
        header: &BatchHeader,
        batch: &[u8],
        leader_epoch: i32,
        append_time: Option<i64>,
    ) -> i64 {
        let base_offset = self.end;
        // A copy of its own: a slice would keep the whole request in memory.
        let mut data = BytesMut::from(&batch[..header.batch_bytes]);
        batch::assign(&mut data, base_offset, leader_epoch);
        let mut header = BatchHeader {
            base_offset,
            partition_leader_epoch: leader_epoch,
            ..header.clone()
        };
        let data = if let Some(timestamp) = append_time {
            batch::set_append_time(&mut header, &mut data, timestamp);
            batch::reseal(&header, data.freeze())
        } else {
            data.freeze()
        };
        self.remember_epoch(leader_epoch, base_offset);
        self.end = header.last_offset() + 1;
        self.bytes += data.len();
        self.batches.push_back(Stored { header, data });
        self.drop_oldest();
        base_offset
    }

    pub(crate) fn start(&self) -> i64 {
        self.start
    }

    pub(crate) fn end(&self) -> i64 {
        self.end
    }

    pub(crate) fn batches(&self) -> impl Iterator<Item = &Bytes> {
        self.batches.iter().map(|stored| &stored.data)
    }

    /// Bytes from the batch that holds `offset` on, of batches that begin before `before`, at most
    /// `bytes_max` of them; the last batch may be cut, as a broker cuts it.
    ///
    /// The first batch comes whole if `first_whole`, however large; else, if it does not fit,
    /// nothing comes.
    pub(crate) fn read(
        &self,
        offset: i64,
        before: i64,
        bytes_max: usize,
        first_whole: bool,
    ) -> Result<Bytes, OutOfRange> {
        if offset < self.start || offset > self.end {
            return Err(OutOfRange);
        }
        let first = self
            .batches
            .partition_point(|stored| stored.header.last_offset() < offset);
        let is_stable = |stored: &&Stored| stored.header.base_offset < before;
        let Some(stored) = self.batches.get(first).filter(is_stable) else {
            return Ok(Bytes::new());
        };
        if stored.data.len() >= bytes_max {
            let whole = first_whole || stored.data.len() == bytes_max;
            return Ok(if whole {
                stored.data.clone()
            } else {
                Bytes::new()
            });
        }
        let mut out = BytesMut::new();
        for stored in self.batches.range(first..).take_while(is_stable) {
            let room = bytes_max - out.len();
            out.extend_from_slice(&stored.data[..stored.data.len().min(room)]);
            if out.len() == bytes_max {
                break;
            }
        }
        Ok(out.freeze())
    }

    /// The first record at or after a time.
    pub(crate) fn first_at_or_after(&self, timestamp: i64) -> Option<Stamped> {
        self.batches
            .iter()
            .filter(|stored| stored.header.max_timestamp >= timestamp)
            .find_map(|stored| {
                batch::first_record(&stored.header, &stored.data, |at| at >= timestamp)
            })
    }

    /// The first of the records with the highest timestamp.
    pub(crate) fn latest_in_time(&self) -> Option<Stamped> {
        let highest = self
            .batches
            .iter()
            .map(|stored| stored.header.max_timestamp)
            .max()?;
        self.first_at_or_after(highest)
    }

    /// The leader epoch that wrote `offset`.
    pub(crate) fn epoch_of(&self, offset: i64) -> Option<i32> {
        let after = self.epochs.partition_point(|start| start.offset <= offset);
        Some(self.epochs.get(after.checked_sub(1)?)?.epoch)
    }

    pub(crate) fn latest_epoch(&self) -> Option<i32> {
        self.epochs.last().map(|start| start.epoch)
    }

    /// The largest epoch not above `epoch` that wrote something, and where it ended (KIP-320).
    pub(crate) fn end_of_epoch(&self, epoch: i32) -> Option<(i32, i64)> {
        let after = self.epochs.partition_point(|start| start.epoch <= epoch);
        let found = self.epochs.get(after.checked_sub(1)?)?;
        Some((
            found.epoch,
            self.epochs.get(after).map_or(self.end, |next| next.offset),
        ))
    }

    /// Loses everything from `offset` on, and the rest of the batch that holds it.
    pub(crate) fn truncate(&mut self, offset: i64) {
        let holds = |last: &&Stored| last.header.last_offset() >= offset;
        while let Some(last) = self.batches.back().filter(holds) {
            self.bytes -= last.data.len();
            self.end = last.header.base_offset;
            self.batches.pop_back();
        }
        self.end = self.end.max(self.start);
        self.epochs.retain(|start| start.offset < self.end);
    }

    fn remember_epoch(&mut self, epoch: i32, offset: i64) {
        if self.latest_epoch().is_none_or(|latest| latest < epoch) {
            self.epochs.push(EpochStart { epoch, offset });
            if self.epochs.len() > EPOCHS_MAX {
                self.epochs.remove(0);
            }
        }
    }

    fn drop_oldest(&mut self) {
        while self.bytes > self.bytes_max && self.batches.len() > 1 {
            if let Some(dropped) = self.batches.pop_front() {
                self.bytes -= dropped.data.len();
                self.start = dropped.header.last_offset() + 1;
            }
        }
    }
}

#[cfg(test)]
mod tests;
