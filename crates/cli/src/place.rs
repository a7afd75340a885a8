//! Places in partitions, and the offsets that they have now.

use std::collections::HashMap;
use std::str::FromStr;

use klamm::admin::OffsetSpec;
use klamm::{Admin, TopicPartition};

use crate::failure::Failure;
use crate::time;

/// A place in each of some partitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// The oldest record there is.
    Beginning,
    /// Behind the last record.
    End,
    /// An offset.
    Offset(i64),
    /// So many offsets before the end.
    BeforeEnd(i64),
    /// The first record of this time or later, in milliseconds since 1970.
    Time(i64),
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| {
            let digits = text.bytes().all(|byte| byte.is_ascii_digit());
            let number = text.parse::<i64>().ok().filter(|_| digits);
            number.ok_or_else(|| {
                format!(
                    "{text:?} is no place: write beginning, end, an offset, -N for the last N, or @TIME"
                )
            })
        };
        match text {
            "beginning" | "earliest" => Ok(Self::Beginning),
            "end" | "latest" => Ok(Self::End),
            _ => match (text.strip_prefix('@'), text.strip_prefix('-')) {
                (Some(at), _) => time::timestamp(at).map(Self::Time),
                (_, Some(count)) => number(count).map(Self::BeforeEnd),
                (None, None) => number(text).map(Self::Offset),
            },
        }
    }
}

/// Where partitions begin and end.
pub(crate) struct Bounds {
    pub(crate) begin: i64,
    pub(crate) end: i64,
}

/// Where each of the partitions begins and ends now.
pub(crate) async fn bounds(
    admin: &Admin,
    partitions: &[TopicPartition],
) -> Result<HashMap<TopicPartition, Bounds>, Failure> {
    let begins = listed(admin, partitions, OffsetSpec::Earliest).await?;
    let mut ends = listed(admin, partitions, OffsetSpec::Latest).await?;
    let bounds = begins.into_iter().filter_map(|(partition, begin)| {
        let bounds = Bounds {
            begin: begin?,
            end: ends.remove(&partition)??,
        };
        Some((partition, bounds))
    });
    Ok(bounds.collect())
}

/// The offsets of a place in each of the partitions, within what is there.
pub(crate) async fn offsets(
    admin: &Admin,
    place: Place,
    partitions: &[TopicPartition],
) -> Result<HashMap<TopicPartition, i64>, Failure> {
    let bounds = bounds(admin, partitions).await?;
    let at_time = match place {
        Place::Time(timestamp) => {
            listed(admin, partitions, OffsetSpec::Timestamp(timestamp)).await?
        }
        _ => HashMap::new(),
    };
    let offsets = bounds
        .into_iter()
        .map(|(partition, Bounds { begin, end })| {
            let offset = match place {
                Place::Beginning => begin,
                Place::End => end,
                Place::Offset(offset) => offset,
                Place::BeforeEnd(count) => end.saturating_sub(count),
                // No record is as late: what comes will be.
                Place::Time(_) => at_time.get(&partition).copied().flatten().unwrap_or(end),
            };
            (partition, offset.clamp(begin, end.max(begin)))
        });
    Ok(offsets.collect())
}

async fn listed(
    admin: &Admin,
    partitions: &[TopicPartition],
    spec: OffsetSpec,
) -> Result<HashMap<TopicPartition, Option<i64>>, Failure> {
    let asked = partitions.iter().map(|partition| (partition.clone(), spec));
    let mut offsets = HashMap::new();
    for (partition, listed) in admin.list_offsets(asked).await? {
        offsets.insert(partition, listed?.offset);
    }
    Ok(offsets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_have_kafkas_names_and_kcats_forms() {
        for (text, place) in [
            ("beginning", Place::Beginning),
            ("earliest", Place::Beginning),
            ("end", Place::End),
            ("latest", Place::End),
            ("42", Place::Offset(42)),
            ("-5", Place::BeforeEnd(5)),
            ("@1700000000000", Place::Time(1_700_000_000_000)),
            ("@2023-11-14", Place::Time(1_699_920_000_000)),
        ] {
            assert_eq!(text.parse(), Ok(place), "{text}");
        }
        for text in ["", "middle", "--5", "+5", "@", "99999999999999999999"] {
            assert!(text.parse::<Place>().is_err(), "{text}");
        }
    }
}
