//! kafka-protocol's codec: lz4 and zstd are the C libraries, lz4 at its level 4 of the slower compressor.

use std::hint::black_box;

use bytes::{Bytes, BytesMut};
use kafka_protocol::indexmap::IndexMap;
use kafka_protocol::records::{
    Compression as TheirCompression, Record, RecordBatchDecoder, RecordBatchEncoder,
    RecordEncodeOptions, TimestampType,
};
use klamm_codec::compress::Compression;

use crate::samples::Samples;

/// Writes the samples into batches, into the same buffer each time.
pub(crate) struct Encode<'a> {
    samples: &'a Samples,
    records: Vec<Record>,
    options: RecordEncodeOptions,
    buffer: BytesMut,
}

impl<'a> Encode<'a> {
    pub(crate) fn new(samples: &'a Samples, codec: Compression) -> Self {
        let compression = match codec {
            Compression::Gzip => TheirCompression::Gzip,
            Compression::Snappy => TheirCompression::Snappy,
            Compression::Lz4 => TheirCompression::Lz4,
            Compression::Zstd => TheirCompression::Zstd,
            _ => TheirCompression::None,
        };
        Self {
            samples,
            records: records(samples),
            options: RecordEncodeOptions {
                version: 2,
                compression,
            },
            buffer: BytesMut::new(),
        }
    }

    /// From records that are there already.
    pub(crate) fn encode(&mut self) {
        self.buffer.clear();
        RecordBatchEncoder::encode(&mut self.buffer, &self.records, &self.options)
            .expect("the codec takes everything");
        black_box(&self.buffer);
    }

    /// From the bytes that a user has: the records are made first.
    pub(crate) fn make_and_encode(&mut self) {
        self.records = records(self.samples);
        self.encode();
    }
}

fn records(samples: &Samples) -> Vec<Record> {
    let record = |(index, (timestamp, value)): (usize, (i64, &[u8]))| Record {
        transactional: false,
        control: false,
        delete_horizon: false,
        partition_leader_epoch: -1,
        producer_id: 1,
        producer_epoch: 0,
        timestamp_type: TimestampType::Creation,
        offset: index as i64,
        sequence: index as i32,
        timestamp,
        key: None,
        value: Some(Bytes::copy_from_slice(value)),
        headers: IndexMap::new(),
    };
    samples.iter().enumerate().map(record).collect()
}

/// Reads one batch of all samples.
pub(crate) struct Decode(Bytes);

impl Decode {
    pub(crate) fn new(samples: &Samples, codec: Compression) -> Self {
        let mut encode = Encode::new(samples, codec);
        encode.encode();
        Self(encode.buffer.freeze())
    }

    pub(crate) fn decode(&self) {
        let set = RecordBatchDecoder::decode(&mut self.0.clone()).expect("a valid batch");
        black_box(set.records);
    }
}
