//! One fetch session with one broker (KIP-227): what it was told to read, so that a request names
//! only what has changed.
//!
//! Owns: the partitions wanted from the broker, what it knows of them, the ids of the session.
//! Does not: send, or know whether a partition ought to be read.
//!
//! A session begins with a full request (epoch 0) and goes on with what changed (epochs 1, 2, …). A
//! broker may have none to give: then every request is a full one. Whatever goes wrong, the next
//! request is a full one again, which also closes the old session.
//!
//! Invariants
//! - an answer about a partition counts only for what the broker was told last about it
//! - topics are named by id if all wanted ones have an id, by name otherwise; a session never mixes
//!   both (KIP-516)
//! - a topic that was made anew is another topic: the old id is forgotten when the new one is told

use std::collections::HashMap;
use std::sync::Arc;

use klamm_codec::ErrorCode;
use klamm_net::{TopicId, TopicPartition};

use super::partition::Epoch;

/// What is wanted of one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) topic_id: TopicId,
    pub(crate) offset: i64,
    pub(crate) leader_epoch: i32,
    /// Of the position that it is wanted for.
    pub(crate) epoch: Epoch,
    /// When it was served last: those served longest ago come first in a request.
    pub(crate) turn: u64,
}

#[derive(Debug)]
struct Member {
    wanted: Wanted,
    /// What the broker knows, since the last request that was sent.
    told: Option<Wanted>,
    /// Whether it is among those to be told.
    queued: bool,
}

/// What the next request says of the session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SessionRequest {
    pub(crate) id: i32,
    /// 0 for a full request.
    pub(crate) epoch: i32,
    /// Whether topics are to be named by id.
    pub(crate) by_id: bool,
    pub(crate) tell: Vec<(TopicPartition, Wanted)>,
    pub(crate) forget: Vec<(TopicPartition, TopicId)>,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct FetchSession {
    id: i32,
    /// Of the next request.
    epoch: i32,
    by_id: bool,
    members: HashMap<TopicPartition, Member>,
    queued: Vec<TopicPartition>,
    forgotten: Vec<(TopicPartition, TopicId)>,
    /// Names of the topics in the session.
    names: HashMap<TopicId, Arc<str>>,
    without_id: usize,
}

impl FetchSession {
    /// Wants this of a partition from now on.
    pub(crate) fn want(&mut self, partition: &TopicPartition, wanted: Wanted) {
        let before = self.members.get(partition).map(|it| it.wanted.topic_id);
        if before != Some(wanted.topic_id) {
            self.without_id -= usize::from(before.is_some_and(TopicId::is_zero));
            self.without_id += usize::from(wanted.topic_id.is_zero());
            let name = Arc::clone(&partition.topic);
            self.names.insert(wanted.topic_id, name);
        }
        let member = self
            .members
            .entry(partition.clone())
            .or_insert_with(|| Member {
                wanted,
                told: None,
                queued: false,
            });
        member.wanted = wanted;
        let is_known = member.told.is_some_and(|told| told.says(&wanted));
        if !is_known && !member.queued {
            member.queued = true;
            self.queued.push(partition.clone());
        }
    }

    /// Wants nothing of a partition any more.
    pub(crate) fn forget(&mut self, partition: &TopicPartition) {
        let Some(member) = self.members.remove(partition) else {
            return;
        };
        if member.wanted.topic_id.is_zero() {
            self.without_id -= 1;
        }
        if let Some(told) = member.told {
            self.forgotten.push((partition.clone(), told.topic_id));
        }
    }

    /// Whether there is nothing to read from this broker.
    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// The partitions that are wanted.
    pub(crate) fn partitions(&self) -> impl Iterator<Item = &TopicPartition> {
        self.members.keys()
    }

    /// The id of the session, if the broker keeps one.
    pub(crate) fn id(&self) -> Option<i32> {
        (self.id != 0).then_some(self.id)
    }

    /// What the broker was told last about a partition.
    pub(crate) fn told(&self, partition: &TopicPartition) -> Option<Wanted> {
        self.members.get(partition)?.told
    }

    /// The name of a topic in the session.
    pub(crate) fn name(&self, id: TopicId) -> Option<&Arc<str>> {
        self.names.get(&id)
    }

    /// What to send now; it counts as told.
    pub(crate) fn poll_request(&mut self) -> SessionRequest {
        let by_id = self.without_id == 0;
        if by_id != self.by_id {
            self.by_id = by_id;
            self.epoch = 0;
        }
        let mut request = SessionRequest {
            id: self.id,
            epoch: self.epoch,
            by_id,
            ..SessionRequest::default()
        };
        if self.epoch == 0 {
            self.queued.clear();
            self.forgotten.clear();
            request.tell.reserve(self.members.len());
            for (partition, member) in &mut self.members {
                member.told = Some(member.wanted);
                member.queued = false;
                request.tell.push((partition.clone(), member.wanted));
            }
        } else {
            self.tell_changes(&mut request);
        }
        let turn =
            |(partition, wanted): &(TopicPartition, Wanted)| (wanted.turn, partition.partition);
        request.tell.sort_unstable_by_key(turn);
        request
    }

    fn tell_changes(&mut self, request: &mut SessionRequest) {
        for partition in self.queued.drain(..) {
            // Not if it was forgotten meanwhile, or stands twice here for that reason.
            let Some(member) = self.members.get_mut(&partition) else {
                continue;
            };
            if !std::mem::take(&mut member.queued) {
                continue;
            }
            if let Some(told) = member.told.replace(member.wanted)
                && told.topic_id != member.wanted.topic_id
            {
                self.forgotten.push((partition.clone(), told.topic_id));
            }
            request.tell.push((partition, member.wanted));
        }
        // What was forgotten and is wanted again stays; by name, so does a topic made anew.
        let members = &self.members;
        let by_id = self.by_id;
        self.forgotten.retain(|(partition, id)| {
            let wanted = members.get(partition).map(|member| member.wanted.topic_id);
            wanted.is_none_or(|wanted| by_id && wanted != *id)
        });
        request.forget = std::mem::take(&mut self.forgotten);
    }

    /// The broker answered the last request, about the session as a whole with `code`. `is_complete`
    /// says whether it named what it was asked about. False if the answer does not belong to this
    /// session and must not be used.
    pub(crate) fn handle_response(&mut self, id: i32, code: ErrorCode, is_complete: bool) -> bool {
        if code == ErrorCode::FETCH_SESSION_ID_NOT_FOUND {
            self.id = 0;
            self.epoch = 0;
            return false;
        }
        if !code.is_none() {
            self.handle_failure();
            return false;
        }
        if self.epoch == 0 {
            self.id = id;
            // Without an id the broker keeps no session.
            self.epoch = i32::from(id != 0 && is_complete);
            return true;
        }
        match id {
            id if id == self.id && is_complete => {
                self.epoch = self.epoch.checked_add(1).unwrap_or(1);
            }
            0 => {
                self.id = 0;
                self.epoch = 0;
            }
            _ => self.handle_failure(),
        }
        id == self.id || id == 0
    }

    /// Nobody knows what became of the last request: the next one begins anew, and closes what there
    /// may be of this session.
    pub(crate) fn handle_failure(&mut self) {
        self.epoch = 0;
    }
}

impl Wanted {
    /// Whether a broker that was told this knows all of `wanted`.
    fn says(&self, wanted: &Self) -> bool {
        Self {
            turn: wanted.turn,
            ..*self
        } == *wanted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partition(index: i32) -> TopicPartition {
        TopicPartition::new("t", index)
    }

    fn wanted(offset: i64) -> Wanted {
        Wanted {
            topic_id: TopicId([7; 16]),
            offset,
            leader_epoch: 5,
            epoch: Epoch(1),
            turn: 0,
        }
    }

    fn told(request: &SessionRequest) -> Vec<(i32, i64)> {
        let mut told: Vec<_> = request
            .tell
            .iter()
            .map(|(partition, wanted)| (partition.partition, wanted.offset))
            .collect();
        told.sort_unstable();
        told
    }

    /// A session 9 that reads partitions 0 and 1 from 0.
    fn established() -> FetchSession {
        let mut session = FetchSession::default();
        session.want(&partition(0), wanted(0));
        session.want(&partition(1), wanted(0));
        let first = session.poll_request();
        assert_eq!((first.id, first.epoch, first.by_id), (0, 0, true));
        assert_eq!(told(&first), [(0, 0), (1, 0)]);
        assert!(session.handle_response(9, ErrorCode::NONE, true));
        session
    }

    #[test]
    fn only_what_has_changed_is_told() {
        let mut session = established();
        let idle = session.poll_request();
        assert_eq!((idle.id, idle.epoch), (9, 1));
        assert!(idle.tell.is_empty() && idle.forget.is_empty());
        session.handle_response(9, ErrorCode::NONE, true);
        session.want(&partition(1), wanted(5));
        session.want(&partition(1), wanted(6));
        session.want(&partition(2), wanted(0));
        session.want(&partition(0), wanted(0));
        session.forget(&partition(0));
        let changed = session.poll_request();
        assert_eq!(changed.epoch, 2);
        assert_eq!(told(&changed), [(1, 6), (2, 0)]);
        assert_eq!(changed.forget, [(partition(0), TopicId([7; 16]))]);
        assert_eq!(session.told(&partition(0)), None);
        assert_eq!(session.told(&partition(1)).unwrap().offset, 6);
    }

    #[test]
    fn what_changes_while_a_request_is_under_way_counts_for_the_next() {
        let mut session = established();
        session.poll_request();
        session.want(&partition(0), wanted(3));
        assert_eq!(session.told(&partition(0)).unwrap().offset, 0);
        session.handle_response(9, ErrorCode::NONE, true);
        assert_eq!(told(&session.poll_request()), [(0, 3)]);
    }

    #[test]
    fn a_partition_that_goes_and_comes_back_is_told_again_and_not_forgotten() {
        let mut session = established();
        session.forget(&partition(0));
        session.want(&partition(0), wanted(4));
        assert_eq!(session.told(&partition(0)), None);
        let request = session.poll_request();
        assert_eq!((told(&request), request.forget.len()), (vec![(0, 4)], 0));
    }

    #[test]
    fn a_partition_that_comes_and_goes_before_it_was_told_leaves_nothing() {
        let mut session = established();
        session.want(&partition(5), wanted(4));
        session.forget(&partition(5));
        let request = session.poll_request();
        assert!(request.tell.is_empty() && request.forget.is_empty());
    }

    #[test]
    fn a_topic_made_anew_is_told_and_the_old_one_forgotten() {
        let mut session = established();
        let anew = Wanted {
            topic_id: TopicId([8; 16]),
            ..wanted(0)
        };
        session.want(&partition(0), anew);
        let request = session.poll_request();
        assert_eq!(request.tell, [(partition(0), anew)]);
        assert_eq!(request.forget, [(partition(0), TopicId([7; 16]))]);
        assert_eq!(session.name(TopicId([8; 16])).unwrap().as_ref(), "t");
    }

    #[test]
    fn a_topic_without_an_id_makes_all_be_named_in_a_session_of_its_own() {
        let mut session = established();
        let nameless = Wanted {
            topic_id: TopicId::default(),
            ..wanted(0)
        };
        session.want(&TopicPartition::new("old", 0), nameless);
        let request = session.poll_request();
        assert_eq!((request.id, request.epoch, request.by_id), (9, 0, false));
        assert_eq!(request.tell.len(), 3);
        session.handle_response(10, ErrorCode::NONE, true);
        // And back, when it goes or gets one.
        session.forget(&TopicPartition::new("old", 0));
        let request = session.poll_request();
        assert_eq!((request.id, request.epoch, request.by_id), (10, 0, true));
        session.want(&partition(1), nameless);
        session.want(&partition(1), wanted(1));
        assert_eq!(session.without_id, 0);
    }

    #[test]
    fn after_an_error_the_session_begins_anew_with_everything() {
        for (code, id) in [
            (ErrorCode::FETCH_SESSION_ID_NOT_FOUND, 0),
            (ErrorCode::INVALID_FETCH_SESSION_EPOCH, 9),
            (ErrorCode::FETCH_SESSION_TOPIC_ID_ERROR, 9),
        ] {
            let mut session = established();
            session.want(&partition(0), wanted(7));
            session.forget(&partition(1));
            session.poll_request();
            assert!(!session.handle_response(0, code, true), "{code}");
            let request = session.poll_request();
            assert_eq!((request.id, request.epoch), (id, 0), "{code}");
            assert_eq!((told(&request), request.forget.len()), (vec![(0, 7)], 0));
        }
        let mut session = established();
        session.poll_request();
        session.handle_failure();
        assert_eq!(session.poll_request().tell.len(), 2);
    }

    #[test]
    fn a_broker_that_keeps_no_session_is_told_everything_each_time() {
        let mut session = established();
        session.poll_request();
        assert!(session.handle_response(0, ErrorCode::NONE, true));
        for _ in 0..2 {
            let request = session.poll_request();
            assert_eq!((request.id, request.epoch, request.tell.len()), (0, 0, 2));
            assert!(session.handle_response(0, ErrorCode::NONE, true));
        }
    }

    #[test]
    fn an_answer_of_another_session_is_not_used_and_one_that_lacks_something_begins_anew() {
        let mut session = established();
        session.poll_request();
        assert!(!session.handle_response(11, ErrorCode::NONE, true));
        assert_eq!(session.poll_request().epoch, 0);
        assert!(session.handle_response(12, ErrorCode::NONE, false));
        assert_eq!(session.poll_request().epoch, 0);
    }

    #[test]
    fn epochs_start_again_at_one() {
        let mut session = established();
        session.epoch = i32::MAX;
        session.poll_request();
        session.handle_response(9, ErrorCode::NONE, true);
        assert_eq!(session.poll_request().epoch, 1);
    }
}
