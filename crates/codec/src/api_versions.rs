//! The answer to `ApiVersions`, the first bytes a peer sends: read by hand, since the peer may be
//! anything. And the request of version 5, which the message crate does not know.

use crate::api::{ApiKey, VersionRange};
use crate::error_code::ErrorCode;
use crate::frame;
use crate::primitive::{DecodeError, Reader, put_unsigned_varint};

/// The version in which a client says whom it means (KIP-1242, Kafka 4.4). Its answer is that of version 4.
pub const INTENT_VERSION: i16 = 5;

/// A whole `ApiVersions` request of [`INTENT_VERSION`] that means the broker `node_id` of the cluster `cluster_id`.
#[must_use]
pub fn request_with_intent(
    software: (&str, &str),
    cluster_id: &str,
    node_id: i32,
    correlation_id: i32,
    client_id: &str,
) -> Vec<u8> {
    let mut request = Vec::with_capacity(128);
    let (api, version) = (ApiKey::API_VERSIONS, INTENT_VERSION);
    frame::put_request_header(&mut request, api, version, 2, correlation_id, client_id);
    for text in [software.0, software.1, cluster_id] {
        put_unsigned_varint(&mut request, text.len() as u32 + 1);
        request.extend_from_slice(text.as_bytes());
    }
    request.extend_from_slice(&node_id.to_be_bytes());
    put_unsigned_varint(&mut request, 0);
    frame::set_frame_size(&mut request);
    request
}

/// What a broker said it speaks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApiVersions {
    /// 35 (`UNSUPPORTED_VERSION`) if the broker does not know the version that was asked with.
    pub error_code: ErrorCode,
    versions: Vec<(ApiKey, VersionRange)>,
    /// How long the broker asks the client to wait, in milliseconds (KIP-219).
    pub throttle_time_ms: i32,
    /// Epoch of the finalized features, or -1.
    pub finalized_features_epoch: i64,
    /// Features in force in the cluster with their levels, such as `transaction.version`.
    pub finalized_features: Vec<(String, i16)>,
}

impl ApiVersions {
    /// Reads the body of a response of `version` (0 to 5).
    ///
    /// # Errors
    /// [`DecodeError`] if the bytes are not such a response.
    pub fn decode(body: &[u8], version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 3;
        let mut reader = Reader::new(body);
        let error_code = ErrorCode(reader.int16("ApiVersions error code")?);
        let count = reader.array_length(flexible, 6, "ApiVersions api keys")?;
        let mut versions = Vec::with_capacity(count);
        for _ in 0..count {
            let api = ApiKey(reader.int16("api key")?);
            let min = reader.int16("min version")?;
            let max = reader.int16("max version")?;
            if flexible {
                reader.skip_tagged_fields()?;
            }
            versions.push((api, VersionRange { min, max }));
        }
        versions.sort_unstable_by_key(|(api, _)| *api);
        let mut decoded = Self {
            error_code,
            versions,
            finalized_features_epoch: -1,
            ..Self::default()
        };
        if version >= 1 {
            decoded.throttle_time_ms = reader.int32("throttle time")?;
        }
        if flexible {
            decoded.read_tagged_fields(&mut reader)?;
        }
        Ok(decoded)
    }

    fn read_tagged_fields(&mut self, reader: &mut Reader<'_>) -> Result<(), DecodeError> {
        reader.tagged_fields(|tag, bytes| {
            let mut field = Reader::new(bytes);
            match tag {
                1 => self.finalized_features_epoch = field.int64("finalized features epoch")?,
                2 => {
                    let count = field.array_length(true, 6, "finalized features")?;
                    self.finalized_features = Vec::with_capacity(count);
                    for _ in 0..count {
                        let name = field.nullable_string(true, "feature name")?;
                        let max_level = field.int16("feature max level")?;
                        field.int16("feature min level")?;
                        field.skip_tagged_fields()?;
                        let name = String::from_utf8_lossy(name.unwrap_or_default());
                        self.finalized_features.push((name.into_owned(), max_level));
                    }
                }
                _ => {}
            }
            Ok(())
        })
    }

    /// The versions of `api` that the broker speaks.
    #[must_use]
    pub fn range(&self, api: ApiKey) -> Option<VersionRange> {
        let index = self.versions.binary_search_by_key(&api, |(api, _)| *api);
        index.ok().map(|index| self.versions[index].1)
    }

    /// Whether the broker named no API at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.versions.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_version_0_answer_with_error_35_names_the_versions() {
        let body = [0, 35, 0, 0, 0, 1, 0, 18, 0, 0, 0, 3];
        let decoded = ApiVersions::decode(&body, 0).unwrap();
        assert_eq!(decoded.error_code, ErrorCode::UNSUPPORTED_VERSION);
        let range = decoded.range(ApiKey::API_VERSIONS).unwrap();
        assert_eq!((range.min, range.max), (0, 3));
        assert_eq!(decoded.range(ApiKey::FETCH), None);
    }

    #[test]
    fn a_flexible_answer_carries_the_finalized_features() {
        let mut body = vec![0, 0, 2, 0, 18, 0, 0, 0, 4, 0, 0, 0, 0, 9, 2];
        body.extend_from_slice(&[1, 8, 0, 0, 0, 0, 0, 0, 0, 5]);
        body.extend_from_slice(&[2, 9, 2, 3, b't', b'v', 0, 2, 0, 1, 0]);
        let decoded = ApiVersions::decode(&body, 3).unwrap();
        assert_eq!(decoded.throttle_time_ms, 9);
        assert_eq!(decoded.finalized_features_epoch, 5);
        assert_eq!(decoded.finalized_features, [("tv".to_owned(), 2)]);
    }

    #[test]
    fn a_request_with_an_intent_is_the_one_that_java_writes() {
        // By kafka-clients 4.4.0.
        let java = b"\0\0\09\0\x12\0\x05\0\0\0\x07\0\x06orders\0\x06klamm\x060.1.0\x174L6g3nShT-eMCtK--X86sw\0\0\0\x03\0";
        let ours =
            request_with_intent(("klamm", "0.1.0"), "4L6g3nShT-eMCtK--X86sw", 3, 7, "orders");
        assert_eq!(ours, java);
    }

    #[test]
    fn a_forged_count_is_refused_before_memory_is_reserved() {
        let body = [0, 0, 0x7f, 0xff, 0xff, 0xff];
        assert!(ApiVersions::decode(&body, 0).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_decode_or_fail(body: Vec<u8>, version in 0_i16..=INTENT_VERSION) {
            let _ = ApiVersions::decode(&body, version);
        }
    }
}
