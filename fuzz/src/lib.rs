//! What the codec's entry points promise of any bytes: a value or an error, and no more memory than a bound.
//!
//! Each target is a function of bytes that panics where a promise is broken. `fuzz/run TARGET SECONDS` lets libFuzzer look
//! for such bytes; `tests/tests/fuzz_corpus.rs` runs all targets over the corpus, on stable, with every `cargo test`.
//!
//! The bounds are those of the entry points' own docs. `SLACK` is for what does not grow with the input: an error's text,
//! the owner of the frame.

mod batches;
mod compression;
mod messages;

pub use batches::{batch, batches, legacy};
pub use compression::{compress, gzip, lz4, snappy, zstd};
pub use messages::{api_versions, fetch_response, frame, group, response};

/// What breaks a promise panics.
pub type Target = fn(&[u8]);

/// All targets by name; the folder of the corpus has the same.
pub const TARGETS: &[(&str, Target)] = &[
    ("batches", batches),
    ("batch", batch),
    ("legacy", legacy),
    ("gzip", gzip),
    ("snappy", snappy),
    ("lz4", lz4),
    ("zstd", zstd),
    ("compress", compress),
    ("response", response),
    ("fetch_response", fetch_response),
    ("api_versions", api_versions),
    ("frame", frame),
    ("group", group),
];

const SLACK: usize = 64 << 10;

/// Runs `run`, which may take `bytes_max` bytes of memory at a time.
fn within<T>(bytes_max: usize, run: impl FnOnce() -> T) -> T {
    let mut result = None;
    let taken = allocation_counter::measure(|| result = Some(run())).bytes_max;
    assert!(
        taken <= bytes_max as u64,
        "{taken} bytes of memory where {bytes_max} are allowed"
    );
    result.expect("it was run")
}

/// Takes `N` bytes off `data`: what a target chooses by. Zeros where there are none.
fn take<const N: usize>(data: &mut &[u8]) -> [u8; N] {
    let (head, rest) = data.split_at(data.len().min(N));
    *data = rest;
    let mut taken = [0; N];
    taken[..head.len()].copy_from_slice(head);
    taken
}
