//! Offsets at the ends of logs, or at a time, for any partitions: asked of their leaders until all
//! have answered.

use std::collections::{BTreeMap, HashMap};

use klamm_codec::ErrorCode;
use klamm_net::{Cluster, NodeId, TopicPartition};
use tokio::time::{Instant, sleep};

use super::list::{ListAt, Listed, list_offsets};
use crate::config::IsolationLevel;
use crate::error::Error;
use crate::fetch::ResetTo;
use crate::jobs::Jobs;

/// The first record of a partition that is not older than a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct OffsetAndTimestamp {
    /// Its offset.
    pub offset: i64,
    /// Its timestamp, in milliseconds since the Unix epoch.
    pub timestamp: i64,
    /// Epoch of the leader that wrote it, if the broker knows (KIP-320).
    pub leader_epoch: Option<i32>,
}

impl OffsetAndTimestamp {
    pub(crate) fn of(listed: &Listed) -> Option<Self> {
        (listed.offset >= 0).then_some(Self {
            offset: listed.offset,
            timestamp: listed.timestamp,
            leader_epoch: (listed.leader_epoch >= 0).then_some(listed.leader_epoch),
        })
    }
}

/// What the leaders of all of `wanted` say, until `deadline`. Nobody is said to have refused here.
///
/// # Cancel safety
/// Nothing is lost when the future is dropped.
pub(crate) async fn offsets_at(
    cluster: &Cluster,
    isolation_level: IsolationLevel,
    wanted: impl IntoIterator<Item = (TopicPartition, ResetTo)>,
    deadline: Instant,
) -> Result<BTreeMap<TopicPartition, Listed>, Error> {
    let mut wanted: BTreeMap<TopicPartition, ResetTo> = wanted.into_iter().collect();
    let mut found = BTreeMap::new();
    let mut attempt = 0;
    while !wanted.is_empty() {
        let by_leader = by_leader(cluster, &wanted, deadline).await?;
        let mut jobs = Jobs::new();
        let mut asked = 0;
        for (node, partitions) in by_leader {
            let cluster = cluster.clone();
            asked += 1;
            jobs.push(
                async move { list_offsets(&cluster, node, isolation_level, partitions).await },
            );
        }
        let mut last = klamm_net::Error::broker(
            klamm_codec::ApiKey::LIST_OFFSETS,
            ErrorCode::LEADER_NOT_AVAILABLE,
            "a partition without a leader",
        );
        for _ in 0..asked {
            match jobs.next().await {
                Ok(listed) => {
                    for (partition, listed) in listed {
                        last =
                            sort_out(&mut wanted, &mut found, partition, listed)?.unwrap_or(last);
                    }
                }
                Err(error) if error.is_retriable() => last = error,
                Err(error) => return Err(error.into()),
            }
        }
        if wanted.is_empty() {
            break;
        }
        cluster.request_refresh();
        let pause = cluster.config().retry_backoff.jittered(attempt);
        if Instant::now() + pause >= deadline {
            return Err(Error::Net(klamm_net::Error::DeadlineExceeded {
                what: "asking for offsets".to_owned(),
                last: Some(Box::new(last)),
            }));
        }
        sleep(pause).await;
        attempt += 1;
    }
    Ok(found)
}

/// Moves an answer from what is wanted to what was found; returns why it has to be asked for again.
fn sort_out(
    wanted: &mut BTreeMap<TopicPartition, ResetTo>,
    found: &mut BTreeMap<TopicPartition, Listed>,
    partition: TopicPartition,
    listed: Listed,
) -> Result<Option<klamm_net::Error>, Error> {
    let code = listed.code;
    let nothing = code == ErrorCode::UNSUPPORTED_FOR_MESSAGE_FORMAT;
    if code.is_none() || nothing {
        let listed = Listed {
            offset: if nothing { -1 } else { listed.offset },
            ..listed
        };
        if wanted.remove(&partition).is_some() {
            found.insert(partition, listed);
        }
        return Ok(None);
    }
    if code.is_retriable() {
        let api = klamm_codec::ApiKey::LIST_OFFSETS;
        return Ok(Some(klamm_net::Error::broker(
            api,
            code,
            partition.to_string(),
        )));
    }
    Err(Error::Partition {
        what: "looking up an offset",
        partition,
        code,
    })
}

/// Those of `wanted` that have a leader, by leader.
async fn by_leader(
    cluster: &Cluster,
    wanted: &BTreeMap<TopicPartition, ResetTo>,
    deadline: Instant,
) -> Result<HashMap<NodeId, Vec<(TopicPartition, ListAt)>>, Error> {
    let mut by_leader: HashMap<NodeId, Vec<_>> = HashMap::new();
    for (partition, to) in wanted {
        let topic = cluster.topic(&partition.topic, false, deadline).await?;
        let Some(known) = topic.partition(partition.partition) else {
            continue;
        };
        if let Some(leader) = known.leader {
            let at = ListAt {
                to: *to,
                leader_epoch: known.leader_epoch,
            };
            by_leader
                .entry(leader)
                .or_default()
                .push((partition.clone(), at));
        }
    }
    Ok(by_leader)
}
