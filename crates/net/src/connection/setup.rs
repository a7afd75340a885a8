//! A connection before its driver starts: one request at a time, small answers.
//!
//! In order: [`Setup::begin`] asks what the peer speaks, then authentication exchanges its requests with
//! [`SaslChannel::call`], then [`Setup::start`] hands the stream to its driver.
//!
//! `ApiVersions` goes out in the highest version klamm has: 5 to a broker that metadata told of, so that it can say
//! that it is another one (KIP-1242), else 4. A broker that does not know that version
//! answers with error 35 in version 0 and, since KIP-511, the versions of this very API; the request
//! is then sent once more in the highest common one.
//!
//! Invariants
//! - the peer may be anything until the setup is over: no answer may be larger than 64 KiB

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use klamm_codec::api::Request;
use klamm_codec::api_versions::{self, ApiVersions};
use klamm_codec::messages::{ApiVersionsRequest, StrBytes, encode_request};
use klamm_codec::{ApiKey, ErrorCode, VersionRange, frame};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use zeroize::Zeroizing;

use super::driver::Driver;
use super::{Connection, Handle, Limits, Renewal, Shared, renewal};
use crate::connector::BoxedStream;
use crate::error::Error;
use crate::node::NodeId;
use crate::sasl::exchange::SaslChannel;
use crate::stats::Meter;

/// The version of Produce that Kafka 2.1, the oldest that klamm speaks with, came with (KIP-896).
const PRODUCE_SINCE_2_1: i16 = 7;
/// Largest answer accepted from a peer that has not shown to be a broker.
const ANSWER_BYTES_MAX: usize = 64 << 10;
/// Who speaks, for the brokers' logs (KIP-511).
const SOFTWARE: (&str, &str) = ("klamm", env!("CARGO_PKG_VERSION"));

/// Whom a connection is meant for; nobody in particular at a bootstrap address.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Intent<'a> {
    pub(crate) node: NodeId,
    /// Its cluster, if the broker is to make sure of both (KIP-1242).
    pub(crate) cluster_id: Option<&'a str>,
}

/// A byte stream to a peer that is being asked what it speaks, and who it talks to.
pub(crate) struct Setup {
    stream: BoxedStream,
    broker: String,
    /// Whether the stream has TLS.
    encrypted: bool,
    /// Whether the peer was told who the client is.
    authenticated: bool,
    renewal: Option<Renewal>,
    client_id: Arc<str>,
    last_correlation_id: i32,
    versions: ApiVersions,
}

impl Setup {
    /// Asks the peer `broker` what it speaks, and whether it is the one that is meant.
    pub(crate) async fn begin(
        stream: BoxedStream,
        broker: String,
        client_id: Arc<str>,
        encrypted: bool,
        intent: Option<Intent<'_>>,
    ) -> Result<Self, Error> {
        let mut setup = Self {
            encrypted,
            authenticated: false,
            renewal: None,
            stream,
            broker,
            client_id,
            last_correlation_id: 0,
            versions: ApiVersions::default(),
        };
        setup.versions = setup.api_versions(intent).await?;
        Ok(setup)
    }

    /// How to authenticate again, if the connection has to.
    pub(crate) fn renew_by(&mut self, renewal: Option<Renewal>) {
        self.renewal = renewal;
    }

    /// Hands the stream to a driver of its own.
    pub(crate) fn start(
        self,
        node: Option<NodeId>,
        limits: Limits,
        meter: Arc<Meter>,
    ) -> Connection {
        let Self {
            stream,
            broker,
            client_id,
            versions,
            authenticated,
            renewal,
            ..
        } = self;
        let shared = Shared::new(broker, meter);
        let driver = Driver::new(stream, Arc::clone(&shared), limits, authenticated);
        tokio::spawn(driver);
        if let Some(renewal) = renewal {
            let (shared, client_id) = (Arc::clone(&shared), Arc::clone(&client_id));
            tokio::spawn(renewal::run(renewal, shared, client_id, versions.clone()));
        }
        Connection {
            handle: Arc::new(Handle {
                shared,
                node,
                client_id,
                versions,
            }),
        }
    }

    async fn api_versions(&mut self, intent: Option<Intent<'_>>) -> Result<ApiVersions, Error> {
        let ours = ApiVersionsRequest::API.versions().expect("in the table");
        let first = match intent {
            Some(Intent {
                node,
                cluster_id: Some(cluster_id),
            }) => self.ask_with_intent(node, cluster_id).await?,
            _ => self.ask_versions(ours.max).await?,
        };
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
        if let Some(theirs) = versions.range(ApiKey::PRODUCE)
            && theirs.max < PRODUCE_SINCE_2_1
        {
            return Err(Error::BrokerTooOld {
                broker: self.broker.clone(),
                api: ApiKey::PRODUCE,
                needed: PRODUCE_SINCE_2_1,
                theirs,
            });
        }
        Ok(versions)
    }

    async fn ask_with_intent(
        &mut self,
        node: NodeId,
        cluster_id: &str,
    ) -> Result<ApiVersions, Error> {
        let (id, client_id) = (self.next_correlation_id(), &self.client_id);
        let request =
            api_versions::request_with_intent(SOFTWARE, cluster_id, node.0, id, client_id);
        let versions = self
            .answer(&request, api_versions::INTENT_VERSION, id)
            .await?;
        if versions.error_code == ErrorCode::REBOOTSTRAP_REQUIRED {
            return Err(Error::WrongBroker {
                address: self.broker.clone(),
                node: node.0,
                cluster_id: cluster_id.to_owned(),
            });
        }
        Ok(versions)
    }

    async fn ask_versions(&mut self, version: i16) -> Result<ApiVersions, Error> {
        let mut request = ApiVersionsRequest::default();
        if version >= 3 {
            request = request
                .with_client_software_name(StrBytes::from_static_str(SOFTWARE.0))
                .with_client_software_version(StrBytes::from_static_str(SOFTWARE.1));
        }
        let id = self.next_correlation_id();
        let bytes = encode_request(&request, version, id, &self.client_id)?;
        self.answer(&bytes, version, id).await
    }

    /// What is answered to `request`.
    async fn answer(
        &mut self,
        request: &[u8],
        version: i16,
        id: i32,
    ) -> Result<ApiVersions, Error> {
        let answer = self.exchange(request).await;
        let answer = answer.map_err(|error| self.no_answer(error))?;
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

    /// Why the first request was not answered.
    fn no_answer(&self, error: io::Error) -> Error {
        if let Some(told) = Error::told_by(&error) {
            return told;
        }
        let closed = "it closed the connection at the first request";
        match error.kind() {
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::BrokenPipe => self.not_kafka(&if self.encrypted {
                format!("{closed}; does it want a client certificate (ssl.keystore.*)?")
            } else {
                format!("{closed}; is this a TLS port (security.protocol=SSL or SASL_SSL), or a broker older than 0.10?")
            }),
            io::ErrorKind::InvalidData => self.not_kafka(&error.to_string()),
            _ => Error::connect(&self.broker, error),
        }
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
            "it answers with TLS, but this client connects in plain text; set security.protocol=SSL or SASL_SSL"
                .to_owned()
        }
        _ => format!("its answer begins with {first:02x?}"),
    }
}

impl SaslChannel for Setup {
    fn broker(&self) -> &str {
        &self.broker
    }

    fn versions(&self, api: ApiKey) -> Option<VersionRange> {
        self.versions.range(api)
    }

    /// # Cancel safety
    /// Dropping the future leaves the stream out of step: drop the setup, too.
    async fn call(
        &mut self,
        api: ApiKey,
        version: i16,
        body: Zeroizing<Vec<u8>>,
    ) -> Result<Bytes, Error> {
        self.authenticated = true;
        let id = self.next_correlation_id();
        let request = request_frame(api, version, id, &self.client_id, &body);
        let answer = self.exchange(&request).await.map_err(|error| {
            let closed = error.kind() == io::ErrorKind::UnexpectedEof;
            let reason = format!("it closed the connection instead of answering {api}");
            let told = closed.then(|| io::Error::new(error.kind(), reason));
            Error::connect(&self.broker, told.unwrap_or(error))
        })?;
        response_body(&self.broker, api, answer, id)
    }
}

/// A whole request with a header that is not flexible; overwritten with zeros when dropped.
pub(super) fn request_frame(
    api: ApiKey,
    version: i16,
    correlation_id: i32,
    client_id: &str,
    body: &[u8],
) -> Zeroizing<Vec<u8>> {
    const HEADER_BYTES: usize = 14;
    // Of its final size from the start, so that no copy is left behind by growing.
    let bytes = HEADER_BYTES + client_id.len() + body.len();
    let mut request = Zeroizing::new(Vec::with_capacity(bytes));
    frame::put_request_header(&mut request, api, version, 1, correlation_id, client_id);
    request.extend_from_slice(body);
    frame::set_frame_size(&mut request);
    request
}

/// The body of a response with a header that is not flexible.
pub(super) fn response_body(
    broker: &str,
    api: ApiKey,
    answer: Bytes,
    correlation_id: i32,
) -> Result<Bytes, Error> {
    let unreadable = |reason: String| Error::Protocol {
        api,
        broker: broker.to_owned(),
        reason,
    };
    let unread = |error: klamm_codec::DecodeError| unreadable(error.to_string());
    if frame::correlation_id(&answer).map_err(unread)? != correlation_id {
        return Err(unreadable("it has a wrong correlation id".to_owned()));
    }
    frame::response_body(answer, false).map_err(unread)
}
