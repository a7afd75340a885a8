//! Records that turned out to be unreadable in the hands of the application.
//!
//! A poll hands out whole batches whose checksums are right, and looks at no record: whoever iterates
//! decodes. What is wrong inside of a record shows only there; iterating cannot fail, so the records of
//! that partition end, and the fault is left here for the consumer's next call, which goes back to it.
//!
//! Invariants
//! - one fault for each stay at a partition: the first that was met
//! - looking whether there is one costs no lock

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use klamm_net::TopicPartition;

use crate::fetch::Epoch;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    any: AtomicBool,
    faults: Mutex<Vec<Fault>>,
}

/// A record that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) partition: TopicPartition,
    /// Of the position that it was fetched for.
    pub(crate) epoch: Epoch,
    /// Behind the last record that was good.
    pub(crate) offset: i64,
    pub(crate) reason: String,
}

impl Faults {
    /// Leaves `fault` for the consumer.
    pub(crate) fn report(&self, fault: Fault) {
        let mut faults = self.lock();
        let mut known = faults.iter_mut();
        let known =
            known.find(|known| known.partition == fault.partition && known.epoch == fault.epoch);
        match known {
            Some(known) if known.offset <= fault.offset => {}
            Some(known) => *known = fault,
            None => faults.push(fault),
        }
        self.any.store(true, Ordering::Release);
    }

    /// What was reported since the last call.
    pub(crate) fn take(&self) -> Vec<Fault> {
        if !self.any.swap(false, Ordering::Acquire) {
            return Vec::new();
        }
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Fault>> {
        // Nothing panics under this lock.
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
