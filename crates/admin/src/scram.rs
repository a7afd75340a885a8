//! SCRAM credentials of users (KIP-554).

use std::collections::HashMap;
use std::fmt;

use bytes::Bytes;
use klamm_codec::messages::alter_user_scram_credentials_request::{
    ScramCredentialDeletion, ScramCredentialUpsertion,
};
use klamm_codec::messages::describe_user_scram_credentials_request::UserName;
use klamm_codec::messages::{
    AlterUserScramCredentialsRequest, AlterUserScramCredentialsResponse,
    DescribeUserScramCredentialsRequest, DescribeUserScramCredentialsResponse,
};
use klamm_codec::{ApiKey, ErrorCode};
use klamm_net::{Secret, scram_salted_password};

use crate::admin::Admin;
use crate::driver::{Answers, Batch, Call, Target, drive, drive_one};
use crate::error::Error;
use crate::numbered::numbered;
use crate::results::Results;
use crate::wire::{Whole, text};

/// Rounds of hashing unless others are asked for, as Kafka's tools take.
const ITERATIONS: u32 = 4096;
/// What can be computed while a caller waits; far more than brokers take.
const ITERATIONS_MAX: u32 = 1_000_000;

numbered! {
    /// A SCRAM mechanism.
    ScramMechanism:
    /// SCRAM-SHA-256.
    Sha256 = 1, "SCRAM-SHA-256";
    /// SCRAM-SHA-512.
    Sha512 = 2, "SCRAM-SHA-512";
}

/// A credential that a user has; its secret is not told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScramCredential {
    /// Its mechanism.
    pub mechanism: ScramMechanism,
    /// Rounds of hashing.
    pub iterations: i32,
}

/// A change of a user's credential for one mechanism.
#[derive(Clone)]
#[must_use]
pub struct ScramChange {
    user: String,
    mechanism: ScramMechanism,
    /// The new password and its rounds of hashing; `None` deletes it.
    password: Option<(Secret, u32)>,
}

impl ScramChange {
    /// Sets the password of a user. The broker gets a salted hash of it, never the password itself.
    pub fn set(
        user: impl Into<String>,
        mechanism: ScramMechanism,
        password: impl Into<Secret>,
    ) -> Self {
        Self {
            user: user.into(),
            mechanism,
            password: Some((password.into(), ITERATIONS)),
        }
    }

    /// Rounds of hashing of the password, 4096 to 16384 with Kafka's brokers. Default: 4096.
    pub fn iterations(mut self, iterations: u32) -> Self {
        if let Some((_, rounds)) = &mut self.password {
            *rounds = iterations;
        }
        self
    }

    /// Takes the credential of a user away.
    pub fn delete(user: impl Into<String>, mechanism: ScramMechanism) -> Self {
        Self {
            user: user.into(),
            mechanism,
            password: None,
        }
    }
}

impl fmt::Debug for ScramChange {
    /// Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScramChange")
            .field("user", &self.user)
            .field("mechanism", &self.mechanism)
            .field("deletes", &self.password.is_none())
            .finish()
    }
}

impl Admin {
    /// The SCRAM credentials of these users, or of all that have some (KIP-554, Kafka 2.7).
    ///
    /// # Errors
    /// [`Error::Refused`] without permission, [`Error::Net`]; what befalls one user is in its result:
    /// `RESOURCE_NOT_FOUND` if it has none.
    pub async fn describe_scram_credentials<S: Into<String>>(
        &self,
        users: Option<Vec<S>>,
    ) -> Result<Results<String, Vec<ScramCredential>>, Error> {
        let users = users.map(|users| users.into_iter().map(Into::into).collect::<Vec<_>>());
        // To brokers, that would be all of them.
        if users.as_ref().is_some_and(Vec::is_empty) {
            return Ok(Results::of([]));
        }
        let users = users.unwrap_or_default();
        drive_one(self, Describe(users), Whole("SCRAM credentials")).await
    }

    /// Sets and deletes SCRAM credentials of users (KIP-554, Kafka 2.7). Brokers take one change of a
    /// user at a time: several go in requests of their own, up to the first that is refused.
    ///
    /// # Errors
    /// [`Error::Invalid`] for more than a million iterations, or if the operating system gives no
    /// random bytes, [`Error::Net`] if nothing is
    /// known about any of the users; what befalls one is in its result: `RESOURCE_NOT_FOUND`,
    /// `UNACCEPTABLE_CREDENTIAL`.
    ///
    /// # Examples
    /// ```
    /// # async fn user(admin: klamm_admin::Admin) -> Result<(), klamm_admin::Error> {
    /// use klamm_admin::{ScramChange, ScramMechanism};
    ///
    /// let alice = ScramChange::set("alice", ScramMechanism::Sha512, "her password");
    /// admin.alter_scram_credentials([alice]).await?.all()?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn alter_scram_credentials(
        &self,
        changes: impl IntoIterator<Item = ScramChange>,
    ) -> Result<Results<String, ()>, Error> {
        let credential = |change: ScramChange| {
            let credential = Credential::new(&change)?;
            Ok((change.user, credential))
        };
        let mut waiting = changes
            .into_iter()
            .map(credential)
            .collect::<Result<Vec<_>, Error>>()?;
        let mut order = Vec::new();
        let mut results: HashMap<String, Result<(), Error>> = HashMap::new();
        while !waiting.is_empty() {
            let mut round = HashMap::new();
            let mut later = Vec::new();
            for (user, credential) in waiting {
                if round.contains_key(&user) {
                    later.push((user, credential));
                    continue;
                }
                match results.get(&user) {
                    Some(Err(_)) => continue,
                    Some(Ok(())) => {}
                    None => order.push(user.clone()),
                }
                round.insert(user, credential);
            }
            waiting = later;
            let users: Vec<String> = round.keys().cloned().collect();
            match drive(self, Alter(round), users.clone()).await {
                Ok(round) => results.extend(round),
                Err(error) if results.is_empty() => return Err(error),
                Err(error) => {
                    results.extend(users.into_iter().map(|user| (user, Err(error.clone()))));
                }
            }
        }
        Ok(Results::new(order, results))
    }
}

/// A change as it is sent.
enum Credential {
    Deletion(ScramCredentialDeletion),
    Upsertion(ScramCredentialUpsertion),
}

impl Credential {
    fn new(change: &ScramChange) -> Result<Self, Error> {
        let (user, mechanism) = (text(&change.user), change.mechanism.number());
        let Some((password, iterations)) = &change.password else {
            let deletion = ScramCredentialDeletion::default()
                .with_name(user)
                .with_mechanism(mechanism);
            return Ok(Self::Deletion(deletion));
        };
        if *iterations > ITERATIONS_MAX {
            let reason = format!("{iterations} iterations: brokers take 16384 at most");
            return Err(Error::invalid(format!("user {}", change.user), reason));
        }
        let is_512 = change.mechanism == ScramMechanism::Sha512;
        let (salt, salted) = scram_salted_password(password, *iterations, is_512)
            .map_err(|error| Error::invalid(format!("user {}", change.user), error.to_string()))?;
        let upsertion = ScramCredentialUpsertion::default()
            .with_name(user)
            .with_mechanism(mechanism)
            .with_iterations(i32::try_from(*iterations).unwrap_or(i32::MAX))
            .with_salt(Bytes::from(salt))
            .with_salted_password(Bytes::copy_from_slice(&salted));
        Ok(Self::Upsertion(upsertion))
    }
}

/// Of all, if there are none.
struct Describe(Vec<String>);

impl Call for Describe {
    type Key = Whole;
    type Value = Results<String, Vec<ScramCredential>>;
    type Request = DescribeUserScramCredentialsRequest;

    fn target(&self, _: &Whole) -> Target {
        Target::Any
    }

    fn request(&self, _: &Batch<Whole>) -> Result<DescribeUserScramCredentialsRequest, Error> {
        let user = |name: &String| UserName::default().with_name(text(name));
        // Null would be all, too, but whoever may not ask for those gets no answer then: Kafka 4.3.1 fails to make one.
        let users = self.0.iter().map(user).collect();
        Ok(DescribeUserScramCredentialsRequest::default().with_users(Some(users)))
    }

    fn read(
        &self,
        batch: &Batch<Whole>,
        response: DescribeUserScramCredentialsResponse,
        answers: &mut Answers<Whole, Results<String, Vec<ScramCredential>>>,
    ) {
        answers.throttled(response.throttle_time_ms);
        let users = response.results.into_iter().map(|result| {
            let user = result.user.to_string();
            let credentials = result.credential_infos.iter().map(|info| ScramCredential {
                mechanism: ScramMechanism::of(info.mechanism),
                iterations: info.iterations,
            });
            let credentials = match ErrorCode(result.error_code).check() {
                Ok(()) => Ok(credentials.collect()),
                Err(code) => Err(Error::refused(
                    ApiKey::DESCRIBE_USER_SCRAM_CREDENTIALS,
                    format!("user {user}"),
                    code,
                )),
            };
            (user, credentials)
        });
        let key = batch.keys[0].clone();
        let (code, message) = (response.error_code, response.error_message);
        answers.answer(key, code, message, || Results::of(users));
    }
}

struct Alter(HashMap<String, Credential>);

impl Call for Alter {
    const NOUN: &'static str = "user";
    type Key = String;
    type Value = ();
    type Request = AlterUserScramCredentialsRequest;

    fn target(&self, _: &String) -> Target {
        Target::Controller
    }

    fn request(&self, batch: &Batch<String>) -> Result<AlterUserScramCredentialsRequest, Error> {
        let mut deletions = Vec::new();
        let mut upsertions = Vec::new();
        for user in &batch.keys {
            match &self.0[user] {
                Credential::Deletion(deletion) => deletions.push(deletion.clone()),
                Credential::Upsertion(upsertion) => upsertions.push(upsertion.clone()),
            }
        }
        Ok(AlterUserScramCredentialsRequest::default()
            .with_deletions(deletions)
            .with_upsertions(upsertions))
    }

    fn read(
        &self,
        _: &Batch<String>,
        response: AlterUserScramCredentialsResponse,
        answers: &mut Answers<String, ()>,
    ) {
        answers.throttled(response.throttle_time_ms);
        for result in response.results {
            let user = result.user.to_string();
            answers.answer(user, result.error_code, result.error_message, || ());
        }
    }
}
