//! Records cost no allocation: counted over more than 100,000 of 100 bytes, both ways.

use bytes::Bytes;
use klamm_codec::batch::{BatchBuilder, Batches, Header, ProducerIdentity};
use klamm_codec::compress::{Compression, Compressor, Decompressor};

const BATCHES: usize = 100;
const RECORDS: usize = 1200;
const VALUE: [u8; 100] = [b'v'; 100];
const IDENTITY: ProducerIdentity = ProducerIdentity {
    producer_id: 1,
    producer_epoch: 0,
    base_sequence: 0,
};

fn allocations_of(run: impl FnOnce()) -> u64 {
    allocation_counter::measure(run).count_total
}

fn append_all(builder: &mut BatchBuilder) {
    let headers = [Header::new("trace", "0123456789abcdef")];
    for index in 0..RECORDS {
        let key = (index as u64).to_be_bytes();
        let headers = if index % 10 == 0 { &headers[..] } else { &[] };
        let timestamp = 1_700_000_000_000 + index as i64;
        builder.append(timestamp, Some(&key), Some(&VALUE), headers);
    }
}

fn sealed(codec: Compression) -> Bytes {
    let mut builder = BatchBuilder::new(Vec::new());
    append_all(&mut builder);
    let mut compressor = Compressor::new(codec, None).unwrap();
    let compressor = (codec != Compression::None).then_some(&mut compressor);
    builder.seal(IDENTITY, false, compressor).unwrap().bytes
}

#[test]
fn writing_into_a_used_buffer_allocates_nothing() {
    let mut buffer = Vec::with_capacity(256 << 10);
    let mut written = 0;
    let allocations = allocations_of(|| {
        for _ in 0..BATCHES {
            let mut builder = BatchBuilder::new(std::mem::take(&mut buffer));
            append_all(&mut builder);
            written += builder.record_count();
            // Sealing gives the buffer away: once a batch, not counted here.
            allocation_counter::opt_out(|| {
                let sealed = builder.seal(IDENTITY, false, None).unwrap();
                buffer = Vec::from(sealed.bytes);
            });
        }
    });
    assert!(written >= 100_000);
    assert_eq!(allocations, 0);
}

#[test]
fn a_buffer_that_grows_allocates_a_few_times_a_batch_and_not_a_record() {
    let allocations = allocations_of(|| append_all(&mut BatchBuilder::new(Vec::new())));
    assert!(allocations <= 14, "{allocations}");
}

#[test]
fn reading_allocates_nothing_a_record_and_a_constant_a_compressed_batch() {
    for codec in Compression::ALL {
        let bytes = sealed(codec);
        let mut decompressor = Decompressor::new();
        let mut read = 0;
        let mut pass = || {
            let batch = Batches::new(bytes.clone()).next().unwrap().unwrap();
            batch.verify_crc().unwrap();
            let batch = batch.into_records(&mut decompressor, 1 << 20).unwrap();
            for record in batch.records() {
                read += usize::from(record.unwrap().headers.len() < 2);
            }
        };
        // The codec's own state, once.
        pass();
        let allocations = allocations_of(|| (0..BATCHES).for_each(|_| pass()));
        assert!(read >= 100_000);
        // The output vector, which may grow by doubling, and its owner.
        let a_batch = if codec == Compression::None { 0 } else { 16 };
        let allowed = (BATCHES * a_batch) as u64;
        assert!(allocations <= allowed, "{codec}: {allocations} > {allowed}");
    }
}
