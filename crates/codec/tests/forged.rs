//! What the message crate does to a process or to records that klamm must not do: one test a trap.

use bytes::Bytes;
use klamm_codec::batch::{
    BATCH_HEADER_BYTES, BatchBuilder, Batches, Header, ProducerIdentity, RecordBatch, TimestampType,
};
use klamm_codec::compress::Decompressor;
use klamm_codec::messages::{self, FetchRequest, MetadataRequest};
use klamm_codec::{ApiKey, DecodeError, VersionRange};

fn built(values: &[&[u8]]) -> Vec<u8> {
    let mut builder = BatchBuilder::new(Vec::new());
    for value in values {
        builder.append(1_700_000_000_000, None, Some(value), &[]);
    }
    let sealed = builder.seal(ProducerIdentity::NONE, false, None).unwrap();
    sealed.bytes.to_vec()
}

fn opened(bytes: Vec<u8>) -> Vec<Result<RecordBatch, DecodeError>> {
    let open = |batch: klamm_codec::batch::Batch| {
        let opened = batch.into_records(&mut Decompressor::new(), 1 << 20);
        opened.expect("nothing is compressed")
    };
    Batches::new(Bytes::from(bytes))
        .map(|batch| batch.map(open))
        .collect()
}

/// Runs `run` and says how much memory it took at a time.
fn memory_of(run: impl FnOnce()) -> u64 {
    allocation_counter::measure(run).bytes_max
}

#[test]
fn trap_1_a_small_frame_that_claims_billions_takes_no_memory() {
    // Nine bytes of metadata that claim 2^31 - 1 brokers: the message crate asks for 412 GB.
    let metadata = [&[0, 0, 0, 1, 0, 0, 0, 0][..], &i32::MAX.to_be_bytes(), &[0]].concat();
    // A fetch response with as many topics, read by hand and by the message crate.
    let fetch = [&[0, 0, 0, 1][..], &[0; 10], &i32::MAX.to_be_bytes()].concat();
    let taken = memory_of(|| {
        let metadata = Bytes::from(metadata);
        assert!(messages::decode_response::<MetadataRequest>(metadata, 8).is_err());
        let fetch = Bytes::from(fetch);
        let body = fetch.slice(4..);
        assert!(klamm_codec::fetch_response::FetchResponse::decode(&body, 11).is_err());
        assert!(messages::decode_response::<FetchRequest>(fetch, 11).is_err());
    });
    assert!(taken < 64 << 10, "{taken}");
}

#[test]
fn trap_1_a_record_or_header_count_of_billions_takes_no_memory() {
    let mut records = built(&[b"value"]);
    records[57..61].copy_from_slice(&i32::MAX.to_be_bytes());
    // One record that is all header count: length, attributes, deltas, null key and value, the count.
    let record = [20, 0, 0, 0, 1, 1, 0xfe, 0xff, 0xff, 0xff, 0x0f];
    let mut headers = built(&[b""]);
    headers.truncate(BATCH_HEADER_BYTES);
    headers.extend(record);
    let length = headers.len() as i32 - 12;
    headers[8..12].copy_from_slice(&length.to_be_bytes());
    for (bytes, readable) in [(records, 1), (headers, 0)] {
        let batch = opened(bytes).remove(0).unwrap();
        let mut read = Vec::with_capacity(4);
        let taken = memory_of(|| read.extend(batch.records()));
        assert_eq!(taken, 0);
        assert_eq!(read.len(), readable + 1);
        assert!(read[readable].is_err());
    }
}

#[test]
fn trap_2_no_version_is_chosen_that_has_no_request() {
    // What brokers from 4.2 on advertise.
    for (api, broker, ours) in [
        (ApiKey::OFFSET_COMMIT, VersionRange { min: 2, max: 10 }, 9),
        (ApiKey::OFFSET_FETCH, VersionRange { min: 1, max: 10 }, 9),
        (ApiKey::INIT_PRODUCER_ID, VersionRange { min: 0, max: 6 }, 5),
    ] {
        let chosen = api.versions().unwrap().highest_common(broker);
        assert_eq!(chosen, Some(ours), "{api}");
    }
    let encode = |version| {
        let request = messages::OffsetCommitRequest::default();
        messages::encode_request(&request, version, 1, "klamm")
    };
    assert!(encode(9).is_ok());
    assert!(encode(10).is_err(), "then klamm may speak it");
}

#[test]
fn trap_3_records_without_a_sequence_are_one_batch() {
    let bytes = built(&[b"a", b"b", b"c", b"d", b"e"]);
    let batches = opened(bytes);
    let [Ok(batch)] = &batches[..] else {
        panic!("{batches:?}")
    };
    let header = batch.header();
    assert_eq!((header.record_count, header.base_sequence), (5, -1));
    assert_eq!(header.last_offset_delta, 4);
}

#[test]
fn trap_4_headers_keep_their_order_and_doubles_and_need_no_utf_8() {
    let headers = [
        Header::new("a", "1"),
        Header {
            key: &[0xff, 0xfe],
            value: Some(&[0]),
        },
        Header::null("a"),
        Header::new("a", ""),
    ];
    let mut builder = BatchBuilder::new(Vec::new());
    builder.append(0, None, None, &headers);
    let sealed = builder.seal(ProducerIdentity::NONE, false, None).unwrap();
    let batch = opened(sealed.bytes.to_vec()).remove(0).unwrap();
    let record = batch.records().next().unwrap().unwrap();
    assert_eq!(record.headers.iter().collect::<Vec<_>>(), headers);
}

#[test]
fn trap_5_an_empty_batch_still_tells_where_to_go_on() {
    // As the cleaner leaves it: offsets 40 to 49, no records.
    let mut bytes = built(&[]);
    bytes[0..8].copy_from_slice(&40_i64.to_be_bytes());
    bytes[23..27].copy_from_slice(&9_i32.to_be_bytes());
    bytes[27..35].copy_from_slice(&(-1_i64).to_be_bytes());
    let batch = opened(bytes).remove(0).unwrap();
    assert_eq!(batch.records().count(), 0);
    assert_eq!(
        (batch.header().base_offset, batch.header().last_offset()),
        (40, 49)
    );
}

#[test]
fn trap_5_records_that_the_broker_stamped_have_its_timestamp() {
    let mut bytes = built(&[b"a", b"b"]);
    bytes[22] |= 1 << 3;
    bytes[35..43].copy_from_slice(&1_800_000_000_000_i64.to_be_bytes());
    let batch = opened(bytes).remove(0).unwrap();
    let kind = batch.header().attributes.timestamp_type();
    assert_eq!(kind, TimestampType::LogAppendTime);
    let times: Vec<_> = batch.records().map(|r| r.unwrap().timestamp).collect();
    assert_eq!(times, [1_800_000_000_000; 2]);
}

#[test]
fn trap_6_a_batch_cut_off_at_the_end_loses_nothing_before_it() {
    let (first, second) = (built(&[b"a"]), built(&[b"b", b"c"]));
    for cut in 0..second.len() {
        let bytes = [&first[..], &second[..cut]].concat();
        let batches = opened(bytes);
        let [Ok(batch)] = &batches[..] else {
            panic!("cut at {cut}: {batches:?}")
        };
        assert_eq!(batch.records().count(), 1);
    }
}
