//! The cluster: its brokers, features and quorum.

mod change;
mod describe;
mod directory;
mod features;
mod health;
mod quorum;

pub use self::change::{FeatureUpgrade, UpdateFeatures};
pub use self::describe::{ClusterDescription, DescribeCluster};
pub use self::directory::DirectoryId;
pub use self::features::{FeatureVersions, Features};
pub use self::health::Health;
pub use self::quorum::{Quorum, QuorumListener, QuorumReplica};
