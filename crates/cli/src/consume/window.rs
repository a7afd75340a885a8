//! From where to where partitions are read.

use std::collections::HashMap;

use klamm::{Consumer, TopicPartition};

use super::{ConsumeArgs, printing};
use crate::failure::Failure;
use crate::place::{self, Place};
use crate::session::Session;

/// From where to where partitions are read.
pub(super) struct Window {
    /// Where to start, where that is not the consumer's to find out.
    pub(super) starts: HashMap<TopicPartition, i64>,
    /// The offsets before which to end, if there is an end.
    ends: Option<HashMap<TopicPartition, i64>>,
    /// At most so many records are in it; `u64::MAX` without an end, or where nobody has to know.
    pub(super) offsets: u64,
}

impl Window {
    pub(super) async fn of(
        session: &Session,
        consumer: &Consumer,
        args: &ConsumeArgs,
        partitions: &[TopicPartition],
    ) -> Result<Self, Failure> {
        let admin = session.client.admin();
        let starts = match args.from {
            Place::Beginning | Place::End => HashMap::new(),
            place => place::offsets(&admin, place, partitions).await?,
        };
        let ends = if args.exit || args.to.is_some() {
            let ends = consumer.end_offsets(partitions.iter().cloned()).await?;
            let mut ends: HashMap<_, _> = ends.into_iter().collect();
            if let Some(to) = args.to {
                for (partition, offset) in place::offsets(&admin, to, partitions).await? {
                    let end = ends.entry(partition).or_insert(offset);
                    *end = offset.min(*end);
                }
            }
            Some(ends)
        } else {
            None
        };
        let offsets = match &ends {
            Some(ends) if session.group().is_none() && printing::has_bar() => {
                let begins = match args.from {
                    Place::End => HashMap::new(),
                    _ => place::bounds(&admin, partitions).await?,
                };
                let count = ends.iter().map(|(partition, end)| {
                    let begin = begins.get(partition).map_or(*end, |bounds| bounds.begin);
                    let start = starts.get(partition).copied().unwrap_or(begin);
                    u64::try_from(end - start).unwrap_or(0)
                });
                count.sum()
            }
            _ => u64::MAX,
        };
        Ok(Self {
            starts,
            ends,
            offsets,
        })
    }

    pub(super) fn has_ends(&self) -> bool {
        self.ends.is_some()
    }

    /// Whether a record of this offset is before the end.
    pub(super) fn contains(&self, partition: &TopicPartition, offset: i64) -> bool {
        let end = self.ends.as_ref().and_then(|ends| ends.get(partition));
        end.is_none_or(|end| offset < *end)
    }

    /// Whether every partition that the consumer reads is at its end; not before it reads any.
    pub(super) async fn is_over(&self, consumer: &mut Consumer) -> Result<bool, Failure> {
        let Some(ends) = &self.ends else {
            return Ok(false);
        };
        let assignment = consumer.assignment();
        for partition in &assignment {
            let end = ends.get(partition).copied().unwrap_or(0);
            if consumer.position(partition).await? < end {
                return Ok(false);
            }
        }
        Ok(!assignment.is_empty())
    }
}
