//! One member of a group of the consumer protocol.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use kafka_protocol::ResponseError;
use regex_lite::Regex;
use tokio::time::Instant;

use super::{Heartbeat, JOINS, Partitions, Topics};
use crate::topic::TopicId;

#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) id: String,
    pub(crate) instance_id: Option<String>,
    pub(crate) rack: Option<String>,
    pub(crate) client_id: String,
    pub(crate) client_host: String,
    pub(crate) epoch: i32,
    /// The epoch that it may still be in if it did not get the last answer.
    pub(super) previous_epoch: i32,
    pub(super) rebalance_timeout: Duration,
    pub(crate) topics: BTreeSet<String>,
    pub(super) pattern: Option<Regex>,
    pub(super) assignor: Option<String>,
    pub(crate) target: Partitions,
    /// What it may own.
    pub(crate) assigned: Partitions,
    /// What it has to let go, and has not yet.
    pub(super) revoking: Partitions,
    /// Others still have some of its target.
    pub(super) unreleased: bool,
    pub(super) expires: Instant,
    /// By then it must have let go.
    pub(super) revoked_by: Option<Instant>,
}

impl Member {
    pub(super) fn new(heartbeat: &Heartbeat) -> Self {
        Self {
            id: heartbeat.member_id.clone(),
            instance_id: heartbeat.instance_id.clone(),
            rack: None,
            client_id: String::new(),
            client_host: String::new(),
            epoch: JOINS,
            previous_epoch: JOINS,
            rebalance_timeout: Duration::ZERO,
            topics: BTreeSet::new(),
            pattern: None,
            assignor: None,
            target: Partitions::new(),
            assigned: Partitions::new(),
            revoking: Partitions::new(),
            unreleased: false,
            expires: Instant::now(),
            revoked_by: None,
        }
    }

    /// As Kafka: the epoch before is good if the member owns no more than it may, for then the answer was lost.
    pub(super) fn check_epoch(&self, heartbeat: &Heartbeat) -> Result<(), ResponseError> {
        let owns_too_much = || {
            let owned = heartbeat.owned.as_ref();
            owned.is_none_or(|owned| !owned.is_subset(&self.assigned))
        };
        let is_previous = heartbeat.epoch == self.previous_epoch && !owns_too_much();
        if heartbeat.epoch == self.epoch || (heartbeat.epoch < self.epoch && is_previous) {
            Ok(())
        } else {
            Err(ResponseError::FencedMemberEpoch)
        }
    }

    /// Takes over what the member says. Tells whether that calls for a new assignment.
    pub(super) fn update(&mut self, heartbeat: Heartbeat) -> bool {
        let mut changed = false;
        if let Some(pattern) = &heartbeat.pattern {
            // One that is none was refused before.
            let pattern = whole(pattern).ok().filter(|_| !pattern.is_empty());
            let text = |pattern: &Option<Regex>| pattern.as_ref().map(ToString::to_string);
            changed = text(&self.pattern) != text(&pattern);
            self.pattern = pattern;
        }
        if let Some(topics) = heartbeat.topics {
            changed |= self.topics != topics;
            self.topics = topics;
        }
        if heartbeat.assignor.is_some() {
            changed |= self.assignor != heartbeat.assignor;
            self.assignor = heartbeat.assignor;
        }
        if let Some(timeout) = heartbeat.rebalance_timeout {
            self.rebalance_timeout = timeout;
        }
        if heartbeat.rack.is_some() {
            self.rack = heartbeat.rack;
        }
        self.client_id = heartbeat.client_id;
        self.client_host = heartbeat.client_host;
        changed
    }

    /// The topics that it wants and that exist, with how many partitions they have.
    pub(super) fn subscription(&self, topics: &Topics) -> BTreeMap<TopicId, usize> {
        let matches = |name: &str| match &self.pattern {
            Some(pattern) => self.topics.contains(name) || pattern.is_match(name),
            None => self.topics.contains(name),
        };
        let wanted = topics.iter().filter(|(name, _)| matches(name));
        wanted
            .map(|(_, topic)| (topic.id, topic.partitions.len()))
            .collect()
    }

    /// The pattern as the member gave it.
    pub(crate) fn pattern(&self) -> Option<&str> {
        let whole = self.pattern.as_ref()?.as_str();
        whole.strip_prefix("^(?:")?.strip_suffix(")$")
    }

    pub(super) fn deadline(&self) -> Instant {
        let revoked_by = self.revoked_by.unwrap_or(self.expires);
        self.expires.min(revoked_by)
    }
}

/// What names that `pattern` matches as a whole match.
pub(crate) fn whole(pattern: &str) -> Result<Regex, regex_lite::Error> {
    Regex::new(&format!("^(?:{pattern})$"))
}
