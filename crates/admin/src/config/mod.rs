//! Configurations of topics, brokers, groups and client metrics.

mod alter;
mod describe;
mod list;
mod resource;

pub use self::alter::{AlterConfigs, ConfigChange};
pub use self::describe::{
    ConfigEntry, ConfigSource, ConfigSynonym, ConfigType, Configs, DescribeConfigs,
};
pub use self::resource::{ConfigResource, ConfigResourceKind};
