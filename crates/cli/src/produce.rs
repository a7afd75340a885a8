//! `klamm produce`: the lines of standard input become records.

use klamm::config::Role;
use klamm::{Producer, Record};
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::args::{ClusterArgs, Delimiter, ProduceArgs};
use crate::deliveries::Deliveries;
use crate::failure::{Failure, note};
use crate::session::Session;

/// Bytes read from standard input at a time.
const INPUT_BUFFER: usize = 1 << 20;

pub(crate) async fn run(cluster: ClusterArgs, args: ProduceArgs) -> Result<(), Failure> {
    let session = Session::open(cluster, Role::Producer, args.producer.properties()).await?;
    let producer = session.producer()?.build()?;
    let mut deliveries = Deliveries::default();
    let ended = tokio::select! {
        ended = send_lines(&producer, &args, &mut deliveries) => Some(ended),
        _ = tokio::signal::ctrl_c() => None,
    };
    // What was read is sent, also after Ctrl-C or a line that could not be.
    producer.flush().await;
    let outcome = deliveries.settle().await;
    match ended {
        None => {
            note(format_args!(
                "interrupted after {} records",
                outcome.acknowledged
            ));
            outcome.check()?;
            Err(Failure::Interrupted)
        }
        Some(ended) => {
            ended?;
            outcome.check()
        }
    }
}

/// Sends line by line, until the end of the input.
async fn send_lines(
    producer: &Producer,
    args: &ProduceArgs,
    deliveries: &mut Deliveries,
) -> Result<(), Failure> {
    let mut input = BufReader::with_capacity(INPUT_BUFFER, tokio::io::stdin());
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = input.read_until(b'\n', &mut line).await;
        if read.map_err(|error| Failure::Failed(format!("cannot read standard input: {error}")))?
            == 0
        {
            return Ok(());
        }
        if line.last() == Some(&b'\n') {
            line.pop();
        }
        let (key, value) = split(&line, args.key_delimiter.as_ref());
        let mut record = Record::to(&args.topic).value(value);
        if let Some(key) = key {
            record = record.key(key);
        }
        deliveries.add(producer.send(record).await?);
    }
}

/// Key and value of a line; all of it is the value if the delimiter is not in it.
fn split<'a>(line: &'a [u8], delimiter: Option<&Delimiter>) -> (Option<&'a [u8]>, &'a [u8]) {
    let Some(Delimiter(delimiter)) = delimiter else {
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
        let delimiter = Delimiter(b"::".to_vec());
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
