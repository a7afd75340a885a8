//! What the peers' programs share: arguments, the values that `klamm perf` sends too, the result line.

use std::env;
use std::process;
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;

/// What the command line asks for; all arguments are given, in this order.
pub enum Job {
    /// `produce BOOTSTRAP TOPIC RECORDS SIZE BATCH_SIZE LINGER_MS COMPRESSION TASKS`
    Produce(Produce),
    /// `consume BOOTSTRAP TOPIC RECORDS PARTITIONS`
    Consume(Consume),
    /// `latency BOOTSTRAP TOPIC RATE SECONDS SIZE`
    Latency(Latency),
    /// `end-to-end BOOTSTRAP TOPIC RATE SECONDS SIZE`, to the poll in this process
    EndToEnd(Latency),
}

/// acks=all, idempotent.
#[derive(Clone)]
pub struct Produce {
    pub bootstrap: String,
    pub topic: String,
    pub records: u64,
    pub size: usize,
    pub batch_size: String,
    pub linger_ms: String,
    pub compression: String,
    pub tasks: u64,
}

impl Produce {
    /// How many records each task sends.
    pub fn shares(&self) -> impl Iterator<Item = u64> {
        let (each, rest) = (self.records / self.tasks, self.records % self.tasks);
        (0..self.tasks).map(move |task| each + u64::from(task < rest))
    }
}

/// All partitions from the beginning, in no group; a fetch waits 500 ms at most for 1 byte. Up to 15 s may pass without a record.
pub struct Consume {
    pub bootstrap: String,
    pub topic: String,
    pub records: u64,
    pub partitions: i32,
}

/// Linger 0, acks=all; the clock of a record starts at its call.
pub struct Latency {
    pub bootstrap: String,
    pub topic: String,
    pub rate: u64,
    pub seconds: u64,
    pub size: usize,
}

impl Job {
    /// From the command line, or the end of the process.
    pub fn from_args() -> Self {
        let arguments: Vec<String> = env::args().skip(1).collect();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        match *arguments.as_slice() {
            [
                "produce",
                bootstrap,
                topic,
                records,
                size,
                batch_size,
                linger_ms,
                compression,
                tasks,
            ] => Self::Produce(Produce {
                bootstrap: bootstrap.to_owned(),
                topic: topic.to_owned(),
                records: number(records),
                size: number(size) as usize,
                batch_size: batch_size.to_owned(),
                linger_ms: linger_ms.to_owned(),
                compression: compression.to_owned(),
                tasks: number(tasks),
            }),
            ["consume", bootstrap, topic, records, partitions] => Self::Consume(Consume {
                bootstrap: bootstrap.to_owned(),
                topic: topic.to_owned(),
                records: number(records),
                partitions: number(partitions) as i32,
            }),
            [
                verb @ ("latency" | "end-to-end"),
                bootstrap,
                topic,
                rate,
                seconds,
                size,
            ] => {
                let job = Latency {
                    bootstrap: bootstrap.to_owned(),
                    topic: topic.to_owned(),
                    rate: number(rate),
                    seconds: number(seconds),
                    size: number(size) as usize,
                };
                if verb == "latency" {
                    Self::Latency(job)
                } else {
                    Self::EndToEnd(job)
                }
            }
            _ => fail("arguments: see the peer crate's Job"),
        }
    }
}

fn number(text: &str) -> u64 {
    text.parse()
        .unwrap_or_else(|_| fail(&format!("not a number: {text}")))
}

/// Ends the process: a run that did not do all it should must not count.
pub fn fail(why: &str) -> ! {
    eprintln!("{why}");
    process::exit(1)
}

/// The values of `klamm perf`: half of each a fixed text, half hexadecimal digits.
pub fn payloads(size: usize) -> Vec<Vec<u8>> {
    const TEXT: &[u8] = br#"{"tenant":"acme","service":"checkout","event":"order-updated","v":"#;
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut byte = |index: usize| {
        if index % 16 < 8 {
            return TEXT[index % TEXT.len()];
        }
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        b"0123456789abcdef"[(state >> 40) as usize & 15]
    };
    (0..1024)
        .map(|_| (0..size).map(&mut byte).collect())
        .collect()
}

/// The process's time and CPU at a moment.
#[derive(Clone, Copy)]
pub struct Meter {
    at: Instant,
    cpu: Duration,
}

impl Meter {
    pub fn now() -> Self {
        Self {
            at: Instant::now(),
            cpu: usage().0,
        }
    }

    pub fn elapsed(&self) -> Duration {
        self.at.elapsed()
    }

    /// Prints the result line: what was used from `self` until now for `records` records.
    pub fn report(self, client: &str, job: &str, records: u64, more: &str) {
        let seconds = self.at.elapsed().as_secs_f64();
        let (cpu, memory) = usage();
        let cpu = cpu - self.cpu;
        println!(
            "{client} {job} records={records} seconds={seconds:.3} records_per_s={:.0} cpu_seconds={:.3} \
             ns_cpu_per_record={:.1} maxrss_mib={memory}{more}",
            records as f64 / seconds,
            cpu.as_secs_f64(),
            cpu.as_nanos() as f64 / records.max(1) as f64,
        );
    }
}

fn usage() -> (Duration, i64) {
    let usage = getrusage(UsageWho::RUSAGE_SELF).expect("the own process can be asked");
    let cpu = usage.user_time() + usage.system_time();
    (
        Duration::from_micros(cpu.num_microseconds() as u64),
        usage.max_rss() / 1024,
    )
}

/// Reports what was measured of each record of a [`Latency`] job.
pub fn report_latencies(start: Meter, client: &str, job: &str, mut took: Vec<Duration>) {
    took.sort_unstable();
    let at =
        |share: f64| took[((took.len() as f64 * share) as usize).min(took.len() - 1)].as_micros();
    let more = format!(
        " p50_us={} p99_us={} p99.9_us={} max_us={}",
        at(0.5),
        at(0.99),
        at(0.999),
        at(1.0)
    );
    start.report(client, job, took.len() as u64, &more);
}
