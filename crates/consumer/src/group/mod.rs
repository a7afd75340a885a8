//! Membership in a consumer group.

pub(crate) mod action;
pub(crate) mod classic;
mod exchange;
mod heartbeat;
mod leader;
pub(crate) mod protocol;
mod request;
pub(crate) mod task;
#[cfg(test)]
mod tests;
