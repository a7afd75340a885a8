//! Topics and their partitions.
//!
//! Owns: who leads a partition, how its log and its producers go together, and what names and
//! configurations topics may have. Does not: know requests, or the other topics.

use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::BrokerId;
use klamm_codec::batch::BatchHeader;

use crate::batch;
use crate::log::Log;
use crate::producer_state::{Aborted, Known, Newcomer, ProducerStates, Verdict};
use crate::transaction::Producer;
use crate::validate::{Refused, validate};

/// Kafka's default of `message.max.bytes`.
const BATCH_BYTES_MAX: usize = 1_048_588;
const NAME_CHARS_MAX: usize = 249;

/// A topic's id (KIP-516). The wire type lives in a crate that is no dependency of ours, hence the
/// conversions.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct TopicId(pub(crate) [u8; 16]);

impl TopicId {
    /// As the messages' own type.
    pub(crate) fn to_wire<Wire: Default + TryFrom<Vec<u8>>>(self) -> Wire {
        Wire::try_from(self.0.to_vec()).unwrap_or_default()
    }
}

#[derive(Debug)]
pub(crate) struct Topic {
    pub(crate) id: TopicId,
    pub(crate) partitions: Vec<Partition>,
    pub(crate) config: TopicConfig,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct TopicConfig {
    pub(crate) batch_bytes_max: usize,
    pub(crate) log_append_time: bool,
}

impl Default for TopicConfig {
    fn default() -> Self {
        Self {
            batch_bytes_max: BATCH_BYTES_MAX,
            log_append_time: false,
        }
    }
}

impl TopicConfig {
    /// Takes one entry of the topic's configuration over. Entries that change nothing here are
    /// known, but not acted upon.
    pub(crate) fn set(&mut self, name: &str, value: &str) -> Result<(), ResponseError> {
        match name {
            "message.timestamp.type" => match value {
                "CreateTime" => self.log_append_time = false,
                "LogAppendTime" => self.log_append_time = true,
                _ => return Err(ResponseError::InvalidConfig),
            },
            "max.message.bytes" => {
                self.batch_bytes_max = value.parse().map_err(|_| ResponseError::InvalidConfig)?;
            }
            _ if KNOWN_CONFIGS.contains(&name) => {}
            _ => return Err(ResponseError::InvalidConfig),
        }
        Ok(())
    }
}

const KNOWN_CONFIGS: &[&str] = &[
    "cleanup.policy",
    "compression.gzip.level",
    "compression.lz4.level",
    "compression.type",
    "compression.zstd.level",
    "delete.retention.ms",
    "file.delete.delay.ms",
    "flush.messages",
    "flush.ms",
    "follower.replication.throttled.replicas",
    "index.interval.bytes",
    "leader.replication.throttled.replicas",
    "local.retention.bytes",
    "local.retention.ms",
    "max.compaction.lag.ms",
    "message.timestamp.after.max.ms",
    "message.timestamp.before.max.ms",
    "min.cleanable.dirty.ratio",
    "min.compaction.lag.ms",
    "min.insync.replicas",
    "preallocate",
    "remote.copy.disable",
    "remote.log.delete.on.disable",
    "remote.storage.enable",
    "retention.bytes",
    "retention.ms",
    "segment.bytes",
    "segment.index.bytes",
    "segment.jitter.ms",
    "segment.ms",
    "unclean.leader.election.enable",
];

/// Whether Kafka lets a topic have this name.
pub(crate) fn name_is_valid(name: &str) -> bool {
    !name.is_empty()
        && name != "."
        && name != ".."
        && name.len() <= NAME_CHARS_MAX
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}

#[derive(Debug)]
pub(crate) struct Partition {
    pub(crate) leader: BrokerId,
    pub(crate) leader_epoch: i32,
    pub(crate) replicas: Vec<BrokerId>,
    pub(crate) log: Log,
    producers: ProducerStates,
}

/// An acknowledged batch.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Appended {
    pub(crate) base_offset: i64,
    pub(crate) append_time: Option<i64>,
}

impl Partition {
    /// A partition on `replicas`, the first of which leads.
    pub(crate) fn new(replicas: Vec<BrokerId>, bytes_max: usize) -> Self {
        let leader = replicas.first().copied().unwrap_or(BrokerId(-1));
        Self {
            leader,
            leader_epoch: 0,
            replicas,
            log: Log::new(bytes_max),
            producers: ProducerStates::default(),
        }
    }

    /// Makes `node` the leader, of a new epoch.
    pub(crate) fn move_leader(&mut self, node: BrokerId) {
        if !self.replicas.contains(&node) {
            self.replicas.push(node);
        }
        self.leader = node;
        self.leader_epoch += 1;
    }

    /// Compares the leader epoch that a client believes in with ours; -1 is "don't check"
    /// (KIP-320).
    pub(crate) fn check_epoch(&self, believed: i32) -> Result<(), ResponseError> {
        match believed {
            ..0 => Ok(()),
            _ if believed < self.leader_epoch => Err(ResponseError::FencedLeaderEpoch),
            _ if believed > self.leader_epoch => Err(ResponseError::UnknownLeaderEpoch),
            _ => Ok(()),
        }
    }

    /// The first offset that an open transaction may still hide (KIP-98).
    pub(crate) fn last_stable_offset(&self) -> i64 {
        self.producers.first_open().unwrap_or(self.log.end())
    }

    /// The aborted transactions that have records from `from` on and before `to`.
    pub(crate) fn aborted_between(&self, from: i64, to: i64) -> impl Iterator<Item = &Aborted> {
        self.producers.aborted_between(from, to)
    }

    /// The idempotent and transactional producers that have written here, by id.
    pub(crate) fn producers(&self) -> impl Iterator<Item = Known> {
        self.producers.known()
    }

    /// Whether the producer has written something here in its open transaction.
    pub(crate) fn has_open_transaction(&self, producer: Producer) -> bool {
        self.producers.has_open(producer)
    }

    /// Ends the producer's transaction here; `now` is in milliseconds since 1970.
    pub(crate) fn write_marker(&mut self, producer: Producer, commit: bool, now: i64) {
        let offset = self.log.end();
        if !self.producers.end_transaction(producer, commit, offset) {
            return;
        }
        let batch = batch::marker(producer, commit, now);
        if let Ok(header) = BatchHeader::parse(&batch) {
            self.log.append(&header, &batch, self.leader_epoch, None);
        }
    }

    /// Appends the records of one partition of a Produce request, or says why not; `now` is in
    /// milliseconds since 1970.
    pub(crate) fn append(
        &mut self,
        records: &Bytes,
        config: &TopicConfig,
        newcomer: Newcomer,
        now: i64,
    ) -> Result<Appended, Refused> {
        let header = validate(records, config, now)?;
        if header.producer_id >= 0 {
            match self.producers.judge(&header, newcomer) {
                Verdict::Next => {}
                // Kafka answers the first writing's timestamp as append time, also for CreateTime
                // topics.
                Verdict::Duplicate {
                    base_offset,
                    timestamp,
                } => {
                    return Ok(Appended {
                        base_offset,
                        append_time: Some(timestamp),
                    });
                }
                Verdict::OutOfOrder => {
                    return Err(Refused {
                        error: ResponseError::OutOfOrderSequenceNumber,
                        reason: "sequence is not the next of its producer",
                    });
                }
                Verdict::Unknown => {
                    return Err(Refused {
                        error: ResponseError::UnknownProducerId,
                        reason: "nothing is known of the producer, and its sequence is not 0",
                    });
                }
                Verdict::OldEpoch => {
                    return Err(Refused {
                        error: ResponseError::InvalidProducerEpoch,
                        reason: "producer epoch is older than the current one",
                    });
                }
                Verdict::NotTransactional => {
                    return Err(Refused {
                        error: ResponseError::InvalidTxnState,
                        reason: "the producer has an open transaction, and this is not part of it",
                    });
                }
            }
        }
        let append_time = config.log_append_time.then_some(now);
        let base_offset = self
            .log
            .append(&header, records, self.leader_epoch, append_time);
        if header.producer_id >= 0 {
            self.producers.appended(&header, base_offset, append_time);
            self.producers.forget_before(self.log.start());
        }
        if newcomer == Newcomer::ZeroOfUnknown {
            self.producers.forget_producers_before(self.log.start());
        }
        Ok(Appended {
            base_offset,
            append_time,
        })
    }
}
