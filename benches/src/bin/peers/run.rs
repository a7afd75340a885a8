//! Running one client once on one workload.

use std::fmt;
use std::fs;
use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use klamm_tests::{DEFAULT_VERSION, Jars, Kafka};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;

use crate::Outcome;
use crate::client::Client;
use crate::idle;
use crate::workload::{Kind, Workload};

/// A client that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(300);

/// What one run gave.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sample {
    pub(crate) client: String,
    pub(crate) ns_cpu_per_record: f64,
    pub(crate) records_per_s: f64,
    /// Most memory that the process ever had.
    pub(crate) memory_mib: f64,
    pub(crate) p50_us: Option<f64>,
    pub(crate) p99_us: Option<f64>,
    /// Milliseconds of CPU a second while no record comes, and while few do.
    pub(crate) idle_cpu: Option<[f64; 2]>,
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:16} {:7.0} ns CPU/record  {:6.2} M records/s  {:5.0} MiB",
            self.client,
            self.ns_cpu_per_record,
            self.records_per_s / 1e6,
            self.memory_mib
        )?;
        if let (Some(p50), Some(p99)) = (self.p50_us, self.p99_us) {
            write!(f, "  p50 {p50:.0} us  p99 {p99:.0} us")?;
        }
        if let Some([idle, few]) = self.idle_cpu {
            write!(
                f,
                "  {idle:.2} ms CPU/s without records, {few:.2} with them"
            )?;
        }
        Ok(())
    }
}

/// The broker, and how much is asked of it.
pub(crate) struct Bench {
    kafka: Kafka,
    jars: Jars,
    runtime: tokio::runtime::Runtime,
    small_records: u64,
}

impl Bench {
    pub(crate) fn start(small_records: u64) -> Outcome<Self> {
        Ok(Self {
            kafka: Kafka::builder()
                .property("log.segment.delete.delay.ms", 1000)
                .start()?,
            jars: Jars::of(DEFAULT_VERSION.parse()?)?,
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?,
            small_records,
        })
    }

    /// For consumers the topic that they all read.
    pub(crate) fn prepare(&self, workload: &Workload) -> Outcome<Option<String>> {
        let Kind::Consume { busy } = workload.kind else {
            return Ok(None);
        };
        let topic = self.kafka.create_topic(workload.name, busy)?;
        let produce = Workload {
            kind: Kind::Produce {
                batch_size: 131_072,
                tasks: 1,
            },
            ..*workload
        };
        let records = workload.records(self.small_records);
        finish(&mut Client::Klamm.command(
            &produce,
            &self.kafka.bootstrap(),
            &topic,
            records,
            &self.jars,
        ))?;
        if workload.partitions > busy {
            self.kafka
                .tool("org.apache.kafka.tools.TopicCommand")?
                .args([
                    "--bootstrap-server",
                    &self.kafka.bootstrap(),
                    "--alter",
                    "--topic",
                    &topic,
                ])
                .args(["--partitions", &workload.partitions.to_string()])
                .run()?;
        }
        Ok(Some(topic))
    }

    /// Lets `client` do it once, on `filled` or on a topic of its own.
    pub(crate) fn run(
        &self,
        client: Client,
        workload: &Workload,
        filled: Option<&str>,
    ) -> Outcome<Sample> {
        let topic = match filled {
            Some(topic) => topic.to_owned(),
            None => self
                .kafka
                .create_topic(workload.name, workload.partitions)?,
        };
        let records = workload.records(self.small_records);
        let mut command = client.command(
            workload,
            &self.kafka.bootstrap(),
            &topic,
            records,
            &self.jars,
        );
        let before = children_cpu()?;
        let sample = if let Kind::Idle { busy, rate } = workload.kind {
            self.idle(workload, busy, rate, &mut command, &topic)
        } else {
            finish(&mut command).and_then(|finished| {
                let cpu = children_cpu()? - before;
                if client == Client::Java {
                    java_sample(&finished, cpu, records)
                } else {
                    sample(&finished.output)
                }
            })
        };
        if filled.is_none() {
            self.delete(&topic)?;
        }
        sample.map(|sample| Sample {
            client: client.to_string(),
            ..sample
        })
    }

    /// Lets a consumer read what is written to it here.
    fn idle(
        &self,
        workload: &Workload,
        busy: i32,
        rate: u64,
        command: &mut Command,
        topic: &str,
    ) -> Outcome<Sample> {
        let bootstrap = self.kafka.bootstrap();
        let created = idle::created(&bootstrap, topic, workload.partitions);
        self.runtime.block_on(created)?;
        let running = Running::start(command)?;
        let phases = idle::phases(&bootstrap, topic, busy, rate, running.pid());
        let phases = self.runtime.block_on(phases);
        // If the records did not come, it gives up by itself.
        let finished = running.end()?;
        Ok(Sample {
            idle_cpu: Some(phases?),
            ..sample(&finished.output)?
        })
    }

    pub(crate) fn delete(&self, topic: &str) -> Outcome<()> {
        self.runtime.block_on(async {
            let client = klamm::Client::connect(&self.kafka.bootstrap()).await?;
            client.admin().delete_topics([topic]).await?.all()?;
            Ok(())
        })
    }
}

struct Finished {
    output: String,
    memory_mib: f64,
}

/// Runs a client to its end.
fn finish(command: &mut Command) -> Outcome<Finished> {
    Running::start(command)?.end()
}

/// A client at work.
struct Running {
    child: Child,
    output: JoinHandle<String>,
    errors: JoinHandle<String>,
    started: Instant,
}

impl Running {
    fn start(command: &mut Command) -> Outcome<Self> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        Ok(Self {
            output: read(child.stdout.take().ok_or("no pipe")?),
            errors: read(child.stderr.take().ok_or("no pipe")?),
            child,
            started: Instant::now(),
        })
    }

    fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for its end; its errors go to ours.
    fn end(mut self) -> Outcome<Finished> {
        let mut memory_mib = 0.0;
        let status = loop {
            if let Some(status) = self.child.try_wait()? {
                break status;
            }
            // The peak never falls, so the last look before the end is nearly exact.
            memory_mib = peak_memory_mib(self.pid()).unwrap_or(memory_mib);
            if self.started.elapsed() > PATIENCE {
                self.child.kill()?;
            }
            thread::sleep(Duration::from_millis(20));
        };
        let output = self.output.join().map_err(|_| "its output was not read")?;
        if !status.success() {
            let errors = self.errors.join().unwrap_or_default();
            return Err(format!("{status}: {}", errors.trim_end()).into());
        }
        Ok(Finished { output, memory_mib })
    }
}

/// All that comes out of `pipe`, once it ends.
fn read(mut pipe: impl Read + Send + 'static) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut text = String::new();
        pipe.read_to_string(&mut text).ok();
        text
    })
}

fn peak_memory_mib(pid: u32) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim()
        .strip_suffix("kB")?
        .trim()
        .parse::<f64>()
        .ok()
        .map(|kibibytes| kibibytes / 1024.0)
}

/// CPU of all children that have ended: one runs at a time.
fn children_cpu() -> Outcome<f64> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    Ok((usage.user_time() + usage.system_time()).num_microseconds() as f64 / 1e6)
}

/// From the line that our program and the peers' print.
fn sample(output: &str) -> Outcome<Sample> {
    let field = |name: &str| {
        output
            .split_whitespace()
            .find_map(|word| word.strip_prefix(name)?.strip_prefix('=')?.parse().ok())
    };
    let needed = |name: &str| field(name).ok_or_else(|| format!("no {name} in {output:?}"));
    if output.contains("partial=true") {
        return Err(format!("not all was done: {output}").into());
    }
    Ok(Sample {
        ns_cpu_per_record: needed("ns_cpu_per_record")?,
        records_per_s: needed("records_per_s")?,
        memory_mib: needed("maxrss_mib")?,
        p50_us: field("p50_us"),
        p99_us: field("p99_us"),
        ..Sample::default()
    })
}

/// From the last line of Kafka's tools: `N records sent, R records/sec (…)`, or values under a header that ends with the
/// records per second of fetching.
fn java_sample(finished: &Finished, cpu: f64, records: u64) -> Outcome<Sample> {
    let last = finished.output.lines().last().ok_or("it printed nothing")?;
    let sent = last
        .split_once("records sent, ")
        .and_then(|(_, rest)| rest.split_whitespace().next());
    let rate = sent
        .or_else(|| last.rsplit(',').next())
        .ok_or("it printed no rate")?;
    Ok(Sample {
        ns_cpu_per_record: cpu * 1e9 / records as f64,
        records_per_s: rate
            .trim()
            .parse()
            .map_err(|_| format!("no rate in {last:?}"))?,
        memory_mib: finished.memory_mib,
        ..Sample::default()
    })
}
