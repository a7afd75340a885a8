//! The figures of all runs, as tables and as `docs/benchmarks.md`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use crate::Outcome;
use crate::client::{Client, root};
use crate::picture::{Bar, bars};
use crate::run::Sample;
use crate::workload::{self, IDLE_SECONDS, Kind, LATENCY_SECONDS, Workload};

/// All samples, by workload and client.
pub(crate) struct Report {
    rounds: usize,
    small_records: u64,
    samples: BTreeMap<&'static str, BTreeMap<Client, Vec<Sample>>>,
}

/// Minimum, median, maximum.
struct Spread([f64; 3]);

impl Spread {
    fn of(values: impl Iterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        let last = values.len().checked_sub(1)?;
        Some(Self([values[0], values[values.len() / 2], values[last]]))
    }

    fn median(&self) -> f64 {
        self.0[1]
    }

    fn text(&self, digits: usize) -> String {
        let [min, median, max] = self.0;
        format!("{min:.digits$} / {median:.digits$} / {max:.digits$}")
    }
}

/// One of a workload's table.
struct Column {
    title: &'static str,
    digits: usize,
    value: fn(&Sample) -> Option<f64>,
}

fn columns(kind: Kind) -> Vec<Column> {
    let column = |title, digits, value| Column {
        title,
        digits,
        value,
    };
    match kind {
        Kind::Latency { .. } | Kind::EndToEnd { .. } => vec![
            column("p50, us", 0, |sample| sample.p50_us),
            column("p99, us", 0, |sample| sample.p99_us),
        ],
        Kind::Idle { .. } => vec![
            column("ms CPU/s without records", 1, |sample| {
                Some(sample.idle_cpu?[0])
            }),
            column("ms CPU/s with them", 1, |sample| Some(sample.idle_cpu?[1])),
            column("peak MiB", 0, |sample| Some(sample.memory_mib)),
        ],
        Kind::Produce { .. } | Kind::Consume { .. } => vec![
            column("ns CPU/record", 0, |sample| Some(sample.ns_cpu_per_record)),
            column("million records/s", 2, |sample| {
                Some(sample.records_per_s / 1e6)
            }),
            column("peak MiB", 0, |sample| Some(sample.memory_mib)),
        ],
    }
}

impl Report {
    pub(crate) fn new(rounds: usize, small_records: u64) -> Self {
        Self {
            rounds,
            small_records,
            samples: BTreeMap::new(),
        }
    }

    pub(crate) fn add(&mut self, workload: &Workload, client: Client, sample: Sample) {
        self.samples
            .entry(workload.name)
            .or_default()
            .entry(client)
            .or_default()
            .push(sample);
    }

    fn spread(
        &self,
        workload: &Workload,
        client: Client,
        of: impl Fn(&Sample) -> Option<f64>,
    ) -> Option<Spread> {
        let samples = self.samples.get(workload.name)?.get(&client)?;
        Spread::of(samples.iter().filter_map(of))
    }

    /// The clients of a workload, ours first.
    fn clients(&self, workload: &Workload) -> Vec<Client> {
        self.samples
            .get(workload.name)
            .map(|clients| clients.keys().copied().collect())
            .unwrap_or_default()
    }

    /// A workload as a table in Markdown.
    pub(crate) fn table(&self, workload: &Workload) -> String {
        let columns = columns(workload.kind);
        let titles: Vec<&str> = columns.iter().map(|column| column.title).collect();
        let mut text = format!(
            "\n| {} | {} |\n|---|{}\n",
            workload.title,
            titles.join(" | "),
            "---|".repeat(columns.len())
        );
        for client in self.clients(workload) {
            let cells: Vec<String> = columns
                .iter()
                .map(|column| {
                    self.spread(workload, client, column.value)
                        .map_or_else(String::new, |spread| spread.text(column.digits))
                })
                .collect();
            // Writing to a string can't fail.
            let _ = writeln!(text, "| {client} | {} |", cells.join(" | "));
        }
        text
    }

    /// Makes `docs/benchmarks.md` and its pictures.
    pub(crate) fn write(&self) -> Outcome<()> {
        let docs = root().join("docs");
        let mut page = self.heading();
        for (name, title) in [
            ("produce", "Produce: CPU, ns a record"),
            ("consume", "Consume: CPU, ns a record"),
        ] {
            let picture = self.picture(name, title);
            fs::write(docs.join(format!("benchmarks-{name}.svg")), picture)?;
            let _ = writeln!(page, "\n![{title}](benchmarks-{name}.svg)");
        }
        for workload in workload::ALL
            .iter()
            .filter(|workload| self.samples.contains_key(workload.name))
        {
            page.push_str(&self.table(workload));
        }
        fs::write(docs.join("benchmarks.md"), page)?;
        Ok(())
    }

    fn heading(&self) -> String {
        let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = cpu
            .lines()
            .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
            .map_or("?", |(_, model)| model);
        let cores = cpu
            .lines()
            .filter(|line| line.starts_with("processor"))
            .count();
        format!(
            "# Benchmarks\n\nMade by `just bench-peers --write` on {} at commit {}; {cores} cores of {model}, shared with other work and with \
             the broker (Apache Kafka {}, one node).\n\nEach cell is minimum / median / maximum of {} rounds, in which the clients run one after the other, \
             another one first each time, each on a fresh topic. {} records of 100 bytes (the same bytes in larger ones) without keys, 6 \
             partitions, acks=all, idempotent, linger 5 ms, no compression, batch.size 131072, where the title says nothing else; \
             latency: {LATENCY_SECONDS} s with linger 0. Consumers read what klamm wrote, all partitions without a group, checking CRCs. CPU is user and system time of \
             the client's process while it works; of the Java client that of the whole process, its start included. The consumers at the end of their \
             partitions wait {IDLE_SECONDS} s for no record, then {IDLE_SECONDS} s for those of another process; fetch.max.wait.ms 500, fetch.min.bytes 1.\n\
             \n[The peers' programs](../benches/peers/README.md)\n",
            output("date", &["+%F"]),
            output("git", &["rev-parse", "--short", "HEAD"]),
            klamm_tests::DEFAULT_VERSION,
            self.rounds,
            self.small_records,
        )
    }

    fn picture(&self, start: &str, title: &str) -> String {
        let mut all = Vec::new();
        for workload in workload::ALL
            .iter()
            .filter(|workload| workload.name.starts_with(start))
        {
            for client in self.clients(workload) {
                let Some(spread) =
                    self.spread(workload, client, |sample| Some(sample.ns_cpu_per_record))
                else {
                    continue;
                };
                all.push(Bar {
                    group: workload.title,
                    label: client.to_string(),
                    value: spread.median(),
                    ours: client == Client::Klamm,
                });
            }
        }
        bars(title, &all)
    }
}

fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    output.map_or_else(
        |_| "?".to_owned(),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    )
}
