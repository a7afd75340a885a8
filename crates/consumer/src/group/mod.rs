//! Membership in a consumer group.

pub(crate) mod action;
pub(crate) mod classic;
mod exchange;
mod heartbeat;
mod leader;
mod request;
pub(crate) mod task;
#[cfg(test)]
mod tests;

pub(crate) use klamm_codec::group_protocol as protocol;
