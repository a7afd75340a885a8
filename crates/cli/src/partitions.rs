//! Partitions as people name them: `orders`, or `orders:0,2,4-6`.

use std::collections::BTreeSet;
use std::str::FromStr;

use klamm::{Admin, TopicPartition};

use crate::failure::Failure;

/// Numbers in one argument.
const NUMBERS_MAX: usize = 100_000;

/// A topic, or some of its partitions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Partitions {
    pub(crate) topic: String,
    /// All if there are none.
    pub(crate) indexes: Option<BTreeSet<i32>>,
}

impl FromStr for Partitions {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (topic, indexes) = match text.split_once(':') {
            Some((topic, list)) => (topic, Some(indexes(list)?.0)),
            None => (text, None),
        };
        if topic.is_empty() {
            return Err("write TOPIC, or TOPIC:0,2,4-6".to_owned());
        }
        Ok(Self {
            topic: topic.to_owned(),
            indexes,
        })
    }
}

/// Numbers of partitions: `0,2,4-6`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Indexes(pub(crate) BTreeSet<i32>);

impl FromStr for Indexes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        indexes(text)
    }
}

fn indexes(text: &str) -> Result<Indexes, String> {
    let number = |text: &str| {
        let number = text
            .trim()
            .parse::<i32>()
            .ok()
            .filter(|number| *number >= 0);
        number.ok_or_else(|| format!("{text:?} is no number of a partition; write 0,2,4-6"))
    };
    let mut indexes = BTreeSet::new();
    for piece in text.split(',') {
        let (first, last) = piece.split_once('-').unwrap_or((piece, piece));
        let (first, last) = (number(first)?, number(last)?);
        if last < first || (last - first) as usize + indexes.len() >= NUMBERS_MAX {
            return Err(format!("{piece:?} is no range of partitions"));
        }
        indexes.extend(first..=last);
    }
    Ok(Indexes(indexes))
}

/// All partitions that are named, which have to exist.
pub(crate) async fn resolve(
    admin: &Admin,
    named: &[Partitions],
) -> Result<Vec<TopicPartition>, Failure> {
    let topics: BTreeSet<_> = named.iter().map(|it| it.topic.clone()).collect();
    let described = admin.describe_topics(topics).await?;
    let mut resolved = BTreeSet::new();
    for Partitions { topic, indexes } in named {
        let Some(described) = described.get(topic) else {
            continue;
        };
        let described = described.as_ref().map_err(Clone::clone)?;
        let there: BTreeSet<_> = described.partitions.iter().map(|it| it.index).collect();
        let wanted = indexes.clone().unwrap_or_else(|| there.clone());
        if let Some(missing) = wanted.difference(&there).next() {
            return Err(Failure::Failed(format!(
                "topic {topic} has no partition {missing}, but {} of them from 0 on",
                there.len()
            )));
        }
        let partitions = wanted.into_iter();
        resolved.extend(partitions.map(|index| TopicPartition::new(topic.as_str(), index)));
    }
    Ok(resolved.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_has_all_partitions_unless_they_are_named() {
        let parsed: Partitions = "orders".parse().unwrap();
        assert_eq!((parsed.topic.as_str(), parsed.indexes), ("orders", None));
        let parsed: Partitions = "orders:0,4-6,2".parse().unwrap();
        assert_eq!(parsed.indexes, Some([0, 2, 4, 5, 6].into()));
        for text in [
            "",
            ":1",
            "orders:",
            "orders:a",
            "orders:3-1",
            "orders:-1",
            "orders:0-2147483647",
        ] {
            assert!(text.parse::<Partitions>().is_err(), "{text}");
        }
    }
}
