//! The client's thinking beside the model of the cluster, and all that happens between them.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use klamm_codec::batch::Batches as BatchReader;
use klamm_codec::compress::{Compression, Decompressor};
use klamm_codec::{ApiKey, ErrorCode};
use klamm_net::{Backoff, ClusterSnapshot, NodeId, TopicId, TopicPartition};
use tokio::time::Instant;

use super::super::answer::PartitionAnswer;
use super::super::seal::{SealJob, Sealer};
use super::super::state::SenderState;
use super::cluster::{Cluster, Era, Produced};
use super::{NODES, PARTITIONS, STEPS_MAX, TOPIC};
use crate::accumulator::{Append, AppendContext, Fill, PartitionQueue};
use crate::clock::Clock;
use crate::config::ProducerConfig;
use crate::delivery::{Single, Written};
use crate::hooks::Hooks;
use crate::memory::Memory;
use crate::record::Record;
use crate::transaction::{Answer, ClusterView, Coordination, Manager, Protocol, Request};
use crate::unfinished::Unfinished;

pub(super) struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    pub(super) fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }
}

/// A request that the client has given up, and that is still on its way.
pub(super) enum Late {
    Produce(NodeId, Vec<Produced>),
    Coordinator(Request, Protocol),
}

pub(super) struct World {
    pub(super) random: Random,
    pub(super) cluster: Cluster,
    era: Era,
    state: SenderState,
    pub(super) coordination: Arc<Coordination>,
    unfinished: Arc<Unfinished>,
    memory: Arc<Memory>,
    clock: Clock,
    hooks: Arc<Hooks>,
    queues: Vec<Arc<PartitionQueue>>,
    in_flight: BTreeMap<NodeId, VecDeque<Vec<Produced>>>,
    asked: Option<(Request, Protocol)>,
    pub(super) late: Vec<Late>,
    sealing: Vec<SealJob>,
    pub(super) fenced: bool,
    /// The producer may be fenced by a request of its own that came late: the one that took the id
    /// over, or in V1 an addition between the end of a transaction and the bump of its epoch, which the
    /// coordinator takes for a new transaction. Before KIP-360 a bump whose answer is lost is as good as that: its
    /// epoch may have been somebody else's.
    pub(super) may_fail: bool,
}

impl World {
    pub(super) fn new(seed: u64, era: Era) -> Self {
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
        let mut sealer = Sealer::new(&settings);
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
            cluster: Cluster::new(era),
            era,
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

    pub(super) fn send(&mut self, partition: usize, value: &str) {
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
    pub(super) async fn step(&mut self) {
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
            2..=3 if self.era == Era::BeforeKip360 => {
                let at = self.random.below(PARTITIONS as u64) as usize;
                let records_too = self.random.percent(90);
                self.cluster.partitions[at].forget_producers(records_too);
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

    pub(super) fn arrive(&mut self, late: Late) {
        match late {
            Late::Produce(node, batches) => {
                for produced in &batches {
                    let _ = self.cluster.produce(node, produced);
                }
            }
            Late::Coordinator(request, protocol) => {
                let (was_open, was) = {
                    let coordinator = &self.cluster.coordinator;
                    (coordinator.open, coordinator.producer)
                };
                self.cluster.coordinate(&request, protocol);
                let coordinator = &self.cluster.coordinator;
                let can_bump = self.era.can_bump();
                self.may_fail |= match request {
                    Request::InitProducerId { known } if known.is_none() || !can_bump => {
                        coordinator.producer != was
                    }
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
                // A leader may refuse for a moment, or for good.
                let written = match self.random.below(200) {
                    0..8 => Err(ErrorCode::NOT_ENOUGH_REPLICAS),
                    8 if !self.cluster.partitions[produced.partition].has(produced) => {
                        Err(ErrorCode::INVALID_RECORD)
                    }
                    _ => self.cluster.produce(node, produced),
                };
                let answer = PartitionAnswer {
                    code: written.err().unwrap_or_default(),
                    written: Written {
                        base_offset: written.ok().flatten(),
                        ..Written::default()
                    },
                    log_start: Some(self.cluster.partitions[produced.partition].log_start),
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
            let _ = self.cluster.produce(node, produced);
        }
        let lost = requests.len() + rest.len();
        // One that comes late to a broker that has forgotten its producer is written again, and nobody can help it.
        if self.era != Era::BeforeKip360 && self.random.percent(60) {
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
            ..70 => Ok(self.cluster.coordinate(&request, protocol)),
            70..=79 => {
                self.may_fail |= !self.era.can_bump() && api == ApiKey::INIT_PRODUCER_ID;
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
            protocol: self.era.protocol(),
            can_bump: Some(self.era.can_bump()),
        };
        self.state.coordinated(&self.unfinished, now, answer, view);
    }

    /// Another producer takes over.
    pub(super) fn fence(&mut self) {
        self.fenced = true;
        while self.cluster.init(None).is_err() {}
    }

    pub(super) async fn until<T>(&mut self, mut look: impl FnMut(&mut Manager) -> Option<T>) -> T {
        for _ in 0..STEPS_MAX {
            if let Some(found) = look(&mut self.coordination.lock()) {
                return found;
            }
            self.step().await;
        }
        panic!("stuck: {:?}", self.coordination.lock());
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
