//! Delegation tokens: credentials that a user has made for others (KIP-48, KIP-373).

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use bytes::Bytes;
use klamm_codec::messages::create_delegation_token_request::CreatableRenewers;
use klamm_codec::messages::describe_delegation_token_request::DescribeDelegationTokenOwner;
use klamm_codec::messages::{
    CreateDelegationTokenRequest, CreateDelegationTokenResponse, DescribeDelegationTokenRequest,
    DescribeDelegationTokenResponse, ExpireDelegationTokenRequest, ExpireDelegationTokenResponse,
    RenewDelegationTokenRequest, RenewDelegationTokenResponse, StrBytes,
};

use crate::admin::Admin;
use crate::awaitable::awaitable;
use crate::driver::{Answers, Batch, Call, Target, drive_one};
use crate::error::Error;
use crate::wire::{Whole, text};

/// The first version of `CreateDelegationToken` with owners (KIP-373).
const OWNER_VERSION: i16 = 3;

/// Somebody, as the brokers know them: `User:alice`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Principal {
    /// Kind; `User` unless the brokers know others.
    pub kind: String,
    /// Name.
    pub name: String,
}

impl Principal {
    /// A user.
    #[must_use]
    pub fn user(name: impl Into<String>) -> Self {
        Self {
            kind: "User".to_owned(),
            name: name.into(),
        }
    }

    fn of(kind: &StrBytes, name: &StrBytes) -> Self {
        Self {
            kind: kind.to_string(),
            name: name.to_string(),
        }
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind, self.name)
    }
}

impl FromStr for Principal {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text.split_once(':') {
            Some((kind, name)) if !kind.is_empty() && !name.is_empty() => Ok(Self {
                kind: kind.to_owned(),
                name: name.to_owned(),
            }),
            _ => Err(Error::invalid(format!("{text:?}"), "not as in User:alice")),
        }
    }
}

/// A delegation token.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DelegationToken {
    /// Its id: the user name of those who use it.
    pub id: String,
    /// Its secret: in base64, the password of those who use it.
    pub hmac: Bytes,
    /// As whom those act who use it.
    pub owner: Principal,
    /// Who made it.
    pub requester: Principal,
    /// Who may renew it besides; not told when it is created.
    pub renewers: Vec<Principal>,
    /// When it was made, in milliseconds since 1970.
    pub issue_timestamp: i64,
    /// When it ends unless it is renewed, likewise.
    pub expiry_timestamp: i64,
    /// When it ends for good, likewise.
    pub max_timestamp: i64,
}

impl fmt::Debug for DelegationToken {
    /// Without the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DelegationToken")
            .field("id", &self.id)
            .field("owner", &self.owner)
            .field("expiry_timestamp", &self.expiry_timestamp)
            .field("max_timestamp", &self.max_timestamp)
            .finish_non_exhaustive()
    }
}

/// The making of a token; happens when awaited. Made by [`Admin::create_token`].
#[derive(Clone, Debug)]
#[must_use = "nothing is made until it is awaited"]
pub struct CreateToken {
    admin: Admin,
    call: Create,
}

impl Admin {
    /// Makes a delegation token; the connection must be authenticated, not by a token itself.
    ///
    /// # Errors
    /// [`Error::Refused`]: `DELEGATION_TOKEN_AUTH_DISABLED`, `DELEGATION_TOKEN_REQUEST_NOT_ALLOWED`;
    /// [`Error::Net`].
    pub fn create_token(&self) -> CreateToken {
        CreateToken {
            admin: self.clone(),
            call: Create::default(),
        }
    }

    /// Lets a token live on for `period`, or for the brokers' `delegation.token.expiry.time.ms`; gives
    /// when it ends now, in milliseconds since 1970.
    ///
    /// # Errors
    /// [`Error::Refused`]: `DELEGATION_TOKEN_NOT_FOUND`, `DELEGATION_TOKEN_OWNER_MISMATCH`,
    /// `DELEGATION_TOKEN_EXPIRED`; [`Error::Net`].
    pub async fn renew_token(&self, hmac: &[u8], period: Option<Duration>) -> Result<i64, Error> {
        let call = Renew(Bytes::copy_from_slice(hmac), millis(period));
        drive_one(self, call, Whole("the token")).await
    }

    /// Lets a token end after `period`, or at once; gives when it ends now.
    ///
    /// # Errors
    /// As [`Admin::renew_token`].
    pub async fn expire_token(&self, hmac: &[u8], period: Option<Duration>) -> Result<i64, Error> {
        let call = Expire(Bytes::copy_from_slice(hmac), millis(period));
        drive_one(self, call, Whole("the token")).await
    }

    /// The tokens of these owners that this client may see, or of all owners if none is given.
    ///
    /// # Errors
    /// [`Error::Refused`]: `DELEGATION_TOKEN_AUTH_DISABLED`, `DELEGATION_TOKEN_REQUEST_NOT_ALLOWED`;
    /// [`Error::Net`].
    pub async fn describe_tokens(
        &self,
        owners: impl IntoIterator<Item = Principal>,
    ) -> Result<Vec<DelegationToken>, Error> {
        let call = Describe(owners.into_iter().collect());
        drive_one(self, call, Whole("delegation tokens")).await
    }
}

/// On the wire -1 is the broker's choice, or at once.
fn millis(period: Option<Duration>) -> i64 {
    period.map_or(-1, |period| {
        i64::try_from(period.as_millis()).unwrap_or(i64::MAX)
    })
}

impl CreateToken {
    /// As whom those act who use it (KIP-373, Kafka 3.3). Default: who makes it.
    pub fn owner(mut self, owner: Principal) -> Self {
        self.call.owner = Some(owner);
        self
    }

    /// Who may renew it besides the owner. Default: nobody.
    pub fn renewers(mut self, renewers: impl IntoIterator<Item = Principal>) -> Self {
        self.call.renewers = renewers.into_iter().collect();
        self
    }

    /// When it ends for good. Default: the brokers' `delegation.token.max.lifetime.ms`.
    pub fn max_lifetime(mut self, lifetime: Duration) -> Self {
        self.call.max_lifetime = Some(lifetime);
        self
    }

    async fn run(self) -> Result<DelegationToken, Error> {
        drive_one(&self.admin, self.call, Whole("a token")).await
    }
}

awaitable!(CreateToken => DelegationToken);

#[derive(Clone, Debug, Default)]
struct Create {
    owner: Option<Principal>,
    renewers: Vec<Principal>,
    max_lifetime: Option<Duration>,
}

impl Call for Create {
    type Key = Whole;
    type Value = DelegationToken;
    type Request = CreateDelegationTokenRequest;

    fn target(&self, _: &Whole) -> Target {
        Target::Any
    }

    fn request(&self, batch: &Batch<Whole>) -> Result<CreateDelegationTokenRequest, Error> {
        let renewer = |principal: &Principal| {
            CreatableRenewers::default()
                .with_principal_type(text(&principal.kind))
                .with_principal_name(text(&principal.name))
        };
        let request = CreateDelegationTokenRequest::default()
            .with_renewers(self.renewers.iter().map(renewer).collect())
            .with_max_lifetime_ms(millis(self.max_lifetime));
        let Some(owner) = &self.owner else {
            return Ok(request);
        };
        batch.needs(OWNER_VERSION, "tokens of other owners", "3.3 (KIP-373)")?;
        Ok(request
            .with_owner_principal_type(Some(text(&owner.kind)))
            .with_owner_principal_name(Some(text(&owner.name))))
    }

    fn read(
        &self,
        batch: &Batch<Whole>,
        response: CreateDelegationTokenResponse,
        answers: &mut Answers<Whole, DelegationToken>,
    ) {
        answers.throttled(response.throttle_time_ms);
        let owner = Principal::of(&response.principal_type, &response.principal_name);
        let requester = if batch.version >= OWNER_VERSION {
            Principal::of(
                &response.token_requester_principal_type,
                &response.token_requester_principal_name,
            )
        } else {
            owner.clone()
        };
        let key = batch.keys[0].clone();
        answers.answer(key, response.error_code, None, || DelegationToken {
            id: response.token_id.to_string(),
            hmac: response.hmac,
            owner,
            requester,
            renewers: Vec::new(),
            issue_timestamp: response.issue_timestamp_ms,
            expiry_timestamp: response.expiry_timestamp_ms,
            max_timestamp: response.max_timestamp_ms,
        });
    }
}

struct Renew(Bytes, i64);

impl Call for Renew {
    type Key = Whole;
    type Value = i64;
    type Request = RenewDelegationTokenRequest;

    fn target(&self, _: &Whole) -> Target {
        Target::Any
    }

    fn request(&self, _: &Batch<Whole>) -> Result<RenewDelegationTokenRequest, Error> {
        Ok(RenewDelegationTokenRequest::default()
            .with_hmac(self.0.clone())
            .with_renew_period_ms(self.1))
    }

    fn read(
        &self,
        batch: &Batch<Whole>,
        response: RenewDelegationTokenResponse,
        answers: &mut Answers<Whole, i64>,
    ) {
        answers.throttled(response.throttle_time_ms);
        let (key, ends) = (batch.keys[0].clone(), response.expiry_timestamp_ms);
        answers.answer(key, response.error_code, None, || ends);
    }
}

struct Expire(Bytes, i64);

impl Call for Expire {
    type Key = Whole;
    type Value = i64;
    type Request = ExpireDelegationTokenRequest;

    fn target(&self, _: &Whole) -> Target {
        Target::Any
    }

    fn request(&self, _: &Batch<Whole>) -> Result<ExpireDelegationTokenRequest, Error> {
        Ok(ExpireDelegationTokenRequest::default()
            .with_hmac(self.0.clone())
            .with_expiry_time_period_ms(self.1))
    }

    fn read(
        &self,
        batch: &Batch<Whole>,
        response: ExpireDelegationTokenResponse,
        answers: &mut Answers<Whole, i64>,
    ) {
        answers.throttled(response.throttle_time_ms);
        let (key, ends) = (batch.keys[0].clone(), response.expiry_timestamp_ms);
        answers.answer(key, response.error_code, None, || ends);
    }
}

/// With the owners.
struct Describe(Vec<Principal>);

impl Call for Describe {
    type Key = Whole;
    type Value = Vec<DelegationToken>;
    type Request = DescribeDelegationTokenRequest;

    fn target(&self, _: &Whole) -> Target {
        Target::Any
    }

    fn request(&self, _: &Batch<Whole>) -> Result<DescribeDelegationTokenRequest, Error> {
        let owner = |principal: &Principal| {
            DescribeDelegationTokenOwner::default()
                .with_principal_type(text(&principal.kind))
                .with_principal_name(text(&principal.name))
        };
        let owners: Vec<_> = self.0.iter().map(owner).collect();
        let owners = (!owners.is_empty()).then_some(owners);
        Ok(DescribeDelegationTokenRequest::default().with_owners(owners))
    }

    fn read(
        &self,
        batch: &Batch<Whole>,
        response: DescribeDelegationTokenResponse,
        answers: &mut Answers<Whole, Vec<DelegationToken>>,
    ) {
        answers.throttled(response.throttle_time_ms);
        let tokens = response.tokens.into_iter().map(|token| {
            let owner = Principal::of(&token.principal_type, &token.principal_name);
            let requester = if batch.version >= OWNER_VERSION {
                Principal::of(
                    &token.token_requester_principal_type,
                    &token.token_requester_principal_name,
                )
            } else {
                owner.clone()
            };
            let renewers = token.renewers.iter();
            let renewers = renewers.map(|it| Principal::of(&it.principal_type, &it.principal_name));
            DelegationToken {
                id: token.token_id.to_string(),
                renewers: renewers.collect(),
                hmac: token.hmac,
                owner,
                requester,
                issue_timestamp: token.issue_timestamp,
                expiry_timestamp: token.expiry_timestamp,
                max_timestamp: token.max_timestamp,
            }
        });
        let key = batch.keys[0].clone();
        answers.answer(key, response.error_code, None, || tokens.collect());
    }
}
