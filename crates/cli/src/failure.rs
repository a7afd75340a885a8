//! Why a command ended early, and the exit code for it.

use std::fmt;
use std::io;
use std::process::ExitCode;

/// Why a command ended early.
#[derive(Debug)]
pub(crate) enum Failure {
    /// What was asked for makes no sense: exit code 2, as for a malformed command line.
    Usage(String),
    /// It did not work: exit code 1.
    Failed(String),
    /// Ctrl-C; what was done until then has been said. Exit code 130, as shells have it.
    Interrupted,
    /// Nobody reads the output any more, as with `| head`: not a failure.
    OutputClosed,
}

impl Failure {
    /// Says what happened on standard error, in one line, and gives the exit code.
    pub(crate) fn report(&self) -> ExitCode {
        match self {
            Self::Usage(message) => {
                print_error(message);
                ExitCode::from(2)
            }
            Self::Failed(message) => {
                print_error(message);
                ExitCode::FAILURE
            }
            Self::Interrupted => ExitCode::from(130),
            Self::OutputClosed => ExitCode::SUCCESS,
        }
    }

    /// A failure to write to standard output.
    pub(crate) fn output(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::OutputClosed,
            _ => Self::Failed(format!("cannot write to standard output: {error}")),
        }
    }
}

fn print_error(message: &str) {
    // A list of problems has one a line.
    let line = message.replace(":\n- ", ": ").replace("\n- ", "; ");
    eprintln!("klamm: {}", line.replace('\n', " "));
}

/// Says something on standard error that is no failure.
pub(crate) fn note(message: impl fmt::Display) {
    eprintln!("klamm: {message}");
}

impl From<klamm::Error> for Failure {
    fn from(error: klamm::Error) -> Self {
        use klamm::{Error, consumer, producer};
        match error {
            Error::Config(_)
            | Error::Producer(producer::Error::Config(_))
            | Error::Consumer(consumer::Error::Config(_)) => Self::Usage(error.to_string()),
            _ => Self::Failed(error.to_string()),
        }
    }
}

macro_rules! from_role_errors {
    ($($error:ty),*) => {
        $(
            impl From<$error> for Failure {
                fn from(error: $error) -> Self {
                    klamm::Error::from(error).into()
                }
            }
        )*
    };
}

from_role_errors!(
    klamm::config::ConfigError,
    klamm::admin::Error,
    klamm::consumer::Error,
    klamm::producer::Error,
    klamm::CommitError
);
