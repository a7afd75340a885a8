//! Frames against those that Java's client sends and real brokers send back: `protocol-fixtures/README.md`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use bytes::Bytes;
use flate2::Crc;
use klamm_codec::api_versions::ApiVersions;
use klamm_codec::batch::{BatchBuilder, Batches, ProducerIdentity};
use klamm_codec::compress::Decompressor;
use klamm_codec::fetch_response::FetchResponse;
use klamm_codec::messages::{
    self, ApiVersionsRequest, FetchRequest, ProduceRequest, StrBytes, TopicName, Uuid,
};
use klamm_codec::produce_request::{self, PartitionBatch, ProduceHeader, TopicBatches};
use klamm_codec::{ApiKey, ErrorCode, VersionRange, frame};

const CLIENT_ID: &str = "fixtures";
const TIME: i64 = 1_700_000_000_000;
const BROKERS: [&str; 3] = ["2.8.2", "3.9.2", "4.3.1"];

fn fixture(name: &str) -> Bytes {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../protocol-fixtures/frames");
    let path = path.join(name);
    Bytes::from(fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}

/// A response without its size, which is checked.
fn response(name: &str) -> Bytes {
    let frame = fixture(name);
    let size = u32::from_be_bytes(*frame.first_chunk().unwrap()) as usize;
    assert_eq!(size, frame.len() - frame::SIZE_BYTES, "{name}");
    frame.slice(frame::SIZE_BYTES..)
}

fn topic_ids() -> BTreeMap<String, [u8; 16]> {
    let text = String::from_utf8(fixture("topics.text").to_vec()).unwrap();
    let line = |line: &str| {
        let (name, id) = line.split_once(' ').unwrap();
        (
            name.to_owned(),
            u128::from_str_radix(id, 16).unwrap().to_be_bytes(),
        )
    };
    text.lines().map(line).collect()
}

fn versions(api: ApiKey) -> impl Iterator<Item = i16> {
    let range = api.versions().unwrap();
    range.min..=range.max
}

/// What a broker said of itself, asked in its own version.
fn ranges_of(broker: &str, version: i16) -> ApiVersions {
    let frame = response(&format!("api-versions-{broker}-v{version}.response"));
    let body = frame::response_body(frame, false).unwrap();
    ApiVersions::decode(&body, version).unwrap()
}

#[test]
fn every_brokers_answer_to_api_versions_is_read() {
    for broker in BROKERS {
        for version in versions(ApiKey::API_VERSIONS) {
            let name = format!("api-versions-{broker}-v{version}");
            let frame = response(&format!("{name}.response"));
            assert_eq!(frame::correlation_id(&frame), Ok(version.into()), "{name}");
            if version == 4 && broker != "4.3.1" && broker != "3.9.2" {
                // It knows version 3 at most, and answers in version 0 (KIP-511).
                let ranges = ranges_of(broker, 0);
                let body = frame::response_body(frame, false).unwrap();
                let answer = ApiVersions::decode(&body, 0).unwrap();
                assert_eq!(answer.error_code, ErrorCode::UNSUPPORTED_VERSION, "{name}");
                let range = answer.range(ApiKey::API_VERSIONS);
                assert_eq!(range, ranges.range(ApiKey::API_VERSIONS), "{name}");
                continue;
            }
            let ours = ranges_of(broker, version);
            let theirs = messages::decode_response::<ApiVersionsRequest>(frame, version).unwrap();
            assert!(ours.error_code.is_none());
            assert!(theirs.api_keys.len() > 40, "{name}");
            for api in &theirs.api_keys {
                let range = VersionRange {
                    min: api.min_version,
                    max: api.max_version,
                };
                assert_eq!(ours.range(ApiKey(api.api_key)), Some(range), "{name}");
            }
            if version >= 3 {
                assert_eq!(
                    ours.finalized_features_epoch,
                    theirs.finalized_features_epoch
                );
                let theirs: Vec<_> = theirs
                    .finalized_features
                    .iter()
                    .map(|feature| (feature.name.to_string(), feature.max_version_level))
                    .collect();
                assert_eq!(ours.finalized_features, theirs, "{name}");
            }
        }
    }
    let features = ranges_of("4.3.1", 4).finalized_features;
    assert!(
        features.contains(&("transaction.version".to_owned(), 2)),
        "{features:?}"
    );
}

#[test]
fn api_versions_is_asked_as_java_asks() {
    for version in versions(ApiKey::API_VERSIONS) {
        let mut request = ApiVersionsRequest::default();
        if version >= 3 {
            request.client_software_name = StrBytes::from_static_str(CLIENT_ID);
            request.client_software_version = StrBytes::from_static_str("1");
        }
        let ours = messages::encode_request(&request, version, version.into(), CLIENT_ID).unwrap();
        assert_eq!(
            ours,
            fixture(&format!("api-versions-4.3.1-v{version}.request"))
        );
    }
}

/// The version that klamm speaks with a broker, for each of the table's APIs.
fn spoken_with(broker: &str) -> BTreeMap<ApiKey, Option<i16>> {
    let ranges = ranges_of(broker, 3);
    let chosen = |&api: &ApiKey| {
        let theirs = ranges.range(api);
        let chosen = theirs.and_then(|theirs| api.versions().unwrap().highest_common(theirs));
        // Whatever is not offered can't be spoken; whatever is offered can be.
        assert_eq!(chosen.is_some(), theirs.is_some(), "{api} of {broker}");
        (api, chosen)
    };
    ApiKey::ALL.iter().map(chosen).collect()
}

fn not_spoken_with(broker: &str) -> Vec<ApiKey> {
    let spoken = spoken_with(broker).into_iter();
    let missing = spoken.filter(|(_, version)| version.is_none());
    missing.map(|(api, _)| api).collect()
}

#[test]
fn every_api_that_a_broker_offers_has_a_version_that_klamm_speaks() {
    let not_offered = [
        // By brokers that have a plugin to take the metrics.
        ApiKey::GET_TELEMETRY_SUBSCRIPTIONS,
        ApiKey::PUSH_TELEMETRY,
        // From Kafka 4.4 on.
        ApiKey::UNREGISTER_CONTROLLER,
    ];
    assert_eq!(not_spoken_with("4.3.1"), not_offered);
    let since_3_9 = not_spoken_with("3.9.2");
    assert!(since_3_9.contains(&ApiKey::SHARE_FETCH), "{since_3_9:?}");
    assert!(
        !since_3_9.contains(&ApiKey::CONSUMER_GROUP_HEARTBEAT),
        "{since_3_9:?}"
    );
    let since_2_8 = not_spoken_with("2.8.2");
    assert!(
        since_2_8.contains(&ApiKey::CONSUMER_GROUP_HEARTBEAT),
        "{since_2_8:?}"
    );
    for api in [
        ApiKey::PRODUCE,
        ApiKey::FETCH,
        ApiKey::METADATA,
        ApiKey::OFFSET_COMMIT,
        ApiKey::JOIN_GROUP,
        ApiKey::TXN_OFFSET_COMMIT,
        ApiKey::CREATE_TOPICS,
        ApiKey::DESCRIBE_CLUSTER,
    ] {
        assert!(!since_2_8.contains(&api), "{api}");
    }
}

#[test]
fn the_newest_version_that_both_know_is_spoken() {
    let spoken = |broker, api| spoken_with(broker)[&api].unwrap();
    for (api, expected) in [
        (ApiKey::PRODUCE, [9, 11, 13]),
        (ApiKey::FETCH, [12, 17, 18]),
        (ApiKey::METADATA, [11, 12, 13]),
        // 4.3 offers 10, for which there is no request yet.
        (ApiKey::OFFSET_COMMIT, [8, 9, 9]),
        (ApiKey::OFFSET_FETCH, [7, 9, 9]),
        (ApiKey::FIND_COORDINATOR, [3, 6, 6]),
        (ApiKey::END_TXN, [3, 4, 5]),
        (ApiKey::TXN_OFFSET_COMMIT, [3, 4, 5]),
    ] {
        let found = BROKERS.map(|broker| spoken(broker, api));
        assert_eq!(found, expected, "{api}");
    }
}

/// The batch that `Frames.java` sends to a partition.
fn batch_of(topic: &str, partition: i32) -> Bytes {
    let mut builder = BatchBuilder::new(Vec::new());
    let key = format!("{topic}-{partition}");
    for index in 0..2 + partition {
        let value = format!("value {index}");
        let (key, value) = (Some(key.as_bytes()), Some(value.as_bytes()));
        builder.append(TIME + i64::from(index), key, value, &[]);
    }
    builder
        .seal(ProducerIdentity::NONE, false, None)
        .unwrap()
        .bytes
}

#[test]
fn a_produce_request_has_the_bytes_that_java_sends() {
    let ids = topic_ids();
    let partitions = |topic: &str, count| -> Vec<_> {
        (0..count)
            .map(|partition| PartitionBatch {
                partition,
                batch: batch_of(topic, partition),
            })
            .collect()
    };
    let topics = [
        ("orders", partitions("orders", 2)),
        ("bills", partitions("bills", 1)),
    ];
    let topics: Vec<_> = topics
        .iter()
        .map(|(topic, partitions)| TopicBatches {
            topic,
            topic_id: ids[*topic],
            partitions,
        })
        .collect();
    for version in versions(ApiKey::PRODUCE) {
        for (name, transactional_id) in [("", None), ("-transactional", Some("tx"))] {
            let header = ProduceHeader {
                transactional_id,
                acks: -1,
                timeout_ms: 30_000,
            };
            let correlation_id = version.into();
            let ours =
                produce_request::encode(version, correlation_id, CLIENT_ID, &header, &topics);
            let javas = fixture(&format!("produce-v{version}{name}.request"));
            assert!(ours.concat() == javas, "version {version}{name}");
        }
    }
}

#[test]
fn the_brokers_answer_to_it_is_read() {
    for version in versions(ApiKey::PRODUCE) {
        let frame = response(&format!("produce-v{version}.response"));
        let answer = messages::decode_response::<ProduceRequest>(frame, version).unwrap();
        assert_eq!(answer.responses.len(), 2);
        for topic in &answer.responses {
            for partition in &topic.partition_responses {
                assert_eq!(partition.error_code, 0);
                // A batch of two or three records in each version before.
                let each = 2 + i64::from(partition.index);
                assert_eq!(partition.base_offset, each * i64::from(version - 3));
            }
        }
    }
}

#[test]
fn a_fetch_request_has_the_bytes_that_java_sends() {
    use messages::fetch_request::{FetchPartition, FetchTopic};
    let ids = topic_ids();
    let partition = |index| {
        FetchPartition::default()
            .with_partition(index)
            .with_fetch_offset(if index == 1 { 2 } else { 0 })
            .with_partition_max_bytes(700)
    };
    let topic = |name: &str, partitions: Vec<_>, version| {
        let topic = FetchTopic::default().with_partitions(partitions);
        if version >= 13 {
            topic.with_topic_id(Uuid::from_bytes(ids[name]))
        } else {
            topic.with_topic(TopicName(StrBytes::from_string(name.to_owned())))
        }
    };
    for version in versions(ApiKey::FETCH) {
        let topics = vec![
            topic("orders", vec![partition(0), partition(1)], version),
            topic("bills", vec![partition(0), partition(7)], version),
        ];
        let request = FetchRequest::default()
            .with_max_wait_ms(500)
            .with_min_bytes(1)
            .with_max_bytes(1 << 20)
            .with_isolation_level(1)
            .with_session_epoch(-1)
            .with_topics(topics);
        let ours = messages::encode_request(&request, version, version.into(), CLIENT_ID).unwrap();
        assert_eq!(
            ours,
            fixture(&format!("fetch-v{version}.request")),
            "version {version}"
        );
    }
}

/// A fetch response in the words of `Frames.java`.
fn dump(response: &FetchResponse) -> String {
    let session = if response.session_id == 0 {
        "none"
    } else {
        "some"
    };
    let mut text = format!(
        "response throttle={} error={} session={session}\n",
        response.throttle_time_ms, response.error_code.0,
    );
    for topic in &response.topics {
        for partition in &topic.partitions {
            let name = match topic.topic.as_str() {
                "" => format!("{:032x}", u128::from_be_bytes(topic.topic_id)),
                name => name.to_owned(),
            };
            write!(
                text,
                "{name} {} error={} high_watermark={} last_stable={} log_start={} replica={} aborted=",
                partition.partition,
                partition.error_code.0,
                partition.high_watermark,
                partition.last_stable_offset,
                partition.log_start_offset,
                partition.preferred_read_replica,
            )
            .unwrap();
            for (producer_id, first_offset) in &partition.aborted_transactions {
                write!(text, "{producer_id}@{first_offset},").unwrap();
            }
            let mut crc = Crc::new();
            crc.update(&partition.records);
            writeln!(
                text,
                " records={}/{:08x}",
                partition.records.len(),
                crc.sum()
            )
            .unwrap();
        }
    }
    text
}

#[test]
fn a_fetch_response_of_the_broker_is_read_as_java_reads_it() {
    for version in versions(ApiKey::FETCH) {
        let frame = response(&format!("fetch-v{version}.response"));
        let body = frame::response_body(frame.clone(), version >= 12).unwrap();
        let ours = FetchResponse::decode(&body, version).unwrap();
        let javas = String::from_utf8(fixture(&format!("fetch-v{version}.text")).to_vec()).unwrap();
        assert_eq!(dump(&ours), javas, "version {version}");
        assert!(messages::decode_response::<FetchRequest>(frame, version).is_ok());
        let errors = ours.topics.iter().flat_map(|topic| &topic.partitions);
        let errors: Vec<_> = errors.map(|partition| partition.error_code.0).collect();
        assert_eq!(errors, [0, 0, 0, 3], "version {version}");
    }
}

#[test]
fn the_records_in_it_are_read_and_their_checksums_hold() {
    let mut decompressor = Decompressor::new();
    for version in versions(ApiKey::FETCH) {
        let frame = response(&format!("fetch-v{version}.response"));
        let body = frame::response_body(frame, version >= 12).unwrap();
        let response = FetchResponse::decode(&body, version).unwrap();
        let mut records = 0;
        for partition in response.topics.iter().flat_map(|topic| &topic.partitions) {
            for batch in Batches::new(partition.records.clone()) {
                let batch = batch.unwrap();
                batch.verify_crc().unwrap();
                let batch = batch.into_records(&mut decompressor, 1 << 20).unwrap();
                records += batch.records().map(Result::unwrap).count();
            }
        }
        assert!(records > 10, "version {version}: {records}");
    }
}

#[test]
fn error_codes_have_the_names_and_classes_of_java() {
    let text = String::from_utf8(fixture("error-codes.text").to_vec()).unwrap();
    assert!(text.lines().count() > 130);
    for line in text.lines() {
        let [code, name, class] = line.split(' ').collect::<Vec<_>>()[..] else {
            panic!("{line}")
        };
        let code = ErrorCode(code.parse().unwrap());
        assert_eq!(code.name(), Some(name));
        assert_eq!(code.is_retriable(), class != "final", "{code}");
        assert_eq!(code.needs_metadata(), class == "refresh", "{code}");
    }
}
