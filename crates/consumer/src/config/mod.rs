//! The settings of a consumer. Defaults are those of the Java client (4.x).

mod builder;
mod properties;

use std::sync::Arc;
use std::time::Duration;

pub use builder::ConsumerBuilder;
use klamm_net::ClientConfig;
use klamm_net::config::{Findings, Problem, checks};

use crate::assign::{Assignor, CooperativeStickyAssignor, RangeAssignor};
use crate::error::Error;
use crate::group::listener::Listener;
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

/// Who assigns the partitions of a group (`group.protocol`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GroupProtocol {
    /// One of its members, by an [`Assignor`].
    #[default]
    Classic,
    /// The broker (KIP-848, brokers from 4.0): members that stay are not stopped, and one that is slow
    /// holds up no other.
    Consumer,
}

/// `session.timeout.ms` of a classic group.
pub(crate) const SESSION_TIMEOUT: Duration = Duration::from_secs(45);
/// `heartbeat.interval.ms` of a classic group.
pub(crate) const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(3);

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
    /// Subscribe from the start to all topics whose whole name matches this regular expression
    /// (none).
    pub topic_pattern: Option<String>,
    /// Who assigns the partitions (`group.protocol`; classic).
    pub group_protocol: GroupProtocol,
    /// How the broker assigns, with the consumer protocol: `uniform` or `range`, or what else it is
    /// configured to know (`group.remote.assignor`; the broker's choice).
    pub group_remote_assignor: Option<String>,
    /// The assignors that a classic group may agree on, the preferred one first; unset means range,
    /// then cooperative-sticky (`partition.assignment.strategy`).
    pub assignors: Vec<Arc<dyn Assignor>>,
    /// Told of partitions that come and go.
    pub(crate) rebalance_listener: Option<Listener>,
    /// A member that is silent for this long is dead to a classic group; the broker bounds it
    /// (`session.timeout.ms`; 45 s). With the consumer protocol the broker says.
    pub session_timeout: Option<Duration>,
    /// Pause between heartbeats to a classic group, at best a third of the session timeout
    /// (`heartbeat.interval.ms`; 3 s). With the consumer protocol the broker says.
    pub heartbeat_interval: Option<Duration>,
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
            topic_pattern: None,
            group_protocol: GroupProtocol::Classic,
            group_remote_assignor: None,
            assignors: Vec::new(),
            rebalance_listener: None,
            session_timeout: None,
            heartbeat_interval: None,
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

    /// The assignors of a classic group.
    pub(crate) fn assignors_in_use(&self) -> Vec<Arc<dyn Assignor>> {
        if self.assignors.is_empty() {
            return vec![Arc::new(RangeAssignor), Arc::new(CooperativeStickyAssignor)];
        }
        self.assignors.clone()
    }

    /// Checks every rule and names all that are broken.
    pub(crate) fn check(&self, client: &ClientConfig) -> Result<(), Error> {
        let mut findings = Findings::new();
        self.check_group(&mut findings);
        self.check_times(&mut findings);
        if self.max_poll_records == 0 {
            let problem = Problem::not_allowed("max.poll.records", "0", "at least 1");
            findings.problem(problem);
        }
        checks::fetch_wait(self.fetch_max_wait, client.request_timeout, &mut findings);
        if self.prefetch_bytes == Some(0) {
            findings.problem(Problem::not_allowed("prefetch_bytes", "0", "at least 1"));
        }
        for warning in findings.finish()? {
            tracing::warn!("{warning}");
        }
        Ok(())
    }

    fn check_group(&self, findings: &mut Findings) {
        checks::group(self.group_id.as_deref(), self.auto_commit, findings);
        if self.group_instance_id.as_deref() == Some("") {
            let allowed = "text that is not empty";
            findings.problem(Problem::not_allowed("group.instance.id", "", allowed));
        }
        let subscribes = !self.topics.is_empty() || self.topic_pattern.is_some();
        if self.group_id.is_none() && subscribes {
            let allowed = "set for subscribing to topics";
            findings.problem(Problem::missing("group.id", allowed));
        }
        self.check_protocol(findings);
        let mut names: Vec<&str> = self
            .assignors
            .iter()
            .map(|assignor| assignor.name())
            .collect();
        names.sort_unstable();
        if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            let rule = "names an assignor twice";
            let problem = Problem::conflict("partition.assignment.strategy", twice[0], rule);
            findings.problem(problem);
        }
    }

    /// As Java: what only the other protocol goes by is an error.
    fn check_protocol(&self, findings: &mut Findings) {
        let millis = |time: Option<Duration>| time.map(millis);
        let names: Vec<_> = self
            .assignors
            .iter()
            .map(|assignor| assignor.name())
            .collect();
        let assignors = (!names.is_empty()).then(|| names.join(","));
        let settings = match self.group_protocol {
            GroupProtocol::Classic => {
                vec![("group.remote.assignor", self.group_remote_assignor.clone())]
            }
            GroupProtocol::Consumer => vec![
                ("session.timeout.ms", millis(self.session_timeout)),
                ("heartbeat.interval.ms", millis(self.heartbeat_interval)),
                ("partition.assignment.strategy", assignors),
            ],
        };
        let rule = match self.group_protocol {
            GroupProtocol::Classic => "needs group.protocol=consumer",
            GroupProtocol::Consumer => {
                "must not be set with group.protocol=consumer, where the broker says"
            }
        };
        for (name, value) in settings {
            if let Some(value) = value {
                findings.problem(Problem::conflict(name, &value, rule));
            }
        }
    }

    fn check_times(&self, findings: &mut Findings) {
        let session = self.session_timeout.unwrap_or(SESSION_TIMEOUT);
        let heartbeat = self.heartbeat_interval.unwrap_or(HEARTBEAT_INTERVAL);
        checks::heartbeat(heartbeat, session, findings);
        let at_least_one = [
            ("heartbeat.interval.ms", heartbeat),
            ("max.poll.interval.ms", self.max_poll_interval),
        ];
        for (name, _) in at_least_one.iter().filter(|(_, time)| time.is_zero()) {
            findings.problem(Problem::not_allowed(name, "0", "at least 1"));
        }
        let times = [
            ("session.timeout.ms", session),
            ("heartbeat.interval.ms", heartbeat),
            ("max.poll.interval.ms", self.max_poll_interval),
            ("auto.commit.interval.ms", self.auto_commit_interval),
            (
                "default.api.timeout.ms",
                self.default_api_timeout.unwrap_or_default(),
            ),
        ];
        for (name, time) in times.iter().filter(|(_, time)| *time > TIME_MAX) {
            let allowed = "at most 2147483647 ms";
            findings.problem(Problem::not_allowed(name, &millis(*time), allowed));
        }
    }
}

fn millis(time: Duration) -> String {
    time.as_millis().to_string()
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
            heartbeat_interval: Some(Duration::from_secs(45)),
            ..ConsumerConfig::default()
        };
        let error = broken.check(&client).unwrap_err().to_string();
        for name in ["group.id", "fetch.max.wait.ms", "heartbeat.interval.ms"] {
            assert!(error.contains(name), "{error}");
        }
    }

    #[test]
    fn what_only_the_other_protocol_goes_by_is_an_error() {
        let client = ClientConfig::new("localhost").unwrap();
        let mut config = ConsumerConfig {
            group_protocol: GroupProtocol::Consumer,
            assignors: vec![Arc::new(RangeAssignor)],
            session_timeout: Some(Duration::from_secs(20)),
            ..ConsumerConfig::default()
        };
        let error = config.check(&client).unwrap_err().to_string();
        for name in ["session.timeout.ms", "partition.assignment.strategy"] {
            assert!(error.contains(name), "{error}");
        }
        config = ConsumerConfig {
            group_remote_assignor: Some("uniform".to_owned()),
            ..ConsumerConfig::default()
        };
        let error = config.check(&client).unwrap_err().to_string();
        assert!(error.contains("group.remote.assignor"), "{error}");
        config.group_protocol = GroupProtocol::Consumer;
        assert!(config.check(&client).is_ok());
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
