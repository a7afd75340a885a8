//! Child processes that end with us.
//!
//! Owns: the only way in which the harness starts anything. Between us and each child stands a shell whose standard
//! input is a pipe that we hold. However we end (a panic, a static that is never dropped, SIGKILL), the kernel closes the
//! pipe, and the shell kills the child. Signals travel through the same pipe: the shell is the child's parent, so a
//! signal never reaches a stranger with a recycled pid.
//!
//! Invariants
//! - the shell lives in its own process group: a Ctrl-C is for the test process alone, and arrives here as the end of the pipe
//! - nothing of the child's input or output passes through us, so no child blocks on a full pipe

use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::time::Duration;

use crate::deadline::wait_for;
use crate::error::{Error, Result};

const SCRIPT: &str = include_str!("supervisor.sh");
/// A killed process is gone at once, unless the machine is very busy freeing its memory.
const KILL_PATIENCE: Duration = Duration::from_secs(30);

/// A signal that tests send to brokers.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Signal {
    Terminate,
    Kill,
    Stop,
    Continue,
}

impl Signal {
    fn name(self) -> &'static str {
        match self {
            Self::Terminate => "TERM",
            Self::Kill => "KILL",
            Self::Stop => "STOP",
            Self::Continue => "CONT",
        }
    }
}

/// Where a child's standard streams go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Streams<'a> {
    pub(crate) input: &'a Path,
    pub(crate) output: &'a Path,
    pub(crate) errors: &'a Path,
}

/// A running child. Dropping it kills the child and waits for its end.
#[derive(Debug)]
pub(crate) struct Supervised {
    supervisor: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
    pid: u32,
}

impl Supervised {
    /// Starts `command`. `run_dir` is removed if we die before the child.
    pub(crate) fn start(
        run_dir: &Path,
        streams: Streams<'_>,
        command: &[OsString],
    ) -> Result<Self> {
        let mut supervisor = Command::new("sh")
            .args([
                OsStr::new("-c"),
                OsStr::new(SCRIPT),
                OsStr::new("supervisor"),
            ])
            .args([run_dir, streams.input, streams.output, streams.errors])
            .args(command)
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| {
                Error::new(format!(
                    "could not start sh, which supervises {command:?}: {error}"
                ))
            })?;
        let orders = supervisor
            .stdin
            .take()
            .expect("its standard input is piped");
        let mut answers = BufReader::new(
            supervisor
                .stdout
                .take()
                .expect("its standard output is piped"),
        );
        let mut line = String::new();
        let read = answers.read_line(&mut line);
        let Some(pid) = read.ok().and_then(|_| line.trim().parse().ok()) else {
            drop(orders);
            let status = supervisor.wait();
            return Err(Error::new(format!(
                "the supervisor of {command:?} ended before it began: {status:?}"
            )));
        };
        Ok(Self {
            supervisor,
            orders,
            answers,
            pid,
        })
    }

    /// Sends a signal and waits until it is delivered; false if the child was gone.
    pub(crate) fn signal(&mut self, signal: Signal) -> bool {
        let mut answer = String::new();
        self.orders
            .write_all(format!("{}\n", signal.name()).as_bytes())
            .is_ok()
            && self.answers.read_line(&mut answer).is_ok()
            && answer.trim() == "sent"
    }

    /// The exit status, once the child has ended.
    pub(crate) fn try_wait(&mut self) -> Option<ExitStatus> {
        self.supervisor.try_wait().ok().flatten()
    }

    /// Waits for the child's end, `None` if it still runs when `patience` is over.
    pub(crate) fn wait(&mut self, patience: Duration) -> Option<ExitStatus> {
        wait_for(patience, || self.try_wait())
    }

    /// Kills the child with SIGKILL and waits for its end; without effect if it ended before.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.signal(Signal::Kill);
        match self.wait(KILL_PATIENCE) {
            Some(_) => Ok(()),
            None => Err(Error::new(format!(
                "process {} did not end within {KILL_PATIENCE:?} of SIGKILL",
                self.pid
            ))),
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        if let Err(error) = self.kill() {
            eprintln!("klamm-tests: {error}");
        }
    }
}

/// Whether a process with this pid exists.
pub fn process_is_alive(pid: u32) -> bool {
    Command::new("sh")
        .args(["-c", "kill -0 \"$1\"", "sh", &pid.to_string()])
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
