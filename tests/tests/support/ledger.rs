//! The books on every record that klamm sent, held against what Java reads.

use std::collections::HashMap;

use klamm::{Delivery, Outcome as Written, Producer, Record, RecordMetadata};
use klamm_tests::OracleRecord;

use super::within;

pub(crate) const PARTITIONS: usize = 4;

/// The records of one topic in the order of their sending; the value of each is its place here.
#[derive(Default)]
pub(crate) struct Ledger {
    pub(crate) sent: Vec<(i32, Delivery)>,
}

pub(crate) type Told = (i32, Result<RecordMetadata, klamm::producer::Error>);

impl Ledger {
    pub(crate) async fn send(&mut self, producer: &Producer, topic: &str) {
        let number = self.sent.len();
        let partition = (number % PARTITIONS) as i32;
        let value = format!("{number:08}");
        let record = Record::to(topic).partition(partition).value(&value);
        let delivery = within(120, "send", producer.send(record)).await.unwrap();
        self.sent.push((partition, delivery));
    }

    pub(crate) async fn settle(self) -> Vec<Told> {
        let mut told = Vec::new();
        for (partition, delivery) in self.sent {
            told.push((partition, within(120, "a delivery", delivery).await));
        }
        told
    }
}

/// Holds what klamm told against what Java read.
pub(crate) fn check(told: &[Told], read: &[OracleRecord]) {
    let mut places: HashMap<usize, Vec<(i32, i64)>> = HashMap::new();
    let mut newest: HashMap<i32, usize> = HashMap::new();
    for record in read {
        let value = std::str::from_utf8(record.value.as_ref().unwrap()).unwrap();
        let number: usize = value.parse().unwrap();
        let (partition, offset) = (record.partition.unwrap(), record.offset.unwrap());
        let before = newest.insert(partition, number);
        assert!(
            before < Some(number),
            "{number} after {before:?} in partition {partition} at {offset}"
        );
        places.entry(number).or_default().push((partition, offset));
    }
    for (number, (partition, told)) in told.iter().enumerate() {
        let found = places.remove(&number).unwrap_or_default();
        match told {
            Ok(told) => {
                let offset = told
                    .offset
                    .unwrap_or(found.first().map_or(-1, |place| place.1));
                assert_eq!(
                    found,
                    [(*partition, offset)],
                    "record {number} was acknowledged"
                );
            }
            Err(error) if error.outcome() == Written::NotWritten => {
                assert_eq!(found, [], "record {number}: {error}");
            }
            Err(error) => assert!(found.len() <= 1, "record {number} is at {found:?}: {error}"),
        }
    }
}

pub(crate) fn acknowledged(told: &[Told]) -> usize {
    told.iter().filter(|(_, told)| told.is_ok()).count()
}

pub(crate) fn failed_as(told: &[Told], outcome: Written) -> usize {
    let failed = |(_, told): &&Told| told.as_ref().is_err_and(|error| error.outcome() == outcome);
    told.iter().filter(failed).count()
}
