//! Fetch sessions (KIP-227): what a client reads of a broker, remembered so that requests and answers
//! need only tell what has changed.
//!
//! Owns: the partitions and epochs of sessions. Does not: read logs.
//!
//! Invariant: at most [`SESSIONS_MAX`] sessions; the oldest is forgotten first, as a broker forgets
//! sessions when it needs room.

use std::collections::BTreeMap;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic, ForgottenTopic};
use kafka_protocol::messages::fetch_response::{FetchableTopicResponse, PartitionData};
use kafka_protocol::messages::{BrokerId, FetchRequest};

/// Kafka's default of `max.incremental.fetch.session.cache.slots`.
const SESSIONS_MAX: usize = 1000;
/// The epoch of a request outside of any session, which ends the one it names.
const FINAL_EPOCH: i32 = -1;
/// Topics are named by id from this version on.
const TOPIC_IDS_SINCE: i16 = 13;

#[derive(Debug, Default)]
pub(crate) struct FetchSessions {
    /// By id; the lowest is the oldest.
    sessions: BTreeMap<i32, Session>,
    last_id: i32,
}

#[derive(Debug)]
struct Session {
    node: BrokerId,
    by_id: bool,
    /// Of the next request.
    epoch: i32,
    /// Those served longest ago come first.
    partitions: Vec<Member>,
}

#[derive(Clone, Debug)]
struct Member {
    /// The topic alone, without partitions.
    topic: FetchTopic,
    partition: FetchPartition,
    told: Option<Told>,
}

/// What the client was told last.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Told {
    high_watermark: i64,
    log_start: i64,
}

/// What a request reads, and in which session.
#[derive(Debug)]
pub(crate) struct Reading {
    pub(crate) topics: Vec<FetchTopic>,
    /// 0 outside of any.
    pub(crate) session: i32,
    /// Whether the answer leaves out what has not changed.
    is_incremental: bool,
}

impl FetchSessions {
    /// What `request`, sent to `node`, reads.
    pub(crate) fn begin(
        &mut self,
        node: BrokerId,
        version: i16,
        request: &FetchRequest,
    ) -> Result<Reading, ResponseError> {
        let (id, epoch) = (request.session_id, request.session_epoch);
        let full = |session| Reading {
            topics: request.topics.clone(),
            session,
            is_incremental: false,
        };
        if version < 7 {
            return Ok(full(0));
        }
        if epoch == 0 || epoch == FINAL_EPOCH {
            if self.sessions.get(&id).is_some_and(|it| it.node == node) {
                self.sessions.remove(&id);
            }
            if epoch == FINAL_EPOCH || request.topics.is_empty() {
                return Ok(full(0));
            }
            return Ok(full(self.create(node, version, request)));
        }
        let session = self.sessions.get_mut(&id).filter(|it| it.node == node);
        let session = session.ok_or(ResponseError::FetchSessionIdNotFound)?;
        if session.epoch != epoch {
            return Err(ResponseError::InvalidFetchSessionEpoch);
        }
        if session.by_id != (version >= TOPIC_IDS_SINCE) {
            return Err(ResponseError::FetchSessionTopicIdError);
        }
        session.epoch = epoch.checked_add(1).unwrap_or(1);
        session.update(request);
        if session.partitions.is_empty() {
            self.sessions.remove(&id);
            return Ok(full(0));
        }
        Ok(Reading {
            topics: session.topics(),
            session: id,
            is_incremental: true,
        })
    }

    /// Leaves out of an answer to `reading` what the client knows, and remembers what it then knows.
    pub(crate) fn end(&mut self, reading: &Reading, topics: &mut Vec<FetchableTopicResponse>) {
        let Some(session) = self.sessions.get_mut(&reading.session) else {
            return;
        };
        for topic in topics.iter_mut() {
            let (name, id) = (topic.topic.clone(), topic.topic_id);
            topic.partitions.retain(|data| {
                let is_it = |member: &Member| {
                    member.topic.topic == name
                        && member.topic.topic_id == id
                        && member.partition.partition == data.partition_index
                };
                let Some(at) = session.partitions.iter().position(is_it) else {
                    return true;
                };
                let is_news = session.partitions[at].tell(data);
                if data
                    .records
                    .as_ref()
                    .is_some_and(|records| !records.is_empty())
                {
                    let served = session.partitions.remove(at);
                    session.partitions.push(served);
                }
                is_news || !reading.is_incremental
            });
        }
        topics.retain(|topic| !topic.partitions.is_empty());
    }

    /// The topics and partitions of a session.
    pub(crate) fn topics(&self, id: i32) -> Vec<FetchTopic> {
        self.sessions
            .get(&id)
            .map(Session::topics)
            .unwrap_or_default()
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.sessions.len()
    }

    /// Forgets all, as a broker that restarts does.
    pub(crate) fn clear(&mut self) {
        self.sessions.clear();
    }

    fn create(&mut self, node: BrokerId, version: i16, request: &FetchRequest) -> i32 {
        let mut session = Session {
            node,
            by_id: version >= TOPIC_IDS_SINCE,
            epoch: 1,
            partitions: Vec::new(),
        };
        session.update(request);
        if self.sessions.len() == SESSIONS_MAX {
            self.sessions.pop_first();
        }
        self.last_id += 1;
        self.sessions.insert(self.last_id, session);
        self.last_id
    }
}

impl Session {
    fn update(&mut self, request: &FetchRequest) {
        for topic in &request.topics {
            for partition in &topic.partitions {
                let bare = FetchTopic::default()
                    .with_topic(topic.topic.clone())
                    .with_topic_id(topic.topic_id);
                let known = self.partitions.iter_mut().find(|member| {
                    member.topic == bare && member.partition.partition == partition.partition
                });
                match known {
                    Some(member) => member.partition = partition.clone(),
                    None => self.partitions.push(Member {
                        topic: bare,
                        partition: partition.clone(),
                        told: None,
                    }),
                }
            }
        }
        let is_forgotten = |member: &Member, topic: &ForgottenTopic| {
            member.topic.topic == topic.topic
                && member.topic.topic_id == topic.topic_id
                && topic.partitions.contains(&member.partition.partition)
        };
        self.partitions.retain(|member| {
            let mut forgotten = request.forgotten_topics_data.iter();
            !forgotten.any(|topic| is_forgotten(member, topic))
        });
    }

    /// As a full request would name them.
    fn topics(&self) -> Vec<FetchTopic> {
        let mut topics: Vec<FetchTopic> = Vec::new();
        for member in &self.partitions {
            let same = |topic: &&mut FetchTopic| {
                topic.topic == member.topic.topic && topic.topic_id == member.topic.topic_id
            };
            match topics.last_mut().filter(same) {
                Some(topic) => topic.partitions.push(member.partition.clone()),
                None => {
                    let mut topic = member.topic.clone();
                    topic.partitions.push(member.partition.clone());
                    topics.push(topic);
                }
            }
        }
        topics
    }
}

impl Member {
    /// Whether `data` is news for the client, which knows it from now on.
    fn tell(&mut self, data: &PartitionData) -> bool {
        // After an error everything is news again.
        let told = (data.error_code == 0).then_some(Told {
            high_watermark: data.high_watermark,
            log_start: data.log_start_offset,
        });
        let has_records = data.records.as_ref().is_some_and(|it| !it.is_empty());
        let is_news = told.is_none()
            || told != self.told
            || has_records
            || data.preferred_read_replica.0 >= 0;
        self.told = told;
        is_news
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use kafka_protocol::messages::TopicName;
    use kafka_protocol::protocol::StrBytes;

    use super::*;

    const NODE: BrokerId = BrokerId(1);

    fn name() -> TopicName {
        TopicName(StrBytes::from_static_str("t"))
    }

    fn request(id: i32, epoch: i32, partitions: &[i32]) -> FetchRequest {
        let partition = |index: &i32| FetchPartition::default().with_partition(*index);
        let topic = FetchTopic::default()
            .with_topic(name())
            .with_partitions(partitions.iter().map(partition).collect());
        let request = FetchRequest::default()
            .with_session_id(id)
            .with_session_epoch(epoch);
        if partitions.is_empty() {
            request
        } else {
            request.with_topics(vec![topic])
        }
    }

    fn read_by(reading: &Reading) -> Vec<i32> {
        let topics = reading.topics.iter();
        topics
            .flat_map(|topic| topic.partitions.iter().map(|it| it.partition))
            .collect()
    }

    /// What of an answer about `partitions` (index, high watermark, records) is told.
    fn told(
        sessions: &mut FetchSessions,
        reading: &Reading,
        partitions: &[(i32, i64, &'static [u8])],
    ) -> Vec<i32> {
        let data = |(index, high_watermark, records): &(i32, i64, &'static [u8])| {
            PartitionData::default()
                .with_partition_index(*index)
                .with_high_watermark(*high_watermark)
                .with_records(Some(Bytes::from_static(records)))
        };
        let topic = FetchableTopicResponse::default()
            .with_topic(name())
            .with_partitions(partitions.iter().map(data).collect());
        let mut topics = vec![topic];
        sessions.end(reading, &mut topics);
        let partitions = topics.iter().flat_map(|topic| &topic.partitions);
        partitions.map(|data| data.partition_index).collect()
    }

    #[test]
    fn a_session_answers_what_has_changed_and_serves_in_turns() {
        let mut sessions = FetchSessions::default();
        let first = sessions.begin(NODE, 12, &request(0, 0, &[0, 1])).unwrap();
        let id = first.session;
        assert!(id != 0);
        let all = [(0, 5, &b"r"[..]), (1, 5, b"")];
        assert_eq!(told(&mut sessions, &first, &all), [0, 1]);
        let next = sessions.begin(NODE, 12, &request(id, 1, &[])).unwrap();
        // The one that was served goes to the end.
        assert_eq!(read_by(&next), [1, 0]);
        let same = [(1, 5, &b""[..]), (0, 5, b"")];
        assert_eq!(told(&mut sessions, &next, &same), [0; 0]);
        let grown = [(1, 6, &b""[..]), (0, 5, b"r")];
        let next = sessions.begin(NODE, 12, &request(id, 2, &[])).unwrap();
        assert_eq!(told(&mut sessions, &next, &grown), [1, 0]);
        let forgotten = ForgottenTopic::default()
            .with_topic(name())
            .with_partitions(vec![0]);
        let change = request(id, 3, &[2]).with_forgotten_topics_data(vec![forgotten]);
        let next = sessions.begin(NODE, 12, &change).unwrap();
        assert_eq!(read_by(&next), [1, 2]);
    }

    #[test]
    fn sessions_are_refused_as_a_broker_refuses_them() {
        let mut sessions = FetchSessions::default();
        let id = sessions
            .begin(NODE, 12, &request(0, 0, &[0]))
            .unwrap()
            .session;
        let mut begin = |node, version, id, epoch| {
            let begun = sessions.begin(node, version, &request(id, epoch, &[]));
            begun.map(|reading| reading.session).unwrap_err()
        };
        let unknown = ResponseError::FetchSessionIdNotFound;
        assert_eq!(begin(NODE, 12, id + 1, 1), unknown);
        assert_eq!(begin(BrokerId(2), 12, id, 1), unknown);
        assert_eq!(
            begin(NODE, 12, id, 2),
            ResponseError::InvalidFetchSessionEpoch
        );
        assert_eq!(
            begin(NODE, 13, id, 1),
            ResponseError::FetchSessionTopicIdError
        );
    }

    #[test]
    fn the_final_epoch_ends_a_session_and_a_new_one_replaces_it() {
        let mut sessions = FetchSessions::default();
        let id = sessions
            .begin(NODE, 12, &request(0, 0, &[0]))
            .unwrap()
            .session;
        let again = sessions
            .begin(NODE, 12, &request(id, 0, &[0]))
            .unwrap()
            .session;
        assert_eq!((sessions.len(), again == id), (1, false));
        let last = sessions.begin(NODE, 12, &request(again, -1, &[])).unwrap();
        assert_eq!((last.session, sessions.len()), (0, 0));
    }
}
