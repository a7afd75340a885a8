//! The arguments of `klamm consume`.

use clap::Args;

use super::format::Format;
use crate::failure::Failure;
use crate::partitions::Indexes;
use crate::place::Place;

#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ConsumeArgs {
    /// Topic to read
    pub(crate) topic: String,
    /// Read as a member of this group, and commit what was printed
    #[arg(short = 'G', long)]
    pub(crate) group: Option<String>,
    /// Where to start: beginning, end, an offset, -N for the last N of each partition, or @TIME with milliseconds since
    /// 1970, 2026-11-26T10:00:00Z, or -2h30m for a time ago; with a group beginning or end, and only where it has
    /// committed nothing
    #[arg(
        short = 'o',
        long,
        value_name = "WHERE",
        default_value = "beginning",
        allow_hyphen_values = true
    )]
    pub(crate) from: Place,
    /// End before this place, written as that of --from; at the latest where the partition ends now
    #[arg(long, value_name = "WHERE", allow_hyphen_values = true)]
    pub(crate) to: Option<Place>,
    /// Only these partitions, such as 0,2,4-6 [default: all]
    #[arg(short, long = "partition", value_name = "NUMBERS")]
    pub(crate) partitions: Option<Indexes>,
    /// What to print of each record: %t topic, %p partition, %o offset, %k key, %K key length, %s value, %S value
    /// length, %T timestamp in ms, %h headers, %%, and \n, \t, \xHH
    #[arg(short, long, default_value = r"%s\n", value_parser = Format::parse, conflicts_with = "json")]
    pub(crate) format: Format,
    /// End after so many records
    #[arg(short, long)]
    pub(crate) count: Option<u64>,
    /// End when there are no more records for now
    #[arg(short, long)]
    pub(crate) exit: bool,
}

const EXAMPLES: &str = "\
With --json, each record is a line {\"topic\", \"partition\", \"offset\", \"timestamp\", \"key\", \"value\", \"headers\"}; \
a key or value that is no text is there as key_base64 or value_base64.

Ctrl-C ends it with exit code 0, but with 130 if it would have ended by itself (--exit, --count, --to).

Examples:
  klamm consume orders -o -10 -e              the last 10 records of each partition
  klamm consume orders -o @-1h -e --json      the last hour, as JSON
  klamm consume orders -p 0 -o 42 -c 1        one record
  klamm consume orders -f '%T %k: %s\\n'";

impl ConsumeArgs {
    /// As properties.
    pub(crate) fn properties(&self) -> Vec<(String, String)> {
        let reset = match self.from {
            Place::End => "latest",
            _ => "earliest",
        };
        consumer_properties(reset, self.group.as_deref())
    }

    /// Whether it says more about where to read than a group can do.
    pub(super) fn is_placed(&self) -> bool {
        let from = matches!(self.from, Place::Beginning | Place::End);
        !from || self.to.is_some() || self.partitions.is_some()
    }

    pub(super) fn check(&self) -> Result<(), Failure> {
        if self.count == Some(0) {
            return Err(Failure::Usage("--count 0 prints nothing".to_owned()));
        }
        Ok(())
    }
}

/// The properties of a consumer.
pub(crate) fn consumer_properties(reset: &str, group: Option<&str>) -> Vec<(String, String)> {
    let mut properties = vec![("auto.offset.reset".to_owned(), reset.to_owned())];
    properties.extend(group.map(|group| ("group.id".to_owned(), group.to_owned())));
    properties
}
