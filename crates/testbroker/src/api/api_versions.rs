//! `ApiVersions` (KIP-35, KIP-511, KIP-584).

use kafka_protocol::ResponseError;
use kafka_protocol::messages::api_versions_response::{
    ApiVersion, FinalizedFeatureKey, SupportedFeatureKey,
};
use kafka_protocol::messages::{ApiVersionsRequest, ApiVersionsResponse};
use kafka_protocol::protocol::{Message, Request};

use super::{Call, Reply, Serve, served, text};

/// The newest level of `transaction.version` (KIP-890).
const TRANSACTION_VERSION_MAX: i16 = 2;

impl Serve for ApiVersionsRequest {
    async fn serve(self, call: &Call<'_>) -> Reply<ApiVersionsResponse> {
        let named = is_software_name(&self.client_software_name)
            && is_software_name(&self.client_software_version);
        if call.version >= 3 && !named {
            return Reply::Answer(self.refuse(call, ResponseError::InvalidRequest.code()));
        }
        let api = |(key, versions)| version_range(key, versions);
        let mut response =
            ApiVersionsResponse::default().with_api_keys(served().into_iter().map(api).collect());
        let level = call.shared.cluster().options.transaction_version;
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

/// To be sent as version 0, whatever was asked for; it names only this API, as Kafka does.
pub(super) fn unsupported_version() -> ApiVersionsResponse {
    ApiVersionsResponse::default()
        .with_error_code(ResponseError::UnsupportedVersion.code())
        .with_api_keys(vec![version_range(
            ApiVersionsRequest::KEY,
            ApiVersionsRequest::VERSIONS,
        )])
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
