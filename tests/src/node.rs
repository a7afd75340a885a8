//! One broker of a cluster: its place, its process, and what a test may do to it.
//!
//! Invariants
//! - ports and data stay the same for the node's life, however often it is killed and started, unless it is moved
//! - methods may be called from any thread; what concerns the process is serialised by its lock

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::deadline::wait_for;
use crate::error::{Error, Result};
use crate::ports::free_ports;
use crate::properties::PLAINTEXT;
use crate::run_dir::{mark_kept, tail};
use crate::supervisor::{Signal, Streams, Supervised};
use crate::wire;

/// A start takes 4 s on an idle machine; several suites may run at once.
pub(crate) const START_PATIENCE: Duration = Duration::from_secs(120);
/// A controlled shutdown moves leadership first; Kafka itself gives up moving after some tries.
const STOP_PATIENCE: Duration = Duration::from_secs(60);

/// What a node is made of, ready to be started.
#[derive(Debug)]
pub(crate) struct NodePlan {
    pub(crate) id: i32,
    pub(crate) folder: PathBuf,
    /// By listener name; the plaintext listener's is the first.
    pub(crate) ports: Mutex<Vec<(String, u16)>>,
    pub(crate) command: Vec<OsString>,
}

/// A broker. Killing, pausing and restarting it is what it is for.
#[derive(Debug)]
pub struct Node {
    plan: NodePlan,
    run_dir: PathBuf,
    log: PathBuf,
    process: Mutex<Option<Supervised>>,
}

impl Node {
    pub(crate) fn new(plan: NodePlan, run_dir: &Path) -> Self {
        let log = plan.folder.join("server.log");
        Self {
            plan,
            run_dir: run_dir.to_owned(),
            log,
            process: Mutex::new(None),
        }
    }

    /// Starts the process without waiting until it answers; for several nodes at once, with
    /// [`Kafka::wait_until_ready`](crate::Kafka::wait_until_ready) after them.
    ///
    /// # Errors
    /// It runs already, or can't be started.
    pub fn start(&self) -> Result<()> {
        let mut process = self.process();
        if process
            .as_mut()
            .is_some_and(|process| process.try_wait().is_none())
        {
            return Err(Error::new(format!("broker {} runs already", self.plan.id)));
        }
        let streams = Streams {
            input: Path::new("/dev/null"),
            output: &self.log,
            errors: &self.log,
        };
        *process = Some(Supervised::start(
            &self.run_dir,
            streams,
            &self.plan.command,
        )?);
        Ok(())
    }

    /// Kills it as `kill -9` does and waits until the process is gone. Without effect on one that does not run.
    ///
    /// # Errors
    /// The process does not go.
    pub fn kill(&self) -> Result<()> {
        match self.process().take() {
            Some(mut process) => process.kill(),
            None => Ok(()),
        }
    }

    /// Asks it to stop (SIGTERM, a controlled shutdown) and waits until the process is gone.
    ///
    /// # Errors
    /// It has not stopped after a minute; then it is killed.
    pub fn stop(&self) -> Result<()> {
        let Some(mut process) = self.process().take() else {
            return Ok(());
        };
        process.signal(Signal::Terminate);
        match process.wait(STOP_PATIENCE) {
            Some(_) => Ok(()),
            None => Err(self.failure(&format!("did not stop within {STOP_PATIENCE:?} of SIGTERM"))),
        }
    }

    /// Stops it if it runs, starts it on the same ports and data, and waits until it answers.
    ///
    /// # Errors
    /// It does not stop, or does not answer within two minutes. In a cluster without a majority no node ever answers:
    /// there, [`start`](Self::start) all and then wait.
    pub fn restart(&self) -> Result<()> {
        self.stop()?;
        let deadline = Instant::now() + START_PATIENCE;
        loop {
            let logged = self.log().map_or(0, |log| log.len());
            self.start()?;
            let ready = self.wait_until_ready(1, deadline);
            // A killed broker stays registered in ZooKeeper until its session ends, and a new one of the same id gives up
            // then (KRaft has no such quirk).
            let registered = self
                .log()
                .is_ok_and(|log| log[logged..].contains("NodeExistsException"));
            if ready.is_ok() || !registered || self.is_running() || Instant::now() > deadline {
                return ready.map_err(|what| self.failure(&what));
            }
        }
    }

    /// Stops the process where it stands (SIGSTOP): its connections stay open and nothing is answered.
    ///
    /// # Errors
    /// It does not run.
    pub fn pause(&self) -> Result<()> {
        self.signal(Signal::Stop)
    }

    /// Lets a paused process go on (SIGCONT).
    ///
    /// # Errors
    /// It does not run.
    pub fn resume(&self) -> Result<()> {
        self.signal(Signal::Continue)
    }

    /// Whether its process runs (or is paused).
    pub fn is_running(&self) -> bool {
        self.pid().is_some()
    }

    /// Whether it was started and not told to end since. One that died by itself counts.
    pub(crate) fn was_started(&self) -> bool {
        self.process().is_some()
    }

    /// The pid of the Java process, if it runs.
    pub fn pid(&self) -> Option<u32> {
        let mut process = self.process();
        let process = process.as_mut()?;
        process.try_wait().is_none().then(|| process.pid())
    }

    /// Gives its plaintext listener another port, which it has from the next start on: to its clients, another machine
    /// with the same id. Gives the port.
    ///
    /// # Errors
    /// It runs, or its properties can't be rewritten.
    pub fn move_to_another_port(&self) -> Result<u16> {
        if self.is_running() {
            return Err(Error::new(format!(
                "broker {} runs: stop it before it is moved",
                self.plan.id
            )));
        }
        let (old, new) = (self.port(), free_ports(1)?[0]);
        let file = self.plan.folder.join("server.properties");
        let text = fs::read_to_string(&file).map_err(|error| Error::io("read", &file, &error))?;
        let listener = |port: u16| format!("{PLAINTEXT}://127.0.0.1:{port}");
        let text = text.replace(&listener(old), &listener(new));
        fs::write(&file, text).map_err(|error| Error::io("write", &file, &error))?;
        self.ports()[0].1 = new;
        Ok(new)
    }

    fn ports(&self) -> MutexGuard<'_, Vec<(String, u16)>> {
        self.plan
            .ports
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Kafka's id of this broker, from 1.
    pub fn id(&self) -> i32 {
        self.plan.id
    }

    /// The port of the plaintext listener.
    pub fn port(&self) -> u16 {
        self.ports()[0].1
    }

    /// The port of the listener of this name, see [`KafkaBuilder::listener`](crate::KafkaBuilder::listener).
    ///
    /// # Panics
    /// There is no such listener.
    pub fn port_of(&self, listener: &str) -> u16 {
        let ports = self.ports().clone();
        let found = ports.iter().find(|(name, _)| name == listener);
        found.map_or_else(
            || panic!("no listener {listener:?} was asked for, only {ports:?}"),
            |(_, port)| *port,
        )
    }

    /// Where the broker logs to.
    pub fn log_path(&self) -> &Path {
        &self.log
    }

    /// What the broker has logged so far.
    ///
    /// # Errors
    /// The log can't be read.
    pub fn log(&self) -> Result<String> {
        let bytes = fs::read(&self.log).map_err(|error| Error::io("read", &self.log, &error))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Where the broker keeps its partitions.
    pub fn data_dir(&self) -> PathBuf {
        self.plan.folder.join("data")
    }

    /// Waits until this broker knows itself, a controller and `brokers` unfenced brokers in all.
    ///
    /// The error is what it did instead, for [`failure`](Self::failure).
    pub(crate) fn wait_until_ready(
        &self,
        brokers: usize,
        deadline: Instant,
    ) -> std::result::Result<(), String> {
        let mut last = String::new();
        let ready = wait_for(deadline.saturating_duration_since(Instant::now()), || {
            if !self.is_running() {
                return Some(Err("ended instead of answering".to_owned()));
            }
            let answer =
                wire::api_versions(self.port()).and_then(|()| wire::metadata(self.port(), None));
            match answer {
                Ok(metadata)
                    if metadata.broker_ids.contains(&self.plan.id)
                        && metadata.broker_ids.len() >= brokers
                        && metadata.controller_id >= 0 =>
                {
                    Some(Ok(()))
                }
                Ok(metadata) => {
                    last = format!("{metadata:?}");
                    None
                }
                Err(error) => {
                    last = error.to_string();
                    None
                }
            }
        });
        ready.unwrap_or_else(|| {
            Err(format!(
                "does not answer as one of {brokers} brokers ({last})"
            ))
        })
    }

    pub(crate) fn log_mentions(&self, text: &str) -> bool {
        self.log().is_ok_and(|log| log.contains(text))
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let sent = self
            .process()
            .as_mut()
            .is_some_and(|process| process.signal(signal));
        if sent {
            Ok(())
        } else {
            Err(self.failure(&format!("does not run, so it can't be sent {signal:?}")))
        }
    }

    fn process(&self) -> MutexGuard<'_, Option<Supervised>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An error about this broker with the end of its log, which is kept from now on.
    pub(crate) fn failure(&self, what: &str) -> Error {
        mark_kept(&self.run_dir);
        let (id, port, log) = (self.plan.id, self.port(), self.log.display());
        Error::new(format!(
            "broker {id} on port {port} {what}; the end of its log {log}:\n{}",
            tail(&self.log)
        ))
    }
}
