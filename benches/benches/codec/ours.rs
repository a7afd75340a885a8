//! klamm's codec, used as its producer and consumer do.

use std::cell::RefCell;
use std::hint::black_box;

use bytes::Bytes;
use klamm_codec::batch::{Batch, BatchBuilder, Batches, ProducerIdentity};
use klamm_codec::compress::{Compression, Compressor, Decompressor};

use crate::samples::{BATCH_BYTES, Samples};

const IDENTITY: ProducerIdentity = ProducerIdentity {
    producer_id: 1,
    producer_epoch: 0,
    base_sequence: 0,
};

/// Writes the samples into batches, into the same buffer each time.
pub(crate) struct Encode<'a> {
    samples: &'a Samples,
    compressor: Option<Compressor>,
    buffer: Vec<u8>,
}

impl<'a> Encode<'a> {
    pub(crate) fn new(samples: &'a Samples, codec: Compression) -> Self {
        let compressor = || Compressor::new(codec, None).expect("the default level is valid");
        Self {
            samples,
            compressor: (codec != Compression::None).then(compressor),
            buffer: Vec::new(),
        }
    }

    fn filled(&mut self) -> BatchBuilder {
        let buffer = std::mem::take(&mut self.buffer);
        self.fill(BatchBuilder::new(buffer))
    }

    fn fill(&self, mut builder: BatchBuilder) -> BatchBuilder {
        for (timestamp, value) in self.samples.iter() {
            builder.append(timestamp, None, Some(value), &[]);
        }
        builder
    }

    /// The records alone: neither compression nor CRC. Into a new buffer, as an unsealed batch keeps its own.
    pub(crate) fn append(&self) {
        black_box(self.fill(BatchBuilder::new(Vec::with_capacity(2 * BATCH_BYTES))));
    }

    /// The whole batch.
    pub(crate) fn seal(&mut self) {
        let builder = self.filled();
        let sealed = builder.seal(IDENTITY, false, self.compressor.as_mut());
        let sealed = black_box(sealed.expect("the codec takes everything"));
        self.buffer = match sealed.used_buffer {
            Some(used) => used,
            None => Vec::from(sealed.bytes),
        };
    }
}

/// Reads one batch of all samples.
pub(crate) struct Decode {
    bytes: Bytes,
    decompressor: RefCell<Decompressor>,
}

impl Decode {
    pub(crate) fn new(samples: &Samples, codec: Compression) -> Self {
        let mut encode = Encode::new(samples, codec);
        let builder = encode.filled();
        let sealed = builder.seal(IDENTITY, false, encode.compressor.as_mut());
        Self {
            bytes: sealed.expect("the codec takes everything").bytes,
            decompressor: RefCell::default(),
        }
    }

    fn batch(&self) -> Batch {
        let batch = Batches::new(self.bytes.clone()).next();
        batch.expect("one batch").expect("a valid batch")
    }

    /// Borrowed records, as `poll` hands them out.
    pub(crate) fn borrowed(&self, verify_crc: bool) {
        let batch = self.batch();
        if verify_crc {
            batch.verify_crc().expect("a valid batch");
        }
        let batch = batch
            .into_records(&mut self.decompressor.borrow_mut(), usize::MAX)
            .expect("a valid batch");
        for record in batch.records() {
            // By reference: by value it would be copied once more.
            black_box(&record.expect("a valid record"));
        }
    }

    /// Records that outlive the batch: a `Bytes` for each value.
    pub(crate) fn to_bytes(&self) {
        let batch = self.batch();
        batch.verify_crc().expect("a valid batch");
        let batch = batch
            .into_records(&mut self.decompressor.borrow_mut(), usize::MAX)
            .expect("a valid batch");
        for record in batch.records() {
            let record = record.expect("a valid record");
            let slice = |bytes| batch.payload().slice_ref(bytes);
            black_box((record.key.map(slice), record.value.map(slice)));
        }
    }
}
