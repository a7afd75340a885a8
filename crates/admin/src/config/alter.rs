//! Altering configurations, property by property (KIP-339).

use std::collections::HashMap;

use klamm_codec::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig,
};
use klamm_codec::messages::{IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse};

use super::resource::{ConfigResource, ConfigResourceKind};
use crate::admin::Admin;
use crate::awaitable::awaitable;
use crate::driver::{Answers, Batch, Call, Target, drive};
use crate::error::Error;
use crate::results::Results;
use crate::wire::text;

/// A change of one property.
///
/// # Examples
/// ```
/// use klamm_admin::ConfigChange;
///
/// let changes = [ConfigChange::set("retention.ms", "86400000"), ConfigChange::delete("segment.bytes")];
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct ConfigChange {
    name: String,
    operation: i8,
    value: Option<String>,
}

impl ConfigChange {
    fn new(name: impl Into<String>, operation: i8, value: Option<String>) -> Self {
        Self {
            name: name.into(),
            operation,
            value,
        }
    }

    /// Sets the property.
    pub fn set(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self::new(name, 0, Some(value.into()))
    }

    /// Takes the value away, so that the default holds again.
    pub fn delete(name: impl Into<String>) -> Self {
        Self::new(name, 1, None)
    }

    /// Adds to a property that is a list, what stands in `values`, separated by commas.
    pub fn append(name: impl Into<String>, values: impl Into<String>) -> Self {
        Self::new(name, 2, Some(values.into()))
    }

    /// Takes from a property that is a list what stands in `values`, separated by commas.
    pub fn subtract(name: impl Into<String>, values: impl Into<String>) -> Self {
        Self::new(name, 3, Some(values.into()))
    }

    fn to_wire(&self) -> AlterableConfig {
        AlterableConfig::default()
            .with_name(text(&self.name))
            .with_config_operation(self.operation)
            .with_value(self.value.as_deref().map(text))
    }
}

/// A change of configurations; happens when awaited. Made by [`Admin::alter_configs`].
#[derive(Clone, Debug)]
#[must_use = "nothing is altered until it is awaited"]
pub struct AlterConfigs {
    admin: Admin,
    changes: Vec<(ConfigResource, Vec<ConfigChange>)>,
    validate_only: bool,
}

impl Admin {
    /// Alters some properties of configurations and leaves the others (`incrementalAlterConfigs` in
    /// Java; KIP-339, Kafka 2.3). All changes of one resource are made, or none.
    ///
    /// # Errors
    /// [`Error::Invalid`] if a resource is there twice, or [`Error::Net`] if nothing is known about
    /// any of them; what befalls one is in its result.
    ///
    /// # Examples
    /// ```
    /// # async fn keep_a_day(admin: klamm_admin::Admin) -> Result<(), klamm_admin::Error> {
    /// use klamm_admin::{ConfigChange, ConfigResource};
    ///
    /// let changes = vec![ConfigChange::set("retention.ms", "86400000")];
    /// admin.alter_configs([(ConfigResource::topic("orders"), changes)]).await?.all()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn alter_configs(
        &self,
        changes: impl IntoIterator<Item = (ConfigResource, Vec<ConfigChange>)>,
    ) -> AlterConfigs {
        AlterConfigs {
            admin: self.clone(),
            changes: changes.into_iter().collect(),
            validate_only: false,
        }
    }
}

impl AlterConfigs {
    /// Only checks whether the changes could be made. Default: `false`.
    pub fn validate_only(mut self, validate_only: bool) -> Self {
        self.validate_only = validate_only;
        self
    }

    async fn run(self) -> Result<Results<ConfigResource, ()>, Error> {
        let resources: Vec<_> = self.changes.iter().map(|(it, _)| it.clone()).collect();
        let call = Alter {
            by_controllers: self.admin.cluster.is_of_controllers(),
            changes: self.changes.into_iter().collect(),
            validate_only: self.validate_only,
        };
        if call.changes.len() < resources.len() {
            let reason = "a resource is there twice";
            return Err(Error::invalid("configurations to alter", reason));
        }
        drive(&self.admin, call, resources).await
    }
}

awaitable!(AlterConfigs => Results<ConfigResource, ()>);

struct Alter {
    by_controllers: bool,
    changes: HashMap<ConfigResource, Vec<ConfigChange>>,
    validate_only: bool,
}

impl Call for Alter {
    const FOR_CONTROLLERS: bool = true;
    type Key = ConfigResource;
    type Value = ();
    type Request = IncrementalAlterConfigsRequest;

    fn target(&self, resource: &ConfigResource) -> Target {
        match resource.kind {
            // Of controllers the active one alters what is kept with the metadata; log levels each its own.
            ConfigResourceKind::Broker if self.by_controllers => Target::Controller,
            _ => resource.target(),
        }
    }

    fn request(
        &self,
        batch: &Batch<ConfigResource>,
    ) -> Result<IncrementalAlterConfigsRequest, Error> {
        let resource = |resource: &ConfigResource| {
            let changes = self.changes[resource].iter();
            AlterConfigsResource::default()
                .with_resource_type(resource.kind.number())
                .with_resource_name(text(&resource.name))
                .with_configs(changes.map(ConfigChange::to_wire).collect())
        };
        Ok(IncrementalAlterConfigsRequest::default()
            .with_resources(batch.keys.iter().map(resource).collect())
            .with_validate_only(self.validate_only))
    }

    fn read(
        &self,
        _: &Batch<ConfigResource>,
        response: IncrementalAlterConfigsResponse,
        answers: &mut Answers<ConfigResource, ()>,
    ) {
        answers.throttled(response.throttle_time_ms);
        for result in response.responses {
            let kind = ConfigResourceKind::of(result.resource_type);
            let resource = ConfigResource::new(kind, result.resource_name.to_string());
            answers.answer(resource, result.error_code, result.error_message, || ());
        }
    }
}
