//! The record codec beside kafka-protocol's: time and allocations per record, encoding and decoding, in one run.
//!
//!     cargo bench -p klamm-benches [--bench codec] [-- PART_OF_A_ROW]
//!
//! Ours and theirs take turns, sample by sample, so that a busy machine slows both: compare medians of one run. The
//! `vs` column is theirs divided by ours.

mod measure;
mod ours;
mod samples;
mod theirs;

use std::alloc::System;

use klamm_codec::compress::Compression;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

use crate::measure::{Table, Task};
use crate::samples::{BATCH_BYTES, Samples};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn main() {
    // `cargo bench` passes --bench.
    let filter = std::env::args().skip(1).find(|arg| !arg.starts_with("--"));
    println!(
        "{} records of JSON values and null keys, batches of {BATCH_BYTES} bytes at most; ns and allocations per record",
        std::env::consts::ARCH
    );
    let table = Table::new(filter);
    for value_bytes in [10, 100, 1000] {
        let samples = Samples::new(value_bytes);
        uncompressed(&table, &samples);
        for codec in &Compression::ALL[1..] {
            compressed(&table, &samples, *codec);
        }
    }
}

fn uncompressed(table: &Table, samples: &Samples) {
    let name = |what: &str| format!("{} B none {what}", samples.value_bytes);
    let records = samples.count();
    let append = ours::Encode::new(samples, Compression::None);
    let mut seal = ours::Encode::new(samples, Compression::None);
    let mut their_build = theirs::Encode::new(samples, Compression::None);
    let mut their_encode = theirs::Encode::new(samples, Compression::None);
    table.compare(
        &name("encode"),
        records,
        vec![
            Task::new("ours, CRC apart", || append.append()),
            Task::new("ours", || seal.seal()),
            Task::new("kafka-protocol, records at hand", || their_encode.encode()),
            Task::new("kafka-protocol, records made", || {
                their_build.make_and_encode();
            }),
        ],
    );
    let decode = ours::Decode::new(samples, Compression::None);
    let theirs = theirs::Decode::new(samples, Compression::None);
    table.compare(
        &name("decode"),
        records,
        vec![
            Task::new("ours, CRC apart", || decode.borrowed(false)),
            Task::new("ours", || decode.borrowed(true)),
            Task::new("ours, to Bytes", || decode.to_bytes()),
            Task::new("kafka-protocol", || theirs.decode()),
        ],
    );
}

fn compressed(table: &Table, samples: &Samples, codec: Compression) {
    let name = |what: &str| format!("{} B {codec} {what}", samples.value_bytes);
    let records = samples.count();
    let mut encode = ours::Encode::new(samples, codec);
    let mut theirs = theirs::Encode::new(samples, codec);
    table.compare(
        &name("encode"),
        records,
        vec![
            Task::new("ours", || encode.seal()),
            Task::new("kafka-protocol", || theirs.encode()),
        ],
    );
    let decode = ours::Decode::new(samples, codec);
    let theirs = theirs::Decode::new(samples, codec);
    table.compare(
        &name("decode"),
        records,
        vec![
            Task::new("ours", || decode.borrowed(true)),
            Task::new("kafka-protocol", || theirs.decode()),
        ],
    );
}
