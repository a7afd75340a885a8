//! What the driver needs to know of an API: where its keys are answered, what is asked, what the answer says.

use std::fmt::Display;
use std::hash::Hash;

use klamm_codec::api::Request;
use klamm_net::{NodeId, TopicPartition};

use super::Answers;
use crate::error::Error;

/// What a call is about; each has a result of its own.
pub(crate) trait Key: Clone + Display + Eq + Hash + Send + Sync + 'static {}

impl<K: Clone + Display + Eq + Hash + Send + Sync + 'static> Key for K {}

/// Where a key is answered.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Target {
    /// Any broker; of controllers the active one.
    Any,
    /// The controller, or a broker that forwards to it.
    Controller,
    /// One broker; where controllers are spoken with, that one of them, or the active one for a broker.
    Node(NodeId),
    /// The leader of a partition.
    Leader(TopicPartition),
    /// The coordinator of a group.
    Group(String),
    /// The coordinator of a transactional id.
    Transaction(String),
}

/// A broker that was found for a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Place {
    Any,
    Node(NodeId),
}

/// The keys of one request, and who is asked.
pub(crate) struct Batch<K> {
    pub(crate) keys: Vec<K>,
    /// The version that both sides speak.
    pub(crate) version: i16,
    /// How long the broker may wait for a change to take effect.
    pub(crate) timeout_ms: i32,
    /// Address of the broker.
    pub(crate) broker: String,
    /// The broker, if it was not just any.
    pub(crate) node: Option<NodeId>,
}

impl<K> Batch<K> {
    /// Refuses what the broker is too old for.
    pub(crate) fn needs(
        &self,
        version: i16,
        what: impl Into<String>,
        since: &'static str,
    ) -> Result<(), Error> {
        if self.version >= version {
            return Ok(());
        }
        Err(Error::Unsupported {
            what: what.into(),
            broker: self.broker.clone(),
            since,
        })
    }
}

/// One API of Kafka, as the driver needs to know it.
pub(crate) trait Call: Send + Sync + Sized + 'static {
    /// What a key is, as in "failed for topic orders"; empty if its own name says it.
    const NOUN: &'static str = "";
    /// Whether the controllers of a `KRaft` cluster take it themselves (KIP-919).
    const FOR_CONTROLLERS: bool = false;
    /// What has a result of its own.
    type Key: Key;
    /// What a successful answer about a key gives.
    type Value: Send + 'static;
    /// The request.
    type Request: Request + Sync;

    /// Where `key` is answered.
    fn target(&self, key: &Self::Key) -> Target;

    /// How many keys one request can hold.
    fn batch_max(&self, _version: i16) -> usize {
        usize::MAX
    }

    /// The request about the keys of `batch`.
    fn request(&self, batch: &Batch<Self::Key>) -> Result<Self::Request, Error>;

    /// What the response says about each of them.
    fn read(
        &self,
        batch: &Batch<Self::Key>,
        response: <Self::Request as Request>::Response,
        answers: &mut Answers<Self::Key, Self::Value>,
    );
}

/// As in "failed for topic orders".
pub(super) fn what<C: Call>(key: &C::Key) -> String {
    format!("{} {key}", C::NOUN).trim_start().to_owned()
}
