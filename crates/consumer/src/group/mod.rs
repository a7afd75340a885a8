//! Membership in a consumer group.

pub(crate) mod classic;
mod heartbeat;
pub(crate) mod protocol;
mod request;
pub(crate) mod task;
#[cfg(test)]
mod tests;
