//! `klamm perf latency`: open loop, so that a stall cannot hide behind a sender that waits for it.

use std::time::{Duration, Instant};

use klamm::config::Role;
use klamm::{Delivery, Record};
use tokio::task::JoinSet;

use super::payload::payloads;
use super::usage::Usage;
use super::{print_result, warm_up};
use crate::args::{ClusterArgs, PerfLatencyArgs};
use crate::failure::{Failure, note};
use crate::session::Session;

/// What one record took, in nanoseconds.
struct Taken {
    from_send: u64,
    from_due: u64,
}

pub(super) async fn run(cluster: ClusterArgs, args: PerfLatencyArgs) -> Result<(), Failure> {
    // What the user says comes later and wins.
    let mut properties = vec![("linger.ms".to_owned(), "0".to_owned())];
    properties.extend(args.producer.properties());
    let session = Session::open(cluster, Role::Producer, properties).await?;
    let producer = session.producer()?.build()?;
    let values = payloads(args.record_size);
    warm_up(&producer, &args.topic, &values[0]).await?;

    let mut interrupt = std::pin::pin!(tokio::signal::ctrl_c());
    let mut interrupted = false;
    let wanted = args.rate * args.seconds;
    let mut acknowledgements = JoinSet::new();
    let start = Usage::now();
    for index in 0..wanted {
        let due = start.at
            + Duration::from_nanos(
                (u128::from(index) * 1_000_000_000 / u128::from(args.rate)) as u64,
            );
        // The runtime's timer ticks in milliseconds, too coarse to pace by. This future is the one
        // that the main thread runs, apart from the workers: blocking it holds up nobody else.
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let sent = Instant::now();
        let value = &values[index as usize % values.len()];
        let delivery = tokio::select! {
            biased;
            _ = &mut interrupt => {
                interrupted = true;
                break;
            }
            delivery = producer.send(Record::to(&args.topic).value(value)) => delivery?,
        };
        acknowledgements.spawn(time(delivery, sent, due));
    }
    let mut taken = Vec::with_capacity(acknowledgements.len());
    let mut failed = 0_u64;
    let mut first_error = None;
    while let Some(acknowledgement) = acknowledgements.join_next().await {
        match acknowledgement {
            Ok(Ok(one)) => taken.push(one),
            Ok(Err(error)) => {
                failed += 1;
                first_error.get_or_insert(error.to_string());
            }
            Err(error) => return Err(Failure::Failed(error.to_string())),
        }
    }
    let done = taken.len() as u64;
    let spent = Usage::now().since(start, done);
    let [p50, p99, p999, max] = percentiles(taken.iter().map(|taken| taken.from_send));
    let [due_p50, due_p99, due_p999, _] = percentiles(taken.iter().map(|taken| taken.from_due));
    let line = format!(
        "klamm latency records={done} rate={} p50_us={p50} p99_us={p99} p99.9_us={p999} max_us={max} \
         due_p50_us={due_p50} due_p99_us={due_p99} due_p99.9_us={due_p999} {} {}",
        args.rate,
        spent.throughput(),
        spent.cost()
    );
    print_result(&line, done, wanted)?;
    if let Some(error) = first_error {
        return Err(Failure::Failed(format!(
            "{failed} of {} records failed, the first because: {error}",
            done + failed
        )));
    }
    if interrupted {
        note(format_args!("interrupted after {done} of {wanted} records"));
        return Err(Failure::Interrupted);
    }
    Ok(())
}

async fn time(
    delivery: Delivery,
    sent: Instant,
    due: Instant,
) -> Result<Taken, klamm::producer::Error> {
    delivery.await?;
    let now = Instant::now();
    let nanoseconds = |since| now.duration_since(since).as_nanos() as u64;
    Ok(Taken {
        from_send: nanoseconds(sent),
        from_due: nanoseconds(due),
    })
}

/// 50th, 99th and 99.9th percentile and maximum, in microseconds; zeros of nothing.
fn percentiles(nanoseconds: impl Iterator<Item = u64>) -> [u64; 4] {
    let mut sorted: Vec<u64> = nanoseconds.collect();
    sorted.sort_unstable();
    [500, 990, 999, 1000].map(|per_mille| {
        let at = (sorted.len() * per_mille / 1000).min(sorted.len().saturating_sub(1));
        sorted.get(at).map_or(0, |nanoseconds| nanoseconds / 1000)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_the_sorted_times() {
        let times = (1..=1000).rev().map(|microseconds| microseconds * 1000);
        assert_eq!(percentiles(times), [501, 991, 1000, 1000]);
        assert_eq!(percentiles([7000].into_iter()), [7; 4]);
        assert_eq!(percentiles(std::iter::empty()), [0; 4]);
    }
}
