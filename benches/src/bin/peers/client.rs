//! The clients: how to build their programs and how to tell them what to do.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::process::Command;

use klamm_tests::Jars;

use crate::workload::{Kind, LATENCY_SECONDS, Workload};

/// A client of Kafka.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub(crate) enum Client {
    Klamm,
    FranzGo,
    ConfluentKafka,
    Rdkafka,
    RdkafkaFuture,
    Krafka,
    Java,
}

impl Client {
    pub(crate) const ALL: &[Self] = &[
        Self::Klamm,
        Self::FranzGo,
        Self::ConfluentKafka,
        Self::Rdkafka,
        Self::RdkafkaFuture,
        Self::Krafka,
        Self::Java,
    ];

    /// Builds its program; says so if that can't be done here.
    pub(crate) fn build(self) -> bool {
        let peers = peers();
        let cargo = |folder: PathBuf, packages: &[&str]| {
            let mut command = Command::new("cargo");
            command
                .current_dir(folder)
                .args(["build", "--release", "--locked"])
                .args(packages);
            command
        };
        let mut command = match self {
            Self::Klamm => cargo(root(), &["--package", "klamm-cli"]),
            Self::FranzGo => {
                let mut command = Command::new("go");
                command
                    .current_dir(peers.join("franz-go"))
                    .arg("build")
                    .arg("-o")
                    .arg(self.program())
                    .arg(".");
                command
            }
            Self::ConfluentKafka | Self::Rdkafka | Self::RdkafkaFuture | Self::Krafka => {
                // All at once: one alone would be built with other features of what they share, and so all of that again.
                cargo(peers.join("rust"), &["--workspace"])
            }
            // Kafka's own tools, which come with the broker's jars.
            Self::Java => return true,
        };
        let built = command.status().is_ok_and(|status| status.success());
        if !built {
            eprintln!("!!! {self} is left out: its program can't be built here");
        }
        built
    }

    /// Whether it has the means for `workload`.
    pub(crate) fn can(self, workload: &Workload) -> bool {
        match (self, workload.kind) {
            (Self::Klamm | Self::FranzGo | Self::Rdkafka, _) => true,
            (_, Kind::Latency { .. } | Kind::EndToEnd { .. })
            | (Self::RdkafkaFuture, Kind::Consume { .. })
            // Java's tool gives up without records.
            | (Self::RdkafkaFuture | Self::Java, Kind::Idle { .. }) => false,
            (Self::RdkafkaFuture | Self::Java, Kind::Produce { tasks, .. }) => tasks == 1,
            (Self::ConfluentKafka | Self::Krafka | Self::Java, _) => true,
        }
    }

    /// What runs it.
    pub(crate) fn command(
        self,
        workload: &Workload,
        bootstrap: &str,
        topic: &str,
        records: u64,
        jars: &Jars,
    ) -> Command {
        match self {
            Self::Klamm => klamm(workload, bootstrap, topic, records),
            Self::Java => java(workload, bootstrap, topic, records, jars),
            _ => {
                let mut command = Command::new(self.program());
                if self == Self::RdkafkaFuture {
                    command.env("API", "future");
                }
                command.args(peer_arguments(workload, bootstrap, topic, records));
                command
            }
        }
    }

    fn package(self) -> &'static str {
        match self {
            Self::ConfluentKafka => "peer-confluent-kafka",
            Self::Krafka => "peer-krafka",
            _ => "peer-rdkafka",
        }
    }

    fn program(self) -> PathBuf {
        match self {
            Self::FranzGo => peers().join("franz-go/peer-franz-go"),
            _ => peers().join("rust/target/release").join(self.package()),
        }
    }
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Klamm => "klamm",
            Self::FranzGo => "franz-go",
            Self::ConfluentKafka => "confluent-kafka",
            Self::Rdkafka => "rdkafka",
            Self::RdkafkaFuture => "rdkafka, futures",
            Self::Krafka => "krafka",
            Self::Java => "Java",
        })
    }
}

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn peers() -> PathBuf {
    root().join("benches/peers")
}

/// As `benches/peers/rust/peer` reads them.
fn peer_arguments(workload: &Workload, bootstrap: &str, topic: &str, records: u64) -> Vec<String> {
    let size = workload.size.to_string();
    let records = records.to_string();
    let own: Vec<String> = match workload.kind {
        Kind::Produce { batch_size, tasks } => vec![
            records,
            size,
            batch_size.to_string(),
            "5".to_owned(),
            workload.compression.to_owned(),
            tasks.to_string(),
        ],
        Kind::Consume { .. } | Kind::Idle { .. } => vec![records, workload.partitions.to_string()],
        Kind::Latency { rate } | Kind::EndToEnd { rate } => {
            vec![rate.to_string(), LATENCY_SECONDS.to_string(), size]
        }
    };
    let verb = match workload.kind {
        Kind::Produce { .. } => "produce",
        Kind::Consume { .. } | Kind::Idle { .. } => "consume",
        Kind::Latency { .. } => "latency",
        Kind::EndToEnd { .. } => "end-to-end",
    };
    let mut arguments = vec![verb.to_owned(), bootstrap.to_owned(), topic.to_owned()];
    arguments.extend(own);
    arguments
}

fn klamm(workload: &Workload, bootstrap: &str, topic: &str, records: u64) -> Command {
    let mut command = Command::new(root().join("target/release/klamm"));
    command.args(["perf", "-b", bootstrap]);
    let records = records.to_string();
    let size = workload.size.to_string();
    match workload.kind {
        Kind::Produce { batch_size, tasks } => command
            .args([
                "produce",
                "--topic",
                topic,
                "--records",
                &records,
                "--record-size",
                &size,
            ])
            .args([
                "--batch-size",
                &batch_size.to_string(),
                "--tasks",
                &tasks.to_string(),
            ])
            .args(["--compression", workload.compression]),
        Kind::Consume { .. } | Kind::Idle { .. } => {
            command.args(["consume", "--topic", topic, "--records", &records])
        }
        Kind::Latency { rate } | Kind::EndToEnd { rate } => command
            .arg(match workload.kind {
                Kind::EndToEnd { .. } => "end-to-end",
                _ => "latency",
            })
            .args(["--topic", topic, "--record-size", &size])
            .args([
                "--rate",
                &rate.to_string(),
                "--seconds",
                &LATENCY_SECONDS.to_string(),
            ]),
    };
    command
}

/// Kafka's own tools; their values are random bytes, as they come.
fn java(workload: &Workload, bootstrap: &str, topic: &str, records: u64, jars: &Jars) -> Command {
    let tool = match workload.kind {
        Kind::Consume { .. } => "org.apache.kafka.tools.ConsumerPerformance",
        _ => "org.apache.kafka.tools.ProducerPerformance",
    };
    let words = jars.java(&["-Xmx512m".to_owned()], &OsString::from(tool));
    let mut command = Command::new(&words[0]);
    command
        .args(&words[1..])
        .args(["--topic", topic, "--num-records", &records.to_string()]);
    match workload.kind {
        Kind::Produce { batch_size, .. } => command
            .args([
                "--record-size",
                &workload.size.to_string(),
                "--throughput",
                "-1",
                "--producer-props",
            ])
            .arg(format!("bootstrap.servers={bootstrap}"))
            .arg(format!("batch.size={batch_size}"))
            .arg(format!("compression.type={}", workload.compression))
            .args(["acks=all", "linger.ms=5", "buffer.memory=67108864"]),
        _ => command.args(["--bootstrap-server", bootstrap]),
    };
    command
}
