//! What a SASL mechanism is, for those that klamm has and those that others write.

use std::fmt;
use std::pin::Pin;

use zeroize::Zeroizing;

use crate::secret::Secret;

/// What a step of a mechanism will come to.
pub type SaslFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, SaslError>> + Send + 'a>>;

/// A message to the broker; overwritten with zeros once it is sent.
pub type SaslMessage = Zeroizing<Vec<u8>>;

/// A SASL mechanism: GSSAPI or `AWS_MSK_IAM` can be plugged in by it.
///
/// One value serves all connections of a client; each authentication, and each re-authentication
/// (KIP-368), is a [`SaslSession`] of its own.
///
/// # Examples
/// EXTERNAL, which says nothing but "see my certificate":
/// ```
/// use klamm_net::{Sasl, SaslFuture, SaslMechanism, SaslMessage, SaslPeer, SaslSession, SaslStep};
///
/// struct External;
/// struct Session { sent: bool }
///
/// impl SaslMechanism for External {
///     fn name(&self) -> &str { "EXTERNAL" }
///     fn start<'a>(&'a self, _: &'a SaslPeer) -> SaslFuture<'a, Box<dyn SaslSession>> {
///         Box::pin(async { Ok(Box::new(Session { sent: false }) as Box<dyn SaslSession>) })
///     }
/// }
///
/// impl SaslSession for Session {
///     fn step<'a>(&'a mut self, _challenge: &'a [u8]) -> SaslFuture<'a, SaslStep> {
///         let first = !std::mem::replace(&mut self.sent, true);
///         Box::pin(async move { Ok(if first { SaslStep::Send(SaslMessage::default()) } else { SaslStep::Done }) })
///     }
/// }
///
/// let sasl = Sasl::mechanism(External);
/// ```
pub trait SaslMechanism: Send + Sync + 'static {
    /// Its name in `sasl.enabled.mechanisms` of the broker.
    fn name(&self) -> &str;

    /// Begins an authentication with a broker. This is the place to wait for what the network must
    /// provide (a token, a ticket): a connection that authenticates again still serves requests meanwhile. What
    /// blocks belongs into `tokio::task::spawn_blocking`.
    fn start<'a>(&'a self, peer: &'a SaslPeer) -> SaslFuture<'a, Box<dyn SaslSession>>;

    /// Whether somebody who listens could log in with what it sends, so that it needs TLS.
    fn reveals_credentials(&self) -> bool {
        true
    }

    /// What must not be shown if the broker's error text holds it.
    fn secrets(&self) -> Vec<&Secret> {
        Vec::new()
    }
}

/// One authentication: messages to the broker and its challenges in turn.
pub trait SaslSession: Send {
    /// The answer to `challenge`, which is empty for the first step.
    ///
    /// The broker's acceptance counts only if the session is [`Done`](SaslStep::Done) with the challenge
    /// that came with it, so that a mechanism can insist on what the broker has to show.
    fn step<'a>(&'a mut self, challenge: &'a [u8]) -> SaslFuture<'a, SaslStep>;
}

/// What a session wants after a step.
pub enum SaslStep {
    /// Send this and come back with the challenge in return.
    Send(SaslMessage),
    /// The mechanism is satisfied.
    Done,
}

/// The broker that asks who the client is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SaslPeer {
    /// Host name as the client dials it: of a bootstrap address, or as the broker advertises it.
    pub host: String,
    /// Port.
    pub port: u16,
}

/// Why an authentication failed, for those who decide by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AuthenticationFailure {
    /// The broker does not accept the credentials: user name, password or token are wrong, or the user is
    /// unknown.
    Rejected,
    /// The broker's listener does not have the mechanism.
    MechanismNotEnabled,
    /// The broker's listener does no SASL at all.
    NotExpected,
    /// The broker did not show that it knows the credentials: it may be an impostor.
    BrokerNotGenuine,
    /// The broker asks for what would weaken the mechanism, or sends what the mechanism does not allow.
    BadChallenge,
    /// The client has no credentials to show: no valid token could be had, or they cannot be sent.
    NoCredentials,
    /// A mechanism that is not klamm's own failed.
    Mechanism,
}

/// A failure of a mechanism. The text holds no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SaslError {
    pub(crate) failure: AuthenticationFailure,
    pub(crate) reason: String,
}

impl SaslError {
    /// A failure with a reason, which must not hold a secret.
    pub fn new(failure: AuthenticationFailure, reason: impl Into<String>) -> Self {
        Self {
            failure,
            reason: reason.into(),
        }
    }

    /// What kind of failure it is.
    #[must_use]
    pub const fn failure(&self) -> AuthenticationFailure {
        self.failure
    }
}

impl fmt::Display for SaslError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for SaslError {}
