//! The settings of a consumer. Defaults are those of the Java client (4.x).

mod builder;
mod properties;

use std::sync::Arc;
use std::time::Duration;

pub use builder::ConsumerBuilder;
use klamm_net::ClientConfig;

use crate::error::Error;
use crate::interceptor::Interceptor;

/// The longest time that Kafka's properties can express.
const TIME_MAX: Duration = Duration::from_millis(i32::MAX as u64);

/// Where to start without a valid offset (`auto.offset.reset`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OffsetReset {
    /// At the first offset of the log.
    Earliest,
    /// At the end of the log: records written before are not read.
    #[default]
    Latest,
    /// At the first record that is not older than this when it is asked for (`by_duration:`,
    /// KIP-1106); at the end of the log if there is none.
    ByDuration(Duration),
    /// Nowhere: [`poll`](crate::Consumer::poll) fails until the application seeks.
    None,
}

/// Which records of transactions are read (`isolation.level`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum IsolationLevel {
    /// All, those of open and aborted transactions too.
    #[default]
    ReadUncommitted,
    /// Those of committed transactions, and those without a transaction; reading stops at the first
    /// open transaction until it ends.
    ReadCommitted,
}

impl IsolationLevel {
    pub(crate) const fn on_wire(self) -> i8 {
        match self {
            Self::ReadUncommitted => 0,
            Self::ReadCommitted => 1,
        }
    }
}

/// The settings of a consumer; see [`ConsumerBuilder`] for setting them one by one.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ConsumerConfig {
    /// The consumer group, needed for subscribing and for committing (`group.id`; none).
    pub group_id: Option<String>,
    /// Id of a static member: a restart within the session timeout moves no partitions
    /// (`group.instance.id`; none; KIP-345, brokers from 2.3).
    pub group_instance_id: Option<String>,
    /// Topics to subscribe to from the start (none).
    pub topics: Vec<String>,
    /// A member that is silent for this long is dead to the group; the broker bounds it
    /// (`session.timeout.ms`; 45 s).
    pub session_timeout: Duration,
    /// Pause between heartbeats, at best a third of the session timeout
    /// (`heartbeat.interval.ms`; 3 s).
    pub heartbeat_interval: Duration,
    /// The application must poll again within this time, or its partitions go to other members;
    /// also how long the group waits for its members to rejoin (`max.poll.interval.ms`; 5 min).
    pub max_poll_interval: Duration,
    /// Most records of one poll (`max.poll.records`; 500).
    pub max_poll_records: usize,
    /// Commit in the background what earlier polls handed over. Unset means yes with a group and no
    /// without (`enable.auto.commit`; true).
    pub auto_commit: Option<bool>,
    /// Pause between such commits (`auto.commit.interval.ms`; 5 s).
    pub auto_commit_interval: Duration,
    /// Commit what was handed over. If not, [`commit`](crate::Consumer::commit) and the commits in
    /// the background take only what the application has stored as done, by
    /// [`store_offset`](crate::Consumer::store_offset) (librdkafka's `enable.auto.offset.store`;
    /// true).
    pub auto_offset_store: bool,
    /// Where to start without a valid offset (`auto.offset.reset`; latest).
    pub offset_reset: OffsetReset,
    /// Which records of transactions are read (`isolation.level`; read uncommitted).
    pub isolation_level: IsolationLevel,
    /// Where this consumer runs. Brokers that choose replicas by rack
    /// (`replica.selector.class`) let it read from a near one (`client.rack`; none; KIP-392).
    pub client_rack: Option<String>,
    /// Brokers answer a fetch at this many bytes … (`fetch.min.bytes`; 1).
    pub fetch_min_bytes: usize,
    /// … or after this long; must be below the request timeout (`fetch.max.wait.ms`; 500 ms).
    pub fetch_max_wait: Duration,
    /// Most bytes of one response; the first batch always comes whole (`fetch.max.bytes`; 50 MiB).
    pub fetch_max_bytes: usize,
    /// Most bytes of one partition in a response (`max.partition.fetch.bytes`; 1 MiB).
    pub partition_fetch_max_bytes: usize,
    /// Most bytes fetched ahead of the application, over all partitions; fetching stops there and
    /// resumes at half. At most one `max.partition.fetch.bytes` for each broker comes on top
    /// (no Java property; unset means `fetch.max.bytes`).
    pub prefetch_bytes: Option<usize>,
    /// Verify the CRC-32C of every batch (`check.crcs`; true).
    pub check_crcs: bool,
    /// Who sees what is handed out and what is committed, in this order (`interceptor.classes`;
    /// none).
    pub interceptors: Vec<Arc<dyn Interceptor>>,
    /// Asking for a missing topic may create it, with the broker's defaults
    /// (`allow.auto.create.topics`; true). A misspelt name then becomes a topic.
    pub allow_auto_create_topics: bool,
    /// Upper bound of one call, such as a commit, with its retries. Unset means the client's
    /// (`default.api.timeout.ms`; 60 s).
    pub default_api_timeout: Option<Duration>,
}

impl Default for ConsumerConfig {
    fn default() -> Self {
        Self {
            group_id: None,
            group_instance_id: None,
            topics: Vec::new(),
            session_timeout: Duration::from_secs(45),
            heartbeat_interval: Duration::from_secs(3),
            max_poll_interval: Duration::from_secs(300),
            max_poll_records: 500,
            auto_commit: None,
            auto_commit_interval: Duration::from_secs(5),
            auto_offset_store: true,
            offset_reset: OffsetReset::Latest,
            isolation_level: IsolationLevel::ReadUncommitted,
            client_rack: None,
            fetch_min_bytes: 1,
            fetch_max_wait: Duration::from_millis(500),
            fetch_max_bytes: 50 << 20,
            partition_fetch_max_bytes: 1 << 20,
            prefetch_bytes: None,
            check_crcs: true,
            interceptors: Vec::new(),
            allow_auto_create_topics: true,
            default_api_timeout: None,
        }
    }
}

impl ConsumerConfig {
    /// Whether positions are committed in the background.
    pub(crate) fn auto_commits(&self) -> bool {
        self.group_id.is_some() && self.auto_commit.unwrap_or(true)
    }

    /// Checks every rule and names all that are broken.
    pub(crate) fn check(&self, client: &ClientConfig) -> Result<(), Error> {
        let request_timeout = client.request_timeout;
        let no_group = self.group_id.is_none();
        let rules = [
            (
                self.group_id.as_deref() == Some(""),
                "group.id must not be empty",
            ),
            (
                self.group_instance_id.as_deref() == Some(""),
                "group.instance.id must not be empty",
            ),
            (
                no_group && !self.topics.is_empty(),
                "subscribing to topics needs group.id",
            ),
            (
                no_group && self.auto_commit == Some(true),
                "enable.auto.commit=true needs group.id",
            ),
            (
                self.heartbeat_interval >= self.session_timeout,
                "heartbeat.interval.ms must be below session.timeout.ms, at best a third of it",
            ),
            (
                self.heartbeat_interval.is_zero() || self.max_poll_interval.is_zero(),
                "heartbeat.interval.ms and max.poll.interval.ms must be above 0",
            ),
            (
                [
                    self.session_timeout,
                    self.heartbeat_interval,
                    self.max_poll_interval,
                    self.auto_commit_interval,
                    self.default_api_timeout.unwrap_or_default(),
                ]
                .iter()
                .any(|time| *time > TIME_MAX),
                "no time may be above 2147483647 ms",
            ),
            (
                self.max_poll_records == 0,
                "max.poll.records must be at least 1",
            ),
            (
                self.fetch_max_wait >= request_timeout,
                "fetch.max.wait.ms must be below request.timeout.ms, or every empty fetch would close the connection",
            ),
            (
                self.prefetch_bytes == Some(0),
                "prefetch_bytes must be at least 1",
            ),
        ];
        let broken: Vec<_> = rules
            .into_iter()
            .filter_map(|(broken, rule)| broken.then_some(rule))
            .collect();
        if broken.is_empty() {
            return Ok(());
        }
        Err(Error::InvalidConfig {
            reason: broken.join("; "),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_broken_rules_are_named_at_once() {
        let client = ClientConfig::new("localhost").unwrap();
        assert!(ConsumerConfig::default().check(&client).is_ok());
        let broken = ConsumerConfig {
            topics: vec!["t".to_owned()],
            fetch_max_wait: Duration::from_secs(30),
            heartbeat_interval: Duration::from_secs(45),
            ..ConsumerConfig::default()
        };
        let error = broken.check(&client).unwrap_err().to_string();
        for name in ["group.id", "fetch.max.wait.ms", "heartbeat.interval.ms"] {
            assert!(error.contains(name), "{error}");
        }
    }

    #[test]
    fn without_a_group_nothing_is_committed_by_default() {
        let mut config = ConsumerConfig::default();
        assert!(!config.auto_commits());
        config.group_id = Some("g".to_owned());
        assert!(config.auto_commits());
        config.auto_commit = Some(false);
        assert!(!config.auto_commits());
    }
}
