//! Describing configurations.

use std::collections::BTreeMap;

use klamm_codec::messages::describe_configs_request::DescribeConfigsResource;
use klamm_codec::messages::describe_configs_response::DescribeConfigsResourceResult;
use klamm_codec::messages::{DescribeConfigsRequest, DescribeConfigsResponse};

use super::resource::{ConfigResource, ConfigResourceKind};
use crate::admin::Admin;
use crate::awaitable::awaitable;
use crate::driver::{Answers, Batch, Call, Target, drive};
use crate::error::Error;
use crate::numbered::numbered;
use crate::results::Results;
use crate::wire::{optional_text, text};

/// The first version of `DescribeConfigs` that has types and documentation (KIP-569).
const DOCUMENTATION_VERSION: i16 = 3;

numbered! {
    /// Where the value of a property comes from.
    ConfigSource:
    /// Set for this topic.
    Topic = 1, "DYNAMIC_TOPIC_CONFIG";
    /// Set for this broker while it ran.
    Broker = 2, "DYNAMIC_BROKER_CONFIG";
    /// Set for all brokers while they ran.
    AllBrokers = 3, "DYNAMIC_DEFAULT_BROKER_CONFIG";
    /// Set in the broker's properties file.
    StaticBroker = 4, "STATIC_BROKER_CONFIG";
    /// Kafka's default.
    Default = 5, "DEFAULT_CONFIG";
    /// The log level of a broker.
    BrokerLogger = 6, "DYNAMIC_BROKER_LOGGER_CONFIG";
    /// Set for these client metrics.
    ClientMetrics = 7, "DYNAMIC_CLIENT_METRICS_CONFIG";
    /// Set for this group.
    Group = 8, "DYNAMIC_GROUP_CONFIG";
    /// The broker does not say.
    Unknown = 0, "UNKNOWN";
}

numbered! {
    /// What values a property takes.
    ConfigType:
    /// True or false.
    Boolean = 1, "BOOLEAN";
    /// Text.
    String = 2, "STRING";
    /// A number of 32 bits.
    Int = 3, "INT";
    /// A number of 16 bits.
    Short = 4, "SHORT";
    /// A number of 64 bits.
    Long = 5, "LONG";
    /// A number with fraction.
    Double = 6, "DOUBLE";
    /// A list, separated by commas.
    List = 7, "LIST";
    /// The name of a Java class.
    Class = 8, "CLASS";
    /// Something secret, whose value is not told.
    Password = 9, "PASSWORD";
    /// The broker does not say.
    Unknown = 0, "UNKNOWN";
}

/// A property with its value.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConfigEntry {
    /// Name, such as `retention.ms`.
    pub name: String,
    /// Value; `None` if it has none or is secret.
    pub value: Option<String>,
    /// Where the value comes from.
    pub source: ConfigSource,
    /// Whether the value is secret and therefore not told.
    pub is_sensitive: bool,
    /// Whether it cannot be altered while the broker runs.
    pub is_read_only: bool,
    /// What values it takes; `Unknown` before Kafka 2.6.
    pub value_type: ConfigType,
    /// All values that would hold if those before them were deleted, the first one holds; empty
    /// unless asked for.
    pub synonyms: Vec<ConfigSynonym>,
    /// What it is for; `None` unless asked for.
    pub documentation: Option<String>,
}

impl ConfigEntry {
    /// Whether nobody has set it.
    #[must_use]
    pub fn is_default(&self) -> bool {
        self.source == ConfigSource::Default
    }
}

/// A value that a property has somewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConfigSynonym {
    /// Name, which for brokers can be another than the topic's (`log.retention.ms`).
    pub name: String,
    /// Value; `None` if it has none or is secret.
    pub value: Option<String>,
    /// Where it is set.
    pub source: ConfigSource,
}

/// A configuration: properties by name.
pub type Configs = BTreeMap<String, ConfigEntry>;

/// The description of configurations; happens when awaited. Made by [`Admin::describe_configs`].
#[derive(Clone, Debug)]
#[must_use = "nothing is asked until it is awaited"]
pub struct DescribeConfigs {
    admin: Admin,
    resources: Vec<ConfigResource>,
    call: Describe,
}

impl Admin {
    /// The configurations of topics, brokers, groups or client metrics, defaults included.
    ///
    /// # Errors
    /// [`Error::Net`] if nothing is known about any of them; what befalls one is in its result.
    ///
    /// # Examples
    /// ```
    /// # async fn show(admin: klamm_admin::Admin) -> Result<(), klamm_admin::Error> {
    /// use klamm_admin::ConfigResource;
    ///
    /// let orders = admin.describe_config(ConfigResource::topic("orders")).await?;
    /// println!("{:?}", orders["retention.ms"].value);
    /// # Ok(())
    /// # }
    /// ```
    pub fn describe_configs(
        &self,
        resources: impl IntoIterator<Item = ConfigResource>,
    ) -> DescribeConfigs {
        DescribeConfigs {
            admin: self.clone(),
            resources: resources.into_iter().collect(),
            call: Describe::default(),
        }
    }

    /// As [`Admin::describe_configs`] for one.
    ///
    /// # Errors
    /// As there, and its own failure.
    pub async fn describe_config(&self, resource: ConfigResource) -> Result<Configs, Error> {
        let described = self.describe_configs([resource]).await?.all()?;
        Ok(described.into_iter().next().unwrap_or_default())
    }
}

impl DescribeConfigs {
    /// Only these properties. Default: all.
    pub fn names<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.call.names = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// Also the values that do not hold, in [`ConfigEntry::synonyms`]. Default: `false`.
    pub fn synonyms(mut self, ask: bool) -> Self {
        self.call.synonyms = ask;
        self
    }

    /// Also what each property is for (KIP-569, Kafka 2.6). Default: `false`.
    pub fn documentation(mut self, ask: bool) -> Self {
        self.call.documentation = ask;
        self
    }

    async fn run(self) -> Result<Results<ConfigResource, Configs>, Error> {
        drive(&self.admin, self.call, self.resources).await
    }
}

awaitable!(DescribeConfigs => Results<ConfigResource, Configs>);

#[derive(Clone, Debug, Default)]
struct Describe {
    names: Option<Vec<String>>,
    synonyms: bool,
    documentation: bool,
}

impl Call for Describe {
    const FOR_CONTROLLERS: bool = true;
    type Key = ConfigResource;
    type Value = Configs;
    type Request = DescribeConfigsRequest;

    fn target(&self, resource: &ConfigResource) -> Target {
        resource.target()
    }

    fn request(&self, batch: &Batch<ConfigResource>) -> Result<DescribeConfigsRequest, Error> {
        let names = self.names.as_ref();
        let names = names.map(|names| names.iter().map(|name| text(name)).collect::<Vec<_>>());
        let resource = |resource: &ConfigResource| {
            DescribeConfigsResource::default()
                .with_resource_type(resource.kind.number())
                .with_resource_name(text(&resource.name))
                .with_configuration_keys(names.clone())
        };
        let request = DescribeConfigsRequest::default()
            .with_resources(batch.keys.iter().map(resource).collect())
            .with_include_synonyms(self.synonyms);
        Ok(if batch.version >= DOCUMENTATION_VERSION {
            request.with_include_documentation(self.documentation)
        } else {
            request
        })
    }

    fn read(
        &self,
        _: &Batch<ConfigResource>,
        response: DescribeConfigsResponse,
        answers: &mut Answers<ConfigResource, Configs>,
    ) {
        answers.throttled(response.throttle_time_ms);
        for result in response.results {
            let kind = ConfigResourceKind::of(result.resource_type);
            let resource = ConfigResource::new(kind, result.resource_name.to_string());
            answers.answer(resource, result.error_code, result.error_message, || {
                let entries = result.configs.into_iter().map(entry);
                entries.map(|entry| (entry.name.clone(), entry)).collect()
            });
        }
    }
}

fn entry(config: DescribeConfigsResourceResult) -> ConfigEntry {
    let synonyms = config.synonyms.into_iter().map(|synonym| ConfigSynonym {
        name: synonym.name.to_string(),
        value: optional_text(synonym.value.as_ref()),
        source: ConfigSource::of(synonym.source),
    });
    ConfigEntry {
        name: config.name.to_string(),
        value: optional_text(config.value.as_ref()),
        // Before Kafka 1.1 there was none.
        source: ConfigSource::of(config.config_source.max(0)),
        is_sensitive: config.is_sensitive,
        is_read_only: config.read_only,
        value_type: ConfigType::of(config.config_type),
        synonyms: synonyms.collect(),
        documentation: optional_text(config.documentation.as_ref()),
    }
}
