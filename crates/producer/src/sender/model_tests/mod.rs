//! The sender's thinking and the transaction manager against a model of a cluster, in simulated time.
//!
//! Requests are carried out and answered, carried out without an answer, lost before, or given up by
//! the client and carried out much later; leaders move; now and then another producer takes the
//! transactional id over. Half of the producers compress, each batch by a job that ends at any time. Brokers
//! before KIP-360 forget producers, too. In the end each transaction must be visible as its producer was told,
//! whole, once and in order, and offsets must be those of the last one that was committed.

mod cluster;
mod world;

use klamm_net::{GroupMetadata, OffsetAndMetadata, TopicPartition};

use self::cluster::{Era, Partition};
use self::world::World;
use crate::error::Outcome;
use crate::transaction::State;

/// Cases a run, by default; `KLAMM_MODEL_CASES` sets another number.
const CASES: u64 = 100;
const PARTITIONS: usize = 3;
const NODES: i32 = 2;
const TRANSACTIONS: u64 = 8;
const STEPS_MAX: usize = 20_000;
const TOPIC: &str = "orders";

/// What the application was told of a transaction.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Told {
    Committed,
    NotCommitted,
    Unknown,
}

impl World {
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

#[tokio::test(start_paused = true)]
async fn whatever_is_lost_or_late_transactions_are_visible_as_their_producer_was_told() {
    let cases = std::env::var("KLAMM_MODEL_CASES");
    let cases = cases.map_or(CASES, |cases| cases.parse().unwrap());
    let first = std::env::var("KLAMM_MODEL_SEED").map_or(0, |seed| seed.parse().unwrap());
    let mut counts = [0; 3];
    for seed in first..first + cases {
        for era in [Era::BeforeKip360, Era::V1, Era::V2] {
            let mut world = World::new(seed, era);
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
                "seed {seed}, {era:?}: {:?}",
                world.coordination.lock()
            );
            // Whatever is still open is aborted, and what comes late finds nothing.
            world.fence();
            for late in std::mem::take(&mut world.late) {
                world.arrive(late);
            }
            world.fence();
            if let Err(wrong) = world.check(&told) {
                panic!("seed {seed}, {era:?}: {wrong}");
            }
        }
    }
    println!(
        "{cases} seeds from {first}, all brokers: {} committed, {} not, {} unknown",
        counts[0], counts[1], counts[2]
    );
    assert!(cases < 100 || counts.iter().all(|count| *count > 0));
}
