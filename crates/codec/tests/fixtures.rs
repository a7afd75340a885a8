//! The codec against what the Java client wrote, and read out of it: `protocol-fixtures/README.md`.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use klamm_codec::batch::{
    Batch, BatchBuilder, BatchHeader, Batches, Header, ProducerIdentity, TimestampType,
};
use klamm_codec::compress::{Compression, Decompressor};
use proptest::prelude::*;
use proptest::sample::Index;

const DECOMPRESSED_BYTES_MAX: usize = 1 << 20;

fn fixtures() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../protocol-fixtures/records");
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "bin"))
        .collect();
    files.sort();
    files
}

fn bytes_of(fixture: &Path) -> Bytes {
    Bytes::from(fs::read(fixture).unwrap())
}

fn java_text_of(fixture: &Path) -> String {
    fs::read_to_string(fixture.with_extension("records")).unwrap()
}

/// Everything that we read, in the words of `Dump.java`.
fn dump(bytes: Bytes) -> String {
    let mut text = String::new();
    for batch in Batches::new(bytes) {
        let batch = batch.unwrap();
        batch.verify_crc().unwrap();
        dump_batch(batch, &mut text);
    }
    text
}

fn dump_batch(batch: Batch, text: &mut String) {
    dump_header(batch.header(), text);
    let batch = batch
        .into_records(&mut Decompressor::new(), DECOMPRESSED_BYTES_MAX)
        .unwrap();
    for record in batch.records() {
        let record = record.unwrap();
        let (key, value) = (hex(record.key), hex(record.value));
        write!(text, "{} {} {key} {value}", record.offset, record.timestamp).unwrap();
        for header in record.headers.iter() {
            write!(text, " {}={}", hex(Some(header.key)), hex(header.value)).unwrap();
        }
        text.push('\n');
    }
}

fn dump_header(header: &BatchHeader, text: &mut String) {
    let attributes = header.attributes;
    let time = match attributes.timestamp_type() {
        _ if header.magic == 0 => "NoTimestampType",
        TimestampType::CreateTime => "CreateTime",
        TimestampType::LogAppendTime => "LogAppendTime",
    };
    let delete_horizon = if attributes.has_delete_horizon() {
        header.base_timestamp.to_string()
    } else {
        "none".to_owned()
    };
    writeln!(
        text,
        "batch magic={} codec={} last_offset={} leader_epoch={} time={time} max_timestamp={} \
         producer={}/{}/{} transactional={} control={} delete_horizon={delete_horizon}",
        header.magic,
        Compression::from_id(attributes.compression_id()).unwrap(),
        header.last_offset(),
        header.partition_leader_epoch,
        header.max_timestamp,
        header.producer_id,
        header.producer_epoch,
        header.base_sequence,
        attributes.is_transactional(),
        attributes.is_control(),
    )
    .unwrap();
}

fn hex(bytes: Option<&[u8]>) -> String {
    let Some(bytes) = bytes else {
        return "null".to_owned();
    };
    bytes.iter().fold("x".to_owned(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

/// What [`hex`] wrote.
fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.strip_prefix('x')?;
    let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
    Some((0..digits.len()).step_by(2).map(byte).collect())
}

/// The batch in Java's text, written by us.
fn encode(java_text: &str, like: &BatchHeader) -> Bytes {
    let mut builder = BatchBuilder::new(Vec::new());
    for line in java_text.lines().skip(1) {
        let fields: Vec<_> = line.split(' ').collect();
        let headers: Vec<_> = fields[4..]
            .iter()
            .map(|header| header.split_once('=').unwrap())
            .map(|(key, value)| (unhex(key).unwrap(), unhex(value)))
            .collect();
        let headers: Vec<_> = headers
            .iter()
            .map(|(key, value)| Header {
                key,
                value: value.as_deref(),
            })
            .collect();
        let (key, value) = (unhex(fields[2]), unhex(fields[3]));
        let timestamp = fields[1].parse().unwrap();
        builder.append(timestamp, key.as_deref(), value.as_deref(), &headers);
    }
    let identity = ProducerIdentity {
        producer_id: like.producer_id,
        producer_epoch: like.producer_epoch,
        base_sequence: like.base_sequence,
    };
    let sealed = builder.seal(identity, like.attributes.is_transactional(), None);
    sealed.unwrap().bytes
}

/// Whether a producer could have written it, and without compression: one batch, not yet seen by a broker.
fn is_from_a_producer(header: &BatchHeader, bytes: &[u8]) -> bool {
    header.batch_bytes == bytes.len()
        && header.base_offset == 0
        && header.partition_leader_epoch == -1
        && header.attributes.compression_id() == Compression::None.id()
        && header.attributes.timestamp_type() == TimestampType::CreateTime
        && !header.attributes.is_control()
        && !header.attributes.has_delete_horizon()
        && header.record_count == header.last_offset_delta + 1
}

#[test]
fn what_java_wrote_is_read_as_java_reads_it() {
    let fixtures = fixtures();
    assert!(fixtures.len() > 70, "only {} fixtures", fixtures.len());
    for fixture in fixtures {
        let (ours, javas) = (dump(bytes_of(&fixture)), java_text_of(&fixture));
        for (ours, javas) in ours.lines().zip(javas.lines()) {
            assert_eq!(ours, javas, "{}", fixture.display());
        }
        let lines = |text: &str| text.lines().count();
        assert_eq!(lines(&ours), lines(&javas), "{}", fixture.display());
    }
}

#[test]
fn the_same_records_become_the_same_bytes_as_javas() {
    let mut compared = Vec::new();
    for fixture in fixtures() {
        let bytes = bytes_of(&fixture);
        let Ok(header) = BatchHeader::parse(&bytes) else {
            continue; // Legacy message sets are never written.
        };
        if is_from_a_producer(&header, &bytes) {
            let ours = encode(&java_text_of(&fixture), &header);
            assert!(ours == bytes, "{}", fixture.display());
            compared.push(fixture);
        }
    }
    // mixed, one, thousand, far-apart, and the three with a producer id
    assert_eq!(compared.len(), 7, "{compared:?}");
}

proptest! {
    // Checksums are not looked at, so that the damage gets past them.
    #[test]
    fn damaged_bytes_give_records_or_an_error(
        fixture: Index,
        flips in proptest::collection::vec((any::<Index>(), any::<u8>()), 1..6),
        end: Index,
    ) {
        let fixtures = fixtures();
        let mut bytes = bytes_of(&fixtures[fixture.index(fixtures.len())]).to_vec();
        for (at, value) in flips {
            // Most damage where the lengths are.
            let at = at.index(bytes.len()).min(at.index(200));
            bytes[at] = value;
        }
        bytes.truncate(bytes.len() - end.index(bytes.len()) / 8);
        let mut decompressor = Decompressor::new();
        for batch in Batches::new(Bytes::from(bytes)).flatten() {
            if let Ok(batch) = batch.into_records(&mut decompressor, DECOMPRESSED_BYTES_MAX) {
                let read = batch.records().flatten().count();
                prop_assert!(read <= batch.header().record_count as usize);
            }
        }
    }
}
