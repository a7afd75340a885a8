//! The consumer that applications use.
//!
//! Owns: the application's side: what was taken from the buffer and is being handed out, and the two
//! tasks behind it (fetching; membership and commits), which end with it.

mod close;
mod commit;
mod lookup;
mod poll;
mod seek;
mod stats;
mod stream;
mod transactional;

pub use commit::PendingCommit;
pub use stats::{ConsumerStats, PartitionStats};
pub use stream::MessageStream;

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

pub use close::{CloseOptions, GroupMembershipOperation};
use klamm_codec::compress::Decompressor;
use klamm_net::{Backoff, Cluster, TopicPartition};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use crate::config::{ConsumerConfig, GroupProtocol, HEARTBEAT_INTERVAL, SESSION_TIMEOUT};
use crate::error::Error;
use crate::faults::Faults;
use crate::fetch::task::Fetcher;
use crate::fetch::{Consumed, Drain, FetchSettings, FetchState, Opener};
use crate::group::action::{MemberSettings, Membership, Topics};
use crate::group::classic::ClassicMember;
use crate::group::next_gen::ConsumerMember;
use crate::group::pattern;
use crate::group::task::{Coordinator, CoordinatorSettings};
use crate::shared::Shared;

/// Reads records from a Kafka cluster, alone or as a member of a consumer group.
///
/// It fetches ahead in the background, within one budget of bytes, and hands over batches of records
/// by [`poll`](Consumer::poll).
///
/// - **Memory**: at most `prefetch_bytes` are fetched ahead (plus one `max.partition.fetch.bytes` for
///   each broker), plus what the [`Records`](crate::Records) the application holds refer to, plus used
///   memory that waits for the next fetch: at most 32 MiB for a broker, given back a few answers after it
///   has no more to catch up with, and 8 MiB of decompressed batches.
/// - **Slow partitions**: each broker has one fetch in flight of its own; a partition, or broker, that
///   is slow or gone delays no other.
/// - **Rebalances** take partitions away only inside of [`poll`](Consumer::poll) and
///   [`close`](Consumer::close), never between them. Heartbeats go on in the background meanwhile.
/// - **Dropping a future** of any method loses no record and hands none out twice. **Dropping the
///   consumer** ends its tasks at once, without a commit and without leaving the group: its partitions
///   go to others after the session timeout. [`close`](Consumer::close) does both.
pub struct Consumer {
    shared: Arc<Shared>,
    cluster: Cluster,
    config: ConsumerConfig,
    mode: Mode,
    /// What was taken from the shared buffer, in order.
    drains: VecDeque<Drain>,
    /// The same of paused partitions.
    parked: Vec<Drain>,
    /// What was handed out since the last poll began; shared when the next one does.
    consumed: Vec<Consumed>,
    /// Bytes handed out since then.
    released: usize,
    /// Records handed out in all.
    records: u64,
    /// Version of the positions that `drains` were last compared with.
    version: u64,
    /// Where the records handed out tell what is wrong with them.
    faults: Arc<Faults>,
    opener: Opener,
    fetcher: JoinHandle<()>,
    coordinator: Option<JoinHandle<()>>,
}

/// How partitions come to this consumer; once chosen it stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Undecided,
    Subscribed,
    Assigned,
}

impl Consumer {
    /// Starts a consumer of `cluster`. It joins its group with the first
    /// [`poll`](Consumer::poll).
    ///
    /// # Errors
    /// [`Error::Config`] naming every setting that is wrong.
    #[expect(
        clippy::unused_async,
        reason = "a consumer may have to ask the cluster before it starts"
    )]
    pub async fn new(cluster: Cluster, config: ConsumerConfig) -> Result<Self, Error> {
        config.check(cluster.config())?;
        let cluster = cluster.with_own_lanes();
        let now = Instant::now();
        let settings = fetch_settings(&config, &cluster);
        let shared = Shared::new(FetchState::new(settings.clone()), now);
        let coordinator = config
            .group_id
            .as_ref()
            .map(|group_id| coordinator(&shared, &cluster, &config, group_id, now));
        let group_id = config.group_id.clone();
        let fetcher = Fetcher::new(Arc::clone(&shared), cluster.clone(), settings, group_id);
        let mut consumer = Self {
            fetcher: tokio::spawn(fetcher.run()),
            coordinator: coordinator.map(|coordinator| tokio::spawn(coordinator.run())),
            version: 0,
            mode: Mode::Undecided,
            drains: VecDeque::new(),
            parked: Vec::new(),
            consumed: Vec::new(),
            released: 0,
            records: 0,
            faults: Arc::default(),
            opener: Opener {
                check_crcs: config.check_crcs,
                decompressor: Decompressor::default(),
            },
            shared,
            cluster,
            config,
        };
        if !consumer.config.topics.is_empty() {
            let topics = consumer.config.topics.clone();
            consumer.subscribe(topics)?;
        } else if let Some(pattern) = consumer.config.topic_pattern.clone() {
            consumer.subscribe_pattern(&pattern)?;
        }
        Ok(consumer)
    }

    /// Wants a share of the partitions of `topics`, instead of those before. The group assigns them
    /// while the application polls.
    ///
    /// # Errors
    /// [`Error::Misuse`] without a group, without a topic, or after [`Consumer::assign`].
    pub fn subscribe<T: AsRef<str>>(
        &mut self,
        topics: impl IntoIterator<Item = T>,
    ) -> Result<(), Error> {
        let mut topics: Vec<Arc<str>> = topics
            .into_iter()
            .map(|topic| Arc::from(topic.as_ref()))
            .collect();
        topics.sort_unstable();
        topics.dedup();
        if topics.is_empty() {
            return Err(Error::Misuse {
                what: "no topic to subscribe to was given",
            });
        }
        let auto_create = self.config.allow_auto_create_topics;
        self.subscribe_to(topics.clone(), Topics::Named(topics.clone()))?;
        let names = topics.iter().map(AsRef::as_ref);
        self.cluster.add_topics(names, auto_create);
        Ok(())
    }

    /// Wants a share of the partitions of all topics whose whole name matches `pattern`, a regular
    /// expression, now and when they are created later; instead of those before. Kafka's own topics are
    /// left out.
    ///
    /// With the classic protocol this client evaluates it, by the syntax of the crate `regex-lite`,
    /// every `metadata.max.age.ms`; with the consumer protocol the broker does, by RE2's (KIP-848).
    ///
    /// # Errors
    /// [`Error::Pattern`], or [`Error::Misuse`] without a group or after [`Consumer::assign`].
    pub fn subscribe_pattern(&mut self, pattern: &str) -> Result<(), Error> {
        if self.config.group_protocol == GroupProtocol::Classic {
            pattern::check(pattern)?;
        }
        self.subscribe_to(Vec::new(), Topics::Matching(Arc::from(pattern)))
    }

    fn subscribe_to(&mut self, names: Vec<Arc<str>>, topics: Topics) -> Result<(), Error> {
        let what = match self.mode {
            Mode::Assigned => "partitions were assigned by hand: this consumer cannot subscribe",
            _ if self.coordinator.is_none() => "subscribing needs a group: set group.id",
            _ => {
                self.mode = Mode::Subscribed;
                let mut state = self.shared.lock();
                state.topics = names;
                state.group.subscribed = Some(topics);
                drop(state);
                self.shared.coordinator.notify_one();
                return Ok(());
            }
        };
        Err(Error::Misuse { what })
    }

    /// Reads exactly `partitions`, without sharing them with other members of a group. Those that
    /// were assigned before keep their positions; others start at the offset that the group, if there
    /// is one, has committed, or where `auto.offset.reset` says.
    ///
    /// # Errors
    /// [`Error::Misuse`] after [`Consumer::subscribe`].
    pub fn assign(
        &mut self,
        partitions: impl IntoIterator<Item = TopicPartition>,
    ) -> Result<(), Error> {
        if self.mode == Mode::Subscribed {
            return Err(Error::Misuse {
                what: "this consumer is subscribed: its group assigns its partitions",
            });
        }
        self.mode = Mode::Assigned;
        let partitions: Vec<_> = partitions.into_iter().collect();
        let topics = partitions.iter().map(|partition| &*partition.topic);
        let auto_create = self.config.allow_auto_create_topics;
        self.cluster.add_topics(topics, auto_create);
        let committed = self.config.group_id.is_some();
        self.flush();
        let mut state = self.shared.lock();
        let topics = partitions.iter().map(|at| Arc::clone(&at.topic));
        state.topics = topics.collect();
        state.fetch.assign(partitions, committed);
        self.cluster
            .retain_topics(|name| state.topics.iter().any(|topic| **topic == *name));
        drop(state);
        self.shared.fetcher.notify_one();
        Ok(())
    }

    /// The partitions that this consumer reads now, sorted.
    #[must_use]
    pub fn assignment(&self) -> Vec<TopicPartition> {
        self.shared.lock().fetch.assigned()
    }

    /// Commits what was consumed (with `enable.auto.commit`), tells the rebalance listener, leaves
    /// the group (static members stay, KIP-345, unless [`CloseOptions`] say otherwise) closes its
    /// fetch sessions and ends the consumer, within the time given.
    ///
    /// # Errors
    /// [`Error::Timeout`] if that did not end in time; the consumer is gone all the same.
    ///
    /// # Cancel safety
    /// Dropping the future ends the consumer as dropping it does.
    pub async fn close(mut self, options: impl Into<CloseOptions>) -> Result<(), Error> {
        let options = options.into();
        self.flush();
        {
            let mut state = self.shared.lock();
            state.closing = true;
            state.group.close_as = options.operation;
        }
        self.shared.fetcher.notify_one();
        self.shared.coordinator.notify_one();
        let (fetcher, coordinator) = (&mut self.fetcher, self.coordinator.as_mut());
        let ended = async {
            // Left first: others wait for the partitions. Both go on meanwhile.
            if let Some(coordinator) = coordinator {
                let _ = coordinator.await;
            }
            let _ = fetcher.await;
        };
        match timeout(options.timeout, ended).await {
            Ok(()) => Ok(()),
            Err(_) => Err(Error::Timeout {
                what: "closing the consumer",
            }),
        }
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        self.fetcher.abort();
        if let Some(coordinator) = &self.coordinator {
            coordinator.abort();
        }
    }
}

impl fmt::Debug for Consumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consumer")
            .field("group_id", &self.config.group_id)
            .field("assignment", &self.assignment())
            .finish_non_exhaustive()
    }
}

fn fetch_settings(config: &ConsumerConfig, cluster: &Cluster) -> FetchSettings {
    FetchSettings {
        offset_reset: config.offset_reset,
        isolation_level: config.isolation_level,
        stores_offsets: config.auto_offset_store,
        client_rack: config.client_rack.clone(),
        fetch_min_bytes: config.fetch_min_bytes,
        fetch_max_wait: config.fetch_max_wait,
        fetch_max_bytes: config.fetch_max_bytes,
        partition_fetch_max_bytes: config.partition_fetch_max_bytes,
        prefetch_bytes: config
            .prefetch_bytes
            .unwrap_or(config.fetch_max_bytes)
            .max(1),
        metadata_max_age: cluster.config().metadata_max_age,
        retry_backoff: fetch_backoff(cluster.config().retry_backoff),
    }
}

/// As `retry.backoff.ms` says, but no longer than one and a half times its first pause: what a broker's trouble
/// lasts, reading should not stand still much longer. A broker is asked some times a second at most,
/// whatever number of partitions it has: the chance in the pauses is drawn here, once, so that partitions which fail
/// together come back in one request, and consumers that fail together do not come back at once.
fn fetch_backoff(retry: Backoff) -> Backoff {
    Backoff {
        initial: retry.jittered(0),
        max: retry.max.min(retry.initial * 3 / 2),
    }
}

fn coordinator(
    shared: &Arc<Shared>,
    cluster: &Cluster,
    config: &ConsumerConfig,
    group_id: &str,
    now: Instant,
) -> Coordinator {
    let member = MemberSettings {
        group_id: group_id.to_owned(),
        instance_id: config.group_instance_id.clone(),
        rack: config.client_rack.clone(),
        session_timeout: config.session_timeout.unwrap_or(SESSION_TIMEOUT),
        heartbeat_interval: config.heartbeat_interval.unwrap_or(HEARTBEAT_INTERVAL),
        max_poll_interval: config.max_poll_interval,
        retry_backoff: cluster.config().retry_backoff,
    };
    let settings = CoordinatorSettings {
        member: Arc::new(member.clone()),
        auto_commit: config.auto_commits().then_some(config.auto_commit_interval),
        allow_auto_create_topics: config.allow_auto_create_topics,
        interceptors: config.interceptors.clone(),
        default_api_timeout: config
            .default_api_timeout
            .unwrap_or(cluster.config().default_api_timeout),
        listener: config.rebalance_listener.clone(),
    };
    let member: Box<dyn Membership> = match config.group_protocol {
        GroupProtocol::Classic => {
            Box::new(ClassicMember::new(member, config.assignors_in_use(), now))
        }
        GroupProtocol::Consumer => {
            let assignor = config.group_remote_assignor.clone();
            Box::new(ConsumerMember::new(member, assignor, random_id(), now))
        }
    };
    Coordinator::new(Arc::clone(shared), cluster.clone(), settings, member)
}

/// An id that no other member has: the hasher's keys are random, and so are the 128 bits made from them.
fn random_id() -> Arc<str> {
    use std::hash::{BuildHasher, RandomState};
    let half = |half: u8| RandomState::new().hash_one(half);
    Arc::from(format!("{:016x}{:016x}", half(0), half(1)))
}
