//! From positions to buffered batches: the part of a consumer that reads ahead.
//!
//! The thinking ([`FetchState`]) is sans-I/O: it plans requests and takes their outcomes. The task
//! in [`task`] carries them out. [`Drain`] opens what was buffered on the application's thread.

mod budget;
mod drain;
mod handover;
mod isolation;
mod lookup;
mod partition;
mod paused;
mod plan;
mod request;
mod response;
mod session;
mod state;
mod stats;
pub(crate) mod task;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod validate;

pub(crate) use drain::{Drain, Opener};
pub(crate) use partition::{Epoch, Position, ResetTo};
pub(crate) use plan::{PlannedLookup, ValidationPlan};
pub(crate) use state::{Consumed, FetchSettings, FetchState};
pub(crate) use validate::EpochEnd;
