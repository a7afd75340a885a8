//! The names of things in a cluster.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::error::Error;

/// Id of a broker (`node.id`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub i32);

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Id of a topic (KIP-516): a topic that is deleted and created again gets another one.
///
/// All zero when the broker is older than 2.8 and has none.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicId(pub [u8; 16]);

impl TopicId {
    /// Whether the broker gave no id.
    #[must_use]
    pub fn is_zero(self) -> bool {
        self.0 == [0; 16]
    }
}

impl fmt::Debug for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.0 {
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Display for TopicId {
    /// As Kafka's tools print it: base64 for addresses, without padding.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = u128::from_be_bytes(self.0);
        let digit = |shift: u32| {
            // The last of the 22 digits has two bits of the id, and four that are none.
            let six = if shift >= 4 {
                bits >> (shift - 4)
            } else {
                bits << (4 - shift)
            };
            char::from(BASE64_URL[(six & 63) as usize])
        };
        let digits: String = (0..22).map(|at| digit(126 - 6 * at)).collect();
        f.pad(&digits)
    }
}

impl FromStr for TopicId {
    type Err = Error;

    /// From the form that Kafka's tools print.
    fn from_str(text: &str) -> Result<Self, Error> {
        let invalid = || Error::InvalidTopicId {
            text: text.to_owned(),
        };
        let mut bits: u128 = 0;
        let (last, digits) = text.as_bytes().split_last().ok_or_else(invalid)?;
        let value = |digit: &u8| BASE64_URL.iter().position(|known| known == digit);
        for digit in digits {
            bits = bits << 6 | value(digit).ok_or_else(invalid)? as u128;
        }
        let last = value(last).ok_or_else(invalid)? as u128;
        if digits.len() != 21 || last & 15 != 0 {
            return Err(invalid());
        }
        Ok(Self((bits << 2 | last >> 4).to_be_bytes()))
    }
}

const BASE64_URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// One partition of one topic.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicPartition {
    /// Topic name.
    pub topic: Arc<str>,
    /// Partition index.
    pub partition: i32,
}

impl TopicPartition {
    /// Partition `partition` of `topic`.
    #[must_use]
    pub fn new(topic: impl Into<Arc<str>>, partition: i32) -> Self {
        Self {
            topic: topic.into(),
            partition,
        }
    }
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_id_prints_and_parses_as_in_javas_tools() {
        // By Java's Uuid.
        for (id, text) in [
            (0, "AAAAAAAAAAAAAAAAAAAAAA"),
            (1, "AAAAAAAAAAAAAAAAAAAAAQ"),
            (u128::MAX, "_____________________w"),
            (
                0x0011_2233_4455_6677_8899_aabb_ccdd_eeff,
                "ABEiM0RVZneImaq7zN3u_w",
            ),
        ] {
            let id = TopicId(u128::to_be_bytes(id));
            assert_eq!(id.to_string(), text);
            assert_eq!(text.parse::<TopicId>().unwrap(), id);
        }
        for text in [
            "",
            "AAAA",
            "AAAAAAAAAAAAAAAAAAAAAB",
            "AAAAAAAAAAAAAAAAAAAA+A",
            "AAAAAAAAAAAAAAAAAAAAAAA",
        ] {
            assert!(text.parse::<TopicId>().is_err(), "{text}");
        }
    }
}
