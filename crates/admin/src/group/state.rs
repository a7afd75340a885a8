//! The states and types of groups, which brokers give by name.

use crate::named::named;

named! {
    /// What a group is doing.
    GroupState:
    /// Its members have their partitions.
    Stable = "Stable";
    /// Classic: waiting for its members to join.
    PreparingRebalance = "PreparingRebalance";
    /// Classic: waiting for the leader's assignment.
    CompletingRebalance = "CompletingRebalance";
    /// The coordinator computes an assignment (KIP-848).
    Assigning = "Assigning";
    /// Members move to the newest assignment (KIP-848).
    Reconciling = "Reconciling";
    /// It has no members; it may have offsets.
    Empty = "Empty";
    /// Nothing is left of it.
    Dead = "Dead";
    /// Streams: topics are missing (KIP-1071).
    NotReady = "NotReady";
    /// The broker does not know.
    Unknown = "Unknown";
}

named! {
    /// By which protocol a group works.
    GroupType:
    /// The protocol with rebalances by the members.
    Classic = "Classic";
    /// The consumer protocol (KIP-848, Kafka 4.0).
    Consumer = "Consumer";
    /// The share group protocol (KIP-932, Kafka 4.1).
    Share = "Share";
    /// The streams protocol (KIP-1071, Kafka 4.2).
    Streams = "Streams";
    /// The broker does not know.
    Unknown = "Unknown";
}
