//! The connections to each broker, one per lane and owner.

mod features;
mod owner;
mod pool;
mod reconnect;

pub use features::FinalizedFeatures;
pub(crate) use owner::{LaneKey, Owner, OwnerId};
pub(crate) use pool::Pool;

/// What a connection is used for: brokers answer the requests of a connection one after the other,
/// so a fetch that waits half a second must not stand before a heartbeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lane {
    /// Metadata, admin, offsets: short requests.
    Control,
    /// Produce requests.
    Produce,
    /// Fetch requests, which wait at the broker.
    Fetch,
    /// Group and transaction coordination; joins wait for other members.
    Group,
}
