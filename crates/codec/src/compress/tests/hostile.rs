//! Truncated, mutated and malicious input: a value or an error, in time and within the limit.

use std::time::{Duration, Instant};

use super::*;

proptest! {
    #![proptest_config(crate::testing::cases(1500))]

    #[test]
    fn a_truncated_input_is_an_error_or_a_prefix(
        (codec, input, data) in well_formed(),
        cut in any::<proptest::sample::Index>(),
    ) {
        let cut = cut.index(input.len());
        // Xerial streams have no end mark: cut between two blocks, the rest is a valid stream.
        if let Ok(out) = decompressed(codec, &input[..cut], data.len()) {
            prop_assert_eq!(codec, Compression::Snappy);
            prop_assert!(data.starts_with(&out));
        }
    }

    #[test]
    fn a_mutated_input_gives_a_value_or_an_error_within_the_limit(
        (codec, mut input, data) in well_formed(),
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..6),
        near_the_start: bool,
        limit in prop_oneof![0..1000usize, Just(200_000)],
    ) {
        for (at, byte) in changes {
            // Headers and tables are at the start; that is where the interesting damage is.
            let range = if near_the_start { input.len().min(64) } else { input.len() };
            input[at.index(range)] = byte;
        }
        let mut decompressor = Decompressor::new();
        check_within_limit(&mut decompressor, codec, &input, limit)?;
        // A failure leaves nothing behind that spoils the next batch.
        let again = compressed(codec, None, &data);
        let mut out = Vec::new();
        prop_assert_eq!(decompressor.decompress(codec, &again, data.len(), &mut out), Ok(()));
        prop_assert!(out == data);
    }

    #[test]
    fn any_bytes_give_a_value_or_an_error_within_the_limit(
        codec in proptest::sample::select(&CODECS[..]),
        magic: bool,
        tail in proptest::collection::vec(any::<u8>(), 0..400),
        limit in prop_oneof![0..1000usize, Just(200_000)],
    ) {
        let mut input = Vec::new();
        if magic {
            let whole = compressed(codec, None, b"x");
            let header = [0, 10, 16, 7, 4][usize::from(codec.id())];
            input.extend_from_slice(&whole[..header]);
        }
        input.extend(tail);
        check_within_limit(&mut Decompressor::new(), codec, &input, limit)?;
    }
}

fn check_within_limit(
    decompressor: &mut Decompressor,
    codec: Compression,
    input: &[u8],
    limit: usize,
) -> Result<(), TestCaseError> {
    let mut out = b"before".to_vec();
    let result = decompressor.decompress(codec, input, limit, &mut out);
    prop_assert!(out.starts_with(b"before"));
    prop_assert!(out.len() <= 6 + limit);
    prop_assert!(
        out.capacity() <= 2 * limit + 1024,
        "{} at {limit}",
        out.capacity()
    );
    if result.is_err() {
        prop_assert_eq!(out.len(), 6);
    }
    // What lay in the buffer before never shows: RUSTSEC-2026-0041 was such a leak.
    let mut used = vec![0xA5; 2 * limit + 1024];
    used.truncate(6);
    used.copy_from_slice(b"before");
    let again = decompressor.decompress(codec, input, limit, &mut used);
    prop_assert_eq!(again.is_ok(), result.is_ok());
    prop_assert!(used == out);
    if codec == Compression::Lz4 {
        let _ = decompressor.decompress_lz4_legacy(input, limit, &mut out);
        prop_assert!(out.len() <= 6 + 2 * limit);
    }
    Ok(())
}

/// 1 GiB of zeros in each shape, made from repeated pieces where the format lets us.
fn bombs() -> Vec<(&'static str, Compression, Vec<u8>)> {
    const GIB: usize = 1 << 30;
    let zeros = vec![0; 64 * MIB];
    let mut bombs = Vec::new();
    for codec in CODECS {
        let piece = compressed(codec, None, &zeros);
        bombs.push((
            "many members or frames",
            codec,
            piece.repeat(GIB / zeros.len()),
        ));
    }
    bombs.push((
        "one frame without content size",
        Compression::Zstd,
        zstd_streamed(&zeros, 3),
    ));
    // 64 KiB blocks of zeros, 16,384 times, in one frame.
    let one = compressed(Compression::Lz4, None, &zeros[..64 << 10]);
    let mut frame = one[..7].to_vec();
    frame.extend(one[7..one.len() - 4].repeat(GIB >> 16));
    frame.extend([0; 4]);
    bombs.push(("one frame", Compression::Lz4, frame));
    // The header alone: what it claims is enough to refuse it.
    for (codec, claim) in [
        (Compression::Lz4, lz4_frame(32, &zeros)),
        (Compression::Zstd, zstd::bulk::compress(&zeros, 3).unwrap()),
    ] {
        bombs.push(("claimed content size", codec, claim[..15].to_vec()));
    }
    bombs.push((
        "claimed length of a bare block",
        Compression::Snappy,
        b"\x80\x80\x80\x80\x04\x00\x00".to_vec(),
    ));
    let mut block = compressed(Compression::Snappy, None, b"");
    block.extend(b"\0\0\0\x07\x80\x80\x80\x80\x04\0\0");
    bombs.push(("claimed length of a block", Compression::Snappy, block));
    bombs
}

#[test]
fn a_bomb_is_refused_quickly_and_within_memory() {
    for (shape, codec, input) in bombs() {
        let mut out = Vec::new();
        let begin = Instant::now();
        let result = Decompressor::new().decompress(codec, &input, MIB, &mut out);
        assert_eq!(
            result,
            Err(DecompressError::LimitExceeded { limit: MIB }),
            "{codec} {shape}"
        );
        assert!(
            out.capacity() <= 2 * MIB + 1024,
            "{codec} {shape}: {}",
            out.capacity()
        );
        // Expanding 1 GiB takes these builds many seconds.
        assert!(
            begin.elapsed() < Duration::from_secs(1),
            "{codec} {shape}: {:?}",
            begin.elapsed()
        );
    }
}

#[test]
fn a_tiny_input_reserves_little_under_a_large_limit() {
    let mut claim_of_block = compressed(Compression::Snappy, None, b"");
    claim_of_block.extend(b"\0\0\0\x07\x80\x80\x80\x80\x04\0\0");
    // A block of a few bytes in a frame of 4 MiB blocks, without end mark.
    let mut small_block = lz4_frame(3, &[0; 100]);
    small_block.truncate(small_block.len() - 4);
    for (codec, input) in [
        (Compression::Snappy, claim_of_block),
        (Compression::Snappy, b"\x80\x80\x80\x80\x04\0\0".to_vec()),
        (Compression::Lz4, small_block),
        (
            Compression::Lz4,
            compressed(Compression::Lz4, None, b"x")[..12].to_vec(),
        ),
    ] {
        let mut out = Vec::new();
        assert!(
            Decompressor::new()
                .decompress(codec, &input, 2 << 30, &mut out)
                .is_err()
        );
        assert!(out.capacity() < 8192, "{codec}: {}", out.capacity());
    }
}
