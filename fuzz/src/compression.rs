//! The decompressors, and what the compressors write.

use std::io::Read;

use klamm_codec::compress::{Compression, Compressor, DecompressError, Decompressor};

use crate::{SLACK, take, within};

/// What a decompressor may hold at most: the output, whose vector may have grown by doubling and be copied just now, and
/// the codec's own state.
pub(crate) fn memory_max(codec: Compression, input_bytes: usize, limit: usize) -> usize {
    let state = match codec {
        Compression::Zstd => 1 << 20,
        _ => 128 << 10,
    };
    3 * limit + input_bytes + state + SLACK
}

/// gzip members after three bytes of the limit.
pub fn gzip(data: &[u8]) {
    decompress(Compression::Gzip, data);
}

/// Snappy, xerial or bare, after three bytes of the limit.
pub fn snappy(data: &[u8]) {
    decompress(Compression::Snappy, data);
}

/// lz4 frames after three bytes of the limit; another reader may refuse them, but reads nothing else.
pub fn lz4(data: &[u8]) {
    let Some((input, plain)) = decompress(Compression::Lz4, data) else {
        return;
    };
    let mut theirs = Vec::new();
    let mut decoder = lz4_flex::frame::FrameDecoder::new(input);
    if decoder.read_to_end(&mut theirs).is_ok() {
        // It stops after the first frame.
        assert!(
            plain.starts_with(&theirs),
            "another reader reads other bytes"
        );
    }
}

/// zstd frames after three bytes of the limit; the C library reads the same.
pub fn zstd(data: &[u8]) {
    let Some((input, plain)) = decompress(Compression::Zstd, data) else {
        return;
    };
    if let Ok(theirs) = zstd::stream::decode_all(input) {
        assert!(plain == theirs, "the C library reads other bytes");
    }
}

/// What is compressed comes back, and other readers read it too: a byte for the codec, one for the level, the data.
pub fn compress(mut data: &[u8]) {
    let [codec, level] = take(&mut data);
    let codec = Compression::ALL[usize::from(codec) % Compression::ALL.len()];
    let level = match codec {
        Compression::Gzip => Some(1 + i32::from(level % 9)),
        Compression::Lz4 => Some(1 + i32::from(level % 17)),
        Compression::Zstd => Some(i32::from(level % 13) - 7),
        _ => None,
    };
    let mut compressor = Compressor::new(codec, level).expect("a level that there is");
    let mut compressed = Vec::new();
    compressor
        .compress(data, &mut compressed)
        .expect("all data can be compressed");
    let mut plain = Vec::new();
    Decompressor::new()
        .decompress(codec, &compressed, data.len(), &mut plain)
        .expect("what was just compressed");
    assert!(plain == data, "{codec} at {level:?} gave other bytes back");
    let mut theirs = Vec::new();
    match codec {
        Compression::Zstd => {
            theirs = zstd::stream::decode_all(&compressed[..]).expect("a frame for the C library")
        }
        Compression::Lz4 => {
            let mut decoder = lz4_flex::frame::FrameDecoder::new(&compressed[..]);
            decoder
                .read_to_end(&mut theirs)
                .expect("a frame for another reader");
        }
        _ => return,
    }
    assert!(theirs == data, "another reader reads other bytes");
}

/// The input without the limit, and what it holds, if it can be read.
fn decompress(codec: Compression, mut data: &[u8]) -> Option<(&[u8], Vec<u8>)> {
    let [low, middle, high] = take(&mut data);
    let limit = u32::from_le_bytes([low, middle, high & 0x0f, 0]) as usize;
    let mut decompressor = Decompressor::new();
    let mut out = b"before".to_vec();
    let result = within(memory_max(codec, data.len(), limit), || {
        decompressor.decompress(codec, data, limit, &mut out)
    });
    assert!(out.starts_with(b"before"));
    assert!(out.len() <= 6 + limit);
    if result.is_err() {
        assert_eq!(out, b"before");
    }
    if codec == Compression::Lz4 {
        // Without the header's checksum nothing is refused that was read with it.
        let mut legacy = Vec::new();
        let lenient = decompressor.decompress_lz4_legacy(data, limit, &mut legacy);
        assert!(result.is_err() || (lenient.is_ok() && out[6..] == legacy));
    }
    if let Err(DecompressError::UnknownCodec { .. }) = result {
        panic!("{codec} is known");
    }
    result.ok().map(|()| (data, out.split_off(6)))
}
