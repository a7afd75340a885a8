//! The sender's thinking and the transaction manager against a model of a cluster, in simulated time.
//!
//! Requests are carried out and answered, carried out without an answer, lost before, or given up by
//! the client and carried out much later; leaders move; now and then another producer takes the
//! transactional id over. Half of the producers compress, each batch by a job that ends at any time. In
//! the end each transaction must be visible as its producer was told, whole, once and in order, and offsets must be those of the last one that was committed.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use klamm_codec::batch::{BatchHeader, Batches as BatchReader};
use klamm_codec::compress::{Compression, Decompressor};
use klamm_codec::{ApiKey, ErrorCode};
use klamm_net::{
    Backoff, ClusterSnapshot, GroupMetadata, NodeId, OffsetAndMetadata, TopicId, TopicPartition,
};
use tokio::time::Instant;

use super::answer::PartitionAnswer;
use super::seal::{SealJob, Sealer};
use super::state::SenderState;
use crate::accumulator::{Append, AppendContext, Fill, PartitionQueue};
use crate::clock::Clock;
use crate::config::ProducerConfig;
use crate::delivery::{Single, Written};
use crate::error::Outcome;
use crate::hooks::Hooks;
use crate::idempotence::ProducerKey;
use crate::memory::Memory;
use crate::record::Record;
use crate::transaction::{Answer, ClusterView, Coordination, Manager, Protocol, Request, State};
use crate::unfinished::Unfinished;

/// Cases a run, by default; `KLAMM_MODEL_CASES` sets another number.
const CASES: u64 = 100;
const PARTITIONS: usize = 3;
const NODES: i32 = 2;
const TRANSACTIONS: u64 = 8;
const STEPS_MAX: usize = 20_000;
const TOPIC: &str = "orders";

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }
}

/// A batch as a leader gets it.
#[derive(Clone)]
struct Produced {
    partition: usize,
    header: BatchHeader,
    values: Vec<String>,
    protocol: Protocol,
}

#[derive(Default)]
struct Partition {
    leader: i32,
    epoch: i32,
    /// Values of records with their producer; none for a marker, with what it says.
    log: Vec<(i64, Result<String, bool>)>,
    producers: HashMap<i64, Known>,
}

/// What a partition knows of a producer.
struct Known {
    epoch: i16,
    batches: VecDeque<(i32, i32)>,
    open: bool,
}

/// The coordinator's side of the one transactional id, and of the one group.
struct Coordinator {
    producer: ProducerKey,
    last_epoch: i16,
    open: bool,
    ended: Option<bool>,
    partitions: BTreeSet<usize>,
    group: bool,
    pending: Option<i64>,
    committed: i64,
}

struct Cluster {
    partitions: Vec<Partition>,
    coordinator: Coordinator,
}

impl Cluster {
    fn new() -> Self {
        let partition = |index| Partition {
            leader: index as i32 % NODES,
            ..Partition::default()
        };
        Self {
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

    fn produce(&mut self, node: NodeId, produced: &Produced) -> ErrorCode {
        let header = &produced.header;
        if self.partitions[produced.partition].leader != node.0 {
            return ErrorCode::NOT_LEADER_OR_FOLLOWER;
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
                return ErrorCode::INVALID_PRODUCER_EPOCH;
            }
            match produced.protocol {
                Protocol::V2 => coordinator.join(|it| {
                    it.partitions.insert(produced.partition);
                }),
                Protocol::V1 => {
                    if !coordinator.open || !coordinator.partitions.contains(&produced.partition) {
                        return ErrorCode::TRANSACTION_ABORTABLE;
                    }
                }
            }
        }
        self.partitions[produced.partition].append(produced)
    }

    fn init(&mut self, known: Option<ProducerKey>) -> Result<ProducerKey, ErrorCode> {
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

    fn coordinate(&mut self, request: &Request, protocol: Protocol) -> Answer {
        let refused = |code| Answer {
            refused: vec![("t".to_owned(), code)],
            producer: None,
        };
        let fenced = |producer: &ProducerKey| *producer != self.coordinator.producer;
        match request {
            Request::InitProducerId { known } => match self.init(*known) {
                Ok(producer) => Answer {
                    producer: Some(producer),
                    ..Answer::default()
                },
                Err(code) => refused(code),
            },
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
    fn append(&mut self, produced: &Produced) -> ErrorCode {
        let header = &produced.header;
        let strict = produced.protocol == Protocol::V2;
        let first = header.base_sequence;
        let last = first + header.last_offset_delta;
        let is_known = self.producers.contains_key(&header.producer_id);
        let known = self.producers.entry(header.producer_id).or_insert(Known {
            epoch: header.producer_epoch,
            batches: VecDeque::new(),
            open: false,
        });
        if header.producer_epoch < known.epoch {
            return ErrorCode::INVALID_PRODUCER_EPOCH;
        }
        if known.batches.contains(&(first, last)) && header.producer_epoch == known.epoch {
            return ErrorCode::NONE;
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
            return ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER;
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
        self.log.extend(values.map(|value| (id, Ok(value))));
        ErrorCode::NONE
    }

    /// The values that readers of committed records see, in order.
    fn visible(&self) -> Vec<String> {
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

/// A request that the client has given up, and that is still on its way.
enum Late {
    Produce(NodeId, Vec<Produced>),
    Coordinator(Request, Protocol),
}

struct World {
    random: Random,
    cluster: Cluster,
    protocol: Protocol,
    state: SenderState,
    coordination: Arc<Coordination>,
    unfinished: Arc<Unfinished>,
    memory: Arc<Memory>,
    clock: Clock,
    hooks: Arc<Hooks>,
    queues: Vec<Arc<PartitionQueue>>,
    in_flight: BTreeMap<NodeId, VecDeque<Vec<Produced>>>,
    asked: Option<(Request, Protocol)>,
    late: Vec<Late>,
    sealing: Vec<SealJob>,
    fenced: bool,
    /// The producer may be fenced by a request of its own that came late: the one that took the id
    /// over, or in V1 an addition between the end of a transaction and the bump of its epoch, which the
    /// coordinator takes for a new transaction.
    may_fail: bool,
}

/// What the application was told of a transaction.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Told {
    Committed,
    NotCommitted,
    Unknown,
}

impl World {
    fn new(seed: u64, protocol: Protocol) -> Self {
        let config = ProducerConfig {
            transactional_id: Some("t".to_owned()),
            linger: Duration::ZERO,
            batch_size: 150,
            compression: if seed.is_multiple_of(2) {
                Compression::None
            } else {
                Compression::Lz4
            },
            ..ProducerConfig::default()
        };
        let settings = config.check(Duration::from_secs(30)).unwrap();
        let backoff = Backoff {
            initial: Duration::from_millis(100),
            max: Duration::from_secs(1),
        };
        let manager = Manager::new(Arc::from("t"), backoff);
        let coordination = Arc::new(Coordination::new(manager));
        let memory = Memory::new(1 << 20, 1 << 10);
        let transaction = Some(Arc::clone(&coordination));
        let mut sealer = Sealer::new(&settings, Arc::clone(&memory));
        sealer.heavy_bytes = 0;
        let mut state = SenderState::new(
            settings,
            backoff,
            Arc::clone(&memory),
            Arc::default(),
            transaction,
        );
        state.sealer = Arc::new(sealer);
        let fill = Arc::new(Fill::new(150, 150));
        let queues: Vec<_> = (0..PARTITIONS)
            .map(|slot| {
                let partition = TopicPartition::new(TOPIC, slot as i32);
                let fill = Arc::clone(&fill);
                Arc::new(PartitionQueue::new(
                    partition,
                    TopicId::default(),
                    slot,
                    fill,
                ))
            })
            .collect();
        for queue in &queues {
            state.register(Arc::clone(queue), &ClusterSnapshot::default());
        }
        Self {
            random: Random(seed),
            cluster: Cluster::new(),
            protocol,
            state,
            coordination,
            unfinished: Arc::default(),
            memory,
            clock: Clock::default(),
            hooks: Arc::default(),
            queues,
            in_flight: BTreeMap::new(),
            asked: None,
            late: Vec::new(),
            sealing: Vec::new(),
            fenced: false,
            may_fail: false,
        }
    }

    fn send(&mut self, partition: usize, value: &str) {
        let record = Record::to(TOPIC).value(value);
        let context = AppendContext {
            memory: &self.memory,
            clock: &self.clock,
            unfinished: &self.unfinished,
            hooks: &self.hooks,
            batch_bytes_max: 150,
            record_bytes_max: record.bytes_max(),
            sticky: false,
        };
        let appended = self.queues[partition].append(&record, &mut None, &context, &mut Single);
        assert!(matches!(appended, Append::Appended { .. }), "{appended:?}");
        self.state.visit(partition, Instant::now());
    }

    /// What the sender's loop does, and then one thing that the world does.
    async fn step(&mut self) {
        let now = Instant::now();
        self.state.tick(now);
        if let Some(next) = self.state.coordinate(&self.unfinished, now)
            && let Some(request) = next.request
        {
            assert!(self.asked.is_none(), "one request at a time");
            self.asked = Some(request);
        }
        for node in self.state.ready_nodes(now) {
            while let Some(request) = self.state.next_request(node, now) {
                let produced = request.batches.iter().map(|batch| {
                    let protocol = self.state.protocol().unwrap();
                    read(batch.queue.slot, &batch.bytes, protocol)
                });
                let produced = produced.collect();
                self.in_flight.entry(node).or_default().push_back(produced);
            }
        }
        if self.state.take_metadata_wanted() {
            self.learn_leaders(now);
        }
        self.sealing.extend(self.state.take_seal_jobs());
        if !self.sealing.is_empty() && self.random.percent(30) {
            let at = self.random.below(self.sealing.len() as u64) as usize;
            let job = self.sealing.swap_remove(at);
            self.state.sealed(job.run(), now);
            return;
        }
        self.happen(now).await;
    }

    fn learn_leaders(&mut self, now: Instant) {
        for slot in 0..PARTITIONS {
            let partition = &self.cluster.partitions[slot];
            let leader = Some((NodeId(partition.leader), partition.epoch));
            let state = &mut self.state.slots[slot];
            if state.sequences.in_flight() == 0 && state.leader != leader {
                state.leader = leader;
                self.state.visit(slot, now);
            }
        }
    }

    async fn happen(&mut self, now: Instant) {
        match self.random.below(100) {
            0..=1 => {
                let at = self.random.below(PARTITIONS as u64) as usize;
                let partition = &mut self.cluster.partitions[at];
                partition.leader = (partition.leader + 1) % NODES;
                partition.epoch += 1;
            }
            2..=5 if !self.late.is_empty() => {
                let at = self.random.below(self.late.len() as u64) as usize;
                let late = self.late.swap_remove(at);
                self.arrive(late);
            }
            6..=50 => self.answer_produce(now),
            51..=80 => self.answer_coordinator(now),
            _ => {
                let idle = self.in_flight.values().all(VecDeque::is_empty)
                    && self.asked.is_none()
                    && self.sealing.is_empty();
                let pause = if idle { 150 } else { 5 };
                tokio::time::advance(Duration::from_millis(pause)).await;
            }
        }
    }

    fn arrive(&mut self, late: Late) {
        match late {
            Late::Produce(node, batches) => {
                for produced in &batches {
                    self.cluster.produce(node, produced);
                }
            }
            Late::Coordinator(request, protocol) => {
                let (was_open, was) = {
                    let coordinator = &self.cluster.coordinator;
                    (coordinator.open, coordinator.producer)
                };
                self.cluster.coordinate(&request, protocol);
                let coordinator = &self.cluster.coordinator;
                self.may_fail |= match request {
                    Request::InitProducerId { known: None } => coordinator.producer != was,
                    _ => protocol == Protocol::V1 && !was_open && coordinator.open,
                };
            }
        }
    }

    fn answer_produce(&mut self, now: Instant) {
        let busy: Vec<NodeId> = self
            .in_flight
            .iter()
            .filter(|(_, requests)| !requests.is_empty())
            .map(|(node, _)| *node)
            .collect();
        if busy.is_empty() {
            return;
        }
        let node = busy[self.random.below(busy.len() as u64) as usize];
        let requests = self.in_flight.get_mut(&node).unwrap();
        let roll = self.random.below(100);
        if roll < 85 {
            let request = requests.pop_front().unwrap();
            let mut answers = HashMap::new();
            for produced in &request {
                // A leader may refuse for a moment.
                let code = if self.random.percent(4) {
                    ErrorCode::NOT_ENOUGH_REPLICAS
                } else {
                    self.cluster.produce(node, produced)
                };
                let answer = PartitionAnswer {
                    code,
                    written: Written::default(),
                    message: None,
                    leader: None,
                    refused_records: Vec::new(),
                };
                answers.insert(produced.partition, answer);
            }
            self.state
                .answered(node, Duration::ZERO, now, |queue| answers.get(&queue.slot));
            return;
        }
        // The connection is lost: some of its requests were carried out, the rest was not, or not yet.
        let mut requests: Vec<_> = std::mem::take(requests).into();
        let carried_out = self.random.below(requests.len() as u64 + 1) as usize;
        let rest = requests.split_off(carried_out);
        for produced in requests.iter().flatten() {
            self.cluster.produce(node, produced);
        }
        let lost = requests.len() + rest.len();
        if self.random.percent(60) {
            let rest = rest.into_iter().map(|batches| Late::Produce(node, batches));
            self.late.extend(rest);
        }
        let error = disconnected(ApiKey::PRODUCE, true);
        for _ in 0..lost {
            self.state.lost(node, &error, now);
        }
    }

    fn answer_coordinator(&mut self, now: Instant) {
        let Some((request, protocol)) = self.asked.take() else {
            return;
        };
        let api = request.api();
        let answer = match self.random.below(100) {
            0..=69 => Ok(self.cluster.coordinate(&request, protocol)),
            70..=79 => {
                self.cluster.coordinate(&request, protocol);
                Err(disconnected(api, true))
            }
            80..=85 => {
                self.late.push(Late::Coordinator(request, protocol));
                Err(disconnected(api, true))
            }
            86..=89 => Err(disconnected(api, true)),
            90..=93 => Err(disconnected(api, false)),
            _ => Ok(Answer {
                refused: vec![("t".to_owned(), ErrorCode::NOT_COORDINATOR)],
                producer: None,
            }),
        };
        let view = ClusterView {
            protocol: self.protocol,
            can_bump: Some(true),
        };
        self.state.coordinated(&self.unfinished, now, answer, view);
    }

    /// Another producer takes over.
    fn fence(&mut self) {
        self.fenced = true;
        while self.cluster.init(None).is_err() {}
    }

    async fn until<T>(&mut self, mut look: impl FnMut(&mut Manager) -> Option<T>) -> T {
        for _ in 0..STEPS_MAX {
            if let Some(found) = look(&mut self.coordination.lock()) {
                return found;
            }
            self.step().await;
        }
        panic!("stuck: {:?}", self.coordination.lock());
    }

    /// One transaction; what its application is told.
    async fn transaction(&mut self, number: u64) -> (Told, Vec<Vec<String>>) {
        let mut values = vec![Vec::new(); PARTITIONS];
        let begun = self
            .until(|manager| {
                manager.abort_if_released();
                match manager.state() {
                    State::Ready => Some(manager.begin().is_ok()),
                    State::Fatal => Some(false),
                    _ => None,
                }
            })
            .await;
        if !begun {
            return (Told::NotCommitted, values);
        }
        let group = GroupMetadata::of_group("g");
        let offset = OffsetAndMetadata::new(number as i64);
        for index in 0..self.random.below(14) {
            let partition = self.random.below(PARTITIONS as u64) as usize;
            let value = format!("{number:03}-{index:02}");
            if self.coordination.lock().state() == State::InTransaction {
                self.send(partition, &value);
                values[partition].push(value);
            }
            for _ in 0..self.random.below(4) {
                self.step().await;
            }
        }
        let partition = TopicPartition::new(TOPIC, 0);
        let offsets = vec![(partition, offset)];
        let _ = self.coordination.lock().send_offsets(group, offsets);
        let commits = self.random.percent(70);
        if self.random.percent(3) {
            self.fence();
        }
        if !commits {
            let aborted = self.coordination.lock().abort();
            if aborted.is_ok() {
                self.until(|manager| {
                    let is_over = manager.state() == State::Fatal;
                    (is_over || manager.ended(number).is_some()).then_some(())
                })
                .await;
            }
            return (Told::NotCommitted, values);
        }
        if self.coordination.lock().commit().is_err() {
            let _ = self.coordination.lock().abort();
            return (Told::NotCommitted, values);
        }
        if self.random.percent(10) {
            // In the middle of the end.
            for _ in 0..self.random.below(30) {
                self.step().await;
            }
            self.fence();
        }
        let told = self
            .until(|manager| match manager.state() {
                _ if manager.ended(number) == Some(true) => Some(Told::Committed),
                State::AbortableError => Some(Told::NotCommitted),
                State::Fatal => Some(match manager.outcome() {
                    Outcome::NotWritten => Told::NotCommitted,
                    Outcome::Unknown => Told::Unknown,
                }),
                _ => None,
            })
            .await;
        (told, values)
    }

    fn check(&self, told: &[(Told, Vec<Vec<String>>)]) -> Result<(), String> {
        let logs: Vec<_> = self
            .cluster
            .partitions
            .iter()
            .map(Partition::visible)
            .collect();
        for (index, log) in logs.iter().enumerate() {
            if !log.is_sorted_by(|before, after| before < after) {
                return Err(format!("partition {index} is out of order: {log:?}"));
            }
        }
        let mut offset = -1;
        for (number, (told, values)) in (1..).zip(told) {
            let prefix = format!("{number:03}-");
            let visible: Vec<Vec<String>> = logs
                .iter()
                .map(|log| {
                    let own = log.iter().filter(|value| value.starts_with(&prefix));
                    own.cloned().collect()
                })
                .collect();
            let is_empty = visible.iter().all(Vec::is_empty);
            let right = match told {
                Told::Committed => visible == *values,
                Told::NotCommitted => is_empty,
                Told::Unknown => is_empty || visible == *values,
            };
            if !right {
                return Err(format!(
                    "transaction {number}: {told:?}, {values:?} sent, {visible:?} visible"
                ));
            }
            let has_unknown_offset = *told == Told::Unknown;
            if *told == Told::Committed
                || has_unknown_offset && self.cluster.coordinator.committed == number
            {
                offset = number;
            }
        }
        if self.cluster.coordinator.committed != offset {
            return Err(format!(
                "offset {} instead of {offset}",
                self.cluster.coordinator.committed
            ));
        }
        Ok(())
    }
}

fn read(partition: usize, bytes: &bytes::Bytes, protocol: Protocol) -> Produced {
    let batch = BatchReader::new(bytes.clone()).next().unwrap().unwrap();
    batch.verify_crc().unwrap();
    let header = batch.header().clone();
    assert!(header.attributes.is_transactional());
    let records = batch.into_records(&mut Decompressor::default(), 1 << 20);
    let records = records.unwrap();
    let value = |value: Option<&[u8]>| String::from_utf8(value.unwrap().to_vec()).unwrap();
    let values = records.records().map(|record| value(record.unwrap().value));
    Produced {
        partition,
        header,
        values: values.collect(),
        protocol,
    }
}

fn disconnected(api: ApiKey, may_have_been_processed: bool) -> klamm_net::Error {
    klamm_net::Error::Disconnected {
        api,
        broker: "b".to_owned(),
        reason: "gone".to_owned(),
        may_have_been_processed,
    }
}

#[tokio::test(start_paused = true)]
async fn whatever_is_lost_or_late_transactions_are_visible_as_their_producer_was_told() {
    let cases = std::env::var("KLAMM_MODEL_CASES");
    let cases = cases.map_or(CASES, |cases| cases.parse().unwrap());
    let first = std::env::var("KLAMM_MODEL_SEED").map_or(0, |seed| seed.parse().unwrap());
    let mut counts = [0; 3];
    for seed in first..first + cases {
        for protocol in [Protocol::V1, Protocol::V2] {
            let mut world = World::new(seed, protocol);
            world.coordination.lock().initialize().unwrap();
            let mut told = Vec::new();
            for number in 1..=TRANSACTIONS {
                let transaction = world.transaction(number).await;
                counts[transaction.0 as usize] += 1;
                told.push(transaction);
                if world.fenced || world.coordination.lock().state() == State::Fatal {
                    break;
                }
            }
            assert!(
                world.fenced || world.may_fail || world.coordination.lock().state() != State::Fatal,
                "seed {seed}, {protocol:?}: {:?}",
                world.coordination.lock()
            );
            // Whatever is still open is aborted, and what comes late finds nothing.
            world.fence();
            for late in std::mem::take(&mut world.late) {
                world.arrive(late);
            }
            world.fence();
            if let Err(wrong) = world.check(&told) {
                panic!("seed {seed}, {protocol:?}: {wrong}");
            }
        }
    }
    println!(
        "{cases} seeds from {first}, both protocols: {} committed, {} not, {} unknown",
        counts[0], counts[1], counts[2]
    );
    assert!(cases < 100 || counts.iter().all(|count| *count > 0));
}
