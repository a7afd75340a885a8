use std::sync::Arc;
use std::time::Duration;

use klamm_codec::api::Request;
use klamm_codec::messages::MetadataRequest;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use zeroize::Zeroizing;

use super::*;
use crate::sasl::exchange::SaslChannel as _;

pub(super) const LIMITS: Limits = Limits {
    response_bytes_max: 1 << 20,
    in_flight_max: 100,
    idle_after: Some(Duration::from_secs(540)),
};
pub(super) const TIMEOUT: Duration = Duration::from_secs(5);

/// Reads a request frame; returns api key, version and correlation id.
pub(super) async fn read_request(peer: &mut DuplexStream) -> (i16, i16, i32) {
    let size = peer.read_i32().await.unwrap();
    let mut frame = vec![0; size as usize];
    peer.read_exact(&mut frame).await.unwrap();
    let int16 = |at: usize| i16::from_be_bytes([frame[at], frame[at + 1]]);
    let id = i32::from_be_bytes([frame[4], frame[5], frame[6], frame[7]]);
    (int16(0), int16(2), id)
}

pub(super) async fn answer(peer: &mut DuplexStream, correlation_id: i32, body: &[u8]) {
    peer.write_i32(4 + body.len() as i32).await.unwrap();
    peer.write_i32(correlation_id).await.unwrap();
    peer.write_all(body).await.unwrap();
}

/// `ApiVersions` version 0: no error, `Metadata` 0 to 8, `ApiVersions` 0, `SaslAuthenticate` 0 to 1.
const VERSIONS: [u8; 24] = [
    0, 0, 0, 0, 0, 3, 0, 3, 0, 0, 0, 8, 0, 18, 0, 0, 0, 0, 0, 36, 0, 0, 0, 1,
];

async fn open() -> (Connection, DuplexStream) {
    open_with(LIMITS).await
}

async fn open_with(limits: Limits) -> (Connection, DuplexStream) {
    let (setup, peer) = begin().await;
    (setup.start(None, limits, Arc::default()), peer)
}

pub(super) async fn begin() -> (Setup, DuplexStream) {
    let (stream, mut peer) = duplex(1 << 17);
    let serve = async {
        // KIP-511: an old broker refuses the first version and lists none.
        let (key, version, id) = read_request(&mut peer).await;
        assert_eq!((key, version), (18, 4));
        answer(&mut peer, id, &[0, 35, 0, 0, 0, 0]).await;
        let (key, version, id) = read_request(&mut peer).await;
        assert_eq!((key, version), (18, 0));
        answer(&mut peer, id, &VERSIONS).await;
    };
    let begin = Setup::begin(
        Box::new(stream),
        "peer:1".to_owned(),
        Arc::from("test"),
        false,
        None,
    );
    let (setup, ()) = tokio::join!(begin, serve);
    (setup.unwrap(), peer)
}

/// A request whose response may begin with anything: brokers throttle clients since version 6.
pub(super) fn send(connection: &Connection, timeout: Duration) -> PendingResponse {
    send_version(5, connection, timeout)
}

/// A request whose response begins with the throttle time.
fn send_throttled(connection: &Connection, timeout: Duration) -> PendingResponse {
    send_version(8, connection, timeout)
}

fn send_version(version: i16, connection: &Connection, timeout: Duration) -> PendingResponse {
    let encode = |id, client_id: &str| {
        let request = MetadataRequest::default();
        Ok(vec![encode_request(&request, version, id, client_id)?])
    };
    connection
        .send(MetadataRequest::API, timeout, encode)
        .unwrap()
}

#[tokio::test]
async fn versions_are_negotiated_also_with_a_broker_that_knows_only_version_0() {
    let (connection, _peer) = open().await;
    assert_eq!(connection.version(ApiKey::METADATA).unwrap(), 8);
    let error = connection.version(ApiKey::FETCH).unwrap_err();
    assert!(
        matches!(error, Error::UnsupportedVersion { theirs: None, .. }),
        "{error}"
    );
    assert!(
        error.to_string().contains("peer:1 does not support Fetch"),
        "{error}"
    );
}

#[tokio::test]
async fn before_its_driver_starts_a_connection_takes_one_request_at_a_time_with_small_answers() {
    // Metadata 0: no broker, no topic.
    let metadata = [0; 8];
    for (wrong_id, body, expected) in [
        (0, &metadata[..], None),
        (1, &metadata[..], Some("wrong correlation id")),
        (0, &vec![0; 65 << 10], Some("answer begins with")),
    ] {
        let (mut setup, mut peer) = begin().await;
        let theirs = setup.versions(ApiKey::METADATA).unwrap();
        assert_eq!((theirs.min, theirs.max), (0, 8));
        let request = Zeroizing::new(vec![0, 0, 0, 0]);
        let serve = async {
            let (key, version, id) = read_request(&mut peer).await;
            assert_eq!((key, version), (3, 0));
            answer(&mut peer, id + wrong_id, body).await;
        };
        let call = setup.call(ApiKey::METADATA, 0, request);
        let (answered, ()) = tokio::join!(call, serve);
        match expected {
            None => assert_eq!(answered.unwrap(), &metadata[..]),
            Some(expected) => {
                let error = answered.unwrap_err().to_string();
                assert!(error.contains(expected), "{error}");
                assert!(error.contains(setup.broker()), "{error}");
            }
        }
    }
}

#[tokio::test]
async fn responses_go_to_their_requests_and_a_dropped_one_is_thrown_away() {
    let (connection, mut peer) = open().await;
    let first = send(&connection, TIMEOUT);
    drop(send(&connection, TIMEOUT));
    let third = send(&connection, TIMEOUT);
    for body in [b"one", b"two", b"3rd"] {
        let (_, _, id) = read_request(&mut peer).await;
        answer(&mut peer, id, body).await;
    }
    assert_eq!(&first.await.unwrap()[4..], b"one");
    assert_eq!(&third.await.unwrap()[4..], b"3rd");
}

#[tokio::test]
async fn a_frame_larger_than_the_read_buffer_arrives_whole_and_its_memory_is_used_again() {
    let (connection, mut peer) = open().await;
    let mut addresses = Vec::new();
    for fill in 0..5_u8 {
        let pending = send(&connection, TIMEOUT);
        let (_, _, id) = read_request(&mut peer).await;
        let body = vec![fill; 100_000];
        let (frame, ()) = tokio::join!(pending, answer(&mut peer, id, &body));
        let frame = frame.unwrap();
        assert_eq!(&frame[4..], body);
        addresses.push(frame.as_ptr());
    }
    assert!(
        addresses[1..]
            .iter()
            .any(|address| *address == addresses[0])
    );
}

#[tokio::test]
async fn a_frame_in_use_is_not_overwritten() {
    let (connection, mut peer) = open().await;
    let mut frames = Vec::new();
    for fill in 0..5_u8 {
        let pending = send(&connection, TIMEOUT);
        let (_, _, id) = read_request(&mut peer).await;
        let body = vec![fill; 50_000];
        let (frame, ()) = tokio::join!(pending, answer(&mut peer, id, &body));
        frames.push(frame.unwrap());
    }
    for (fill, frame) in frames.iter().enumerate() {
        assert!(frame[4..].iter().all(|byte| usize::from(*byte) == fill));
    }
}

#[tokio::test]
async fn a_wrong_correlation_id_closes_the_connection() {
    let (connection, mut peer) = open().await;
    let pending = send(&connection, TIMEOUT);
    let (_, _, id) = read_request(&mut peer).await;
    answer(&mut peer, id + 1, b"").await;
    let error = pending.await.unwrap_err();
    assert!(
        matches!(
            error,
            Error::Disconnected {
                may_have_been_processed: true,
                ..
            }
        ),
        "{error}"
    );
    assert!(connection.is_closed());
    let encode = |_, _: &str| Ok(Vec::new());
    let error = connection
        .send(ApiKey::METADATA, TIMEOUT, encode)
        .unwrap_err();
    assert!(!error.may_have_been_processed());
}

#[tokio::test]
async fn an_announced_frame_over_the_limit_closes_the_connection() {
    let (connection, mut peer) = open().await;
    let pending = send(&connection, TIMEOUT);
    read_request(&mut peer).await;
    peer.write_all(b"HTTP/1.1 400 Bad Request").await.unwrap();
    let error = pending.await.unwrap_err().to_string();
    assert!(error.contains("at most 1048576 are accepted"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_late_response_closes_the_connection_and_fails_all_in_flight() {
    let (connection, mut peer) = open().await;
    let late = send(&connection, Duration::from_secs(1));
    let other = send(&connection, Duration::from_secs(60));
    read_request(&mut peer).await;
    let error = late.await.unwrap_err();
    assert!(
        matches!(
            error,
            Error::RequestTimeout {
                may_have_been_processed: true,
                ..
            }
        ),
        "{error}"
    );
    assert!(matches!(
        other.await.unwrap_err(),
        Error::Disconnected { .. }
    ));
    assert!(connection.is_closed());
}

/// Whether a request comes within a second; only for paused clocks.
async fn is_silent(peer: &mut DuplexStream) -> bool {
    let second = Duration::from_secs(1);
    tokio::time::timeout(second, peer.read_u8()).await.is_err()
}

#[tokio::test(start_paused = true)]
async fn what_exceeds_the_requests_in_flight_waits_its_turn() {
    let (connection, mut peer) = open_with(Limits {
        in_flight_max: 2,
        ..LIMITS
    })
    .await;
    let pending: Vec<_> = (0..5).map(|_| send(&connection, TIMEOUT)).collect();
    assert_eq!(connection.load(), 5);
    let mut ids = Vec::new();
    for _ in 0..2 {
        ids.push(read_request(&mut peer).await.2);
    }
    assert!(is_silent(&mut peer).await);
    for _ in 0..3 {
        answer(&mut peer, ids.remove(0), b"").await;
        ids.push(read_request(&mut peer).await.2);
        assert!(ids.is_sorted());
    }
    for id in ids {
        answer(&mut peer, id, b"").await;
    }
    for pending in pending {
        pending.await.unwrap();
    }
    assert_eq!(connection.load(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_request_whose_turn_does_not_come_in_time_was_not_sent_and_harms_nobody() {
    let (connection, mut peer) = open_with(Limits {
        in_flight_max: 1,
        ..LIMITS
    })
    .await;
    let first = send(&connection, Duration::from_secs(60));
    let second = send(&connection, Duration::from_secs(1));
    let third = send(&connection, Duration::from_secs(60));
    let (_, _, id) = read_request(&mut peer).await;
    let error = second.await.unwrap_err();
    assert!(
        error.is_timeout() && !error.may_have_been_processed(),
        "{error}"
    );
    assert!(!connection.is_closed());
    answer(&mut peer, id, b"one").await;
    assert_eq!(&first.await.unwrap()[4..], b"one");
    let (_, _, id) = read_request(&mut peer).await;
    answer(&mut peer, id, b"3rd").await;
    assert_eq!(&third.await.unwrap()[4..], b"3rd");
    assert_eq!(connection.load(), 0);
}

#[tokio::test(start_paused = true)]
async fn while_the_broker_throttles_nothing_is_sent_and_responses_have_more_time() {
    // KIP-219: by what a response says, or by what its reader found in it.
    for by_reader in [false, true] {
        let (connection, mut peer) = open().await;
        let first = send_throttled(&connection, Duration::from_secs(10));
        let second = send_throttled(&connection, Duration::from_secs(10));
        let (_, _, id) = read_request(&mut peer).await;
        let (_, _, second_id) = read_request(&mut peer).await;
        let throttle: i32 = if by_reader { 0 } else { 30_000 };
        answer(&mut peer, id, &throttle.to_be_bytes()).await;
        first.await.unwrap();
        if by_reader {
            connection.throttle(Duration::from_secs(30));
        }
        let throttled = Instant::now();
        let third = send_throttled(&connection, Duration::from_secs(60));
        tokio::time::sleep(Duration::from_secs(20)).await;
        answer(&mut peer, second_id, &[0; 4]).await;
        second.await.unwrap();
        let (_, _, id) = read_request(&mut peer).await;
        assert!(throttled.elapsed() >= Duration::from_secs(30));
        answer(&mut peer, id, &[0; 4]).await;
        third.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn no_broker_can_silence_a_connection_for_ever() {
    let (connection, mut peer) = open().await;
    let first = send_throttled(&connection, Duration::from_secs(10));
    let second = send_throttled(&connection, Duration::from_secs(10));
    let (_, _, id) = read_request(&mut peer).await;
    let asked = Instant::now();
    answer(&mut peer, id, &i32::MAX.to_be_bytes()).await;
    first.await.unwrap();
    assert!(second.await.unwrap_err().is_timeout());
    assert!(asked.elapsed() < Duration::from_secs(311));
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_nobody_uses_is_closed_and_one_that_awaits_a_response_is_not() {
    let (connection, mut peer) = open_with(Limits {
        idle_after: Some(Duration::from_secs(60)),
        ..LIMITS
    })
    .await;
    tokio::time::sleep(Duration::from_secs(50)).await;
    let pending = send(&connection, Duration::from_secs(300));
    let (_, _, id) = read_request(&mut peer).await;
    tokio::time::sleep(Duration::from_secs(100)).await;
    answer(&mut peer, id, b"").await;
    pending.await.unwrap();
    tokio::time::sleep(Duration::from_secs(50)).await;
    assert!(!connection.is_closed());
    tokio::time::sleep(Duration::from_secs(11)).await;
    assert!(connection.is_closed());
    assert_eq!(peer.read(&mut [0]).await.unwrap(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_goes_over_a_connection_is_counted() {
    let (setup, mut peer) = begin().await;
    let meter = Arc::<Meter>::default();
    let connection = setup.start(None, LIMITS, Arc::clone(&meter));
    let first = send_throttled(&connection, TIMEOUT);
    let second = send_throttled(&connection, TIMEOUT);
    let (_, _, id) = read_request(&mut peer).await;
    tokio::time::sleep(Duration::from_millis(40)).await;
    answer(&mut peer, id, &1500_i32.to_be_bytes()).await;
    first.await.unwrap();
    drop(peer);
    second.await.unwrap_err();
    let stats = meter.snapshot(&"peer:1".parse().unwrap(), 0, connection.load());
    assert_eq!(stats.disconnects, 1);
    assert_eq!(stats.throttled, Duration::from_millis(1500));
    let [api] = &stats.apis[..] else {
        panic!("{:?}", stats.apis);
    };
    assert_eq!(
        (api.api, api.requests, api.errors),
        (ApiKey::METADATA, 2, 1)
    );
    assert_eq!(api.bytes_in, 8);
    assert!(api.bytes_out > 40, "{}", api.bytes_out);
    assert_eq!(api.latency.count(), 1);
    assert_eq!(api.latency.max(), Duration::from_millis(40));
}

#[tokio::test]
async fn dropping_the_last_handle_closes_the_stream() {
    let (connection, mut peer) = open().await;
    drop(connection.clone());
    let pending = send(&connection, TIMEOUT);
    let (_, _, id) = read_request(&mut peer).await;
    drop(connection);
    answer(&mut peer, id, b"still answered").await;
    assert!(pending.await.is_ok());
    assert_eq!(peer.read(&mut [0]).await.unwrap(), 0);
}

#[tokio::test]
async fn a_feature_that_the_broker_lacks_is_named_with_its_api_and_versions() {
    let (connection, _peer) = open().await;
    let with = |api, needed| connection.version_with("describe topics by id", api, needed);
    assert_eq!(with(ApiKey::METADATA, 8).unwrap(), 8);
    for (api, needed, text) in [
        (
            ApiKey::METADATA,
            12,
            "takes Metadata version 12, and it has 0-8",
        ),
        (ApiKey::FETCH, 4, "takes Fetch version 4, and it has none"),
    ] {
        let error = with(api, needed).unwrap_err();
        assert!(!error.is_retriable());
        let error = error.to_string();
        assert!(
            error.starts_with("peer:1 cannot describe topics by id: "),
            "{error}"
        );
        assert!(error.contains(text), "{error}");
    }
}

#[tokio::test]
async fn a_broker_before_2_1_is_too_old() {
    let (stream, mut peer) = duplex(1 << 16);
    let begin = Setup::begin(
        Box::new(stream),
        "peer:1".to_owned(),
        Arc::from("test"),
        false,
        None,
    );
    let serve = async {
        let (_, _, id) = read_request(&mut peer).await;
        answer(&mut peer, id, &[0, 35, 0, 0, 0, 0]).await;
        let (_, _, id) = read_request(&mut peer).await;
        // Kafka 1.1: Produce 0 to 5, ApiVersions 0 to 1.
        let versions = [0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 5, 0, 18, 0, 0, 0, 1];
        answer(&mut peer, id, &versions).await;
    };
    let (refused, ()) = tokio::join!(begin, serve);
    let error = refused.err().unwrap();
    assert!(matches!(error, Error::BrokerTooOld { .. }) && !error.is_retriable());
    let error = error.to_string();
    for part in ["peer:1", "Produce 0-5", "version 7", "2.1"] {
        assert!(error.contains(part), "{error}");
    }
}

#[tokio::test]
async fn a_peer_that_is_not_kafka_is_named() {
    for (bytes, expected) in [
        (&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], "an HTTP server"),
        (&[21, 3, 3, 0, 2, 2, 40], "with TLS"),
        (&[0, 0, 0, 4, 0, 0, 0, 9], "wrong correlation id"),
        // A byte more than 64 KiB.
        (&[0, 1, 0, 1], "begins with [00, 01, 00, 01]"),
        (&[], "closed the connection"),
    ] {
        let (stream, mut peer) = duplex(1 << 16);
        let begin = Setup::begin(
            Box::new(stream),
            "peer:1".to_owned(),
            Arc::from("test"),
            false,
            None,
        );
        let serve = async move {
            read_request(&mut peer).await;
            peer.write_all(bytes).await.unwrap();
        };
        let (refused, ()) = tokio::join!(begin, serve);
        let error = refused.err().unwrap();
        assert!(matches!(error, Error::NotKafka { .. }));
        assert!(error.to_string().contains(expected), "{error}");
    }
}
