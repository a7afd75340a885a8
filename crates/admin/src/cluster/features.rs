//! Features of the cluster (KIP-584): versions that the brokers can do and that are in force.

use std::collections::BTreeMap;

use klamm_codec::messages::{ApiVersionsRequest, ApiVersionsResponse};
use klamm_net::NodeId;

use crate::admin::Admin;
use crate::driver::{Answers, Batch, Call, Target, drive_one};
use crate::error::Error;
use crate::wire::{Whole, text};

/// The first version of `ApiVersions` that tells of features.
const FEATURES_VERSION: i16 = 3;

/// A range of versions of a feature, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FeatureVersions {
    /// The lowest.
    pub min: i16,
    /// The highest.
    pub max: i16,
}

/// Features such as `metadata.version`, by name.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Features {
    /// Versions in force in the whole cluster.
    pub finalized: BTreeMap<String, FeatureVersions>,
    /// Grows with every change of them; `None` if the broker does not say.
    pub finalized_epoch: Option<i64>,
    /// Versions that the broker that was asked can do.
    pub supported: BTreeMap<String, FeatureVersions>,
}

impl Admin {
    /// The features of the cluster, as any broker tells (KIP-584, Kafka 2.7).
    ///
    /// # Errors
    /// [`Error::Unsupported`], [`Error::Net`].
    pub async fn describe_features(&self) -> Result<Features, Error> {
        drive_one(self, Describe(Target::Any), Whole("the features")).await
    }

    /// As [`Admin::describe_features`], as the broker `node` tells: brokers of different versions can
    /// do different ones.
    ///
    /// # Errors
    /// As there.
    pub async fn describe_features_of(&self, node: NodeId) -> Result<Features, Error> {
        drive_one(self, Describe(Target::Node(node)), Whole("the features")).await
    }
}

struct Describe(Target);

impl Call for Describe {
    const FOR_CONTROLLERS: bool = true;
    type Key = Whole;
    type Value = Features;
    type Request = ApiVersionsRequest;

    fn target(&self, _: &Whole) -> Target {
        self.0.clone()
    }

    fn request(&self, batch: &Batch<Whole>) -> Result<ApiVersionsRequest, Error> {
        batch.needs(FEATURES_VERSION, "describing features", "2.7 (KIP-584)")?;
        Ok(ApiVersionsRequest::default()
            .with_client_software_name(text("klamm"))
            .with_client_software_version(text(env!("CARGO_PKG_VERSION"))))
    }

    fn read(
        &self,
        batch: &Batch<Whole>,
        response: ApiVersionsResponse,
        answers: &mut Answers<Whole, Features>,
    ) {
        answers.throttled(response.throttle_time_ms);
        let finalized = response.finalized_features.into_iter().map(|feature| {
            let versions = FeatureVersions {
                min: feature.min_version_level,
                max: feature.max_version_level,
            };
            (feature.name.to_string(), versions)
        });
        let supported = response.supported_features.into_iter().map(|feature| {
            let versions = FeatureVersions {
                min: feature.min_version,
                max: feature.max_version,
            };
            (feature.name.to_string(), versions)
        });
        let epoch = response.finalized_features_epoch;
        let key = batch.keys[0].clone();
        answers.answer(key, response.error_code, None, || Features {
            finalized: finalized.collect(),
            finalized_epoch: (epoch >= 0).then_some(epoch),
            supported: supported.collect(),
        });
    }
}
