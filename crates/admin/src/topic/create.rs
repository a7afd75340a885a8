//! Creating topics.

use std::future::{Future, IntoFuture};
use std::pin::Pin;

use klamm_codec::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use klamm_codec::messages::{CreateTopicsRequest, CreateTopicsResponse, StrBytes};
use klamm_codec::{ApiKey, ErrorCode};
use klamm_net::{Connection, Lane, TopicId};
use tokio::time::Instant;

use super::{TopicResults, topic_name};
use crate::admin::Admin;
use crate::driver::{Answers, Attempt, TopicAnswer, call_controller};
use crate::error::Error;

/// The number on the wire that leaves a choice to the broker (KIP-464).
const BROKER_DEFAULT: i16 = -1;
/// The first version of `CreateTopics` that knows it.
const BROKER_DEFAULT_VERSION: i16 = 4;

/// A topic to create.
///
/// # Examples
/// ```
/// use klamm_admin::NewTopic;
///
/// let orders = NewTopic::new("orders").partitions(6).replication_factor(3).config("retention.ms", "86400000");
/// let defaults = NewTopic::new("audit");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct NewTopic {
    name: String,
    partitions: Option<i32>,
    replication_factor: Option<i16>,
    configs: Vec<(String, String)>,
}

impl NewTopic {
    /// A topic with the broker's defaults for everything.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            partitions: None,
            replication_factor: None,
            configs: Vec::new(),
        }
    }

    /// Number of partitions. Default: the broker's `num.partitions`; before Kafka 2.4 it has to be
    /// set.
    pub fn partitions(mut self, partitions: i32) -> Self {
        self.partitions = Some(partitions);
        self
    }

    /// Number of replicas of each partition. Default: the broker's `default.replication.factor`;
    /// before Kafka 2.4 it has to be set.
    pub fn replication_factor(mut self, replicas: i16) -> Self {
        self.replication_factor = Some(replicas);
        self
    }

    /// A property of the topic, such as `retention.ms` or `cleanup.policy`. Default: the broker's.
    pub fn config(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.configs.push((name.into(), value.into()));
        self
    }

    /// What is left to the broker's defaults and only newer ones choose.
    fn missing(&self) -> Option<&'static str> {
        match (self.partitions, self.replication_factor) {
            (Some(_), Some(_)) => None,
            (None, Some(_)) => Some("number of partitions"),
            (Some(_), None) => Some("replication factor"),
            (None, None) => Some("number of partitions and replication factor"),
        }
    }

    fn to_wire(&self) -> CreatableTopic {
        let text = |text: &String| StrBytes::from_string(text.clone());
        let config = |(name, value): &(String, String)| {
            CreatableTopicConfig::default()
                .with_name(text(name))
                .with_value(Some(text(value)))
        };
        let default = i32::from(BROKER_DEFAULT);
        CreatableTopic::default()
            .with_name(topic_name(&self.name))
            .with_num_partitions(self.partitions.unwrap_or(default))
            .with_replication_factor(self.replication_factor.unwrap_or(BROKER_DEFAULT))
            .with_configs(self.configs.iter().map(config).collect())
    }
}

/// What the broker says of a topic it created.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CreatedTopic {
    /// Its id; zero before Kafka 2.8, and if it was only validated.
    pub id: TopicId,
    /// Number of partitions; `None` before Kafka 2.4, or without the permission to see it.
    pub partitions: Option<i32>,
    /// Number of replicas of each partition; `None` likewise.
    pub replication_factor: Option<i16>,
}

/// The creation of topics; happens when awaited. Made by [`Admin::create_topics`].
#[derive(Clone, Debug)]
#[must_use = "nothing is created until it is awaited"]
pub struct CreateTopics {
    admin: Admin,
    topics: Vec<NewTopic>,
    validate_only: bool,
}

impl Admin {
    /// Creates topics.
    ///
    /// A topic can be produced to at once: the producer waits for its leaders. Brokers may need a
    /// moment until all of them list it.
    ///
    /// # Errors
    /// [`Error::DefaultsUnsupported`], or [`Error::Net`] if nothing is known about any of the
    /// topics; what befalls one topic is in its [`TopicResult`](crate::TopicResult).
    ///
    /// # Examples
    /// ```
    /// # async fn create(admin: klamm_admin::Admin) -> Result<(), klamm_admin::Error> {
    /// use klamm_admin::NewTopic;
    ///
    /// let orders = NewTopic::new("orders").partitions(6);
    /// admin.create_topics([orders]).await?.all()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn create_topics(&self, topics: impl IntoIterator<Item = NewTopic>) -> CreateTopics {
        CreateTopics {
            admin: self.clone(),
            topics: topics.into_iter().collect(),
            validate_only: false,
        }
    }
}

impl CreateTopics {
    /// Only checks whether the topics could be created. Default: `false`.
    pub fn validate_only(mut self, validate_only: bool) -> Self {
        self.validate_only = validate_only;
        self
    }

    async fn run(self) -> Result<TopicResults<CreatedTopic>, Error> {
        let Self {
            admin,
            topics,
            validate_only,
        } = self;
        refuse_defaults_to_old_brokers(&admin, &topics).await?;
        let names = topics.iter().map(|topic| topic.name.clone()).collect();
        let build = |attempt: Attempt<'_>| {
            let pending = attempt.pending.iter().map(|&at| topics[at].to_wire());
            CreateTopicsRequest::default()
                .with_topics(pending.collect())
                .with_timeout_ms(attempt.timeout_ms)
                .with_validate_only(validate_only)
        };
        let results = call_controller(&admin, names, build, answers).await;
        if !validate_only {
            // Whoever waits for one of these topics in the metadata need not wait longer.
            admin.cluster.request_refresh();
        }
        results
    }
}

impl IntoFuture for CreateTopics {
    type Output = Result<TopicResults<CreatedTopic>, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

/// Before Kafka 2.4 a broker takes "your default" for a negative number, which is a poor message.
async fn refuse_defaults_to_old_brokers(admin: &Admin, topics: &[NewTopic]) -> Result<(), Error> {
    let Some((topic, missing)) = topics
        .iter()
        .find_map(|topic| Some((topic, topic.missing()?)))
    else {
        return Ok(());
    };
    // The call itself has the retries; a broker that cannot be asked now refuses by itself then.
    let Ok(connection) = controller_connection(admin, admin.deadline()).await else {
        return Ok(());
    };
    if connection.version(ApiKey::CREATE_TOPICS)? < BROKER_DEFAULT_VERSION {
        return Err(Error::DefaultsUnsupported {
            topic: topic.name.clone(),
            broker: connection.address().to_owned(),
            missing,
        });
    }
    Ok(())
}

async fn controller_connection(
    admin: &Admin,
    deadline: Instant,
) -> Result<Connection, klamm_net::Error> {
    match admin.cluster.snapshot().controller {
        Some(node) => {
            admin
                .cluster
                .connection(node, Lane::Control, deadline)
                .await
        }
        None => admin.cluster.any_connection(deadline).await,
    }
}

fn answers(response: &CreateTopicsResponse) -> Answers<CreatedTopic> {
    let topics = response.topics.iter().map(|topic| TopicAnswer {
        topic: topic.name.to_string(),
        code: ErrorCode(topic.error_code),
        message: topic.error_message.as_ref().map(ToString::to_string),
        value: CreatedTopic {
            id: TopicId(topic.topic_id.into_bytes()),
            // -1: the version or the permissions do not allow to say.
            partitions: (topic.num_partitions >= 0).then_some(topic.num_partitions),
            replication_factor: (topic.replication_factor >= 0).then_some(topic.replication_factor),
        },
    });
    Answers {
        throttle_time_ms: response.throttle_time_ms,
        topics: topics.collect(),
    }
}
