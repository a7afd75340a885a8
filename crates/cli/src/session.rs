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

/// An admin, ready for use.
pub(crate) async fn admin(cluster: ClusterArgs) -> Result<Admin, Failure> {
    let session = Session::open(cluster, Role::Admin, Vec::new()).await?;
    Ok(session.client.admin())
}

/// What the command line, the environment and the file say together, checked; later ones win.
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
            properties.extend(bootstrap);
            add_file(&mut properties, &file)?;
        }
        None => {
            if let Some(file) = variable(CONFIG_VARIABLE) {
                add_file(&mut properties, Path::new(&file))?;
            }
            properties.extend(bootstrap);
        }
    }
    properties.extend(own);
    properties.extend(cluster.security.properties(&properties)?);
    let named = cluster.properties.clone();
    properties.extend(cluster.properties);
    let bootstrap = cluster.bootstrap_server;
    properties.extend(bootstrap.map(|it| ("bootstrap.servers".to_owned(), it)));
    // librdkafka's name for it would not be seen behind the default.
    if let Some(at) = properties.iter().rposition(|(name, _)| is_bootstrap(name)) {
        let (_, addresses) = properties[at].clone();
        properties.retain(|(name, _)| !is_bootstrap(name));
        properties.push(("bootstrap.servers".to_owned(), addresses));
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

fn is_bootstrap(name: &str) -> bool {
    matches!(name, "bootstrap.servers" | "metadata.broker.list")
}

fn add_file(properties: &mut Vec<(String, String)>, file: &Path) -> Result<(), Failure> {
    let shown = file.display();
    let unreadable = |error: &dyn Display| Failure::Usage(format!("cannot read {shown}: {error}"));
    let opened = File::open(file).map_err(|error| unreadable(&error))?;
    let mut text = String::new();
    let read = opened.take(FILE_BYTES_MAX + 1).read_to_string(&mut text);
    let read = read.map_err(|error| unreadable(&error))?;
    if read as u64 > FILE_BYTES_MAX {
        return Err(unreadable(&"it is too large for a properties file"));
    }
    properties.extend(PropertySet::read_file_text(&text).map_err(|error| unreadable(&error))?);
    Ok(())
}

pub(crate) fn borrowed(properties: &[(String, String)]) -> impl Iterator<Item = (&str, &str)> {
    properties
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
}
