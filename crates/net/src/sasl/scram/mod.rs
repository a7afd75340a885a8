//! SCRAM-SHA-256 and SCRAM-SHA-512 (RFC 5802, RFC 7677): the shell around the conversation.
//!
//! User name and password go as the UTF-8 that they are: Kafka's brokers and tools do not apply `SASLprep` either, so
//! to apply it here would lock out whoever has a password that it changes.

mod client;
mod crypto;

use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use self::client::{Client, ServerFirst};
pub(super) use self::crypto::Algorithm;
use self::crypto::Keys;
use super::mechanism::{
    AuthenticationFailure, SaslError, SaslFuture, SaslMechanism, SaslMessage, SaslPeer,
    SaslSession, SaslStep,
};
use crate::secret::Secret;

/// Kafka's smallest number of iterations, and what a second of computing allows.
const ITERATIONS: RangeInclusive<u32> = 4096..=1_000_000;
/// Random bytes in a nonce.
const NONCE_BYTES: usize = 24;

/// What a broker is given instead of a password (KIP-554): random bytes, and what the password comes
/// to with them after `iterations` rounds of SCRAM-SHA-256, or SCRAM-SHA-512 if `is_512`.
///
/// # Errors
/// [`SaslError`] if the operating system gives no random bytes.
pub fn scram_salted_password(
    password: &Secret,
    iterations: u32,
    is_512: bool,
) -> Result<(Vec<u8>, Zeroizing<Vec<u8>>), SaslError> {
    let mut salt = vec![0; NONCE_BYTES];
    getrandom::fill(&mut salt).map_err(|error| {
        let reason = format!("the operating system gives no random bytes: {error}");
        SaslError::new(AuthenticationFailure::NoCredentials, reason)
    })?;
    let algorithm = if is_512 {
        Algorithm::Sha512
    } else {
        Algorithm::Sha256
    };
    let salted = algorithm.salted_password(password.expose(), &salt, iterations);
    Ok((salt, salted))
}

#[derive(Clone)]
pub(super) struct Scram {
    algorithm: Algorithm,
    username: Secret,
    password: Secret,
    /// Whether user name and password are those of a delegation token.
    pub(super) token: bool,
    /// Accepted numbers of iterations.
    pub(super) iterations: RangeInclusive<u32>,
    derived: Derived,
}

/// The keys that were last derived from the password, with salt and iterations (RFC 5802, section 5.1): all
/// connections of a client need the same.
type Derived = Arc<Mutex<Option<(Vec<u8>, u32, Arc<Keys>)>>>;

impl Scram {
    pub(super) fn new(algorithm: Algorithm, username: Secret, password: Secret) -> Self {
        Self {
            algorithm,
            username,
            password,
            token: false,
            iterations: ITERATIONS,
            derived: Derived::default(),
        }
    }

    fn client(&self) -> Result<Client, SaslError> {
        if self.username.expose().is_empty() || self.password.expose().is_empty() {
            return Err(SaslError::new(
                AuthenticationFailure::NoCredentials,
                "user name and password must not be empty",
            ));
        }
        let mut random = [0; NONCE_BYTES];
        getrandom::fill(&mut random).map_err(|error| {
            let reason = format!("the operating system gives no random bytes: {error}");
            SaslError::new(AuthenticationFailure::NoCredentials, reason)
        })?;
        Ok(Client::new(
            self.algorithm,
            self.username.clone(),
            &STANDARD.encode(random),
            self.token,
            self.iterations.clone(),
        ))
    }

    /// The keys for the broker's salt; derived on a thread that may block, since the broker chooses how
    /// long it takes.
    async fn keys(&self, server_first: &ServerFirst) -> Result<Arc<Keys>, SaslError> {
        let lock = || self.derived.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((salt, iterations, keys)) = &*lock()
            && *salt == server_first.salt
            && *iterations == server_first.iterations
        {
            return Ok(Arc::clone(keys));
        }
        let (algorithm, password) = (self.algorithm, self.password.clone());
        let (salt, iterations) = (server_first.salt.clone(), server_first.iterations);
        let derive = move || Keys::derive(algorithm, password.expose(), &salt, iterations);
        let keys = tokio::task::spawn_blocking(derive).await.map_err(|_| {
            SaslError::new(
                AuthenticationFailure::NoCredentials,
                "the runtime is shutting down",
            )
        })?;
        let keys = Arc::new(keys);
        *lock() = Some((server_first.salt.clone(), iterations, Arc::clone(&keys)));
        Ok(keys)
    }
}

impl SaslMechanism for Scram {
    fn name(&self) -> &str {
        self.algorithm.mechanism()
    }

    fn start<'a>(&'a self, _: &'a SaslPeer) -> SaslFuture<'a, Box<dyn SaslSession>> {
        Box::pin(async {
            let session = Session {
                client: self.client()?,
                scram: self.clone(),
                turn: Turn::First,
            };
            Ok(Box::new(session) as Box<dyn SaslSession>)
        })
    }

    fn reveals_credentials(&self) -> bool {
        false
    }

    fn secrets(&self) -> Vec<&Secret> {
        vec![&self.password]
    }
}

struct Session {
    client: Client,
    scram: Scram,
    turn: Turn,
}

enum Turn {
    First,
    ServerFirst,
    ServerFinal,
}

impl Session {
    async fn next(&mut self, challenge: &[u8]) -> Result<SaslStep, SaslError> {
        match self.turn {
            Turn::First => {
                self.turn = Turn::ServerFirst;
                Ok(SaslStep::Send(self.client.first_message()))
            }
            Turn::ServerFirst => {
                let server_first = self.client.handle_server_first(challenge)?;
                let keys = self.scram.keys(&server_first).await?;
                self.turn = Turn::ServerFinal;
                let message: SaslMessage = self.client.final_message(&server_first, &keys);
                Ok(SaslStep::Send(message))
            }
            Turn::ServerFinal => {
                self.client.handle_server_final(challenge)?;
                Ok(SaslStep::Done)
            }
        }
    }
}

impl SaslSession for Session {
    fn step<'a>(&'a mut self, challenge: &'a [u8]) -> SaslFuture<'a, SaslStep> {
        Box::pin(self.next(challenge))
    }
}
