//! Ids of log directories.

use std::fmt;

use klamm_codec::messages::Uuid;
use klamm_net::TopicId;

/// Id of a log directory of a broker or controller (KIP-858); all zero if it has none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DirectoryId(pub [u8; 16]);

impl DirectoryId {
    pub(crate) fn of(id: Uuid) -> Self {
        Self(id.into_bytes())
    }
}

impl fmt::Display for DirectoryId {
    /// As Kafka's tools print it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        TopicId(self.0).fmt(f)
    }
}
