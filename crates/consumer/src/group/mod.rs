//! Membership in a consumer group.

pub(crate) mod action;
pub(crate) mod classic;
mod commits;
mod exchange;
mod heartbeat;
mod leader;
pub(crate) mod listener;
pub(crate) mod next_gen;
mod ownership;
pub(crate) mod partitions;
pub(crate) mod pattern;
mod request;
mod subscription;
pub(crate) mod task;
#[cfg(test)]
mod tests;

pub(crate) use klamm_codec::group_protocol as protocol;
