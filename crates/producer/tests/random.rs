//! Random faults, leaders and pauses, and the same promise: what is acknowledged is written once and
//! in order, what is reported as not written is not there.
//!
//! `KLAMM_TEST_SEED` repeats one round as far as the scheduler does, `KLAMM_TEST_ROUNDS` sets how many
//! there are.

mod world;

use std::time::Duration;

use klamm_producer::{Compression, Error, Producer, Record};
use klamm_testbroker::{ErrorCode, Fault, TestBroker};
use tokio::task::JoinSet;
use world::{Ledger, World, soon};

/// `SplitMix64`: the same in every run with the same seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From 0 up to `end`, without it.
    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn one_in(&mut self, chances: u64) -> bool {
        self.below(chances) == 0
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }
}

/// Failures that leave the broker's word to be trusted: a request that was refused was not carried
/// out, and the sequences that the broker knows decide about what comes again.
const FAULTS: [Fault; 10] = [
    Fault::DropBefore,
    Fault::DropAfter,
    Fault::Delay(Duration::from_millis(4)),
    Fault::Error(ErrorCode::NOT_LEADER_OR_FOLLOWER),
    Fault::Error(ErrorCode::NOT_ENOUGH_REPLICAS),
    Fault::Error(ErrorCode::CORRUPT_MESSAGE),
    Fault::ErrorAfter(ErrorCode::REQUEST_TIMED_OUT),
    Fault::ErrorAfter(ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND),
    Fault::ErrorAfter(ErrorCode::NOT_LEADER_OR_FOLLOWER),
    Fault::ErrorAfter(ErrorCode::KAFKA_STORAGE_ERROR),
];

/// With a round of their own: the broker says so of batches that it does not have, which it could
/// not after a lost answer.
const REFUSALS: [Fault; 4] = [
    Fault::Error(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER),
    Fault::Error(ErrorCode::MESSAGE_TOO_LARGE),
    Fault::Error(ErrorCode::INVALID_RECORD),
    Fault::Error(ErrorCode::NOT_ENOUGH_REPLICAS),
];

/// What a round is made of.
struct Plan {
    partitions: i32,
    nodes: usize,
    records: u64,
    faults: &'static [Fault],
    /// Whether batches are given up: the delivery timeout is shorter than the troubles.
    is_impatient: bool,
}

fn producer(world: &World, random: &mut Random, plan: &Plan) -> Producer {
    let mut builder = world
        .builder()
        .batch_size(random.pick(&[100, 200, 1000]))
        .max_in_flight(random.pick(&[1, 2, 5]))
        .linger(Duration::from_millis(random.pick(&[0, 0, 1])))
        .compression(random.pick(&[Compression::None, Compression::Lz4]));
    if plan.is_impatient {
        builder = builder
            .request_timeout(Duration::from_millis(40))
            .delivery_timeout(Duration::from_millis(45));
    }
    builder.build().unwrap()
}

fn disturb(world: &World, random: &mut Random, plan: &Plan) {
    let partition = random.below(plan.partitions as u64) as i32;
    if plan.nodes > 1 && random.one_in(4) {
        let node = 1 + random.below(plan.nodes as u64) as i32;
        world.broker.move_leader("orders", partition, node).unwrap();
        return;
    }
    let fault = random.pick(plan.faults).times(1 + random.below(3) as usize);
    if random.one_in(2) {
        world.inject_produce(fault.on("orders", partition));
    } else {
        world.inject_produce(fault);
    }
    if plan.is_impatient && random.one_in(8) {
        let lasting = random.pick(plan.faults).times(30);
        world.inject_produce(lasting.on("orders", partition));
    }
}

async fn round(seed: u64) -> Result<(), String> {
    let mut random = Random(seed);
    let plan = Plan {
        partitions: 1 + random.below(4) as i32,
        nodes: 1 + random.below(3) as usize,
        records: 20 + random.below(150),
        faults: if random.one_in(3) { &REFUSALS } else { &FAULTS },
        is_impatient: random.one_in(3),
    };
    let topic = TestBroker::builder().nodes(plan.nodes).seed(seed);
    let world = World::start(topic.topic("orders", plan.partitions)).await;
    let producer = producer(&world, &mut random, &plan);
    let mut ledger = Ledger::new("orders");
    for _ in 0..plan.records {
        if random.one_in(6) {
            disturb(&world, &mut random, &plan);
        }
        if random.one_in(10) {
            let pause = Duration::from_micros(random.below(3000));
            tokio::time::sleep(pause).await;
        }
        let partition = random.below(plan.partitions as u64) as i32;
        ledger.send(&producer, partition).await;
    }
    if random.one_in(4) {
        let timeout = Duration::from_millis(random.below(30));
        let _ = soon("close", producer.close(timeout)).await;
    }
    let results = ledger.settle().await;
    results.check(&world.broker)?;
    let acknowledged = results.acknowledged() as u64;
    let gives_up = plan.is_impatient || plan.faults == REFUSALS || producer_is_closed(&producer);
    if !gives_up && acknowledged != plan.records {
        return Err(format!(
            "{acknowledged} of {} are acknowledged",
            plan.records
        ));
    }
    // Whatever happened before, the producer goes on.
    if !producer_is_closed(&producer) {
        world.broker.clear_faults();
        soon("flush", producer.flush()).await;
        soon("a record after the troubles", goes_on(&producer)).await;
    }
    Ok(())
}

/// Sends until a record is acknowledged: an impatient producer may need more than one.
async fn goes_on(producer: &Producer) {
    loop {
        let sent = producer.send(Record::to("orders").value("last")).await;
        if sent.unwrap().await.is_ok() {
            return;
        }
    }
}

fn producer_is_closed(producer: &Producer) -> bool {
    let refused = producer.try_send(Record::to("no-topic-of-this-name"));
    matches!(refused, Err(Error::Closed))
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_faults_lose_double_and_reorder_nothing() {
    let rounds = number("KLAMM_TEST_ROUNDS").unwrap_or(300);
    let repeated = number("KLAMM_TEST_SEED");
    let first = repeated.unwrap_or_else(|| std::process::id().into());
    let rounds = if repeated.is_some() { 1 } else { rounds };
    println!("rounds with seeds from {first}");
    let mut running = JoinSet::new();
    let first = first.wrapping_mul(1_000_000);
    for seed in (0..rounds).map(|round| first.wrapping_add(round)) {
        if running.len() == 16 {
            running.join_next().await.unwrap().unwrap();
        }
        running.spawn(async move {
            let seed = repeated.unwrap_or(seed);
            if let Err(wrong) = round(seed).await {
                panic!("with KLAMM_TEST_SEED={seed}: {wrong}");
            }
        });
    }
    while let Some(ended) = running.join_next().await {
        ended.unwrap();
    }
}
