//! Frames, responses, and the bytes that group members send each other.

use bytes::Bytes;
use klamm_codec::api_versions::ApiVersions;
use klamm_codec::fetch_response::{FetchResponse, FetchedPartition};
use klamm_codec::group_protocol::{Assignment, Subscription};
use klamm_codec::messages;
use klamm_codec::primitive::Reader;
use klamm_codec::{ApiKey, frame as frames, guard};

use crate::{SLACK, take, within};

/// Any response: a byte for the API, one for the version, the frame from its header on.
pub fn response(mut data: &[u8]) {
    let [api, version] = take(&mut data);
    let api = ApiKey::ALL[usize::from(api) % ApiKey::ALL.len()];
    let versions = api.versions().expect("it is in the table");
    let version = versions.min + i16::from(version) % (versions.max - versions.min + 1);
    let frame = Bytes::copy_from_slice(data);
    let memory_max = guard::memory_max(data.len()) + data.len() + SLACK;
    let decoded = within(memory_max, || api.try_decode_response(frame, version));
    assert!(decoded.is_some(), "{api} is in the table");
}

/// A fetch response read without copying: a byte for the version, the body. The message crate reads the same.
pub fn fetch_response(mut data: &[u8]) {
    let [version] = take(&mut data);
    let versions = ApiKey::FETCH.versions().expect("it is in the table");
    let version = versions.min + i16::from(version) % (versions.max - versions.min + 1);
    let body = Bytes::copy_from_slice(data);
    let ours = within(8 * data.len() + SLACK, || {
        FetchResponse::decode(&body, version)
    });
    let frame = match version {
        ..12 => [&[0; 4], data].concat(),
        _ => [&[0; 5], data].concat(),
    };
    let theirs = messages::decode_response::<messages::FetchRequest>(frame.into(), version);
    let Ok(theirs) = theirs else { return };
    let ours = ours.expect("what the message crate reads is read");
    assert_eq!(ours.error_code.0, theirs.error_code);
    assert_eq!(ours.session_id, theirs.session_id);
    let theirs: Vec<_> = theirs
        .responses
        .iter()
        .filter(|topic| !topic.partitions.is_empty())
        .collect();
    assert_eq!(ours.topics.len(), theirs.len());
    for (ours, theirs) in ours.topics.iter().zip(theirs) {
        assert_eq!(ours.topic, theirs.topic.as_str());
        assert_eq!(ours.topic_id, theirs.topic_id.into_bytes());
        assert_eq!(ours.partitions.len(), theirs.partitions.len());
        for (ours, theirs) in ours.partitions.iter().zip(&theirs.partitions) {
            compare(ours, theirs);
        }
    }
}

fn compare(ours: &FetchedPartition, theirs: &messages::fetch_response::PartitionData) {
    assert_eq!(ours.partition, theirs.partition_index);
    assert_eq!(ours.error_code.0, theirs.error_code);
    assert_eq!(ours.high_watermark, theirs.high_watermark);
    assert_eq!(ours.last_stable_offset, theirs.last_stable_offset);
    assert_eq!(ours.log_start_offset, theirs.log_start_offset);
    assert_eq!(ours.preferred_read_replica, theirs.preferred_read_replica.0);
    assert_eq!(ours.records, theirs.records.clone().unwrap_or_default());
    let aborted = theirs.aborted_transactions.iter().flatten();
    let aborted: Vec<_> = aborted
        .map(|aborted| (aborted.producer_id.0, aborted.first_offset))
        .collect();
    assert_eq!(ours.aborted_transactions, aborted);
    if let Some(leader) = ours.current_leader {
        assert_eq!(
            leader,
            (
                theirs.current_leader.leader_id.0,
                theirs.current_leader.leader_epoch
            )
        );
    }
    if let Some(diverging) = ours.diverging_epoch {
        assert_eq!(
            diverging,
            (
                theirs.diverging_epoch.epoch,
                theirs.diverging_epoch.end_offset
            )
        );
    }
}

/// The first answer of a peer that may be anything: a byte for the version, the body.
pub fn api_versions(mut data: &[u8]) {
    let [version] = take(&mut data);
    let version = i16::from(version % 5);
    let decoded = within(8 * data.len() + SLACK, || {
        ApiVersions::decode(data, version)
    });
    if let Ok(versions) = decoded {
        for &api in ApiKey::ALL {
            let range = versions.range(api);
            let _ = range.map(|range| range.highest_common(api.versions().expect("in the table")));
        }
    }
}

/// Frame headers, and every primitive at the start of the bytes.
pub fn frame(data: &[u8]) {
    let frame = Bytes::copy_from_slice(data);
    within(SLACK, || {
        let _ = frames::correlation_id(data);
        for flexible in [false, true] {
            let body = frames::response_body(frame.clone(), flexible);
            assert!(body.is_err() || data.ends_with(&body.expect("checked")));
        }
    });
    within(0, || {
        let _ = Reader::new(data).varint("any");
        let _ = Reader::new(data).varlong("any");
        let _ = Reader::new(data).unsigned_varint("any");
        let _ = Reader::new(data).varint_bytes("any");
        let _ = Reader::new(data).uuid("any");
        for flexible in [false, true] {
            let _ = Reader::new(data).nullable_string(flexible, "any");
            let _ = Reader::new(data).array_length(flexible, 1, "any");
        }
        let _ = Reader::new(data).skip_tagged_fields();
    });
}

/// What members of a group send each other through their coordinator; what was read is written and read as the same.
pub fn group(mut data: &[u8]) {
    let [choice] = take(&mut data);
    let memory_max = 12 * data.len() + SLACK;
    if choice % 2 == 0 {
        if let Ok(mut read) = within(memory_max, || Subscription::decode(data)) {
            let again = Subscription::decode(&read.encode()).expect("just written");
            // Written sorted.
            read.topics.sort_unstable();
            for (_, partitions) in &mut read.owned {
                partitions.sort_unstable();
            }
            read.owned.sort_unstable();
            let mut sorted = again.clone();
            for (_, partitions) in &mut sorted.owned {
                partitions.sort_unstable();
            }
            sorted.owned.sort_unstable();
            assert_eq!(sorted, read);
        }
    } else if let Ok(read) = within(memory_max, || Assignment::decode(data)) {
        assert_eq!(Assignment::decode(&read.encode()), Ok(read));
    }
}
