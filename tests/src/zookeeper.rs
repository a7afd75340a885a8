//! A `ZooKeeper` for brokers from before `KRaft`.
//!
//! One server, from the jars that such a Kafka brings. It starts before the brokers and ends after them.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpStream};
use std::path::Path;
use std::time::Duration;

use crate::deadline::wait_for;
use crate::error::{Error, Result};
use crate::jars::Jars;
use crate::properties::Properties;
use crate::run_dir::{RunDir, mark_kept, tail};
use crate::supervisor::{Streams, Supervised};

const START_PATIENCE: Duration = Duration::from_secs(60);

/// A running server.
#[derive(Debug)]
pub(crate) struct ZooKeeper {
    _process: Supervised,
}

impl ZooKeeper {
    pub(crate) fn start(jars: &Jars, run_dir: &RunDir, port: u16) -> Result<Self> {
        let folder = run_dir.folder("zookeeper")?;
        let file = folder.join("zoo.cfg");
        let log = folder.join("server.log");
        let mut properties = Properties::default();
        properties.set("dataDir", folder.join("data").display());
        properties.set("clientPort", port);
        properties.set("clientPortAddress", "127.0.0.1");
        properties.set("admin.enableServer", false);
        properties.set("4lw.commands.whitelist", "ruok");
        // The shortest session is two ticks: a killed broker's comes to its end soon.
        properties.set("tickTime", 500);
        properties.write(&file)?;

        let main = OsStr::new("org.apache.zookeeper.server.quorum.QuorumPeerMain");
        let mut command = jars.java(&["-Xmx256m".to_owned()], main);
        command.push(file.into_os_string());
        let streams = Streams {
            input: Path::new("/dev/null"),
            output: &log,
            errors: &log,
        };
        let mut process = Supervised::start(run_dir.path(), streams, &command)?;
        let answered = wait_for(START_PATIENCE, || match process.try_wait() {
            Some(_) => Some(false),
            None => is_ok(port).then_some(true),
        });
        if answered == Some(true) {
            return Ok(Self { _process: process });
        }
        mark_kept(run_dir.path());
        Err(Error::new(format!(
            "ZooKeeper on port {port} does not answer; the end of its log:\n{}",
            tail(&log)
        )))
    }
}

/// `ZooKeeper`'s own health question.
fn is_ok(port: u16) -> bool {
    let mut answer = String::new();
    let asked = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).and_then(|mut stream| {
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        stream.write_all(b"ruok")?;
        stream.shutdown(Shutdown::Write)?;
        stream.read_to_string(&mut answer)
    });
    asked.is_ok() && answer == "imok"
}
