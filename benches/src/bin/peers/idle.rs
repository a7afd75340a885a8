//! What a consumer's process uses while no record comes, and while few do.

use std::time::{Duration, Instant};

use klamm::admin::OffsetSpec;
use klamm::{Record, TopicPartition};
use nix::time::{ClockId, clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;
use tokio::time::{interval, sleep};

use crate::Outcome;
use crate::workload::IDLE_SECONDS;

/// In which a client connects and finds its partitions, and again in which it comes to rest after its first records.
const SETTLE: Duration = Duration::from_secs(2);
const PHASE: Duration = Duration::from_secs(IDLE_SECONDS);

/// Waits until the broker has the logs of all partitions: for as many it takes seconds, in which clients would only ask again.
pub(crate) async fn created(bootstrap: &str, topic: &str, partitions: i32) -> Outcome<()> {
    let client = klamm::Client::connect(bootstrap).await?;
    let ends = (0..partitions)
        .map(|partition| (TopicPartition::new(topic, partition), OffsetSpec::Latest));
    client.admin().list_offsets(ends).await?.all()?;
    Ok(())
}

/// Milliseconds of CPU a second that process `pid`, which consumes `topic`, uses in each phase. Writes to the first `busy`
/// partitions: one record each for a start, then nothing for the first phase, `rate` a second for the second, and one for the
/// end.
pub(crate) async fn phases(
    bootstrap: &str,
    topic: &str,
    busy: i32,
    rate: u64,
    pid: u32,
) -> Outcome<[f64; 2]> {
    let client = klamm::Client::connect(bootstrap).await?;
    let producer = client.producer().linger(Duration::ZERO).build()?;
    let value = [b'x'; 100];
    let record = |partition| Record::to(topic).partition(partition).value(&value);
    sleep(SETTLE).await;
    for partition in 0..busy {
        producer.send(record(partition)).await?.await?;
    }
    sleep(SETTLE).await;

    let clock = clock_getcpuclockid(Pid::from_raw(pid as i32))?;
    let start = Reading::of(clock)?;
    sleep(PHASE).await;
    let middle = Reading::of(clock)?;
    let mut ticks = interval(Duration::from_secs(1) / rate as u32);
    for index in 0..rate * IDLE_SECONDS {
        ticks.tick().await;
        // That all were written shows at the consumer, which waits for them.
        drop(producer.send(record((index % busy as u64) as i32)).await?);
    }
    producer.flush().await;
    let end = Reading::of(clock)?;
    producer.send(record(0)).await?.await?;
    Ok([middle.since(start), end.since(middle)])
}

/// What a process had used at a moment.
#[derive(Clone, Copy)]
struct Reading {
    at: Instant,
    cpu: Duration,
}

impl Reading {
    /// User and system time of all threads, in nanoseconds; `/proc` tells it in ticks of 10 ms.
    fn of(clock: ClockId) -> Outcome<Self> {
        Ok(Self {
            at: Instant::now(),
            cpu: clock_gettime(clock)?.into(),
        })
    }

    /// Milliseconds of CPU a second.
    fn since(self, before: Self) -> f64 {
        let cpu = self.cpu.saturating_sub(before.cpu);
        cpu.as_secs_f64() * 1e3 / (self.at - before.at).as_secs_f64()
    }
}
