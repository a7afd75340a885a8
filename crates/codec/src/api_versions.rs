//! The answer to `ApiVersions`, the first bytes a peer sends: read by hand, since the peer may be
//! anything.

use crate::api::{ApiKey, VersionRange};
use crate::error_code::ErrorCode;
use crate::primitive::{DecodeError, Reader};

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
    /// Reads the body of a response of `version` (0 to 4).
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
    fn a_forged_count_is_refused_before_memory_is_reserved() {
        let body = [0, 0, 0x7f, 0xff, 0xff, 0xff];
        assert!(ApiVersions::decode(&body, 0).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_decode_or_fail(body: Vec<u8>, version in 0_i16..5) {
            let _ = ApiVersions::decode(&body, version);
        }
    }
}
