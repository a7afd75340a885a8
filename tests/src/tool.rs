//! Kafka's command line tools, and any other Java program on Kafka's jars, as children with deadlines.
//!
//! Their streams are files: a tool never blocks on a full pipe, and what a running one has written so far can be read.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use crate::deadline::wait_for;
use crate::error::{Error, Result};
use crate::jars::Jars;
use crate::run_dir::{RunDir, tail};
use crate::supervisor::{Signal, Streams, Supervised};

const PATIENCE: Duration = Duration::from_secs(120);

/// A tool to run.
#[derive(Clone, Debug)]
#[must_use = "nothing runs before `run` or `spawn`"]
pub struct Tool {
    jars: Jars,
    main: OsString,
    arguments: Vec<OsString>,
    input: Vec<u8>,
    patience: Duration,
}

/// What a tool wrote and how it ended.
#[derive(Debug)]
pub struct ToolOutput {
    /// How it ended; a tool whose supervisor was asked for a signal ends with 128 and the signal's number.
    pub status: ExitStatus,
    /// Its standard output.
    pub stdout: Vec<u8>,
    /// Its standard error.
    pub stderr: Vec<u8>,
}

/// A tool that runs. Dropping it kills it.
#[derive(Debug)]
pub struct RunningTool {
    process: Supervised,
    name: String,
    output: PathBuf,
    errors: PathBuf,
    deadline: Instant,
    /// Holds the streams; dropped after the process.
    _run_dir: RunDir,
}

impl Tool {
    /// A tool by its class, or a Java source file by its path.
    pub fn new(jars: &Jars, main: impl AsRef<OsStr>) -> Self {
        let main = main.as_ref().to_owned();
        Self {
            jars: jars.clone(),
            main,
            arguments: Vec::new(),
            input: Vec::new(),
            patience: PATIENCE,
        }
    }

    /// Adds an argument.
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    pub fn args(mut self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.arguments.extend(
            arguments
                .into_iter()
                .map(|argument| argument.as_ref().to_owned()),
        );
        self
    }

    /// What it reads from its standard input; nothing by default.
    pub fn stdin(mut self, input: impl Into<Vec<u8>>) -> Self {
        self.input = input.into();
        self
    }

    /// How long it may run in all, two minutes by default.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Runs it to its end.
    ///
    /// # Errors
    /// It can't be started, runs too long, or ends with another status than 0; with the end of what it wrote.
    pub fn run(self) -> Result<ToolOutput> {
        self.spawn()?.wait()
    }

    /// Starts it.
    ///
    /// # Errors
    /// It can't be started.
    pub fn spawn(self) -> Result<RunningTool> {
        let run_dir = RunDir::create("tool")?;
        let [input, output, errors] =
            ["stdin", "stdout", "stderr"].map(|name| run_dir.path().join(name));
        fs::write(&input, &self.input).map_err(|error| Error::io("write", &input, &error))?;
        for path in [&output, &errors] {
            File::create(path).map_err(|error| Error::io("create", path, &error))?;
        }
        let mut command = self.jars.java(&["-Xmx512m".to_owned()], &self.main);
        command.extend(self.arguments);
        let streams = Streams {
            input: &input,
            output: &output,
            errors: &errors,
        };
        let process = Supervised::start(run_dir.path(), streams, &command)?;
        let name = Path::new(&self.main)
            .file_name()
            .unwrap_or(&self.main)
            .to_string_lossy()
            .into_owned();
        Ok(RunningTool {
            process,
            name,
            output,
            errors,
            deadline: Instant::now() + self.patience,
            _run_dir: run_dir,
        })
    }
}

impl RunningTool {
    /// Waits for its end.
    ///
    /// # Errors
    /// It runs beyond its deadline (then it is killed), or ends with another status than 0.
    pub fn wait(mut self) -> Result<ToolOutput> {
        let patience = self.deadline.saturating_duration_since(Instant::now());
        let Some(status) = self.process.wait(patience) else {
            return Err(self.failure("did not end in time"));
        };
        if !status.success() {
            return Err(self.failure(&format!("failed ({status})")));
        }
        Ok(ToolOutput {
            status,
            stdout: read(&self.output)?,
            stderr: read(&self.errors)?,
        })
    }

    /// Waits until a complete line of its standard output satisfies `condition`, and gives the line.
    ///
    /// # Errors
    /// It ends, or its deadline passes, without such a line.
    pub fn wait_for_line(&mut self, condition: impl Fn(&str) -> bool) -> Result<String> {
        let patience = self.deadline.saturating_duration_since(Instant::now());
        let found = wait_for(patience, || {
            // Looked at before the output, or the last line of one that just ended would be missed.
            let ended = self.process.try_wait().is_some();
            let output = self.stdout_so_far().unwrap_or_default();
            let complete = &output[..output.rfind('\n').map_or(0, |end| end + 1)];
            let line = complete
                .lines()
                .find(|line| condition(line))
                .map(str::to_owned);
            if line.is_some() || ended {
                Some(line)
            } else {
                None
            }
        });
        found
            .flatten()
            .ok_or_else(|| self.failure("did not print the line that was waited for"))
    }

    /// What it has written to its standard output so far.
    ///
    /// # Errors
    /// The file that it goes to can't be read.
    pub fn stdout_so_far(&self) -> Result<String> {
        read(&self.output).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Asks it to stop (SIGTERM), as a user does, and waits for its end, whatever its status.
    ///
    /// # Errors
    /// It does not end in time; then it is killed.
    pub fn stop(mut self) -> Result<ToolOutput> {
        self.process.signal(Signal::Terminate);
        self.ended()
    }

    /// Kills it and waits for its end.
    ///
    /// # Errors
    /// The process does not go.
    pub fn kill(mut self) -> Result<ToolOutput> {
        self.process.signal(Signal::Kill);
        self.ended()
    }

    /// How long it may run from now on.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.deadline = Instant::now() + patience;
        self
    }

    /// Its pid.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    fn ended(mut self) -> Result<ToolOutput> {
        match self.process.wait(PATIENCE) {
            Some(status) => Ok(ToolOutput {
                status,
                stdout: read(&self.output)?,
                stderr: read(&self.errors)?,
            }),
            None => Err(self.failure("did not end when told to")),
        }
    }

    fn failure(&self, what: &str) -> Error {
        let (output, errors) = (tail(&self.output), tail(&self.errors));
        Error::new(format!(
            "{} {what}; the end of its output:\n{output}\n{errors}",
            self.name
        ))
    }
}

impl ToolOutput {
    /// Its standard output as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).map_err(|error| Error::io("read", path, &error))
}
