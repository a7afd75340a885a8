//! The settings under the names that every Kafka user knows.

use klamm_net::config::{PropertySet, iso_duration};

use super::{ConsumerConfig, IsolationLevel, OffsetReset};

impl ConsumerConfig {
    /// The settings of a checked set of properties; what is not in it keeps its default.
    ///
    /// Settings that the client as a whole needs, such as `bootstrap.servers`, are not read here.
    #[must_use]
    pub fn from_properties(properties: &PropertySet) -> Self {
        let default = Self::default();
        let duration = |name, default| properties.duration_ms(name).unwrap_or(default);
        let bytes = |name, default| properties.usize(name).unwrap_or(default);
        Self {
            group_id: properties.string("group.id"),
            group_instance_id: properties.string("group.instance.id"),
            topics: Vec::new(),
            session_timeout: duration("session.timeout.ms", default.session_timeout),
            heartbeat_interval: duration("heartbeat.interval.ms", default.heartbeat_interval),
            max_poll_interval: duration("max.poll.interval.ms", default.max_poll_interval),
            max_poll_records: bytes("max.poll.records", default.max_poll_records),
            auto_commit: properties.bool("enable.auto.commit"),
            auto_commit_interval: duration("auto.commit.interval.ms", default.auto_commit_interval),
            auto_offset_store: properties
                .bool("enable.auto.offset.store")
                .unwrap_or(default.auto_offset_store),
            offset_reset: offset_reset(properties),
            isolation_level: match properties.str("isolation.level") {
                Some("read_committed") => IsolationLevel::ReadCommitted,
                _ => IsolationLevel::ReadUncommitted,
            },
            client_rack: properties.string("client.rack").filter(|it| !it.is_empty()),
            fetch_min_bytes: bytes("fetch.min.bytes", default.fetch_min_bytes),
            fetch_max_wait: duration("fetch.max.wait.ms", default.fetch_max_wait),
            fetch_max_bytes: bytes("fetch.max.bytes", default.fetch_max_bytes),
            partition_fetch_max_bytes: bytes(
                "max.partition.fetch.bytes",
                default.partition_fetch_max_bytes,
            ),
            prefetch_bytes: None,
            interceptors: Vec::new(),
            check_crcs: properties.bool("check.crcs").unwrap_or(default.check_crcs),
            allow_auto_create_topics: properties
                .bool("allow.auto.create.topics")
                .unwrap_or(default.allow_auto_create_topics),
            default_api_timeout: properties.duration_ms("default.api.timeout.ms"),
        }
    }
}

fn offset_reset(properties: &PropertySet) -> OffsetReset {
    let text = properties.str("auto.offset.reset").unwrap_or("latest");
    if let Some(age) = text.strip_prefix("by_duration:").and_then(iso_duration) {
        return OffsetReset::ByDuration(age);
    }
    match text {
        "earliest" => OffsetReset::Earliest,
        "none" => OffsetReset::None,
        _ => OffsetReset::Latest,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use klamm_net::config::Role;

    use super::*;

    #[test]
    fn properties_set_what_they_name_and_nothing_else() {
        let properties = [
            ("group.id", "billing"),
            ("enable.auto.commit", "false"),
            ("auto.offset.reset", "smallest"),
            ("max.poll.records", "7"),
            ("heartbeat.interval.ms", "1500"),
            ("max.partition.fetch.bytes", "2048"),
        ];
        let set = PropertySet::parse(Role::Consumer, properties).unwrap();
        let config = ConsumerConfig::from_properties(&set);
        assert_eq!(config.group_id.as_deref(), Some("billing"));
        assert_eq!(config.auto_commit, Some(false));
        assert_eq!(config.offset_reset, OffsetReset::Earliest);
        assert_eq!(config.max_poll_records, 7);
        assert_eq!(config.heartbeat_interval, Duration::from_millis(1500));
        assert_eq!(config.partition_fetch_max_bytes, 2048);
        assert_eq!(config.session_timeout, Duration::from_secs(45));
        assert_eq!(config.fetch_max_bytes, 50 << 20);
        assert!(config.auto_offset_store);

        let properties = [
            ("auto.offset.reset", "by_duration:PT90M"),
            ("isolation.level", "read_committed"),
            ("enable.auto.offset.store", "false"),
            ("client.rack", "here"),
        ];
        let set = PropertySet::parse(Role::Consumer, properties).unwrap();
        let config = ConsumerConfig::from_properties(&set);
        let age = Duration::from_secs(5400);
        assert_eq!(config.offset_reset, OffsetReset::ByDuration(age));
        assert_eq!(config.isolation_level, IsolationLevel::ReadCommitted);
        assert_eq!(config.client_rack.as_deref(), Some("here"));
        assert!(!config.auto_offset_store);
    }
}
