//! What services ask before they start: is the topic there, and is it as it should be?

use std::collections::HashMap;
use std::fmt;

use klamm_codec::ErrorCode;

use super::create::NewTopic;
use super::describe::TopicDescription;
use crate::admin::Admin;
use crate::config::{ConfigResource, Configs};
use crate::error::Error;
use crate::results::Results;

/// What became of a topic that should be there.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EnsuredTopic {
    /// It was missing and is created.
    Created,
    /// It was there; it is left as it is, with what differs from what was asked for.
    Present(Vec<TopicDifference>),
}

/// What a topic has otherwise than asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TopicDifference {
    /// `partitions`, `replication factor`, or the name of a property.
    pub what: String,
    /// What was asked for.
    pub wanted: String,
    /// What it has; `None` if it has no such property.
    pub found: Option<String>,
}

impl fmt::Display for TopicDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = self.found.as_deref().unwrap_or("none");
        write!(f, "{} is {found}, not {}", self.what, self.wanted)
    }
}

impl Admin {
    /// Whether there is such a topic that this client may see; nothing is created by asking.
    ///
    /// # Errors
    /// [`Error::Refused`] without permission, [`Error::Net`].
    pub async fn topic_exists(&self, name: &str) -> Result<bool, Error> {
        match self.describe_topics([name]).await?.all() {
            Ok(_) => Ok(true),
            Err(error) if is_missing(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Creates those of the topics that are missing and compares those that are there: partitions,
    /// replication factor and properties, as far as they are asked for. What is there is not altered.
    ///
    /// # Errors
    /// [`Error::Net`] if nothing is known about any of the topics; what befalls one is in its result.
    ///
    /// # Examples
    /// ```
    /// # async fn ensure(admin: klamm_admin::Admin) -> Result<(), klamm_admin::Error> {
    /// use klamm_admin::{EnsuredTopic, NewTopic};
    ///
    /// let orders = NewTopic::new("orders").partitions(6).config("cleanup.policy", "compact");
    /// for (topic, ensured) in admin.ensure_topics([orders]).await? {
    ///     if let EnsuredTopic::Present(differences) = ensured? {
    ///         for difference in differences {
    ///             eprintln!("topic {topic}: {difference}");
    ///         }
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn ensure_topics(
        &self,
        topics: impl IntoIterator<Item = NewTopic>,
    ) -> Result<Results<String, EnsuredTopic>, Error> {
        let topics: Vec<NewTopic> = topics.into_iter().collect();
        let wanted: HashMap<&str, &NewTopic> = topics
            .iter()
            .map(|topic| (topic.name.as_str(), topic))
            .collect();
        let names: Vec<_> = topics.iter().map(|topic| topic.name.clone()).collect();
        let mut described = self.describe_topics(names).await?;
        let missing = described.iter().filter(|(_, result)| match result {
            Ok(_) => false,
            Err(error) => is_missing(error),
        });
        let missing: Vec<_> = missing
            .map(|(name, _)| wanted[name.as_str()].clone())
            .collect();
        let mut created = HashMap::new();
        if !missing.is_empty() {
            let results = self.create_topics(missing).await?;
            // Somebody else was faster: it is there, to be compared.
            let raced = results.iter().filter(|(_, result)| match result {
                Ok(_) => false,
                Err(error) => error.code() == Some(ErrorCode::TOPIC_ALREADY_EXISTS),
            });
            let raced: Vec<_> = raced.map(|(name, _)| name.clone()).collect();
            created.extend(results);
            if !raced.is_empty() {
                for name in &raced {
                    created.remove(name);
                }
                described.replace_with(self.describe_topics(raced).await?);
            }
        }
        let configs = self.configs_to_compare(&described, &wanted).await?;
        let mut ensured = Vec::new();
        for (name, found) in described {
            let result = match created.remove(&name) {
                Some(created) => created.map(|_| EnsuredTopic::Created),
                None => match (found, configs.get(&ConfigResource::topic(&name))) {
                    (Err(error), _) => Err(error),
                    (_, Some(Err(error))) => Err(error.clone()),
                    (Ok(found), configs) => {
                        let configs = configs.and_then(|configs| configs.as_ref().ok());
                        let wanted = wanted[name.as_str()];
                        let none = Configs::new();
                        let differences = differences(wanted, &found, configs.unwrap_or(&none));
                        Ok(EnsuredTopic::Present(differences))
                    }
                },
            };
            ensured.push((name, result));
        }
        Ok(Results::of(ensured))
    }

    async fn configs_to_compare(
        &self,
        described: &Results<String, TopicDescription>,
        wanted: &HashMap<&str, &NewTopic>,
    ) -> Result<Results<ConfigResource, Configs>, Error> {
        let present = described
            .iter()
            .filter(|(name, result)| result.is_ok() && !wanted[name.as_str()].configs.is_empty());
        let resources: Vec<_> = present
            .map(|(name, _)| ConfigResource::topic(name))
            .collect();
        self.describe_configs(resources).await
    }
}

fn is_missing(error: &Error) -> bool {
    error.code() == Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)
}

fn differences(
    wanted: &NewTopic,
    found: &TopicDescription,
    configs: &Configs,
) -> Vec<TopicDifference> {
    let (partitions, replicas) = wanted.size();
    let mut differences = Vec::new();
    let mut compare = |what: &str, wanted: Option<String>, found: Option<String>| {
        let Some(wanted) = wanted else { return };
        if found.as_ref() != Some(&wanted) {
            let what = what.to_owned();
            differences.push(TopicDifference {
                what,
                wanted,
                found,
            });
        }
    };
    let found_partitions = Some(found.partitions.len().to_string());
    compare(
        "partitions",
        partitions.map(|it| it.to_string()),
        found_partitions,
    );
    let first = found.partitions.first();
    let found_replicas = first.map(|partition| partition.replicas.len().to_string());
    compare(
        "replication factor",
        replicas.map(|it| it.to_string()),
        found_replicas,
    );
    for (name, value) in &wanted.configs {
        let found = configs.get(name).and_then(|entry| entry.value.clone());
        compare(name, Some(value.clone()), found);
    }
    differences
}
