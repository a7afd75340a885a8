//! The `klamm` command: produce, consume, topics, perf and verify for Apache Kafka.
//!
//! Owns: the command line, what is printed, exit codes. All that concerns Kafka is in the library.
//!
//! Results go to standard output, everything else to standard error, a failure in one line. Exit
//! codes: 0 done, 1 failed, 2 misused, 130 interrupted before it was done.

mod args;
mod consume;
mod deliveries;
mod failure;
mod format;
mod perf;
mod produce;
mod session;
mod topics;
mod verify;

use std::process::ExitCode;

use clap::Parser as _;

use crate::args::{Cli, Command};
use crate::failure::Failure;

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
    match cli.command {
        Command::Produce(args) => produce::run(cli.cluster, args).await,
        Command::Consume(args) => consume::run(cli.cluster, args).await,
        Command::Topics { command } => topics::run(cli.cluster, command).await,
        Command::Perf(command) => perf::run(cli.cluster, command).await,
        Command::Verify(command) => verify::run(cli.cluster, command).await,
    }
}
