//! What the cluster has switched on (KIP-584).

use std::sync::{Arc, Mutex, PoisonError};

use klamm_codec::api_versions::ApiVersions;

/// The features in force in a cluster and their levels, such as `transaction.version`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FinalizedFeatures {
    /// Epoch of this state; `None` as long as no broker told one (those before 2.7 never do).
    pub epoch: Option<i64>,
    levels: Vec<(String, i16)>,
}

impl FinalizedFeatures {
    /// The level of `feature`; 0, as Kafka has it, if it is not in force.
    #[must_use]
    pub fn level(&self, feature: &str) -> i16 {
        let found = self.levels.iter().find(|(name, _)| name == feature);
        found.map_or(0, |(_, level)| *level)
    }

    /// All features in force, with their levels.
    pub fn iter(&self) -> impl Iterator<Item = (&str, i16)> {
        self.levels
            .iter()
            .map(|(name, level)| (name.as_str(), *level))
    }
}

/// The newest state that any broker told: each new connection tells one, and brokers lag behind each
/// other.
#[derive(Default)]
pub(super) struct FeaturesSeen {
    newest: Mutex<Arc<FinalizedFeatures>>,
}

impl FeaturesSeen {
    pub(super) fn newest(&self) -> Arc<FinalizedFeatures> {
        Arc::clone(&self.newest.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn observe(&self, versions: &ApiVersions) {
        let epoch = versions.finalized_features_epoch;
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        if epoch >= 0 && newest.epoch.is_none_or(|known| known < epoch) {
            *newest = Arc::new(FinalizedFeatures {
                epoch: Some(epoch),
                levels: versions.finalized_features.clone(),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(epoch: i64, level: i16) -> ApiVersions {
        let mut versions = ApiVersions::default();
        versions.finalized_features_epoch = epoch;
        versions.finalized_features = vec![("transaction.version".to_owned(), level)];
        versions
    }

    #[test]
    fn the_highest_epoch_counts_whichever_broker_told_it() {
        let seen = FeaturesSeen::default();
        assert_eq!(seen.newest().level("transaction.version"), 0);
        for (epoch, told_level, level) in [(-1, 9, 0), (0, 1, 1), (5, 2, 2), (4, 1, 2), (-1, 0, 2)]
        {
            seen.observe(&told(epoch, told_level));
            assert_eq!(seen.newest().level("transaction.version"), level);
        }
        assert_eq!(seen.newest().epoch, Some(5));
        assert_eq!(seen.newest().iter().count(), 1);
        assert_eq!(seen.newest().level("kraft.version"), 0);
    }
}
