//! The groups of the cluster, their committed offsets, and the requests that wait for them.
//!
//! Owns: which groups exist, and of which protocol each is. Does not: decide rebalances (`group`,
//! `consumer_group`), know which node coordinates what (`cluster`).
//!
//! Invariants
//! - at most [`GROUPS_MAX`] groups; idle ones without offsets make room for new ones
//! - every waiting request is answered once, or its receiver is gone
//! - after each call, [`Coordinator::poll_timeout`] may have moved; whoever sleeps by it must look
//!   again

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use kafka_protocol::ResponseError;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::consumer_group::{self, ConsumerGroup, Heartbeat, Topics};
use crate::group::{Answer, Caller, Group, JoinRequest, RequestId, SyncRequest};

const GROUPS_MAX: usize = 10_000;

/// What was committed for one partition.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct CommittedOffset {
    pub(crate) offset: i64,
    pub(crate) leader_epoch: i32,
    pub(crate) metadata: String,
}

/// By topic and partition.
pub(crate) type Offsets = BTreeMap<(String, i32), CommittedOffset>;

/// Who is in a group, by its protocol. A group without members takes on that of the first that comes.
#[derive(Debug)]
pub(crate) enum Members {
    Classic(Group),
    Consumer(ConsumerGroup),
}

impl Members {
    /// Whether nothing would be lost with them.
    fn is_idle(&self) -> bool {
        match self {
            Self::Classic(group) => group.is_idle(),
            Self::Consumer(group) => group.members().is_empty(),
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        match self {
            Self::Classic(group) => group.poll_timeout(),
            Self::Consumer(group) => group.poll_timeout(),
        }
    }

    /// Kafka's names of its type, the protocol of its members, and its state.
    pub(crate) fn names(&self) -> (&'static str, &str, &'static str) {
        match self {
            Self::Classic(group) => ("classic", group.protocol_type(), group.state().name()),
            Self::Consumer(group) => ("consumer", "consumer", group.state()),
        }
    }
}

#[derive(Debug)]
struct Coordinated {
    members: Members,
    offsets: Offsets,
    /// Offsets of open transactions, by producer id.
    pending: BTreeMap<i64, Offsets>,
}

impl Coordinated {
    /// Whether something would be lost with the group.
    fn holds_offsets(&self) -> bool {
        !self.offsets.is_empty() || !self.pending.is_empty()
    }
}

#[derive(Debug, Default)]
pub(crate) struct Coordinator {
    groups: BTreeMap<String, Coordinated>,
    waiting: HashMap<RequestId, oneshot::Sender<Answer>>,
    requests: u64,
}

impl Coordinator {
    /// Starts a `JoinGroup`; `request.id` is replaced. The answer comes through the receiver.
    pub(crate) fn join(
        &mut self,
        now: Instant,
        group_id: &str,
        mut request: JoinRequest,
    ) -> Result<oneshot::Receiver<Answer>, ResponseError> {
        if request.member_id.is_empty() {
            self.create(group_id)?;
        } else if !self.groups.contains_key(group_id) {
            return Err(ResponseError::UnknownMemberId);
        }
        self.make_classic(group_id)?;
        let (id, receiver) = self.wait();
        request.id = id;
        self.with_group(group_id, |group| group.handle_join(now, request))?;
        Ok(receiver)
    }

    /// Starts a `SyncGroup`; `request.id` is replaced. The answer comes through the receiver.
    pub(crate) fn sync(
        &mut self,
        now: Instant,
        group_id: &str,
        mut request: SyncRequest,
    ) -> Result<oneshot::Receiver<Answer>, ResponseError> {
        if !self.groups.contains_key(group_id) {
            return Err(ResponseError::UnknownMemberId);
        }
        let (id, receiver) = self.wait();
        request.id = id;
        self.with_group(group_id, |group| group.handle_sync(now, request))?;
        Ok(receiver)
    }

    pub(crate) fn heartbeat(
        &mut self,
        now: Instant,
        group_id: &str,
        caller: &Caller,
    ) -> Result<(), ResponseError> {
        self.with_group(group_id, |group| group.handle_heartbeat(now, caller))?
    }

    pub(crate) fn leave(
        &mut self,
        now: Instant,
        group_id: &str,
        member_id: &str,
        instance_id: Option<&str>,
    ) -> Result<(), ResponseError> {
        self.with_group(group_id, |group| {
            group.handle_leave(now, member_id, instance_id)
        })?
    }

    /// Answers a member of the consumer protocol.
    pub(crate) fn consumer_heartbeat(
        &mut self,
        now: Instant,
        group_id: &str,
        heartbeat: Heartbeat,
        topics: &Topics,
        session_timeout: Duration,
    ) -> Result<consumer_group::Answer, ResponseError> {
        if heartbeat.joins() {
            self.create(group_id)?;
        }
        let coordinated = self.groups.get_mut(group_id);
        let members = &mut coordinated.ok_or(ResponseError::GroupIdNotFound)?.members;
        if heartbeat.joins() && members.is_idle() && matches!(members, Members::Classic(_)) {
            *members = Members::Consumer(ConsumerGroup::default());
        }
        match members {
            Members::Consumer(group) => {
                group.handle_heartbeat(now, heartbeat, topics, session_timeout)
            }
            Members::Classic(_) => Err(ResponseError::GroupIdNotFound),
        }
    }

    /// Judges who asks for committed offsets and says which member it is (KIP-848).
    pub(crate) fn check_reader(
        &self,
        group_id: &str,
        member_id: &str,
        epoch: i32,
    ) -> Result<(), ResponseError> {
        let says_who = !member_id.is_empty() || epoch >= 0;
        match self.members(group_id) {
            Some(Members::Consumer(group)) if says_who => group.check_caller(member_id, epoch),
            _ => Ok(()),
        }
    }

    /// Judges a commit by `caller`; if it may, the group's offsets come back to be written.
    pub(crate) fn commit(
        &mut self,
        now: Instant,
        group_id: &str,
        caller: &Caller,
    ) -> Result<&mut Offsets, ResponseError> {
        if caller.generation < 0 {
            self.create(group_id)?;
        } else if !self.groups.contains_key(group_id) {
            return Err(ResponseError::IllegalGeneration);
        }
        let coordinated = self.coordinated(group_id)?;
        match &mut coordinated.members {
            Members::Classic(group) => group.handle_commit(now, caller)?,
            Members::Consumer(group) => group.check_caller(&caller.member_id, caller.generation)?,
        }
        Ok(&mut coordinated.offsets)
    }

    /// As [`Coordinator::commit`], for offsets that count when the producer's transaction commits.
    pub(crate) fn commit_in_transaction(
        &mut self,
        now: Instant,
        group_id: &str,
        caller: &Caller,
        producer_id: i64,
    ) -> Result<&mut Offsets, ResponseError> {
        if caller.generation < 0 {
            self.create(group_id)?;
        } else if !self.groups.contains_key(group_id) {
            return Err(ResponseError::IllegalGeneration);
        }
        let coordinated = self.coordinated(group_id)?;
        match &mut coordinated.members {
            Members::Classic(group) => group.handle_transactional_commit(now, caller)?,
            Members::Consumer(group) if !caller.is_anonymous() => {
                group.check_caller(&caller.member_id, caller.generation)?;
            }
            Members::Consumer(_) => {}
        }
        Ok(coordinated.pending.entry(producer_id).or_default())
    }

    /// Takes over or drops what the producer's transaction has committed for the group.
    pub(crate) fn end_transaction(&mut self, group_id: &str, producer_id: i64, commit: bool) {
        if let Some(coordinated) = self.groups.get_mut(group_id)
            && let Some(offsets) = coordinated.pending.remove(&producer_id)
            && commit
        {
            coordinated.offsets.extend(offsets);
        }
    }

    /// Whether an open transaction has an offset for this partition (KIP-447).
    pub(crate) fn is_unstable(&self, group_id: &str, topic: &str, partition: i32) -> bool {
        let at = (topic.to_owned(), partition);
        self.groups.get(group_id).is_some_and(|coordinated| {
            let mut pending = coordinated.pending.values();
            pending.any(|offsets| offsets.contains_key(&at))
        })
    }

    pub(crate) fn delete(&mut self, group_id: &str) -> Result<(), ResponseError> {
        let coordinated = self
            .groups
            .get(group_id)
            .ok_or(ResponseError::GroupIdNotFound)?;
        if !coordinated.members.is_idle() {
            return Err(ResponseError::NonEmptyGroup);
        }
        self.groups.remove(group_id);
        Ok(())
    }

    /// Forgets what was committed for a topic that is no more.
    pub(crate) fn forget_topic(&mut self, topic: &str) {
        for coordinated in self.groups.values_mut() {
            coordinated.offsets.retain(|(name, _), _| name != topic);
            for offsets in coordinated.pending.values_mut() {
                offsets.retain(|(name, _), _| name != topic);
            }
        }
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        for coordinated in self.groups.values_mut() {
            let members = &mut coordinated.members;
            if members.poll_timeout().is_none_or(|timeout| timeout > now) {
                continue;
            }
            match members {
                Members::Classic(group) => {
                    group.handle_timeout(now);
                    deliver(group, &mut self.waiting);
                }
                Members::Consumer(group) => group.handle_timeout(now),
            }
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.groups
            .values()
            .filter_map(|coordinated| coordinated.members.poll_timeout())
            .min()
    }

    pub(crate) fn offsets(&self, group_id: &str) -> Option<&Offsets> {
        self.groups
            .get(group_id)
            .map(|coordinated| &coordinated.offsets)
    }

    pub(crate) fn members(&self, group_id: &str) -> Option<&Members> {
        self.groups
            .get(group_id)
            .map(|coordinated| &coordinated.members)
    }

    pub(crate) fn groups(&self) -> impl Iterator<Item = (&str, &Members)> {
        self.groups
            .iter()
            .map(|(id, coordinated)| (id.as_str(), &coordinated.members))
    }

    fn create(&mut self, group_id: &str) -> Result<(), ResponseError> {
        if group_id.is_empty() {
            return Err(ResponseError::InvalidGroupId);
        }
        if self.groups.contains_key(group_id) {
            return Ok(());
        }
        if self.groups.len() >= GROUPS_MAX {
            self.groups.retain(|_, coordinated| {
                !coordinated.members.is_idle() || coordinated.holds_offsets()
            });
        }
        if self.groups.len() >= GROUPS_MAX {
            return Err(ResponseError::CoordinatorNotAvailable);
        }
        self.groups.insert(
            group_id.to_owned(),
            Coordinated {
                members: Members::Classic(Group::new()),
                offsets: Offsets::new(),
                pending: BTreeMap::new(),
            },
        );
        Ok(())
    }

    fn wait(&mut self) -> (RequestId, oneshot::Receiver<Answer>) {
        self.requests += 1;
        let id = RequestId(self.requests);
        let (sender, receiver) = oneshot::channel();
        self.waiting.insert(id, sender);
        (id, receiver)
    }

    fn coordinated(&mut self, group_id: &str) -> Result<&mut Coordinated, ResponseError> {
        let coordinated = self.groups.get_mut(group_id);
        coordinated.ok_or(ResponseError::UnknownMemberId)
    }

    /// For a member of the classic protocol that joins.
    fn make_classic(&mut self, group_id: &str) -> Result<(), ResponseError> {
        let members = &mut self.coordinated(group_id)?.members;
        if matches!(members, Members::Classic(_)) {
            return Ok(());
        }
        if !members.is_idle() {
            return Err(ResponseError::InconsistentGroupProtocol);
        }
        *members = Members::Classic(Group::new());
        Ok(())
    }

    fn with_group<T>(
        &mut self,
        group_id: &str,
        act: impl FnOnce(&mut Group) -> T,
    ) -> Result<T, ResponseError> {
        let coordinated = self.groups.get_mut(group_id);
        let members = coordinated.map(|coordinated| &mut coordinated.members);
        let Some(Members::Classic(group)) = members else {
            return Err(ResponseError::UnknownMemberId);
        };
        let result = act(group);
        deliver(group, &mut self.waiting);
        Ok(result)
    }
}

fn deliver(group: &mut Group, waiting: &mut HashMap<RequestId, oneshot::Sender<Answer>>) {
    while let Some((id, answer)) = group.poll_answer() {
        if let Some(sender) = waiting.remove(&id) {
            // The receiver may be gone with its connection.
            let _ = sender.send(answer);
        }
    }
}
