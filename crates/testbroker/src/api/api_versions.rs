//! `ApiVersions` (KIP-35, KIP-511, KIP-584).

use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::api_versions_response::{
    ApiVersion, FinalizedFeatureKey, SupportedFeatureKey,
};
use kafka_protocol::messages::{ApiVersionsRequest, ApiVersionsResponse, InitProducerIdRequest};
use kafka_protocol::protocol::{Message, Request, VersionRange};
use klamm_codec::api_versions::INTENT_VERSION;
use klamm_codec::primitive::{DecodeError, Reader};
use klamm_codec::{ApiKey, ErrorCode, frame};

use super::{Call, Disconnect, Peer, Reply, Serve, encode, run, served, text};
use crate::shared::Shared;

/// The newest version that the message crate knows.
const PLAIN_VERSION: i16 = INTENT_VERSION - 1;
pub(super) const VERSIONS: VersionRange = VersionRange {
    max: INTENT_VERSION,
    ..ApiVersionsRequest::VERSIONS
};

/// The newest level of `transaction.version` (KIP-890).
const TRANSACTION_VERSION_MAX: i16 = 2;

impl Serve for ApiVersionsRequest {
    async fn serve(self, call: &Call<'_>) -> Reply<ApiVersionsResponse> {
        let named = is_software_name(&self.client_software_name)
            && is_software_name(&self.client_software_version);
        if call.version >= 3 && !named {
            return Reply::Answer(self.refuse(call, ResponseError::InvalidRequest.code()));
        }
        let options = call.shared.cluster().options;
        let api = |(key, versions): (i16, VersionRange)| {
            let before_kip_360 = options.before_kip_360 && key == InitProducerIdRequest::KEY;
            let max = if before_kip_360 { 2 } else { versions.max };
            version_range(key, VersionRange { max, ..versions })
        };
        let mut response =
            ApiVersionsResponse::default().with_api_keys(served().into_iter().map(api).collect());
        let level = options.transaction_version;
        if call.version >= 3 {
            let name = text("transaction.version");
            // Before version 4 clients could not read a feature that starts at 0 (KAFKA-17011).
            if call.version >= 4 {
                let feature = SupportedFeatureKey::default().with_name(name.clone());
                response.supported_features =
                    vec![feature.with_max_version(TRANSACTION_VERSION_MAX)];
            }
            response.finalized_features_epoch = 1;
            if level > 0 {
                let feature = FinalizedFeatureKey::default().with_name(name);
                response.finalized_features = vec![
                    feature
                        .with_max_version_level(level)
                        .with_min_version_level(level),
                ];
            }
        }
        Reply::Answer(response)
    }

    fn refuse(&self, _: &Call<'_>, code: i16) -> ApiVersionsResponse {
        ApiVersionsResponse::default().with_error_code(code)
    }
}

/// Answers a request that says whom it means: as any other, if that is this node (KIP-1242).
pub(super) async fn answer_to_intent(
    shared: &Shared,
    peer: &Peer,
    request: Bytes,
) -> Result<Option<Bytes>, Disconnect> {
    let (is_meant, plain) = read_intent(shared, peer, &request)
        .map_err(|error| Disconnect::Malformed(error.to_string()))?;
    if is_meant {
        return run::<ApiVersionsRequest>(shared, peer, PLAIN_VERSION, plain).await;
    }
    shared.cluster().count_request(ApiKey::API_VERSIONS);
    // Behind API key and version, as it is at the start of a response.
    let correlation_id = frame::correlation_id(&request[4..]).unwrap_or_default();
    let refusal = ApiVersionsResponse::default().with_error_code(ErrorCode::REBOOTSTRAP_REQUIRED.0);
    encode::<ApiVersionsRequest>(&refusal, PLAIN_VERSION, correlation_id).map(Some)
}

/// Whether this node is meant, and the request without that: in version 4, which the message crate knows.
fn read_intent(shared: &Shared, peer: &Peer, frame: &[u8]) -> Result<(bool, Bytes), DecodeError> {
    let mut reader = Reader::new(frame);
    reader.take(8, "request header")?;
    reader.nullable_string(false, "client id")?;
    reader.skip_tagged_fields()?;
    reader.nullable_string(true, "client software name")?;
    reader.nullable_string(true, "client software version")?;
    let (before, after) = frame.split_at(reader.position());
    let cluster_id = reader.nullable_string(true, "cluster id")?;
    let node = reader.int32("node id")?;
    let intent_bytes = reader.position() - before.len();
    let is_meant = match cluster_id {
        Some(cluster_id) if node >= 0 => {
            cluster_id == shared.cluster().id.as_bytes() && node == peer.node.0
        }
        _ => true,
    };
    let mut plain = [before, &after[intent_bytes..]].concat();
    plain[2..4].copy_from_slice(&(PLAIN_VERSION).to_be_bytes());
    Ok((is_meant, plain.into()))
}

/// To be sent as version 0, whatever was asked for; it names only this API, as Kafka does.
pub(super) fn unsupported_version() -> ApiVersionsResponse {
    ApiVersionsResponse::default()
        .with_error_code(ResponseError::UnsupportedVersion.code())
        .with_api_keys(vec![version_range(ApiVersionsRequest::KEY, VERSIONS)])
}

fn version_range(key: i16, versions: kafka_protocol::protocol::VersionRange) -> ApiVersion {
    ApiVersion::default()
        .with_api_key(key)
        .with_min_version(versions.min)
        .with_max_version(versions.max)
}

/// Kafka: letters and digits, with '-' and '.' between them.
fn is_software_name(name: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    let is_edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = name.as_bytes();
    bytes.iter().copied().all(is_inner) && is_edge(bytes.first()) && is_edge(bytes.last())
}
