//! Writes the corpus' seeds, made from `protocol-fixtures`: `cargo run --bin seed`, from any folder.
//!
//! Those of `response` with a field of each kind come from the guard's tables:
//! `cargo test -p klamm-codec write_the_seeds -- --ignored`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use klamm_codec::ApiKey;
use klamm_codec::batch::{BATCH_HEADER_BYTES, Batches};
use klamm_codec::compress::{Compression, Decompressor};
use klamm_codec::group_protocol::{Assignment, Subscription};

/// A mebibyte less a byte: more than any fixture holds.
const LIMIT: [u8; 3] = [0xff, 0xff, 0x0f];
/// Larger ones slow the fuzzers down and show nothing more.
const SEED_BYTES_MAX: usize = 8 << 10;
/// CRC, magic and attributes are before the value of a message, with key and lengths.
const LEGACY_VALUE_AT: [usize; 2] = [26, 34];

fn main() -> io::Result<()> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../protocol-fixtures");
    for (name, bytes) in files(&fixtures.join("records"), "bin")? {
        records(&name, &Bytes::from(bytes))?;
    }
    for (name, frame) in files(&fixtures.join("frames"), "response")? {
        responses(&name, &frame)?;
    }
    group()
}

fn files(folder: &Path, extension: &str) -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|found| found == extension) {
            let name = path.file_stem().unwrap_or_default().to_string_lossy();
            files.push((name.into_owned(), fs::read(&path)?));
        }
    }
    Ok(files)
}

fn seed(target: &str, name: &str, parts: &[&[u8]]) -> io::Result<()> {
    let bytes = parts.concat();
    if bytes.len() > SEED_BYTES_MAX {
        return Ok(());
    }
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(target);
    fs::create_dir_all(&folder)?;
    fs::write(folder.join(name), bytes)
}

/// The first batch or message of a fixture for each target that takes it apart.
fn records(name: &str, bytes: &Bytes) -> io::Result<()> {
    let Some(Ok(batch)) = Batches::new(bytes.clone()).next() else {
        return Ok(());
    };
    let header = batch.header();
    let codec = Compression::from_id(header.attributes.compression_id());
    let payload = if header.magic == 2 {
        let attributes = header.attributes.0.to_be_bytes();
        let count = (header.record_count as u16).to_be_bytes();
        let payload = &batch.bytes()[BATCH_HEADER_BYTES..];
        seed("batch", name, &[&attributes, &count, payload])?;
        payload
    } else {
        let magic = header.magic as u8;
        let choice = magic << 7 | header.attributes.0 as u8;
        let offset = (header.base_offset as u16).to_be_bytes();
        let value = &batch.bytes()[LEGACY_VALUE_AT[usize::from(magic)]..];
        seed("legacy", name, &[&[choice], &offset, value])?;
        value
    };
    match codec {
        Some(codec) if codec != Compression::None => {
            seed(codec.name(), name, &[&LIMIT, payload])?;
            if header.magic == 2 && name.starts_with("v2") {
                let plain = batch.into_records(&mut Decompressor::new(), SEED_BYTES_MAX);
                let Ok(plain) = plain else { return Ok(()) };
                seed("compress", name, &[&[codec.id(), 9], plain.payload()])?;
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

fn responses(name: &str, frame: &[u8]) -> io::Result<()> {
    let (api, version) = match name.rsplit_once("-v") {
        Some((api, version)) => (api, version.parse().unwrap_or_default()),
        None => return Ok(()),
    };
    // The size comes first, then the correlation id and, in flexible versions, tagged fields.
    let (frame, body) = (&frame[4..], &frame[8..]);
    let (api, flexible) = match api {
        "fetch" => (ApiKey::FETCH, version >= 12),
        "produce" => (ApiKey::PRODUCE, version >= 9),
        _ => (ApiKey::API_VERSIONS, false),
    };
    let min = api.versions().expect("in the table").min;
    let index = ApiKey::ALL.iter().position(|known| *known == api);
    let index = index.expect("in the table") as u8;
    let choice = version - min as u8;
    seed("response", name, &[&[index, choice], frame])?;
    seed("frame", name, &[&frame[..frame.len().min(64)]])?;
    match api {
        ApiKey::FETCH => seed(
            "fetch_response",
            name,
            &[&[choice], &body[usize::from(flexible)..]],
        ),
        ApiKey::API_VERSIONS => seed("api_versions", name, &[&[version], body]),
        _ => Ok(()),
    }
}

fn group() -> io::Result<()> {
    let subscription = Subscription {
        topics: vec!["orders".into(), "bills".into()],
        user_data: Some(Bytes::from_static(b"sticky")),
        owned: vec![("orders".into(), vec![0, 2])],
        generation: 7,
        rack: Some("eu".to_owned()),
    };
    let assignment = Assignment {
        partitions: vec![("orders".into(), vec![0, 2]), ("bills".into(), vec![1])],
        user_data: Some(Bytes::from_static(b"sticky")),
    };
    seed("group", "subscription", &[&[0], &subscription.encode()])?;
    seed("group", "assignment", &[&[1], &assignment.encode()])
}
