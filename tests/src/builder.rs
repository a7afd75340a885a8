//! From a description of a cluster to running brokers.
//!
//! Owns: the properties and folders of nodes, formatting of storage, new ports when some were taken meanwhile.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::jars::Jars;
use crate::kafka::Kafka;
use crate::node::{Node, NodePlan};
use crate::ports::{free_ports, random};
use crate::properties::{
    CONTROLLER, Listener, PLAINTEXT, PROXIED, Properties, broker_defaults, listeners,
};
use crate::proxy::Proxy;
use crate::run_dir::{RunDir, mark_kept, tail};
use crate::supervisor::{Streams, Supervised};
use crate::version::Version;
use crate::zookeeper::ZooKeeper;

/// How many sets of ports are tried.
const ATTEMPTS: u32 = 5;
const FORMAT_PATIENCE: Duration = Duration::from_secs(120);
const NODES_MAX: usize = 9;

/// Describes a cluster; from [`Kafka::builder`](crate::Kafka::builder).
#[derive(Clone, Debug)]
#[must_use = "nothing runs before `start`"]
pub struct KafkaBuilder {
    version: Option<String>,
    nodes: usize,
    properties: Properties,
    listeners: Vec<(String, String)>,
    format_arguments: Vec<String>,
    java_options: Vec<String>,
    proxied: bool,
    racks: bool,
    dynamic_quorum: bool,
    log_dirs: usize,
    /// Name and source.
    class: Option<(String, String)>,
}

impl KafkaBuilder {
    pub(crate) fn new() -> Self {
        Self {
            version: None,
            nodes: 1,
            properties: Properties::default(),
            listeners: vec![(PLAINTEXT.to_owned(), PLAINTEXT.to_owned())],
            format_arguments: Vec::new(),
            java_options: vec!["-Xmx1g".to_owned()],
            proxied: false,
            racks: false,
            dynamic_quorum: false,
            log_dirs: 1,
            class: None,
        }
    }

    /// The version of Kafka, by default [`Version::from_env`]'s. Below 3.3 the cluster runs on `ZooKeeper`.
    pub fn version(mut self, version: &str) -> Self {
        self.version = Some(version.to_owned());
        self
    }

    /// The number of nodes, each broker and controller; 1 by default.
    pub fn nodes(mut self, nodes: usize) -> Self {
        self.nodes = nodes;
        self
    }

    /// In how many directories every broker keeps its partitions; 1 by default.
    pub fn log_dirs(mut self, log_dirs: usize) -> Self {
        self.log_dirs = log_dirs;
        self
    }

    /// A property for every broker. It wins over the harness's own.
    pub fn property(mut self, name: &str, value: impl ToString) -> Self {
        self.properties.set(name, value);
        self
    }

    /// One more listener, on a port of its own, such as `("SECURE", "SASL_SSL")`; the plaintext listener stays.
    pub fn listener(mut self, name: &str, protocol: &str) -> Self {
        self.listeners.push((name.to_owned(), protocol.to_owned()));
        self
    }

    /// Puts a fault proxy in front of every broker, on a plaintext listener of its own: clients that start from
    /// [`Kafka::proxied_bootstrap`] pass through it, brokers among themselves do not.
    pub fn proxied(mut self) -> Self {
        self.proxied = true;
        self.listener(PROXIED, PLAINTEXT)
    }

    /// Voters of the quorum can be added and removed (KIP-853; from Kafka 3.9 on); by default they are fixed.
    pub fn dynamic_quorum(mut self) -> Self {
        self.dynamic_quorum = true;
        self
    }

    /// Puts each node into a rack of its own, the first into `rack-1`; consumers are sent to the replica of their rack.
    pub fn racks(mut self) -> Self {
        self.racks = true;
        self.property(
            "replica.selector.class",
            "org.apache.kafka.common.replica.RackAwareReplicaSelector",
        )
    }

    /// Arguments for `StorageTool format`, such as `--add-scram …` or `--feature transaction.version=1`.
    pub fn format_arguments(mut self, arguments: &[&str]) -> Self {
        self.format_arguments
            .extend(arguments.iter().map(ToString::to_string));
        self
    }

    /// An option for the brokers' Java, such as `-Xmx512m` (the default is 1g) or `-Djava.security.auth.login.config=…`.
    pub fn java_option(mut self, option: &str) -> Self {
        self.java_options.push(option.to_owned());
        self
    }

    /// A class of its own for every broker, which properties can name, from its Java source; takes a second to compile.
    pub fn class(mut self, name: &str, source: &str) -> Self {
        self.class = Some((name.to_owned(), source.to_owned()));
        self
    }

    /// Starts the cluster and waits until every broker answers and knows all others.
    ///
    /// # Errors
    /// The jars can't be had, or a broker did not start; the error ends with the tail of its log.
    pub fn start(self) -> Result<Kafka> {
        let version = self
            .version
            .as_deref()
            .map_or_else(Version::from_env, str::parse)?;
        if !(1..=NODES_MAX).contains(&self.nodes) {
            return Err(Error::new(format!(
                "a test cluster has 1 to {NODES_MAX} nodes, not {}",
                self.nodes
            )));
        }
        let jars = Jars::of(version)?;
        let mut attempt = 1;
        loop {
            let kafka = self.launch(&jars)?;
            let Err(error) = kafka.wait_until_ready() else {
                return Ok(kafka);
            };
            let taken = kafka
                .nodes()
                .iter()
                .any(|node| node.log_mentions("Address already in use"));
            if !taken || attempt == ATTEMPTS {
                return Err(error);
            }
            eprintln!("klamm-tests: somebody took a port of ours, trying again with others");
            attempt += 1;
        }
    }

    /// Starts all processes without waiting for answers.
    fn launch(&self, jars: &Jars) -> Result<Kafka> {
        let run_dir = RunDir::create("kafka")?;
        let with_class;
        let jars = match &self.class {
            Some((name, source)) => {
                with_class = jars.with_class(name, source, run_dir.folder("classes")?)?;
                &with_class
            }
            None => jars,
        };
        let kraft = jars.version().has_kraft();
        // Per node its listeners and its controller; and one for ZooKeeper.
        let per_node = self.listeners.len() + 1;
        let ports = free_ports(self.nodes * per_node + 1)?;
        let (zookeeper_port, ports) = ports.split_first().expect("one more than the nodes need");
        let ports: Vec<&[u16]> = ports.chunks(per_node).collect();

        let mut common = broker_defaults(self.nodes);
        // With the ids of their directories; of a fixed quorum there are none to be formatted with.
        let mut voters = Vec::new();
        if kraft {
            let addresses: Vec<String> = ports
                .iter()
                .map(|ports| format!("127.0.0.1:{}", ports[0]))
                .collect();
            common.set("process.roles", "broker,controller");
            if self.dynamic_quorum {
                common.set("controller.quorum.bootstrap.servers", addresses.join(","));
                voters = (1..)
                    .zip(&addresses)
                    .map(|(id, address)| format!("{id}@{address}:{}", random_id()))
                    .collect();
            } else {
                let fixed: Vec<String> = (1..)
                    .zip(&addresses)
                    .map(|(id, address)| format!("{id}@{address}"))
                    .collect();
                common.set("controller.quorum.voters", fixed.join(","));
            }
            common.set("controller.listener.names", CONTROLLER);
        } else {
            // A killed broker is gone for the others after this time.
            common.set("zookeeper.session.timeout.ms", 6000);
            common.set("zookeeper.connect", format!("127.0.0.1:{zookeeper_port}"));
        }
        let proxies: Vec<Proxy> = ports
            .iter()
            .filter(|_| self.proxied)
            .map(|ports| Proxy::start(ports[1 + self.proxied_listener()]))
            .collect::<Result<_>>()?;
        let nodes = (1..).zip(&ports).map(|(id, ports)| {
            let proxy = proxies.get(id as usize - 1);
            self.plan(jars, &run_dir, &common, id, ports, proxy)
        });
        let nodes: Vec<Node> = nodes.collect::<Result<_>>()?;
        let zookeeper = if kraft {
            self.format(jars, &run_dir, &voters)?;
            None
        } else {
            Some(ZooKeeper::start(jars, &run_dir, *zookeeper_port)?)
        };
        nodes.iter().try_for_each(Node::start)?;
        Ok(Kafka::new(nodes, proxies, zookeeper, jars.clone(), run_dir))
    }

    /// The place of the proxied listener among all.
    fn proxied_listener(&self) -> usize {
        let place = self.listeners.iter().position(|(name, _)| name == PROXIED);
        place.expect("a proxied cluster has this listener")
    }

    /// The data directory itself, if it is the only one.
    fn log_dirs_below(&self, data: &Path) -> String {
        let several = (1..=self.log_dirs).map(|number| data.join(number.to_string()));
        let dirs = match self.log_dirs {
            1 => vec![data.to_owned()],
            _ => several.collect(),
        };
        let dirs: Vec<_> = dirs.iter().map(|dir| dir.display().to_string()).collect();
        dirs.join(",")
    }

    fn plan(
        &self,
        jars: &Jars,
        run_dir: &RunDir,
        common: &Properties,
        id: i32,
        ports: &[u16],
        proxy: Option<&Proxy>,
    ) -> Result<Node> {
        let folder = run_dir.folder(&format!("node-{id}"))?;
        let file = folder.join("server.properties");
        let (controller, ports) = ports.split_first().expect("the controller has a port");
        let mut all: Vec<Listener> = self
            .listeners
            .iter()
            .zip(ports)
            .map(|((name, protocol), port)| Listener {
                name: name.clone(),
                protocol: protocol.clone(),
                port: *port,
                advertised: proxy.filter(|_| name == PROXIED).map_or(*port, Proxy::port),
            })
            .collect();
        let mut properties = common.clone();
        if self.racks {
            properties.set("broker.rack", format!("rack-{id}"));
        }
        if jars.version().has_kraft() {
            all.push(Listener {
                name: CONTROLLER.to_owned(),
                protocol: PLAINTEXT.to_owned(),
                port: *controller,
                advertised: *controller,
            });
            properties.set("node.id", id);
        } else {
            properties.set("broker.id", id);
        }
        let ports = all
            .iter()
            .map(|listener| (listener.name.clone(), listener.port))
            .collect();
        properties.set_all(&listeners(&all));
        properties.set("log.dirs", self.log_dirs_below(&folder.join("data")));
        properties.set_all(&self.properties);
        properties.write(&file)?;

        let mut options: Vec<String> = [
            "showDateTime=true",
            "dateTimeFormat=HH:mm:ss.SSS",
            "showShortLogName=true",
        ]
        .map(|setting| format!("-Dorg.slf4j.simpleLogger.{setting}"))
        .to_vec();
        options.extend(self.java_options.clone());
        let mut command = jars.java(&options, OsStr::new("kafka.Kafka"));
        command.push(file.into_os_string());
        Ok(Node::new(
            NodePlan {
                id,
                folder,
                ports: Mutex::new(ports),
                command,
            },
            run_dir.path(),
        ))
    }

    /// Formats the storage of all nodes, all at once: each takes a JVM more than a second.
    fn format(&self, jars: &Jars, run_dir: &RunDir, voters: &[String]) -> Result<()> {
        let cluster_id = random_id();
        let mut running = Vec::new();
        for id in 1..=self.nodes {
            let folder = run_dir.folder(&format!("node-{id}"))?;
            let log = folder.join("format.log");
            let mut command = jars.java(
                &["-Xmx256m".to_owned()],
                OsStr::new("kafka.tools.StorageTool"),
            );
            command.extend(["format", "-t", &cluster_id, "-c"].map(OsString::from));
            command.push(folder.join("server.properties").into_os_string());
            if !voters.is_empty() {
                command.extend(["--initial-controllers", &voters.join(",")].map(OsString::from));
            }
            command.extend(self.format_arguments.iter().map(OsString::from));
            let streams = Streams {
                input: "/dev/null".as_ref(),
                output: &log,
                errors: &log,
            };
            running.push((
                Supervised::start(run_dir.path(), streams, &command)?,
                log.clone(),
            ));
        }
        for (mut process, log) in running {
            match process.wait(FORMAT_PATIENCE) {
                Some(status) if status.success() => {}
                end => {
                    mark_kept(run_dir.path());
                    return Err(Error::new(format!(
                        "storage could not be formatted ({end:?}); the end of {}:\n{}",
                        log.display(),
                        tail(&log)
                    )));
                }
            }
        }
        Ok(())
    }
}

/// A new id, of a cluster or a directory: 16 random bytes in URL-safe base64. Two clusters never share one, so a broker
/// that dials a port which once belonged to another cluster is told so.
fn random_id() -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    // Not a dash in front, which the tool would take for an option; the last sign carries two bits only.
    let middle = (0..20).map(|_| char::from(ALPHABET[(random() % 64) as usize]));
    std::iter::once('k')
        .chain(middle)
        .chain(std::iter::once('A'))
        .collect()
}
