//! Why a command ended early, and the exit code for it.

use std::fmt;
use std::io::{self, Write as _};
use std::process::ExitCode;

use klamm::ErrorCode;

/// The exit code after Ctrl-C, as shells have it.
pub(crate) const INTERRUPTED: u8 = 130;

/// Why a command ended early.
#[derive(Debug)]
pub(crate) enum Failure {
    /// What was asked for makes no sense: exit code 2, as for a malformed command line.
    Usage(String),
    /// It did not work: exit code 1.
    Failed(String),
    /// Ctrl-C; what was done until then has been said. Exit code [`INTERRUPTED`].
    Interrupted,
    /// The answer to a question is no: exit code 3.
    No,
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
            Self::Interrupted => ExitCode::from(INTERRUPTED),
            Self::No => ExitCode::from(3),
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
    note(line.replace('\n', " "));
}

/// Says something on standard error that is no failure.
pub(crate) fn note(message: impl fmt::Display) {
    // Who reads it may be gone, as with `2>&1 | head`: that must not end what is under way.
    let _ = writeln!(io::stderr(), "klamm: {message}");
}

/// A failure in one line, with what can be done about it.
pub(crate) fn explain(error: &klamm::admin::Error) -> String {
    match error.code().and_then(advice) {
        Some(advice) => format!("{error}; {advice}"),
        None => error.to_string(),
    }
}

/// What helps against a broker's refusal, where that is not plain from its name.
fn advice(code: ErrorCode) -> Option<&'static str> {
    Some(match code {
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION => "klamm topics lists those that are there",
        ErrorCode::GROUP_ID_NOT_FOUND => "klamm groups lists those that are there",
        ErrorCode::NON_EMPTY_GROUP | ErrorCode::UNKNOWN_MEMBER_ID => {
            "the group has members: stop them first; klamm groups members shows who they are"
        }
        ErrorCode::GROUP_SUBSCRIBED_TO_TOPIC => {
            "members of the group read this topic: stop them first"
        }
        ErrorCode::TOPIC_AUTHORIZATION_FAILED
        | ErrorCode::GROUP_AUTHORIZATION_FAILED
        | ErrorCode::CLUSTER_AUTHORIZATION_FAILED
        | ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED => {
            "this user is not permitted to; whoever may can show the ACLs with klamm acls"
        }
        ErrorCode::SECURITY_DISABLED => "the brokers have no authorizer (authorizer.class.name)",
        _ => return None,
    })
}

impl From<klamm::Error> for Failure {
    fn from(error: klamm::Error) -> Self {
        use klamm::{Error, admin, consumer, producer};
        match error {
            Error::Config(_)
            | Error::Admin(admin::Error::Invalid { .. } | admin::Error::NeedsBrokers { .. })
            | Error::Producer(producer::Error::Config(_))
            | Error::Consumer(consumer::Error::Config(_)) => Self::Usage(error.to_string()),
            Error::Admin(error) => Self::Failed(explain(&error)),
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
