//! The first exchange on a connection: what does the peer speak?
//!
//! `ApiVersions` goes out in the highest version klamm has. A broker that does not know that version
//! answers with error 35 in version 0 and, since KIP-511, the versions of this very API; the request
//! is then sent once more in the highest common one. The peer may be anything, so the answer has a
//! small limit and is read by hand.

use std::io;

use bytes::Bytes;
use klamm_codec::api::Request;
use klamm_codec::api_versions::ApiVersions;
use klamm_codec::messages::{ApiVersionsRequest, StrBytes, encode_request};
use klamm_codec::{ApiKey, ErrorCode, VersionRange, frame};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::Stream;
use crate::error::Error;

/// Largest answer accepted from a peer that has not shown to be a broker.
const ANSWER_BYTES_MAX: usize = 64 << 10;

pub(super) async fn api_versions(
    stream: &mut impl Stream,
    broker: &str,
    client_id: &str,
) -> Result<ApiVersions, Error> {
    let ours = ApiVersionsRequest::API.versions().expect("in the table");
    let first = exchange(stream, broker, client_id, ours.max).await?;
    if first.error_code != ErrorCode::UNSUPPORTED_VERSION {
        return check(first, broker);
    }
    // Brokers before 2.4 do not list any version with the error; they speak version 0.
    let theirs = first
        .range(ApiKey::API_VERSIONS)
        .unwrap_or(VersionRange { min: 0, max: 0 });
    let version = ours
        .highest_common(theirs)
        .ok_or_else(|| Error::UnsupportedVersion {
            api: ApiKey::API_VERSIONS,
            broker: broker.to_owned(),
            ours,
            theirs: Some(theirs),
        })?;
    check(exchange(stream, broker, client_id, version).await?, broker)
}

fn check(versions: ApiVersions, broker: &str) -> Result<ApiVersions, Error> {
    let code = versions.error_code;
    if !code.is_none() {
        return Err(Error::broker(ApiKey::API_VERSIONS, code, broker));
    }
    if versions.is_empty() {
        return Err(not_kafka(
            broker,
            "its ApiVersions answer names no API".to_owned(),
        ));
    }
    Ok(versions)
}

async fn exchange(
    stream: &mut impl Stream,
    broker: &str,
    client_id: &str,
    version: i16,
) -> Result<ApiVersions, Error> {
    let correlation_id = i32::from(version);
    let mut request = ApiVersionsRequest::default();
    if version >= 3 {
        request = request
            .with_client_software_name(StrBytes::from_static_str("klamm"))
            .with_client_software_version(StrBytes::from_static_str(env!("CARGO_PKG_VERSION")));
    }
    let bytes = encode_request(&request, version, correlation_id, client_id)?;
    let answer = async {
        stream.write_all(&bytes).await?;
        stream.flush().await?;
        read_frame(stream).await
    };
    let answer = answer.await.map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => not_kafka(
            broker,
            "it closed the connection at the first request; is this a TLS port, or a broker older than 0.10?".to_owned(),
        ),
        io::ErrorKind::InvalidData => not_kafka(broker, error.to_string()),
        _ => Error::connect(broker, error),
    })?;
    let unreadable = |error: klamm_codec::DecodeError| not_kafka(broker, error.to_string());
    if frame::correlation_id(&answer).map_err(unreadable)? != correlation_id {
        return Err(not_kafka(
            broker,
            "its first answer has a wrong correlation id".to_owned(),
        ));
    }
    let body = frame::response_body(answer, false).map_err(unreadable)?;
    // Error 35 always comes in version 0.
    let answered_version = match body.first_chunk() {
        Some(code) if ErrorCode(i16::from_be_bytes(*code)) == ErrorCode::UNSUPPORTED_VERSION => 0,
        _ => version,
    };
    ApiVersions::decode(&body, answered_version).map_err(unreadable)
}

async fn read_frame(stream: &mut impl Stream) -> io::Result<Bytes> {
    let mut size = [0; frame::SIZE_BYTES];
    stream.read_exact(&mut size).await?;
    let bytes = usize::try_from(i32::from_be_bytes(size)).unwrap_or(usize::MAX);
    if bytes > ANSWER_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, describe(size)));
    }
    let mut answer = vec![0; bytes];
    stream.read_exact(&mut answer).await?;
    Ok(answer.into())
}

/// Names the protocols that are most often found on a wrong port.
fn describe(first: [u8; 4]) -> String {
    match &first {
        b"HTTP" => "it answers as an HTTP server".to_owned(),
        b"SSH-" => "it answers as an SSH server".to_owned(),
        // TLS alert (21) or handshake (22), version 3.x.
        [21 | 22, 3, ..] => {
            "it answers with TLS, but this client connects in plain text".to_owned()
        }
        _ => format!("its first answer begins with {first:02x?}"),
    }
}

fn not_kafka(broker: &str, reason: String) -> Error {
    Error::NotKafka {
        address: broker.to_owned(),
        reason,
    }
}
