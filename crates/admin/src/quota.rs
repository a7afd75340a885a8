//! Quotas of clients (KIP-546).

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use klamm_codec::messages::alter_client_quotas_request::{EntityData, EntryData, OpData};
use klamm_codec::messages::describe_client_quotas_request::ComponentData;
use klamm_codec::messages::{
    AlterClientQuotasRequest, AlterClientQuotasResponse, DescribeClientQuotasRequest,
    DescribeClientQuotasResponse, StrBytes,
};

use crate::admin::Admin;
use crate::awaitable::awaitable;
use crate::driver::{Answers, Batch, Call, Target, drive, drive_one};
use crate::error::Error;
use crate::results::Results;
use crate::wire::{Whole, optional_text, text};

/// What a quota is for: a user, a client id, an address, or a pair of user and client id. A part
/// without a name is the default for those that have no quota of their own.
///
/// # Examples
/// ```
/// use klamm_admin::QuotaEntity;
///
/// let alice = QuotaEntity::user("alice");
/// let her_shop = QuotaEntity::user("alice").and_client_id("shop");
/// let other_clients = QuotaEntity::default_client_id();
/// assert_eq!(her_shop.to_string(), "client-id shop, user alice");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QuotaEntity {
    /// Names by kind of part: `user`, `client-id`, `ip`; `None` is the default.
    parts: BTreeMap<String, Option<String>>,
}

const USER: &str = "user";
const CLIENT_ID: &str = "client-id";
const IP: &str = "ip";

impl QuotaEntity {
    fn with(mut self, kind: &str, name: Option<String>) -> Self {
        self.parts.insert(kind.to_owned(), name);
        self
    }

    /// A user.
    #[must_use]
    pub fn user(name: impl Into<String>) -> Self {
        Self::default().with(USER, Some(name.into()))
    }

    /// All users without a quota of their own.
    #[must_use]
    pub fn default_user() -> Self {
        Self::default().with(USER, None)
    }

    /// A client id.
    #[must_use]
    pub fn client_id(name: impl Into<String>) -> Self {
        Self::default().with(CLIENT_ID, Some(name.into()))
    }

    /// All client ids without a quota of their own.
    #[must_use]
    pub fn default_client_id() -> Self {
        Self::default().with(CLIENT_ID, None)
    }

    /// An address, for the rate of its connections (KIP-612).
    #[must_use]
    pub fn ip(address: impl Into<String>) -> Self {
        Self::default().with(IP, Some(address.into()))
    }

    /// All addresses without a quota of their own.
    #[must_use]
    pub fn default_ip() -> Self {
        Self::default().with(IP, None)
    }

    /// Only with this client id.
    #[must_use]
    pub fn and_client_id(self, name: impl Into<String>) -> Self {
        self.with(CLIENT_ID, Some(name.into()))
    }

    /// Only with client ids without a quota of their own.
    #[must_use]
    pub fn and_default_client_id(self) -> Self {
        self.with(CLIENT_ID, None)
    }

    /// The kinds of its parts, with their names; `None` is the default.
    pub fn parts(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.parts
            .iter()
            .map(|(kind, name)| (kind.as_str(), name.as_deref()))
    }

    fn of(parts: impl Iterator<Item = (StrBytes, Option<StrBytes>)>) -> Self {
        let parts = parts.map(|(kind, name)| (kind.to_string(), optional_text(name.as_ref())));
        Self {
            parts: parts.collect(),
        }
    }
}

impl fmt::Display for QuotaEntity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (kind, name)) in self.parts().enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            match name {
                Some(name) => write!(f, "{comma}{kind} {name}")?,
                None => write!(f, "{comma}default {kind}")?,
            }
        }
        Ok(())
    }
}

/// Quotas by name, such as `producer_byte_rate` in bytes a second.
pub type Quotas = BTreeMap<String, f64>;

/// Which entities' quotas; what is not said is not restricted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct QuotaFilter {
    components: Vec<(String, i8, Option<String>)>,
    strict: bool,
}

/// How a part of an entity is matched, on the wire.
const EXACT: i8 = 0;
const DEFAULT: i8 = 1;
const ANY: i8 = 2;

impl QuotaFilter {
    /// All of them.
    pub fn any() -> Self {
        Self::default()
    }

    /// Of this entity alone.
    pub fn exactly(entity: &QuotaEntity) -> Self {
        let part = |(kind, name): (&str, Option<&str>)| match name {
            Some(name) => (kind.to_owned(), EXACT, Some(name.to_owned())),
            None => (kind.to_owned(), DEFAULT, None),
        };
        Self {
            components: entity.parts().map(part).collect(),
            strict: true,
        }
    }

    fn with(mut self, kind: &str, how: i8, name: Option<String>) -> Self {
        self.components.push((kind.to_owned(), how, name));
        self
    }

    /// Of any user, the default included.
    pub fn users(self) -> Self {
        self.with(USER, ANY, None)
    }

    /// Of this user, whatever the client id.
    pub fn user(self, name: impl Into<String>) -> Self {
        self.with(USER, EXACT, Some(name.into()))
    }

    /// Of any client id, the default included.
    pub fn client_ids(self) -> Self {
        self.with(CLIENT_ID, ANY, None)
    }

    /// Of this client id, whatever the user.
    pub fn client_id(self, name: impl Into<String>) -> Self {
        self.with(CLIENT_ID, EXACT, Some(name.into()))
    }

    /// Of any address, the default included.
    pub fn ips(self) -> Self {
        self.with(IP, ANY, None)
    }
}

/// A change of an entity's quotas: names with their new values, `None` to take one away.
pub type QuotaChanges = BTreeMap<String, Option<f64>>;

/// A change of quotas; happens when awaited. Made by [`Admin::alter_quotas`].
#[derive(Clone, Debug)]
#[must_use = "nothing is altered until it is awaited"]
pub struct AlterQuotas {
    admin: Admin,
    changes: Vec<(QuotaEntity, QuotaChanges)>,
    validate_only: bool,
}

impl Admin {
    /// The quotas of entities that `filter` lets through (KIP-546, Kafka 2.6).
    ///
    /// # Errors
    /// [`Error::Refused`] without permission, [`Error::Net`].
    pub async fn describe_quotas(
        &self,
        filter: QuotaFilter,
    ) -> Result<BTreeMap<QuotaEntity, Quotas>, Error> {
        drive_one(self, Describe(filter), Whole("quotas")).await
    }

    /// Sets or takes away quotas of entities (KIP-546, Kafka 2.6).
    ///
    /// # Errors
    /// [`Error::Invalid`] if an entity is there twice, [`Error::Net`] if nothing is known about any of
    /// them; what befalls one is in its result.
    ///
    /// # Examples
    /// ```
    /// # async fn limit(admin: klamm_admin::Admin) -> Result<(), klamm_admin::Error> {
    /// use klamm_admin::QuotaEntity;
    ///
    /// let rate = [("producer_byte_rate", Some(1_048_576.0))];
    /// admin.alter_quotas([(QuotaEntity::user("alice"), rate)]).await?.all()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn alter_quotas<S: Into<String>>(
        &self,
        changes: impl IntoIterator<Item = (QuotaEntity, impl IntoIterator<Item = (S, Option<f64>)>)>,
    ) -> AlterQuotas {
        let changes = changes.into_iter().map(|(entity, quotas)| {
            let quotas = quotas.into_iter().map(|(name, value)| (name.into(), value));
            (entity, quotas.collect())
        });
        AlterQuotas {
            admin: self.clone(),
            changes: changes.collect(),
            validate_only: false,
        }
    }
}

impl AlterQuotas {
    /// Only checks whether the changes could be made. Default: `false`.
    pub fn validate_only(mut self, validate_only: bool) -> Self {
        self.validate_only = validate_only;
        self
    }

    async fn run(self) -> Result<Results<QuotaEntity, ()>, Error> {
        let entities: Vec<_> = self.changes.iter().map(|(it, _)| it.clone()).collect();
        let call = Alter {
            changes: self.changes.into_iter().collect(),
            validate_only: self.validate_only,
        };
        if call.changes.len() < entities.len() {
            return Err(Error::invalid("quotas", "an entity is there twice"));
        }
        drive(&self.admin, call, entities).await
    }
}

awaitable!(AlterQuotas => Results<QuotaEntity, ()>);

struct Describe(QuotaFilter);

impl Call for Describe {
    type Key = Whole;
    type Value = BTreeMap<QuotaEntity, Quotas>;
    type Request = DescribeClientQuotasRequest;

    fn target(&self, _: &Whole) -> Target {
        Target::Any
    }

    fn request(&self, _: &Batch<Whole>) -> Result<DescribeClientQuotasRequest, Error> {
        let component = |(kind, how, name): &(String, i8, Option<String>)| {
            ComponentData::default()
                .with_entity_type(text(kind))
                .with_match_type(*how)
                .with_match(name.as_deref().map(text))
        };
        Ok(DescribeClientQuotasRequest::default()
            .with_components(self.0.components.iter().map(component).collect())
            .with_strict(self.0.strict))
    }

    fn read(
        &self,
        batch: &Batch<Whole>,
        response: DescribeClientQuotasResponse,
        answers: &mut Answers<Whole, BTreeMap<QuotaEntity, Quotas>>,
    ) {
        answers.throttled(response.throttle_time_ms);
        let entries = response.entries.unwrap_or_default().into_iter();
        let entries = entries.map(|entry| {
            let parts = entry.entity.into_iter();
            let entity = QuotaEntity::of(parts.map(|it| (it.entity_type, it.entity_name)));
            let values = entry.values.into_iter();
            let quotas = values.map(|quota| (quota.key.to_string(), quota.value));
            (entity, quotas.collect())
        });
        let key = batch.keys[0].clone();
        let (code, message) = (response.error_code, response.error_message);
        answers.answer(key, code, message, || entries.collect());
    }
}

struct Alter {
    changes: HashMap<QuotaEntity, QuotaChanges>,
    validate_only: bool,
}

impl Call for Alter {
    type Key = QuotaEntity;
    type Value = ();
    type Request = AlterClientQuotasRequest;

    fn target(&self, _: &QuotaEntity) -> Target {
        Target::Any
    }

    fn request(&self, batch: &Batch<QuotaEntity>) -> Result<AlterClientQuotasRequest, Error> {
        let part = |(kind, name): (&str, Option<&str>)| {
            EntityData::default()
                .with_entity_type(text(kind))
                .with_entity_name(name.map(text))
        };
        let change = |(name, value): (&String, &Option<f64>)| {
            OpData::default()
                .with_key(text(name))
                .with_value(value.unwrap_or_default())
                .with_remove(value.is_none())
        };
        let entry = |entity: &QuotaEntity| {
            EntryData::default()
                .with_entity(entity.parts().map(part).collect())
                .with_ops(self.changes[entity].iter().map(change).collect())
        };
        Ok(AlterClientQuotasRequest::default()
            .with_entries(batch.keys.iter().map(entry).collect())
            .with_validate_only(self.validate_only))
    }

    fn read(
        &self,
        _: &Batch<QuotaEntity>,
        response: AlterClientQuotasResponse,
        answers: &mut Answers<QuotaEntity, ()>,
    ) {
        answers.throttled(response.throttle_time_ms);
        for entry in response.entries {
            let parts = entry.entity.into_iter();
            let entity = QuotaEntity::of(parts.map(|it| (it.entity_type, it.entity_name)));
            answers.answer(entity, entry.error_code, entry.error_message, || ());
        }
    }
}
