//! The model of partitions and coordinators that the sender and the transaction manager are held against.

use std::collections::{BTreeSet, HashMap, VecDeque};

use klamm_codec::ErrorCode;
use klamm_codec::batch::BatchHeader;
use klamm_net::NodeId;

use super::{NODES, PARTITIONS};
use crate::idempotence::ProducerKey;
use crate::transaction::{Answer, Protocol, Request};

/// How brokers treat transactions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Era {
    /// Before 2.5: whoever has no records in a partition is not known there, and the next epoch is for whoever asks.
    BeforeKip360,
    V1,
    V2,
}

impl Era {
    pub(super) const fn protocol(self) -> Protocol {
        match self {
            Self::BeforeKip360 | Self::V1 => Protocol::V1,
            Self::V2 => Protocol::V2,
        }
    }

    pub(super) fn can_bump(self) -> bool {
        self != Self::BeforeKip360
    }
}

/// A batch as a leader gets it.
#[derive(Clone)]
pub(super) struct Produced {
    pub(super) partition: usize,
    pub(super) header: BatchHeader,
    pub(super) values: Vec<String>,
    pub(super) protocol: Protocol,
}

#[derive(Default)]
pub(super) struct Partition {
    pub(super) leader: i32,
    pub(super) epoch: i32,
    /// Values of records with their producer; none for a marker, with what it says.
    log: Vec<(i64, Result<String, bool>)>,
    /// What was before is deleted; kept for the judge alone.
    pub(super) log_start: i64,
    producers: HashMap<i64, Known>,
}

/// What a partition knows of a producer.
struct Known {
    epoch: i16,
    batches: VecDeque<(i32, i32)>,
    open: bool,
}

/// The coordinator's side of the one transactional id, and of the one group.
pub(super) struct Coordinator {
    pub(super) producer: ProducerKey,
    last_epoch: i16,
    pub(super) open: bool,
    ended: Option<bool>,
    partitions: BTreeSet<usize>,
    group: bool,
    pending: Option<i64>,
    pub(super) committed: i64,
}

pub(super) struct Cluster {
    era: Era,
    pub(super) partitions: Vec<Partition>,
    pub(super) coordinator: Coordinator,
}

impl Cluster {
    pub(super) fn new(era: Era) -> Self {
        let partition = |index| Partition {
            leader: index as i32 % NODES,
            ..Partition::default()
        };
        Self {
            era,
            partitions: (0..PARTITIONS).map(partition).collect(),
            coordinator: Coordinator {
                producer: ProducerKey { id: 5, epoch: -1 },
                last_epoch: -1,
                open: false,
                ended: None,
                partitions: BTreeSet::new(),
                group: false,
                pending: None,
                committed: -1,
            },
        }
    }

    /// Gives the offset of the batch, or none of one that was written before.
    pub(super) fn produce(
        &mut self,
        node: NodeId,
        produced: &Produced,
    ) -> Result<Option<i64>, ErrorCode> {
        let header = &produced.header;
        if self.partitions[produced.partition].leader != node.0 {
            return Err(ErrorCode::NOT_LEADER_OR_FOLLOWER);
        }
        let holder = ProducerKey {
            id: header.producer_id,
            epoch: header.producer_epoch,
        };
        let known = self.partitions[produced.partition]
            .producers
            .get(&holder.id);
        let is_open = known.is_some_and(|known| known.open && known.epoch == holder.epoch);
        if !is_open {
            let coordinator = &mut self.coordinator;
            if coordinator.producer != holder {
                return Err(ErrorCode::INVALID_PRODUCER_EPOCH);
            }
            match produced.protocol {
                Protocol::V2 => coordinator.join(|it| {
                    it.partitions.insert(produced.partition);
                }),
                Protocol::V1 => {
                    if !coordinator.open || !coordinator.partitions.contains(&produced.partition) {
                        return Err(ErrorCode::TRANSACTION_ABORTABLE);
                    }
                }
            }
        }
        self.partitions[produced.partition].append(produced, self.era)
    }

    pub(super) fn init(&mut self, known: Option<ProducerKey>) -> Result<ProducerKey, ErrorCode> {
        let coordinator = &mut self.coordinator;
        let current = coordinator.producer;
        if let Some(known) = known {
            if known.epoch == coordinator.last_epoch && known.epoch != current.epoch {
                return Ok(current);
            }
            if known != current {
                return Err(ErrorCode::PRODUCER_FENCED);
            }
        }
        if coordinator.open {
            coordinator.producer.epoch += 1;
            self.finish(false);
            return Err(ErrorCode::CONCURRENT_TRANSACTIONS);
        }
        coordinator.last_epoch = known.map_or(-1, |known| known.epoch);
        coordinator.producer.epoch += 1;
        coordinator.ended = None;
        Ok(coordinator.producer)
    }

    pub(super) fn coordinate(&mut self, request: &Request, protocol: Protocol) -> Answer {
        let refused = |code| Answer {
            refused: vec![("t".to_owned(), code)],
            producer: None,
        };
        let fenced = |producer: &ProducerKey| *producer != self.coordinator.producer;
        match request {
            Request::InitProducerId { known } => {
                match self.init(known.filter(|_| self.era.can_bump())) {
                    Ok(producer) => Answer {
                        producer: Some(producer),
                        ..Answer::default()
                    },
                    Err(code) => refused(code),
                }
            }
            Request::AddPartitions { producer, .. } | Request::AddOffsets { producer, .. }
                if fenced(producer) =>
            {
                refused(ErrorCode::PRODUCER_FENCED)
            }
            Request::AddPartitions { partitions, .. } => {
                let added = partitions.iter().map(|at| at.partition as usize);
                self.coordinator.join(|it| it.partitions.extend(added));
                Answer::default()
            }
            Request::AddOffsets { .. } => {
                self.coordinator.join(|it| it.group = true);
                Answer::default()
            }
            Request::CommitOffsets {
                producer, offsets, ..
            } => {
                if fenced(producer) {
                    return refused(ErrorCode::INVALID_PRODUCER_EPOCH);
                }
                match protocol {
                    Protocol::V2 => self.coordinator.join(|it| it.group = true),
                    Protocol::V1 if !self.coordinator.open || !self.coordinator.group => {
                        return refused(ErrorCode::INVALID_TXN_STATE);
                    }
                    Protocol::V1 => {}
                }
                self.coordinator.pending = Some(offsets[0].1.offset);
                Answer::default()
            }
            Request::End { producer, commit } => match self.end(*producer, *commit, protocol) {
                Ok(next) => Answer {
                    producer: (protocol == Protocol::V2).then_some(next),
                    ..Answer::default()
                },
                Err(code) => refused(code),
            },
        }
    }

    fn end(
        &mut self,
        producer: ProducerKey,
        commit: bool,
        protocol: Protocol,
    ) -> Result<ProducerKey, ErrorCode> {
        let coordinator = &mut self.coordinator;
        let current = coordinator.producer;
        let repeats = protocol == Protocol::V2 && producer.epoch + 1 == current.epoch;
        if !coordinator.open && (repeats || protocol == Protocol::V1 && producer == current) {
            return match coordinator.ended {
                Some(before) if before == commit => Ok(current),
                _ if producer == current || coordinator.ended.is_some() => {
                    Err(ErrorCode::INVALID_TXN_STATE)
                }
                _ => Err(ErrorCode::PRODUCER_FENCED),
            };
        }
        if producer != current {
            return Err(ErrorCode::PRODUCER_FENCED);
        }
        if !coordinator.open && commit {
            return Err(ErrorCode::INVALID_TXN_STATE);
        }
        if protocol == Protocol::V2 {
            coordinator.last_epoch = current.epoch;
            coordinator.producer.epoch += 1;
        }
        self.finish(commit);
        Ok(self.coordinator.producer)
    }

    /// Writes the markers.
    fn finish(&mut self, commit: bool) {
        let coordinator = &mut self.coordinator;
        coordinator.open = false;
        coordinator.group = false;
        coordinator.ended = Some(commit);
        if let Some(offset) = coordinator.pending.take()
            && commit
        {
            coordinator.committed = offset;
        }
        let marker = coordinator.producer;
        for index in std::mem::take(&mut coordinator.partitions) {
            let partition = &mut self.partitions[index];
            let known = partition.producers.entry(marker.id).or_insert(Known {
                epoch: marker.epoch,
                batches: VecDeque::new(),
                open: false,
            });
            if known.epoch != marker.epoch {
                known.epoch = marker.epoch;
                known.batches.clear();
            }
            known.open = false;
            partition.log.push((marker.id, Err(commit)));
        }
    }
}

impl Coordinator {
    fn join(&mut self, add: impl FnOnce(&mut Self)) {
        self.open = true;
        add(self);
    }
}

impl Partition {
    fn append(&mut self, produced: &Produced, era: Era) -> Result<Option<i64>, ErrorCode> {
        let header = &produced.header;
        let strict = produced.protocol == Protocol::V2;
        let first = header.base_sequence;
        let last = first + header.last_offset_delta;
        let is_known = self.producers.contains_key(&header.producer_id);
        if !is_known && era == Era::BeforeKip360 && first != 0 {
            return Err(ErrorCode::UNKNOWN_PRODUCER_ID);
        }
        let known = self.producers.entry(header.producer_id).or_insert(Known {
            epoch: header.producer_epoch,
            batches: VecDeque::new(),
            open: false,
        });
        if header.producer_epoch < known.epoch {
            return Err(ErrorCode::INVALID_PRODUCER_EPOCH);
        }
        if known.batches.contains(&(first, last)) && header.producer_epoch == known.epoch {
            return Ok(None);
        }
        let expected = if header.producer_epoch > known.epoch {
            Some(0)
        } else {
            match known.batches.back() {
                Some((_, last)) => Some(last + 1),
                None => (is_known || strict).then_some(0),
            }
        };
        if expected.is_some_and(|expected| expected != first) {
            return Err(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
        }
        if header.producer_epoch > known.epoch {
            known.epoch = header.producer_epoch;
            known.batches.clear();
        }
        known.batches.push_back((first, last));
        if known.batches.len() > 5 {
            known.batches.pop_front();
        }
        known.open = true;
        let values = produced.values.iter().cloned();
        let id = header.producer_id;
        let base_offset = self.log.len() as i64;
        self.log.extend(values.map(|value| (id, Ok(value))));
        Ok(Some(base_offset))
    }

    /// Whether a batch is among those that are known, as a broker would recognise it.
    pub(super) fn has(&self, produced: &Produced) -> bool {
        let header = &produced.header;
        let sequences = (
            header.base_sequence,
            header.base_sequence + header.last_offset_delta,
        );
        self.producers
            .get(&header.producer_id)
            .is_some_and(|known| {
                known.epoch == header.producer_epoch && known.batches.contains(&sequences)
            })
    }

    /// Forgets the producers, because their records are deleted or for no reason that shows.
    pub(super) fn forget_producers(&mut self, records_too: bool) {
        if self.producers.values().any(|known| known.open) {
            return;
        }
        self.producers.clear();
        if records_too {
            self.log_start = self.log.len() as i64;
        }
    }

    /// The values that readers of committed records see, in order.
    pub(super) fn visible(&self) -> Vec<String> {
        let (mut visible, mut open) = (Vec::new(), Vec::new());
        for (_, entry) in &self.log {
            match entry {
                Ok(value) => open.push(value.clone()),
                Err(true) => visible.append(&mut open),
                Err(false) => open.clear(),
            }
        }
        visible
    }
}
