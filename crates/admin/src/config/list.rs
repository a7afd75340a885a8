//! Which things have a configuration of their own.

use klamm_codec::messages::{ListConfigResourcesRequest, ListConfigResourcesResponse};

use super::resource::{ConfigResource, ConfigResourceKind};
use crate::admin::Admin;
use crate::driver::{Answers, Batch, Call, Target, drive_one};
use crate::error::Error;
use crate::wire::Whole;

/// The first version of `ListConfigResources` that lists others than client metrics (KIP-1142).
const ALL_KINDS_VERSION: i16 = 1;

impl Admin {
    /// The things of these kinds that can have a configuration, or of all kinds if none is given
    /// (KIP-1142, Kafka 4.1; client metrics alone from 3.7 on).
    ///
    /// # Errors
    /// [`Error::Refused`] without permission, [`Error::Unsupported`], [`Error::Net`].
    pub async fn list_config_resources(
        &self,
        kinds: impl IntoIterator<Item = ConfigResourceKind>,
    ) -> Result<Vec<ConfigResource>, Error> {
        let kinds = kinds.into_iter().collect();
        let mut resources = drive_one(self, List(kinds), Whole("all configurations")).await?;
        resources.sort();
        Ok(resources)
    }
}

struct List(Vec<ConfigResourceKind>);

impl Call for List {
    type Key = Whole;
    type Value = Vec<ConfigResource>;
    type Request = ListConfigResourcesRequest;

    fn target(&self, _: &Whole) -> Target {
        Target::Any
    }

    fn request(&self, batch: &Batch<Whole>) -> Result<ListConfigResourcesRequest, Error> {
        let request = ListConfigResourcesRequest::default();
        if batch.version >= ALL_KINDS_VERSION {
            let kinds = self.0.iter().map(|kind| kind.number());
            return Ok(request.with_resource_types(kinds.collect()));
        }
        if self.0 != [ConfigResourceKind::ClientMetrics] {
            let what = "listing configurations other than client metrics";
            batch.needs(ALL_KINDS_VERSION, what, "4.1 (KIP-1142)")?;
        }
        Ok(request)
    }

    fn read(
        &self,
        batch: &Batch<Whole>,
        response: ListConfigResourcesResponse,
        answers: &mut Answers<Whole, Vec<ConfigResource>>,
    ) {
        answers.throttled(response.throttle_time_ms);
        let resources = response.config_resources.into_iter().map(|resource| {
            let kind = if batch.version >= ALL_KINDS_VERSION {
                ConfigResourceKind::of(resource.resource_type)
            } else {
                ConfigResourceKind::ClientMetrics
            };
            ConfigResource::new(kind, resource.resource_name.to_string())
        });
        let key = batch.keys[0].clone();
        answers.answer(key, response.error_code, None, || resources.collect());
    }
}
