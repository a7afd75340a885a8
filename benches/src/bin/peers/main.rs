//! klamm beside other clients, on one Kafka, in turn.
//!
//! `cargo run --release -p klamm-benches --bin peers -- [--rounds 3] [--records 5000000] [WORKLOAD...]`
//!
//! Builds the clients' programs (`benches/peers`), starts Apache Kafka, and for each workload lets every client run once a
//! round, each on a topic of its own, another one first in each round. Prints a table (minimum, median, maximum) and, with
//! `--write`, makes `docs/benchmarks.md` and its pictures of it. CPU is the client process's own, user and system; of the
//! Java client it is that of the whole process, its start included; of consumers that idle it is read from outside, for the
//! two phases of such a run.

mod client;
mod idle;
mod picture;
mod report;
mod run;
mod workload;

use std::process::ExitCode;

use clap::Parser;

use crate::client::Client;
use crate::report::Report;
use crate::run::Bench;
use crate::workload::Workload;

/// What the command line asks for.
#[derive(Debug, Parser)]
struct Arguments {
    /// How often each client runs each workload
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Records of 100 bytes a run; fewer where they are larger
    #[arg(long, default_value_t = 5_000_000)]
    records: u64,
    /// Only these clients
    #[arg(long, value_delimiter = ',')]
    clients: Vec<Client>,
    /// Writes docs/benchmarks.md and its pictures
    #[arg(long)]
    write: bool,
    /// Only these workloads, such as produce, consume-1000p or idle-1000p
    workloads: Vec<String>,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("peers: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Whatever went wrong: there is nothing to tell apart.
type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn run(arguments: &Arguments) -> Outcome<()> {
    let wanted = |name: &str| {
        arguments.workloads.is_empty() || arguments.workloads.iter().any(|it| it == name)
    };
    let workloads: Vec<Workload> = workload::ALL
        .iter()
        .filter(|workload| wanted(workload.name))
        .copied()
        .collect();
    let clients = if arguments.clients.is_empty() {
        Client::ALL
    } else {
        &arguments.clients
    };
    let clients: Vec<Client> = clients
        .iter()
        .copied()
        .filter(|client| client.build())
        .collect();
    let bench = Bench::start(arguments.records)?;
    let mut report = Report::new(arguments.rounds, arguments.records);
    for workload in workloads {
        let able: Vec<Client> = clients
            .iter()
            .copied()
            .filter(|client| client.can(&workload))
            .collect();
        let filled = bench.prepare(&workload)?;
        for round in 0..arguments.rounds {
            for turn in 0..able.len() {
                let client = able[(turn + round) % able.len()];
                match bench.run(client, &workload, filled.as_deref()) {
                    Ok(sample) => {
                        println!("{:24} {sample}", workload.name);
                        report.add(&workload, client, sample);
                    }
                    Err(error) => eprintln!("{} {client}: {error}", workload.name),
                }
            }
        }
        if let Some(topic) = filled {
            bench.delete(&topic)?;
        }
        print!("{}", report.table(&workload));
    }
    if arguments.write {
        report.write()?;
    }
    Ok(())
}
