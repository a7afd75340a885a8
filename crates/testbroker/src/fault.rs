//! Faults that a test asks for, each used up by the requests it hits.
//!
//! Owns: the queue. Does not: carry faults out (`api`, `connection`).
//!
//! Invariant: at most [`FAULTS_MAX`] are queued.

use std::collections::VecDeque;
use std::time::Duration;

use klamm_codec::{ApiKey, ErrorCode};

use crate::TestBrokerError;

/// Faults that may be queued at a time.
pub(crate) const FAULTS_MAX: usize = 10_000;

/// What goes wrong with a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Fault {
    /// Answers this Kafka error code and does nothing.
    Error(ErrorCode),
    /// Does what was asked, but answers this Kafka error code.
    ErrorAfter(ErrorCode),
    /// Closes the connection and does nothing.
    DropBefore,
    /// Does what was asked, then closes the connection instead of answering.
    DropAfter,
    /// Waits before doing what was asked. Requests behind it on the same connection wait, too, as
    /// with Kafka.
    Delay(Duration),
}

impl Fault {
    /// Hits so many requests instead of one.
    #[must_use]
    pub fn times(self, times: usize) -> PlannedFault {
        PlannedFault {
            times,
            ..self.into()
        }
    }

    /// Hits only Produce and Fetch requests that have this partition.
    ///
    /// An error is then answered for this partition alone; all else befalls the whole request.
    #[must_use]
    pub fn on(self, topic: impl Into<String>, partition: i32) -> PlannedFault {
        PlannedFault::from(self).on(topic, partition)
    }
}

/// A [`Fault`] and which requests it hits; made by [`Fault::times`] and [`Fault::on`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PlannedFault {
    fault: Fault,
    times: usize,
    target: Option<Target>,
}

/// The partition that a fault is restricted to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Target {
    pub(crate) topic: String,
    pub(crate) partition: i32,
}

impl PlannedFault {
    /// Hits so many requests instead of one.
    #[must_use]
    pub fn times(self, times: usize) -> Self {
        Self { times, ..self }
    }

    /// As [`Fault::on`].
    #[must_use]
    pub fn on(self, topic: impl Into<String>, partition: i32) -> Self {
        Self {
            target: Some(Target {
                topic: topic.into(),
                partition,
            }),
            ..self
        }
    }
}

impl From<Fault> for PlannedFault {
    fn from(fault: Fault) -> Self {
        Self {
            fault,
            times: 1,
            target: None,
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Faults {
    queued: VecDeque<(ApiKey, PlannedFault)>,
}

impl Faults {
    pub(crate) fn push(&mut self, api: ApiKey, fault: PlannedFault) -> Result<(), TestBrokerError> {
        if self.queued.len() == FAULTS_MAX {
            return Err(TestBrokerError::TooManyFaults { max: FAULTS_MAX });
        }
        if fault.times > 0 {
            self.queued.push_back((api, fault));
        }
        Ok(())
    }

    /// Uses up the oldest fault for a request of `api`; `hits` tells whether the request has a
    /// partition.
    pub(crate) fn take(
        &mut self,
        api: ApiKey,
        hits: impl Fn(&Target) -> bool,
    ) -> Option<(Fault, Option<Target>)> {
        let index = self.queued.iter().position(|(queued, planned)| {
            *queued == api && planned.target.as_ref().is_none_or(&hits)
        })?;
        let planned = &mut self.queued[index].1;
        planned.times -= 1;
        let taken = (planned.fault, planned.target.clone());
        if planned.times == 0 {
            self.queued.remove(index);
        }
        Some(taken)
    }

    pub(crate) fn clear(&mut self) {
        self.queued.clear();
    }
}
