//! The `klamm` command: what Apache Kafka's daily work needs.
//!
//! Owns: the command line, what is printed, exit codes. All that concerns Kafka is in the library.
//!
//! Results go to standard output, everything else to standard error, a failure in one line. Exit
//! codes: 0 done, 1 failed, 2 misused, 3 the answer is no, 130 interrupted before it was done.

mod acls;
mod args;
mod cluster;
mod completions;
mod configs;
mod confirm;
mod consume;
mod doctor;
mod elect;
mod failure;
mod groups;
mod interrupt;
mod lag;
mod output;
mod partitions;
mod perf;
mod place;
mod produce;
mod progress;
mod quotas;
mod reassign;
mod records;
mod secure;
mod session;
mod time;
mod topics;
mod transactions;
mod users;
mod verify;

use std::future::Future;
use std::process::ExitCode;

use clap::Parser as _;

use crate::args::{Cli, Command};
use crate::failure::{Failure, note};
use crate::interrupt::interrupted;
use crate::output::Output;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return Failure::Failed(format!("cannot start: {error}")).report(),
    };
    let result = runtime.block_on(run(cli));
    // Standard input is read by a thread that cannot be interrupted: it must not be waited for.
    runtime.shutdown_background();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

async fn run(cli: Cli) -> Result<(), Failure> {
    let (cluster, out) = (cli.cluster, Output::new(cli.output.json));
    match cli.command {
        Command::Produce(args) => produce::run(cluster, args, &out).await,
        Command::Consume(args) => consume::run(cluster, args, &out).await,
        Command::Topics { command } => at_once(topics::run(cluster, command, &out)).await,
        Command::Groups { command } => at_once(groups::run(cluster, command, &out)).await,
        Command::Lag(args) => lag::run(cluster, args, &out).await,
        Command::Configs(command) => at_once(configs::run(cluster, command, &out)).await,
        Command::Cluster { command } => at_once(cluster::run(cluster, command, &out)).await,
        Command::Doctor(args) => at_once(doctor::run(cluster, args, &out)).await,
        Command::Records(command) => at_once(records::run(cluster, command, &out)).await,
        Command::Transactions { command } => {
            at_once(transactions::run(cluster, command, &out)).await
        }
        Command::Reassign { command } => at_once(reassign::run(cluster, command, &out)).await,
        Command::Elect(args) => at_once(elect::run(cluster, args, &out)).await,
        Command::Acls { command } => at_once(acls::run(cluster, command, &out)).await,
        Command::Users { command } => at_once(users::run(cluster, command, &out)).await,
        Command::Quotas { command } => at_once(quotas::run(cluster, command, &out)).await,
        Command::Perf(command) => perf::run(cluster, command, &out).await,
        Command::Verify(command) => verify::run(cluster, command).await,
        Command::Completions(args) => completions::run(&args),
    }
}

/// Work that Ctrl-C ends where it stands.
async fn at_once(work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    tokio::select! {
        result = work => result,
        () = interrupted() => {
            note("interrupted: what was under way may have been done");
            Err(Failure::Interrupted)
        }
    }
}
