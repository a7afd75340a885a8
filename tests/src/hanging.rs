//! A transaction that hangs: open in a partition, and known to no coordinator.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::error::{Error, Result};
use crate::node::Node;
use crate::wire;

const AN_HOUR_MS: u128 = 3_600_000;
/// Attributes of a batch that belongs to a transaction.
const TRANSACTIONAL: i16 = 0x10;
/// The length of all of it, its attributes, both differences to the batch's, no key, a value of four bytes, no headers:
/// numbers of variable length, all of one byte.
const RECORD: &[u8] = b"\x14\0\0\0\x01\x08lost\0";

impl Node {
    /// Writes a record of a transaction that was never begun, an hour ago, to a partition that this broker leads; gives
    /// whether the broker took it.
    ///
    /// Brokers ask the coordinator before they write (KIP-890), unless `transaction.partition.verification.enable` is
    /// false.
    ///
    /// # Errors
    /// It does not answer.
    pub fn hang_transaction(&self, topic: &str, partition: i32, producer_id: i64) -> Result<bool> {
        let batch = batch(producer_id);
        let code = wire::produce(self.port(), "ghost", topic, partition, &batch);
        let code = code.map_err(|error| {
            let id = self.id();
            Error::new(format!("no transaction hangs at broker {id}: {error}"))
        })?;
        Ok(code == 0)
    }
}

/// A batch of the one record.
fn batch(producer_id: i64) -> Vec<u8> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.expect("it is later than 1970").as_millis();
    let an_hour_ago = (now - AN_HOUR_MS) as i64;
    let mut checked = Vec::new();
    checked.extend(TRANSACTIONAL.to_be_bytes());
    checked.extend(0_i32.to_be_bytes()); // last offset
    checked.extend([an_hour_ago.to_be_bytes(); 2].concat()); // first and last timestamp
    checked.extend(producer_id.to_be_bytes());
    checked.extend(0_i16.to_be_bytes()); // producer epoch
    checked.extend(0_i32.to_be_bytes()); // sequence
    checked.extend(1_i32.to_be_bytes()); // records
    checked.extend(RECORD);
    let mut batch = 0_i64.to_be_bytes().to_vec(); // offset
    // Leader epoch, version and checksum are counted, too.
    batch.extend((checked.len() as i32 + 9).to_be_bytes());
    batch.extend((-1_i32).to_be_bytes()); // leader epoch
    batch.push(2); // version
    batch.extend(crc32c(&checked).to_be_bytes());
    batch.extend(checked);
    batch
}

/// Bit by bit: it is for a few bytes.
fn crc32c(bytes: &[u8]) -> u32 {
    const POLYNOMIAL: u32 = 0x82f6_3b78;
    let mut crc = !0;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            let bit = crc & 1;
            crc = (crc >> 1) ^ (POLYNOMIAL * bit);
        }
    }
    !crc
}
