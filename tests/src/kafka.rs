//! A running cluster.

use std::sync::OnceLock;
use std::time::Instant;

use crate::builder::KafkaBuilder;
use crate::deadline::wait_for;
use crate::error::{Error, Result};
use crate::jars::Jars;
use crate::java_oracle::JavaOracle;
use crate::java_tools::JavaTools;
use crate::node::{Node, START_PATIENCE};
use crate::ports::random;
use crate::proxy::Proxy;
use crate::run_dir::RunDir;
use crate::tool::Tool;
use crate::version::{DEFAULT_VERSION, Version};
use crate::wire;
use crate::zookeeper::ZooKeeper;

/// A cluster of Apache Kafka. Dropping it kills the brokers and removes their data.
///
/// Fields drop in this order: brokers, proxies, `ZooKeeper`, then the directory that they lived in.
#[derive(Debug)]
pub struct Kafka {
    nodes: Vec<Node>,
    proxies: Vec<Proxy>,
    _zookeeper: Option<ZooKeeper>,
    jars: Jars,
    run_dir: RunDir,
}

impl Kafka {
    /// Describes a cluster to start.
    pub fn builder() -> KafkaBuilder {
        KafkaBuilder::new()
    }

    /// The single broker that the tests of one binary share, started by the first that asks.
    ///
    /// Tests that harm a broker start their own.
    ///
    /// # Panics
    /// It does not start. All tests that share it fail with the same reason.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Result<Kafka>> = OnceLock::new();
        match SHARED.get_or_init(|| Self::builder().start()) {
            Ok(kafka) => kafka,
            Err(error) => panic!("the shared broker did not start: {error}"),
        }
    }

    pub(crate) fn new(
        nodes: Vec<Node>,
        proxies: Vec<Proxy>,
        zookeeper: Option<ZooKeeper>,
        jars: Jars,
        run_dir: RunDir,
    ) -> Self {
        Self {
            nodes,
            proxies,
            _zookeeper: zookeeper,
            jars,
            run_dir,
        }
    }

    /// Waits until every running broker answers and knows all running ones.
    ///
    /// # Errors
    /// One does not within two minutes, or ends; with the tail of its log.
    pub fn wait_until_ready(&self) -> Result<()> {
        let deadline = Instant::now() + START_PATIENCE;
        // Not those that run now, but those that were started: one that ended in between is the failure to tell of.
        let started: Vec<&Node> = self
            .nodes
            .iter()
            .filter(|node| node.was_started())
            .collect();
        let ready = |node: &&Node| {
            node.wait_until_ready(started.len(), deadline)
                .map_err(|what| node.failure(&what))
        };
        started.iter().try_for_each(ready)
    }

    /// Creates a topic with a unique name that starts with `prefix`, and waits until all its partitions have leaders.
    ///
    /// Gives the name. The replication factor is the broker's default: the number of nodes, three at most.
    ///
    /// # Errors
    /// No broker creates it, or it has no leaders in time.
    pub fn create_topic(&self, prefix: &str, partitions: i32) -> Result<String> {
        self.create_topic_with(prefix, partitions, &[])
    }

    /// As [`create_topic`](Self::create_topic), with a configuration for the topic.
    ///
    /// # Errors
    /// As for `create_topic`.
    pub fn create_topic_with(
        &self,
        prefix: &str,
        partitions: i32,
        config: &[(&str, &str)],
    ) -> Result<String> {
        let name = self.unique_topic(prefix);
        // Before KRaft only the controller creates topics; since then every broker passes the request on.
        let asked = self.any_running()?;
        let controller = wire::metadata(asked.port(), None)
            .ok()
            .and_then(|metadata| self.broker(metadata.controller_id));
        let node = if self.jars.version().has_kraft() {
            asked
        } else {
            controller.unwrap_or(asked)
        };
        wire::create_topic(
            node.port(),
            &name,
            partitions,
            config,
            self.nodes.len().min(3) as i16,
        )
        .map_err(|error| {
            Error::new(format!(
                "broker {} did not create the topic {name}: {error}",
                node.id()
            ))
        })?;

        let running = self.nodes.iter().filter(|node| node.is_running());
        let mut last = String::new();
        for node in running {
            let ready = wait_for(START_PATIENCE, || {
                match wire::metadata(node.port(), Some(&name)) {
                    Ok(metadata) => {
                        let leaders = metadata.leaders;
                        let ready = leaders.len() == partitions as usize
                            && leaders.iter().all(|leader| *leader >= 0);
                        last = format!("leaders {leaders:?}");
                        ready.then_some(())
                    }
                    Err(error) => {
                        last = error.to_string();
                        None
                    }
                }
            });
            ready.ok_or_else(|| {
                Error::new(format!(
                    "topic {name} has no leaders on broker {}: {last}",
                    node.id()
                ))
            })?;
        }
        Ok(name)
    }

    /// A name that starts with `prefix` and that no other test uses. The topic is not created.
    pub fn unique_topic(&self, prefix: &str) -> String {
        format!("{prefix}-{:012x}", random() & 0xffff_ffff_ffff)
    }

    /// The broker that leads a partition, as a running broker tells.
    ///
    /// # Errors
    /// None answers, or the partition has no leader.
    pub fn leader_of(&self, topic: &str, partition: usize) -> Result<&Node> {
        let asked = self.any_running()?;
        let metadata = wire::metadata(asked.port(), Some(topic)).map_err(|error| {
            Error::new(format!(
                "broker {} did not tell the leader of {topic}: {error}",
                asked.id()
            ))
        })?;
        let leader = metadata
            .leaders
            .get(partition)
            .and_then(|leader| self.broker(*leader));
        leader.ok_or_else(|| {
            Error::new(format!(
                "{topic}-{partition} has no leader; leaders are {:?}",
                metadata.leaders
            ))
        })
    }

    /// Waits until all replicas of a topic are in sync, as a running broker tells: only then any one of them can be
    /// taken away without harm.
    ///
    /// # Errors
    /// They are not within two minutes, or no broker answers.
    pub fn wait_until_in_sync(&self, topic: &str) -> Result<()> {
        let asked = self.any_running()?;
        let in_sync = || {
            let metadata = wire::metadata(asked.port(), Some(topic)).ok()?;
            (metadata.out_of_sync == 0 && !metadata.leaders.is_empty()).then_some(())
        };
        wait_for(START_PATIENCE, in_sync)
            .ok_or_else(|| asked.failure(&format!("has not all replicas of {topic} in sync")))
    }

    /// Waits until brokers other than `node` lead all partitions of a topic, with all replicas but its own in sync, as
    /// one of them tells.
    ///
    /// # Errors
    /// They do not within two minutes, or there is no other.
    pub fn wait_until_replaced(&self, node: &Node, topic: &str) -> Result<()> {
        let mut others = self.nodes.iter();
        let other = others.find(|other| other.id() != node.id() && other.is_running());
        let other = other.ok_or_else(|| Error::new("no other broker runs"))?;
        let replaced = || {
            let metadata = wire::metadata(other.port(), Some(topic)).ok()?;
            let mut leaders = metadata.leaders.iter();
            let by_others = leaders.all(|leader| *leader >= 0 && *leader != node.id());
            (by_others && !metadata.leaders.is_empty() && metadata.out_of_sync <= 1).then_some(())
        };
        wait_for(START_PATIENCE, replaced).ok_or_else(|| {
            let what = format!("does not see {topic} led without broker {}", node.id());
            other.failure(&what)
        })
    }

    /// `host:port` of every broker's plaintext listener, joined with commas.
    pub fn bootstrap(&self) -> String {
        self.bootstrap_of(crate::properties::PLAINTEXT)
    }

    /// As [`bootstrap`](Self::bootstrap) for a listener from [`KafkaBuilder::listener`].
    ///
    /// # Panics
    /// There is no such listener.
    pub fn bootstrap_of(&self, listener: &str) -> String {
        let addresses: Vec<String> = self
            .nodes
            .iter()
            .map(|node| format!("127.0.0.1:{}", node.port_of(listener)))
            .collect();
        addresses.join(",")
    }

    /// `host:port` of every controller, joined with commas.
    ///
    /// # Panics
    /// The cluster has `ZooKeeper` instead.
    pub fn controllers(&self) -> String {
        self.bootstrap_of(crate::properties::CONTROLLER)
    }

    /// `host:port` of every broker's proxy, see [`KafkaBuilder::proxied`].
    ///
    /// # Panics
    /// The cluster has none.
    pub fn proxied_bootstrap(&self) -> String {
        assert!(!self.proxies.is_empty(), "ask for `proxied` brokers");
        let addresses = self.proxies.iter();
        let addresses: Vec<String> = addresses
            .map(|proxy| format!("127.0.0.1:{}", proxy.port()))
            .collect();
        addresses.join(",")
    }

    /// The proxy in front of the broker with this id, see [`KafkaBuilder::proxied`].
    ///
    /// # Panics
    /// There is none.
    pub fn proxy(&self, id: i32) -> &Proxy {
        let place = usize::try_from(id - 1).ok();
        let proxy = place.and_then(|place| self.proxies.get(place));
        proxy.unwrap_or_else(|| panic!("broker {id} has no proxy: ask for `proxied` brokers"))
    }

    /// All proxies; that of the first broker first.
    pub fn proxies(&self) -> &[Proxy] {
        &self.proxies
    }

    /// All brokers; the id of the first is 1.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// A broker by place, from 0.
    ///
    /// # Panics
    /// There are not so many.
    pub fn node(&self, index: usize) -> &Node {
        &self.nodes[index]
    }

    /// A broker by Kafka's id, which a leader or a coordinator is known by.
    pub fn broker(&self, id: i32) -> Option<&Node> {
        self.nodes.iter().find(|node| node.id() == id)
    }

    /// The version that runs.
    pub fn version(&self) -> Version {
        self.jars.version()
    }

    /// One of Kafka's command line tools by its class, such as `org.apache.kafka.tools.TopicCommand`.
    ///
    /// Whatever the brokers' version, the tools are those of [`DEFAULT_VERSION`]: classes moved between versions, and
    /// 4.4.0 was published without them. For others there is [`Tool::new`].
    ///
    /// # Errors
    /// The jars can't be had.
    pub fn tool(&self, class: &str) -> Result<Tool> {
        Ok(Tool::new(&Jars::of(DEFAULT_VERSION.parse()?)?, class))
    }

    /// A Java client of this cluster's version.
    ///
    /// # Errors
    /// Its directory can't be created.
    pub fn java_oracle(&self) -> Result<JavaOracle> {
        JavaOracle::new(&self.jars)
    }

    /// Many tools of [`DEFAULT_VERSION`] in one JVM; see [`tool`](Self::tool).
    ///
    /// # Errors
    /// The jars can't be had.
    pub fn java_tools(&self) -> Result<JavaTools> {
        java_tools(&self.bootstrap())
    }

    /// As [`java_tools`](Self::java_tools), told of one broker alone: for when others sleep, which Java waits for
    /// by the half minute.
    ///
    /// # Errors
    /// The jars can't be had.
    pub fn java_tools_at(&self, node: &Node) -> Result<JavaTools> {
        java_tools(&format!("127.0.0.1:{}", node.port()))
    }

    /// As [`java_tools`](Self::java_tools), told of the controllers (`--bootstrap-controller`; KIP-919).
    ///
    /// # Errors
    /// The jars can't be had.
    pub fn java_tools_at_controllers(&self) -> Result<JavaTools> {
        let jars = Jars::of(DEFAULT_VERSION.parse()?)?;
        let controllers = self.controllers();
        Ok(JavaTools::new(
            &jars,
            ["--bootstrap-controller", &controllers],
        ))
    }

    /// The directory with everybody's logs.
    pub fn run_dir(&self) -> &std::path::Path {
        self.run_dir.path()
    }

    fn any_running(&self) -> Result<&Node> {
        self.nodes
            .iter()
            .find(|node| node.is_running() && wire::api_versions(node.port()).is_ok())
            .ok_or_else(|| Error::new("no broker of the cluster answers"))
    }
}

fn java_tools(bootstrap: &str) -> Result<JavaTools> {
    let jars = Jars::of(DEFAULT_VERSION.parse()?)?;
    Ok(JavaTools::new(&jars, ["--bootstrap-server", bootstrap]))
}
