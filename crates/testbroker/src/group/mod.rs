//! A classic consumer group (KIP-62, KIP-345, KIP-394) as a state machine without I/O.
//!
//! Owns: members, generations, rebalances, and their deadlines. Does not: know topics or offsets,
//! read clocks, wait.
//!
//! Each `handle_*` takes `now`, which never goes backwards. `JoinGroup` and `SyncGroup` answers
//! come out of [`Group::poll_answer`], some at once and some after later requests or
//! [`Group::handle_timeout`], which is due at [`Group::poll_timeout`]. Drain `poll_answer` after
//! every call.
//!
//! ```text
//! Empty -> PreparingRebalance -> CompletingRebalance -> Stable
//!   ^______________|   ^_________________|________________|
//! ```
//!
//! Invariants
//! - a request that waits belongs to a member: `joining` only in `PreparingRebalance`, `syncing`
//!   only in `CompletingRebalance`
//! - `leader` is a member unless there are none
//! - members and pending members together are at most [`MEMBERS_MAX`]

mod join;
mod member;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::ResponseError;
use tokio::time::Instant;

pub(crate) use member::Member;

/// Members, pending ones included, of one group.
const MEMBERS_MAX: usize = 1000;
/// How long a new member's `JoinGroup` may wait before its client is given up, as with Kafka.
const NEW_MEMBER_JOIN_TIMEOUT: Duration = Duration::from_secs(300);

/// Names a request that may be answered later.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct RequestId(pub(crate) u64);

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum State {
    Empty,
    PreparingRebalance,
    CompletingRebalance,
    Stable,
}

impl State {
    /// Kafka's name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::PreparingRebalance => "PreparingRebalance",
            Self::CompletingRebalance => "CompletingRebalance",
            Self::Stable => "Stable",
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct JoinRequest {
    pub(crate) id: RequestId,
    /// Empty for a member that has none yet.
    pub(crate) member_id: String,
    /// The id to give to such a member.
    pub(crate) new_member_id: String,
    pub(crate) instance_id: Option<String>,
    pub(crate) client_id: String,
    pub(crate) client_host: String,
    pub(crate) session_timeout: Duration,
    pub(crate) rebalance_timeout: Duration,
    pub(crate) protocol_type: String,
    pub(crate) protocols: Vec<(String, Bytes)>,
    /// A new member must come again with the id it is given (version 4, KIP-394).
    pub(crate) requires_known_member_id: bool,
    /// A returning static leader can be told to keep the assignment (version 9, KIP-814).
    pub(crate) supports_skipping_assignment: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct SyncRequest {
    pub(crate) id: RequestId,
    pub(crate) caller: Caller,
    pub(crate) protocol_type: Option<String>,
    pub(crate) protocol: Option<String>,
    pub(crate) assignments: Vec<(String, Bytes)>,
}

/// Who a member says it is.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) member_id: String,
    pub(crate) instance_id: Option<String>,
    pub(crate) generation: i32,
}

impl Caller {
    /// Whether it says nothing of the kind.
    pub(crate) fn is_anonymous(&self) -> bool {
        self.generation < 0 && self.member_id.is_empty() && self.instance_id.is_none()
    }
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Answer {
    Join(JoinAnswer),
    Sync(SyncAnswer),
}

#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct JoinAnswer {
    pub(crate) error: Option<ResponseError>,
    pub(crate) generation: i32,
    pub(crate) protocol_type: Option<String>,
    pub(crate) protocol: Option<String>,
    pub(crate) leader: String,
    pub(crate) skip_assignment: bool,
    pub(crate) member_id: String,
    /// For the leader: everyone's id, instance id and metadata.
    pub(crate) members: Vec<(String, Option<String>, Bytes)>,
}

impl JoinAnswer {
    pub(crate) fn refused(error: ResponseError, member_id: String) -> Self {
        Self {
            error: Some(error),
            generation: -1,
            member_id,
            ..Self::default()
        }
    }
}

#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct SyncAnswer {
    pub(crate) error: Option<ResponseError>,
    pub(crate) protocol_type: Option<String>,
    pub(crate) protocol: Option<String>,
    pub(crate) assignment: Bytes,
}

impl SyncAnswer {
    pub(crate) fn refused(error: ResponseError) -> Self {
        Self {
            error: Some(error),
            ..Self::default()
        }
    }
}

#[derive(Debug)]
pub(crate) struct Group {
    state: State,
    generation: i32,
    protocol_type: Option<String>,
    protocol: Option<String>,
    leader: Option<String>,
    /// In the order of their joining.
    members: Vec<Member>,
    /// Ids given out, whose owners have yet to come again with them.
    pending: BTreeMap<String, Instant>,
    /// Instance ids and the member ids that hold them.
    instances: HashMap<String, String>,
    /// When to stop waiting for members: to join in `PreparingRebalance`, to sync after it.
    deadline: Option<Instant>,
    answers: VecDeque<(RequestId, Answer)>,
}

impl Group {
    pub(crate) fn new() -> Self {
        Self {
            state: State::Empty,
            generation: 0,
            protocol_type: None,
            protocol: None,
            leader: None,
            members: Vec::new(),
            pending: BTreeMap::new(),
            instances: HashMap::new(),
            deadline: None,
            answers: VecDeque::new(),
        }
    }

    pub(crate) fn handle_sync(&mut self, now: Instant, request: SyncRequest) {
        if let Err(error) = self.check_sync(&request) {
            self.answers
                .push_back((request.id, Answer::Sync(SyncAnswer::refused(error))));
            return;
        }
        let is_leader = self.leader.as_ref() == Some(&request.caller.member_id);
        let completing = self.state == State::CompletingRebalance;
        let Some(member) = self.member_mut(&request.caller.member_id) else {
            return;
        };
        member.synced = true;
        // A second SyncGroup, say over a new connection, takes the place of the first.
        let replaced = member.syncing.replace(request.id);
        member.expires = None;
        if let Some(replaced) = replaced {
            let answer = SyncAnswer::refused(ResponseError::RebalanceInProgress);
            self.answers.push_back((replaced, Answer::Sync(answer)));
        }
        if completing && is_leader {
            let mut assignments: HashMap<_, _> = request.assignments.into_iter().collect();
            for member in &mut self.members {
                member.assignment = assignments.remove(&member.id).unwrap_or_default();
            }
            self.state = State::Stable;
        }
        if self.state == State::Stable {
            if self.members.iter().all(|member| member.synced) {
                self.deadline = None;
            }
            self.answer_syncs(now, None);
        }
    }

    pub(crate) fn handle_heartbeat(
        &mut self,
        now: Instant,
        caller: &Caller,
    ) -> Result<(), ResponseError> {
        self.check_caller(caller)?;
        let rebalancing = self.state == State::PreparingRebalance;
        if let Some(member) = self.member_mut(&caller.member_id) {
            member.is_alive(now);
        }
        if rebalancing {
            Err(ResponseError::RebalanceInProgress)
        } else {
            Ok(())
        }
    }

    /// Judges a commit, which also counts as a sign of life.
    pub(crate) fn handle_commit(
        &mut self,
        now: Instant,
        caller: &Caller,
    ) -> Result<(), ResponseError> {
        if caller.generation < 0 && self.state == State::Empty {
            // Someone who manages partitions without the group, or an administrator.
            return Ok(());
        }
        if caller.is_anonymous() {
            return Err(ResponseError::UnknownMemberId);
        }
        self.check_caller(caller)?;
        if self.state == State::CompletingRebalance {
            return Err(ResponseError::RebalanceInProgress);
        }
        if let Some(member) = self.member_mut(&caller.member_id) {
            member.is_alive(now);
        }
        Ok(())
    }

    /// Judges a commit within a transaction: whoever says which member it is must be that member; a
    /// producer that says nothing may commit at any time (KIP-447).
    pub(crate) fn handle_transactional_commit(
        &mut self,
        now: Instant,
        caller: &Caller,
    ) -> Result<(), ResponseError> {
        if caller.is_anonymous() {
            return Ok(());
        }
        if caller.generation < 0 && self.state == State::Empty {
            return Ok(());
        }
        self.check_caller(caller)?;
        if let Some(member) = self.member_mut(&caller.member_id) {
            member.is_alive(now);
        }
        Ok(())
    }

    /// Removes a member by its id, or by its instance id if it gives no other.
    pub(crate) fn handle_leave(
        &mut self,
        now: Instant,
        member_id: &str,
        instance_id: Option<&str>,
    ) -> Result<(), ResponseError> {
        let member_id = match instance_id {
            None if self.pending.remove(member_id).is_some() => {
                self.complete_join_if_all_joined(now);
                return Ok(());
            }
            None => member_id.to_owned(),
            Some(instance_id) => {
                let holder = self
                    .instances
                    .get(instance_id)
                    .ok_or(ResponseError::UnknownMemberId)?;
                if !member_id.is_empty() && member_id != holder {
                    return Err(ResponseError::FencedInstanceId);
                }
                holder.clone()
            }
        };
        if self.member(&member_id).is_none() {
            return Err(ResponseError::UnknownMemberId);
        }
        self.remove_and_rebalance(now, &member_id);
        Ok(())
    }

    /// Gives up members and rebalances whose time is over.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        let pending = self.pending.len();
        self.pending.retain(|_, expires| *expires > now);
        if self.pending.len() < pending {
            self.complete_join_if_all_joined(now);
        }
        let is_over = |member: &&Member| member.expires.is_some_and(|expires| expires <= now);
        while let Some(id) = self
            .members
            .iter()
            .find(is_over)
            .map(|member| member.id.clone())
        {
            self.remove_and_rebalance(now, &id);
        }
        if self.deadline.is_none_or(|deadline| deadline > now) {
            return;
        }
        match self.state {
            State::PreparingRebalance => self.complete_join(now),
            State::CompletingRebalance | State::Stable => {
                let late = self
                    .members
                    .iter()
                    .filter(|member| !member.synced)
                    .map(|member| member.id.clone());
                for id in late.collect::<Vec<_>>() {
                    self.remove(&id);
                }
                self.prepare_rebalance(now);
            }
            State::Empty => self.deadline = None,
        }
    }

    /// An answer that is due, and whose it is.
    pub(crate) fn poll_answer(&mut self) -> Option<(RequestId, Answer)> {
        self.answers.pop_front()
    }

    /// When `handle_timeout` is due.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let members = self.members.iter().filter_map(|member| member.expires);
        members
            .chain(self.pending.values().copied())
            .chain(self.deadline)
            .min()
    }

    pub(crate) fn state(&self) -> State {
        self.state
    }

    pub(crate) fn protocol_type(&self) -> &str {
        self.protocol_type.as_deref().unwrap_or_default()
    }

    /// The protocol that all members of this generation use.
    pub(crate) fn protocol(&self) -> &str {
        self.protocol.as_deref().unwrap_or_default()
    }

    pub(crate) fn members(&self) -> &[Member] {
        &self.members
    }

    /// Whether nothing would be lost with the group.
    pub(crate) fn is_idle(&self) -> bool {
        self.state == State::Empty && self.pending.is_empty()
    }

    fn check_sync(&self, request: &SyncRequest) -> Result<(), ResponseError> {
        self.check_caller(&request.caller)?;
        let differs = |said: &Option<String>, own: &Option<String>| said.is_some() && said != own;
        if differs(&request.protocol_type, &self.protocol_type)
            || differs(&request.protocol, &self.protocol)
        {
            return Err(ResponseError::InconsistentGroupProtocol);
        }
        if self.state == State::PreparingRebalance {
            Err(ResponseError::RebalanceInProgress)
        } else {
            Ok(())
        }
    }

    fn check_caller(&self, caller: &Caller) -> Result<(), ResponseError> {
        self.check_identity(&caller.member_id, caller.instance_id.as_deref())?;
        if caller.generation == self.generation {
            Ok(())
        } else {
            Err(ResponseError::IllegalGeneration)
        }
    }

    fn check_identity(
        &self,
        member_id: &str,
        instance_id: Option<&str>,
    ) -> Result<(), ResponseError> {
        if let Some(instance_id) = instance_id {
            let holder = self
                .instances
                .get(instance_id)
                .ok_or(ResponseError::UnknownMemberId)?;
            if holder != member_id {
                return Err(ResponseError::FencedInstanceId);
            }
        }
        self.member(member_id)
            .map(|_| ())
            .ok_or(ResponseError::UnknownMemberId)
    }

    fn answer_syncs(&mut self, now: Instant, error: Option<ResponseError>) {
        for member in &mut self.members {
            let Some(request) = member.syncing.take() else {
                continue;
            };
            member.is_alive(now);
            let answer = error.map_or_else(
                || SyncAnswer {
                    error: None,
                    protocol_type: self.protocol_type.clone(),
                    protocol: self.protocol.clone(),
                    assignment: member.assignment.clone(),
                },
                SyncAnswer::refused,
            );
            self.answers.push_back((request, Answer::Sync(answer)));
        }
    }

    fn remove_and_rebalance(&mut self, now: Instant, member_id: &str) {
        self.remove(member_id);
        match self.state {
            State::Stable | State::CompletingRebalance => self.prepare_rebalance(now),
            State::PreparingRebalance => self.complete_join_if_all_joined(now),
            State::Empty => {}
        }
    }

    fn remove(&mut self, member_id: &str) {
        let Some(index) = self
            .members
            .iter()
            .position(|member| member.id == member_id)
        else {
            return;
        };
        let member = self.members.remove(index);
        let error = ResponseError::UnknownMemberId;
        if let Some(request) = member.joining {
            self.answers.push_back((
                request,
                Answer::Join(JoinAnswer::refused(error, member.id.clone())),
            ));
        }
        if let Some(request) = member.syncing {
            self.answers
                .push_back((request, Answer::Sync(SyncAnswer::refused(error))));
        }
        if let Some(instance_id) = member.instance_id {
            self.instances.remove(&instance_id);
        }
        if self.leader.as_ref() == Some(&member.id) {
            self.leader = self.members.first().map(|member| member.id.clone());
        }
    }

    fn member(&self, id: &str) -> Option<&Member> {
        self.members.iter().find(|member| member.id == id)
    }

    fn member_mut(&mut self, id: &str) -> Option<&mut Member> {
        self.members.iter_mut().find(|member| member.id == id)
    }
}
