//! `klamm perf latency`: from each send to its acknowledgement.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use klamm::Record;
use klamm::config::Role;
use klamm::producer::{DeliveryReport, Error};

use super::args::PerfLatencyArgs;
use super::pace::paced;
use super::payload::payloads;
use super::usage::{Spent, Usage};
use super::{print_result, warm_up};
use crate::args::ClusterArgs;
use crate::failure::{Failure, note};
use crate::output::Output;
use crate::session::Session;

pub(super) async fn run(
    cluster: ClusterArgs,
    args: PerfLatencyArgs,
    out: &Output,
) -> Result<(), Failure> {
    // What the user says comes later and wins.
    let mut properties = vec![("linger.ms".to_owned(), "0".to_owned())];
    properties.extend(args.producer.properties());
    let session = Session::open(cluster, Role::Producer, properties).await?;
    let acknowledgements = Arc::new(Acknowledgements::default());
    let told = Arc::clone(&acknowledgements);
    let builder = session
        .producer()?
        .on_delivery(move |report| told.add(report));
    let producer = builder.build()?;
    let values = payloads(args.record_size);
    warm_up(&producer, &args.topic, &values[0]).await?;

    let wanted = args.records();
    let start = Usage::now();
    let (times, failure) = paced(&args, start.at, async |index, due| {
        let value = &values[index as usize % values.len()];
        let record = Record::to(&args.topic).value(value).tag(index + 1);
        let sent_at = Instant::now();
        // The callback tells more of it.
        drop(producer.send(record).await?);
        Ok((sent_at, due))
    })
    .await;
    producer.flush().await;
    let (taken, failed) = acknowledgements.since(&times);
    let done = taken.len() as u64;
    let cost = Usage::now().since(start, done);
    print_result(out, &line(&args, &taken, &cost), done, wanted)?;
    if let Some(error) = failed {
        let missing = times.len() as u64 - done;
        return Err(Failure::Failed(format!(
            "{missing} of {wanted} records failed, the first because: {error}"
        )));
    }
    if let Some(error) = failure {
        return Err(error.into());
    }
    if done < wanted {
        note(format_args!("interrupted after {done} of {wanted} records"));
        return Err(Failure::Interrupted);
    }
    Ok(())
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

/// What one record took, in nanoseconds.
struct Taken {
    from_send: u64,
    from_due: u64,
}

/// When records were acknowledged, as the delivery callback tells: no task is woken in between.
#[derive(Default)]
struct Acknowledgements(Mutex<Told>);

#[derive(Default)]
struct Told {
    /// By the number of the record.
    acknowledged: Vec<(u64, Instant)>,
    first_error: Option<Error>,
}

impl Acknowledgements {
    /// Records are tagged by their number from 1 on; the one that warms up is not.
    fn add(&self, report: &DeliveryReport<'_>) {
        let now = Instant::now();
        let mut told = self.lock();
        match report.result {
            Ok(_) => {
                let number = report.tag.checked_sub(1);
                told.acknowledged.extend(number.map(|number| (number, now)));
            }
            Err(error) => {
                told.first_error.get_or_insert_with(|| error.clone());
            }
        }
    }

    /// What they took, if they were sent, and due, at `times`; and why one failed.
    fn since(&self, times: &[(Instant, Instant)]) -> (Vec<Taken>, Option<Error>) {
        let mut told = self.lock();
        let taken = told.acknowledged.drain(..).filter_map(|(number, now)| {
            let (sent, due) = *times.get(usize::try_from(number).ok()?)?;
            let nanoseconds = |since| now.duration_since(since).as_nanos() as u64;
            Some(Taken {
                from_send: nanoseconds(sent),
                from_due: nanoseconds(due),
            })
        });
        (taken.collect(), told.first_error.take())
    }

    fn lock(&self) -> MutexGuard<'_, Told> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
