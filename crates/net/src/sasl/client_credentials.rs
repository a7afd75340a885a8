//! Tokens from an identity provider, by OAuth's client credentials grant over HTTPS (KIP-768).
//!
//! The rules of CVE-2025-27817 hold: `https` only, so that no URL reads a file or sends the secret in clear; no redirect is
//! followed, so that no answer leads elsewhere; an answer has at most 64 KiB and a time; the endpoint is
//! what the application says, never what a broker says.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio::time::{sleep, timeout};
use zeroize::Zeroizing;

use super::oauth_bearer::{BearerToken, TokenError, TokenFuture, TokenProvider};
use crate::backoff::Backoff;
use crate::error::Error;
use crate::secret::{Secret, peer_text};
use crate::tls::{Tls, TlsDialer};

/// Largest answer accepted.
const ANSWER_BYTES_MAX: usize = 64 << 10;
/// Attempts while the endpoint fails in a way that may pass.
const ATTEMPTS_MAX: u32 = 3;
const HTTPS_PORT: u16 = 443;

/// Fetches tokens from a token endpoint with id and secret of a client (`sasl.oauthbearer.token.endpoint.url`,
/// `sasl.oauthbearer.client.credentials.*`); for [`Sasl::oauth_bearer`](crate::Sasl::oauth_bearer).
///
/// # Examples
/// ```
/// use klamm_net::{ClientCredentials, Sasl};
///
/// let tokens = ClientCredentials::new("https://id.example.com/oauth2/token", "billing", "its secret")?.scope("kafka");
/// let sasl = Sasl::oauth_bearer(tokens);
/// # Ok::<(), klamm_net::Error>(())
/// ```
pub struct ClientCredentials {
    endpoint: Endpoint,
    client_id: String,
    client_secret: Secret,
    scope: Option<String>,
    url_encode: bool,
    extensions: BTreeMap<String, String>,
    connect_timeout: Duration,
    read_timeout: Duration,
    backoff: Backoff,
    tls: Tls,
    /// Made when it is first used, since it reads files.
    dialer: OnceCell<TlsDialer>,
}

/// The parts of an `https` URL.
struct Endpoint {
    host: String,
    port: u16,
    /// Path and query.
    target: String,
}

impl Endpoint {
    fn read(url: &str) -> Result<Self, Error> {
        let refused = |what: &str| Error::Security {
            reason: format!("sasl.oauthbearer.token.endpoint.url {what}"),
        };
        let rest = url
            .strip_prefix("https://")
            .ok_or_else(|| refused("must begin with https://"))?;
        if !rest.bytes().all(|b| b.is_ascii_graphic())
            || rest.contains(['@', '#', '\\', '"', '<', '>'])
        {
            return Err(refused(
                "holds a sign that it must not: a user, a fragment, blanks",
            ));
        }
        let (authority, target) = match rest.find(['/', '?']) {
            Some(at) => rest.split_at(at),
            None => (rest, "/"),
        };
        let (host, port) = match authority.strip_prefix('[') {
            Some(rest) => {
                let (host, rest) = rest.split_once(']').ok_or_else(|| refused("lacks a ]"))?;
                (host, rest.strip_prefix(':'))
            }
            None => match authority.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (authority, None),
            },
        };
        let port = port.map_or(Ok(HTTPS_PORT), str::parse);
        let port = port.map_err(|_| refused("has no valid port"))?;
        if host.is_empty() {
            return Err(refused("has no host"));
        }
        let target = if target.starts_with('?') {
            format!("/{target}")
        } else {
            target.to_owned()
        };
        Ok(Self {
            host: host.to_owned(),
            port,
            target,
        })
    }

    fn authority(&self) -> String {
        let host = &self.host;
        let host = if host.contains(':') {
            format!("[{host}]")
        } else {
            host.clone()
        };
        match self.port {
            HTTPS_PORT => host,
            port => format!("{host}:{port}"),
        }
    }
}

impl ClientCredentials {
    /// With the token endpoint's URL and what the client is known by there.
    ///
    /// # Errors
    /// [`Error::Security`] if the URL is not an `https` URL, or holds a user or a fragment.
    pub fn new(
        token_endpoint: &str,
        client_id: impl Into<String>,
        client_secret: impl Into<Secret>,
    ) -> Result<Self, Error> {
        Ok(Self {
            endpoint: Endpoint::read(token_endpoint)?,
            client_id: client_id.into(),
            client_secret: client_secret.into(),
            scope: None,
            url_encode: false,
            extensions: BTreeMap::new(),
            connect_timeout: Duration::from_secs(10),
            read_timeout: Duration::from_secs(10),
            backoff: Backoff {
                initial: Duration::from_millis(100),
                max: Duration::from_secs(10),
            },
            tls: Tls::new(),
            dialer: OnceCell::new(),
        })
    }

    /// The scope to ask for (`sasl.oauthbearer.scope`; none).
    #[must_use]
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.scope = Some(scope.into());
        self
    }

    /// A SASL extension for the broker (KIP-342), such as `logicalCluster`.
    #[must_use]
    pub fn extension(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.extensions.insert(name.into(), value.into());
        self
    }

    /// Encodes id and secret for URLs before they are joined, as RFC 6749 has it
    /// (`sasl.oauthbearer.header.urlencode`; no).
    #[must_use]
    pub fn header_url_encode(mut self, encode: bool) -> Self {
        self.url_encode = encode;
        self
    }

    /// How the token endpoint is known, apart from the brokers (the authorities of the operating system).
    #[must_use]
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = tls;
        self
    }

    /// Limits for a connection and for an answer (`sasl.login.connect.timeout.ms`, `sasl.login.read.timeout.ms`;
    /// 10 s each).
    #[must_use]
    pub fn timeouts(mut self, connect: Duration, read: Duration) -> Self {
        (self.connect_timeout, self.read_timeout) = (connect, read);
        self
    }

    /// Pauses before an endpoint that failed is asked again, three times in all (`sasl.login.retry.backoff.ms`; 100 ms,
    /// and `sasl.login.retry.backoff.max.ms`; 10 s).
    #[must_use]
    pub fn retry_backoff(mut self, initial: Duration, max: Duration) -> Self {
        self.backoff = Backoff { initial, max };
        self
    }

    async fn fetch(&self) -> Result<BearerToken, TokenError> {
        let mut attempt = 0;
        loop {
            let failed = match self.ask().await {
                Ok(token) => return Ok(token),
                Err(failed) => failed,
            };
            attempt += 1;
            if !failed.may_pass || attempt == ATTEMPTS_MAX {
                let endpoint = self.endpoint.authority();
                return Err(format!("token endpoint {endpoint}: {}", failed.reason).into());
            }
            sleep(self.backoff.jittered(attempt - 1)).await;
        }
    }

    async fn ask(&self) -> Result<BearerToken, Failed> {
        let connect = timeout(self.connect_timeout, self.connect());
        let stream = connect
            .await
            .map_err(|_| Failed::may_pass("no connection in time"))??;
        let exchange = timeout(self.read_timeout, self.exchange(stream));
        let (status, body) = exchange
            .await
            .map_err(|_| Failed::may_pass("no answer in time"))??;
        self.token(status, &body)
    }

    async fn connect(
        &self,
    ) -> Result<impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static, Failed>
    {
        let Endpoint { host, port, .. } = &self.endpoint;
        let dialer = self.dialer.get_or_try_init(|| async {
            let tls = self.tls.clone();
            let read = tokio::task::spawn_blocking(move || TlsDialer::new(&tls));
            read.await.unwrap_or(Err(Error::Closed))
        });
        let dialer = dialer
            .await
            .map_err(|error| Failed::for_good(error.to_string()))?;
        let stream = TcpStream::connect((host.as_str(), *port)).await;
        let stream = stream.map_err(|error| Failed::may_pass(error.to_string()))?;
        let encrypted = dialer
            .connect(stream, host, &self.endpoint.authority())
            .await;
        encrypted.map_err(|error| Failed {
            may_pass: error.is_retriable(),
            reason: error.to_string(),
        })
    }

    async fn exchange(
        &self,
        stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static,
    ) -> Result<(StatusCode, Zeroizing<Vec<u8>>), Failed> {
        let broken = |error: hyper::Error| Failed::may_pass(error.to_string());
        let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream));
        let (mut sender, connection) = handshake.await.map_err(broken)?;
        let request = self.request()?;
        let answer = async {
            let response = sender.send_request(request).await.map_err(broken)?;
            let status = response.status();
            let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX)
                .collect()
                .await;
            let body =
                body.map_err(|_| Failed::may_pass("its answer is cut off, or larger than 64 KiB"))?;
            Ok((status, Zeroizing::new(body.to_bytes().to_vec())))
        };
        let mut answer = std::pin::pin!(answer);
        tokio::select! {
            answered = &mut answer => answered,
            // It ends when it has no more to do; the answer may still wait to be taken.
            _ = connection => answer.await,
        }
    }

    fn request(&self) -> Result<Request<Full<Bytes>>, Failed> {
        let (id, secret) = (self.client_id.as_str(), self.client_secret.expose());
        let joined = Zeroizing::new(if self.url_encode {
            format!(
                "{}:{}",
                url_encoded(id),
                *Zeroizing::new(url_encoded(secret))
            )
        } else {
            format!("{id}:{secret}")
        });
        let basic = Zeroizing::new(format!(
            "Basic {}",
            *Zeroizing::new(STANDARD.encode(&*joined))
        ));
        let mut authorization = HeaderValue::from_str(&basic)
            .map_err(|_| Failed::for_good("id and secret cannot be sent"))?;
        authorization.set_sensitive(true);
        let mut form = "grant_type=client_credentials".to_owned();
        if let Some(scope) = &self.scope {
            form.push_str("&scope=");
            form.push_str(&url_encoded(scope));
        }
        Request::post(self.endpoint.target.as_str())
            .header(HOST, self.endpoint.authority())
            .header(AUTHORIZATION, authorization)
            .header(ACCEPT, "application/json")
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Full::from(form))
            .map_err(|_| Failed::for_good("the URL cannot be sent"))
    }

    fn token(&self, status: StatusCode, body: &[u8]) -> Result<BearerToken, Failed> {
        let json: Value = serde_json::from_slice(body).unwrap_or_default();
        if status.is_redirection() {
            return Err(Failed::for_good(format!(
                "it answers {status}; redirects are not followed"
            )));
        }
        if !status.is_success() {
            let text = |name: &str| json.get(name).and_then(Value::as_str).unwrap_or_default();
            let told = format!("{} {}", text("error"), text("error_description"));
            let told = peer_text(told.trim(), &[&self.client_secret]);
            return Err(Failed {
                may_pass: status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS,
                reason: format!("it answers {status} {told}").trim_end().to_owned(),
            });
        }
        let token = json.get("access_token").and_then(Value::as_str);
        let token = token.ok_or_else(|| Failed::for_good("its answer holds no access_token"))?;
        let mut bearer = BearerToken::new(token);
        if let Some(expires) = lifetime(&json).or_else(|| expiry(token)) {
            bearer = bearer.expires_at(expires);
        }
        for (name, value) in &self.extensions {
            bearer = bearer.extension(name, value);
        }
        Ok(bearer)
    }
}

struct Failed {
    may_pass: bool,
    reason: String,
}

impl Failed {
    fn may_pass(reason: impl Into<String>) -> Self {
        Self {
            may_pass: true,
            reason: reason.into(),
        }
    }

    fn for_good(reason: impl Into<String>) -> Self {
        Self {
            may_pass: false,
            reason: reason.into(),
        }
    }
}

/// The end that `expires_in` tells, in seconds; some write it as text.
fn lifetime(json: &Value) -> Option<SystemTime> {
    let told = json.get("expires_in")?;
    let seconds = told.as_u64().or_else(|| told.as_str()?.parse().ok())?;
    SystemTime::now().checked_add(Duration::from_secs(seconds))
}

/// The end that a JWT itself tells (`exp`). It is the broker that checks the token; this only says when to fetch the next.
fn expiry(token: &str) -> Option<SystemTime> {
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    let claims: Value = serde_json::from_slice(&claims).ok()?;
    let seconds = claims.get("exp")?.as_u64()?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

fn url_encoded(text: &str) -> String {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut encoded = String::with_capacity(text.len() * 3);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(byte.into());
        } else {
            let digits = [byte >> 4, byte & 15].map(|digit| char::from(HEX[usize::from(digit)]));
            encoded.push('%');
            encoded.extend(digits);
        }
    }
    encoded
}

impl TokenProvider for ClientCredentials {
    fn token(&self) -> TokenFuture<'_> {
        Box::pin(self.fetch())
    }
}

impl fmt::Debug for ClientCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCredentials")
            .field("endpoint", &self.endpoint.authority())
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
