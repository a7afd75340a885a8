//! `klamm produce`: the lines of standard input become records.

mod args;
mod input;
mod json;
mod sink;

use klamm::config::Role;
use klamm::producer::Header;
use klamm::{Deliveries, Record, Settled};

use self::args::{Bytes, HeaderArg};
pub(crate) use self::args::{ProduceArgs, ProducerArgs};
use self::input::Input;
use self::sink::Sink;
use crate::args::ClusterArgs;
use crate::failure::{Failure, note};
use crate::interrupt::interrupted;
use crate::output::{Output, counted, object, row};
use crate::session::Session;

pub(crate) async fn run(
    cluster: ClusterArgs,
    args: ProduceArgs,
    out: &Output,
) -> Result<(), Failure> {
    let session = Session::open(cluster, Role::Producer, args.producer.properties()).await?;
    let sink = Sink::open(&session, args.transactional_id.as_deref()).await?;
    let mut deliveries = Deliveries::default();
    let ended = tokio::select! {
        ended = send_all(&sink, &args, &mut deliveries) => Some(ended),
        () = interrupted() => None,
    };
    // What was read is sent, also after Ctrl-C or a line that could not be.
    let finished = sink.finish(matches!(ended, Some(Ok(())))).await;
    let outcome = deliveries.settle().await;
    if out.is_json() {
        let (acknowledged, failed) = (outcome.acknowledged, outcome.failed);
        let whole = matches!(ended, Some(Ok(()))) && finished.is_ok() && failed == 0;
        out.document(&object(
            row!(acknowledged: acknowledged, failed: failed, partial: !whole),
        ))?;
    }
    match ended {
        None => {
            note(format_args!(
                "interrupted after {}",
                counted(outcome.acknowledged, "record")
            ));
            finished?;
            if args.transactional_id.is_none() {
                check_settled(&outcome)?;
            }
            Err(Failure::Interrupted)
        }
        Some(ended) => {
            ended?;
            finished?;
            check_settled(&outcome)
        }
    }
}

/// # Errors
/// If a record failed.
pub(crate) fn check_settled(settled: &Settled) -> Result<(), Failure> {
    let Some(error) = &settled.first_error else {
        return Ok(());
    };
    let (failed, all) = (settled.failed, settled.failed + settled.acknowledged);
    Err(Failure::Failed(format!(
        "{failed} of {all} records failed, the first because: {error}"
    )))
}

/// Sends record by record, until the end of the input.
async fn send_all(
    sink: &Sink,
    args: &ProduceArgs,
    deliveries: &mut Deliveries,
) -> Result<(), Failure> {
    let mut input = Input::new(&args.delimiter.0);
    let fixed = args
        .headers
        .iter()
        .map(|HeaderArg { name, value }| Header::new(name, value));
    let fixed: Vec<_> = fixed.collect();
    let mut left = args.count.unwrap_or(u64::MAX);
    while left > 0 {
        let number = input.read() + 1;
        let Some(bytes) = input.next().await? else {
            return Ok(());
        };
        left -= 1;
        let mut record = Record::to(&args.topic);
        if let Some(partition) = args.partition {
            record = record.partition(partition);
        }
        if args.json_input {
            let parsed = json::parse(bytes)
                .map_err(|error| Failure::Failed(format!("record {number}: {error}")))?;
            let headers = parsed.headers.iter();
            let headers = headers.map(|(name, value)| match value {
                Some(value) => Header::new(name, value),
                None => Header::null(name),
            });
            let headers: Vec<_> = fixed.iter().copied().chain(headers).collect();
            record.key = parsed.key.as_deref();
            record.value = parsed.value.as_deref();
            record.timestamp = parsed.timestamp;
            deliveries.add(sink.send(record.headers(&headers)).await?);
            continue;
        }
        let (key, value) = split(bytes, args.key_delimiter.as_ref());
        record.key = key.or(args.key.as_ref().map(|key| key.0.as_slice()));
        record.value = Some(value);
        if args.empty_is_null {
            record.key = record.key.filter(|key| !key.is_empty());
            record.value = record.value.filter(|value| !value.is_empty());
        }
        deliveries.add(sink.send(record.headers(&fixed)).await?);
    }
    Ok(())
}

/// Key and value of a line; all of it is the value if the delimiter is not in it.
fn split<'a>(line: &'a [u8], delimiter: Option<&Bytes>) -> (Option<&'a [u8]>, &'a [u8]) {
    let Some(Bytes(delimiter)) = delimiter else {
        return (None, line);
    };
    match line
        .windows(delimiter.len())
        .position(|window| window == delimiter)
    {
        Some(at) => (Some(&line[..at]), &line[at + delimiter.len()..]),
        None => (None, line),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_split_at_the_first_delimiter() {
        let delimiter = Bytes(b"::".to_vec());
        let split = |line| split(line, Some(&delimiter));
        assert_eq!(split(b"k::v::w"), (Some(&b"k"[..]), &b"v::w"[..]));
        assert_eq!(split(b"::v"), (Some(&b""[..]), &b"v"[..]));
        assert_eq!(split(b"k::"), (Some(&b"k"[..]), &b""[..]));
        assert_eq!(split(b"k:v"), (None, &b"k:v"[..]));
        assert_eq!(split(b""), (None, &b""[..]));
    }

    #[test]
    fn without_a_delimiter_all_is_value() {
        assert_eq!(super::split(b"k::v", None), (None, &b"k::v"[..]));
    }
}
