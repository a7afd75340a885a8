//! A connection before its driver starts: one request at a time, small answers.
//!
//! In order: [`Setup::begin`] asks what the peer speaks, then authentication exchanges its requests with
//! [`Setup::request`], then [`Setup::start`] hands the stream to its driver.
//!
//! `ApiVersions` goes out in the highest version klamm has. A broker that does not know that version
//! answers with error 35 in version 0 and, since KIP-511, the versions of this very API; the request
//! is then sent once more in the highest common one.
//!
//! Invariants
//! - the peer may be anything until the setup is over: no answer may be larger than 64 KiB

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use klamm_codec::api::Request;
use klamm_codec::api_versions::ApiVersions;
use klamm_codec::messages::{ApiVersionsRequest, StrBytes, decode_response, encode_request};
use klamm_codec::{ApiKey, ErrorCode, VersionRange, frame};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Connection, Limits, highest_version};
use crate::connector::BoxedStream;
use crate::error::Error;
use crate::node::NodeId;

/// Largest answer accepted from a peer that has not shown to be a broker.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// A byte stream to a peer that is being asked what it speaks, and who it talks to.
pub(crate) struct Setup {
    stream: BoxedStream,
    broker: String,
    client_id: Arc<str>,
    last_correlation_id: i32,
    versions: ApiVersions,
}

impl Setup {
    /// Asks the peer `broker` what it speaks.
    pub(crate) async fn begin(
        stream: BoxedStream,
        broker: String,
        client_id: Arc<str>,
    ) -> Result<Self, Error> {
        let mut setup = Self {
            stream,
            broker,
            client_id,
            last_correlation_id: 0,
            versions: ApiVersions::default(),
        };
        setup.versions = setup.api_versions().await?;
        Ok(setup)
    }

    /// The peer's address.
    #[cfg_attr(not(test), expect(dead_code, reason = "SASL will use it"))]
    pub(crate) fn broker(&self) -> &str {
        &self.broker
    }

    /// The highest version of `api` that both sides speak.
    #[cfg_attr(not(test), expect(dead_code, reason = "SASL will use it"))]
    pub(crate) fn version(&self, api: ApiKey) -> Result<i16, Error> {
        highest_version(&self.versions, api, &self.broker)
    }

    /// Sends `request` and reads its answer.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the stream out of step: drop the setup, too.
    #[cfg_attr(not(test), expect(dead_code, reason = "SASL will use it"))]
    pub(crate) async fn request<R: Request>(
        &mut self,
        request: &R,
        version: i16,
    ) -> Result<R::Response, Error> {
        let id = self.next_correlation_id();
        let bytes = encode_request(request, version, id, &self.client_id)?;
        let answer = self.exchange(&bytes).await;
        let answer =
            answer.map_err(|error| Error::connect(&self.broker, describe_end::<R>(error)))?;
        let unreadable = |reason| Error::Protocol {
            api: R::API,
            broker: self.broker.clone(),
            reason,
        };
        if frame::correlation_id(&answer).map_err(|error| unreadable(error.to_string()))? != id {
            return Err(unreadable("it has a wrong correlation id".to_owned()));
        }
        decode_response::<R>(answer, version).map_err(|error| unreadable(error.reason))
    }

    /// Hands the stream to a driver of its own.
    pub(crate) fn start(self, node: Option<NodeId>, limits: Limits) -> Connection {
        Connection::start(
            self.stream,
            self.broker,
            node,
            self.client_id,
            self.versions,
            limits,
        )
    }

    async fn api_versions(&mut self) -> Result<ApiVersions, Error> {
        let ours = ApiVersionsRequest::API.versions().expect("in the table");
        let first = self.ask_versions(ours.max).await?;
        if first.error_code != ErrorCode::UNSUPPORTED_VERSION {
            return self.check(first);
        }
        // Brokers before 2.4 do not list any version with the error; they speak version 0.
        let theirs = first
            .range(ApiKey::API_VERSIONS)
            .unwrap_or(VersionRange { min: 0, max: 0 });
        let version = ours
            .highest_common(theirs)
            .ok_or_else(|| Error::UnsupportedVersion {
                api: ApiKey::API_VERSIONS,
                broker: self.broker.clone(),
                ours,
                theirs: Some(theirs),
            })?;
        let second = self.ask_versions(version).await?;
        self.check(second)
    }

    fn check(&self, versions: ApiVersions) -> Result<ApiVersions, Error> {
        let code = versions.error_code;
        if !code.is_none() {
            return Err(Error::broker(ApiKey::API_VERSIONS, code, &*self.broker));
        }
        if versions.is_empty() {
            return Err(self.not_kafka("its ApiVersions answer names no API"));
        }
        Ok(versions)
    }

    async fn ask_versions(&mut self, version: i16) -> Result<ApiVersions, Error> {
        let mut request = ApiVersionsRequest::default();
        if version >= 3 {
            request = request
                .with_client_software_name(StrBytes::from_static_str("klamm"))
                .with_client_software_version(StrBytes::from_static_str(env!("CARGO_PKG_VERSION")));
        }
        let id = self.next_correlation_id();
        let bytes = encode_request(&request, version, id, &self.client_id)?;
        let answer = self.exchange(&bytes).await.map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => self.not_kafka(
                "it closed the connection at the first request; is this a TLS port, or a broker older than 0.10?",
            ),
            io::ErrorKind::InvalidData => self.not_kafka(&error.to_string()),
            _ => Error::connect(&self.broker, error),
        })?;
        let unreadable = |error: klamm_codec::DecodeError| self.not_kafka(&error.to_string());
        if frame::correlation_id(&answer).map_err(unreadable)? != id {
            return Err(self.not_kafka("its first answer has a wrong correlation id"));
        }
        let body = frame::response_body(answer, false).map_err(unreadable)?;
        // Error 35 always comes in version 0.
        let answered_version = match body.first_chunk() {
            Some(code)
                if ErrorCode(i16::from_be_bytes(*code)) == ErrorCode::UNSUPPORTED_VERSION =>
            {
                0
            }
            _ => version,
        };
        ApiVersions::decode(&body, answered_version).map_err(unreadable)
    }

    fn next_correlation_id(&mut self) -> i32 {
        self.last_correlation_id += 1;
        self.last_correlation_id
    }

    async fn exchange(&mut self, request: &[u8]) -> io::Result<Bytes> {
        self.stream.write_all(request).await?;
        self.stream.flush().await?;
        let mut size = [0; frame::SIZE_BYTES];
        self.stream.read_exact(&mut size).await?;
        let bytes = usize::try_from(i32::from_be_bytes(size)).unwrap_or(usize::MAX);
        if bytes > ANSWER_BYTES_MAX {
            return Err(io::Error::new(io::ErrorKind::InvalidData, describe(size)));
        }
        let mut answer = vec![0; bytes];
        self.stream.read_exact(&mut answer).await?;
        Ok(answer.into())
    }

    fn not_kafka(&self, reason: &str) -> Error {
        Error::NotKafka {
            address: self.broker.clone(),
            reason: reason.to_owned(),
        }
    }
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
        _ => format!("its answer begins with {first:02x?}"),
    }
}

fn describe_end<R: Request>(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => io::Error::new(
            error.kind(),
            format!("it closed the connection instead of answering {}", R::API),
        ),
        _ => error,
    }
}
