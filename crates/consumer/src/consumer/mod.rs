//! The consumer that applications use.
//!
//! Owns: the application's side: what was taken from the buffer and is being handed out, and the two
//! tasks behind it (fetching; membership and commits), which end with it.

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
use std::time::Duration;

use klamm_codec::compress::Decompressor;
use klamm_net::{Backoff, Cluster, TopicPartition};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use crate::assign::Range;
use crate::config::ConsumerConfig;
use crate::error::Error;
use crate::fetch::task::Fetcher;
use crate::fetch::{Consumed, Drain, FetchSettings, FetchState, Opener};
use crate::group::action::MemberSettings;
use crate::group::classic::ClassicMember;
use crate::group::task::{Coordinator, CoordinatorSettings};
use crate::shared::Shared;

/// Reads records from a Kafka cluster, alone or as a member of a consumer group.
///
/// It fetches ahead in the background, within one budget of bytes, and hands over batches of records
/// by [`poll`](Consumer::poll).
///
/// - **Memory**: at most `prefetch_bytes` are fetched ahead (plus one `max.partition.fetch.bytes` for
///   each broker), plus what the [`Records`](crate::Records) the application holds refer to.
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
    /// [`Error::InvalidConfig`] naming every setting that is wrong.
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
        let what = match self.mode {
            Mode::Assigned => "partitions were assigned by hand: this consumer cannot subscribe",
            _ if self.coordinator.is_none() => "subscribing needs a group: set group.id",
            _ if topics.is_empty() => "no topic to subscribe to was given",
            _ => {
                self.mode = Mode::Subscribed;
                let names = topics.iter().map(AsRef::as_ref);
                let auto_create = self.config.allow_auto_create_topics;
                self.cluster.add_topics(names, auto_create);
                let mut state = self.shared.lock();
                state.topics.clone_from(&topics);
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
        drop(state);
        self.shared.fetcher.notify_one();
        Ok(())
    }

    /// The partitions that this consumer reads now, sorted.
    #[must_use]
    pub fn assignment(&self) -> Vec<TopicPartition> {
        self.shared.lock().fetch.assigned()
    }

    /// Commits what was consumed (with `enable.auto.commit`), leaves the group (static members stay,
    /// KIP-345), closes its fetch sessions and ends the consumer, within `time`.
    ///
    /// # Errors
    /// [`Error::Timeout`] if that did not end in time; the consumer is gone all the same.
    ///
    /// # Cancel safety
    /// Dropping the future ends the consumer as dropping it does.
    pub async fn close(mut self, time: Duration) -> Result<(), Error> {
        self.flush();
        self.shared.lock().closing = true;
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
        match timeout(time, ended).await {
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

/// As `retry.backoff.ms` says, but no longer than twice its first pause: what a broker's trouble
/// lasts, reading should not stand still much longer. A broker is asked some times a second at most,
/// whatever number of partitions it has.
fn fetch_backoff(retry: Backoff) -> Backoff {
    Backoff {
        max: retry.max.min(2 * retry.initial),
        ..retry
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
        session_timeout: config.session_timeout,
        heartbeat_interval: config.heartbeat_interval,
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
    };
    let member = ClassicMember::new(member, Box::new(Range), now);
    Coordinator::new(Arc::clone(shared), cluster.clone(), settings, member)
}
