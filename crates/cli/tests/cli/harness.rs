//! Runs the command and a broker for it.

use std::io::Write as _;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use klamm_testbroker::TestBroker;

/// A broker with a runtime of its own, so that tests can wait for processes in peace.
pub(crate) struct Broker {
    pub(crate) broker: TestBroker,
    pub(crate) runtime: tokio::runtime::Runtime,
}

impl Broker {
    pub(crate) fn start() -> Self {
        Self::of_nodes(1)
    }

    pub(crate) fn of_nodes(nodes: usize) -> Self {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let broker = TestBroker::builder().nodes(nodes).topic("orders", 3);
        let broker = runtime.block_on(broker.start()).unwrap();
        Self { broker, runtime }
    }

    /// `klamm ARGUMENTS`, with this broker.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = klamm(arguments);
        command.args(["-b", &self.broker.bootstrap()]);
        command
    }

    /// Runs `klamm ARGUMENTS` to its end, with `input` on standard input.
    pub(crate) fn run(&self, arguments: &[&str], input: &str) -> Ended {
        run(&mut self.command(arguments), input)
    }

    /// The names of all topics.
    pub(crate) fn topics(&self) -> Vec<String> {
        let listed = self.stdout(&["topics"], "");
        let name = |line: &str| line.split('\t').next().unwrap_or_default().to_owned();
        listed.lines().map(name).collect()
    }

    /// As [`Broker::run`], and it has to succeed; what it prints.
    pub(crate) fn stdout(&self, arguments: &[&str], input: &str) -> String {
        let ended = self.run(arguments, input);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        ended.stdout
    }
}

pub(crate) fn klamm(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_klamm"));
    command.args(arguments);
    // The environment of whoever runs the tests must not matter.
    command
        .env_remove("KLAMM_BOOTSTRAP")
        .env_remove("KLAMM_CONFIG")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Looks until there is something, for a while.
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what}: not within a minute");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A JSON document.
pub(crate) fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// What a process left.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

pub(crate) fn run(command: &mut Command, input: &str) -> Ended {
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // A process that ends without reading closes the pipe.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    child.wait_with_output().unwrap().into()
}

/// Ctrl-C.
pub(crate) fn interrupt(child: &Child) {
    signal(child, "-INT");
}

/// As `kill` and `timeout` end a program.
pub(crate) fn terminate(child: &Child) {
    signal(child, "-TERM");
}

fn signal(child: &Child, signal: &str) {
    let pid = child.id().to_string();
    let kill = Command::new("kill").args([signal, &pid]).status();
    assert!(kill.unwrap().success());
}
