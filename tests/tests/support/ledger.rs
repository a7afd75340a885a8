//! The books on every record that klamm sent, held against what Java reads.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use klamm::producer::DeliveryReport;
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
        let record = record.tag(number as u64);
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

/// What the delivery callback was told, in that order: the place of the record in the ledger, and its fate.
#[derive(Default)]
pub(crate) struct Reports(Mutex<Vec<(u64, Fate)>>);

/// Written, or failed with this outcome.
type Fate = Result<(), Written>;

fn fate(told: &Result<RecordMetadata, klamm::producer::Error>) -> Fate {
    match told {
        Ok(_) => Ok(()),
        Err(error) => Err(error.outcome()),
    }
}

impl Reports {
    pub(crate) fn note(&self, report: &DeliveryReport<'_>) {
        let mut reported = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        reported.push((report.tag, fate(report.result)));
    }

    /// Every record was reported once, as its delivery says, and in the order of its partition.
    pub(crate) fn check(&self, told: &[Told]) {
        let reported = self.0.lock().unwrap();
        assert_eq!(reported.len(), told.len());
        for partition in 0..PARTITIONS as u64 {
            let of_partition = |(number, _): &&(u64, Fate)| number % PARTITIONS as u64 == partition;
            let told = (0..).zip(told.iter().map(|(_, told)| fate(told)));
            let told: Vec<_> = told.filter(|told| of_partition(&told)).collect();
            let reported: Vec<_> = reported.iter().filter(of_partition).copied().collect();
            let different = (reported.iter().zip(&told)).find(|(reported, told)| reported != told);
            assert_eq!(different, None, "reported and told, partition {partition}");
        }
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
