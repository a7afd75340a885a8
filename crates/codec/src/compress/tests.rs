//! What every codec promises, whatever the library behind it.

mod hostile;

use std::io::{Read as _, Write as _};

use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};
use proptest::prelude::*;

use super::*;

const CODECS: [Compression; 4] = [
    Compression::Gzip,
    Compression::Snappy,
    Compression::Lz4,
    Compression::Zstd,
];
const MIB: usize = 1 << 20;

fn compressed(codec: Compression, level: Option<i32>, input: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    Compressor::new(codec, level)
        .unwrap()
        .compress(input, &mut out)
        .unwrap();
    out
}

fn decompressed(
    codec: Compression,
    input: &[u8],
    limit: usize,
) -> Result<Vec<u8>, DecompressError> {
    let mut out = Vec::new();
    Decompressor::new().decompress(codec, input, limit, &mut out)?;
    Ok(out)
}

/// Bytes that repeat as records do: words of a small vocabulary, with noise every so often.
fn text(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed | 1;
    let mut out = Vec::with_capacity(length + 32);
    while out.len() < length {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let word = state >> 33;
        if word.is_multiple_of(7) {
            out.extend_from_slice(&state.to_be_bytes());
        } else {
            out.extend_from_slice(format!("{{\"key{}\":", word % 50).as_bytes());
        }
    }
    out.truncate(length);
    out
}

fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed | 1;
    (0..length)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 32) as u8
        })
        .collect()
}

fn payload() -> impl Strategy<Value = Vec<u8>> {
    let length = prop_oneof![0usize..200, 65_000..66_000usize, 0..300 * 1024usize];
    (any::<u64>(), length, 0..3u8).prop_map(|(seed, length, kind)| match kind {
        0 => text(seed, length),
        1 => noise(seed, length),
        _ => vec![seed as u8; length],
    })
}

/// A codec and any level it takes.
fn codec_and_level() -> impl Strategy<Value = (Compression, Option<i32>)> {
    prop_oneof![
        Just((Compression::None, None)),
        Just((Compression::Snappy, None)),
        prop_oneof![Just(None), Just(Some(-1)), (1..=9).prop_map(Some)]
            .prop_map(|level| (Compression::Gzip, level)),
        proptest::option::of(1..=17).prop_map(|level| (Compression::Lz4, level)),
        proptest::option::of(-9..=6).prop_map(|level| (Compression::Zstd, level)),
    ]
}

/// Well-formed input of a codec in one of the shapes other writers give it, with the bytes it holds.
fn well_formed() -> impl Strategy<Value = (Compression, Vec<u8>, Vec<u8>)> {
    let length = prop_oneof![0usize..300, 0..150_000usize];
    (any::<u64>(), length, 0..10u8).prop_map(|(seed, length, shape)| {
        let data = text(seed, length);
        let (codec, input) = match shape {
            0..=3 => {
                let codec = CODECS[usize::from(shape)];
                (codec, compressed(codec, None, &data))
            }
            4 => (
                Compression::Snappy,
                snap::raw::Encoder::new().compress_vec(&data).unwrap(),
            ),
            5..=7 => (Compression::Lz4, lz4_frame(seed, &data)),
            8 => (Compression::Zstd, zstd_streamed(&data, 3)),
            _ => (Compression::Zstd, zstd::encode_all(&data[..], 9).unwrap()),
        };
        (codec, input, data)
    })
}

/// A frame by the crate's own writer with options chosen by `seed`.
fn lz4_frame(seed: u64, data: &[u8]) -> Vec<u8> {
    let sizes = [
        BlockSize::Max64KB,
        BlockSize::Max256KB,
        BlockSize::Max1MB,
        BlockSize::Max4MB,
    ];
    let mode = if seed & 4 == 0 {
        BlockMode::Independent
    } else {
        BlockMode::Linked
    };
    let info = FrameInfo::new()
        .block_size(sizes[seed as usize & 3])
        .block_mode(mode)
        .block_checksums(seed & 8 != 0)
        .content_checksum(seed & 16 != 0)
        .content_size((seed & 32 != 0).then_some(data.len() as u64));
    let mut encoder = FrameEncoder::with_frame_info(info, Vec::new());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

/// As Java writes it: no content size, flushed in pieces.
fn zstd_streamed(data: &[u8], level: i32) -> Vec<u8> {
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), level).unwrap();
    for piece in data.chunks(20_000) {
        encoder.write_all(piece).unwrap();
    }
    encoder.finish().unwrap()
}

proptest! {
    #![proptest_config(crate::testing::cases(96))]

    #[test]
    fn what_was_compressed_comes_back(
        (codec, level) in codec_and_level(),
        first in payload(),
        second in payload(),
    ) {
        // One compressor and decompressor for both: nothing of the first may show in the second.
        let mut compressor = Compressor::new(codec, level).unwrap();
        let mut decompressor = Decompressor::new();
        for data in [&first, &second] {
            let mut wire = b"header".to_vec();
            compressor.compress(data, &mut wire).unwrap();
            prop_assert_eq!(&wire[..6], b"header");
            let mut out = b"before".to_vec();
            decompressor.decompress(codec, &wire[6..], data.len(), &mut out).unwrap();
            prop_assert_eq!(&out[..6], b"before");
            prop_assert!(out[6..] == data[..], "the {codec} round trip changed the data");
            if let Some(less) = data.len().checked_sub(1) {
                let error = decompressor.decompress(codec, &wire[6..], less, &mut out);
                prop_assert_eq!(error, Err(DecompressError::LimitExceeded { limit: less }));
                prop_assert_eq!(out.len(), 6 + data.len());
            }
        }
    }

    #[test]
    fn every_shape_of_other_writers_is_read((codec, input, data) in well_formed()) {
        prop_assert!(decompressed(codec, &input, data.len()) == Ok(data));
    }

    #[test]
    fn several_members_frames_or_streams_are_read_as_one(
        codec in proptest::sample::select(&CODECS[..]),
        first in payload(),
        second in payload(),
    ) {
        let mut input = compressed(codec, None, &first);
        input.extend(compressed(codec, None, &second));
        let data = [first, second].concat();
        prop_assert_eq!(
            decompressed(codec, &input, data.len().saturating_sub(1)).is_err(),
            !data.is_empty()
        );
        prop_assert!(decompressed(codec, &input, data.len()) == Ok(data));
    }

    #[test]
    fn lz4_frames_of_ours_are_read_by_another_reader(data in payload()) {
        let wire = compressed(Compression::Lz4, None, &data);
        let mut out = Vec::new();
        lz4_flex::frame::FrameDecoder::new(&wire[..]).read_to_end(&mut out).unwrap();
        prop_assert!(out == data);
    }

    #[test]
    fn zstd_frames_of_ours_are_read_by_c(level in -7..=4i32, data in payload()) {
        let wire = compressed(Compression::Zstd, Some(level), &data);
        prop_assert!(zstd::decode_all(&wire[..]).unwrap() == data);
    }

    #[test]
    fn zstd_frames_of_c_are_read_by_ours(level in -5..=19i32, streamed: bool, data in payload()) {
        let wire = if streamed {
            zstd_streamed(&data, level)
        } else {
            zstd::bulk::compress(&data, level).unwrap()
        };
        prop_assert!(decompressed(Compression::Zstd, &wire, data.len()) == Ok(data));
    }
}

#[test]
fn snappy_is_written_as_xerial_in_blocks_of_32_kib() {
    let out = compressed(Compression::Snappy, None, &vec![7; 40_000]);
    assert_eq!(
        out[..16],
        [
            0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0, 0, 0, 0, 1, 0, 0, 0, 1
        ]
    );
    let first = u32::from_be_bytes(out[16..20].try_into().unwrap()) as usize;
    assert_eq!(
        snap::raw::decompress_len(&out[20..20 + first]),
        Ok(32 * 1024)
    );
    let rest = &out[20 + first..];
    assert_eq!(
        u32::from_be_bytes(rest[..4].try_into().unwrap()) as usize,
        rest.len() - 4
    );
    assert_eq!(
        snap::raw::decompress_len(&rest[4..]),
        Ok(40_000 - 32 * 1024)
    );
}

#[test]
fn lz4_is_written_with_the_header_of_java() {
    let out = compressed(Compression::Lz4, None, b"records");
    assert_eq!(out[..7], [0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82]);
    // Seven bytes don't shrink: stored, then the end mark.
    assert_eq!(out[7..], *b"\x07\0\0\x80records\0\0\0\0");
}

#[test]
fn gzip_is_written_as_one_member_without_name_or_time() {
    let out = compressed(Compression::Gzip, None, b"records");
    assert_eq!(out[..8], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0]);
}

#[test]
fn only_the_legacy_reader_takes_the_header_checksum_of_magic_0() {
    let mut frame = compressed(Compression::Lz4, None, b"records");
    // KAFKA-3160: over the magic number too.
    frame[6] = (xxh32::xxh32(&frame[..6]) >> 8) as u8;
    // What Java 4.4 writes for magic 0.
    assert_eq!(frame[6], 0x1a);
    let error = decompressed(Compression::Lz4, &frame, 100).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the lz4 data is malformed: the checksum of the header does not match"
    );
    let mut out = Vec::new();
    Decompressor::new()
        .decompress_lz4_legacy(&frame, 100, &mut out)
        .unwrap();
    assert_eq!(out, b"records");
}

#[test]
fn wrong_lz4_checksums_and_sizes_are_refused() {
    let data = text(1, 10_000);
    let checked = lz4_frame(8 | 16 | 32, &data);
    // In turn: content size, block checksum, content checksum.
    let end = checked.len() - 8;
    for at in [6, end - 1, checked.len() - 1] {
        let mut wrong = checked.clone();
        wrong[at] ^= 1;
        let header = (xxh32::xxh32(&wrong[4..14]) >> 8) as u8;
        wrong[14] = header;
        let error = decompressed(Compression::Lz4, &wrong, 20_000).unwrap_err();
        assert!(
            matches!(error, DecompressError::Corrupt { .. }),
            "{at}: {error}"
        );
    }
}

#[test]
fn levels_out_of_range_name_the_range() {
    for (codec, level, text) in [
        (
            Compression::Gzip,
            0,
            "level 0 is out of range for gzip: expected 1 to 9, or -1 for the default",
        ),
        (
            Compression::Lz4,
            18,
            "level 18 is out of range for lz4: expected 1 to 17",
        ),
        (
            Compression::Zstd,
            23,
            "level 23 is out of range for zstd: expected -131072 to 22",
        ),
        (
            Compression::Snappy,
            1,
            "snappy has no compression levels: leave the level out",
        ),
    ] {
        assert_eq!(
            Compressor::new(codec, Some(level)).unwrap_err().to_string(),
            text
        );
    }
}

#[test]
fn ids_and_names_are_those_of_kafka() {
    for (id, name) in ["none", "gzip", "snappy", "lz4", "zstd"]
        .into_iter()
        .enumerate()
    {
        let codec = Compression::from_id(id as u8).unwrap();
        assert_eq!(usize::from(codec.id()), id);
        assert_eq!(codec.to_string(), name);
        assert_eq!(name.to_uppercase().parse(), Ok(codec));
    }
    assert_eq!(Compression::from_id(5), None);
    assert_eq!(
        "brotli".parse::<Compression>().unwrap_err().to_string(),
        "unknown compression type \"brotli\": expected none, gzip, snappy, lz4 or zstd"
    );
}

#[test]
fn nothing_is_no_valid_compressed_data() {
    assert_eq!(decompressed(Compression::None, b"", 0), Ok(Vec::new()));
    for codec in CODECS {
        assert_eq!(
            decompressed(codec, b"", 100),
            Err(DecompressError::Truncated { codec })
        );
    }
}

#[test]
fn the_memory_of_an_output_is_used_again_and_what_was_in_it_does_not_show() {
    for codec in Compression::ALL {
        let mut decompressor = Decompressor::new();
        let mut address = None;
        for (size, filler) in [(200_000, 0xff), (150_000, 1), (70_000, 0xee), (180_000, 2)] {
            let mut plain: Vec<u8> = (0..size).map(|at| (at % 251) as u8 ^ filler).collect();
            plain[size / 3..size / 2].fill(filler);
            let mut packed = Vec::new();
            let mut compressor = Compressor::new(codec, None).unwrap();
            compressor.compress(&plain, &mut packed).unwrap();
            let bytes = decompressor
                .decompress_to_bytes(codec, &packed, 1 << 20)
                .unwrap();
            assert!(bytes == plain, "{codec} {size}");
            assert_eq!(*address.get_or_insert(bytes.as_ptr()), bytes.as_ptr());
            // A failure gives its buffer back, too.
            let error = decompressor.decompress_to_bytes(codec, &packed, 100);
            assert_eq!(error, Err(DecompressError::LimitExceeded { limit: 100 }));
        }
    }
}
