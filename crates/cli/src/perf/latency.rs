//! `klamm perf latency`: open loop, so that a stall cannot hide behind a sender that waits for it.

use std::time::{Duration, Instant};

use klamm::config::Role;
use klamm::producer::Error;
use klamm::{Delivery, Record};
use tokio::task::{JoinError, JoinSet};

use super::args::PerfLatencyArgs;
use super::payload::payloads;
use super::usage::{Spent, Usage};
use super::{print_result, warm_up};
use crate::args::ClusterArgs;
use crate::failure::{Failure, note};
use crate::interrupt::interrupted;
use crate::output::Output;
use crate::progress;
use crate::session::Session;

/// What one record took, in nanoseconds.
struct Taken {
    from_send: u64,
    from_due: u64,
}

pub(super) async fn run(
    cluster: ClusterArgs,
    args: PerfLatencyArgs,
    out: &Output,
) -> Result<(), Failure> {
    // What the user says comes later and wins.
    let mut properties = vec![("linger.ms".to_owned(), "0".to_owned())];
    properties.extend(args.producer.properties());
    let session = Session::open(cluster, Role::Producer, properties).await?;
    let producer = session.producer()?.build()?;
    let values = payloads(args.record_size);
    warm_up(&producer, &args.topic, &values[0]).await?;

    let mut interrupt = std::pin::pin!(interrupted());
    let wanted = args.rate * args.seconds;
    let mut acknowledgements = Acknowledgements::default();
    let bar = progress::bar(Some(wanted), "records");
    let start = Usage::now();
    let (mut sent, mut failure) = (0, None);
    while sent < wanted {
        let due = start.at + due(sent, args.rate);
        // The runtime's timer ticks in milliseconds, too coarse to pace by. This future is the one
        // that the main thread runs, apart from the workers: blocking it holds up nobody else.
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let sent_at = Instant::now();
        let value = &values[sent as usize % values.len()];
        let delivery = tokio::select! {
            biased;
            () = &mut interrupt => break,
            delivery = producer.send(Record::to(&args.topic).value(value)) => delivery,
        };
        let delivery = match delivery {
            Ok(delivery) => delivery,
            Err(error) => {
                failure = Some(error);
                break;
            }
        };
        sent += 1;
        acknowledgements.add(time(delivery, sent_at, due))?;
        if sent.is_multiple_of(bar_step(args.rate)) {
            bar.set_position(sent);
        }
    }
    acknowledgements.settle().await?;
    let done = acknowledgements.taken.len() as u64;
    let cost = Usage::now().since(start, done);
    bar.finish_and_clear();
    print_result(
        out,
        &line(&args, &acknowledgements.taken, &cost),
        done,
        wanted,
    )?;
    acknowledgements.check()?;
    if let Some(error) = failure {
        return Err(error.into());
    }
    if sent < wanted {
        note(format_args!("interrupted after {done} of {wanted} records"));
        return Err(Failure::Interrupted);
    }
    Ok(())
}

/// A bar moves ten times a second: it must not cost what is measured.
pub(super) fn bar_step(rate: u64) -> u64 {
    rate.div_ceil(10)
}

/// When record number `index` is due, after the start.
pub(super) fn due(index: u64, rate: u64) -> Duration {
    let nanoseconds = u128::from(index) * 1_000_000_000 / u128::from(rate);
    Duration::from_nanos(nanoseconds as u64)
}

fn line(args: &PerfLatencyArgs, taken: &[Taken], spent: &Spent) -> String {
    let [p50, p99, p999, max] = percentiles(taken.iter().map(|taken| taken.from_send));
    let [due_p50, due_p99, due_p999, _] = percentiles(taken.iter().map(|taken| taken.from_due));
    format!(
        "klamm latency records={} rate={} p50_us={p50} p99_us={p99} p99.9_us={p999} max_us={max} \
         due_p50_us={due_p50} due_p99_us={due_p99} due_p99.9_us={due_p999} {} {}",
        taken.len(),
        args.rate,
        spent.throughput(),
        spent.cost()
    )
}

/// Records that were sent: a task each waits for what becomes of it.
#[derive(Default)]
struct Acknowledgements {
    waiting: JoinSet<Result<Taken, Error>>,
    taken: Vec<Taken>,
    failed: u64,
    first_error: Option<Error>,
}

impl Acknowledgements {
    fn add(
        &mut self,
        waiting: impl Future<Output = Result<Taken, Error>> + Send + 'static,
    ) -> Result<(), Failure> {
        self.waiting.spawn(waiting);
        // So that long runs do not keep a task a record.
        while let Some(joined) = self.waiting.try_join_next() {
            self.count(joined)?;
        }
        Ok(())
    }

    async fn settle(&mut self) -> Result<(), Failure> {
        while let Some(joined) = self.waiting.join_next().await {
            self.count(joined)?;
        }
        Ok(())
    }

    fn count(&mut self, joined: Result<Result<Taken, Error>, JoinError>) -> Result<(), Failure> {
        match joined.map_err(|error| Failure::Failed(error.to_string()))? {
            Ok(taken) => self.taken.push(taken),
            Err(error) => {
                self.failed += 1;
                self.first_error.get_or_insert(error);
            }
        }
        Ok(())
    }

    /// # Errors
    /// If a record failed.
    fn check(&self) -> Result<(), Failure> {
        let Some(error) = &self.first_error else {
            return Ok(());
        };
        let all = self.failed + self.taken.len() as u64;
        Err(Failure::Failed(format!(
            "{} of {all} records failed, the first because: {error}",
            self.failed
        )))
    }
}

async fn time(delivery: Delivery, sent: Instant, due: Instant) -> Result<Taken, Error> {
    delivery.await?;
    let now = Instant::now();
    let nanoseconds = |since| now.duration_since(since).as_nanos() as u64;
    Ok(Taken {
        from_send: nanoseconds(sent),
        from_due: nanoseconds(due),
    })
}

/// 50th, 99th and 99.9th percentile and maximum, in microseconds; zeros of nothing.
pub(super) fn percentiles(nanoseconds: impl Iterator<Item = u64>) -> [u64; 4] {
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
