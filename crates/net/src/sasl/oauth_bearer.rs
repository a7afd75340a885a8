//! OAUTHBEARER (RFC 7628, KIP-255): tokens that somebody else vouches for.
//!
//! Owns: the cache of the token, its refresh, the messages. Does not: fetch tokens, that is the [`TokenProvider`]'s.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::mechanism::{
    AuthenticationFailure, SaslError, SaslFuture, SaslMechanism, SaslMessage, SaslPeer,
    SaslSession, SaslStep,
};
use super::refresh::TokenRefresh;
use crate::backoff::random_fraction;
use crate::secret::Secret;

/// Why no token could be had. Its text becomes part of klamm's error, so it must hold no secret.
pub type TokenError = Box<dyn std::error::Error + Send + Sync>;

/// A token to come.
pub type TokenFuture<'a> =
    Pin<Box<dyn Future<Output = Result<BearerToken, TokenError>> + Send + 'a>>;

/// Where tokens for OAUTHBEARER come from. Closures that return a future are providers too.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use klamm_net::{BearerToken, Sasl};
///
/// let sasl = Sasl::oauth_bearer(|| async {
///     let token = std::env::var("KAFKA_TOKEN")?;
///     Ok(BearerToken::new(token).expires_in(Duration::from_secs(3600)))
/// });
/// ```
pub trait TokenProvider: Send + Sync + 'static {
    /// A token that is valid now. It is called when the last one is to be replaced, by one connection at a time.
    fn token(&self) -> TokenFuture<'_>;
}

impl<F, R> TokenProvider for F
where
    F: Fn() -> R + Send + Sync + 'static,
    R: Future<Output = Result<BearerToken, TokenError>> + Send + 'static,
{
    fn token(&self) -> TokenFuture<'_> {
        Box::pin(self())
    }
}

/// A token, and what goes with it to the broker.
#[derive(Clone)]
pub struct BearerToken {
    value: Secret,
    expires: Option<SystemTime>,
    extensions: BTreeMap<String, String>,
}

impl BearerToken {
    /// A token that is asked for anew by every connection, until it is given an end.
    pub fn new(value: impl Into<Secret>) -> Self {
        Self {
            value: value.into(),
            expires: None,
            extensions: BTreeMap::new(),
        }
    }

    /// Valid for so long from now on (`expires_in` of token endpoints).
    #[must_use]
    pub fn expires_in(self, lifetime: Duration) -> Self {
        match SystemTime::now().checked_add(lifetime) {
            Some(at) => self.expires_at(at),
            None => self,
        }
    }

    /// Valid until then (`exp` in the token).
    #[must_use]
    pub fn expires_at(mut self, at: SystemTime) -> Self {
        self.expires = Some(at);
        self
    }

    /// A SASL extension (KIP-342), such as `logicalCluster` and `identityPoolId` of Confluent Cloud.
    #[must_use]
    pub fn extension(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.extensions.insert(name.into(), value.into());
        self
    }

    fn message(&self) -> Result<SaslMessage, SaslError> {
        let unfit = |what: &str| {
            let reason = format!("{what} holds a sign that OAUTHBEARER cannot send, or is empty");
            SaslError::new(AuthenticationFailure::NoCredentials, reason)
        };
        let token = self.value.expose();
        if token.is_empty() || !token.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(unfit("the token"));
        }
        let mut message = SaslMessage::new(Vec::with_capacity(token.len() + 1024));
        message.extend_from_slice(b"n,,\x01auth=Bearer ");
        message.extend_from_slice(token.as_bytes());
        for (name, value) in &self.extensions {
            let name_fits = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphabetic());
            if !name_fits || name.eq_ignore_ascii_case("auth") {
                return Err(unfit("the name of an extension"));
            }
            let fits = |b: u8| b.is_ascii_graphic() || matches!(b, b' ' | b'\t' | b'\r' | b'\n');
            if value.is_empty() || !value.bytes().all(fits) {
                return Err(unfit("the value of an extension"));
            }
            message.push(1);
            message.extend_from_slice(name.as_bytes());
            message.push(b'=');
            message.extend_from_slice(value.as_bytes());
        }
        message.extend_from_slice(b"\x01\x01");
        Ok(message)
    }
}

impl fmt::Debug for BearerToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BearerToken")
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}

#[derive(Clone)]
pub(super) struct OAuthBearer {
    source: Arc<Source>,
}

/// One for all connections of a client.
struct Source {
    provider: Arc<dyn TokenProvider>,
    refresh: TokenRefresh,
    /// Held while a token is fetched: others wait for it rather than fetch their own.
    current: tokio::sync::Mutex<Option<Current>>,
}

struct Current {
    token: BearerToken,
    replace_at: SystemTime,
    expires: SystemTime,
}

impl OAuthBearer {
    pub(super) fn new(provider: Arc<dyn TokenProvider>) -> Self {
        Self::of(provider, TokenRefresh::default())
    }

    pub(super) fn with_refresh(&self, refresh: TokenRefresh) -> Self {
        Self::of(Arc::clone(&self.source.provider), refresh)
    }

    fn of(provider: Arc<dyn TokenProvider>, refresh: TokenRefresh) -> Self {
        let source = Source {
            provider,
            refresh,
            current: tokio::sync::Mutex::default(),
        };
        Self {
            source: Arc::new(source),
        }
    }
}

impl Source {
    /// The token to use now: the kept one, or the next when it is time for that. While the old one is valid, a
    /// provider that fails is a warning only.
    async fn token(&self) -> Result<BearerToken, SaslError> {
        let mut current = self.current.lock().await;
        let now = SystemTime::now();
        if let Some(kept) = current.as_ref().filter(|kept| now < kept.replace_at) {
            return Ok(kept.token.clone());
        }
        let failed = |reason: String| SaslError::new(AuthenticationFailure::NoCredentials, reason);
        let fetched = match self.provider.token().await {
            Ok(token) if token.expires.is_some_and(|at| at <= SystemTime::now()) => {
                Err("the token provider gave a token that has expired".to_owned())
            }
            Ok(token) => Ok(token),
            Err(error) => Err(format!("the token provider failed: {error}")),
        };
        match fetched {
            Ok(token) => {
                let fetched = SystemTime::now();
                *current = token.expires.map(|expires| Current {
                    token: token.clone(),
                    replace_at: self.refresh.at(fetched, expires, random_fraction()),
                    expires,
                });
                Ok(token)
            }
            Err(reason) => match &mut *current {
                Some(kept) if SystemTime::now() < kept.expires => {
                    // Not asked again at once by every connection.
                    let left = kept.expires.duration_since(now).unwrap_or_default();
                    kept.replace_at = now + (left / 10).min(RETRY_MAX);
                    tracing::warn!(
                        reason,
                        "no new token, the old one is used while it is valid"
                    );
                    Ok(kept.token.clone())
                }
                _ => Err(failed(reason)),
            },
        }
    }
}

/// Longest pause before a provider that failed is asked again while the old token is valid.
const RETRY_MAX: Duration = Duration::from_secs(10);

impl SaslMechanism for OAuthBearer {
    fn name(&self) -> &'static str {
        "OAUTHBEARER"
    }

    fn start<'a>(&'a self, _: &'a SaslPeer) -> SaslFuture<'a, Box<dyn SaslSession>> {
        Box::pin(async {
            let token = self.source.token().await?;
            let session = Session {
                turn: Turn::Token(token.message()?),
            };
            Ok(Box::new(session) as Box<dyn SaslSession>)
        })
    }
}

struct Session {
    turn: Turn,
}

enum Turn {
    Token(SaslMessage),
    Answer,
    Refused,
}

impl SaslSession for Session {
    fn step<'a>(&'a mut self, challenge: &'a [u8]) -> SaslFuture<'a, SaslStep> {
        let step = match std::mem::replace(&mut self.turn, Turn::Answer) {
            Turn::Token(message) => Ok(SaslStep::Send(message)),
            Turn::Answer if challenge.is_empty() => Ok(SaslStep::Done),
            // The broker's reason in JSON: answered by one byte, upon which the broker fails for good.
            Turn::Answer => {
                self.turn = Turn::Refused;
                Ok(SaslStep::Send(SaslMessage::new(vec![1])))
            }
            Turn::Refused => Err(SaslError::new(
                AuthenticationFailure::Rejected,
                "the broker refused the token",
            )),
        };
        Box::pin(std::future::ready(step))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[test]
    fn the_message_carries_token_and_extensions() {
        let token = BearerToken::new("a.b-c_d~e+f/==").extension("logicalCluster", "lkc 1");
        let message = token.message().unwrap();
        assert_eq!(
            *message,
            b"n,,\x01auth=Bearer a.b-c_d~e+f/==\x01logicalCluster=lkc 1\x01\x01"
        );
    }

    #[test]
    fn no_sign_of_a_token_or_extension_can_change_the_message() {
        for token in [
            BearerToken::new("a\x01auth=Bearer b"),
            BearerToken::new(""),
            BearerToken::new("a b"),
            BearerToken::new("a").extension("auth", "x"),
            BearerToken::new("a").extension("x=y", "x"),
            BearerToken::new("a").extension("x", "y\x01z"),
        ] {
            let error = token.message().unwrap_err();
            assert_eq!(error.failure(), AuthenticationFailure::NoCredentials);
        }
    }

    fn counted(lifetime: Option<Duration>) -> (OAuthBearer, Arc<AtomicU32>) {
        let calls = Arc::new(AtomicU32::new(0));
        let provider = {
            let calls = Arc::clone(&calls);
            move || {
                let call = calls.fetch_add(1, Ordering::SeqCst);
                async move {
                    if call == 1 {
                        return Err(TokenError::from("the issuer sleeps"));
                    }
                    let token = BearerToken::new(format!("token-{call}"));
                    Ok(match lifetime {
                        Some(lifetime) => token.expires_in(lifetime),
                        None => token,
                    })
                }
            }
        };
        (OAuthBearer::new(Arc::new(provider)), calls)
    }

    #[tokio::test]
    async fn a_token_is_kept_until_it_is_to_be_replaced() {
        let (oauth, calls) = counted(Some(Duration::from_secs(3600)));
        for _ in 0..3 {
            assert_eq!(
                oauth.source.token().await.unwrap().value.expose(),
                "token-0"
            );
        }
        assert_eq!(calls.load(Ordering::SeqCst), 1);
        // Its time has come, but the provider fails: it is still valid.
        let replace_now = async || {
            let mut current = oauth.source.current.lock().await;
            current.as_mut().unwrap().replace_at = SystemTime::UNIX_EPOCH;
        };
        replace_now().await;
        assert_eq!(
            oauth.source.token().await.unwrap().value.expose(),
            "token-0"
        );
        assert_eq!(
            oauth.source.token().await.unwrap().value.expose(),
            "token-0"
        );
        assert_eq!(calls.load(Ordering::SeqCst), 2);
        replace_now().await;
        assert_eq!(
            oauth.source.token().await.unwrap().value.expose(),
            "token-2"
        );
    }

    #[tokio::test]
    async fn an_expired_token_is_not_shown_to_anybody() {
        let (oauth, _) = counted(Some(Duration::ZERO));
        let error = oauth.source.token().await.unwrap_err();
        assert_eq!(error.failure(), AuthenticationFailure::NoCredentials);
        assert!(error.to_string().contains("expired"), "{error}");
    }

    #[tokio::test]
    async fn a_token_without_an_end_is_asked_for_each_time() {
        let (oauth, calls) = counted(None);
        oauth.source.token().await.unwrap();
        let error = oauth.source.token().await.unwrap_err();
        assert!(error.to_string().contains("the issuer sleeps"), "{error}");
        assert_eq!(calls.load(Ordering::SeqCst), 2);
    }
}
