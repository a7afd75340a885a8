//! The properties of a broker, and the file that they are written to.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::error::{Error, Result};

/// Kafka's name for the listener that the harness and, unless told otherwise, the tests talk to.
pub(crate) const PLAINTEXT: &str = "PLAINTEXT";
pub(crate) const CONTROLLER: &str = "CONTROLLER";
/// The listener that brokers advertise at their proxies' ports.
pub(crate) const PROXIED: &str = "PROXIED";

/// A listener of one node.
#[derive(Clone, Debug)]
pub(crate) struct Listener {
    pub(crate) name: String,
    pub(crate) protocol: String,
    pub(crate) port: u16,
    /// What the broker tells its clients to connect to.
    pub(crate) advertised: u16,
}

/// Properties by name; what is set later wins.
#[derive(Clone, Debug, Default)]
pub(crate) struct Properties(BTreeMap<String, String>);

impl Properties {
    #[expect(
        clippy::needless_pass_by_value,
        reason = "callers pass numbers and fresh strings; `&5` would be noise"
    )]
    pub(crate) fn set(&mut self, name: &str, value: impl ToString) {
        self.0.insert(name.to_owned(), value.to_string());
    }

    pub(crate) fn set_all(&mut self, others: &Self) {
        self.0.extend(others.0.clone());
    }

    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        let mut text = String::new();
        for (name, value) in &self.0 {
            // In a Java properties file a backslash and a line break mean something (JAAS configurations hold both).
            let value = value.replace('\\', "\\\\").replace('\n', "\\n");
            writeln!(text, "{name}={value}").expect("a String takes everything");
        }
        fs::write(path, text).map_err(|error| Error::io("write", path, &error))
    }
}

/// What every broker of a test cluster has: internal topics that a small cluster can hold, no waiting for members that
/// will not come, few files.
pub(crate) fn broker_defaults(nodes: usize) -> Properties {
    let replicas = nodes.min(3);
    let in_sync = if nodes < 3 { 1 } else { 2 };
    let mut properties = Properties::default();
    for topic in [
        "offsets.topic",
        "transaction.state.log",
        "share.coordinator.state.topic",
    ] {
        properties.set(&format!("{topic}.replication.factor"), replicas);
        properties.set(&format!("{topic}.num.partitions"), 5);
    }
    properties.set("transaction.state.log.min.isr", in_sync);
    properties.set("share.coordinator.state.topic.min.isr", in_sync);
    properties.set("default.replication.factor", replicas);
    properties.set("min.insync.replicas", in_sync);
    properties.set("group.initial.rebalance.delay.ms", 0);
    // The broker deletes by the records' own timestamps: a record of 1970 would be gone half a minute after the start.
    properties.set("log.retention.ms", -1);
    properties.set("inter.broker.listener.name", PLAINTEXT);
    properties
}

/// The listeners of one node.
pub(crate) fn listeners(listeners: &[Listener]) -> Properties {
    let join = |form: &dyn Fn(&Listener) -> String, among: &dyn Fn(&Listener) -> bool| {
        let chosen: Vec<String> = listeners
            .iter()
            .filter(|listener| among(listener))
            .map(form)
            .collect();
        chosen.join(",")
    };
    let address = |name: &str, port: u16| format!("{name}://127.0.0.1:{port}");
    let mut properties = Properties::default();
    properties.set(
        "listeners",
        join(&|listener| address(&listener.name, listener.port), &|_| {
            true
        }),
    );
    properties.set(
        "advertised.listeners",
        join(
            &|listener| address(&listener.name, listener.advertised),
            &|listener| listener.name != CONTROLLER,
        ),
    );
    properties.set(
        "listener.security.protocol.map",
        join(
            &|listener| format!("{}:{}", listener.name, listener.protocol),
            &|_| true,
        ),
    );
    properties
}
