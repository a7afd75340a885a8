//! The bytes that members of a consumer group exchange through their coordinator.
//!
//! Owns: `Subscription` (member to leader) and `Assignment` (leader to member), versions 0 to 3,
//! byte for byte as the Java client writes them: version 3, topics and owned partitions sorted,
//! non-flexible encoding.
//!
//! Newer versions are read as version 3; what follows its fields is ignored (KIP-429). The other end is whoever joins
//! the group, so the bytes are trusted no more than a broker's.
//!
//! Invariant: what is read takes at most 12 x its bytes in memory: a topic of one letter takes 3 and becomes an `Arc`.

use std::sync::Arc;

use crate::primitive::{DecodeError, Reader};
use bytes::Bytes;

/// The version that is written.
const VERSION: i16 = 3;
/// A topic's name is never empty.
const STRING_BYTES_MIN: usize = 2 + 1;
/// The generation of a member that has none.
const NO_GENERATION: i32 = -1;

/// Partitions of topics, as both messages carry them.
pub type TopicPartitions = Vec<(Arc<str>, Vec<i32>)>;

/// What a member wants and has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subscription {
    /// Topics subscribed to.
    pub topics: Vec<Arc<str>>,
    /// Data of the assignor.
    pub user_data: Option<Bytes>,
    /// Partitions owned while joining; empty with the eager protocol (version 1).
    pub owned: TopicPartitions,
    /// Generation in which they were owned (version 2).
    pub generation: i32,
    /// Rack of the member (version 3).
    pub rack: Option<String>,
}

impl Subscription {
    /// The bytes of version 3.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut into = Vec::with_capacity(64);
        put_int16(&mut into, VERSION);
        let mut topics: Vec<&str> = self.topics.iter().map(AsRef::as_ref).collect();
        topics.sort_unstable();
        put_int32(&mut into, topics.len() as i32);
        for topic in topics {
            put_string(&mut into, topic);
        }
        put_nullable_bytes(&mut into, self.user_data.as_deref());
        let mut owned = self.owned.clone();
        owned.sort_unstable();
        for (_, partitions) in &mut owned {
            partitions.sort_unstable();
        }
        put_topic_partitions(&mut into, &owned);
        put_int32(&mut into, self.generation);
        match &self.rack {
            Some(rack) => put_string(&mut into, rack),
            None => put_int16(&mut into, -1),
        }
        Bytes::from(into)
    }

    /// Reads any version.
    ///
    /// # Errors
    /// [`DecodeError`] if the bytes are no subscription.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let version = read_version(&mut reader)?;
        let count = reader.array_length(false, STRING_BYTES_MIN, "subscribed topics")?;
        let mut subscription = Self {
            topics: Vec::with_capacity(count),
            generation: NO_GENERATION,
            ..Self::default()
        };
        for _ in 0..count {
            let topic = read_topic(&mut reader, "name of a subscribed topic, of so many bytes,")?;
            subscription.topics.push(topic);
        }
        subscription.user_data = read_nullable_bytes(&mut reader)?;
        if version >= 1 {
            subscription.owned = read_topic_partitions(&mut reader)?;
        }
        if version >= 2 {
            subscription.generation = reader.int32("generation")?;
        }
        if version >= 3 {
            let rack = reader.nullable_string(false, "rack")?;
            // What is no text is no broker's rack either.
            let rack = rack.and_then(|rack| std::str::from_utf8(rack).ok());
            subscription.rack = rack.map(str::to_owned);
        }
        Ok(subscription)
    }
}

/// What the leader gives a member.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Assignment {
    /// The partitions, by topic.
    pub partitions: TopicPartitions,
    /// Data of the assignor.
    pub user_data: Option<Bytes>,
}

impl Assignment {
    /// The bytes of version 3.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut into = Vec::with_capacity(64);
        put_int16(&mut into, VERSION);
        put_topic_partitions(&mut into, &self.partitions);
        put_nullable_bytes(&mut into, self.user_data.as_deref());
        Bytes::from(into)
    }

    /// Reads any version; no bytes at all are an empty assignment.
    ///
    /// # Errors
    /// [`DecodeError`] if the bytes are no assignment.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        if bytes.is_empty() {
            return Ok(Self::default());
        }
        let mut reader = Reader::new(bytes);
        read_version(&mut reader)?;
        Ok(Self {
            partitions: read_topic_partitions(&mut reader)?,
            user_data: read_nullable_bytes(&mut reader)?,
        })
    }
}

/// What the sticky assignor of a member tells that of its leader: the assignment before. There is no version number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StickyUserData {
    /// The partitions that the member had, by topic.
    pub partitions: TopicPartitions,
    /// The generation in which it got them (version 1), or -1.
    pub generation: i32,
}

impl StickyUserData {
    /// The bytes of version 1.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut into = Vec::with_capacity(64);
        put_topic_partitions(&mut into, &self.partitions);
        put_int32(&mut into, self.generation);
        Bytes::from(into)
    }

    /// Reads both versions.
    ///
    /// # Errors
    /// The bytes are not of either.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        Ok(Self {
            partitions: read_topic_partitions(&mut reader)?,
            generation: reader.int32("generation").unwrap_or(NO_GENERATION),
        })
    }
}

fn read_version(reader: &mut Reader<'_>) -> Result<i16, DecodeError> {
    match reader.int16("group protocol version")? {
        version @ 0.. => Ok(version),
        version => Err(DecodeError::Invalid {
            what: "group protocol version",
            value: version.into(),
        }),
    }
}

/// A topic's name; what can't be one is refused, so that what was read can be written again.
fn read_topic(reader: &mut Reader<'_>, what: &'static str) -> Result<Arc<str>, DecodeError> {
    let bytes = reader.nullable_string(false, what)?.unwrap_or_default();
    match std::str::from_utf8(bytes) {
        Ok(name) if !name.is_empty() => Ok(name.into()),
        _ => Err(DecodeError::Invalid {
            what,
            value: bytes.len() as i64,
        }),
    }
}

fn read_nullable_bytes(reader: &mut Reader<'_>) -> Result<Option<Bytes>, DecodeError> {
    match reader.int32("user data length")? {
        -1 => Ok(None),
        length => {
            let length = usize::try_from(length).map_err(|_| DecodeError::Invalid {
                what: "user data length",
                value: length.into(),
            })?;
            let bytes = reader.take(length, "user data")?;
            Ok(Some(Bytes::copy_from_slice(bytes)))
        }
    }
}

fn read_topic_partitions(reader: &mut Reader<'_>) -> Result<TopicPartitions, DecodeError> {
    let count = reader.array_length(false, STRING_BYTES_MIN + 4, "topics")?;
    let mut topics = Vec::with_capacity(count);
    for _ in 0..count {
        let topic = read_topic(reader, "name of a topic, of so many bytes,")?;
        let count = reader.array_length(false, 4, "partitions")?;
        let mut partitions = Vec::with_capacity(count);
        for _ in 0..count {
            partitions.push(reader.int32("partition")?);
        }
        topics.push((topic, partitions));
    }
    Ok(topics)
}

fn put_int16(into: &mut Vec<u8>, value: i16) {
    into.extend_from_slice(&value.to_be_bytes());
}

fn put_int32(into: &mut Vec<u8>, value: i32) {
    into.extend_from_slice(&value.to_be_bytes());
}

fn put_string(into: &mut Vec<u8>, text: &str) {
    put_int16(into, text.len() as i16);
    into.extend_from_slice(text.as_bytes());
}

fn put_nullable_bytes(into: &mut Vec<u8>, bytes: Option<&[u8]>) {
    match bytes {
        Some(bytes) => {
            put_int32(into, bytes.len() as i32);
            into.extend_from_slice(bytes);
        }
        None => put_int32(into, -1),
    }
}

fn put_topic_partitions(into: &mut Vec<u8>, topics: &TopicPartitions) {
    put_int32(into, topics.len() as i32);
    for (topic, partitions) in topics {
        put_string(into, topic);
        put_int32(into, partitions.len() as i32);
        for partition in partitions {
            put_int32(into, *partition);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> Subscription {
        Subscription {
            topics: vec!["orders".into(), "bills".into()],
            user_data: None,
            owned: vec![("orders".into(), vec![2, 0])],
            generation: -1,
            rack: Some("eu".to_owned()),
        }
    }

    const FULL: &[u8] = &[
        0, 3, // version
        0, 0, 0, 2, // topics, sorted
        0, 5, b'b', b'i', b'l', b'l', b's', //
        0, 6, b'o', b'r', b'd', b'e', b'r', b's', //
        0xff, 0xff, 0xff, 0xff, // user data null
        0, 0, 0, 1, // owned
        0, 6, b'o', b'r', b'd', b'e', b'r', b's', //
        0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 2, // partitions, sorted
        0xff, 0xff, 0xff, 0xff, // generation
        0, 2, b'e', b'u', // rack
    ];

    #[test]
    fn a_subscription_has_the_bytes_of_version_3_with_sorted_topics_and_partitions() {
        assert_eq!(full().encode(), FULL);
    }

    #[test]
    fn a_subscription_without_anything_optional_ends_with_a_null_rack() {
        let subscription = Subscription {
            topics: vec!["t".into()],
            generation: 7,
            ..Subscription::default()
        };
        let expected = [
            0, 3, 0, 0, 0, 1, 0, 1, b't', 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 7, 0xff,
            0xff,
        ];
        assert_eq!(subscription.encode(), &expected[..]);
    }

    #[test]
    fn every_version_of_a_subscription_is_read_and_a_newer_one_as_version_3() {
        let with_version = |version: u8, bytes: &[u8]| {
            let mut bytes = bytes.to_vec();
            bytes[1] = version;
            Subscription::decode(&bytes).unwrap()
        };
        let v3 = with_version(3, FULL);
        assert_eq!(v3.topics, ["bills".into(), "orders".into()]);
        assert_eq!(v3.owned, [("orders".into(), vec![0, 2])]);
        assert_eq!((v3.generation, v3.rack.as_deref()), (-1, Some("eu")));
        assert_eq!(with_version(9, &[FULL, &[1, 2, 3]].concat()), v3);
        let (owned_at, generation_at) = (2 + 4 + 7 + 8 + 4, FULL.len() - 8);
        let v0 = with_version(0, &FULL[..owned_at]);
        assert_eq!((v0.topics.len(), v0.owned.len(), v0.generation), (2, 0, -1));
        let v1 = with_version(1, &FULL[..generation_at]);
        assert_eq!((v1.owned, v1.rack), (v3.owned.clone(), None));
        let v2 = with_version(2, &FULL[..FULL.len() - 4]);
        assert_eq!((v2.owned, v2.rack), (v3.owned, None));
    }

    #[test]
    fn an_assignment_has_the_bytes_of_version_3_and_reads_back() {
        let assignment = Assignment {
            partitions: vec![("t".into(), vec![1, 4])],
            user_data: Some(Bytes::from_static(&[9])),
        };
        let expected = [
            0, 3, 0, 0, 0, 1, 0, 1, b't', 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0, 1, 9,
        ];
        assert_eq!(assignment.encode(), &expected[..]);
        assert_eq!(Assignment::decode(&expected), Ok(assignment));
        assert_eq!(Assignment::decode(&[]), Ok(Assignment::default()));
    }

    #[test]
    fn a_topic_without_a_name_or_with_one_that_is_no_text_is_an_error() {
        for name in [&[0xff, 0xff][..], &[0, 0], &[0, 1, 0xff]] {
            let subscription = [&[0, 3, 0, 0, 0, 1][..], name, &[0xff; 16]].concat();
            let error = Subscription::decode(&subscription).unwrap_err();
            assert!(matches!(error, DecodeError::Invalid { .. }), "{error}");
            let assignment = [&[0, 3, 0, 0, 0, 1][..], name, &[0; 8]].concat();
            let error = Assignment::decode(&assignment).unwrap_err();
            assert!(matches!(error, DecodeError::Invalid { .. }), "{error}");
        }
    }

    #[test]
    fn bytes_cut_anywhere_are_an_error() {
        for length in 0..FULL.len() {
            assert!(Subscription::decode(&FULL[..length]).is_err(), "{length}");
        }
        let assignment = full_assignment();
        for length in 1..assignment.len() {
            assert!(
                Assignment::decode(&assignment[..length]).is_err(),
                "{length}"
            );
        }
        assert!(Assignment::decode(&[0, 3, 0x7f, 0xff, 0xff, 0xff]).is_err());
    }

    fn full_assignment() -> Bytes {
        Assignment {
            partitions: vec![("orders".into(), vec![1, 4]), ("t".into(), vec![0])],
            user_data: None,
        }
        .encode()
    }
}
