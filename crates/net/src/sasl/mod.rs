//! SASL: who the client is, shown to the broker.
//!
//! Owns: the mechanisms PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 and OAUTHBEARER, the trait for others
//! ([`SaslMechanism`]), and the exchange with the broker in Kafka's frames.
//! Does not: own sockets or clocks; a connection says when to authenticate, and again (KIP-368).
//!
//! Invariants
//! - the mechanism is the user's choice: a broker that does not offer it is an error, never a reason to take another
//! - a mechanism that shows its credentials to whoever listens is not used without TLS, unless the user says so
//! - neither what is sent nor what is received is ever logged or part of an error, but for the
//!   broker's error text, without the secrets
//! - an exchange ends after [`ROUNDS_MAX`](exchange::ROUNDS_MAX) messages

#[cfg(feature = "oauth")]
mod client_credentials;
pub(crate) mod exchange;
mod mechanism;
mod oauth_bearer;
mod plain;
mod refresh;
mod scram;

use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;

#[cfg(feature = "oauth")]
pub use client_credentials::ClientCredentials;
pub use mechanism::{
    AuthenticationFailure, SaslError, SaslFuture, SaslMechanism, SaslMessage, SaslPeer,
    SaslSession, SaslStep,
};
pub use oauth_bearer::{BearerToken, TokenError, TokenFuture, TokenProvider};
pub use refresh::TokenRefresh;
pub use scram::scram_salted_password;

use self::oauth_bearer::OAuthBearer;
use self::plain::Plain;
use self::scram::{Algorithm, Scram};
use crate::secret::Secret;

/// How the client authenticates (`sasl.mechanism` and its credentials); cheap to clone.
///
/// # Examples
/// ```
/// use klamm_net::Sasl;
///
/// let sasl = Sasl::scram_sha_512("alice", "her password");
/// assert_eq!(sasl.mechanism_name(), "SCRAM-SHA-512");
/// ```
#[derive(Clone)]
pub struct Sasl {
    mechanism: Mechanism,
    without_tls: bool,
}

#[derive(Clone)]
enum Mechanism {
    Plain(Plain),
    Scram(Scram),
    OAuthBearer(OAuthBearer),
    Other(Arc<dyn SaslMechanism>),
}

impl Sasl {
    /// PLAIN: user name and password as they are (KIP-43). Needs TLS, see
    /// [`Sasl::dangerously_without_tls`].
    pub fn plain(username: impl Into<Secret>, password: impl Into<Secret>) -> Self {
        Self::of(Mechanism::Plain(Plain::new(
            username.into(),
            password.into(),
        )))
    }

    /// SCRAM-SHA-256: the password itself is never sent, and the broker shows that it knows it too
    /// (KIP-84).
    pub fn scram_sha_256(username: impl Into<Secret>, password: impl Into<Secret>) -> Self {
        Self::scram(Algorithm::Sha256, username, password)
    }

    /// SCRAM-SHA-512, as [`Sasl::scram_sha_256`].
    pub fn scram_sha_512(username: impl Into<Secret>, password: impl Into<Secret>) -> Self {
        Self::scram(Algorithm::Sha512, username, password)
    }

    fn scram(
        algorithm: Algorithm,
        username: impl Into<Secret>,
        password: impl Into<Secret>,
    ) -> Self {
        Self::of(Mechanism::Scram(Scram::new(
            algorithm,
            username.into(),
            password.into(),
        )))
    }

    /// OAUTHBEARER with tokens that the application provides (KIP-255). A token is asked for when a
    /// connection needs one and kept until [`TokenRefresh`] says that it is time for the next. Needs TLS, see
    /// [`Sasl::dangerously_without_tls`].
    pub fn oauth_bearer(provider: impl TokenProvider) -> Self {
        Self::of(Mechanism::OAuthBearer(OAuthBearer::new(Arc::new(provider))))
    }

    /// A mechanism that klamm does not have, such as GSSAPI or `AWS_MSK_IAM`.
    pub fn mechanism(mechanism: impl SaslMechanism) -> Self {
        Self::of(Mechanism::Other(Arc::new(mechanism)))
    }

    const fn of(mechanism: Mechanism) -> Self {
        Self {
            mechanism,
            without_tls: false,
        }
    }

    /// Says that user name and password of SCRAM are id and HMAC of a delegation token
    /// (`tokenauth=true`; KIP-48). Without effect on other mechanisms.
    ///
    /// A token that was just made is refused as a wrong password is until the broker has heard of it from the
    /// controller, a moment later: it takes the token once it lists it (`describe_tokens` of the admin).
    #[must_use]
    pub fn delegation_token(mut self) -> Self {
        if let Mechanism::Scram(scram) = &mut self.mechanism {
            scram.token = true;
        }
        self
    }

    /// How many iterations SCRAM accepts from the broker (4,096 to 1,000,000): fewer would let whoever
    /// listens guess the password, more could keep the client busy for ever. Without effect on
    /// other mechanisms.
    #[must_use]
    pub fn scram_iterations(mut self, iterations: RangeInclusive<u32>) -> Self {
        if let Mechanism::Scram(scram) = &mut self.mechanism {
            scram.iterations = iterations;
        }
        self
    }

    /// When tokens of OAUTHBEARER are replaced (`sasl.login.refresh.*`). Without effect on other
    /// mechanisms.
    #[must_use]
    pub fn token_refresh(mut self, refresh: TokenRefresh) -> Self {
        if let Mechanism::OAuthBearer(oauth) = self.mechanism {
            self.mechanism = Mechanism::OAuthBearer(oauth.with_refresh(refresh));
        }
        self
    }

    /// Allows a mechanism that shows its credentials to whoever listens (PLAIN, OAUTHBEARER) on
    /// connections without TLS. For tests, and networks that are encrypted otherwise.
    #[must_use]
    pub fn dangerously_without_tls(mut self) -> Self {
        self.without_tls = true;
        self
    }

    /// Kafka's name of the mechanism.
    #[must_use]
    pub fn mechanism_name(&self) -> &str {
        self.as_dyn().name()
    }

    /// Whether it may be used on a connection without TLS.
    pub(crate) fn may_go_without_tls(&self) -> bool {
        self.without_tls || !self.as_dyn().reveals_credentials()
    }

    pub(crate) fn as_dyn(&self) -> &dyn SaslMechanism {
        match &self.mechanism {
            Mechanism::Plain(plain) => plain,
            Mechanism::Scram(scram) => scram,
            Mechanism::OAuthBearer(oauth) => oauth,
            Mechanism::Other(other) => other.as_ref(),
        }
    }
}

impl fmt::Debug for Sasl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sasl")
            .field("mechanism", &self.mechanism_name())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
