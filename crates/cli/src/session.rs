//! From the options to a client, a producer, a consumer.

use std::fmt::Display;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use klamm::config::{PropertySet, Role};
use klamm::{Admin, Client, ConsumerBuilder, ProducerBuilder, TopicPartition};

use crate::args::ClusterArgs;
use crate::failure::{Failure, note};
use crate::partitions::{self, Partitions};

/// Where the cluster is if nobody says.
const DEFAULT_BOOTSTRAP: &str = "localhost:9092";

/// The same, where the command line does not say.
const BOOTSTRAP_VARIABLE: &str = "KLAMM_BOOTSTRAP";
/// A properties file, where the command line names none.
const CONFIG_VARIABLE: &str = "KLAMM_CONFIG";
/// Largest properties file.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// A connected client and the properties it was made from.
pub(crate) struct Session {
    pub(crate) client: Client,
    properties: Vec<(String, String)>,
}

impl Session {
    /// Checks the properties for what the command is going to be, says once what is odd about them,
    /// and connects. Properties on the command line win over `own`, and those over the file's.
    pub(crate) async fn open(
        cluster: ClusterArgs,
        role: Role,
        own: Vec<(String, String)>,
    ) -> Result<Self, Failure> {
        let properties = properties(cluster, role, own)?;
        let client = Client::from_properties(borrowed(&properties)).await?;
        Ok(Self { client, properties })
    }

    pub(crate) fn producer(&self) -> Result<ProducerBuilder, Failure> {
        Ok(self
            .client
            .producer_from_properties(borrowed(&self.properties))?)
    }

    pub(crate) fn consumer(&self) -> Result<ConsumerBuilder, Failure> {
        Ok(self
            .client
            .consumer_from_properties(borrowed(&self.properties))?)
    }

    /// The group to consume in, if there is one.
    pub(crate) fn group(&self) -> Option<&str> {
        let (_, group) = self
            .properties
            .iter()
            .rfind(|(name, _)| name == "group.id")?;
        Some(group)
    }

    /// The partitions of a topic, which has to exist.
    pub(crate) async fn partitions(&self, topic: &str) -> Result<Vec<TopicPartition>, Failure> {
        let named = Partitions {
            topic: topic.to_owned(),
            indexes: None,
        };
        partitions::resolve(&self.client.admin(), &[named]).await
    }
}

/// An admin, ready for use: of brokers, or of controllers.
pub(crate) async fn admin(cluster: ClusterArgs) -> Result<Admin, Failure> {
    let properties = properties(cluster, Role::Admin, Vec::new())?;
    Ok(Client::connect_admin(borrowed(&properties)).await?)
}

/// What the command line, the environment and the file say together, checked; what is closer wins.
pub(crate) fn properties(
    cluster: ClusterArgs,
    role: Role,
    own: Vec<(String, String)>,
) -> Result<Vec<(String, String)>, Failure> {
    let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let mut properties = vec![("bootstrap.servers".to_owned(), DEFAULT_BOOTSTRAP.to_owned())];
    let bootstrap = variable(BOOTSTRAP_VARIABLE).map(|it| ("bootstrap.servers".to_owned(), it));
    match cluster.config_file {
        // What is named with the command wins over what lies around.
        Some(file) => {
            add(&mut properties, bootstrap);
            add(&mut properties, read_file(&file)?);
        }
        None => {
            if let Some(file) = variable(CONFIG_VARIABLE) {
                add(&mut properties, read_file(Path::new(&file))?);
            }
            add(&mut properties, bootstrap);
        }
    }
    add(&mut properties, own);
    let security = cluster.security.properties(&properties)?;
    add(&mut properties, security);
    let named = cluster.properties.clone();
    add(&mut properties, cluster.properties);
    let servers = cluster.bootstrap_server;
    let servers = servers.map(|it| ("bootstrap.servers".to_owned(), it));
    let controllers = cluster.bootstrap_controller;
    let controllers = controllers.map(|it| ("bootstrap.controllers".to_owned(), it));
    add(&mut properties, servers.into_iter().chain(controllers));
    let mut bootstraps = properties.iter().filter(|(name, _)| is_bootstrap(name));
    if role != Role::Admin && bootstraps.all(|(name, _)| name == "bootstrap.controllers") {
        return Err(Failure::Usage(
            "controllers do not take this command: give brokers (--bootstrap-server)".to_owned(),
        ));
    }
    let set = PropertySet::parse(role, borrowed(&properties))?;
    for warning in set.warnings() {
        // A file may be shared by all kinds of clients.
        if named
            .iter()
            .any(|(name, _)| warning.contains(name.as_str()))
        {
            note(format_args!("warning: {warning}"));
        }
    }
    Ok(properties)
}

/// Adds what is closer: where it says where the cluster is, what was said before does not count.
fn add(properties: &mut Vec<(String, String)>, closer: impl IntoIterator<Item = (String, String)>) {
    let closer: Vec<_> = closer.into_iter().collect();
    if closer.iter().any(|(name, _)| is_bootstrap(name)) {
        properties.retain(|(name, _)| !is_bootstrap(name));
    }
    properties.extend(closer);
}

/// The last is librdkafka's.
fn is_bootstrap(name: &str) -> bool {
    matches!(
        name,
        "bootstrap.servers" | "bootstrap.controllers" | "metadata.broker.list"
    )
}

fn read_file(file: &Path) -> Result<Vec<(String, String)>, Failure> {
    let shown = file.display();
    let unreadable = |error: &dyn Display| Failure::Usage(format!("cannot read {shown}: {error}"));
    let opened = File::open(file).map_err(|error| unreadable(&error))?;
    let mut text = String::new();
    let read = opened.take(FILE_BYTES_MAX + 1).read_to_string(&mut text);
    let read = read.map_err(|error| unreadable(&error))?;
    if read as u64 > FILE_BYTES_MAX {
        return Err(unreadable(&"it is too large for a properties file"));
    }
    PropertySet::read_file_text(&text).map_err(|error| unreadable(&error))
}

pub(crate) fn borrowed(properties: &[(String, String)]) -> impl Iterator<Item = (&str, &str)> {
    properties
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
}
